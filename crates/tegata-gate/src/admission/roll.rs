//! The roll: which serials are used, in memory, and what comes next in the chain. Pure: it opens
//! no file and reads no clock.

use std::collections::{HashMap, VecDeque};

use roaring::RoaringBitmap;
use tegata_card::receipt::Punch;
use tegata_protocol::{PartyNumber, SigningKey, Time, ticket::Admission};

use super::{
    Batch, Before, Earlier, Entry, Head, Ordered, RESCAN_MILLIS, SecondUse, Shown, Store,
    StoreError, TicketId,
};
use crate::event::EventId;

/// How many admissions are remembered exactly: far more than a batch has.
const RECENT: usize = 4096;

/// What is to be answered once the batch is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Its first use.
    Admitted(Earlier),
    /// The same presentation, within two seconds of its admission.
    JustAdmitted(Earlier),
    /// Used before.
    Used {
        /// When.
        first: Earlier,
        /// Was this another presentation than the admitted one?
        another_presentation: bool,
    },
}

/// Which serials are used: a bit each. And the end of the chain.
#[derive(Debug)]
pub struct Roll {
    used: HashMap<EventId, RoaringBitmap>,
    head: Head,
    recent: Recent,
    ordered: HashMap<TicketId, Punch>,
}

impl Roll {
    /// A roll of what a store holds.
    #[must_use]
    pub fn new(used: Vec<(EventId, RoaringBitmap)>, head: Head, ordered: Vec<Ordered>) -> Self {
        let ordered = ordered.into_iter().map(|o| (o.ticket, o.punch));
        Self {
            used: used.into_iter().collect(),
            head,
            recent: Recent::default(),
            ordered: ordered.collect(),
        }
    }

    /// Reads what the store holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(store: &impl Store) -> Result<Self, StoreError> {
        Ok(Self::new(store.used()?, store.head()?, store.ordered()?))
    }

    /// Decides about one use and puts what must be written into `batch`. What is decided counts at
    /// once for the next decision, but is true only when the batch is committed; if that fails, the roll must be
    /// loaded anew.
    ///
    /// # Errors
    /// [`StoreError`] when the ticket's first use can't be looked up.
    pub fn decide(
        &mut self,
        shown: Shown,
        store: &impl Store,
        signer: (PartyNumber, &SigningKey),
        batch: &mut Batch,
    ) -> Result<Outcome, StoreError> {
        let ticket = shown.ticket;
        if !self.is_used(ticket) {
            let (presentation, at_millis) = (shown.presentation, shown.at_millis);
            let entry = self.next(shown, signer);
            let earlier = Earlier {
                row: entry.row,
                presentation,
                at_millis,
            };
            self.note(ticket, earlier);
            batch.entries.push(entry);
            return Ok(Outcome::Admitted(earlier));
        }
        Ok(second_use(shown, self.first_use(ticket, store)?, batch))
    }

    /// What is known of a ticket on a card. If it's unused and has no punch yet, the proposed one is
    /// put into `batch`, and counts when that is committed.
    ///
    /// # Errors
    /// [`StoreError`] when the ticket's first use can't be looked up.
    pub fn before_punch(
        &mut self,
        ticket: TicketId,
        proposed: Option<Punch>,
        store: &impl Store,
        batch: &mut Batch,
    ) -> Result<Before, StoreError> {
        if self.is_used(ticket) {
            return self.first_use(ticket, store).map(Before::Used);
        }
        if let Some(punch) = self.ordered.get(&ticket) {
            return Ok(Before::Ordered(*punch));
        }
        let Some(punch) = proposed else {
            return Ok(Before::Nothing);
        };
        self.ordered.insert(ticket, punch);
        batch.ordered.push(Ordered { ticket, punch });
        Ok(Before::Ordered(punch))
    }

    fn first_use(&self, ticket: TicketId, store: &impl Store) -> Result<Earlier, StoreError> {
        let first = match self.recent.of.get(&ticket) {
            Some(first) => Some(*first),
            None => store.use_of(ticket)?,
        };
        let event = ticket.event;
        first.ok_or_else(|| StoreError::Other(format!("the use of a ticket of {event} is missing")))
    }

    fn is_used(&self, ticket: TicketId) -> bool {
        let used = self.used.get(&ticket.event);
        used.is_some_and(|used| used.contains(ticket.serial.number()))
    }

    /// The next entry of the chain, signed.
    fn next(&mut self, shown: Shown, (gate, key): (PartyNumber, &SigningKey)) -> Entry {
        let at = Time::from_secs(shown.at_millis / 1000);
        let record = key.sign(&Admission {
            gate,
            issuer: shown.ticket.event.issuer,
            series: shown.ticket.event.series,
            serial: shown.ticket.serial,
            presentation: shown.presentation,
            time: at,
            previous: self.head.digest,
        });
        self.head = Head {
            row: self.head.row.saturating_add(1),
            digest: record.digest(),
        };
        Entry {
            row: self.head.row,
            ticket: shown.ticket,
            presentation: shown.presentation,
            at,
            evidence: shown.evidence,
            record,
        }
    }

    fn note(&mut self, ticket: TicketId, earlier: Earlier) {
        let used = self.used.entry(ticket.event).or_default();
        used.insert(ticket.serial.number());
        self.recent.push(ticket, earlier);
    }
}

/// The admissions of the last seconds: those not yet in the store, and those that a hand scanner
/// may read again. The store keeps times in seconds; here they are exact.
#[derive(Debug, Default)]
struct Recent {
    of: HashMap<TicketId, Earlier>,
    order: VecDeque<TicketId>,
}

impl Recent {
    fn push(&mut self, ticket: TicketId, earlier: Earlier) {
        self.of.insert(ticket, earlier);
        self.order.push_back(ticket);
        // A batch is decided at once: what is older than the longest batch is in the store.
        while self.order.len() > RECENT {
            let gone = self.order.pop_front();
            gone.map(|ticket| self.of.remove(&ticket));
        }
    }
}

/// A used ticket is shown again.
fn second_use(shown: Shown, first: Earlier, batch: &mut Batch) -> Outcome {
    let another_presentation = shown.presentation != first.presentation;
    if another_presentation {
        batch.second_uses.push(SecondUse {
            ticket: shown.ticket,
            presentation: shown.presentation,
            at: Time::from_secs(shown.at_millis / 1000),
            evidence: shown.evidence,
        });
    } else if shown.at_millis.abs_diff(first.at_millis) <= RESCAN_MILLIS {
        return Outcome::JustAdmitted(first);
    }
    Outcome::Used {
        first,
        another_presentation,
    }
}
