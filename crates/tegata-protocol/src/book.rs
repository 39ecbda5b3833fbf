//! What else the centre's book rests on: operators' imports of bank statements, and the centre's
//! own signed rules.
//!
//! Every posting names a signed cause. Most causes come from members and shops; these come from
//! within: an operator who signed what a bank statement shows, or the clock.

use minicbor::{Decode, Encode};

use crate::{
    Amount, Digest, Malformed, PaymentId, SignedBytes, envelope::Body, malformed::check_text,
    prepaid::Funding,
};

/// The most entries of one import.
pub const MAX_ENTRIES: usize = 5000;

/// An operator imports a statement (M7 ii, iii): signed with the operator's key over what the
/// operator saw. The bank's file itself is kept beside it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct StatementImport {
    /// SHA-256 of the bank's file.
    #[n(0)]
    pub file: Digest,
    /// The account that the statement is of.
    #[n(1)]
    pub account: String,
    /// The bank's identification of the statement.
    #[n(2)]
    pub statement: String,
    /// The entries to be credited, in the statement's order.
    #[n(3)]
    pub entries: Vec<ImportedEntry>,
}

/// One booked credit of a statement.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ImportedEntry {
    /// Its place in the statement, from 0.
    #[n(0)]
    pub index: u32,
    /// How much came in.
    #[n(1)]
    pub amount: Amount,
    /// The creditor reference found in it, if exactly one was.
    #[n(2)]
    pub reference: Option<String>,
    /// How the money came: transferred, or paid in at the bank. Nothing else stands in a statement.
    #[n(3)]
    pub funding: Funding,
}

impl Body for StatementImport {
    const LABEL: u16 = 70;
    const LIMIT: usize = 512 * 1024;

    fn check(&self) -> Result<(), Malformed> {
        check_text("account", &self.account, 34)?;
        check_text("statement", &self.statement, 35)?;
        if self.entries.len() > MAX_ENTRIES {
            return Err(Malformed::field(
                "entries",
                format!("more than {MAX_ENTRIES}"),
            ));
        }
        if !self.entries.is_sorted_by(|a, b| a.index < b.index) {
            return Err(Malformed::field("entries", "not in the statement's order"));
        }
        let comes_by_bank = |e: &ImportedEntry| match e.funding {
            Funding::Transfer | Funding::Deposit => true,
            Funding::Credit | Funding::Cash => false,
        };
        if !self.entries.iter().all(comes_by_bank) {
            return Err(Malformed::field("funding", "not a way through a bank"));
        }
        let references = self.entries.iter().filter_map(|e| e.reference.as_ref());
        references
            .into_iter()
            .try_for_each(|r| check_text("reference", r, 25))
    }
}

/// The centre's reply to an import: where each entry went.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Imported {
    /// For each entry, in order: was it credited to a member (else it is in suspense)?
    #[n(0)]
    pub matched: Vec<bool>,
    /// Where it stands in the book.
    #[n(1)]
    pub position: crate::payment::BookPosition,
}

impl Body for Imported {
    const LABEL: u16 = 72;
    const LIMIT: usize = 32 * 1024;
}

/// What the centre does by itself, signed with its own key: the receipts key for the clock, the
/// register key for appointments.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Rule {
    /// A hold's time is over.
    #[n(0)]
    ExpireHold(#[n(0)] PaymentId),
    /// An operator is entered in the register: the signed record of a centre-role party.
    #[n(1)]
    Appoint(#[n(0)] SignedBytes),
    /// A card made a receipt, as the card-key server verified it: 100 bytes, and the payment that it's
    /// of, if it's of one.
    #[n(2)]
    CardReceipt(
        #[cbor(n(0), with = "minicbor::bytes")] Vec<u8>,
        #[n(1)] Option<PaymentId>,
    ),
    /// The card-key server's word: the card never did this payment, and never will.
    #[n(3)]
    CardVoid(#[n(0)] PaymentId),
    /// The card-key server's word: this card was copied.
    #[n(4)]
    CardCopied(#[n(0)] crate::CardNumber),
}

impl Body for Rule {
    const LABEL: u16 = 71;
    const LIMIT: usize = 4 * 1024;
}

/// The centre's own reply to itself: done.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Done {}

impl Body for Done {
    const LABEL: u16 = 73;
    const LIMIT: usize = 512;
}
