//! The register as the running centre sees it: verified records, kept in memory.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tegata_ledger::{Ledger, store::StoreError};
use tegata_protocol::{Malformed, PartyNumber, SignedBytes, VerifyingKey, record::PartyRecord};

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

    /// A party's record: from memory, else from the book.
    ///
    /// # Errors
    /// [`RegisterError`]: then nothing is known of the party, not even that it's unknown.
    pub(crate) fn recall(
        &self,
        number: PartyNumber,
    ) -> Result<Option<Arc<PartyRecord>>, RegisterError> {
        if let Some(record) = self.known(number) {
            return Ok(Some(record));
        }
        let Some(stored) = self.ledger.read(|book| book.party(number))? else {
            return Ok(None);
        };
        let damaged = |source| RegisterError::Damaged { number, source };
        let record = PartyRecord::verify(SignedBytes::new(stored), &self.key).map_err(damaged)?;
        self.enter(record.into_value());
        Ok(self.known(number))
    }

    fn known(&self, number: PartyNumber) -> Option<Arc<PartyRecord>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&number).cloned()
    }
}

/// Why a record can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    /// The book failed.
    #[error("the register can't be read")]
    Store(#[from] StoreError),
    /// What the book holds isn't a record that the register signed.
    #[error("the record of {number} is damaged; run the audit")]
    Damaged {
        number: PartyNumber,
        source: Malformed,
    },
}

/// A record that can't be had counts as none; who must know the difference asks
/// [`LiveRegister::recall`].
impl Register for LiveRegister {
    fn party(&self, number: PartyNumber) -> Option<Arc<PartyRecord>> {
        let recalled = self.recall(number).inspect_err(|e| {
            tracing::error!(error = e as &dyn std::error::Error, "a record is missing");
        });
        recalled.ok().flatten()
    }
}
