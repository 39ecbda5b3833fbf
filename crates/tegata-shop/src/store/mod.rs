//! The shop's own database: one SQLite file, `shop.db`.
//!
//! One thread writes. It takes all jobs that wait, runs each in a savepoint of one transaction, and
//! answers them after that transaction is durable: two hundred buyers at once cost a few syncs, and
//! since jobs run one after another, what one decided the next one sees. That's why the quota can't
//! be oversold. Other processes (`check-data`, `cancel`) may write too: each transaction takes
//! SQLite's write lock from its first moment.
//!
//! All SQL stands below this module, in functions named by what they do.

use std::fs::{OpenOptions, Permissions, set_permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

pub use goods::{Event, GoodsOrder, KeepForm, NewOrder, OrderState, SoldLine, StepError};
pub use sale::{NewSale, Sale, SaleState};
pub use series::{SeriesRow, Stock, TicketRow};
pub use tables::{Answered, Place, Tables};

mod goods;
mod sale;
mod series;
mod tables;

/// The file's name in the data folder.
pub const FILE: &str = "shop.db";

/// What each version adds to the one before.
const SCHEMAS: [&[&str]; 2] = [
    &[include_str!("schema.sql")],
    &[include_str!("goods.sql"), tegata_orders::SCHEMA],
];
/// `PRAGMA user_version` of the newest schema.
const VERSION: i64 = 2;
/// The most jobs of one transaction.
const BATCH: usize = 256;
/// How long another process may hold the write lock.
const BUSY: Duration = Duration::from_secs(10);

/// Why the store couldn't do it. Always a fault of ours, never the customer's.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error("the shop's database refused")]
    Database(#[from] rusqlite::Error),
    /// Something stored isn't what this program stores.
    #[error("the shop's database is damaged: {0}. Restore it from a backup")]
    Damaged(String),
    /// A newer program's database.
    #[error(
        "the shop's database has version {found}, this program knows {VERSION}: use the newer program"
    )]
    Newer {
        /// The version found.
        found: i64,
    },
    /// The writing thread is gone.
    #[error("the shop's database is closed")]
    Closed,
    /// A whole batch couldn't be made durable.
    #[error("the shop's database couldn't write: {0}")]
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

/// The database of one shop.
#[derive(Debug)]
pub struct Store {
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    reader: Mutex<Connection>,
    file: PathBuf,
}

impl Store {
    /// Opens the file, making it if it's missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        make_private(file)?;
        let writing = Connection::open(file)?;
        prepare(&writing)?;
        migrate(&writing)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reading = Connection::open_with_flags(file, flags)?;
        reading.busy_timeout(BUSY)?;
        let (jobs, waiting) = channel();
        let writer = std::thread::Builder::new()
            .name("shop-store".into())
            .spawn(move || write_all(writing, &waiting))
            .map_err(|e| StoreError::NotDurable(e.to_string()))?;
        Ok(Self {
            jobs: Some(jobs),
            writer: Some(writer),
            reader: Mutex::new(reading),
            file: file.to_owned(),
        })
    }

    /// Where it lies.
    pub fn file(&self) -> &Path {
        &self.file
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

/// Nobody but the owner reads the database; SQLite gives the files beside it the same rights.
fn make_private(file: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(file);
    let done = match made {
        // Not opened: closing it again would take SQLite's locks away.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            set_permissions(file, Permissions::from_mode(0o600))
        }
        made => made.map(drop),
    };
    done.map_err(|e| StoreError::NotDurable(format!("{}: {e}", file.display())))
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(())
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings an older file up to this program's schema. Two programs may try at once.
fn migrate(connection: &Connection) -> Result<(), StoreError> {
    match version(connection)? {
        VERSION => return Ok(()),
        found if found > VERSION => return Err(StoreError::Newer { found }),
        _ => {}
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let known = usize::try_from(version(connection)?).unwrap_or(usize::MAX);
    for schema in SCHEMAS.into_iter().skip(known).flatten() {
        connection.execute_batch(schema)?;
    }
    connection.pragma_update(None, "user_version", VERSION)?;
    Ok(connection.execute_batch("COMMIT")?)
}

/// The writing thread: drains what waits into one transaction, commits, then answers.
fn write_all(connection: Connection, waiting: &Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let mut batch = vec![first];
        batch.extend(waiting.try_iter().take(BATCH - 1));
        run_batch(&connection, batch);
    }
}

fn run_batch(connection: &Connection, batch: Vec<Job>) {
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        tracing::error!(%error, "the shop's database can't be written");
        // Dropped jobs tell their askers that the store is closed.
        return;
    }
    let finishes: Vec<Finish> = batch
        .into_iter()
        .map(|job| run_one(connection, job))
        .collect();
    let durable = connection
        .execute_batch("COMMIT")
        .map_err(|e| e.to_string());
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
