//! What loading came to, in JSON: the same from the command and from a running gate.

use serde::{Deserialize, Serialize};

use super::{LoadError, Loaded, chain};
use crate::words::EventJson;

/// What loading came to. The fields after `next` are those of what was loaded.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LoadAnswer {
    /// Are the check data in use?
    pub loaded: bool,
    /// The word of why they aren't.
    pub reason: Option<String>,
    /// Why they aren't.
    pub what: Option<String>,
    /// What to do next.
    pub next: Option<String>,
    /// Was this very edition loaded before?
    pub again: bool,
    /// The event.
    pub event: Option<EventJson>,
    /// Its edition.
    pub edition: u64,
    /// The moment that it describes (seconds since 1970).
    pub as_of: u64,
    /// The moment until which it may be used.
    pub until: u64,
    /// Tickets issued and not cancelled.
    pub issued: u64,
}

impl From<&Loaded> for LoadAnswer {
    fn from(loaded: &Loaded) -> Self {
        let event = &loaded.event;
        Self {
            loaded: true,
            reason: None,
            what: None,
            next: None,
            again: loaded.again,
            event: Some(EventJson::from(&**event.record())),
            edition: event.edition(),
            as_of: event.as_of().secs(),
            until: event.until().secs(),
            issued: event.expected(),
        }
    }
}

impl LoadAnswer {
    /// Not loaded.
    #[must_use]
    pub fn refused(error: &LoadError) -> Self {
        Self {
            reason: Some(error.word().to_owned()),
            what: Some(chain(error)),
            next: Some(error.next().to_owned()),
            ..Self::default()
        }
    }
}
