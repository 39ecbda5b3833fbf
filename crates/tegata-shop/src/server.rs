//! The shop on the network: messages, its own record, the catalogue as JSON.
//!
//! Strangers get one answer for everything that can't be opened, read or verified, always the same
//! bytes (no oracle); the reason goes to the log.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tegata_http::rate_limit::TooMany;
use tegata_party::client::CBOR;
use tegata_protocol::SeriesId;
use tegata_protocol::envelope::SEALED_LIMIT;
use tokio::sync::Semaphore;

use crate::counter::{self, Unanswered};
use crate::listing;
use crate::rate_limits::Class;
use crate::shop::{Shop, cause};

mod orders;

/// How many messages are worked on at once; others wait.
const AT_ONCE: usize = 64;

/// What handlers share.
#[derive(Clone, Debug)]
pub struct Service {
    /// The shop.
    pub shop: Arc<Shop>,
    desks: Arc<Semaphore>,
}

impl Service {
    /// A service for this shop.
    pub fn new(shop: Arc<Shop>) -> Self {
        Self {
            shop,
            desks: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Its routes below `/v1`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/message", post(message))
            .route("/v1/record", get(record))
            .route("/v1/catalogue", get(catalogue))
            .route("/v1/card-interface", get(crate::card_interface::script))
            .route("/v1/series/{number}", get(series))
            .merge(orders::routes())
            .layer(DefaultBodyLimit::max(SEALED_LIMIT))
            .with_state(self.clone())
    }
}

/// Addresses are counted before anything of the message is looked at.
async fn message(
    State(service): State<Service>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Response {
    let shop = &service.shop;
    let counted = shop
        .rate_limits()
        .address(Class::Message, peer.ip(), shop.now());
    if let Err(TooMany { seconds }) = counted {
        return too_fast(seconds);
    }
    let Ok(_desk) = service.desks.acquire().await else {
        return fault();
    };
    let shop = Arc::clone(&service.shop);
    let answered = tokio::task::spawn_blocking(move || counter::answer(&shop, &body)).await;
    match answered {
        Ok(Ok(reply)) => cbor(reply),
        Ok(Err(Unanswered::Unreadable(why))) => {
            tracing::info!(why, "a message couldn't be read");
            error(StatusCode::BAD_REQUEST, "unreadable")
        }
        Ok(Err(Unanswered::TooFast(seconds))) => too_fast(seconds),
        Ok(Err(Unanswered::Fault(error))) => {
            tracing::error!(error = cause(&error), "a message couldn't be answered");
            fault()
        }
        Err(error) => {
            tracing::error!(error = cause(&error), "answering a message broke off");
            fault()
        }
    }
}

fn error(status: StatusCode, word: &'static str) -> Response {
    (status, Json(serde_json::json!({ "error": word }))).into_response()
}

fn too_fast(seconds: u64) -> Response {
    let wait = [(header::RETRY_AFTER, seconds.to_string())];
    (wait, error(StatusCode::TOO_MANY_REQUESTS, "too_many")).into_response()
}

fn fault() -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "fault")
}

fn cbor(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, CBOR)], bytes).into_response()
}

async fn record(State(service): State<Service>) -> Response {
    let record = &service.shop.registered().record;
    cbor(record.signed().as_bytes().to_vec())
}

async fn series(State(service): State<Service>, Path(number): Path<u32>) -> Response {
    let series = SeriesId::new(number);
    let row = service.shop.store().read(|tables| tables.series(series));
    match row {
        Ok(Some(row)) => cbor(row.record.into_bytes()),
        Ok(None) => error(StatusCode::NOT_FOUND, "series_unknown"),
        Err(error) => {
            tracing::error!(error = cause(&error), "a series couldn't be read");
            fault()
        }
    }
}

async fn catalogue(State(service): State<Service>) -> Response {
    match listing::all(&service.shop) {
        Ok(entries) => Json(entries).into_response(),
        Err(error) => {
            tracing::error!(error = cause(&error), "the catalogue couldn't be listed");
            fault()
        }
    }
}
