//! The service's own database: one SQLite file, `sealing.db`.
//!
//! One thread writes. It takes all jobs that wait, runs each in a savepoint of one transaction, and
//! answers them after that transaction is durable: two hundred customers at once cost a few syncs,
//! and since jobs run one after another, no key is given to two of them. Other processes (`keys
//! import`) may write too: each transaction takes SQLite's write lock from its first moment.
//!
//! All SQL stands below this module, in functions named by what they do. What is deleted is
//! overwritten (`secure_delete`).

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tegata_protocol::Digest;

pub use made::Waiting;
pub use programs::LogRow;
pub use stock::{KeyState, Kind, NewKey, StoredKey};
pub use tables::{Answered, Tables};

mod made;
mod programs;
mod stock;
mod tables;

/// The file's name in the data folder.
pub const FILE: &str = "sealing.db";

const SCHEMA: &str = include_str!("schema.sql");
/// `PRAGMA user_version` of the newest schema.
const VERSION: i64 = 1;
/// The most jobs of one transaction.
const BATCH: usize = 256;
/// How long another process may hold the write lock.
const BUSY: Duration = Duration::from_secs(10);

/// Why the store couldn't do it. Always a fault of ours, never the customer's.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error("the service's database refused")]
    Database(#[from] rusqlite::Error),
    /// Something stored isn't what this program stores.
    #[error("the service's database is damaged: {0}. Restore it from a backup")]
    Damaged(String),
    /// A newer program's database.
    #[error(
        "the service's database has version {found}, this program knows {VERSION}: use the newer program"
    )]
    Newer {
        /// The version found.
        found: i64,
    },
    /// The database brings triggers or views of its own.
    #[error(
        "the service's database has parts that this program never makes. Restore it from a backup"
    )]
    Foreign,
    /// The writing thread is gone.
    #[error("the service's database is closed")]
    Closed,
    /// A whole batch couldn't be made durable.
    #[error("the service's database couldn't write: {0}")]
    NotDurable(String),
}

impl StoreError {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}

/// Runs in the batch's transaction; gives what is to be done once that is durable.
type Job = Box<dyn FnOnce(&Connection) -> Finish + Send>;

struct Finish {
    keep: bool,
    tell: Box<dyn FnOnce(Result<(), String>) + Send>,
}

/// The database of one service.
#[derive(Debug)]
pub struct Store {
    file: PathBuf,
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    reader: Mutex<Connection>,
}

impl Store {
    /// Opens the file, making it if it's missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let writing = Connection::open(file)?;
        prepare(&writing)?;
        migrate(&writing)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reading = Connection::open_with_flags(file, flags)?;
        reading.busy_timeout(BUSY)?;
        let (jobs, waiting) = channel();
        let writer = std::thread::Builder::new()
            .name("sealing-store".into())
            .spawn(move || write_all(&writing, &waiting))
            .map_err(|e| StoreError::NotDurable(e.to_string()))?;
        Ok(Self {
            file: file.to_owned(),
            jobs: Some(jobs),
            writer: Some(writer),
            reader: Mutex::new(reading),
        })
    }

    /// Changes the tables; returns once the change is durable. What the job returns as an error
    /// changes nothing.
    ///
    /// # Errors
    /// The job's own, or [`StoreError`] as `E` when the disk refuses.
    pub fn write<T, E>(
        &self,
        job: impl FnOnce(&Tables<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (tell, told) = sync_channel(1);
        let job: Job = Box::new(move |connection| {
            let result = job(&Tables::new(connection));
            Finish {
                keep: result.is_ok(),
                tell: Box::new(move |durable| {
                    let result = match durable {
                        Ok(()) => result,
                        Err(why) => Err(StoreError::NotDurable(why).into()),
                    };
                    // The one who asked may have gone away; it's done all the same.
                    drop(tell.send(result));
                }),
            }
        });
        let sender = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        sender.send(job).map_err(|_e| StoreError::Closed)?;
        told.recv().map_err(|_e| StoreError::Closed)?
    }

    /// Reads the tables, as of the last durable change.
    ///
    /// # Errors
    /// The reading's own.
    pub fn read<T, E>(&self, read: impl FnOnce(&Tables<'_>) -> Result<T, E>) -> Result<T, E> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        read(&Tables::new(&reader))
    }

    /// Folds the write-ahead log into the file and empties it: what was erased from the tables
    /// stands in neither after that.
    ///
    /// # Errors
    /// [`StoreError`]; another time will do as well.
    pub fn fold(&self) -> Result<(), StoreError> {
        let connection = Connection::open(&self.file)?;
        connection.busy_timeout(BUSY)?;
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        connection.query_row(sql, [], |_row| Ok(()))?;
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            // A panic there was told on standard error already.
            drop(writer.join());
        }
    }
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings an older file up to this program's schema. Two programs may try at once.
fn migrate(connection: &Connection) -> Result<(), StoreError> {
    let found = version(connection)?;
    if found > VERSION {
        return Err(StoreError::Newer { found });
    }
    if found < VERSION {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        if version(connection)? == 0 {
            connection.execute_batch(SCHEMA)?;
            connection.pragma_update(None, "user_version", VERSION)?;
        }
        connection.execute_batch("COMMIT")?;
    }
    let sql = "SELECT count(*) FROM sqlite_master WHERE type IN ('trigger', 'view')";
    match connection.query_row(sql, [], |row| row.get::<_, i64>(0))? {
        0 => Ok(()),
        _ => Err(StoreError::Foreign),
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
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        tracing::error!(%error, "the service's database can't be written");
        // Dropped jobs tell their askers that the store is closed.
        return;
    }
    let finishes: Vec<Finish> = batch
        .into_iter()
        .map(|job| run_one(connection, job))
        .collect();
    let durable = connection.execute_batch("COMMIT");
    let durable = durable.map_err(|e| e.to_string());
    if let Err(error) = &durable {
        tracing::error!(error, "a batch couldn't be made durable");
        drop(connection.execute_batch("ROLLBACK"));
    }
    for finish in finishes {
        (finish.tell)(durable.clone());
    }
}

fn run_one(connection: &Connection, job: Job) -> Finish {
    let entered = connection.execute_batch("SAVEPOINT job");
    let finish = job(connection);
    let end = if finish.keep && entered.is_ok() {
        "RELEASE job"
    } else {
        "ROLLBACK TO job; RELEASE job"
    };
    match entered.and_then(|()| connection.execute_batch(end)) {
        Ok(()) => finish,
        Err(error) => {
            let why = error.to_string();
            let tell = finish.tell;
            Finish {
                keep: false,
                tell: Box::new(move |_durable| tell(Err(why))),
            }
        }
    }
}

/// A number as SQLite's signed integer.
fn cell(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_e| StoreError::damaged("a number beyond its column"))
}

/// SQLite's integer as a number.
fn number(cell: i64) -> Result<u64, StoreError> {
    u64::try_from(cell).map_err(|_e| StoreError::damaged("a negative number"))
}

fn digest_of(bytes: &[u8]) -> Result<Digest, StoreError> {
    Digest::from_slice(bytes).ok_or_else(|| StoreError::damaged("a digest not of 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tegata_protocol::{MessageId, PartyNumber, SignedBytes};

    #[test]
    fn a_job_that_fails_changes_nothing_and_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join(FILE)).unwrap();
        let keep = |tables: &Tables<'_>, n| {
            let (id, digest) = (MessageId::from_bytes([n; 16]), Digest::of(b"x"));
            let reply = SignedBytes::new(b"reply".to_vec());
            tables.keep_answer(PartyNumber::CENTRE, id, digest, &reply)
        };
        let failed: Result<(), StoreError> = store.write(move |tables| {
            keep(tables, 1)?;
            Err(StoreError::damaged("so"))
        });
        assert!(matches!(failed, Err(StoreError::Damaged(_))));
        store.write(move |tables| keep(tables, 2)).unwrap();
        let known = |n| {
            let id = MessageId::from_bytes([n; 16]);
            let found = store.read(|tables| tables.answered(PartyNumber::CENTRE, id));
            found.unwrap().is_some()
        };
        assert_eq!((known(1), known(2)), (false, true));
    }

    #[test]
    fn databases_of_newer_programs_and_with_foreign_parts_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        drop(Store::open(&file).unwrap());
        let change = |sql: &str| Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        change("CREATE VIEW mine AS SELECT 1");
        assert!(matches!(Store::open(&file), Err(StoreError::Foreign)));
        change("DROP VIEW mine; PRAGMA user_version = 2");
        let newer = Store::open(&file);
        assert!(matches!(newer, Err(StoreError::Newer { found: 2 })));
    }
}
