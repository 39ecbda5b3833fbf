//! What a bank statement says, whatever file it came in.

use core::fmt;

use jiff::civil::{Date, DateTime};
use tegata_protocol::{Amount, Currency, Digest, Malformed, prepaid::Funding};

use crate::iban::AccountNumber;
use crate::reference::{self, Found};

/// A file that was read whole and found to agree with itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementFile {
    /// SHA-256 of the file, to know it again.
    pub digest: Digest,
    /// Its statements, in the file's order.
    pub statements: Vec<Statement>,
}

/// Is there anything in a file?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// No entry at all: a correct file of a day on which nothing happened.
    NothingToImport,
    /// At least one entry, though perhaps none that is credited to anybody.
    Entries,
}

impl StatementFile {
    /// Is there anything to import? An empty file isn't an error, but isn't an import either.
    pub fn content(&self) -> Content {
        if self.statements.iter().all(|s| s.entries.is_empty()) {
            Content::NothingToImport
        } else {
            Content::Entries
        }
    }
}

/// What happened on one account in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The bank's identification of this statement.
    pub id: StatementId,
    /// The account.
    pub account: AccountNumber,
    /// The account's currency, which all amounts are in.
    pub currency: Currency,
    /// The bank's running number (`ElctrncSeqNb`), if it gives one.
    pub sequence: Option<u64>,
    /// When the bank made it, in the bank's own time.
    pub created: DateTime,
    /// Booked balance before the first entry.
    pub opening: Balance,
    /// Booked balance after the last entry.
    pub closing: Balance,
    /// Its entries; a batch stands here as its single transactions.
    pub entries: Vec<Entry>,
}

/// A bank's identification of a statement: 1 to 35 bytes of text.
///
/// The standard counts characters (Max35Text); the book counts bytes. Banks write letters and digits
/// that take one byte each. With account and entry index it is the key of a bank entry, so that one entry counts once.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatementId(String);

impl StatementId {
    /// The most characters, and the most bytes.
    pub const MAX: usize = 35;

    /// An identification.
    ///
    /// # Errors
    /// [`Malformed::Field`] unless it has 1 to 35 bytes of printable characters.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        let fits = (1..=Self::MAX).contains(&text.len());
        if !fits || text.chars().any(char::is_control) {
            return Err(Malformed::field(
                "statement identification",
                "expected 1 to 35 bytes of printable characters",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Which way money went, seen from the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Money came in.
    Credit,
    /// Money went out.
    Debit,
}

/// A balance of the account; a debit balance is an overdraft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// How much.
    pub amount: Amount,
    /// Credit for what the account holds, debit for what it owes.
    pub side: Side,
}

impl Balance {
    /// A balance that the account holds.
    pub const fn holding(amount: Amount) -> Self {
        Self {
            amount,
            side: Side::Credit,
        }
    }

    /// Minor units, below zero for an overdraft.
    pub(crate) fn signed(self) -> i128 {
        signed(self.amount, self.side)
    }

    /// The balance of so many signed minor units; `None` if it is larger than amounts may be.
    pub(crate) fn from_signed(minor: i128, currency: Currency) -> Option<Self> {
        let amount = Amount::new(u64::try_from(minor.unsigned_abs()).ok()?, currency).ok()?;
        let side = if minor < 0 { Side::Debit } else { Side::Credit };
        Some(Self { amount, side })
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side {
            Side::Credit => write!(f, "{}", self.amount),
            Side::Debit => write!(f, "-{}", self.amount),
        }
    }
}

/// Minor units, below zero for a debit.
pub(crate) fn signed(amount: Amount, side: Side) -> i128 {
    let minor = i128::from(amount.minor());
    match side {
        Side::Credit => minor,
        Side::Debit => -minor,
    }
}

/// One movement on the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its position in the statement, from 0, a batch counted by its single transactions. The
    /// same file always gives the same positions.
    pub index: u32,
    /// The line in the file where it begins.
    pub line: u32,
    /// How much.
    pub amount: Amount,
    /// In or out.
    pub side: Side,
    /// The day on which the bank booked it.
    pub booked_on: Option<Date>,
    /// The day from which it counts for interest.
    pub value_on: Option<Date>,
    /// Has the bank booked it?
    pub status: EntryStatus,
    /// How the money came.
    pub kind: EntryKind,
    /// A payment of its own, or the undoing of another.
    pub nature: Nature,
    /// What the payer and the banks wrote to say what it is for.
    pub references: References,
    /// The payer's name, if the bank names it.
    pub debtor: Option<PersonalText>,
}

impl Entry {
    /// May this be credited to somebody? Only booked money that came in and isn't a reversal.
    pub fn is_creditable(&self) -> bool {
        self.status == EntryStatus::Booked
            && self.side == Side::Credit
            && self.nature == Nature::Payment
            && !self.amount.is_zero()
    }
}

/// How far the bank is with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryStatus {
    /// `BOOK`: done. Only these count in the balances.
    Booked,
    /// `PDNG`: it may still change or vanish.
    Pending,
    /// `FUTR`: it is to come.
    Future,
    /// `INFO`: reported only for information.
    Information,
}

/// How money came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A credit transfer (M7 ii).
    Transfer,
    /// Cash that was deposited at a counter or a machine (M7 iii).
    CashDeposit,
    /// Several transactions in one sum, whose details the bank didn't send.
    UndividedBatch,
    /// Anything else, or not stated.
    Other,
}

impl EntryKind {
    /// How money came in, as its prepaid card says. A bank that doesn't say means a transfer.
    pub const fn funding(self) -> Funding {
        match self {
            Self::CashDeposit => Funding::Deposit,
            Self::Transfer | Self::UndividedBatch | Self::Other => Funding::Transfer,
        }
    }
}

/// A payment of its own, or the undoing of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nature {
    /// Money moved.
    Payment,
    /// An earlier movement was undone (`RvslInd`), or came back (`RtrInf`).
    Reversal,
}

/// What stands with an entry to say what it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// The payer's own reference, carried from end to end.
    pub end_to_end: Option<String>,
    /// Creditor references in their own field, as written there.
    pub creditor: Vec<String>,
    /// Free texts. People write names into them.
    pub unstructured: Vec<PersonalText>,
    /// The bank's own reference of the entry.
    pub servicer: Option<String>,
}

impl References {
    /// Finds the payment reference, in the field made for it and in all free texts.
    pub fn payment_reference(&self) -> Found {
        let creditor = self.creditor.iter().map(String::as_str);
        reference::search(creditor.chain(self.unstructured.iter().map(PersonalText::expose)))
    }
}

/// Text about a person: shown to those who may see it, never logged. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonalText(String);

impl PersonalText {
    /// Keeps a text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the eyes of operators and for the encrypted store.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(personal)")
    }
}
