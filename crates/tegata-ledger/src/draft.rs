//! What goes into the committer, and what comes out.

use std::{fmt, sync::Arc};

use tegata_protocol::{Digest, Time};

use crate::{
    Action, Effect, Evidence, Leg, MessageKey, Operation, OutboxItem, Outcome, Position, Refusal,
    Verdict, Working, decide, store::StoreError,
};

/// What an accepted draft changes.
pub(crate) struct Changes {
    pub(crate) legs: Vec<Leg>,
    pub(crate) effects: Vec<Effect>,
}

/// Decides a draft's operation on a book, as the record at this position, and answers it.
///
/// It runs on the committer's thread, and perhaps more than once, since a store with several writers may
/// have to decide a batch anew.
type Decide = dyn Fn(&mut Working, Position) -> (Result<Changes, Refusal>, Response) + Send;

/// A verified message on its way into the book.
pub struct Draft {
    pub(crate) key: MessageKey,
    pub(crate) digest: Digest,
    pub(crate) attachment: Option<Digest>,
    pub(crate) evidence: Evidence,
    pub(crate) action: Action,
    pub(crate) now: Time,
    pub(crate) decide: Box<Decide>,
}

impl Draft {
    /// A verified message, what it asks, and how to answer it (`respond`: see [`Response`]).
    ///
    /// `respond` gets the outcome of the operation that was asked for. It runs on the committer's thread
    /// and perhaps more than once: it encodes, it doesn't sign (signatures are deterministic and made
    /// after the commit) and doesn't touch the disk.
    pub fn new<O: Operation>(
        key: MessageKey,
        evidence: Evidence,
        operation: O,
        now: Time,
        respond: impl Fn(&Decision<O::Outcome>) -> Response + Send + 'static,
    ) -> Self {
        let action = operation.clone().into();
        let decide = move |book: &mut Working, position| {
            let (result, changes) = match decide(book, &operation, now) {
                Ok(decided) => {
                    let (legs, effects) = (decided.legs, decided.effects);
                    (Ok(decided.outcome), Ok(Changes { legs, effects }))
                }
                Err(refusal) => (Err(refusal.clone()), Err(refusal)),
            };
            let response = respond(&Decision {
                position,
                time: now,
                result,
            });
            (changes, response)
        };
        Self {
            key,
            digest: Digest::of(&evidence.bytes),
            attachment: evidence.attachment.as_deref().map(Digest::of),
            evidence,
            action,
            now,
            decide: Box::new(decide),
        }
    }

    /// The digest of the signed bytes.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("key", &self.key)
            .field("digest", &self.digest)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}

/// What was decided about a draft, before it is durable.
#[derive(Clone, Debug)]
pub struct Decision<O = Outcome> {
    /// Where its record will stand.
    pub position: Position,
    /// The record's time.
    pub time: Time,
    /// What happened, with balances after it, or why not.
    pub result: Result<O, Refusal>,
}

/// The answer to a draft.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Response {
    /// The reply's payload, unsigned. Its digest goes into the record; a resent message gets the
    /// same payload again, signed again (Ed25519 signs the same bytes the same way).
    pub reply: Vec<u8>,
    /// What other parties (or the sender) will fetch.
    pub outbox: Vec<OutboxItem>,
}

impl Response {
    /// A reply that nobody else needs to know of.
    pub const fn reply(reply: Vec<u8>) -> Self {
        Self {
            reply,
            outbox: Vec::new(),
        }
    }
}

/// A draft that is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// Where its record stands.
    pub position: Position,
    /// Accepted or refused.
    pub verdict: Verdict,
    /// Was the message known before? Then nothing happened now.
    pub known: bool,
    /// The reply's payload, as it was made the first time.
    pub reply: Arc<[u8]>,
    /// A signed head that covers the record.
    pub head: Arc<[u8]>,
}

/// Why a draft isn't in the book. Only [`Fault::Conflict`] is the sender's doing; all else is ours,
/// and the sender may send the same message again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The sender has used this message id for other bytes. Nothing was stored.
    #[error("message {} of {} was used for other bytes, see record {position}", key.id, key.party)]
    Conflict {
        /// The message.
        key: MessageKey,
        /// The record of the first message of that id.
        position: Position,
    },
    /// Too many drafts wait.
    #[error("the book is busy; try again in a moment")]
    Busy,
    /// The committer has ended.
    #[error("the book is closed; restart the centre")]
    Stopped,
    /// The store failed; nothing changed.
    #[error("the store failed")]
    Store(#[source] Arc<StoreError>),
    /// A chain has reached its last place.
    #[error("the chain of committer {0} is full; start another committer")]
    ChainFull(u16),
    /// The rules looked at something that wasn't recalled: a mistake in this program.
    #[error("internal: the rules asked for something that wasn't read")]
    NotRecalled,
}
