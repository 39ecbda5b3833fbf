//! How the centre says something: unsigned payloads, for the book to keep.
//!
//! They're made on the committer's thread, which encodes and nothing else. A payload goes into the book and
//! is signed when it's handed out; since Ed25519 is deterministic, the same payload always becomes the same
//! signed reply.

use minicbor::{Decode, Encode};
use tegata_ledger::{CardState, OutboxItem, Position, Refusal as BookRefusal};
use tegata_protocol::{
    Amount, Currency, Digest, MessageId, PartyNumber, Time, Verified, cbor,
    envelope::{Attachment, Body, Message},
    payload_of,
    payment::BookPosition,
    refusal::{Code, Refusal},
};

/// The kind of outbox items: a [`Post`].
pub(crate) const POST: u8 = 1;

/// What waits in a mailbox: a payload to be signed when it's fetched, and what somebody sealed.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(crate) struct Post {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) payload: Vec<u8>,
    #[n(1)]
    pub(crate) sealed: Option<Attachment>,
}

/// To whom a reply goes, and which request it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyTo {
    /// Who asked.
    pub(crate) party: PartyNumber,
    /// The digest of the signed request.
    pub(crate) answers: Digest,
}

impl ReplyTo {
    /// The sender of a message.
    pub(crate) fn sender<B>(message: &Verified<Message<B>>) -> Self {
        Self {
            party: message.from,
            answers: message.digest(),
        }
    }

    /// The payload of a reply.
    pub(crate) fn payload<B: Body>(self, time: Time, body: B) -> Vec<u8> {
        let id = derived_id(self.answers, b"reply");
        payload(self.party, id, time, Some(self.answers), body)
    }

    /// The payload of a refusal.
    pub(crate) fn refusal(self, time: Time, refusal: Refusal) -> Vec<u8> {
        self.payload(time, refusal)
    }

    /// What the book says, as the record at this position.
    pub(crate) const fn recorded(self, position: Position, time: Time) -> Recorded {
        Recorded {
            to: self,
            position: BookPosition {
                committer: position.committer,
                sequence: position.sequence,
            },
            time,
        }
    }
}

/// The record by which the book has accepted what is now answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded {
    to: ReplyTo,
    /// Where the record stands.
    pub(crate) position: BookPosition,
    /// Its time.
    pub(crate) time: Time,
}

impl Recorded {
    /// The reply to whoever asked.
    pub(crate) fn reply<B: Body>(self, body: B) -> Vec<u8> {
        self.to.payload(self.time, body)
    }

    /// An item for somebody's mailbox.
    pub(crate) fn post<B: Body>(self, to: PartyNumber, body: B) -> OutboxItem {
        self.post_with(to, body, None)
    }

    /// An item for somebody's mailbox, and what was sealed to its owner.
    pub(crate) fn post_with<B: Body>(
        self,
        to: PartyNumber,
        body: B,
        sealed: Option<Attachment>,
    ) -> OutboxItem {
        let id = derived_id(self.to.answers, &to.wire().to_be_bytes());
        let post = Post {
            payload: payload(to, id, self.time, None, body),
            sealed,
        };
        OutboxItem {
            to,
            kind: POST,
            bytes: cbor::encode(&post),
        }
    }

    /// The same of one entry of several, so that two items for one party have ids of their own.
    pub(crate) fn of_entry(self, index: u32) -> Self {
        let answers = self.to.answers;
        let answers = Digest::of_parts(&[answers.as_bytes(), &index.to_be_bytes()]);
        let to = ReplyTo { answers, ..self.to };
        Self { to, ..self }
    }
}

/// Ids of what the centre says follow from what it answers, so that they're the same each time.
fn derived_id(request: Digest, what: &[u8]) -> MessageId {
    let digest = Digest::of_parts(&[b"tegata centre id v1", request.as_bytes(), what]);
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    MessageId::from_bytes(id)
}

fn payload<B: Body>(
    to: PartyNumber,
    id: MessageId,
    time: Time,
    answers: Option<Digest>,
    body: B,
) -> Vec<u8> {
    let (from, not_after, enc_digest) = (PartyNumber::CENTRE, None, None);
    payload_of(&Message {
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

/// Minor units of a book account as an amount; below zero can't be on a member's account.
pub(crate) fn amount(minor: i64, currency: Currency) -> Amount {
    let minor = u64::try_from(minor).unwrap_or_default();
    Amount::new(minor, currency).unwrap_or(Amount::zero(currency))
}

/// The code by which a party learns why the book said no.
pub(crate) fn code_of(refusal: &BookRefusal) -> Code {
    match refusal {
        BookRefusal::ByCaller(number) => by_number(*number),
        BookRefusal::InsufficientFunds { .. } => Code::InsufficientFunds,
        BookRefusal::BillAlreadyPaid { .. }
        | BookRefusal::BillAlreadyHeld { .. }
        | BookRefusal::PaymentKnown { .. } => Code::BillPaid,
        BookRefusal::BillClosed { .. } => Code::BillClosed,
        BookRefusal::BillConflicts { .. } => Code::BillInvalid,
        BookRefusal::HoldUnknown { .. } => Code::HoldUnknown,
        BookRefusal::HoldClosed { .. } | BookRefusal::HoldExpired { .. } => Code::HoldClosed,
        BookRefusal::HoldAlreadyCaptured { .. } => Code::HoldCaptured,
        BookRefusal::HoldNotYours { .. } => Code::HoldNotYours,
        BookRefusal::AmountAboveHold { .. } | BookRefusal::AmountZero => Code::AboveHold,
        BookRefusal::AlreadyRegistered { .. } => Code::AlreadyRegistered,
        BookRefusal::CardUnknown { .. } | BookRefusal::CardNotYours { .. } => Code::IcCardUnknown,
        BookRefusal::CardKnown { .. } => Code::IcCardKnown,
        BookRefusal::CardState { state, .. } => match state {
            CardState::Active => Code::IcCardInUse,
            CardState::Blocked => Code::IcCardBlocked,
            CardState::Lost | CardState::Copied | CardState::Replaced | CardState::Ended => {
                Code::IcCardEnded
            }
        },
        BookRefusal::HoldAwaitsCard { .. } => Code::HoldUnknown,
        BookRefusal::HoldFunded { .. } => Code::IcCardNotDue,
        BookRefusal::StatementImported { .. } => Code::StatementImported,
        BookRefusal::EntryTwice { .. } => Code::StatementInvalid,
        BookRefusal::WrongCurrency { .. } => Code::WrongCurrency,
        // These can't follow from a message that an exchange lets through.
        BookRefusal::HoldNotExpired { .. }
        | BookRefusal::UnknownParty { .. }
        | BookRefusal::ReferenceInUse { .. }
        | BookRefusal::WrongAccount { .. }
        | BookRefusal::ReceiptKnown { .. }
        | BookRefusal::ReceiptDiffers { .. }
        | BookRefusal::Overflow { .. } => Code::NotOffered,
    }
}

fn by_number(number: u16) -> Code {
    let found = Code::ALL
        .iter()
        .copied()
        .find(|code| code.number() == number);
    found.unwrap_or(Code::NotOffered)
}
