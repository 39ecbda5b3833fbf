//! Opening, writing and sharing a database, and what is refused.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod attacks;
mod opening;
mod sharing;
mod writing;

use std::path::PathBuf;

use tegata_store::Database;

pub(crate) const FILE: &str = "sample.db";

pub(crate) const FIRST: &[&str] = &[
    "CREATE TABLE entry (
       number INTEGER NOT NULL PRIMARY KEY,
       word TEXT NOT NULL UNIQUE CHECK (length(word) > 0)
     ) STRICT;
     CREATE INDEX entry_by_word ON entry (word, number);",
    "CREATE TABLE counted (number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT) STRICT;",
];
pub(crate) const SECOND: &[&str] =
    &["ALTER TABLE entry ADD COLUMN weight INTEGER NOT NULL DEFAULT 0 CHECK (weight >= 0);"];

/// The database as the first version of a program knew it.
pub(crate) static OLD: Database =
    Database::new("the sample's database", &[FIRST]).marked(0x5467_0001);
/// As it's known today.
pub(crate) static SAMPLE: Database = Database::new("the sample's database", &[FIRST, SECOND])
    .marked(0x5467_0001)
    .overwriting();

/// A folder for one database.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join(FILE)
    }
}

pub(crate) const ADD: &str = "INSERT INTO entry (number, word) VALUES ($1, $2)";
