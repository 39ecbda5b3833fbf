//! The committer: one thread that writes the book.
//!
//! It takes all drafts that wait (up to [`BATCH`]), recalls what they need, decides them one after
//! the other in memory, commits once, signs one head, and answers. Verification stood before it,
//! signing of replies comes after it, on other threads.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, mpsc},
};

use tegata_protocol::Digest;

use crate::{
    Committed, Draft, Effect, Fault, Head, HeadSigner, HeadsFile, Key, KnownMessage, Operation,
    Position, Record, Verdict, Working,
    record::{effects_digest, outbox_digest},
    store::{Entry, StoreError, Tip, Writer},
};

/// Drafts that share one durable transaction at most.
pub(crate) const BATCH: usize = 256;
/// How often a batch is decided anew when other writers come in between.
const ATTEMPTS: usize = 10;
/// How often what is recalled may name more to recall.
const RECALLS: usize = 4;

/// A draft and whom to answer.
pub(crate) struct Waiting {
    pub(crate) draft: Draft,
    pub(crate) done: Box<dyn FnOnce(Result<Committed, Fault>) + Send>,
}

pub(crate) struct Committer {
    writer: Box<dyn Writer>,
    signer: Box<dyn HeadSigner>,
    heads: HeadsFile,
    committer: u16,
    tip: Option<Tip>,
    head: Arc<[u8]>,
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer")
            .field("committer", &self.committer)
            .field("tip", &self.tip)
            .finish_non_exhaustive()
    }
}

/// What became of one draft of a batch.
enum Fate {
    /// The batch's entry of this number is its record.
    New(usize),
    /// The same message stands earlier in this batch, as the entry of this number.
    Again(usize),
    /// It was received before this batch.
    Known(Position, Verdict, Arc<[u8]>),
    /// Another message had this id.
    Conflict(Position),
}

/// A decided batch, not yet durable.
struct Batch {
    book: Working,
    entries: Vec<Entry>,
    fates: Vec<Fate>,
    tip: Option<Tip>,
}

/// Where a committer's chain ends, and so where it goes on.
pub(crate) struct ChainEnd {
    /// Whose chain.
    pub(crate) committer: u16,
    /// Its last record, if there's one.
    pub(crate) tip: Option<Tip>,
    /// The signed head that covers it.
    pub(crate) head: Vec<u8>,
}

impl Committer {
    pub(crate) fn new(
        writer: Box<dyn Writer>,
        signer: Box<dyn HeadSigner>,
        heads: HeadsFile,
        end: ChainEnd,
    ) -> Self {
        Self {
            writer,
            signer,
            heads,
            committer: end.committer,
            tip: end.tip,
            head: end.head.into(),
        }
    }

    /// Writes batches until every handle is gone.
    pub(crate) fn run(&mut self, queue: &mpsc::Receiver<Waiting>) {
        while let Ok(first) = queue.recv() {
            let rest = queue.try_iter().take(BATCH.saturating_sub(1));
            self.process(std::iter::once(first).chain(rest).collect());
        }
    }

    fn process(&mut self, waiting: Vec<Waiting>) {
        let (drafts, dones): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|w| (w.draft, w.done)).unzip();
        match self.write(&drafts) {
            Ok(batch) => {
                self.sign_head(batch.tip);
                for (done, answer) in dones.into_iter().zip(self.answers(&drafts, batch)) {
                    done(answer);
                }
            }
            Err(fault) => {
                tracing::error!(drafts = drafts.len(), %fault, cause = ?fault, "a batch failed");
                self.recover();
                for done in dones {
                    done(Err(fault.clone()));
                }
            }
        }
    }

    /// Writes a batch as [`Committer::run`] does, with nobody to answer.
    pub(crate) fn write_batch(&mut self, drafts: &[Draft]) -> Result<(), Fault> {
        let batch = self.write(drafts)?;
        self.sign_head(batch.tip);
        Ok(())
    }

    /// Decides and commits a batch, anew if another writer came in between.
    fn write(&mut self, drafts: &[Draft]) -> Result<Batch, Fault> {
        for _ in 0..ATTEMPTS {
            match self.write_once(drafts) {
                Err(Fault::Store(e)) if matches!(*e, StoreError::Again) => {
                    self.writer.abandon().map_err(store_fault)?;
                }
                other => return other,
            }
        }
        Err(store_fault(StoreError::Again))
    }

    fn write_once(&mut self, drafts: &[Draft]) -> Result<Batch, Fault> {
        let book = self.recall(drafts).map_err(store_fault)?;
        let batch = self.decide_all(drafts, book)?;
        if batch.book.missed() {
            return Err(Fault::NotRecalled);
        }
        if batch.entries.is_empty() {
            self.writer.abandon().map_err(store_fault)?;
        } else {
            self.writer
                .commit(&batch.entries, &batch.book)
                .map_err(store_fault)?;
        }
        Ok(batch)
    }

    /// Brings what the drafts need into memory, set by set: first what they name, then what that
    /// names.
    fn recall(&mut self, drafts: &[Draft]) -> Result<Working, StoreError> {
        let mut book = Working::partial();
        for _ in 0..RECALLS {
            let keys = missing(&book, drafts);
            if keys.is_empty() {
                break;
            }
            self.writer.recall(&keys, &mut book)?;
        }
        Ok(book)
    }

    /// Brings in what a draft needs only because of what came before it in its own batch: a
    /// capture right behind its hold, a statement behind the reference that it bears.
    fn recall_rest(&mut self, draft: &Draft, book: &mut Working) -> Result<(), StoreError> {
        for _ in 0..RECALLS {
            let keys = missing(book, std::slice::from_ref(draft));
            if keys.is_empty() {
                break;
            }
            self.writer.recall(&keys, book)?;
        }
        Ok(())
    }

    fn decide_all(&mut self, drafts: &[Draft], book: Working) -> Result<Batch, Fault> {
        let mut batch = Batch {
            book,
            entries: Vec::with_capacity(drafts.len()),
            fates: Vec::with_capacity(drafts.len()),
            tip: self.tip,
        };
        let mut new = HashMap::new();
        for draft in drafts {
            let fate = match batch.book.message(&draft.key).copied() {
                Some(known) if known.digest != draft.digest => Fate::Conflict(known.position),
                Some(known) => match new.get(&draft.key) {
                    Some(&index) => Fate::Again(index),
                    None => {
                        let (verdict, reply) =
                            self.writer.reply(known.position).map_err(store_fault)?;
                        Fate::Known(known.position, verdict, reply.into())
                    }
                },
                None => {
                    new.insert(draft.key, batch.entries.len());
                    let fate = Fate::New(batch.entries.len());
                    self.recall_rest(draft, &mut batch.book)
                        .map_err(store_fault)?;
                    self.add(&mut batch, draft)?;
                    fate
                }
            };
            batch.fates.push(fate);
        }
        Ok(batch)
    }

    /// Decides a draft that wasn't received before, and adds its record.
    fn add(&self, batch: &mut Batch, draft: &Draft) -> Result<(), Fault> {
        let sequence = batch.tip.map_or(0, |t| t.position.sequence).wrapping_add(1);
        if sequence > Position::MAX_SEQUENCE {
            return Err(Fault::ChainFull(self.committer));
        }
        let position = Position::new(self.committer, sequence);
        let (changes, response) = (draft.decide)(&mut batch.book, position);
        let (verdict, legs, effects) = match changes {
            Ok(changes) => (Verdict::Accepted, changes.legs, changes.effects),
            Err(refusal) => (Verdict::Refused(refusal.code()), Vec::new(), Vec::new()),
        };
        let time = draft.now;
        let record = Record {
            position,
            previous: batch.tip.map_or(Record::GENESIS, |t| t.hash),
            kind: draft.action.kind(),
            verdict,
            cause: draft.key,
            signer: draft.evidence.kind,
            evidence: draft.digest,
            attachment: draft.attachment,
            legs,
            reply: Digest::of(&response.reply),
            effects: effects_digest(&effects),
            outbox: outbox_digest(&response.outbox),
            time,
        };
        let hash = record.hash();
        let digest = draft.digest;
        batch
            .book
            .put_message(&draft.key, KnownMessage { digest, position });
        batch.tip = Some(Tip {
            position,
            hash,
            time,
        });
        batch.entries.push(Entry {
            evidence: (verdict == Verdict::Accepted).then(|| draft.evidence.clone()),
            statement: effects.into_iter().find_map(statement_entries),
            reply: response.reply,
            outbox: response.outbox,
            record,
            hash,
        });
        Ok(())
    }

    /// Signs the head of what is durable now. If the file fails, the book goes on: what was
    /// acknowledged is in the database, and the next head covers it.
    fn sign_head(&mut self, tip: Option<Tip>) {
        if tip == self.tip {
            return;
        }
        self.tip = tip;
        let signed = self.signer.sign(&Head::of(self.committer, tip));
        if let Err(e) = self.heads.append(&signed) {
            tracing::error!(error = %e, cause = ?e, "a signed head couldn't be written");
        }
        self.head = signed.into();
    }

    fn answers(
        &self,
        drafts: &[Draft],
        batch: Batch,
    ) -> impl Iterator<Item = Result<Committed, Fault>> {
        let written: Vec<_> = batch
            .entries
            .into_iter()
            .map(|e| (e.record.position, e.record.verdict, Arc::from(e.reply)))
            .collect();
        let head = Arc::clone(&self.head);
        batch
            .fates
            .into_iter()
            .zip(drafts)
            .map(move |(fate, draft)| {
                let known = !matches!(fate, Fate::New(_));
                let (position, verdict, reply) = match fate {
                    Fate::New(index) | Fate::Again(index) => {
                        written.get(index).cloned().ok_or(Fault::NotRecalled)?
                    }
                    Fate::Known(position, verdict, reply) => (position, verdict, reply),
                    Fate::Conflict(position) => {
                        let key = draft.key;
                        return Err(Fault::Conflict { key, position });
                    }
                };
                Ok(Committed {
                    position,
                    verdict,
                    known,
                    reply,
                    head: Arc::clone(&head),
                })
            })
    }

    /// After a failed batch: forget it, and ask the store anew where the chain ends.
    fn recover(&mut self) {
        let abandoned = self.writer.abandon();
        match abandoned.and_then(|()| self.writer.tip()) {
            Ok(tip) => self.sign_head(tip),
            Err(e) => tracing::error!(error = %e, cause = ?e, "the store stays out of reach"),
        }
    }
}

/// What the drafts need, as far as it's known by now, and isn't in memory yet.
fn missing(book: &Working, drafts: &[Draft]) -> Vec<Key> {
    let mut wanted = HashSet::new();
    let mut keys = Vec::new();
    for draft in drafts {
        let mut want = |key: Key| {
            if !book.has(&key) && wanted.insert(key.clone()) {
                keys.push(key);
            }
        };
        want(Key::Message(draft.key));
        draft.action.needs(book, &mut want);
    }
    keys
}

fn statement_entries(effect: Effect) -> Option<(crate::StatementKey, Vec<crate::EntryRecord>)> {
    match effect {
        Effect::Statement(key, _, entries) => Some((key, entries)),
        Effect::Party(..)
        | Effect::Hold(_)
        | Effect::Bill(..)
        | Effect::Funding(..)
        | Effect::Card(..)
        | Effect::Receipt(..) => None,
    }
}

fn store_fault(e: StoreError) -> Fault {
    Fault::Store(Arc::new(e))
}
