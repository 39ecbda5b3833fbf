//! Operators: people of the centre who import bank statements, with a key of their own.
//!
//! What an operator imports is signed with the operator's key over what the operator saw: each
//! credit with its amount and reference, and the digest of the bank's file. The desk reads the file
//! again and takes nothing else. The way in is a Unix socket that only the centre's user can open.

use std::{cell::RefCell, sync::mpsc};

use tegata_bank::{Found, PaymentReference, Statement, camt053};
use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure},
};
use tegata_ledger::{
    Action, Committed, Draft, EvidenceKind, Fault, MessageKey, StatementKey, Verdict,
};
use tegata_protocol::{
    Digest, PartyNumber, Role, SignedBytes, SigningKey, Suite, Time, Unverified, Verified,
    VerifyingKey,
    book::{ImportedEntry, Rule, StatementImport},
    card::{CardOrder, CardOrders},
    cbor,
    envelope::{Body, Message, Parcel},
    record::{PartyKeys, PartyRecord, Status},
    refusal::{Code, Refusal},
};

use crate::{
    desk::{Desk, evidence, lasting},
    interpret,
    keys::{rng, sign_record},
    replies::{self, Return},
    rule,
};

/// The most bytes on the operators' socket: a bank's file and what is signed of it.
pub const OPERATOR_LIMIT: usize = 17 << 20;

/// An operator's record holds for ten years: it isn't renewed yet.
const OPERATOR_SECONDS: u64 = 10 * 365 * 86_400;

/// Why an operator's order isn't carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Not a signed order of a registered operator.
    #[error("this isn't an order that a registered operator signed: {0}")]
    Unreadable(String),
    /// The book said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The book failed: whether the order is in it may not be known.
    #[error("the book failed")]
    Fault(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The order is in the book, but what the book keeps as its reply can't be one.
    #[error("the order is in the book, but its reply is damaged; run the audit")]
    ReplyDamaged,
}

/// The credits of a statement with their references and how they came, as an operator sees and
/// signs them.
pub fn entries_of(
    statement: &Statement,
    known: impl Fn(&PaymentReference) -> bool,
) -> Vec<ImportedEntry> {
    let credits = statement
        .entries
        .iter()
        .filter(|entry| entry.is_creditable());
    let imported = credits.map(|entry| ImportedEntry {
        index: entry.index,
        amount: entry.amount,
        reference: match entry.references.payment_reference().known(&known) {
            Found::One(reference) => Some(reference.as_str().to_owned()),
            Found::Nothing | Found::Several(_) => None,
        },
        funding: entry.kind.funding(),
    });
    imported.collect()
}

/// The same, where looking a reference up may fail: then there's nothing to sign, and nothing to
/// compare what was signed with. A reference that can't be looked up isn't an unknown one.
///
/// # Errors
/// What `look_up` failed with.
pub fn try_entries_of<E>(
    statement: &Statement,
    look_up: impl FnMut(&PaymentReference) -> Result<bool, E>,
) -> Result<Vec<ImportedEntry>, E> {
    let (look_up, failed) = (RefCell::new(look_up), RefCell::new(None));
    let entries = entries_of(statement, |reference| {
        let known = (look_up.borrow_mut())(reference);
        known.unwrap_or_else(|error| {
            failed.replace(Some(error));
            false
        })
    });
    failed.into_inner().map_or(Ok(entries), Err)
}

/// Signs the import of one statement.
pub fn sign_import(
    operator: (PartyNumber, &SigningKey),
    file: &[u8],
    statement: &Statement,
    entries: Vec<ImportedEntry>,
    now: Time,
) -> Parcel {
    let body = StatementImport {
        file: Digest::of(file),
        account: statement.account.as_str().to_owned(),
        statement: statement.id.as_str().to_owned(),
        entries,
    };
    let signed = sign_order(operator, body, now);
    Parcel::with(signed, file.to_vec())
}

/// Signs an order about cards.
pub fn sign_card_order(
    operator: (PartyNumber, &SigningKey),
    order: CardOrder,
    now: Time,
) -> Parcel {
    Parcel::new(sign_order(operator, CardOrders { order }, now))
}

fn sign_order<B: Body>(operator: (PartyNumber, &SigningKey), body: B, now: Time) -> SignedBytes {
    let id = tegata_protocol::MessageId::random(&mut rng());
    let (from, to, time) = (operator.0, PartyNumber::CENTRE, now);
    let (not_after, enc_digest, answers) = (None, None, None);
    operator.1.sign(&Message {
        from,
        to,
        id,
        time,
        not_after,
        enc_digest,
        answers,
        body,
    })
}

/// An operator's number, by `serial`: `C-00000-…`.
pub(crate) fn operator_number(serial: u32) -> Result<PartyNumber, tegata_protocol::Malformed> {
    PartyNumber::new(Role::Centre, serial)
}

/// The first operator, whom `tegata-centre init` makes.
pub const FIRST_OPERATOR: u32 = 1;

fn check_operator<B: Body>(
    message: &Message<B>,
    operator: &PartyRecord,
    now: Time,
) -> Result<(), Code> {
    message.check_time(now).map_err(|_e| Code::Untimely)?;
    if operator.is_active(now) {
        Ok(())
    } else {
        Err(Code::NotActive)
    }
}

/// What an order rests on can't be read.
fn unread(e: impl std::error::Error + Send + Sync + 'static) -> OrderError {
    OrderError::Fault(Box::new(e))
}

/// A fault, save that an id used twice is the sender's mistake.
fn fault(fault: Fault) -> OrderError {
    if matches!(fault, Fault::Conflict { .. }) {
        return OrderError::Refused(Refusal::new(Code::IdReused));
    }
    unread(fault)
}

impl Desk {
    /// Takes an operator's order from the operators' socket and gives the signed reply.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn order(&self, bytes: &[u8], now: Time) -> Result<SignedBytes, OrderError> {
        let unreadable = |e: &dyn std::fmt::Display| OrderError::Unreadable(e.to_string());
        let parcel: Parcel = cbor::decode(bytes, OPERATOR_LIMIT).map_err(|e| unreadable(&e))?;
        let file = parcel.attached().unwrap_or_default().to_vec();
        let (label, _) = parcel.signed.label().map_err(|e| unreadable(&e))?;
        if label == CardOrders::LABEL {
            let (message, refused) = self.operators::<CardOrders>(parcel.signed, now)?;
            let draft = self.card_order(&message, refused, now)?;
            let committed = self.ledger.submit_and_wait(draft).map_err(fault)?;
            let reply = self.signed_reply(&committed)?;
            self.card_ordered(&message.body.order);
            return Ok(reply);
        }
        let (message, refused) = self.operators::<StatementImport>(parcel.signed, now)?;
        let action = match refused {
            None => self.check_import(&message, &file)?,
            Some(code) => Err(code),
        };
        let action = action.unwrap_or_else(|code| Action::Refuse(code.number()));
        let draft = self.import_draft(&message, file, action, now);
        let committed = self.ledger.submit_and_wait(draft).map_err(fault)?;
        self.signed_reply(&committed)
    }

    /// A verified order of a registered operator, and the first reason against it that doesn't need the
    /// book.
    fn operators<B: Body>(
        &self,
        signed: SignedBytes,
        now: Time,
    ) -> Result<(Verified<Message<B>>, Option<Code>), OrderError> {
        let unreadable = |e: &dyn std::fmt::Display| OrderError::Unreadable(e.to_string());
        let message = Unverified::<Message<B>>::parse(signed);
        let message = message.map_err(|e| unreadable(&e))?;
        let from = message.claimed().from;
        let operator = self.register.recall(from).map_err(unread)?;
        let operator = operator.filter(|_| from.role() == Role::Centre);
        let operator = operator.ok_or_else(|| unreadable(&format!("{from} isn't an operator")))?;
        let message = message
            .verify(&operator.keys.signing)
            .map_err(|e| unreadable(&e))?;
        if message.to != PartyNumber::CENTRE {
            return Err(unreadable(&"it was signed for somebody else"));
        }
        let refused = check_operator(&message, &operator, now).err();
        Ok((message, refused))
    }

    /// The outer error is ours: what the order rests on couldn't be read.
    fn check_import(
        &self,
        message: &Verified<Message<StatementImport>>,
        file: &[u8],
    ) -> Result<Result<Action, Code>, OrderError> {
        let body = &message.body;
        let key = StatementKey {
            account: body.account.clone(),
            id: body.statement.clone(),
        };
        let imported = self.ledger.read(|book| book.entries(&key));
        if !imported.map_err(unread)?.is_empty() {
            return Ok(Err(Code::StatementImported));
        }
        let invalid = Ok(Err(Code::StatementInvalid));
        let Ok(read) = camt053::parse_for(file, &self.house.account) else {
            return invalid;
        };
        let mut statements = read.statements.iter();
        let signed =
            |s: &&Statement| s.id.as_str() == body.statement && s.account.as_str() == body.account;
        let Some(statement) = statements.find(signed) else {
            return invalid;
        };
        let seen = self.seen_entries(statement)?;
        if Digest::of(file) != body.file || seen != body.entries || seen.is_empty() {
            return invalid;
        }
        Ok(Ok(interpret::import(message, self.house.currency)))
    }

    /// The statement's credits with the references that we gave out.
    fn seen_entries(&self, statement: &Statement) -> Result<Vec<ImportedEntry>, OrderError> {
        let is_expected = |reference: &PaymentReference| {
            let funding = self.ledger.read(|book| book.funding(reference.as_str()));
            funding.map(|funding| funding.is_some())
        };
        try_entries_of(statement, is_expected).map_err(unread)
    }

    fn import_draft(
        &self,
        message: &Verified<Message<StatementImport>>,
        file: Vec<u8>,
        action: Action,
        now: Time,
    ) -> Draft {
        let key = MessageKey {
            party: message.from,
            id: message.id,
        };
        let evidence = evidence(EvidenceKind::Operator, message.signed(), Some(file));
        let back = Return {
            to: message.from,
            answers: message.digest(),
        };
        let (import, seconds) = (message.body.clone(), self.house.card_seconds);
        Draft::new(key, evidence, action, now, move |d| {
            replies::import(back, &import, seconds, d)
        })
    }

    fn signed_reply(&self, committed: &Committed) -> Result<SignedBytes, OrderError> {
        let signed = self.sign_kept(committed.reply.to_vec());
        let signed = signed.ok_or(OrderError::ReplyDamaged)?;
        if let Verdict::Accepted = committed.verdict {
            return Ok(signed);
        }
        let refusal = Unverified::<Message<Refusal>>::parse(signed);
        let refusal = refusal.map_err(|_e| OrderError::ReplyDamaged)?;
        Err(OrderError::Refused(refusal.claimed().body.clone()))
    }

    /// Carries out a rule of the centre's own: the register's key signs appointments, the receipts
    /// key all else.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn carry_out(&self, rule: Rule, now: Time) -> Result<(), OrderError> {
        let draft = self.rule_draft(rule, now)?;
        let committed = self.ledger.submit_and_wait(draft).map_err(fault)?;
        self.signed_reply(&committed).map(|_| ())
    }

    fn rule_draft(&self, rule: Rule, now: Time) -> Result<Draft, OrderError> {
        let key = match &rule {
            Rule::Appoint(_) => &self.keys.register,
            Rule::ExpireHold(_)
            | Rule::CardReceipt(..)
            | Rule::CardVoid(_)
            | Rule::CardCopied(_) => &self.keys.receipts,
        };
        let draft = rule::draft(rule, key, self.house.currency, now);
        draft.map_err(|code| OrderError::Refused(Refusal::new(code)))
    }

    /// Enters an operator in the register: number `C-00000-…` by `serial`, and the operator's key.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn appoint(
        &self,
        serial: u32,
        key: &VerifyingKey,
        now: Time,
    ) -> Result<PartyNumber, OrderError> {
        let refused = |e: tegata_protocol::Malformed| OrderError::Unreadable(e.to_string());
        let number = operator_number(serial).map_err(refused)?;
        // Nothing is ever sealed to an operator; the record's form wants a key all the same.
        let (opening, _) = tegata_protocol::OpeningKey::generate(Suite::Standard, &mut rng());
        let keys = PartyKeys {
            spending: None,
            signing: *key,
            opening: opening.sealing_key().clone(),
        };
        let (valid, status) = (lasting(now, OPERATOR_SECONDS), Status::Active);
        let record = PartyRecord {
            number,
            keys,
            profile: None,
            valid,
            status,
        };
        self.carry_out(Rule::Appoint(sign_record(&self.keys, &record)), now)?;
        self.register.enter(record);
        Ok(number)
    }

    /// An operator's public key waits in a file until the centre has started once.
    pub(crate) fn appoint_pending(&self, dir: &DataDir, now: Time) -> Result<(), Failure> {
        if self
            .register
            .recall(operator_number(FIRST_OPERATOR)?)?
            .is_some()
        {
            return Ok(());
        }
        let Some(bytes) = dir.read_optional("operator.pub")? else {
            return Ok(());
        };
        let key = <[u8; 32]>::try_from(bytes.as_slice()).ok();
        let key = key.and_then(|b| VerifyingKey::from_bytes(&b).ok());
        let key =
            key.ok_or_else(|| Failure::new(Exit::Damaged, "operator.pub isn't a public key"))?;
        self.appoint(FIRST_OPERATOR, &key, now)?;
        Ok(())
    }

    /// Releases holds whose time is over, as many as were due. All are handed in before the first
    /// answer is awaited, so that the book commits them together. Says how many there were; those
    /// that weren't released are due again the next time.
    pub fn expire_holds(&self, now: Time) -> usize {
        let due = self.ledger.read(|book| book.holds_expired(now, 500));
        let due = due.inspect_err(|e| tracing::error!(error = %e, "expired holds can't be read"));
        let due = due.unwrap_or_default();
        let drafts = due.iter().map(|hold| {
            let draft = self.rule_draft(Rule::ExpireHold(hold.payment), now);
            (hold.payment, draft)
        });
        // Signed before the first is handed in: the committer doesn't wait for the next one.
        let drafts: Vec<_> = drafts.collect();
        let awaited = drafts.into_iter().map(|(payment, draft)| {
            let (tell, told) = mpsc::sync_channel(1);
            match draft {
                // Nobody has dropped the other end: it's waiting below.
                Ok(draft) => self.ledger.submit(draft, move |result| {
                    tell.send(result.map_err(fault)).unwrap_or_default();
                }),
                Err(e) => tell.send(Err(e)).unwrap_or_default(),
            }
            (payment, told)
        });
        let awaited: Vec<_> = awaited.collect();
        for (payment, told) in awaited {
            let committed = told.recv().unwrap_or(Err(fault(Fault::Stopped)));
            if let Err(e) = committed.and_then(|c| self.signed_reply(&c)) {
                tracing::warn!(%payment, error = %e, "a hold wasn't released");
            }
        }
        due.len()
    }
}
