//! Why a database can't be used. Always a fault of ours or of the disk, never of who asked.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DatabaseLocked, NotADatabase};

/// Why a database couldn't be opened, read or written. `database` is what people call it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("{database} refused")]
    Database {
        /// Which database.
        database: &'static str,
        /// What SQLite says.
        source: Arc<rusqlite::Error>,
    },
    /// Another process has held its lock for too long.
    #[error("{database} is locked by another process; try again when that one is done")]
    Locked {
        /// Which database.
        database: &'static str,
    },
    /// Something stored isn't what the program stores.
    #[error("{database} is damaged: {what}. Restore it from a backup")]
    Damaged {
        /// Which database.
        database: &'static str,
        /// What is wrong with what.
        what: String,
    },
    /// A newer program's database.
    #[error("{database} has version {found}, this program knows {known}: use the newer program")]
    Newer {
        /// Which database.
        database: &'static str,
        /// The version found.
        found: i64,
        /// The newest version that the program knows.
        known: i64,
    },
    /// The schema isn't what the program makes.
    #[error("{database} {difference}. Restore it from a backup")]
    Foreign {
        /// Which database.
        database: &'static str,
        /// What is there and shouldn't be, is missing, or reads otherwise.
        difference: String,
        /// The name of that part.
        part: String,
    },
    /// Another program's file.
    #[error("{} isn't {database}", file.display())]
    NotOurs {
        /// Which database was to be opened.
        database: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// A statement has changed another number of rows than it must. Nothing of its transaction stays.
    #[error(
        "{database} changed {changed} row(s) where a statement must change {expected}. \
         Restore it from a backup"
    )]
    Miscounted {
        /// Which database.
        database: &'static str,
        /// How many rows must change, in words.
        expected: &'static str,
        /// How many did.
        changed: usize,
    },
    /// The program itself is wrong; nothing was changed.
    #[error("{database} was misused: {why}; nothing was changed")]
    Misused {
        /// Which database.
        database: &'static str,
        /// In what way.
        why: &'static str,
    },
    /// The writing thread is gone.
    #[error("{database} is closed")]
    Closed {
        /// Which database.
        database: &'static str,
    },
    /// The disk refuses.
    #[error("{database} couldn't write: {why}")]
    NotDurable {
        /// Which database.
        database: &'static str,
        /// What the system or SQLite says.
        why: String,
    },
}

impl StoreError {
    /// What SQLite's error means.
    pub(crate) fn of_sqlite(database: &'static str, error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        if matches!(code, Some(DatabaseBusy | DatabaseLocked)) {
            Self::Locked { database }
        } else if matches!(code, Some(DatabaseCorrupt | NotADatabase)) {
            let what = error.to_string();
            Self::Damaged { database, what }
        } else {
            let source = Arc::new(error);
            Self::Database { database, source }
        }
    }

    /// What SQLite says, or else what we say.
    pub(crate) fn reason(&self) -> String {
        if let Self::Database { source, .. } = self {
            return source.to_string();
        }
        self.to_string()
    }

    /// Are the data at fault, and a backup the remedy?
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. }
            | Self::Foreign { .. }
            | Self::NotOurs { .. }
            | Self::Miscounted { .. } => true,
            Self::Database { .. }
            | Self::Locked { .. }
            | Self::Newer { .. }
            | Self::Misused { .. }
            | Self::Closed { .. }
            | Self::NotDurable { .. } => false,
        }
    }
}
