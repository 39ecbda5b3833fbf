//! The gate's page and its JSON: what the person at the gate, and programs beside them, talk to.
//!
//! - `GET /` the page; `POST /` a form with the field `text`: the page with a verdict.
//! - `POST /v1/check` `{"text": "…"}` → [`VerdictJson`].
//! - `POST /card` a form: waits for a card, then the page with a verdict; `POST /v1/card` `{}` likewise
//!   → [`VerdictJson`].
//! - `GET /v1/status` → counters.
//! - `POST /v1/load` CBOR `[check data, shop's record or null]`: newer check data, while it runs.

use std::convert::Infallible;
use std::sync::Arc;

use axum::{
    Form, Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tegata_cli::clock;
use tegata_http::{
    CBOR, Cost, HttpError, Listed, Posts, Routes, Uncounted,
    error::{FOREIGN_FORM, Failed, error_pages},
    same_origin::SameOrigin,
    serve::{Hosts, host_guard},
    work::blocking,
};
use tegata_pages::{Language, Page, dress};
use tegata_protocol::{Time, cbor};

use crate::{
    folder::LoadAnswer,
    page::{self, Shown},
    running::{HANDED_LIMIT, Handed, RunningGate},
    words::VerdictJson,
};

/// The most bytes of a form or a JSON body: a code has 656 letters.
const BODY_LIMIT: usize = 8 * 1024;

/// A card is to be read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadCard {}

/// What came in to be checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scanned {
    text: String,
}

/// How browsers reach the gate's page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// This server speaks TLS.
    Tls,
    /// It doesn't: it stands on this machine, perhaps behind a proxy that does.
    Plain,
}

/// What forms of other sites' pages get.
const FOREIGN: &str = "This was sent from another page, so nothing was checked.\n";

/// The routes of a gate that answers to these host names. A form post from another site's page would
/// spend a ticket without the person at the gate; programs beside them may post.
pub fn router(gate: Arc<RunningGate>, hosts: &[String], transport: Transport) -> Router {
    let own = match transport {
        Transport::Tls => SameOrigin::secure(FOREIGN),
        Transport::Plain => SameOrigin::plain_or_proxied(FOREIGN),
    };
    let router = routes().into_router(Posts::OwnPages(own.or_a_program()));
    let drawn = Arc::clone(&gate);
    let draw = move |parts: &Parts, failed| error_page(&drawn, parts, failed);
    let router = error_pages(router, draw).with_state(gate);
    host_guard(dress(router), Hosts::new(hosts))
}

/// The routes with what they cost.
#[must_use]
pub fn costs() -> Vec<Listed<Infallible>> {
    routes().list().to_vec()
}

fn routes() -> Routes<Arc<RunningGate>, Uncounted> {
    let cost = Cost::Free("whoever reaches the gate's page may admit people anyway");
    let new = || Routes::new(Arc::new(Uncounted));
    new()
        .get("/", cost, show)
        .post("/", cost, scan)
        .post("/card", cost, tap)
        .post("/v1/check", cost, check)
        .post("/v1/card", cost, card)
        .get("/v1/status", cost, status)
        .body_limit(BODY_LIMIT)
        .merge(new().post("/v1/load", cost, load).body_limit(HANDED_LIMIT))
}

/// The person at the gate gets a page; programs get the text.
fn error_page(gate: &RunningGate, parts: &Parts, failed: Failed) -> Option<Response> {
    let pages = failed.word == FOREIGN_FORM && !parts.uri.path().starts_with("/v1/");
    pages.then(|| {
        let language = Language::of_request(&parts.uri, &parts.headers);
        page::foreign_form(gate.gate(), language).into_response()
    })
}

fn now() -> Time {
    Time::from_secs(clock::now())
}

/// Runs what touches the disk off the server's threads.
async fn apart<T: Send + 'static>(
    gate: Arc<RunningGate>,
    work: impl FnOnce(&RunningGate) -> T + Send + 'static,
) -> Result<T, HttpError> {
    let text = "Something broke here. Nobody was admitted; try again.\n";
    let done = blocking(move || work(&gate)).await;
    done.map_err(|broken| broken.text(text))
}

async fn show(
    State(gate): State<Arc<RunningGate>>,
    language: Language,
    uri: Uri,
) -> Result<Page, HttpError> {
    let page = move |gate: &RunningGate| page::page(gate, language, &uri, Shown::Nothing);
    apart(gate, page).await
}

async fn scan(
    State(gate): State<Arc<RunningGate>>,
    language: Language,
    uri: Uri,
    Form(scanned): Form<Scanned>,
) -> Result<Page, HttpError> {
    apart(gate, move |gate| {
        let verdict = gate.check(&scanned.text);
        page::page(gate, language, &uri, Shown::Scan(&verdict))
    })
    .await
}

/// Waits for a card.
async fn tap(
    State(gate): State<Arc<RunningGate>>,
    language: Language,
    uri: Uri,
) -> Result<Page, HttpError> {
    apart(gate, move |gate| {
        let verdict = gate.read_card();
        page::page(gate, language, &uri, Shown::Card(&verdict))
    })
    .await
}

async fn check(
    State(gate): State<Arc<RunningGate>>,
    Json(scanned): Json<Scanned>,
) -> Result<Json<VerdictJson>, HttpError> {
    let verdict = apart(gate, move |gate| gate.check(&scanned.text)).await?;
    Ok(Json(VerdictJson::new(&verdict)))
}

/// The content type isn't one that a form of another site can send.
async fn card(
    State(gate): State<Arc<RunningGate>>,
    Json(ReadCard {}): Json<ReadCard>,
) -> Result<Json<VerdictJson>, HttpError> {
    let verdict = apart(gate, RunningGate::read_card).await?;
    Ok(Json(VerdictJson::new(&verdict)))
}

async fn status(State(gate): State<Arc<RunningGate>>) -> impl IntoResponse {
    Json(gate.status(now()))
}

/// The content type isn't one that a form of another site can send.
async fn load(
    State(gate): State<Arc<RunningGate>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<LoadAnswer>, HttpError> {
    let kind = headers.get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != CBOR) {
        return Err(HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_cbor").bare());
    }
    let handed = cbor::decode::<Handed>(&body, HANDED_LIMIT);
    let handed = handed.map_err(|error| {
        HttpError::new(StatusCode::BAD_REQUEST, "unreadable").text(format!("{error}\n"))
    })?;
    let loaded = apart(gate, move |gate| gate.load(&handed, now())).await?;
    Ok(Json(
        loaded.unwrap_or_else(|error| LoadAnswer::refused(&error)),
    ))
}

/// Hands check data to a gate that is running.
///
/// # Errors
/// What the network says, or an answer that isn't one.
pub(crate) fn hand_over(address: &str, handed: &Handed) -> Result<LoadAnswer, ureq::Error> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(std::time::Duration::from_secs(30)))
        .max_redirects(0)
        .build();
    let mut response = ureq::Agent::from(agent)
        .post(format!("{address}/v1/load"))
        .content_type(CBOR)
        .send(cbor::encode(handed))?;
    let answer = response.body_mut().read_to_vec()?;
    let unreadable = |e| ureq::Error::Io(std::io::Error::other(e));
    serde_json::from_slice(&answer).map_err(unreadable)
}
