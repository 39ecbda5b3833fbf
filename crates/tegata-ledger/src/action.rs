//! What a verified message asks of the book.
//!
//! The caller has opened, verified and understood the message; here stands only what the money
//! rules need. The same signed bytes always give the same action, or the audit would disagree.

use tegata_protocol::{Amount, CardNumber, Currency, Digest, PartyNumber, PaymentId, Time};

use crate::{AccountId, BillKey, CardHold, CardReceipt, CardState, RecordKind, StatementKey};

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

/// Remember the message and its reply, nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Note;

/// Verified, but refused before it reached the book (a bill past its date …): remember that, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refuse(pub u16);

/// A new party's signed record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    /// The party.
    pub party: PartyNumber,
    /// Its record, as signed.
    pub record: Vec<u8>,
}

/// A newer record of a party that is registered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replace {
    /// The party.
    pub party: PartyNumber,
    /// Its record, as signed.
    pub record: Vec<u8>,
}

/// A member wants to pay in money under a reference of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectFunding {
    /// ISO 11649, without spaces.
    pub reference: String,
    /// Whose prepaid account it fills.
    pub party: PartyNumber,
    /// How much was announced; what is received counts.
    pub amount: Option<Amount>,
    /// From then on a transfer under it goes to suspense.
    pub expires: Time,
}

/// The shop delivered: take what was held, or part of it, and free the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capture {
    /// Which payment.
    pub payment: PaymentId,
    /// The shop that asks.
    pub payee_party: PartyNumber,
    /// How much of it.
    pub amount: Amount,
}

/// End a hold without money.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Release {
    /// Which payment.
    pub payment: PaymentId,
    /// Why.
    pub why: ReleaseReason,
}

/// The shop wants to be certain that a bill is never paid any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CloseBill {
    /// Which bill.
    pub bill: BillKey,
    /// The digest of the signed bill.
    pub bill_digest: Digest,
}

/// A card becomes a member's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IssueCard {
    /// Which card.
    pub card: CardNumber,
    /// Whose.
    pub holder: PartyNumber,
    /// Which of the holder's cards.
    pub index: u16,
    /// What it holds.
    pub currency: Currency,
}

/// A card may do more, or less, from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChangeCard {
    /// Which card.
    pub card: CardNumber,
    /// Whose it must be, if a member asks.
    pub holder: Option<PartyNumber>,
    /// Its state from now on.
    pub state: CardState,
}

/// Prepaid money is set aside for a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoadCard {
    /// Which card.
    pub card: CardNumber,
    /// Whose it must be.
    pub holder: PartyNumber,
    /// How much.
    pub amount: Amount,
}

/// What a card that is over has left goes to another card of its holder's, or to the prepaid account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EmptyCard {
    /// Which card.
    pub card: CardNumber,
    /// Whose it must be, if a member asks.
    pub holder: Option<PartyNumber>,
    /// The card that takes its place.
    pub into: Option<CardNumber>,
}

/// What a verified message asks of the book: one of these operations. Each has a type of its own, so that
/// whoever asks for one is answered with that one's outcome; here they stand together, for who has to do
/// with any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// [`Note`].
    Note(Note),
    /// [`Refuse`].
    Refuse(Refuse),
    /// [`Register`].
    Register(Register),
    /// [`Replace`].
    Replace(Replace),
    /// [`ExpectFunding`].
    ExpectFunding(ExpectFunding),
    /// A bank statement was imported.
    Deposit(Deposit),
    /// Set money aside for a bill.
    Hold(HoldOrder),
    /// Pay a bill at once.
    Pay(PayOrder),
    /// [`Capture`].
    Capture(Capture),
    /// [`Release`].
    Release(Release),
    /// [`CloseBill`].
    CloseBill(CloseBill),
    /// [`IssueCard`].
    IssueCard(IssueCard),
    /// [`ChangeCard`].
    ChangeCard(ChangeCard),
    /// [`LoadCard`].
    LoadCard(LoadCard),
    /// [`EmptyCard`].
    EmptyCard(EmptyCard),
    /// Set money aside that a card will pay.
    HoldByCard(CardHold),
    /// A card did something.
    PostReceipt(CardReceipt),
}

impl Action {
    /// The kind that its record bears.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Note(_) => RecordKind::Note,
            Self::Refuse(_) => RecordKind::Refuse,
            Self::Register(_) => RecordKind::Register,
            Self::Replace(_) => RecordKind::Replace,
            Self::ExpectFunding(_) => RecordKind::ExpectFunding,
            Self::Deposit(_) => RecordKind::Deposit,
            Self::Hold(_) => RecordKind::Hold,
            Self::Pay(_) => RecordKind::Pay,
            Self::Capture(_) => RecordKind::Capture,
            Self::Release(_) => RecordKind::Release,
            Self::CloseBill(_) => RecordKind::CloseBill,
            Self::IssueCard(_) => RecordKind::IssueCard,
            Self::ChangeCard(_) => RecordKind::ChangeCard,
            Self::LoadCard(_) => RecordKind::LoadCard,
            Self::EmptyCard(_) => RecordKind::EmptyCard,
            Self::HoldByCard(_) => RecordKind::HoldByCard,
            Self::PostReceipt(_) => RecordKind::PostReceipt,
        }
    }
}

/// Each operation is an action.
macro_rules! actions {
    ($($operation:ident => $action:ident),* $(,)?) => {
        $(impl From<$operation> for Action {
            fn from(operation: $operation) -> Self {
                Self::$action(operation)
            }
        })*
    };
}

actions! {
    Note => Note,
    Refuse => Refuse,
    Register => Register,
    Replace => Replace,
    ExpectFunding => ExpectFunding,
    Deposit => Deposit,
    HoldOrder => Hold,
    PayOrder => Pay,
    Capture => Capture,
    Release => Release,
    CloseBill => CloseBill,
    IssueCard => IssueCard,
    ChangeCard => ChangeCard,
    LoadCard => LoadCard,
    EmptyCard => EmptyCard,
    CardHold => HoldByCard,
    CardReceipt => PostReceipt,
}

/// What may have been refused before it reached the book.
impl<O: Into<Self>> From<Result<O, Refuse>> for Action {
    fn from(asked: Result<O, Refuse>) -> Self {
        asked.map_or_else(Self::from, O::into)
    }
}
