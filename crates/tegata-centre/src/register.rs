//! The register as the running centre sees it: verified records, kept in memory.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tegata_ledger::Ledger;
use tegata_protocol::{PartyNumber, SignedBytes, VerifyingKey, record::PartyRecord};

use crate::interpret::Register;

/// Parties' records by number. What isn't in memory is read from the book and verified once.
#[derive(Debug)]
pub struct LiveRegister {
    ledger: Ledger,
    key: VerifyingKey,
    known: RwLock<HashMap<PartyNumber, Arc<PartyRecord>>>,
}

impl LiveRegister {
    /// The register in `ledger`, whose records `key` must have signed.
    pub fn new(ledger: Ledger, key: VerifyingKey) -> Self {
        Self {
            ledger,
            key,
            known: RwLock::default(),
        }
    }

    /// Enters a record that has just been committed.
    pub(crate) fn enter(&self, record: PartyRecord) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(record.number, Arc::new(record));
    }

    fn read(&self, number: PartyNumber) -> Option<PartyRecord> {
        let stored = self.ledger.read(|book| book.party(number));
        let stored =
            stored.inspect_err(|e| tracing::error!(error = %e, "the register can't be read"));
        let record = PartyRecord::verify(SignedBytes::new(stored.ok()??), &self.key);
        let record =
            record.inspect_err(|e| tracing::error!(%number, error = %e, "a damaged record"));
        record.ok().map(tegata_protocol::Verified::into_value)
    }
}

impl Register for LiveRegister {
    fn party(&self, number: PartyNumber) -> Option<Arc<PartyRecord>> {
        let known = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&number)
            .cloned();
        known.or_else(|| {
            self.enter(self.read(number)?);
            self.known
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&number)
                .cloned()
        })
    }
}
