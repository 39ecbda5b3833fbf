//! What a program says of its database: what people call it, the steps that lead to its tables, how it is
//! kept.

use std::path::Path;

use crate::error::StoreError;

/// One kind of database, described once by the program that owns it.
#[derive(Clone, Copy, Debug)]
pub struct Database {
    pub(crate) name: &'static str,
    pub(crate) application_id: i64,
    pub(crate) steps: &'static [&'static [&'static str]],
    pub(crate) overwrites: bool,
    pub(crate) cache_kib: u32,
    pub(crate) checkpoint_pages: u32,
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

    pub(crate) fn not_ours(&self, file: &Path) -> StoreError {
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
