//! The audit: everything in the book, proven again with public keys alone.
//!
//! Signatures are verified with the register as it stood at each record, evidence becomes an action
//! by the same code that decided it the first time, and the ledger's replay compares every row. All
//! it needs is the data folder; no key of the centre's that could sign.

use std::{cell::RefCell, collections::HashMap, path::Path, sync::Arc};

use tegata_ledger::{
    Action, Head, Position,
    audit::{AuditError, Heads, Report, replay},
    store::{Reader, StoredRecord},
};
use tegata_protocol::{
    Currency, PartyNumber, SignedBytes,
    record::{CentreKeys, PartyRecord},
};

use crate::{
    exchange::{EXCHANGES, Entry, Past},
    heads::read_head,
    register::Register,
};

/// What the audit believes: the centre's keys as the pinned root certifies them.
#[derive(Debug)]
pub struct Auditor {
    keys: CentreKeys,
    currency: Currency,
    parties: RefCell<HashMap<PartyNumber, Arc<PartyRecord>>>,
}

impl Register for Auditor {
    fn party(&self, number: PartyNumber) -> Option<Arc<PartyRecord>> {
        self.parties.borrow().get(&number).cloned()
    }
}

type Found<T> = Result<T, String>;

impl Auditor {
    /// An auditor who trusts these keys.
    pub fn new(keys: CentreKeys, currency: Currency) -> Self {
        Self {
            keys,
            currency,
            parties: RefCell::default(),
        }
    }

    /// Recomputes the book. `brought` are signed heads that somebody brings.
    ///
    /// # Errors
    /// [`AuditError`] when the book can't be read; what is wrong in it stands in the report.
    pub fn audit(
        &self,
        reader: &mut dyn Reader,
        heads: &Path,
        brought: &[Vec<u8>],
    ) -> Result<Report, AuditError> {
        self.audit_watched(reader, heads, brought, |_| {})
    }

    /// The same, telling `watch` of how many records more it has come to.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn audit_watched(
        &self,
        reader: &mut dyn Reader,
        heads: &Path,
        brought: &[Vec<u8>],
        mut watch: impl FnMut(u64),
    ) -> Result<Report, AuditError> {
        let mut reached = Position::new(0, 0);
        let heads = Heads {
            folder: Some(heads),
            brought,
        };
        replay(
            reader,
            heads,
            |stored| {
                let position = stored.record.position;
                let before = match position.committer == reached.committer {
                    true => reached.sequence,
                    false => 0,
                };
                watch(position.sequence.saturating_sub(before));
                reached = position;
                self.interpret(stored)
            },
            |signed| self.head(signed),
        )
    }

    fn head(&self, signed: &[u8]) -> Found<Head> {
        read_head(signed, &self.keys.receipts)
    }

    /// The exchange that the evidence begins proves it, as it stood then.
    fn interpret(&self, stored: &StoredRecord) -> Found<Action> {
        let evidence = stored.evidence.as_ref().ok_or("the evidence is missing")?;
        let signed = SignedBytes::new(evidence.bytes.to_vec());
        let (label, _) = signed.label().map_err(|e| e.to_string())?;
        let kind = evidence.kind;
        let of_kind = |entry: &&Entry| {
            let proof = entry.proof.as_ref();
            entry.label == label && proof.is_some_and(|proof| proof.kind == kind)
        };
        let entry = EXCHANGES.iter().find(of_kind);
        let proof = entry.and_then(|entry| entry.proof.as_ref());
        let foreign = || format!("evidence of kind {kind:?} can't be of type {label}");
        let past = Past {
            keys: &self.keys,
            register: self,
            currency: self.currency,
        };
        let proven = (proof.ok_or_else(foreign)?.prove)(&past, stored, signed)?;
        if let Some(record) = proven.entered {
            let mut parties = self.parties.borrow_mut();
            parties.insert(record.number, Arc::new(record));
        }
        Ok(proven.action)
    }
}
