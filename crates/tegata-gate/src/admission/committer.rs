//! The committer: one thread that turns whatever waits into one durable transaction, then answers.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tegata_card::receipt::Punch;
use tegata_party::keys::Keys;
use tegata_protocol::PartyNumber;

use super::{
    Batch, Before, Outcome, Roll, Shown, ShownByCard, Store, StoreError, TicketId, WrongKeyword,
};

/// The most uses of one transaction.
const MAX_BATCH: usize = 256;

/// How many may wait; more callers wait with their own use in hand.
const QUEUE: usize = 1024;

/// What the committer answers; nothing, if the log can't be written.
pub(crate) type Answer<T> = Receiver<Option<T>>;

enum Job {
    Use(Shown, Sender<Option<Outcome>>),
    UseOfCard(ShownByCard, Sender<Option<Outcome>>),
    Punch(TicketId, Option<Punch>, Sender<Option<Before>>),
    WrongKeyword(WrongKeyword, Sender<Option<()>>),
}

/// A handle on the committer's thread. The thread ends when the handle is dropped, after it has
/// answered all that waits.
pub(crate) struct Committer {
    jobs: Option<SyncSender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Committer")
    }
}

impl Committer {
    /// Starts the thread. It signs with the gate's log key.
    pub(crate) fn start(
        store: impl Store + 'static,
        roll: Roll,
        (gate, keys): (PartyNumber, Arc<Keys>),
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let worker = Worker {
            store,
            roll: Some(roll),
            gate,
            keys,
        };
        let thread = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || worker.run(&queue))
            .map_err(|e| StoreError::Other(format!("no thread for it: {e}")))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands over a use; the answer comes when it's durable.
    pub(crate) fn admit(&self, shown: Shown) -> Answer<Outcome> {
        let (answer, answered) = channel();
        self.send(Job::Use(shown, answer));
        answered
    }

    /// Hands over a use of a ticket on a card.
    pub(crate) fn admit_card(&self, shown: ShownByCard) -> Answer<Outcome> {
        let (answer, answered) = channel();
        self.send(Job::UseOfCard(shown, answer));
        answered
    }

    /// Asks what is known of a ticket on a card; what is proposed is durable when the answer comes.
    pub(crate) fn before_punch(&self, ticket: TicketId, proposed: Option<Punch>) -> Answer<Before> {
        let (answer, answered) = channel();
        self.send(Job::Punch(ticket, proposed, answer));
        answered
    }

    /// Hands over the count of a wrong keyword.
    pub(crate) fn count(&self, wrong: WrongKeyword) -> Answer<()> {
        let (answer, answered) = channel();
        self.send(Job::WrongKeyword(wrong, answer));
        answered
    }

    /// If the thread is gone, the job's end of the channel goes with it, and the answer is none.
    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            drop(jobs.send(job));
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.jobs = None;
        let thread = self.thread.get_mut().ok().and_then(Option::take);
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the committer ended badly");
        }
    }
}

/// The thread's own things. Without a roll it admits nobody.
struct Worker<S> {
    store: S,
    roll: Option<Roll>,
    gate: PartyNumber,
    keys: Arc<Keys>,
}

impl<S: Store> Worker<S> {
    fn run(mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let waiting = queue.try_iter().take(MAX_BATCH.saturating_sub(1));
            let jobs: Vec<Job> = std::iter::once(first).chain(waiting).collect();
            self.settle(jobs);
        }
    }

    /// Decides all, commits once, answers all.
    fn settle(&mut self, jobs: Vec<Job>) {
        let mut batch = Batch::default();
        let mut answers = Vec::with_capacity(jobs.len());
        let mut failed = None;
        for job in jobs {
            match self.decide(job, &mut batch) {
                Ok(answer) => answers.push(answer),
                Err(error) => failed = Some(error),
            }
        }
        if failed.is_none() && !batch.is_empty() {
            failed = self.store.commit(&batch).err();
        }
        match failed {
            None => answers.into_iter().for_each(Decided::tell),
            Some(error) => self.recover(&error, answers),
        }
    }

    fn decide(&mut self, job: Job, batch: &mut Batch) -> Result<Decided, StoreError> {
        match job {
            Job::Use(shown, answer) => self.decide_use(shown, answer, batch),
            Job::UseOfCard(shown, answer) => {
                let evidence = self.keys.signing().sign(&shown.used);
                let shown = Shown {
                    ticket: shown.ticket,
                    presentation: evidence.digest(),
                    evidence,
                    at_millis: shown.at_millis,
                };
                self.decide_use(shown, answer, batch)
            }
            Job::Punch(ticket, proposed, answer) => {
                let roll = self.roll.as_mut().ok_or_else(closed)?;
                let before = roll.before_punch(ticket, proposed, &self.store, batch)?;
                Ok(Decided::Punch(before, answer))
            }
            Job::WrongKeyword(wrong, answer) => {
                batch.wrong_keywords.push(wrong);
                Ok(Decided::WrongKeyword(answer))
            }
        }
    }

    fn decide_use(
        &mut self,
        shown: Shown,
        answer: Sender<Option<Outcome>>,
        batch: &mut Batch,
    ) -> Result<Decided, StoreError> {
        let roll = self.roll.as_mut().ok_or_else(closed)?;
        let signer = (self.gate, self.keys.signing());
        let outcome = roll.decide(shown, &self.store, signer, batch)?;
        Ok(Decided::Use(outcome, answer))
    }

    /// Nobody of this batch is admitted. What is in the log after all is used up: the roll is read
    /// anew, and without it the gate stays closed.
    fn recover(&mut self, error: &StoreError, answers: Vec<Decided>) {
        tracing::error!(%error, waiting = answers.len(), "the log failed; nobody was admitted");
        self.roll = match Roll::load(&self.store) {
            Ok(roll) => Some(roll),
            Err(error) => {
                tracing::error!(%error, "the log can't be read; the gate stays closed");
                None
            }
        };
        answers.into_iter().for_each(Decided::fail);
    }
}

fn closed() -> StoreError {
    StoreError::Other("it couldn't be read after an earlier failure".into())
}

/// An answer that waits for its batch.
enum Decided {
    Use(Outcome, Sender<Option<Outcome>>),
    Punch(Before, Sender<Option<Before>>),
    WrongKeyword(Sender<Option<()>>),
}

impl Decided {
    /// Whoever asked may have gone; the log holds the truth.
    fn tell(self) {
        match self {
            Self::Use(outcome, answer) => drop(answer.send(Some(outcome))),
            Self::Punch(before, answer) => drop(answer.send(Some(before))),
            Self::WrongKeyword(answer) => drop(answer.send(Some(()))),
        }
    }

    fn fail(self) {
        match self {
            Self::Use(_, answer) => drop(answer.send(None)),
            Self::Punch(_, answer) => drop(answer.send(None)),
            Self::WrongKeyword(answer) => drop(answer.send(None)),
        }
    }
}
