//! What comes of an operation that the book accepts: one type for each, with balances as they are now.

use tegata_protocol::{Amount, CardNumber, Digest, PartyNumber};

use crate::{Account, AccountId, BillKey, BillState, Card, EntryRecord, Hold};

/// Remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Noted;

/// The party's record is in the register: its first, or a newer one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registered {
    /// Who.
    pub party: PartyNumber,
}

/// Money under this reference will find its member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FundingExpected {
    /// The reference.
    pub reference: String,
}

/// The statement is in the book.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deposited {
    /// Where each entry went, in the statement's order.
    pub entries: Vec<EntryRecord>,
    /// How each member's account stands that was credited.
    pub credited: Vec<(AccountId, Account)>,
}

/// The money is set aside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The payment.
    pub hold: Hold,
    /// The payer's account now.
    pub payer: Account,
}

/// Paid at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paid {
    /// The payment.
    pub hold: Hold,
    /// The payer's account now.
    pub payer: Account,
    /// The payee's account now.
    pub payee: Account,
}

/// The shop has its money.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Captured {
    /// The payment.
    pub hold: Hold,
    /// How much of it the shop got; the rest is free again.
    pub taken: Amount,
    /// The payer's account now.
    pub payer: Account,
    /// The payee's account now.
    pub payee: Account,
}

/// The money is free again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Released {
    /// The payment; its state says why.
    pub hold: Hold,
    /// The payer's account now.
    pub payer: Account,
}

/// What the shop may rely on: [`BillState::Closed`] is never accepted again; otherwise the payment that
/// holds or paid it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BillFound {
    /// Which bill.
    pub bill: BillKey,
    /// Its state.
    pub state: BillState,
}

/// A card as it is from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CardChanged {
    /// Which.
    pub number: CardNumber,
    /// The card.
    pub card: Card,
}

/// Money was moved to or from a card's account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CardMoved {
    /// Which card.
    pub number: CardNumber,
    /// How much.
    pub amount: Amount,
    /// The other account now: the prepaid one, or the other card's.
    pub prepaid: Account,
    /// The card's account now.
    pub account: Account,
}

/// A card's receipt is in the book.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceiptPosted {
    /// Which card.
    pub number: CardNumber,
    /// The card as it is from now on.
    pub card: Card,
    /// What became of it.
    pub posted: Posted,
    /// There was another receipt with this counter.
    pub copied: bool,
}

/// What became of a receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Posted {
    /// The payment's money may be captured now.
    Funded {
        /// The payment.
        hold: Hold,
        /// The digest of its bill.
        bill: Digest,
    },
    /// The payment is given up: the card didn't make it.
    Voided(Hold),
    /// The card paid when the hold's time was over: the payment is given up, and what was taken off is
    /// owed to the card again.
    Late(Hold),
    /// Nothing was waiting for it. What a debit took off is owed to the card again.
    Noted,
    /// An offline debit: the shop was paid, and so much of it was lost.
    Paid {
        /// What the card's account didn't have.
        lost: Amount,
    },
}
