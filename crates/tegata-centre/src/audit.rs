//! The audit: everything in the book, proven again with public keys alone.
//!
//! Signatures are verified with the register as it stood at each record, evidence becomes an action
//! by the same code that decided it the first time, and the ledger's replay compares every row. All
//! it needs is the data folder; no key of the centre's that could sign.

use std::{cell::RefCell, collections::HashMap, path::Path, sync::Arc};

use tegata_bank::{Found as FoundReference, camt053};
use tegata_ledger::{
    Action, EvidenceKind, Head, Position, Record,
    audit::{AuditError, Heads, Report, replay},
    store::{Reader, StoredRecord},
};
use tegata_protocol::{
    Currency, Digest, PartyNumber, Role, SignedBytes, Unverified, Verified, VerifyingKey,
    book::{Rule, StatementImport},
    card::{CardLoad, CardOrders, CardPayment, CardRequest},
    envelope::{Body, Message},
    joining::{Registered, Registration},
    order::CreditCardForm,
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

    fn interpret(&self, stored: &StoredRecord) -> Found<Action> {
        let evidence = stored.evidence.as_ref().ok_or("the evidence is missing")?;
        let signed = SignedBytes::new(evidence.bytes.to_vec());
        let (label, _) = signed.label().map_err(|e| e.to_string())?;
        let (record, time) = (&stored.record, stored.record.time);
        match (evidence.kind, label) {
            (EvidenceKind::Party, Registration::LABEL) => self.registration(stored, signed),
            (EvidenceKind::Party, PrepaidRequest::LABEL) => {
                let message = self.by_signing::<PrepaidRequest>(record, signed)?;
                attached(record, None)?;
                Ok(interpret::prepaid(&message, time))
            }
            (EvidenceKind::Party, Payment::LABEL) => self.payment(record, signed),
            (EvidenceKind::Party, Capture::LABEL) => {
                let message = self.by_signing::<Capture>(record, signed)?;
                attached(record, Some(message.body.delivery))?;
                Ok(interpret::capture(&message))
            }
            (EvidenceKind::Party, BillInquiry::LABEL) => {
                let message = self.by_signing::<BillInquiry>(record, signed)?;
                attached(record, None)?;
                let action = interpret::inquiry(&message, self, time);
                action.map_err(|code| code.to_string())
            }
            (EvidenceKind::Party, CreditCardForm::LABEL) => {
                let message = self.by_signing::<CreditCardForm>(record, signed)?;
                attached(record, None)?;
                let token = interpret::card(&message, self);
                token.map(|_| Action::Note).map_err(|code| code.to_string())
            }
            (EvidenceKind::Party, CardPayment::LABEL) => {
                let message = self.by_signing::<CardPayment>(record, signed)?;
                attached(record, None)?;
                let action = interpret::card_payment(&message, self, time);
                action.map(|(_, a)| a).map_err(|code| code.to_string())
            }
            (EvidenceKind::Party, CardLoad::LABEL) => {
                let key = |party: &PartyRecord| party.keys.spending;
                let message = self.verified::<CardLoad>(record, signed, key)?;
                attached(record, None)?;
                Ok(interpret::card_load(&message))
            }
            (EvidenceKind::Party, CardRequest::LABEL) => {
                let message = self.by_signing::<CardRequest>(record, signed)?;
                attached(record, None)?;
                Ok(interpret::card_request(&message))
            }
            (EvidenceKind::Operator, CardOrders::LABEL) => {
                let message = self.by_signing::<CardOrders>(record, signed)?;
                if message.from.role() != Role::Centre {
                    return Err("it isn't signed by an operator".to_owned());
                }
                attached(record, None)?;
                Ok(interpret::card_order(&message, self.currency))
            }
            (EvidenceKind::Operator, StatementImport::LABEL) => {
                let message = self.by_signing::<StatementImport>(record, signed)?;
                if message.from.role() != Role::Centre {
                    return Err("it isn't signed by an operator".to_owned());
                }
                attached(record, Some(message.body.file))?;
                shown_in(evidence.attachment.as_deref(), &message.body)?;
                Ok(interpret::import(&message, self.currency))
            }
            (EvidenceKind::Centre, Rule::LABEL) => self.rule(record, signed),
            (kind, label) => Err(format!(
                "evidence of kind {kind:?} can't be of type {label}"
            )),
        }
    }

    fn by_signing<B: Body>(
        &self,
        record: &Record,
        signed: SignedBytes,
    ) -> Found<Verified<Message<B>>> {
        self.verified(record, signed, |party| Some(party.keys.signing))
    }

    fn verified<B: Body>(
        &self,
        record: &Record,
        signed: SignedBytes,
        key: impl Fn(&PartyRecord) -> Option<VerifyingKey>,
    ) -> Found<Verified<Message<B>>> {
        let message = Unverified::<Message<B>>::parse(signed).map_err(|e| e.to_string())?;
        let from = message.claimed().from;
        let party = self
            .party(from)
            .ok_or_else(|| format!("{from} wasn't registered then"))?;
        let key = key(&party).ok_or_else(|| format!("{from} has no such key"))?;
        let message = message.verify(&key).map_err(|e| e.to_string())?;
        caused(record, &message)?;
        Ok(message)
    }

    fn payment(&self, record: &Record, signed: SignedBytes) -> Found<Action> {
        let message = self.verified::<Payment>(record, signed, |party| party.keys.spending)?;
        attached(record, None)?;
        let action = interpret::payment(&message, self, record.time);
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
        caused(&stored.record, &message)?;
        attached(&stored.record, None)?;
        if !message.body.possesses_spending(message.from, message.id) {
            return Err("the spending key isn't proven".to_owned());
        }
        let reply = stored.reply.as_ref().ok_or("the reply is missing")?;
        let reply = tegata_protocol::parse_kept_payload::<Message<Registered>>(reply);
        let record = reply.map_err(|e| e.to_string())?.body.record;
        let bytes = record.as_bytes().to_vec();
        let record = self.read_record(record)?;
        let claim = &message.body.claim;
        if record.number != message.from
            || record.keys != claim.keys
            || record.profile != claim.profile
        {
            return Err("the register's record isn't what was claimed".to_owned());
        }
        self.enter(record);
        Ok(Action::Register {
            party: message.from,
            record: bytes,
        })
    }

    fn read_record(&self, signed: SignedBytes) -> Found<PartyRecord> {
        let record = PartyRecord::verify(signed, &self.keys.register).map_err(|e| e.to_string())?;
        Ok(record.into_value())
    }

    fn enter(&self, record: PartyRecord) {
        self.parties
            .borrow_mut()
            .insert(record.number, Arc::new(record));
    }

    fn rule(&self, record: &Record, signed: SignedBytes) -> Found<Action> {
        let message = Unverified::<Message<Rule>>::parse(signed).map_err(|e| e.to_string())?;
        let key = match &message.claimed().body {
            Rule::Appoint(_) => self.keys.register,
            Rule::ExpireHold(_)
            | Rule::CardReceipt(..)
            | Rule::CardVoid(_)
            | Rule::CardCopied(_) => self.keys.receipts,
        };
        let message = message.verify(&key).map_err(|e| e.to_string())?;
        caused(record, &message)?;
        attached(record, None)?;
        if let Rule::Appoint(operator) = &message.body {
            let operator = self.read_record(operator.clone())?;
            if operator.number.role() != Role::Centre {
                return Err(format!("{} isn't an operator's number", operator.number));
            }
            self.enter(operator);
        }
        interpret::rule(&message.body, self.currency).map_err(|code| code.to_string())
    }
}

/// The record must name the message that was signed, and one that was signed for the centre.
fn caused<B>(record: &Record, message: &Message<B>) -> Found<()> {
    if message.to != PartyNumber::CENTRE {
        return Err("it was signed for somebody else".to_owned());
    }
    if (record.cause.party, record.cause.id) != (message.from, message.id) {
        return Err("the record names another message as its cause".to_owned());
    }
    // Nobody keeps a genuine message back and books it when it suits.
    let timely = message.check_time(record.time);
    timely.map_err(|e| format!("booked at {}: {e}", record.time))
}

/// What is kept beside the evidence must be what the signed message names, if it names anything.
fn attached(record: &Record, named: Option<Digest>) -> Found<()> {
    if record.attachment == named {
        Ok(())
    } else {
        Err("the attachment isn't the one that was signed for".to_owned())
    }
}

/// The bank's file must show each entry that the operator signed. Which references were known on
/// that day, nobody can tell any more: a signed one must stand in its entry.
fn shown_in(file: Option<&[u8]>, signed: &StatementImport) -> Found<()> {
    let read = camt053::parse(file.unwrap_or_default()).map_err(|e| e.to_string())?;
    let statement = read
        .statements
        .iter()
        .find(|s| s.id.as_str() == signed.statement && s.account.as_str() == signed.account);
    let statement = statement.ok_or("the bank's file has no such statement")?;
    let credits: Vec<_> = statement
        .entries
        .iter()
        .filter(|e| e.is_creditable())
        .collect();
    let same = credits.len() == signed.entries.len()
        && credits.iter().zip(&signed.entries).all(|(shown, signed)| {
            let bears = |reference: &str| {
                let found = shown.references.payment_reference();
                matches!(
                    found.known(|r| r.as_str() == reference),
                    FoundReference::One(_)
                )
            };
            shown.index == signed.index
                && shown.amount == signed.amount
                && shown.kind.funding() == signed.funding
                && signed.reference.as_deref().is_none_or(bears)
        });
    if same {
        Ok(())
    } else {
        Err("the bank's file doesn't show the entries that were signed".to_owned())
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
