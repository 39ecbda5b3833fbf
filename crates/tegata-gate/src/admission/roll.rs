//! The roll: which serials are used, in memory, and what comes next in the chain. Pure: it opens
//! no file and reads no clock.

use std::collections::HashMap;

use roaring::RoaringBitmap;
use tegata_protocol::{PartyNumber, SigningKey, Time, ticket::Admission};

use super::{
    Batch, Earlier, Entry, Head, RESCAN_MILLIS, SecondUse, Shown, Store, StoreError, TicketId,
};
use crate::event::EventId;

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
    /// Entries decided but not yet in the store.
    pending: HashMap<TicketId, Earlier>,
}

impl Roll {
    /// Reads what the store holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(store: &impl Store) -> Result<Self, StoreError> {
        Ok(Self {
            used: store.used()?.into_iter().collect(),
            head: store.head()?,
            pending: HashMap::new(),
        })
    }

    /// How many serials of an event are used.
    #[must_use]
    pub fn used(&self, event: EventId) -> u64 {
        self.used.get(&event).map_or(0, RoaringBitmap::len)
    }

    /// Decides about one use and puts what must be written into `batch`. What is decided counts at
    /// once for the next decision, but is true only when the batch is committed: see
    /// [`Roll::committed`].
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
            let entry = self.next(shown, signer);
            let earlier = entry.as_earlier();
            self.note(ticket, earlier);
            batch.entries.push(entry);
            return Ok(Outcome::Admitted(earlier));
        }
        let pending = self.pending.get(&ticket).copied();
        let first = match pending {
            Some(first) => Some(first),
            None => store.use_of(ticket)?,
        };
        let missing = || {
            StoreError::Other(format!(
                "the use of a ticket of {} is missing",
                ticket.event
            ))
        };
        Ok(second_use(shown, first.ok_or_else(missing)?, batch))
    }

    fn is_used(&self, ticket: TicketId) -> bool {
        let used = self.used.get(&ticket.event);
        used.is_some_and(|used| used.contains(ticket.serial.number()))
    }

    /// The next entry of the chain, signed.
    fn next(&mut self, shown: Shown, (gate, key): (PartyNumber, &SigningKey)) -> Entry {
        let record = key.sign(&Admission {
            gate,
            issuer: shown.ticket.event.issuer,
            series: shown.ticket.event.series,
            serial: shown.ticket.serial,
            presentation: shown.presentation,
            time: Time::from_secs(shown.at_millis / 1000),
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
            at_millis: shown.at_millis,
            evidence: shown.evidence,
            record,
        }
    }

    fn note(&mut self, ticket: TicketId, earlier: Earlier) {
        let used = self.used.entry(ticket.event).or_default();
        used.insert(ticket.serial.number());
        self.pending.insert(ticket, earlier);
    }

    /// The batch is durable: the store answers for it from now on.
    pub fn committed(&mut self) {
        self.pending.clear();
    }
}

/// A used ticket is shown again.
fn second_use(shown: Shown, first: Earlier, batch: &mut Batch) -> Outcome {
    let another_presentation = shown.presentation != first.presentation;
    if another_presentation {
        batch.second_uses.push(SecondUse {
            ticket: shown.ticket,
            presentation: shown.presentation,
            at_millis: shown.at_millis,
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
