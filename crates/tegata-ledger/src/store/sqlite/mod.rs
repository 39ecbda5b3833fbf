//! The book in one SQLite file: one writer, as many readers as wanted.

use std::path::{Path, PathBuf};

use tegata_store::{Database, StoreError as FileError};

use super::{Reader, Store, StoreError, Writer};

mod cells;
mod lookup;
mod reader;
mod rows;
mod writer;

use reader::SqliteReader;
use writer::SqliteWriter;

/// The book's file; the mark is "TgLd". Its cache is large enough for a busy centre.
static DATABASE: Database = Database::new(
    "the book",
    &[&[include_str!("schema.sql")], &[include_str!("cards.sql")]],
)
.marked(0x5467_4c64)
.caching(131_072, 8_000);

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
        DATABASE.open(path).map_err(not_opened(path))?;
        let path = path.to_owned();
        Ok(Self { path })
    }

    /// Opens a file that must be there, for reading only: nothing is changed, not even its schema.
    ///
    /// # Errors
    /// [`StoreError`]: no such file, another kind of file, another schema.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let connection = DATABASE.open_to_read(path).map_err(not_opened(path))?;
        let version = connection.version().map_err(not_opened(path))?;
        let path = path.to_owned();
        if version != DATABASE.version() {
            let path = path.display().to_string();
            return Err(StoreError::NotALedger { path });
        }
        Ok(Self { path })
    }
}

impl Store for SqliteStore {
    fn writer(&self, committer: u16) -> Result<Box<dyn Writer>, StoreError> {
        let connection = DATABASE.open(&self.path).map_err(not_opened(&self.path))?;
        Ok(Box::new(SqliteWriter::new(connection, committer)))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        let connection = DATABASE.open_to_read(&self.path);
        let connection = connection.map_err(not_opened(&self.path))?;
        Ok(Box::new(SqliteReader::new(connection)))
    }

    fn check(&self) -> Result<(), StoreError> {
        Self::open_existing(&self.path)?;
        let mut connection = DATABASE.open(&self.path).map_err(not_opened(&self.path))?;
        let written = connection.write_version_again();
        written.map_err(failed("write for a check"))
    }
}

/// Why the file couldn't be opened.
fn not_opened(path: &Path) -> impl Fn(FileError) -> StoreError {
    let path = path.display().to_string();
    move |error| {
        let path = path.clone();
        match error {
            FileError::NotOurs { .. } => StoreError::NotALedger { path },
            FileError::Newer { found, known, .. } => StoreError::Newer { path, found, known },
            other @ (FileError::Database { .. }
            | FileError::Locked { .. }
            | FileError::Damaged { .. }
            | FileError::Foreign { .. }
            | FileError::Miscounted { .. }
            | FileError::Misused { .. }
            | FileError::Closed { .. }
            | FileError::NotDurable { .. }) => failed("open")(other),
        }
    }
}

/// Wraps the database's error with what was being done.
fn failed(doing: &'static str) -> impl Fn(FileError) -> StoreError {
    move |error| match error {
        // A trigger that somebody put in would write what no evidence asks for, a missing index
        // would let in what must be unique.
        FileError::Foreign {
            part, difference, ..
        } => StoreError::Damaged {
            table: "sqlite_schema",
            row: part,
            what: format!("the file {difference}"),
        },
        FileError::Miscounted { .. } => StoreError::Again,
        other @ (FileError::Database { .. }
        | FileError::Locked { .. }
        | FileError::Damaged { .. }
        | FileError::Newer { .. }
        | FileError::NotOurs { .. }
        | FileError::Misused { .. }
        | FileError::Closed { .. }
        | FileError::NotDurable { .. }) => StoreError::Database {
            doing,
            source: Box::new(other),
        },
    }
}
