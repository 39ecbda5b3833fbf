//! The audit: everything in the book, proven again with public keys alone.
//!
//! Signatures are verified with the register as it stood at each record, evidence becomes an action
//! by the same code that decided it the first time, and the ledger's replay compares every row. All
//! it needs is the data folder; no key of the centre's that could sign.

use std::{cell::RefCell, collections::HashMap, path::Path, sync::Arc};

use tegata_ledger::{
    Action, EvidenceKind, Head,
    audit::{AuditError, Heads, Report, replay},
    store::{Reader, StoredRecord},
};
use tegata_protocol::{
    Currency, PartyNumber, Role, SignedBytes, Unverified, Verified, VerifyingKey,
    book::{Rule, StatementImport},
    envelope::{Body, Message},
    joining::{Registered, Registration},
    payment::{BillInquiry, Capture, Payment},
    prepaid::PrepaidRequest,
    record::{CentreKeys, ChainHead, PartyRecord},
};

use crate::interpret::{self, Register};

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
        let heads = Heads {
            folder: Some(heads),
            brought,
        };
        replay(
            reader,
            heads,
            |stored| self.interpret(stored),
            |signed| self.head(signed),
        )
    }

    fn head(&self, signed: &[u8]) -> Found<Head> {
        read_head(signed, &self.keys.receipts)
    }

    fn interpret(&self, stored: &StoredRecord) -> Found<Action> {
        let evidence = stored.evidence.as_ref().ok_or("the evidence is missing")?;
        let signed = SignedBytes::new(evidence.bytes.to_vec());
        let (label, _) = signed.label().map_err(|e| e.to_string())?;
        match (evidence.kind, label) {
            (EvidenceKind::Party, Registration::LABEL) => self.registration(stored, signed),
            (EvidenceKind::Party, PrepaidRequest::LABEL) => {
                let message = self.by_signing::<PrepaidRequest>(signed)?;
                Ok(interpret::prepaid(&message, stored.record.time))
            }
            (EvidenceKind::Party, Payment::LABEL) => self.payment(stored, signed),
            (EvidenceKind::Party, Capture::LABEL) => {
                Ok(interpret::capture(&self.by_signing::<Capture>(signed)?))
            }
            (EvidenceKind::Party, BillInquiry::LABEL) => {
                let message = self.by_signing::<BillInquiry>(signed)?;
                let action = interpret::inquiry(&message, self, stored.record.time);
                action.map_err(|code| code.to_string())
            }
            (EvidenceKind::Operator, StatementImport::LABEL) => {
                let message = self.by_signing::<StatementImport>(signed)?;
                if message.from.role() != Role::Centre {
                    return Err("it isn't signed by an operator".to_owned());
                }
                Ok(interpret::import(&message, self.currency))
            }
            (EvidenceKind::Centre, Rule::LABEL) => self.rule(signed),
            (kind, label) => Err(format!(
                "evidence of kind {kind:?} can't be of type {label}"
            )),
        }
    }

    fn by_signing<B: Body>(&self, signed: SignedBytes) -> Found<Verified<Message<B>>> {
        self.verified(signed, |record| Some(record.keys.signing))
    }

    fn verified<B: Body>(
        &self,
        signed: SignedBytes,
        key: impl Fn(&PartyRecord) -> Option<VerifyingKey>,
    ) -> Found<Verified<Message<B>>> {
        let message = Unverified::<Message<B>>::parse(signed).map_err(|e| e.to_string())?;
        let from = message.claimed().from;
        let record = self
            .party(from)
            .ok_or_else(|| format!("{from} wasn't registered then"))?;
        let key = key(&record).ok_or_else(|| format!("{from} has no such key"))?;
        let message = message.verify(&key).map_err(|e| e.to_string())?;
        if message.to != PartyNumber::CENTRE {
            return Err("it was signed for somebody else".to_owned());
        }
        Ok(message)
    }

    fn payment(&self, stored: &StoredRecord, signed: SignedBytes) -> Found<Action> {
        let message = self.verified::<Payment>(signed, |record| record.keys.spending)?;
        let action = interpret::payment(&message, self, stored.record.time);
        action
            .map(|(_, action)| action)
            .map_err(|code| code.to_string())
    }

    /// The record that the register signed stands in the reply; it must be of the claimed keys.
    fn registration(&self, stored: &StoredRecord, signed: SignedBytes) -> Found<Action> {
        let message = Unverified::<Message<Registration>>::parse(signed);
        let message = message.map_err(|e| e.to_string())?;
        let key = message.claimed().body.claim.keys.signing;
        let message = message.verify(&key).map_err(|e| e.to_string())?;
        if !message.body.possesses_spending(message.from, message.id) {
            return Err("the spending key isn't proven".to_owned());
        }
        let reply = stored.reply.as_ref().ok_or("the reply is missing")?;
        let reply = tegata_protocol::parse_kept_payload::<Message<Registered>>(reply);
        let record = reply.map_err(|e| e.to_string())?.body.record;
        let bytes = record.as_bytes().to_vec();
        let record = self.enter(record)?;
        let claim = &message.body.claim;
        if record.number != message.from
            || record.keys != claim.keys
            || record.profile != claim.profile
        {
            return Err("the register's record isn't what was claimed".to_owned());
        }
        Ok(Action::Register {
            party: message.from,
            record: bytes,
        })
    }

    fn enter(&self, signed: SignedBytes) -> Found<Arc<PartyRecord>> {
        let record = PartyRecord::verify(signed, &self.keys.register).map_err(|e| e.to_string())?;
        let record = Arc::new(record.into_value());
        self.parties
            .borrow_mut()
            .insert(record.number, record.clone());
        Ok(record)
    }

    fn rule(&self, signed: SignedBytes) -> Found<Action> {
        let message = Unverified::<Message<Rule>>::parse(signed).map_err(|e| e.to_string())?;
        let key = match &message.claimed().body {
            Rule::Appoint(_) => self.keys.register,
            Rule::ExpireHold(_) => self.keys.receipts,
        };
        let message = message.verify(&key).map_err(|e| e.to_string())?;
        if let Rule::Appoint(record) = &message.body {
            self.enter(record.clone())?;
        }
        interpret::rule(&message.body).map_err(|code| code.to_string())
    }
}

/// Reads a signed head of the chain.
///
/// # Errors
/// What is wrong with it.
pub fn read_head(signed: &[u8], receipts: &VerifyingKey) -> Result<Head, String> {
    let head = Unverified::<ChainHead>::parse(SignedBytes::new(signed.to_vec()));
    let head = head
        .map_err(|e| e.to_string())?
        .verify(receipts)
        .map_err(|e| e.to_string())?;
    let (committer, sequence) = (head.committer, head.sequence);
    Ok(Head {
        committer,
        sequence,
        hash: head.hash,
        time: head.time,
    })
}

/// Signs heads with the receipts key.
#[derive(Debug)]
pub struct ReceiptsSigner(pub tegata_protocol::SigningKey);

impl tegata_ledger::HeadSigner for ReceiptsSigner {
    fn sign(&self, head: &Head) -> Vec<u8> {
        let (committer, sequence) = (head.committer, head.sequence);
        let head = ChainHead {
            committer,
            sequence,
            hash: head.hash,
            time: head.time,
        };
        self.0.sign(&head).into_bytes()
    }

    fn read(&self, signed: &[u8]) -> Result<Head, String> {
        read_head(signed, &self.0.verifying_key())
    }
}
