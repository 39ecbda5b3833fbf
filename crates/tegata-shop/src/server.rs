//! The shop on the network: messages, its own record, the catalogue as JSON.
//!
//! Strangers get one answer for everything that can't be opened, read or verified, always the same
//! bytes (no oracle); the reason goes to the log.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Json, Router};
use tegata_http::rate_limit::{Permit, TooMany};
use tegata_http::work::Workers;
use tegata_http::{Cbor, Cost, Counter, HttpError, Listed, Posts, Routes};
use tegata_protocol::SeriesId;
use tegata_protocol::envelope::SEALED_LIMIT;

use crate::counter::{self, Unanswered};
use crate::listing::{self, Entry};
use crate::rate_limits::Class;
use crate::shop::Shop;
use crate::store::StoreError;

mod orders;

/// How many messages are worked on at once; others wait.
const AT_ONCE: usize = 64;

/// What handlers share.
#[derive(Clone, Debug)]
pub struct Service {
    /// The shop.
    pub shop: Arc<Shop>,
    workers: Workers,
}

impl Service {
    /// A service for this shop.
    pub fn new(shop: Arc<Shop>) -> Self {
        Self {
            shop,
            workers: Workers::new(AT_ONCE),
        }
    }

    /// Its routes below `/v1`.
    pub fn router(&self) -> Router {
        let signed = "sealed, or signed by whom it concerns: no cookie counts here";
        let router = self.routes().into_router(Posts::Anybodys(signed));
        router.with_state(self.clone())
    }

    /// Its routes with what they cost.
    pub fn costs(&self) -> Vec<Listed<Class>> {
        self.routes().list().to_vec()
    }

    fn routes(&self) -> Routes<Self, Shop> {
        let fixed = Cost::Free("the same bytes for everybody, from memory");
        let read = Cost::Free("a few rows that anybody may read");
        Routes::new(Arc::clone(&self.shop))
            .post("/v1/message", Cost::Counted(Class::Message), message)
            .get("/v1/record", fixed, record)
            .get("/v1/catalogue", read, catalogue)
            .get("/v1/card-interface", fixed, crate::card_interface::script)
            .get("/v1/series/{number}", read, series)
            .merge(orders::routes(&self.shop))
            .body_limit(SEALED_LIMIT)
    }
}

impl Counter for Shop {
    type Class = Class;

    fn count(&self, class: Class, sender: IpAddr) -> Result<Permit, TooMany> {
        self.rate_limits().address(class, sender, self.now())
    }
}

/// The database's fault, as a response.
pub(crate) fn stored(error: StoreError) -> HttpError {
    HttpError::fault("reading the shop's database", error)
}

impl From<Unanswered> for HttpError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Unreadable(why) => {
                tracing::info!(why, "a message couldn't be read");
                Self::new(StatusCode::BAD_REQUEST, "unreadable")
            }
            Unanswered::TooFast(seconds) => TooMany { seconds }.into(),
            Unanswered::Fault(error) => Self::fault("answering a message", error),
        }
    }
}

/// A sealed message. Its address was counted before anything of it is looked at.
async fn message(
    State(service): State<Service>,
    permit: Permit,
    body: Bytes,
) -> Result<Cbor, HttpError> {
    let shop = service.shop;
    let answer = move || counter::answer(&shop, permit, &body);
    Ok(Cbor(service.workers.run(answer).await??))
}

async fn record(State(service): State<Service>) -> Cbor {
    let record = &service.shop.registered().record;
    Cbor(record.signed().as_bytes().to_vec())
}

async fn series(
    State(service): State<Service>,
    Path(number): Path<u32>,
) -> Result<Cbor, HttpError> {
    let series = SeriesId::new(number);
    let row = service
        .shop
        .store()
        .read(|tables| tables.series(series))
        .map_err(stored)?;
    let row = row.ok_or_else(|| HttpError::missing("series_unknown"))?;
    Ok(Cbor(row.record.into_bytes()))
}

async fn catalogue(State(service): State<Service>) -> Result<Json<Vec<Entry>>, HttpError> {
    Ok(Json(listing::all(&service.shop).map_err(stored)?))
}
