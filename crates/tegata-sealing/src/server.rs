//! The service on the network: messages from shops, tokens from browsers, and what anybody may see.
//!
//! Strangers get one answer for every message that can't be opened, read or verified, always the
//! same bytes (no oracle); the reason goes to the log. `POST /v1/keys` is asked by other sites'
//! pages: it's a simple request of CORS that any origin may make, without cookies, and its refusals
//! are JSON, since a browser has no key to open a signed one with.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tegata_http::error::PlainRefusal;
use tegata_http::rate_limit::{Permit, TooMany};
use tegata_http::work::Workers;
use tegata_http::{CBOR, Cbor, Cost, Counter, HttpError, Listed, Posts, Routes};
use tegata_protocol::envelope::SEALED_LIMIT;
use tegata_protocol::order::CartToken;
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{Digest, Document, Suite, cbor};

use crate::handing;
use crate::handler::{self, Fault, Unanswered};
use crate::packing;
use crate::service::{Class, Service};
use crate::store::StoreError;

/// How many requests are worked on at once; others wait.
const AT_ONCE: usize = 64;

/// What handlers share.
#[derive(Clone, Debug)]
pub struct Door {
    service: Arc<Service>,
    workers: Workers,
}

impl Door {
    /// The door of this service.
    pub fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            workers: Workers::new(AT_ONCE),
        }
    }

    /// The routes below `/v1`.
    pub fn router(&self) -> Router {
        let open = "sealed, signed by a shop, or for any site's page: no cookie counts here";
        let router = self.routes().into_router(Posts::Anybodys(open));
        router.with_state(self.clone())
    }

    /// The routes with what they cost.
    pub fn costs(&self) -> Vec<Listed<Class>> {
        self.routes().list().to_vec()
    }

    fn routes(&self) -> Routes<Self, Service> {
        let fixed = Cost::Free("the same bytes for everybody, from memory");
        let read = Cost::Free("what anybody may read, and caches may keep");
        let new = || Routes::new(Arc::clone(&self.service));
        let keys = new()
            .post("/v1/keys", Cost::Counted(Class::Keys), keys)
            .options("/v1/keys", fixed, preflight)
            .body_limit(CartToken::LIMIT)
            .answers(open_to_all);
        new()
            .post("/v1/message", Cost::Counted(Class::Message), message)
            .body_limit(SEALED_LIMIT)
            .merge(keys)
            .get("/v1/programs/{digest}", read, program)
            .get("/v1/log", read, log)
            .get("/v1/record", fixed, record)
    }

    /// Runs what blocks, when it's its turn.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Service) -> T + Send + 'static,
    ) -> Result<T, HttpError> {
        let service = Arc::clone(&self.service);
        self.workers.run(move || work(&service)).await
    }
}

impl Counter for Service {
    type Class = Class;

    fn count(&self, class: Class, sender: IpAddr) -> Result<Permit, TooMany> {
        Self::count(self, class, sender)
    }
}

/// The database's fault, as a response.
pub(crate) fn stored(error: StoreError) -> HttpError {
    HttpError::fault("reading the service's database", error)
}

impl From<Fault> for HttpError {
    fn from(error: Fault) -> Self {
        Self::fault("answering a request", error)
    }
}

impl From<Unanswered> for HttpError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Unreadable(why) => {
                tracing::info!(why, "a message couldn't be read");
                Self::new(StatusCode::BAD_REQUEST, "unreadable")
            }
            Unanswered::Fault(error) => error.into(),
        }
    }
}

/// A sealed message. Its address was counted before anything of it is looked at.
async fn message(State(door): State<Door>, permit: Permit, body: Bytes) -> Result<Cbor, HttpError> {
    let answer = move |service: &Service| handler::answer(service, permit, &body);
    Ok(Cbor(door.work(answer).await??))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct KeysQuery {
    suite: Option<String>,
}

impl KeysQuery {
    fn suite(&self) -> Result<Suite, HttpError> {
        match self.suite.as_deref() {
            None | Some("standard") => Ok(Suite::Standard),
            Some("compact") => Ok(Suite::Compact),
            Some(_) => Err(no_token("suite must be standard or compact")),
        }
    }
}

/// A key for an order: asked by the page of a shop, in its customer's browser.
async fn keys(
    State(door): State<Door>,
    permit: Permit,
    Query(query): Query<KeysQuery>,
    headers: HeaderMap,
    token: Result<Bytes, BytesRejection>,
) -> Result<Response, HttpError> {
    let suite = query.suite()?;
    let token = token.map_err(|_e| no_token("it's longer than a token"))?;
    let found = move |service: &Service| handing::hand_out(service, permit, &token, suite);
    let handed = door.work(found).await??;
    let handed = handed.map_err(|refusal| refused(&refusal))?;
    Ok(packed(&headers, cbor::encode(&handed)))
}

/// Browsers ask before they send a body with a type that CORS doesn't call simple.
async fn preflight() -> impl IntoResponse {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers)
}

/// Any page may read the answer, refusals too.
fn open_to_all(response: &mut Response) {
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
}

fn no_token(why: &str) -> HttpError {
    refused(&Refusal::because(Code::TokenInvalid, why))
}

/// What people and pages are shown; the number is for ever.
fn refused(refusal: &Refusal) -> HttpError {
    let of_its_own = [
        (Code::TokenExpired, StatusCode::GONE),
        (Code::NotAdmitted, StatusCode::FORBIDDEN),
        (Code::NotActive, StatusCode::FORBIDDEN),
        (Code::StockEmpty, StatusCode::CONFLICT),
    ];
    let found = of_its_own.iter().find(|(code, _)| *code == refusal.code);
    let status = found.map_or(StatusCode::BAD_REQUEST, |(_, status)| *status);
    let plain = PlainRefusal {
        word: refusal.code.word(),
        number: refusal.code.number(),
        text: refusal.code.text(),
        detail: refusal.detail.as_deref(),
    };
    tracing::info!(
        code = plain.word,
        detail = plain.detail,
        "no key was handed out"
    );
    HttpError::refusal(status, &plain)
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

async fn program(
    State(door): State<Door>,
    Path(digest): Path<String>,
) -> Result<impl IntoResponse, HttpError> {
    let unknown = || HttpError::missing("program_unknown");
    let digest = Digest::from_hex(&digest).ok_or_else(unknown)?;
    let read = move |service: &Service| service.store().read(|tables| tables.program(digest));
    let text = door.work(read).await?.map_err(stored)?;
    let text = text.ok_or_else(unknown)?;
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    Ok((headers, text))
}

async fn log(State(door): State<Door>) -> Result<impl IntoResponse, HttpError> {
    let read = |service: &Service| service.store().read(|tables| tables.log());
    let rows = door.work(read).await?.map_err(stored)?;
    let entries: Vec<_> = rows.into_iter().map(|row| row.entry).collect();
    let anybody = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    Ok((anybody, Cbor(cbor::encode(&entries))))
}

async fn record(State(door): State<Door>) -> Cbor {
    let record = &door.service.registered().record;
    Cbor(record.signed().as_bytes().to_vec())
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
