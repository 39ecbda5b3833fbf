//! A database that many threads of one program use: one thread writes, one connection reads.
//!
//! The writing thread takes all jobs that wait, runs each in a savepoint of one transaction, and
//! answers them after that transaction is durable: two hundred customers at once cost a few syncs,
//! and since jobs run one after another, what one decided the next one sees. Other processes may
//! write too: each transaction takes SQLite's write lock from its first moment.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::connection::Connection;
use crate::description::Database;
use crate::error::StoreError;
use crate::open::empty_log;

/// The most jobs of one transaction.
const BATCH: usize = 256;

/// Runs in the batch's transaction, or learns why there's none; gives what is to be done once it's
/// known what became of the transaction.
type Job = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Finish + Send>;

struct Finish {
    /// Is what the job wrote to stay?
    keep: bool,
    /// Answers whoever asked.
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// A database with a writing thread. The thread ends when this is dropped, after all that waits.
#[derive(Debug)]
pub struct Shared {
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    reader: Mutex<Connection>,
    database: &'static Database,
    file: PathBuf,
}

impl Database {
    /// Opens a file for a server of many threads.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn share(&'static self, file: &Path) -> Result<Shared, StoreError> {
        Shared::start(self.open(file)?, self.open_to_read(file)?)
    }
}

impl Shared {
    pub(crate) fn start(writing: Connection, reading: Connection) -> Result<Self, StoreError> {
        let (database, file) = (writing.database(), writing.file().to_owned());
        let (jobs, waiting) = channel();
        let writer = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || write_all(&writing, &waiting))
            .map_err(|e| database.not_durable(e.to_string()))?;
        Ok(Self {
            jobs: Some(jobs),
            writer: Some(writer),
            reader: Mutex::new(reading),
            database,
            file,
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Changes the tables; returns once the change is durable. What the job returns as an error
    /// changes nothing.
    ///
    /// # Errors
    /// The job's own, or [`StoreError`].
    pub fn write<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (send, answer) = sync_channel(1);
        let job: Job = Box::new(move |connection| {
            let result = connection.map_err(E::from).and_then(job);
            Finish {
                keep: result.is_ok(),
                answer: Box::new(move |durable| {
                    // What a job decided came from what others of its batch wrote, so its own error
                    // counts only if theirs is durable too.
                    let result = match durable {
                        Ok(()) => result,
                        Err(why) => Err(E::from(why)),
                    };
                    // Whoever asked may have gone away; it's done all the same.
                    drop(send.send(result));
                }),
            }
        });
        let closed = || StoreError::Closed {
            database: self.database.name,
        };
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.send(job).map_err(|_e| closed())?;
        answer.recv().map_err(|_e| closed())?
    }

    /// Reads the tables, as of the last durable change.
    ///
    /// # Errors
    /// The reading's own.
    pub fn read<T, E>(&self, read: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        read(&self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes the write-ahead log into the file and empties it: what was overwritten in the tables
    /// stands in neither after that. `false` if somebody is still reading an older state.
    ///
    /// # Errors
    /// [`StoreError`]; another time will do as well.
    pub fn empty_log(&self) -> Result<bool, StoreError> {
        empty_log(&self.file)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            // A panic there was printed on standard error already.
            drop(writer.join());
        }
    }
}

/// The writing thread: drains what waits into one transaction, commits, then answers.
fn write_all(connection: &Connection, waiting: &Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let mut batch = vec![first];
        batch.extend(waiting.try_iter().take(BATCH - 1));
        run_batch(connection, batch);
    }
}

fn run_batch(connection: &Connection, batch: Vec<Job>) {
    if let Err(error) = connection.start() {
        tracing::error!(%error, "{} can't be written", connection.database().name);
        for job in batch {
            (job(Err(error.clone())).answer)(Ok(()));
        }
        return;
    }
    let finishes: Vec<Finish> = batch
        .into_iter()
        .map(|job| run_one(connection, job))
        .collect();
    let durable = connection.finish().map_err(|error| {
        tracing::error!(%error, "a batch couldn't be made durable");
        connection.database().not_durable(error.reason())
    });
    for finish in finishes {
        (finish.answer)(durable.clone());
    }
}

fn run_one(connection: &Connection, job: Job) -> Finish {
    // SQLite ends a transaction by itself when the disk fails; a savepoint alone would then be a
    // transaction of its own, durable before the others are answered.
    let lost = || {
        connection
            .database()
            .not_durable("the disk failed in its transaction".into())
    };
    let entered = match connection.is_writing() {
        true => connection.run("SAVEPOINT job"),
        false => Err(lost()),
    };
    if let Err(error) = entered {
        return job(Err(error));
    }
    let finish = job(Ok(connection));
    let end = if finish.keep {
        "RELEASE job"
    } else {
        "ROLLBACK TO job; RELEASE job"
    };
    match connection.run(end) {
        Ok(()) => finish,
        Err(error) => Finish {
            keep: false,
            answer: Box::new(move |_durable| (finish.answer)(Err(error))),
        },
    }
}
