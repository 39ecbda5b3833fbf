//! What stands in the history, entry by entry.
//!
//! Entries hold whole what the wallet needs to go on (the record, bills, tickets, cards), so that a
//! wallet restored from its 24 words finds all of it again in `history.tegata`.

use minicbor::{Decode, Encode};
use tegata_protocol::{
    Amount, Digest, Malformed, PartyNumber, PaymentId, SignedBytes, Time, VerifyingKey, cbor,
    payment::{Closing, Mode},
    prepaid::PaymentReference,
    refusal::Code,
};

use crate::{
    kept::{KeptBill, KeptCard, KeptOrder, KeptTicket, KnownShop},
    vault::{LONGEST_RECORD, Record},
};

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Entry {
    /// The centre entered the member in its register.
    #[n(1)]
    Joined(#[n(0)] Joined),
    /// A payment reference was given out.
    #[n(2)]
    LoadAsked(#[n(0)] PaymentReference),
    /// Money came in, a card was issued. With the item's number in the mailbox.
    #[n(3)]
    Loaded(#[n(0)] u64, #[n(1)] KeptCard),
    /// A shop made a bill.
    #[n(4)]
    Ordered(#[n(0)] KeptBill),
    /// Somebody refused something.
    #[n(5)]
    Refused(#[n(0)] Refused),
    /// The centre took a payment.
    #[n(6)]
    Paid(#[n(0)] Paid),
    /// The shop has delivered and was paid. With the item's number in the mailbox.
    #[n(7)]
    Delivered(#[n(0)] u64, #[n(1)] Delivered),
    /// A ticket came.
    #[n(8)]
    TicketReceived(#[n(0)] KeptTicket),
    /// Something came that didn't verify. With the item's number in the mailbox.
    #[n(9)]
    SetAside(#[n(0)] u64, #[n(1)] String),
    /// A ticket was shown.
    #[n(10)]
    Shown(#[n(0)] Digest),
    /// A hold ended without a capture. With the item's number in the mailbox.
    #[n(11)]
    HoldClosed(#[n(0)] u64, #[n(1)] Closed),
    /// The keys were restored from the 24 words.
    #[n(12)]
    Restored,
    /// A shop was met for the first time, or had another record.
    #[n(13)]
    Met(#[n(0)] KnownShop),
    /// A shop confirmed an order that was made on its page, and was paid. With the item's number in
    /// the mailbox.
    #[n(14)]
    Confirmed(#[n(0)] u64, #[n(1)] Confirmed),
    /// An IC card paid a bill. With the item's number in the mailbox.
    #[n(15)]
    CardPaid(#[n(0)] u64, #[n(1)] CardPaid),
    /// Prepaid money was moved to an IC card's account, or back.
    #[n(16)]
    CardLoaded(#[n(0)] CardLoaded),
}

/// An IC card paid a bill.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardPaid {
    /// What the centre says.
    #[n(0)]
    pub paid: tegata_protocol::card::CardPaid,
    /// The shop, if the bill is known here.
    #[n(1)]
    pub shop: Option<PartyNumber>,
}

/// Prepaid money for an IC card, or back from one that is over.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardLoaded {
    /// What the centre says.
    #[n(0)]
    pub loaded: tegata_protocol::card::CardLoaded,
    /// Back to the prepaid account?
    #[n(1)]
    pub paid_out: bool,
}

/// The centre entered the member in its register.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Joined {
    /// The member's number.
    #[n(0)]
    pub number: PartyNumber,
    /// The centre's address.
    #[n(1)]
    pub centre: String,
    /// Its root.
    #[n(2)]
    pub root: VerifyingKey,
    /// The member's signed record.
    #[n(3)]
    pub record: SignedBytes,
}

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Refused {
    /// Who refused.
    #[n(0)]
    pub by: PartyNumber,
    /// What was asked for.
    #[n(1)]
    pub what: String,
    /// Why.
    #[n(2)]
    pub code: Code,
    /// The refuser's own words.
    #[n(3)]
    pub detail: Option<String>,
}

/// A payment.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Paid {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// The digest of the bill.
    #[n(1)]
    pub bill: Digest,
    /// The shop.
    #[n(2)]
    pub shop: PartyNumber,
    /// How much.
    #[n(3)]
    pub amount: Amount,
    /// Held or paid.
    #[n(4)]
    pub mode: Mode,
    /// In the account afterwards.
    #[n(5)]
    pub balance: Amount,
    /// The signed receipt.
    #[n(6)]
    pub receipt: SignedBytes,
}

/// A delivery that was paid for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Delivered {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// How much the shop took.
    #[n(1)]
    pub amount: Amount,
    /// Prepaid money afterwards; absent if a card paid.
    #[n(2)]
    pub balance: Option<Amount>,
}

/// An order that was confirmed and paid for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Confirmed {
    /// The order.
    #[n(0)]
    pub order: KeptOrder,
    /// How much the shop took.
    #[n(1)]
    pub amount: Amount,
    /// Prepaid money afterwards; absent if a card paid.
    #[n(2)]
    pub balance: Option<Amount>,
}

/// A closed hold.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Closed {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// The shop.
    #[n(1)]
    pub shop: PartyNumber,
    /// What is available again.
    #[n(2)]
    pub amount: Amount,
    /// Why.
    #[n(3)]
    pub closing: Closing,
}

impl Entry {
    /// The number that stands beside the sealed record's body.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Joined(_) => 1,
            Self::LoadAsked(_) => 2,
            Self::Loaded(..) => 3,
            Self::Ordered(_) => 4,
            Self::Refused(_) => 5,
            Self::Paid(_) => 6,
            Self::Delivered(..) => 7,
            Self::TicketReceived(_) => 8,
            Self::SetAside(..) => 9,
            Self::Shown(_) => 10,
            Self::HoldClosed(..) => 11,
            Self::Restored => 12,
            Self::Met(_) => 13,
            Self::Confirmed(..) => 14,
            Self::CardPaid(..) => 15,
            Self::CardLoaded(_) => 16,
        }
    }

    /// The word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Joined(_) => "joined",
            Self::LoadAsked(_) => "load_asked",
            Self::Loaded(..) => "loaded",
            Self::Ordered(_) => "ordered",
            Self::Refused(_) => "refused",
            Self::Paid(_) => "paid",
            Self::Delivered(..) => "delivered",
            Self::TicketReceived(_) => "ticket_received",
            Self::SetAside(..) => "set_aside",
            Self::Shown(_) => "shown",
            Self::HoldClosed(..) => "hold_closed",
            Self::Restored => "restored",
            Self::Met(_) => "met",
            Self::Confirmed(..) => "order_confirmed",
            Self::CardPaid(..) => "card_paid",
            Self::CardLoaded(_) => "card_loaded",
        }
    }
}

/// An entry of the history with its time.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct Dated {
    /// When it happened.
    #[n(0)]
    pub time: Time,
    /// What happened.
    #[n(1)]
    pub entry: Entry,
}

impl Dated {
    /// The record for the history's file.
    pub fn to_record(&self) -> Record {
        Record {
            kind: self.entry.kind(),
            time: self.time.secs(),
            body: cbor::encode(&self.entry),
        }
    }

    /// Reads a record of the history's file.
    ///
    /// # Errors
    /// [`Malformed`] for an entry of a newer program.
    pub fn parse(record: &Record) -> Result<Self, Malformed> {
        Ok(Self {
            time: Time::from_secs(record.time),
            entry: cbor::decode(&record.body, LONGEST_RECORD)?,
        })
    }
}
