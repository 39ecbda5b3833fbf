//! The service on the network: messages from shops, tokens from browsers, and what anybody may see.
//!
//! Strangers get one answer for every message that can't be opened, read or verified, always the
//! same bytes (no oracle); the reason goes to the log. `POST /v1/keys` is asked by other sites'
//! pages: it's a simple request of CORS that any origin may make, without cookies, and its refusals
//! are JSON, since a browser has no key to open a signed one with.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tegata_http::rate_limit::TooMany;
use tegata_party::client::CBOR;
use tegata_protocol::envelope::SEALED_LIMIT;
use tegata_protocol::order::CartToken;
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{Digest, Document, Suite, cbor};
use tokio::sync::Semaphore;

use crate::desk::{self, Fault, Unanswered};
use crate::handing;
use crate::packing;
use crate::service::{Class, Service, cause};

/// How many requests are worked on at once; others wait.
const AT_ONCE: usize = 64;

/// What handlers share.
#[derive(Clone, Debug)]
pub struct Door {
    service: Arc<Service>,
    desks: Arc<Semaphore>,
}

impl Door {
    /// The door of this service.
    pub fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            desks: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The routes below `/v1`.
    pub fn router(&self) -> Router {
        let keys = Router::new()
            .route("/v1/keys", post(keys).options(preflight))
            .layer(DefaultBodyLimit::max(CartToken::LIMIT))
            .layer(map_response(open_to_all));
        Router::new()
            .route("/v1/message", post(message))
            .layer(DefaultBodyLimit::max(SEALED_LIMIT))
            .merge(keys)
            .route("/v1/programs/{digest}", get(program))
            .route("/v1/log", get(log))
            .route("/v1/record", get(record))
            .with_state(self.clone())
    }

    /// Runs what blocks, when it's its turn.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Service) -> T + Send + 'static,
    ) -> Option<T> {
        let _desk = self.desks.acquire().await.ok()?;
        let service = Arc::clone(&self.service);
        let done = tokio::task::spawn_blocking(move || work(&service)).await;
        done.inspect_err(|error| tracing::error!(error = cause(error), "a request broke off"))
            .ok()
    }
}

/// Addresses are counted before anything of the message is looked at.
async fn message(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Response {
    if let Err(TooMany { seconds }) = door.service.count(Class::Message, peer.ip()) {
        return too_fast(seconds);
    }
    let answered = door.work(move |service| desk::answer(service, &body)).await;
    match answered {
        Some(Ok(reply)) => cbor_of(reply),
        Some(Err(Unanswered::Unreadable(why))) => {
            tracing::info!(why, "a message couldn't be read");
            error(StatusCode::BAD_REQUEST, "unreadable")
        }
        Some(Err(Unanswered::Fault(error))) => faulty(&error),
        None => fault(),
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct KeysQuery {
    suite: Option<String>,
}

/// A key for an order: asked by the page of a shop, in its customer's browser.
async fn keys(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(query): Query<KeysQuery>,
    headers: HeaderMap,
    token: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(TooMany { seconds }) = door.service.count(Class::Keys, peer.ip()) {
        return too_fast(seconds);
    }
    let suite = match query.suite.as_deref() {
        None | Some("standard") => Suite::Standard,
        Some("compact") => Suite::Compact,
        Some(_) => {
            let why = "suite must be standard or compact";
            return refused(&Refusal::because(Code::TokenInvalid, why));
        }
    };
    let Ok(token) = token else {
        let why = "it's longer than a token";
        return refused(&Refusal::because(Code::TokenInvalid, why));
    };
    let found = door
        .work(move |service| handing::hand_out(service, &token, suite))
        .await;
    match found {
        Some(Ok(Ok(hand_out))) => packed(&headers, cbor::encode(&hand_out)),
        Some(Ok(Err(refusal))) => refused(&refusal),
        Some(Err(error)) => faulty(&error),
        None => fault(),
    }
}

/// Browsers ask before they send a body with a type that CORS doesn't call simple.
async fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Any page may read the answer, refusals too.
async fn open_to_all(mut response: Response) -> Response {
    let headers: [(HeaderName, &'static str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        ),
    ];
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// What people and pages are told; the number is for ever.
fn refused(refusal: &Refusal) -> Response {
    let of_its_own = [
        (Code::TokenExpired, StatusCode::GONE),
        (Code::NotAdmitted, StatusCode::FORBIDDEN),
        (Code::NotActive, StatusCode::FORBIDDEN),
        (Code::StockEmpty, StatusCode::CONFLICT),
    ];
    let found = of_its_own.iter().find(|(code, _)| *code == refusal.code);
    let status = found.map_or(StatusCode::BAD_REQUEST, |(_, status)| *status);
    tracing::info!(
        code = refusal.code.word(),
        detail = refusal.detail,
        "no key was handed out"
    );
    let body = serde_json::json!({
        "error": refusal.code.word(),
        "number": refusal.code.number(),
        "text": refusal.code.text(),
        "detail": refusal.detail,
    });
    (status, Json(body)).into_response()
}

/// Key and program, compressed if the other side takes that.
fn packed(headers: &HeaderMap, body: Vec<u8>) -> Response {
    let vary = (header::VARY, "accept-encoding");
    let plain = [(header::CONTENT_TYPE, CBOR), vary];
    if !takes_gzip(headers) {
        return (plain, body).into_response();
    }
    match packing::pack(&body) {
        Ok(packed) => (plain, [(header::CONTENT_ENCODING, "gzip")], packed).into_response(),
        Err(_) => (plain, body).into_response(),
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let weight = weight.trim().trim_start_matches("q=");
            let never = !weight.is_empty() && weight.chars().all(|c| matches!(c, '0' | '.'));
            name.trim().eq_ignore_ascii_case("gzip") && !never
        })
}

async fn program(State(door): State<Door>, Path(digest): Path<String>) -> Response {
    let Some(digest) = Digest::from_hex(&digest) else {
        return error(StatusCode::NOT_FOUND, "program_unknown");
    };
    let read = move |service: &Service| service.store().read(|tables| tables.program(digest));
    match door.work(read).await {
        Some(Ok(Some(text))) => {
            let headers = [
                (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            ];
            (headers, text).into_response()
        }
        Some(Ok(None)) => error(StatusCode::NOT_FOUND, "program_unknown"),
        Some(Err(error)) => faulty(&Fault::Store(error)),
        None => fault(),
    }
}

async fn log(State(door): State<Door>) -> Response {
    let rows = door
        .work(|service| service.store().read(|tables| tables.log()))
        .await;
    let rows = match rows {
        Some(Ok(rows)) => rows,
        Some(Err(error)) => return faulty(&Fault::Store(error)),
        None => return fault(),
    };
    let entries: Vec<_> = rows.into_iter().map(|row| row.entry).collect();
    let anybody = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    (anybody, cbor_of(cbor::encode(&entries))).into_response()
}

async fn record(State(door): State<Door>) -> Response {
    let record = &door.service.registered().record;
    cbor_of(record.signed().as_bytes().to_vec())
}

fn error(status: StatusCode, word: &'static str) -> Response {
    (status, Json(serde_json::json!({ "error": word }))).into_response()
}

fn too_fast(seconds: u64) -> Response {
    let wait = [(header::RETRY_AFTER, seconds.to_string())];
    (wait, error(StatusCode::TOO_MANY_REQUESTS, "too_many")).into_response()
}

fn faulty(error: &Fault) -> Response {
    tracing::error!(error = cause(error), "a request couldn't be answered");
    fault()
}

fn fault() -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "fault")
}

fn cbor_of(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, CBOR)], bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_only_for_those_who_take_it() {
        let takes = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("deflate,gzip; q=1"));
        assert!(!takes("") && !takes("br") && !takes("gzip;q=0") && !takes("gzip;q=0.000"));
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
