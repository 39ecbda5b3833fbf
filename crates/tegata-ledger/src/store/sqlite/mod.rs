//! The book in one SQLite file: WAL, `synchronous=FULL`, one writer, as many readers as wanted.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{Reader, Store, StoreError, Writer};

mod cells;
mod lookup;
mod reader;
mod rows;
mod writer;

use reader::SqliteReader;
use writer::SqliteWriter;

/// Marks the file as ours: "TgLd".
const APPLICATION_ID: i64 = 0x5467_4c64;

/// The steps that lead to today's schema, each run once, in order, never changed afterwards.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("cards.sql")];

/// The book in a SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the file, or makes it, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`]: another kind of file, a newer schema, or what the database says.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path).map_err(failed("open"))?;
        configure(&connection)?;
        migrate(&mut connection, path)?;
        check_schema(&connection)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Opens a file that must be there, for reading only: nothing is changed, not even its schema.
    ///
    /// # Errors
    /// [`StoreError`]: no such file, another kind of file, another schema.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(failed("open"))?;
        let version = check_version(&connection, path)?;
        if version != known_version() {
            let path = path.display().to_string();
            return Err(StoreError::NotALedger { path });
        }
        check_schema(&connection)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }
}

impl Store for SqliteStore {
    fn writer(&self, committer: u16) -> Result<Box<dyn Writer>, StoreError> {
        let connection = Connection::open(&self.path).map_err(failed("open"))?;
        configure(&connection)?;
        Ok(Box::new(SqliteWriter::new(connection, committer)))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&self.path, flags).map_err(failed("open a reader"))?;
        connection
            .busy_timeout(BUSY_TIMEOUT)
            .map_err(failed("set the time-out"))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Box::new(SqliteReader::new(connection)))
    }

    fn check(&self) -> Result<(), StoreError> {
        Self::open_existing(&self.path)?;
        let connection = Connection::open(&self.path).map_err(failed("open"))?;
        configure(&connection)?;
        // The schema's version as it stands, written anew: a commit as durable as a batch's.
        let again = format!(
            "BEGIN IMMEDIATE; PRAGMA user_version = {}; COMMIT",
            known_version()
        );
        connection
            .execute_batch(&again)
            .map_err(failed("write for a check"))
    }
}

const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Makes commits durable, and the cache large enough for a busy centre.
fn configure(connection: &Connection) -> Result<(), StoreError> {
    let settings = "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 8000;
         PRAGMA cache_size = -131072;
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;";
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(failed("set the time-out"))?;
    connection
        .execute_batch(settings)
        .map_err(failed("configure"))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The schema's version; an error if the file is another program's or a newer program's.
fn check_version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let pragma = |name: &str| {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            .map_err(failed("read the schema's version"))
    };
    let (application, found) = (pragma("application_id")?, pragma("user_version")?);
    let shown = || path.display().to_string();
    let fresh = application == 0 && found == 0;
    if application != APPLICATION_ID && !fresh {
        return Err(StoreError::NotALedger { path: shown() });
    }
    if found > known_version() {
        return Err(StoreError::Newer {
            path: shown(),
            found,
            known: known_version(),
        });
    }
    Ok(found)
}

/// Runs the migrations that the file hasn't seen, all or none.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed("begin a migration"))?;
    let version = check_version(&transaction, path)?;
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = transaction
        .query_row(tables, [], |row| row.get(0))
        .map_err(failed("read the schema"))?;
    if version == 0 && tables > 0 {
        let path = path.display().to_string();
        return Err(StoreError::NotALedger { path });
    }
    for step in MIGRATIONS
        .iter()
        .skip(usize::try_from(version).unwrap_or(0))
    {
        transaction.execute_batch(step).map_err(failed("migrate"))?;
    }
    let marks = format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}",
        known_version()
    );
    transaction
        .execute_batch(&marks)
        .map_err(failed("mark the schema"))?;
    transaction.commit().map_err(failed("commit a migration"))
}

/// Tables, indices and nothing else: a trigger that somebody put in would write what no evidence
/// asks for, a missing index would let in what must be unique.
fn check_schema(connection: &Connection) -> Result<(), StoreError> {
    let right = Connection::open_in_memory().map_err(failed("open in memory"))?;
    for step in MIGRATIONS {
        right.execute_batch(step).map_err(failed("migrate"))?;
    }
    let (found, right) = (schema_of(connection)?, schema_of(&right)?);
    let differs = |name: &&String| found.get(*name) != right.get(*name);
    match found.keys().chain(right.keys()).find(differs) {
        Some(name) => Err(StoreError::Damaged {
            table: "sqlite_schema",
            row: name.clone(),
            what: "not what this program makes".to_owned(),
        }),
        None => Ok(()),
    }
}

/// What the database consists of, by name; what SQLite keeps for itself is left out.
fn schema_of(connection: &Connection) -> Result<BTreeMap<String, String>, StoreError> {
    let reading = failed("read the schema");
    let sql = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql).map_err(&reading)?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(&reading)?;
    rows.collect::<Result<_, _>>().map_err(&reading)
}

/// Wraps the database's error with what was being done.
pub(super) fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Database {
        doing,
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_durable() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("ledger.sqlite")).unwrap();
        configure(&connection).unwrap();
        let pragma = |name| {
            connection
                .query_row(&format!("PRAGMA {name}"), [], |row| {
                    row.get::<_, rusqlite::types::Value>(0)
                })
                .unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
        assert_eq!(pragma("synchronous"), 2.into(), "2 is FULL");
    }
}
