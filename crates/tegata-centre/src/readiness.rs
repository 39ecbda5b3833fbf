//! Whether the centre can do its work right now: what `GET /readyz` says.
//!
//! It's found out by doing it: the book is read and written, durably, and its committer must live. The
//! answer counts for a second, whoever asks; after a fault it counts for nothing, and the next who asks
//! has it found out anew. Why it isn't ready stands in the log: strangers ask, too.

use std::sync::{Mutex, PoisonError};

use tegata_ledger::Ledger;

use crate::centre::Centre;

/// How long an answer counts, in milliseconds.
const COUNTS: u64 = 1_000;

/// What was found out last.
#[derive(Debug)]
pub struct Readiness {
    ledger: Ledger,
    found: Mutex<Option<Found>>,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    ready: bool,
    at: u64,
}

impl Readiness {
    /// Of the centre with this centre.
    #[must_use]
    pub fn of(centre: &Centre) -> Self {
        Self {
            ledger: centre.ledger.clone(),
            found: Mutex::new(None),
        }
    }

    /// There was a fault: what was found out before counts no more.
    pub fn doubt(&self) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        *found = None;
    }

    /// Can it work? `now` is in milliseconds since some moment. Waits for the disk; whoever asks at the
    /// same time gets the same answer.
    pub fn is_ready(&self, now: u64) -> bool {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match *found {
            Some(Found { ready, at }) if now.saturating_sub(at) < COUNTS => ready,
            Some(_) | None => {
                let checked = self.ledger.check();
                if let Err(fault) = &checked {
                    let error: &(dyn std::error::Error + 'static) = fault;
                    tracing::error!(error, "the centre isn't ready");
                }
                let ready = checked.is_ok();
                *found = Some(Found { ready, at: now });
                ready
            }
        }
    }
}
