//! Operators: people of the centre who import bank statements, with a key of their own.
//!
//! What an operator imports is signed with the operator's key over what the operator saw: each
//! credit with its amount and reference, and the digest of the bank's file. The centre reads the file
//! again and takes nothing else. The way in is a Unix socket that only the centre's user can open.

use std::cell::RefCell;

use tegata_bank::{Found, PaymentReference, Statement};
use tegata_protocol::{
    Digest, PartyNumber, Role, SignedBytes, SigningKey, Time,
    book::{ImportedEntry, StatementImport},
    card::{CardOrder, CardOrders},
    envelope::{Body, Message, Parcel},
    refusal::Refusal,
};

use crate::keys::rng;

/// The most bytes on the operators' socket: a bank's file and what is signed of it.
pub const OPERATOR_LIMIT: usize = 17 << 20;

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
