//! Wrong keywords: five per ticket, whatever happens at once (T5).
//!
//! A check takes its ticket's count with it, exclusively, from before the keyword is looked at
//! until the wrong try is on the disk: a hundred guesses at the same moment are still five.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tegata_protocol::{
    Digest,
    ticket::{CheckList, KEYWORD_ATTEMPTS, Serial},
};

use crate::{
    admission::{TicketId, WrongKeyword},
    event::Event,
    verdict::KeywordFailure,
};

const STRIPES: u32 = 64;

/// The count of one ticket, and the last guess that was counted.
#[derive(Clone, Copy, Debug)]
struct Count {
    tries: u8,
    scan: Digest,
}

type Stripe = HashMap<TicketId, Count>;

/// How many wrong keywords were given for which ticket.
#[derive(Debug)]
pub(crate) struct Tries(Vec<Mutex<Stripe>>);

impl Tries {
    pub(crate) fn new(known: Vec<WrongKeyword>) -> Self {
        let tries = Self((0..STRIPES).map(|_| Mutex::default()).collect());
        for wrong in known {
            if let Some(mut stripe) = tries.stripe(wrong.ticket.serial) {
                stripe.insert(wrong.ticket, Count::from(&wrong));
            }
        }
        tries
    }

    fn stripe(&self, serial: Serial) -> Option<MutexGuard<'_, Stripe>> {
        let index = usize::try_from(serial.number() % STRIPES).ok()?;
        let stripe = self.0.get(index)?;
        Some(stripe.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The gate's lists for the check of one scan.
    pub(crate) const fn list<'a>(&'a self, event: &'a Event) -> List<'a> {
        List {
            event,
            tries: self,
            held: RefCell::new(None),
        }
    }
}

impl From<&WrongKeyword> for Count {
    fn from(wrong: &WrongKeyword) -> Self {
        Self {
            tries: wrong.tries,
            scan: wrong.scan,
        }
    }
}

/// What the gate's lists say during the check of one scan. Holds the ticket's count once the
/// keyword was asked about.
pub(crate) struct List<'a> {
    event: &'a Event,
    tries: &'a Tries,
    held: RefCell<Option<MutexGuard<'a, Stripe>>>,
}

impl CheckList for List<'_> {
    fn is_cancelled(&self, serial: Serial) -> bool {
        self.event.is_cancelled(serial)
    }

    fn is_issued(&self, serial: Serial) -> bool {
        self.event.is_issued(serial)
    }

    fn wrong_keywords(&self, serial: Serial) -> u8 {
        let ticket = self.ticket(serial);
        let stripe = self.tries.stripe(serial);
        let tries = stripe
            .as_ref()
            .map_or(KEYWORD_ATTEMPTS, |s| s.get(&ticket).map_or(0, |c| c.tries));
        *self.held.borrow_mut() = stripe;
        tries
    }
}

/// What a check that ended with "wrong keyword" asks for.
pub(crate) enum WrongTry {
    /// Nothing to be written down.
    Known(KeywordFailure),
    /// To be written down, then to be counted.
    New(WrongKeyword),
}

impl List<'_> {
    fn ticket(&self, serial: Serial) -> TicketId {
        TicketId {
            event: self.event.id(),
            serial,
        }
    }

    /// What a wrong keyword counts for. The same scan twice is one guess: hand scanners repeat.
    pub(crate) fn wrong_try(&self, serial: Serial, scan: Digest) -> WrongTry {
        let held = self.held.borrow();
        let Some(stripe) = held.as_ref() else {
            return WrongTry::Known(KeywordFailure::Missing);
        };
        let ticket = self.ticket(serial);
        let count = stripe.get(&ticket);
        let tries = count.map_or(0, |c| c.tries);
        if tries >= KEYWORD_ATTEMPTS {
            WrongTry::Known(KeywordFailure::Exhausted)
        } else if count.is_some_and(|c| c.scan == scan) {
            WrongTry::Known(failure(tries))
        } else {
            WrongTry::New(WrongKeyword {
                ticket,
                tries: tries.saturating_add(1),
                scan,
            })
        }
    }

    /// Counts what is on the disk now.
    pub(crate) fn counted(&self, wrong: &WrongKeyword) -> KeywordFailure {
        if let Some(stripe) = self.held.borrow_mut().as_mut() {
            stripe.insert(wrong.ticket, Count::from(wrong));
        }
        failure(wrong.tries)
    }
}

fn failure(tries: u8) -> KeywordFailure {
    match KEYWORD_ATTEMPTS.saturating_sub(tries) {
        0 => KeywordFailure::Exhausted,
        left => KeywordFailure::Wrong { left },
    }
}
