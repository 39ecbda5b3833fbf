//! The gate's page and its JSON: what the person at the door, and programs beside them, talk to.
//!
//! - `GET /` the page; `POST /` a form with the field `text`: the page with a verdict.
//! - `POST /v1/check` `{"text": "…"}` → [`VerdictJson`].
//! - `POST /card` a form: waits for a card, then the page with a verdict; `POST /v1/card` `{}` likewise
//!   → [`VerdictJson`].
//! - `GET /v1/status` → counters.
//! - `POST /v1/load` CBOR `[check data, shop's record or null]`: newer check data, while it runs.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Form, Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use tegata_cli::clock;
use tegata_http::{
    CBOR, Cost, HttpError, Listed, Posts, Routes, Uncounted,
    error::{FOREIGN_FORM, Failed, error_pages},
    same_origin::SameOrigin,
    serve::{Hosts, host_guard},
    work::blocking,
};
use tegata_pages::{Language, Page, dress};
use tegata_party::client::Client;
use tegata_protocol::{Time, cbor, ticket::CHECK_DATA_LIMIT};

use crate::{
    admission::Entry,
    card::Cards,
    event::{Event, EventId, EventName},
    folder::{Folder, LoadAnswer, LoadError},
    gate::Gate,
    page::{self, Shown},
    store::LogReader,
    verdict::{Closed, Verdict},
    words::{EventJson, VerdictJson},
};

/// The most bytes of a form or a JSON body: a code has 656 letters.
const BODY_LIMIT: usize = 8 * 1024;

/// How many admissions the page shows.
const LAST: u32 = 8;

/// A gate with its page.
#[derive(Debug)]
pub struct Door {
    gate: Gate,
    folder: Folder,
    log: Mutex<LogReader>,
    names: Vec<EventName>,
    cards: Option<Cards>,
}

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

/// Check data handed to a running gate.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Handed {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) sealed: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) shop_record: Option<Vec<u8>>,
}

impl Handed {
    /// The check data and the shop's record.
    pub(crate) fn files(&self) -> (&[u8], Option<&[u8]>) {
        (&self.sealed, self.shop_record.as_deref())
    }
}

/// The most bytes of [`Handed`].
pub(crate) const HANDED_LIMIT: usize = CHECK_DATA_LIMIT + 16 * 1024;

#[derive(Serialize)]
struct StatusJson {
    gate: String,
    name: String,
    events: Vec<CurrentJson>,
    refused: u64,
    cards: &'static str,
}

#[derive(Serialize)]
struct CurrentJson {
    #[serde(flatten)]
    event: EventJson,
    edition: u64,
    until: u64,
    issued: u64,
    admitted: u64,
    usable: bool,
}

impl Door {
    /// A door of a gate whose folder's lock is held. `names` are the events to choose again when
    /// check data come.
    #[must_use]
    pub const fn new(gate: Gate, folder: Folder, log: LogReader, names: Vec<EventName>) -> Self {
        Self {
            gate,
            folder,
            log: Mutex::new(log),
            names,
            cards: None,
        }
    }

    /// With a card reader.
    #[must_use]
    pub fn with_cards(mut self, cards: Option<Cards>) -> Self {
        self.cards = cards;
        self
    }

    /// The card reader, if there's one.
    pub(crate) const fn cards(&self) -> Option<&Cards> {
        self.cards.as_ref()
    }

    fn read_card(&self) -> Verdict {
        let verdict = match &self.cards {
            Some(cards) => cards.tap(&self.gate, clock::now_millis),
            None => Verdict::Closed(Closed::NoReader {
                why: "this gate was started without one".to_owned(),
            }),
        };
        note(&verdict);
        verdict
    }

    /// The gate.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    fn check(&self, text: &str) -> Verdict {
        let millis = clock::now_millis();
        let verdict = self
            .gate
            .check_text(text, Time::from_secs(millis / 1000), millis);
        note(&verdict);
        verdict
    }

    /// The last admissions. The page does without them if the log can't be read just now.
    pub(crate) fn last(&self) -> Vec<Entry> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.newest(LAST).unwrap_or_else(|error| {
            tracing::error!(%error, "the last admissions can't be read");
            Vec::new()
        })
    }

    fn load(&self, handed: &Handed, now: Time) -> Result<LoadAnswer, LoadError> {
        let client = Client::default();
        let loaded = self.folder.load_renewing(handed.files(), &client, now)?;
        let mut answer = LoadAnswer::from(&loaded);
        let event = loaded.event.id();
        self.gate.take(loaded.event);
        if self.gate.current().is_empty()
            && let Err(error) = self.gate.choose(&self.names)
        {
            tracing::warn!(%error, "the gate stays closed");
        }
        answer.next = self.not_admitted_to(event);
        tracing::info!(edition = answer.edition, "check data loaded");
        Ok(answer)
    }

    /// What to do if this gate, as it runs, admits nobody to an event.
    fn not_admitted_to(&self, event: EventId) -> Option<String> {
        let current = self.gate.current();
        if current.iter().any(|e| e.id() == event) {
            return None;
        }
        let chosen = current.iter().map(|e| format!("--event {} ", e.id()));
        let chosen: String = chosen.collect();
        Some(format!(
            "this gate is running for other events: to admit to this one too, stop it and start \
             tegata-gate serve {chosen}--event {event} (or write `events` in gate.toml)"
        ))
    }

    fn status(&self, now: Time) -> StatusJson {
        let current = |event: &Arc<Event>| CurrentJson {
            event: EventJson::from(&**event.record()),
            edition: event.edition(),
            until: event.until().secs(),
            issued: event.expected(),
            admitted: self.gate.admitted(event.id()),
            usable: event.is_usable(now),
        };
        StatusJson {
            gate: self.gate.number().to_string(),
            name: self.gate.name().to_owned(),
            events: self.gate.current().iter().map(current).collect(),
            refused: self.gate.refused(),
            cards: match &self.cards {
                None => "none",
                Some(cards) if cards.has_keys() => "read",
                Some(_) => "unprovable",
            },
        }
    }
}

fn note(verdict: &Verdict) {
    match verdict {
        Verdict::Admitted(admitted) => tracing::info!(row = admitted.row, "admitted"),
        Verdict::JustAdmitted(admitted) => tracing::info!(row = admitted.row, "read twice"),
        Verdict::Refused(refused) => tracing::info!(code = %refused.code, "refused"),
        Verdict::Closed(closed) => tracing::warn!(reason = closed.word(), "closed"),
    }
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

/// The routes of a door that answers to these host names. A form post from another site's page would
/// spend a ticket without the person at the door; programs beside them may post.
pub fn router(door: Arc<Door>, hosts: &[String], transport: Transport) -> Router {
    let own = match transport {
        Transport::Tls => SameOrigin::secure(FOREIGN),
        Transport::Plain => SameOrigin::plain_or_proxied(FOREIGN),
    };
    let router = routes().into_router(Posts::OwnPages(own.or_a_program()));
    let drawn = Arc::clone(&door);
    let draw = move |parts: &Parts, failed| error_page(&drawn, parts, failed);
    let router = error_pages(router, draw).with_state(door);
    host_guard(dress(router), Hosts::new(hosts))
}

/// The routes with what they cost.
#[must_use]
pub fn costs() -> Vec<Listed<Infallible>> {
    routes().list().to_vec()
}

fn routes() -> Routes<Arc<Door>, Uncounted> {
    let door = Cost::Free("whoever reaches the gate's page may admit people anyway");
    let new = || Routes::new(Arc::new(Uncounted));
    new()
        .get("/", door, show)
        .post("/", door, scan)
        .post("/card", door, tap)
        .post("/v1/check", door, check)
        .post("/v1/card", door, card)
        .get("/v1/status", door, status)
        .body_limit(BODY_LIMIT)
        .merge(new().post("/v1/load", door, load).body_limit(HANDED_LIMIT))
}

/// The person at the door gets a page; programs get the text.
fn error_page(door: &Door, parts: &Parts, failed: Failed) -> Option<Response> {
    let pages = failed.word == FOREIGN_FORM && !parts.uri.path().starts_with("/v1/");
    pages.then(|| {
        let language = Language::of_request(&parts.uri, &parts.headers);
        page::foreign_form(door.gate(), language).into_response()
    })
}

fn now() -> Time {
    Time::from_secs(clock::now())
}

/// Runs what touches the disk off the server's threads.
async fn apart<T: Send + 'static>(
    door: Arc<Door>,
    work: impl FnOnce(&Door) -> T + Send + 'static,
) -> Result<T, HttpError> {
    let text = "Something broke here. Nobody was admitted; try again.\n";
    let done = blocking(move || work(&door)).await;
    done.map_err(|broken| broken.text(text))
}

async fn show(
    State(door): State<Arc<Door>>,
    language: Language,
    uri: Uri,
) -> Result<Page, HttpError> {
    let page = move |door: &Door| page::page(door, language, &uri, Shown::Nothing);
    apart(door, page).await
}

async fn scan(
    State(door): State<Arc<Door>>,
    language: Language,
    uri: Uri,
    Form(scanned): Form<Scanned>,
) -> Result<Page, HttpError> {
    apart(door, move |door| {
        let verdict = door.check(&scanned.text);
        page::page(door, language, &uri, Shown::Scan(&verdict))
    })
    .await
}

/// Waits for a card.
async fn tap(
    State(door): State<Arc<Door>>,
    language: Language,
    uri: Uri,
) -> Result<Page, HttpError> {
    apart(door, move |door| {
        let verdict = door.read_card();
        page::page(door, language, &uri, Shown::Card(&verdict))
    })
    .await
}

async fn check(
    State(door): State<Arc<Door>>,
    Json(scanned): Json<Scanned>,
) -> Result<Json<VerdictJson>, HttpError> {
    let verdict = apart(door, move |door| door.check(&scanned.text)).await?;
    Ok(Json(VerdictJson::new(&verdict)))
}

/// The content type isn't one that a form of another site can send.
async fn card(
    State(door): State<Arc<Door>>,
    Json(ReadCard {}): Json<ReadCard>,
) -> Result<Json<VerdictJson>, HttpError> {
    let verdict = apart(door, Door::read_card).await?;
    Ok(Json(VerdictJson::new(&verdict)))
}

async fn status(State(door): State<Arc<Door>>) -> impl IntoResponse {
    Json(door.status(now()))
}

/// The content type isn't one that a form of another site can send.
async fn load(
    State(door): State<Arc<Door>>,
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
    let loaded = apart(door, move |door| door.load(&handed, now())).await?;
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
