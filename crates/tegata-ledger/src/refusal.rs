//! Why the book says no.

use tegata_protocol::{Amount, CardNumber, PartyNumber, PaymentId};

use crate::{AccountId, BillKey, CardState, StatementKey};

/// The book's refusal of an action. Nothing changed; the refusal itself is recorded and final.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The caller refused it before it reached the rules, with a code of its own.
    #[error("refused before it reached the book, with code {0}")]
    ByCaller(u16),
    /// More than is available, holds counted.
    #[error("{wanted} is more than the {available} minor units available on account {account}")]
    InsufficientFunds {
        /// The account that would go below zero.
        account: AccountId,
        /// What could be spent.
        available: i64,
        /// What was asked for.
        wanted: Amount,
    },
    /// Another payment has paid the bill.
    #[error("bill {} of {} is already paid, by payment {payment}", bill.transaction, bill.shop)]
    BillAlreadyPaid {
        /// The bill.
        bill: BillKey,
        /// What paid it.
        payment: PaymentId,
    },
    /// Another payment holds money for the bill.
    #[error("payment {payment} already holds the money for bill {} of {}", bill.transaction, bill.shop)]
    BillAlreadyHeld {
        /// The bill.
        bill: BillKey,
        /// What holds the money.
        payment: PaymentId,
    },
    /// The shop had the bill closed.
    #[error("bill {} of {} was closed by the shop; ask it for a new one", bill.transaction, bill.shop)]
    BillClosed {
        /// The bill.
        bill: BillKey,
    },
    /// The transaction number belongs to another bill.
    #[error("transaction {} of {} belongs to a bill with another digest", bill.transaction, bill.shop)]
    BillConflicts {
        /// The bill's key.
        bill: BillKey,
    },
    /// No such payment.
    #[error("no payment {payment} is known")]
    HoldUnknown {
        /// The number asked for.
        payment: PaymentId,
    },
    /// The hold ended without money.
    #[error("the hold of payment {payment} has been released")]
    HoldClosed {
        /// The payment.
        payment: PaymentId,
    },
    /// The hold was captured before.
    #[error("payment {payment} has already been captured")]
    HoldAlreadyCaptured {
        /// The payment.
        payment: PaymentId,
    },
    /// The hold is in another shop's favour.
    #[error("payment {payment} isn't for {party}")]
    HoldNotYours {
        /// The payment.
        payment: PaymentId,
        /// Who asked.
        party: PartyNumber,
    },
    /// Too late to capture, or to place with such a date.
    #[error("the hold of payment {payment} has expired")]
    HoldExpired {
        /// The payment.
        payment: PaymentId,
    },
    /// Too early to release it as expired.
    #[error("the hold of payment {payment} hasn't expired yet")]
    HoldNotExpired {
        /// The payment.
        payment: PaymentId,
    },
    /// A payment of that number exists.
    #[error("payment {payment} exists already")]
    PaymentKnown {
        /// The payment.
        payment: PaymentId,
    },
    /// More than was set aside.
    #[error("{wanted} is more than the {held} held by payment {payment}")]
    AmountAboveHold {
        /// The payment.
        payment: PaymentId,
        /// What it holds.
        held: Amount,
        /// What was asked for.
        wanted: Amount,
    },
    /// Nothing was to be moved where something must be.
    #[error("an amount of zero moves nothing; to give up a hold, void it")]
    AmountZero,
    /// The party has a record.
    #[error("{party} is already registered")]
    AlreadyRegistered {
        /// The party.
        party: PartyNumber,
    },
    /// The party has no record.
    #[error("{party} isn't registered")]
    UnknownParty {
        /// The party.
        party: PartyNumber,
    },
    /// The reference was given out before.
    #[error("reference {reference} is in use")]
    ReferenceInUse {
        /// The reference.
        reference: String,
    },
    /// The statement's money is in the book already.
    #[error("statement {} of account {} was imported before", statement.id, statement.account)]
    StatementImported {
        /// The statement.
        statement: StatementKey,
    },
    /// Two entries of a statement claim one place.
    #[error("entry {index} occurs twice in statement {} of account {}", statement.id, statement.account)]
    EntryTwice {
        /// The statement.
        statement: StatementKey,
        /// The place.
        index: u32,
    },
    /// Amounts and accounts of different currencies.
    #[error("{amount} can't be booked on account {account}: another currency")]
    WrongCurrency {
        /// The amount.
        amount: Amount,
        /// The account.
        account: AccountId,
    },
    /// An account of a kind that this action can't use.
    #[error("account {account} is of the wrong kind for this")]
    WrongAccount {
        /// The account.
        account: AccountId,
    },
    /// No such card.
    #[error("no card {card} was issued")]
    CardUnknown {
        /// Which.
        card: CardNumber,
    },
    /// Another member's card.
    #[error("card {card} isn't {party}'s")]
    CardNotYours {
        /// Which.
        card: CardNumber,
        /// Who asked.
        party: PartyNumber,
    },
    /// The number or the holder's index is taken.
    #[error("card {card} was issued before, or its holder has one of that index")]
    CardKnown {
        /// Which.
        card: CardNumber,
    },
    /// Its state doesn't allow it.
    #[error("card {card} is {state:?}")]
    CardState {
        /// Which.
        card: CardNumber,
        /// Its state.
        state: CardState,
    },
    /// The card hasn't paid yet, so nobody may take the money.
    #[error("payment {payment} waits for a card that hasn't paid yet")]
    HoldAwaitsCard {
        /// The payment.
        payment: PaymentId,
    },
    /// It was to be given up because its card never paid, and it doesn't wait for a card.
    #[error("payment {payment} doesn't wait for a card")]
    HoldFunded {
        /// The payment.
        payment: PaymentId,
    },
    /// The very same receipt is in the book.
    #[error("receipt {counter} of card {card} is in the book")]
    ReceiptKnown {
        /// Which card.
        card: CardNumber,
        /// The transaction's number on it.
        counter: u32,
    },
    /// The receipt isn't of the payment that it's said to be of.
    #[error("receipt {counter} of card {card} isn't of that payment")]
    ReceiptDiffers {
        /// Which card.
        card: CardNumber,
        /// The transaction's number on it.
        counter: u32,
    },
    /// An account would hold more than an amount can be.
    #[error("account {account} would hold more than an account can")]
    Overflow {
        /// The account.
        account: AccountId,
    },
}

impl Refusal {
    /// The code that the record keeps; the same for ever. [`Refusal::ByCaller`] keeps its own.
    pub const fn code(&self) -> u16 {
        match self {
            Self::ByCaller(code) => *code,
            Self::InsufficientFunds { .. } => 1,
            Self::BillAlreadyPaid { .. } => 2,
            Self::BillAlreadyHeld { .. } => 3,
            Self::BillClosed { .. } => 4,
            Self::BillConflicts { .. } => 5,
            Self::HoldUnknown { .. } => 6,
            Self::HoldClosed { .. } => 7,
            Self::HoldAlreadyCaptured { .. } => 8,
            Self::HoldNotYours { .. } => 9,
            Self::HoldExpired { .. } => 10,
            Self::HoldNotExpired { .. } => 11,
            Self::PaymentKnown { .. } => 12,
            Self::AmountAboveHold { .. } => 13,
            Self::AmountZero => 14,
            Self::AlreadyRegistered { .. } => 15,
            Self::UnknownParty { .. } => 16,
            Self::ReferenceInUse { .. } => 17,
            Self::StatementImported { .. } => 18,
            Self::EntryTwice { .. } => 19,
            Self::WrongCurrency { .. } => 20,
            Self::WrongAccount { .. } => 21,
            Self::Overflow { .. } => 22,
            Self::CardUnknown { .. } => 23,
            Self::CardNotYours { .. } => 24,
            Self::CardKnown { .. } => 25,
            Self::CardState { .. } => 26,
            Self::HoldAwaitsCard { .. } => 27,
            Self::ReceiptKnown { .. } => 28,
            Self::ReceiptDiffers { .. } => 29,
            Self::HoldFunded { .. } => 30,
        }
    }
}
