//! Opening a database: the file's rights, SQLite's settings, the schema and its version.

use std::fs::{File, OpenOptions, Permissions, set_permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;

use crate::connection::Connection;
use crate::description::Database;
use crate::error::StoreError;

/// How long another process may hold the lock that we wait for.
const BUSY: Duration = Duration::from_secs(10);

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 64;

impl Database {
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
        let version = look(&connection)?;
        self.configure(&connection)?;
        if version < self.version() {
            self.bring_up_to_date(&connection)?;
        }
        Ok(connection)
    }

    /// Opens a file that must be there, to read only. Its version may be an older one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_to_read(&'static self, file: &Path) -> Result<Connection, StoreError> {
        let connection = self.connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let version = look(&connection)?;
        if version == 0 {
            return Err(self.not_ours(file));
        }
        Ok(connection)
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
    fn bring_up_to_date(&self, connection: &Connection) -> Result<(), StoreError> {
        connection.run("BEGIN IMMEDIATE")?;
        let brought = self.run_steps(connection);
        let end = if brought.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        let ended = connection.run(end);
        brought.and(ended)
    }

    fn run_steps(&self, connection: &Connection) -> Result<(), StoreError> {
        let found = usize::try_from(connection.compare_schema()?).unwrap_or(usize::MAX);
        for text in self.steps.iter().skip(found).copied().flatten() {
            connection.run(text)?;
        }
        connection.run(&format!(
            "PRAGMA application_id = {}; PRAGMA user_version = {};",
            self.application_id,
            self.version()
        ))?;
        connection.compare_schema().map(drop)
    }
}

/// Compares everything, in one state of the file; gives its version.
fn look(connection: &Connection) -> Result<i64, StoreError> {
    connection.freeze()?;
    let version = connection.compare_schema();
    connection.thaw()?;
    version
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
