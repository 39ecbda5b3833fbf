//! Records: the journal's entries, chained by their hashes.

use core::fmt;
use std::sync::Arc;

use minicbor::Encode;
use tegata_protocol::{Digest, MessageId, PartyNumber, Time, cbor};

use crate::{Effect, Leg};

/// A record's place: which committer's chain, and which link of it, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode)]
pub struct Position {
    /// Whose chain.
    #[n(0)]
    pub committer: u16,
    /// Which link.
    #[n(1)]
    pub sequence: u64,
}

impl Position {
    /// The highest sequence: 2⁴⁸ - 1, so that a position fits one integer of the database.
    pub const MAX_SEQUENCE: u64 = 0xFFFF_FFFF_FFFF;
    /// The highest committer number: 2¹⁵ - 1, for the same reason.
    pub const MAX_COMMITTER: u16 = 0x7FFF;

    /// A place in a chain.
    pub const fn new(committer: u16, sequence: u64) -> Self {
        Self {
            committer,
            sequence,
        }
    }

    /// The place after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.committer, self.sequence.saturating_add(1))
    }
}

/// `0:1234`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.committer, self.sequence)
    }
}

/// Which message: ids are unique for each sender, and kept for ever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode)]
pub struct MessageKey {
    /// Who signed it.
    #[n(0)]
    pub party: PartyNumber,
    /// Its number.
    #[n(1)]
    pub id: MessageId,
}

numbered! {
    /// What a record is about: its action, by number.
    pub enum RecordKind {
        /// [`Action::Note`](crate::Action::Note).
        Note = 1,
        /// [`Action::Refuse`](crate::Action::Refuse).
        Refuse = 2,
        /// [`Action::Register`](crate::Action::Register).
        Register = 3,
        /// [`Action::Replace`](crate::Action::Replace).
        Replace = 4,
        /// [`Action::ExpectFunding`](crate::Action::ExpectFunding).
        ExpectFunding = 5,
        /// [`Action::Deposit`](crate::Action::Deposit).
        Deposit = 6,
        /// [`Action::Hold`](crate::Action::Hold).
        Hold = 7,
        /// [`Action::Pay`](crate::Action::Pay).
        Pay = 8,
        /// [`Action::Capture`](crate::Action::Capture).
        Capture = 9,
        /// [`Action::Release`](crate::Action::Release).
        Release = 10,
        /// [`Action::CloseBill`](crate::Action::CloseBill).
        CloseBill = 11,
        /// [`CardAction::Issue`](crate::CardAction::Issue).
        IssueCard = 12,
        /// [`CardAction::Change`](crate::CardAction::Change).
        ChangeCard = 13,
        /// [`CardAction::Load`](crate::CardAction::Load).
        LoadCard = 14,
        /// [`CardAction::Empty`](crate::CardAction::Empty).
        EmptyCard = 15,
        /// [`CardAction::Hold`](crate::CardAction::Hold).
        HoldByCard = 16,
        /// [`CardAction::Post`](crate::CardAction::Post).
        PostReceipt = 17,
    }
}

numbered! {
    /// Who signed what caused a record.
    pub enum EvidenceKind {
        /// A party: member, shop or gate.
        Party = 1,
        /// An operator of the centre's: imports, cash.
        Operator = 2,
        /// The centre: clock rules.
        Centre = 3,
    }
}

/// What caused a record, byte for byte.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// Who signed it.
    pub kind: EvidenceKind,
    /// The signed bytes as they came.
    pub bytes: Arc<[u8]>,
    /// What the signed bytes name by its digest (a bank file, a sealed delivery).
    pub attachment: Option<Vec<u8>>,
}

/// Accepted or refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode)]
pub enum Verdict {
    /// Done.
    #[n(0)]
    Accepted,
    /// Refused with this code: of [`Refusal::code`](crate::Refusal::code), or the caller's own when
    /// the record's kind is [`RecordKind::Refuse`].
    #[n(1)]
    Refused(#[n(0)] u16),
}

/// One link of a committer's chain. Its hash covers every field.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct Record {
    /// Its place.
    #[n(0)]
    pub position: Position,
    /// The hash of the record before; zeros before the first.
    #[n(1)]
    pub previous: Digest,
    /// What it is about.
    #[n(2)]
    pub kind: RecordKind,
    /// Accepted or refused.
    #[n(3)]
    pub verdict: Verdict,
    /// The message that caused it.
    #[n(4)]
    pub cause: MessageKey,
    /// Who signed that message.
    #[n(5)]
    pub signer: EvidenceKind,
    /// SHA-256 of the signed bytes.
    #[n(6)]
    pub evidence: Digest,
    /// SHA-256 of the attachment, if there was one.
    #[n(7)]
    pub attachment: Option<Digest>,
    /// What it did to accounts.
    #[n(8)]
    pub legs: Vec<Leg>,
    /// SHA-256 of the reply.
    #[n(9)]
    pub reply: Digest,
    /// SHA-256 of the encoding of its [`Effect`]s: what it did besides moving money.
    #[n(10)]
    pub effects: Digest,
    /// SHA-256 of the encoding of what it put in parties' outboxes, if it put anything there.
    #[n(11)]
    pub outbox: Option<Digest>,
    /// When it was decided.
    #[n(12)]
    pub time: Time,
}

impl Record {
    /// What stands before the first record of a chain.
    pub const GENESIS: Digest = Digest::from_bytes([0; 32]);

    /// SHA-256 of its deterministic encoding: what the next record and the heads bear.
    pub fn hash(&self) -> Digest {
        Digest::of(&cbor::encode(self))
    }
}

/// Something that a party will fetch; the store numbers it, from 1 for each party.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct OutboxItem {
    /// For whom.
    #[n(0)]
    pub to: PartyNumber,
    /// What it is: the caller's own number.
    #[n(1)]
    pub kind: u8,
    /// The payload.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

/// SHA-256 over a record's effects.
pub(crate) fn effects_digest(effects: &[Effect]) -> Digest {
    digest_of_list(effects)
}

/// SHA-256 over what a record put in parties' outboxes.
pub(crate) fn outbox_digest(items: &[OutboxItem]) -> Option<Digest> {
    (!items.is_empty()).then(|| digest_of_list(items))
}

/// SHA-256 over the encoding of a list.
fn digest_of_list<T: Encode<()>>(items: &[T]) -> Digest {
    Digest::of(&cbor::encode(&items))
}
