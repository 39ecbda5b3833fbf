//! The exchanges: what a party, an operator or the centre itself may ask of the book, and what parties ask
//! without it. Each has one file with all that is its own: who may send it, what it asks, what is
//! answered, who else is sent something, and how the audit proves it. [`EXCHANGES`] is the one list of
//! them, for the running centre as for the audit.
//!
//! ```text
//!           running centre                                     audit, years later
//! bytes ─▶ authenticate ─▶ Exchange::ask ─▶ operation         evidence ─▶ Past::verified
//!                            │ calls                                        │
//!                            └───────▶ Exchange::read (pure) ◀──────────────┘
//! operation ─▶ book ─▶ its outcome ─▶ Exchange::reply ─▶ payload, mailbox items
//! ```
//! A message that the book keeps is an [`Exchange`], one that changes nothing an [`Inquiry`]. A new one is a
//! file here and a line in [`EXCHANGES`].

use tegata_ledger::{EvidenceKind, Operation, Refusal as BookRefusal, Response};
use tegata_protocol::{
    Currency, Digest, ReplyKey, Role, SignedBytes, Time, Verified, VerifyingKey,
    envelope::{Body, Message, Parcel},
    record::PartyRecord,
    refusal::{Code, Refusal},
};

mod authenticate;
mod balance;
mod bill;
mod bill_inquiry;
mod capture;
mod card_contact;
mod card_load;
mod card_order;
mod card_payment;
mod card_request;
mod credit_card;
mod holds;
mod live;
mod mailbox;
mod own_record;
mod payment;
mod prepaid;
mod proof;
mod registration;
pub(crate) mod rule;
mod statement;

pub(crate) use authenticate::{Authenticated, Rejected};
pub(crate) use live::{After, Answer, Ordered, Route, Step};
pub(crate) use proof::{Past, Proven};

use crate::{
    centre::Centre,
    operator::OrderError,
    register::Register,
    reply::{Recorded, code_of},
};

/// Every exchange there is.
pub(crate) static EXCHANGES: &[Entry] = &[
    registration::ENTRY,
    Entry::booked::<prepaid::Prepaid>(),
    Entry::booked::<payment::Paying>(),
    Entry::booked::<capture::Capturing>(),
    Entry::booked::<bill_inquiry::Asking>(),
    Entry::booked::<credit_card::Keeping>(),
    Entry::booked::<card_payment::PayingByCard>(),
    Entry::booked::<card_load::Loading>(),
    Entry::booked::<card_request::Requesting>(),
    Entry::ordered::<statement::Importing>(),
    Entry::ordered::<card_order::Ordering>(),
    rule::ENTRY,
    Entry::inquiry::<balance::Balances>(),
    Entry::inquiry::<mailbox::Mailboxes>(),
    own_record::ENTRY,
    card_contact::CONTACT,
    card_contact::ANSWER,
];

/// A message that the book keeps, with its reply.
///
/// A value of it is what the reply needs besides the book's outcome.
pub(crate) trait Exchange: Sized + Send + 'static {
    /// What is signed.
    type Body: Body + Send + 'static;
    /// What it asks of the book. Its outcome is of its own type.
    type Operation: Operation;
    /// What reading it found that the reply needs.
    type Found;

    /// Who may send it, and which key signs it.
    const SENDER: Sender;
    /// The types of what the centre says in it: the reply, and what others find in their mailboxes.
    const SAYS: &'static [u16];
    /// Does the signed head go with the reply?
    const WITH_HEAD: bool = false;

    /// What the signed message asks. Pure: the audit asks again, from the evidence alone.
    ///
    /// # Errors
    /// The first reason against it that the message itself gives, with the register as it stands.
    fn read(
        message: &Verified<Message<Self::Body>>,
        view: &View<'_>,
    ) -> Result<(Self::Operation, Self::Found), Code>;

    /// What the running centre asks of the book: [`Self::read`], and whatever else must hold today.
    ///
    /// # Errors
    /// [`Stop`]: the first reason against it, or a fault of ours.
    fn ask(
        centre: &Centre,
        request: &Authenticated<Self::Body>,
        now: Time,
    ) -> Result<(Self, Self::Operation), Stop>;

    /// The reply to an accepted message, and what others find in their mailboxes. It runs on the
    /// committer's thread.
    fn reply(
        &self,
        record: Recorded,
        outcome: &<Self::Operation as Operation>::Outcome,
    ) -> Response;

    /// What is said when the book refuses.
    fn refused(refusal: &BookRefusal) -> Refusal {
        Refusal::new(code_of(refusal))
    }

    /// What the signed message names by its digest, to be kept beside it.
    fn attached(_body: &Self::Body) -> Option<Digest> {
        None
    }

    /// Checks for the audit that what is kept beside the message shows what was signed. That its digest is
    /// the named one has been checked.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check_attachment(_body: &Self::Body, _attachment: Option<&[u8]>) -> Result<(), String> {
        Ok(())
    }

    /// Is done once the message is in the book and was accepted, each time that it comes: a repetition does
    /// what a crash kept the first time from doing.
    fn done(_body: &Self::Body, _centre: &Centre) {}
}

/// A message that changes nothing and leaves no trace: a replay within five minutes shows its sender, and
/// nobody else, what was shown before.
pub(crate) trait Inquiry {
    /// What is signed.
    type Body: Body;
    /// What is answered.
    type Reply: Body;

    /// Which parties may ask; none: any that is registered.
    const ROLE: Option<Role>;
    /// The types of what the centre says in it, a mailbox's items apart.
    const SAYS: &'static [u16] = &[Self::Reply::LABEL];

    /// The answer.
    ///
    /// # Errors
    /// [`Stop`].
    fn answer(
        centre: &Centre,
        message: &Verified<Message<Self::Body>>,
    ) -> Result<Self::Reply, Stop>;
}

/// Who may send a message, and which of its keys signs it.
#[derive(Clone, Copy)]
pub(crate) struct Sender {
    pub(crate) role: Role,
    pub(crate) key: fn(&PartyRecord) -> Option<VerifyingKey>,
}

impl Sender {
    /// A member, with the everyday key.
    pub(crate) const MEMBER: Self = Self::with_signing_key(Role::Member);
    /// A member, with the key that spends.
    pub(crate) const MEMBER_SPENDING: Self = Self {
        role: Role::Member,
        key: |record| record.keys.spending,
    };
    /// A shop.
    pub(crate) const SHOP: Self = Self::with_signing_key(Role::Shop);
    /// An operator of the centre's.
    pub(crate) const OPERATOR: Self = Self::with_signing_key(Role::Centre);

    const fn with_signing_key(role: Role) -> Self {
        Self {
            role,
            key: signing_key,
        }
    }

    /// As what the book keeps the message.
    pub(crate) const fn evidence_kind(self) -> EvidenceKind {
        match self.role {
            Role::Centre => EvidenceKind::Operator,
            Role::Member | Role::Shop | Role::Gate | Role::Sealing => EvidenceKind::Party,
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of the ways to choose a key")]
const fn signing_key(record: &PartyRecord) -> Option<VerifyingKey> {
    Some(record.keys.signing)
}

/// What reading a message may know besides it.
pub(crate) struct View<'v> {
    pub(crate) register: &'v dyn Register,
    pub(crate) currency: Currency,
    /// The record's time.
    pub(crate) time: Time,
}

/// Why a message isn't carried out.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It's refused; if the book keeps such messages, it keeps the refusal too.
    Refused(Refusal),
    /// What it rests on can't be read: nothing is decided, and it may come again.
    Fault(Box<dyn std::error::Error + Send + Sync>),
}

impl Stop {
    pub(crate) fn fault(why: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Fault(Box::new(why))
    }

    /// A refusal with more about this case.
    pub(crate) fn because(code: Code, detail: impl Into<String>) -> Self {
        Self::Refused(Refusal::because(code, detail))
    }
}

impl From<Code> for Stop {
    fn from(code: Code) -> Self {
        Self::Refused(Refusal::new(code))
    }
}

/// An exchange in the list: by which message it begins, and what is done with it.
pub(crate) struct Entry {
    /// The message's type.
    pub(crate) label: u16,
    /// The types of what the centre says in it.
    pub(crate) says: &'static [u16],
    /// What the running centre does with the message.
    pub(crate) live: Live,
    /// How the audit proves its record; none: the book has none.
    pub(crate) proof: Option<Proof>,
}

/// What the running centre does with a message, by the way that it comes.
pub(crate) enum Live {
    /// From a party, sealed.
    Party(fn(&Centre, Parcel, ReplyKey, Time) -> Result<Answer, Rejected>),
    /// From an operator, over a socket that only the centre's user can open.
    Operator(fn(&Centre, Parcel, Time) -> Result<Ordered, OrderError>),
    /// From nobody: the centre signs it itself.
    Own,
}

/// How the audit proves a record.
pub(crate) struct Proof {
    /// Who must have signed its evidence.
    pub(crate) kind: EvidenceKind,
    /// Verifies the evidence, and says what it asks.
    pub(crate) prove: proof::Prove,
}

impl Entry {
    const fn booked<X: Exchange>() -> Self {
        Self {
            label: X::Body::LABEL,
            says: X::SAYS,
            live: Live::Party(live::take::<X>),
            proof: Some(Proof {
                kind: X::SENDER.evidence_kind(),
                prove: proof::prove::<X>,
            }),
        }
    }

    const fn ordered<X: Exchange>() -> Self {
        Self {
            live: Live::Operator(live::order::<X>),
            ..Self::booked::<X>()
        }
    }

    const fn inquiry<Q: Inquiry>() -> Self {
        Self {
            label: Q::Body::LABEL,
            says: Q::SAYS,
            live: Live::Party(live::inquire::<Q>),
            proof: None,
        }
    }
}

impl Centre {
    /// Signs what the book kept, if it's of a type that the centre says to others: whoever can write the
    /// database, but has no key, shall not have heads or rules signed.
    pub(crate) fn sign_kept(&self, payload: Vec<u8>) -> Option<SignedBytes> {
        let signed = self.keys.receipts.sign_kept_payload(payload);
        let (label, _) = signed.label().ok()?;
        let said = |entry: &Entry| entry.says.contains(&label);
        (label == Refusal::LABEL || EXCHANGES.iter().any(said)).then_some(signed)
    }
}
