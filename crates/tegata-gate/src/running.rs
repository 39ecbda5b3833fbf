//! A gate that runs: with its folder, its log and its card reader, for the page and for programs beside it.

use std::sync::{Arc, Mutex, PoisonError};

use minicbor::{Decode, Encode};
use serde::Serialize;
use tegata_cli::clock;
use tegata_party::client::Client;
use tegata_protocol::{Time, ticket::CHECK_DATA_LIMIT};

use crate::{
    admission::Entry,
    card::Cards,
    event::{Event, EventId, EventName},
    folder::{Folder, LoadAnswer, LoadError},
    gate::Gate,
    store::LogReader,
    verdict::{Closed, Verdict},
    words::EventJson,
};

/// How many admissions the page shows.
const LAST: u32 = 8;

/// A gate that runs.
#[derive(Debug)]
pub struct RunningGate {
    gate: Gate,
    folder: Folder,
    log: Mutex<LogReader>,
    names: Vec<EventName>,
    cards: Option<Cards>,
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
pub(crate) struct StatusJson {
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

impl RunningGate {
    /// Of a gate whose folder's lock is held. `names` are the events to choose again when
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

    /// Waits for a card, and checks its ticket.
    pub(crate) fn read_card(&self) -> Verdict {
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

    /// Checks what was scanned.
    pub(crate) fn check(&self, text: &str) -> Verdict {
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

    /// Takes newer check data.
    ///
    /// # Errors
    /// [`LoadError`].
    pub(crate) fn load(&self, handed: &Handed, now: Time) -> Result<LoadAnswer, LoadError> {
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

    /// Its counters.
    pub(crate) fn status(&self, now: Time) -> StatusJson {
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
