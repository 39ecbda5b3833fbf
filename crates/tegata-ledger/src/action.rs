//! What a verified message asks of the book.
//!
//! The caller has opened, verified and understood the message; here stands only what the money
//! rules need. The same signed bytes always give the same action, or the audit would disagree.

use minicbor::Encode;
use tegata_protocol::{
    Amount, CardNumber, Currency, Digest, PartyNumber, PaymentId, Time, TransactionNumber,
};

use crate::{AccountId, CardHold, CardReceipt, CardState, RecordKind};

/// A bill: its shop and the number that the shop drew for the sale.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode)]
pub struct BillKey {
    /// Who sells.
    #[n(0)]
    pub shop: PartyNumber,
    /// The sale's number.
    #[n(1)]
    pub transaction: TransactionNumber,
}

/// A bank statement: whose account, and the bank's own id of the statement.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode)]
pub struct StatementKey {
    /// The account as the bank names it (an IBAN, or branch and number).
    #[n(0)]
    pub account: String,
    /// The statement's id.
    #[n(1)]
    pub id: String,
}

/// A payment to be held until the shop delivers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldOrder {
    /// What is paid by whom to whom.
    pub pay: PayOrder,
    /// From then on it can't be captured any more.
    pub expires: Time,
}

/// A payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayOrder {
    /// The payment's number: the digest of the member's signed instruction.
    pub payment: PaymentId,
    /// A prepaid account; a card's only in a [`CardHold`].
    pub payer: AccountId,
    /// A shop's account.
    pub payee: AccountId,
    /// How much.
    pub amount: Amount,
    /// For which bill.
    pub bill: BillKey,
    /// The digest of the signed bill: two bills never share a transaction number.
    pub bill_digest: Digest,
}

/// Why a hold ends without money.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReleaseReason {
    /// Its time is over: a rule of the centre's.
    Expired,
    /// The shop (or the centre, for an operator) gives it up.
    Voided {
        /// Who gives it up.
        by: PartyNumber,
    },
    /// Its card will never pay it. Of a hold that waits for its card only: from no other may the centre's
    /// own word take the money.
    Unpaid,
}

/// A bank statement's credits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deposit {
    /// Our account at the bank.
    pub bank: AccountId,
    /// Which statement: each is imported once.
    pub statement: StatementKey,
    /// What was received.
    pub entries: Vec<DepositEntry>,
}

/// One credit on a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DepositEntry {
    /// Its place on the statement; no two entries share one.
    pub index: u32,
    /// How much was received.
    pub amount: Amount,
    /// The ISO 11649 reference that the payer gave, if any.
    pub reference: Option<String>,
}

/// What a verified message asks of the book.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Remember the message and its reply, nothing more.
    Note,
    /// Verified, but refused before it reached the book (a bill past its date …): remember that.
    Refuse(u16),
    /// A new party's signed record.
    Register {
        /// The party.
        party: PartyNumber,
        /// Its record, as signed.
        record: Vec<u8>,
    },
    /// A newer record of a party that is registered.
    Replace {
        /// The party.
        party: PartyNumber,
        /// Its record, as signed.
        record: Vec<u8>,
    },
    /// A member wants to pay in money under a reference of ours.
    ExpectFunding {
        /// ISO 11649, without spaces.
        reference: String,
        /// Whose prepaid account it fills.
        party: PartyNumber,
        /// How much was announced; what is received counts.
        amount: Option<Amount>,
        /// From then on a transfer under it goes to suspense.
        expires: Time,
    },
    /// A bank statement was imported.
    Deposit(Deposit),
    /// Set money aside for a bill.
    Hold(HoldOrder),
    /// Pay a bill at once.
    Pay(PayOrder),
    /// The shop delivered: take what was held, or part of it, and free the rest.
    Capture {
        /// Which payment.
        payment: PaymentId,
        /// The shop that asks.
        payee_party: PartyNumber,
        /// How much of it.
        amount: Amount,
    },
    /// End a hold without money.
    Release {
        /// Which payment.
        payment: PaymentId,
        /// Why.
        why: ReleaseReason,
    },
    /// The shop wants to be certain that a bill is never paid any more.
    CloseBill {
        /// Which bill.
        bill: BillKey,
        /// The digest of the signed bill.
        bill_digest: Digest,
    },
    /// What is asked of a card's account.
    Card(CardAction),
}

/// What a verified message asks of a card's account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CardAction {
    /// A card becomes a member's.
    Issue {
        /// Which card.
        card: CardNumber,
        /// Whose.
        holder: PartyNumber,
        /// Which of the holder's cards.
        index: u16,
        /// What it holds.
        currency: Currency,
    },
    /// A card may do more, or less, from now on.
    Change {
        /// Which card.
        card: CardNumber,
        /// Whose it must be, if a member asks.
        holder: Option<PartyNumber>,
        /// Its state from now on.
        state: CardState,
    },
    /// Prepaid money is set aside for a card.
    Load {
        /// Which card.
        card: CardNumber,
        /// Whose it must be.
        holder: PartyNumber,
        /// How much.
        amount: Amount,
    },
    /// What a card that is over has left goes to another card of its holder's, or to the prepaid account.
    Empty {
        /// Which card.
        card: CardNumber,
        /// Whose it must be, if a member asks.
        holder: Option<PartyNumber>,
        /// The card that takes its place.
        into: Option<CardNumber>,
    },
    /// Set money aside that a card will pay.
    Hold(CardHold),
    /// A card did something.
    Post(CardReceipt),
}

impl Action {
    /// The kind that its record bears.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Note => RecordKind::Note,
            Self::Refuse(_) => RecordKind::Refuse,
            Self::Register { .. } => RecordKind::Register,
            Self::Replace { .. } => RecordKind::Replace,
            Self::ExpectFunding { .. } => RecordKind::ExpectFunding,
            Self::Deposit(_) => RecordKind::Deposit,
            Self::Hold(_) => RecordKind::Hold,
            Self::Pay(_) => RecordKind::Pay,
            Self::Capture { .. } => RecordKind::Capture,
            Self::Release { .. } => RecordKind::Release,
            Self::CloseBill { .. } => RecordKind::CloseBill,
            Self::Card(CardAction::Issue { .. }) => RecordKind::IssueCard,
            Self::Card(CardAction::Change { .. }) => RecordKind::ChangeCard,
            Self::Card(CardAction::Load { .. }) => RecordKind::LoadCard,
            Self::Card(CardAction::Empty { .. }) => RecordKind::EmptyCard,
            Self::Card(CardAction::Hold(_)) => RecordKind::HoldByCard,
            Self::Card(CardAction::Post(_)) => RecordKind::PostReceipt,
        }
    }
}
