//! What records change besides balances: holds, bills, references, parties, statements.
//!
//! An [`Effect`] is both what the store writes and what the record's digest of effects covers, so
//! nothing can be written that the chain doesn't prove.

use minicbor::Encode;
use tegata_protocol::{Amount, CardNumber, Digest, PartyNumber, PaymentId, Time};

use crate::{AccountId, BillKey, Card, StatementKey};

/// A payment, from its hold on.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct Hold {
    /// Its number.
    #[n(0)]
    pub payment: PaymentId,
    /// Who pays.
    #[n(1)]
    pub payer: AccountId,
    /// Who is paid.
    #[n(2)]
    pub payee: AccountId,
    /// What was set aside (or paid at once).
    #[n(3)]
    pub amount: Amount,
    /// For which bill.
    #[n(4)]
    pub bill: BillKey,
    /// When it was placed.
    #[n(5)]
    pub placed: Time,
    /// From then on it can't be captured.
    #[n(6)]
    pub expires: Time,
    /// What became of it.
    #[n(7)]
    pub state: HoldState,
}

/// What became of a hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode)]
pub enum HoldState {
    /// The money is set aside.
    #[n(0)]
    Open,
    /// The shop has this much of it; the rest is free again.
    #[n(1)]
    Captured(#[n(0)] Amount),
    /// Its time ran out; all is free again.
    #[n(2)]
    Expired,
    /// It was given up; all is free again.
    #[n(3)]
    Voided,
    /// The money is set aside, but the card that is to pay hasn't yet: nobody may take it.
    #[n(4)]
    Awaiting,
}

/// What the book knows of a bill.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode)]
pub struct Bill {
    /// The digest of the signed bill that this transaction number belongs to.
    #[n(0)]
    pub digest: Digest,
    /// Is it paid?
    #[n(1)]
    pub state: BillState,
}

/// Is a bill paid?
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode)]
pub enum BillState {
    /// A payment was tried and ended without money: the bill may still be paid.
    #[n(0)]
    Free,
    /// This payment holds the money for it.
    #[n(1)]
    Held(#[n(0)] PaymentId),
    /// Paid by this payment.
    #[n(2)]
    Paid(#[n(0)] PaymentId),
    /// Never accepted again.
    #[n(3)]
    Closed,
}

/// Money that a member announced under a reference.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct Funding {
    /// Whose prepaid account it fills.
    #[n(0)]
    pub party: PartyNumber,
    /// How much was announced.
    #[n(1)]
    pub amount: Option<Amount>,
    /// From then on a transfer under it goes to suspense.
    #[n(2)]
    pub expires: Time,
    /// Has money come?
    #[n(3)]
    pub state: FundingState,
}

/// Has money come under a reference?
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub enum FundingState {
    /// Not yet.
    #[n(0)]
    Open,
    /// By this entry of this statement; whatever comes next goes to suspense.
    #[n(1)]
    Used {
        /// Which statement.
        #[n(0)]
        statement: StatementKey,
        /// Which entry.
        #[n(1)]
        index: u32,
    },
}

/// A statement that was imported.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct Statement {
    /// Our account at the bank.
    #[n(0)]
    pub bank: AccountId,
    /// How many entries it had.
    #[n(1)]
    pub entries: u32,
    /// Their sum.
    #[n(2)]
    pub total: Amount,
    /// When it was imported.
    #[n(3)]
    pub imported: Time,
}

/// Where a statement's entry went.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct EntryRecord {
    /// Its place on the statement.
    #[n(0)]
    pub index: u32,
    /// How much.
    #[n(1)]
    pub amount: Amount,
    /// The reference that it bore.
    #[n(2)]
    pub reference: Option<String>,
    /// Where it went.
    #[n(3)]
    pub destination: Destination,
}

/// Where received money went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode)]
pub enum Destination {
    /// To this member's prepaid account.
    #[n(0)]
    Member(#[n(0)] PartyNumber),
    /// To suspense, until a person finds out.
    #[n(1)]
    Suspense(#[n(0)] SuspenseReason),
}

numbered! {
    /// Why money couldn't be given to anybody.
    pub enum SuspenseReason {
        /// The transfer bore no reference.
        NoReference = 1,
        /// Nobody was given that reference.
        UnknownReference = 2,
        /// The reference's time was over.
        ExpiredReference = 3,
        /// Money had come under that reference before.
        UsedReference = 4,
        /// It would lift the member's balance above what an account can hold.
        AboveLimit = 5,
    }
}

/// One change besides balances. Each is written as it stands; a later one of the same key replaces it.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub enum Effect {
    /// A party's record from now on.
    #[n(1)]
    Party(
        #[n(0)] PartyNumber,
        #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>,
    ),
    /// A payment.
    #[n(2)]
    Hold(#[n(0)] Hold),
    /// A bill.
    #[n(3)]
    Bill(#[n(0)] BillKey, #[n(1)] Bill),
    /// A funding reference.
    #[n(4)]
    Funding(#[n(0)] String, #[n(1)] Funding),
    /// A statement and where each of its entries went.
    #[n(5)]
    Statement(
        #[n(0)] StatementKey,
        #[n(1)] Statement,
        #[n(2)] Vec<EntryRecord>,
    ),
    /// A card.
    #[n(6)]
    Card(#[n(0)] CardNumber, #[n(1)] Card),
    /// The digests of all receipts of a card with this counter: more than one, and it was copied.
    #[n(7)]
    Receipt(#[n(0)] CardNumber, #[n(1)] u32, #[n(2)] Vec<Digest>),
}
