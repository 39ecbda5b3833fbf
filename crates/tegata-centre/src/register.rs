//! The register as the running centre sees it: verified records, kept in memory.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tegata_ledger::{Ledger, store::StoreError};
use tegata_protocol::{
    Malformed, PartyNumber, SignedBytes, Unverified, Verified, VerifyingKey, record::PartyRecord,
};

/// The register, as far as a message needs it: today's, or as it stood when a record was written.
pub(crate) trait Register {
    /// A party's latest record.
    fn party(&self, number: PartyNumber) -> Option<Arc<PartyRecord>>;
}

/// Parties' records by number. What isn't in memory is read from the book and verified once.
#[derive(Debug)]
pub struct LiveRegister {
    ledger: Ledger,
    key: VerifyingKey,
    known: RwLock<HashMap<PartyNumber, Arc<PartyRecord>>>,
    /// Whose each signing key is. Empty until somebody asks.
    owners: RwLock<Option<Owners>>,
}

/// Numbers by signing key. It only says where to look: the record that is found is verified.
type Owners = HashMap<[u8; 32], PartyNumber>;

/// How many records are read at once.
const PAGE: u32 = 1000;

impl LiveRegister {
    /// The register in `ledger`, whose records `key` must have signed.
    pub fn new(ledger: Ledger, key: VerifyingKey) -> Self {
        Self {
            ledger,
            key,
            known: RwLock::default(),
            owners: RwLock::default(),
        }
    }

    /// Enters a record that has just been committed.
    pub(crate) fn enter(&self, record: PartyRecord) {
        let mut owners = self.owners.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(owners) = owners.as_mut() {
            note(owners, &record);
        }
        drop(owners);
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

    /// The record with this signing key, of several the one with the smallest number.
    ///
    /// # Errors
    /// As [`Self::recall`].
    pub(crate) fn owner_of(
        &self,
        key: &VerifyingKey,
    ) -> Result<Option<Verified<PartyRecord>>, RegisterError> {
        let Some(number) = self.number_of(key)? else {
            return Ok(None);
        };
        let Some(stored) = self.ledger.read(|book| book.party(number))? else {
            return Ok(None);
        };
        let damaged = |source| RegisterError::Damaged { number, source };
        let record = PartyRecord::verify(SignedBytes::new(stored), &self.key).map_err(damaged)?;
        Ok(Some(record).filter(|r| r.keys.signing == *key))
    }

    fn number_of(&self, key: &VerifyingKey) -> Result<Option<PartyNumber>, RegisterError> {
        let owners = self.owners.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(owners) = owners.as_ref() {
            return Ok(owners.get(key.as_bytes()).copied());
        }
        drop(owners);
        // Whoever is entered meanwhile waits, and is noted after this.
        let mut owners = self.owners.write().unwrap_or_else(PoisonError::into_inner);
        let owners = match owners.as_mut() {
            Some(owners) => owners,
            None => owners.insert(self.read_owners()?),
        };
        Ok(owners.get(key.as_bytes()).copied())
    }

    /// Goes through the whole book, once.
    fn read_owners(&self) -> Result<Owners, RegisterError> {
        let (mut owners, mut after) = (Owners::new(), None);
        loop {
            let page = self.ledger.read(|book| book.parties(after, PAGE))?;
            let Some((last, _)) = page.last() else {
                return Ok(owners);
            };
            after = Some(*last);
            for (number, stored) in page {
                let damaged = |source| RegisterError::Damaged { number, source };
                let record = Unverified::<PartyRecord>::parse(SignedBytes::new(stored));
                note(&mut owners, record.map_err(damaged)?.claimed());
            }
        }
    }

    fn known(&self, number: PartyNumber) -> Option<Arc<PartyRecord>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&number).cloned()
    }
}

fn note(owners: &mut Owners, record: &PartyRecord) {
    let owner = owners.entry(*record.keys.signing.as_bytes());
    let owner = owner.or_insert(record.number);
    *owner = record.number.min(*owner);
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
