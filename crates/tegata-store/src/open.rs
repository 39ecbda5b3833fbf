//! Opening a database: the file's rights, SQLite's settings, the schema and its version.

use std::fs::{File, OpenOptions, Permissions, set_permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;

use crate::schema::{self, Part};
use crate::{Connection, Shared, StoreError};

/// How long another process may hold the lock that we wait for.
const BUSY: Duration = Duration::from_secs(10);

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 64;

/// One kind of database, described once by the program that owns it.
#[derive(Clone, Copy, Debug)]
pub struct Database {
    pub(crate) name: &'static str,
    application_id: i64,
    steps: &'static [&'static [&'static str]],
    pub(crate) overwrites: bool,
    cache_kib: u32,
    checkpoint_pages: u32,
}

impl Database {
    /// A database by what people call it (`the shop's database`) and the steps that lead to today's
    /// schema. Each step is one or more texts, runs once, in order, and is never changed
    /// afterwards; how many have run is the file's version.
    #[must_use]
    pub const fn new(name: &'static str, steps: &'static [&'static [&'static str]]) -> Self {
        Self {
            name,
            application_id: 0,
            steps,
            overwrites: false,
            cache_kib: 2_048,
            checkpoint_pages: 1_000,
        }
    }

    /// Marks its files with a number of its own.
    #[must_use]
    pub const fn marked(self, application_id: i64) -> Self {
        Self {
            application_id,
            ..self
        }
    }

    /// What is deleted from it is overwritten at once (in the file; [`Connection::empty_log`] does
    /// the rest).
    #[must_use]
    pub const fn overwriting(self) -> Self {
        Self {
            overwrites: true,
            ..self
        }
    }

    /// How much of it is kept in memory, and how long its write-ahead log may grow.
    #[must_use]
    pub const fn caching(self, cache_kib: u32, checkpoint_pages: u32) -> Self {
        Self {
            cache_kib,
            checkpoint_pages,
            ..self
        }
    }

    /// That something stored isn't what the program stores.
    #[must_use]
    pub fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::Damaged {
            database: self.name,
            what: what.into(),
        }
    }

    /// A number as SQLite's signed integer.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for one that doesn't fit.
    pub fn cell(&self, number: u64) -> Result<i64, StoreError> {
        i64::try_from(number).map_err(|_e| self.damaged("a number beyond its column"))
    }

    /// The version that a file has once all steps have run.
    #[must_use]
    pub fn version(&self) -> i64 {
        i64::try_from(self.steps.len()).unwrap_or(i64::MAX)
    }

    /// Opens a file to read and write, making it if it's missing, and brings it up to date.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(&'static self, file: &Path) -> Result<Connection, StoreError> {
        let refused = |e| self.not_durable(format!("{}: {e}", file.display()));
        let _alone = wait_alone(file).map_err(refused)?;
        make_private(file).map_err(refused)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = self.connect(file, flags)?;
        // Before anything is changed in a file that may be somebody else's.
        let version = self.look(&connection, file)?;
        self.configure(&connection)?;
        if version < self.version() {
            self.bring_up_to_date(&connection, file)?;
        }
        Ok(connection)
    }

    /// Opens a file that must be there, to read only. Its version may be an older one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_to_read(&'static self, file: &Path) -> Result<Connection, StoreError> {
        let connection = self.connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let version = self.look(&connection, file)?;
        if version == 0 {
            return Err(self.not_ours(file));
        }
        Ok(connection)
    }

    /// Opens a file for a server of many threads.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn share(&'static self, file: &Path) -> Result<Shared, StoreError> {
        Shared::start(self.open(file)?, self.open_to_read(file)?)
    }

    fn connect(&'static self, file: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sqlite = rusqlite::Connection::open_with_flags(file, flags);
        let sqlite = sqlite.and_then(harden);
        let sqlite = sqlite.map_err(|e| StoreError::of_sqlite(self.name, e))?;
        Ok(Connection::new(sqlite, self, file))
    }

    fn configure(&self, connection: &Connection) -> Result<(), StoreError> {
        let mode = connection.pragma::<String>("journal_mode = WAL")?;
        if mode != "wal" {
            let why = format!("its folder allows no write-ahead log, only {mode:?}");
            return Err(self.not_durable(why));
        }
        // Temporary tables stay in memory: they may hold what must not lie about.
        connection.run(&format!(
            "PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA secure_delete = {};
             PRAGMA cache_size = -{};
             PRAGMA wal_autocheckpoint = {};",
            i64::from(self.overwrites),
            self.cache_kib,
            self.checkpoint_pages,
        ))
    }

    /// Runs the steps that the file hasn't seen, all or none.
    fn bring_up_to_date(&self, connection: &Connection, file: &Path) -> Result<(), StoreError> {
        connection.run("BEGIN IMMEDIATE")?;
        let brought = self.run_steps(connection, file);
        let end = if brought.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        let ended = connection.run(end);
        brought.and(ended)
    }

    fn run_steps(&self, connection: &Connection, file: &Path) -> Result<(), StoreError> {
        let found = usize::try_from(self.compare(connection, file)?).unwrap_or(usize::MAX);
        for text in self.steps.iter().skip(found).copied().flatten() {
            connection.run(text)?;
        }
        connection.run(&format!(
            "PRAGMA application_id = {}; PRAGMA user_version = {};",
            self.application_id,
            self.version()
        ))?;
        self.compare(connection, file).map(drop)
    }

    /// Compares everything, in one state of the file; gives its version.
    fn look(&self, connection: &Connection, file: &Path) -> Result<i64, StoreError> {
        connection.freeze()?;
        let version = self.compare(connection, file);
        connection.thaw()?;
        version
    }

    /// Compares marks and schema, inside a transaction; gives the version. That the schema is good
    /// counts until SQLite's counter of schema changes moves.
    pub(crate) fn compare(&self, connection: &Connection, file: &Path) -> Result<i64, StoreError> {
        let version = self.check_marks(connection, file)?;
        let failed = |e| StoreError::of_sqlite(self.name, e);
        let found = schema::parts(connection.sqlite()).map_err(failed)?;
        if version == 0 && !found.is_empty() {
            return Err(self.not_ours(file));
        }
        let made = self.made(version).map_err(failed)?;
        if let Some(difference) = schema::compare(&found, &made) {
            return Err(StoreError::Foreign {
                database: self.name,
                difference: difference.text,
                part: difference.part,
            });
        }
        connection.schema_is_good(connection.pragma("schema_version")?);
        Ok(version)
    }

    /// The schema of a version.
    fn made(&self, version: i64) -> rusqlite::Result<Vec<Part>> {
        let steps = usize::try_from(version).unwrap_or(0);
        schema::made_by(self.steps.get(..steps).unwrap_or(self.steps))
    }

    /// The version; an error if the file is another program's or a newer program's.
    fn check_marks(&self, connection: &Connection, file: &Path) -> Result<i64, StoreError> {
        let application_id: i64 = connection.pragma("application_id")?;
        let version: i64 = connection.pragma("user_version")?;
        let fresh = (application_id, version) == (0, 0);
        if !fresh && (application_id != self.application_id || version < 0) {
            return Err(self.not_ours(file));
        }
        if version > self.version() {
            return Err(StoreError::Newer {
                database: self.name,
                found: version,
                known: self.version(),
            });
        }
        Ok(version)
    }

    fn not_ours(&self, file: &Path) -> StoreError {
        StoreError::NotOurs {
            database: self.name,
            file: file.to_owned(),
        }
    }

    pub(crate) fn not_durable(&self, why: String) -> StoreError {
        StoreError::NotDurable {
            database: self.name,
            why,
        }
    }
}

/// What each connection is told before it reads the first page: to run nothing and to believe
/// nothing that stands in the file.
fn harden(sqlite: rusqlite::Connection) -> rusqlite::Result<rusqlite::Connection> {
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        sqlite.set_db_config(setting, on)?;
    }
    sqlite.busy_timeout(BUSY)?;
    sqlite.execute_batch("PRAGMA cell_size_check = ON")?;
    sqlite.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(sqlite)
}

/// Waits until nobody else of ours opens a database in that folder: while a new file gets its
/// write-ahead log, SQLite turns others away instead of letting them wait.
fn wait_alone(file: &Path) -> std::io::Result<File> {
    let folder = file.parent().filter(|folder| folder.is_dir());
    let folder = File::open(folder.unwrap_or(Path::new(".")))?;
    folder.lock()?;
    Ok(folder)
}

/// Nobody but the owner reads the database; SQLite gives the files beside it the same rights.
fn make_private(file: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(file);
    match made {
        // Not opened: closing it again would take away the locks that this process has on it.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            set_permissions(file, Permissions::from_mode(0o600))
        }
        made => made.map(drop),
    }
}

/// Takes what was overwritten out of the write-ahead log too, on a connection of its own, whoever's
/// database it is. `false` if somebody is still reading an older state: call it again.
///
/// # Errors
/// [`StoreError`].
pub fn empty_log(file: &Path) -> Result<bool, StoreError> {
    static ANY: Database = Database::new("the database", &[]);
    let connection = ANY.connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.empty_log()
}

#[cfg(test)]
mod tests {
    use super::*;

    static PLAIN: Database = Database::new(
        "the entries",
        &[&["CREATE TABLE entry (number INTEGER) STRICT"]],
    );
    static ERASING: Database = PLAIN.overwriting().caching(4_096, 9);

    fn settings(connection: &Connection) -> Vec<String> {
        let pragma = |name: &&str| match connection.pragma::<i64>(name) {
            Ok(number) => format!("{name} {number}"),
            Err(_) => format!("{name} {}", connection.pragma::<String>(name).unwrap()),
        };
        let names = [
            "journal_mode",
            "synchronous",
            "foreign_keys",
            "trusted_schema",
            "cell_size_check",
            "temp_store",
            "secure_delete",
            "cache_size",
            "wal_autocheckpoint",
            "busy_timeout",
        ];
        let mut settings: Vec<String> = names.iter().map(pragma).collect();
        for (setting, name) in [
            (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, "triggers"),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, "views"),
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, "defensive"),
            (
                DbConfig::SQLITE_DBCONFIG_DQS_DML,
                "strings in quotation marks",
            ),
        ] {
            let on = connection.sqlite().db_config(setting).unwrap();
            settings.push(format!("{name} {on}"));
        }
        settings
    }

    #[test]
    fn every_connection_is_set_alike() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("entries.db");
        let writing = PLAIN.open(&file).unwrap();
        let expected = [
            "journal_mode wal",
            "synchronous 2",
            "foreign_keys 1",
            "trusted_schema 0",
            "cell_size_check 1",
            "temp_store 2",
            "secure_delete 0",
            "cache_size -2048",
            "wal_autocheckpoint 1000",
            "busy_timeout 10000",
            "triggers false",
            "views false",
            "defensive true",
            "strings in quotation marks false",
        ];
        assert_eq!(settings(&writing), expected);
        let erasing = settings(&ERASING.open(&file).unwrap());
        assert_eq!(
            erasing[6..9],
            [
                "secure_delete 1",
                "cache_size -4096",
                "wal_autocheckpoint 9"
            ]
        );
        let reading = settings(&PLAIN.open_to_read(&file).unwrap());
        assert_eq!(reading[3..5], expected[3..5]);
        assert_eq!(reading[9..], expected[9..]);
    }
}
