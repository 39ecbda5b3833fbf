//! The handle by which the centre uses the book.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use crate::{
    Committed, Draft, Fault, Head, HeadSigner, HeadsError, HeadsFile, Position,
    committer::{ChainEnd, Committer, Waiting},
    store::{Reader, Store, StoreError, Tip, Writer},
};

/// Drafts that may wait before [`Fault::Busy`] is answered.
const QUEUE: usize = 4096;
/// Idle readers that are kept for the next.
const IDLE_READERS: usize = 16;

/// The open book: a committer thread and a few readers. Cloning gives another handle; the committer
/// ends, after all that waits, when the last handle is dropped.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Option<mpsc::SyncSender<Waiting>>,
    thread: Option<thread::JoinHandle<()>>,
    store: Arc<dyn Store>,
    idle: Mutex<Vec<Box<dyn Reader>>>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

/// Why the book can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file of heads failed.
    #[error(transparent)]
    Heads(#[from] HeadsError),
    /// The last head isn't one of ours.
    #[error("the last signed head isn't valid ({0}); run the audit before you start the centre")]
    BadHead(String),
    /// Records are missing that were signed for.
    #[error(
        "the database is older than its signed heads: it ends at record {last}, heads were signed \
         up to {}; use the newest backup, or the audit to see what is missing", head.position()
    )]
    Older {
        /// The last record in the database.
        last: Position,
        /// The last head.
        head: Head,
    },
    /// There are records, but no head was ever signed for them, or the file is lost.
    #[error(
        "the book has records up to {last}, but its file of signed heads is missing or empty; put \
         it back from a backup (without it nobody can tell whether the last payments are missing)"
    )]
    NoHeads {
        /// The last record in the database.
        last: Position,
    },
    /// The record that the last head names is another one now.
    #[error("record {} differs from its signed head; run the audit", head.position())]
    Differs {
        /// The head.
        head: Head,
    },
    /// The thread couldn't be started.
    #[error("the committer's thread can't be started")]
    Thread(#[source] std::io::Error),
}

impl Ledger {
    /// Opens the book of `committer` in `store`, checks it against the last signed head in the
    /// folder `heads`, and starts the committer.
    ///
    /// # Errors
    /// [`OpenError`]; nothing has changed then, save a torn end of the heads' file.
    pub fn open(
        store: impl Store + 'static,
        committer: u16,
        signer: Box<dyn HeadSigner>,
        heads: &Path,
    ) -> Result<Self, OpenError> {
        let store: Arc<dyn Store> = Arc::new(store);
        let (mut file, last) = HeadsFile::open(heads, committer)?;
        let mut writer = store.writer(committer)?;
        let tip = writer.tip()?;
        let last = check_last_head(store.as_ref(), signer.as_ref(), committer, tip, last)?;
        let head = match last {
            Some(signed) => signed,
            None => {
                let signed = signer.sign(&Head::of(committer, tip));
                file.append(&signed)?;
                // From now on the file is never empty, so an empty one is always a finding.
                file.sync()?;
                signed
            }
        };
        let end = ChainEnd {
            committer,
            tip,
            head,
        };
        Self::start(store, writer, signer, file, end)
    }

    fn start(
        store: Arc<dyn Store>,
        writer: Box<dyn Writer>,
        signer: Box<dyn HeadSigner>,
        heads: HeadsFile,
        end: ChainEnd,
    ) -> Result<Self, OpenError> {
        let (queue, waiting) = mpsc::sync_channel(QUEUE);
        let mut committer = Committer::new(writer, signer, heads, end);
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || committer.run(&waiting))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            shared: Arc::new(Shared {
                queue: Some(queue),
                thread: Some(thread),
                store,
                idle: Mutex::new(Vec::new()),
            }),
        })
    }

    /// Hands in a draft; `done` is called when it is durable, known, or failed.
    ///
    /// `done` runs on the committer's thread (or at once on this one, for [`Fault::Busy`] and
    /// [`Fault::Stopped`]): it should only pass the answer on.
    pub fn submit(
        &self,
        draft: Draft,
        done: impl FnOnce(Result<Committed, Fault>) + Send + 'static,
    ) {
        let waiting = Waiting {
            draft,
            done: Box::new(done),
        };
        let Some(queue) = &self.shared.queue else {
            return (waiting.done)(Err(Fault::Stopped));
        };
        match queue.try_send(waiting) {
            Ok(()) => {}
            Err(mpsc::TrySendError::Full(w)) => (w.done)(Err(Fault::Busy)),
            Err(mpsc::TrySendError::Disconnected(w)) => (w.done)(Err(Fault::Stopped)),
        }
    }

    /// Hands in a draft and waits for the answer: for clock rules, imports and tests.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn submit_and_wait(&self, draft: Draft) -> Result<Committed, Fault> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.submit(draft, move |result| {
            // Nobody has dropped the other end: it's waiting below.
            answer.send(result).unwrap_or_default();
        });
        answered.recv().unwrap_or(Err(Fault::Stopped))
    }

    /// Finds out whether the book can be read and written right now: the committer lives, and the
    /// store holds. Nothing in the book changes. Waits for the disk.
    ///
    /// # Errors
    /// [`Fault`]: what keeps it from working.
    pub fn check(&self) -> Result<(), Fault> {
        let thread = self.shared.thread.as_ref();
        if thread.is_none_or(thread::JoinHandle::is_finished) {
            return Err(Fault::Stopped);
        }
        let checked = self.shared.store.check();
        checked.map_err(|error| Fault::Store(Arc::new(error)))
    }

    /// Asks the book something, over one of a few kept connections.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read<T>(
        &self,
        question: impl FnOnce(&mut dyn Reader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = || {
            self.shared
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let kept = idle().pop();
        let mut reader = match kept {
            Some(reader) => reader,
            None => self.shared.store.reader()?,
        };
        let answer = question(reader.as_mut())?;
        reader.thaw()?;
        let mut kept = idle();
        if kept.len() < IDLE_READERS {
            kept.push(reader);
        }
        Ok(answer)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(self.queue.take());
        let on_the_thread_itself =
            |t: &thread::JoinHandle<()>| t.thread().id() == thread::current().id();
        if let Some(thread) = self.thread.take().filter(|t| !on_the_thread_itself(t))
            && thread.join().is_err()
        {
            tracing::error!("the ledger's committer ended by a panic");
        }
    }
}

/// Checks that the database still holds what the last head names. Returns that head if it is the
/// chain's very end, so that no new one is needed.
fn check_last_head(
    store: &dyn Store,
    signer: &dyn HeadSigner,
    committer: u16,
    tip: Option<Tip>,
    signed: Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>, OpenError> {
    let Some(signed) = signed else {
        return match tip {
            Some(tip) => Err(OpenError::NoHeads { last: tip.position }),
            None => Ok(None),
        };
    };
    let head = signer.read(&signed).map_err(OpenError::BadHead)?;
    if head.committer != committer {
        return Err(OpenError::BadHead(format!(
            "it is of committer {}",
            head.committer
        )));
    }
    let last = Position::new(committer, tip.map_or(0, |t| t.position.sequence));
    if head.sequence > last.sequence {
        return Err(OpenError::Older { last, head });
    }
    if head.sequence == last.sequence {
        let same = head == Head::of(committer, tip);
        return if same {
            Ok(Some(signed))
        } else {
            Err(OpenError::Differs { head })
        };
    }
    if head.sequence > 0 {
        let found = store.reader()?.records(head.position(), 1)?;
        let hash = found.first().map(|r| (r.record.position, r.hash));
        if hash != Some((head.position(), head.hash)) {
            return Err(OpenError::Differs { head });
        }
    }
    Ok(None)
}
