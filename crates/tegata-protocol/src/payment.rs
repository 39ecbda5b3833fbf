//! Paying (M6, M8, T11): the member's instruction places a hold; the shop captures it with the
//! delivery; an unused hold expires. Everything the centre says about it is signed.
//!
//! ```text
//! member ── Payment ──▶ centre ── Held ──▶ shop ── Capture + sealed delivery ──▶ centre
//!        ◀─ Receipt ──                                                          ├── Captured ──▶ shop
//!        ◀───────────────────────────── Delivered + sealed delivery ────────────┘
//! ```
//! The instruction holds the whole bill, so that the one signature says what is paid, to whom and
//! how much; the hold is known by the instruction's digest ([`PaymentId`]).

use minicbor::{Decode, Encode};

use crate::{
    Amount, Digest, Malformed, PartyNumber, PaymentId, SignedBytes, Time, TransactionNumber,
    envelope::Body,
};

/// How long a hold lasts: half an hour.
pub const HOLD_SECONDS: u64 = 1800;

/// The most bytes of a sealed delivery that travels with the capture.
pub const DELIVERY_LIMIT: usize = 4 * 1024;

/// Is the money held until the delivery, or paid at once?
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Mode {
    /// Held; the shop captures it with the delivery.
    #[n(1)]
    Hold,
    /// Paid at once.
    #[n(2)]
    Pay,
}

/// A member's instruction. *Spending* key, sealed to the centre.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Payment {
    /// The signed [`crate::purchase::Bill`], whole.
    #[n(0)]
    pub bill: SignedBytes,
    /// What the member saw and agreed to; must be the bill's total.
    #[n(1)]
    pub amount: Amount,
    /// Held or paid.
    #[n(2)]
    pub mode: Mode,
}

impl Body for Payment {
    const LABEL: u16 = 40;
}

/// Where a posting stands in the book.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(array)]
pub struct BookPosition {
    /// Which committer.
    #[n(0)]
    pub committer: u16,
    /// Its record's number.
    #[n(1)]
    pub sequence: u64,
}

/// The centre's reply to an instruction. The signed head of the chain travels beside it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// The digest of the signed bill.
    #[n(1)]
    pub bill: Digest,
    /// Held or paid.
    #[n(2)]
    pub mode: Mode,
    /// How much.
    #[n(3)]
    pub amount: Amount,
    /// The account's balance afterwards.
    #[n(4)]
    pub balance: Amount,
    /// Held in all afterwards.
    #[n(5)]
    pub held: Amount,
    /// Until when the hold lasts.
    #[n(6)]
    pub hold_expires: Option<Time>,
    /// Where it stands in the book.
    #[n(7)]
    pub position: BookPosition,
}

impl Body for Receipt {
    const LABEL: u16 = 41;
    const LIMIT: usize = 1024;
}

/// The centre notifies the shop that this bill is paid, or held for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PaidNotice {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// The digest of the signed bill.
    #[n(1)]
    pub bill: Digest,
    /// The shop's own number for it.
    #[n(2)]
    pub transaction: TransactionNumber,
    /// Held or paid.
    #[n(3)]
    pub mode: Mode,
    /// How much.
    #[n(4)]
    pub amount: Amount,
    /// Until when it must be captured.
    #[n(5)]
    pub hold_expires: Option<Time>,
    /// Where it stands in the book.
    #[n(6)]
    pub position: BookPosition,
}

impl Body for PaidNotice {
    const LABEL: u16 = 42;
    const LIMIT: usize = 1024;
}

/// A shop takes what is held and hands over the delivery, sealed to the member, in the attachment.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Capture {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// How much of it; the rest is released.
    #[n(1)]
    pub amount: Amount,
    /// SHA-256 of the sealed delivery.
    #[n(2)]
    pub delivery: Digest,
}

impl Body for Capture {
    const LABEL: u16 = 43;
    const LIMIT: usize = 1024;
}

/// The centre's reply to a capture. Only now may the delivery leave the shop.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Captured {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// How much was taken.
    #[n(1)]
    pub amount: Amount,
    /// Where it stands in the book.
    #[n(2)]
    pub position: BookPosition,
}

impl Body for Captured {
    const LABEL: u16 = 44;
    const LIMIT: usize = 1024;
}

/// A shop asks about a bill after its expiry. If it's unpaid, it's closed for ever.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct BillInquiry {
    /// The signed bill.
    #[n(0)]
    pub bill: SignedBytes,
}

impl Body for BillInquiry {
    const LABEL: u16 = 45;
}

/// What became of a bill.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum BillState {
    /// It will never be accepted again: the quota may be freed.
    #[n(0)]
    ClosedUnpaid,
    /// Money is held for it.
    #[n(1)]
    Held(#[n(0)] PaymentId),
    /// It's paid.
    #[n(2)]
    Paid(#[n(0)] PaymentId),
}

/// The centre's reply about a bill.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct BillAnswer {
    /// The digest of the signed bill.
    #[n(0)]
    pub bill: Digest,
    /// What became of it.
    #[n(1)]
    pub state: BillState,
}

impl Body for BillAnswer {
    const LABEL: u16 = 46;
    const LIMIT: usize = 512;
}

/// Why a hold ended without a capture.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Closing {
    /// Its time was over.
    #[n(0)]
    Expired,
    /// The shop gave it up.
    #[n(1)]
    Voided,
}

/// The centre notifies shop and member that this hold is closed; a late capture will be refused.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct HoldClosed {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// The shop.
    #[n(1)]
    pub shop: PartyNumber,
    /// The amount that is available again.
    #[n(2)]
    pub amount: Amount,
    /// Why.
    #[n(3)]
    pub closing: Closing,
    /// Which of the member's cards was to pay, by its index; absent for prepaid money. Never sent to the shop.
    #[n(4)]
    pub card: Option<u16>,
}

impl Body for HoldClosed {
    const LABEL: u16 = 47;
    const LIMIT: usize = 512;
}

/// The centre notifies the member that the shop has delivered and was paid. The delivery comes with it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Delivered {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// How much was taken.
    #[n(1)]
    pub amount: Amount,
    /// The balance afterwards, of the account that paid.
    #[n(2)]
    pub balance: Amount,
    /// SHA-256 of the sealed delivery.
    #[n(3)]
    pub delivery: Digest,
    /// Where it stands in the book.
    #[n(4)]
    pub position: BookPosition,
    /// Which of the member's cards paid, by its index; absent for prepaid money.
    #[n(5)]
    pub card: Option<u16>,
}

impl Body for Delivered {
    const LABEL: u16 = 48;
    const LIMIT: usize = 1024;
}

/// A party fetches what the centre has for it. Signing key; changes nothing and isn't kept.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Collect {
    /// The number of the last item that the party has; 0 for none.
    #[n(0)]
    pub after: u64,
}

impl Body for Collect {
    const LABEL: u16 = 50;
    const LIMIT: usize = 512;
}

/// One item of a mailbox.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Item {
    /// Its number in this party's mailbox, from 1, without gaps.
    #[n(0)]
    pub number: u64,
    /// What the centre says, signed.
    #[n(1)]
    pub signed: SignedBytes,
    /// What somebody else sealed for the party: a delivery.
    #[n(2)]
    pub sealed: Option<crate::envelope::Attachment>,
}

/// A page of a mailbox.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Mailbox {
    /// The items, by number.
    #[n(0)]
    pub items: Vec<Item>,
    /// Are there more behind them?
    #[n(1)]
    pub more: bool,
}

impl Body for Mailbox {
    const LABEL: u16 = 51;
    const LIMIT: usize = 192 * 1024;

    fn check(&self) -> Result<(), Malformed> {
        if self.items.is_sorted_by(|a, b| a.number < b.number) {
            Ok(())
        } else {
            Err(Malformed::field("items", "not in order"))
        }
    }
}
