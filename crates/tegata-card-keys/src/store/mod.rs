//! The card-key server's database: one SQLite file, `card-keys.db`, that holds no key.
//!
//! Each function below that changes something is given a transaction by [`Store::write`], so that a
//! decision and what follows from it are durable together or not at all. What a job promises to
//! anybody (`Ordered`, `Settled`) it promises after that.
//!
//! All SQL stands below this module, in functions named by what they do.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

pub use cards::{CardRecord, CardState, Versions};
pub use evidence::{Evidence, Reason};
pub use orders::{MoneyOrder, OrderState};

mod cards;
mod evidence;
mod orders;

/// The file's name in the data folder.
pub const FILE: &str = "card-keys.db";

/// What brings a file from each version to the next; none is ever changed.
const MIGRATIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema_2.sql")];
/// `PRAGMA user_version` of the newest schema: as many as there are migrations.
const VERSION: i64 = 2;
/// How long another process (`deny`) may hold the write lock.
const BUSY: Duration = Duration::from_secs(10);

/// Why the store couldn't do it. Always a fault of ours, never the card's.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error("the card-key server's database refused")]
    Database(#[from] rusqlite::Error),
    /// Something stored isn't what this program stores.
    #[error("the card-key server's database is damaged: {0}. Restore it from a backup")]
    Damaged(&'static str),
    /// A newer program's database.
    #[error(
        "the card-key server's database has version {found}, this program knows {VERSION}: use the newer program"
    )]
    Newer {
        /// The version found.
        found: i64,
    },
    /// The database brings triggers or views of its own.
    #[error(
        "the card-key server's database has parts that this program never makes. Restore it from a backup"
    )]
    Foreign,
}

/// The database of one card-key server.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

/// The tables as one transaction or one reader sees them.
#[derive(Debug)]
pub struct Tables<'a> {
    connection: &'a Connection,
}

impl Store {
    /// Opens the file, making it if it's missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrate(&connection)?;
        Ok(Self { connection })
    }

    /// Changes the tables in one transaction, durable when this returns. What `change` returns as
    /// an error changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write<T>(
        &mut self,
        change: impl FnOnce(&Tables<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begin = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(begin)?;
        let value = change(&Tables {
            connection: &transaction,
        })?;
        transaction.commit()?;
        Ok(value)
    }

    /// The tables, for reading.
    #[must_use]
    pub const fn read(&self) -> Tables<'_> {
        Tables {
            connection: &self.connection,
        }
    }
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
        let found = usize::try_from(version(connection)?);
        let found = found.map_err(|_e| StoreError::Damaged("its version"))?;
        for migration in MIGRATIONS.iter().skip(found) {
            connection.execute_batch(migration)?;
        }
        connection.pragma_update(None, "user_version", VERSION)?;
        connection.execute_batch("COMMIT")?;
    }
    let sql = "SELECT count(*) FROM sqlite_master WHERE type IN ('trigger', 'view')";
    match connection.query_row(sql, [], |row| row.get::<_, i64>(0))? {
        0 => Ok(()),
        _ => Err(StoreError::Foreign),
    }
}

/// A column's bytes as an array.
fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    let array = <[u8; N]>::try_from(bytes);
    array.map_err(|_e| StoreError::Damaged("a column of another length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_of_newer_programs_and_with_foreign_parts_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        drop(Store::open(&file).unwrap());
        let change = |sql: &str| Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        change("CREATE VIEW mine AS SELECT 1");
        assert!(matches!(Store::open(&file), Err(StoreError::Foreign)));
        change("DROP VIEW mine; PRAGMA user_version = 3");
        let newer = Store::open(&file);
        assert!(matches!(newer, Err(StoreError::Newer { found: 3 })));
    }

    #[test]
    fn a_database_of_the_first_version_is_brought_up_to_date_and_keeps_its_cards() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let old = Connection::open(&file).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute_batch(
            "INSERT INTO card VALUES (x'07010203040506070809', 'active', 0, 1, 7, 900, 'JPY',
               50000, 8000, 0, 1, 0, 2, 3, 1, 0);
             PRAGMA user_version = 1",
        )
        .unwrap();
        drop(old);
        for _ in 0..2 {
            let store = Store::open(&file).unwrap();
            assert_eq!(version(&store.connection).unwrap(), VERSION);
            let card = store.read().cards().unwrap().remove(0);
            assert_eq!((card.counter, card.balance, card.look), (7, 900, true));
            assert_eq!((card.admin.next, card.next_sequence), (Some(3), 0));
        }
        assert_eq!(i64::try_from(MIGRATIONS.len()), Ok(VERSION));
        // Made new, it's the same.
        let tables = |file: &Path| -> Vec<String> {
            let connection = Connection::open(file).unwrap();
            let sql = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name";
            let mut query = connection.prepare(sql).unwrap();
            let rows = query.query_map([], |row| row.get(0)).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        };
        let new = folder.path().join("new.db");
        drop(Store::open(&new).unwrap());
        assert_eq!(tables(&file), tables(&new));
    }
}
