//! The service's own database: one SQLite file, `sealing.db`.
//!
//! One thread writes (see [`Shared`]); since jobs run one after another, no key is given to two of
//! them. Other processes (`keys import`) may write too.
//!
//! All SQL stands below this module, in functions named by what they do. What is deleted is
//! overwritten.

use std::path::Path;

use tegata_protocol::Digest;
use tegata_store::{Database, Row, Shared};

pub use made::Waiting;
pub use programs::LogRow;
pub use stock::{KeyState, Kind, NewKey, StoredKey};
pub use tables::{Answered, Tables};
pub use tegata_store::StoreError;

mod made;
mod programs;
mod stock;
mod tables;

/// The file's name in the data folder.
pub const FILE: &str = "sealing.db";

static DATABASE: Database =
    Database::new("the service's database", &[&[include_str!("schema.sql")]]).overwriting();

/// The database of one service.
#[derive(Debug)]
pub struct Store(Shared);

impl Store {
    /// Opens the file, making it if it's missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        DATABASE.share(file).map(Self)
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
        self.0.write(|connection| job(&Tables::new(connection)))
    }

    /// Reads the tables, as of the last durable change.
    ///
    /// # Errors
    /// The reading's own.
    pub fn read<T, E>(&self, read: impl FnOnce(&Tables<'_>) -> Result<T, E>) -> Result<T, E> {
        self.0.read(|connection| read(&Tables::new(connection)))
    }

    /// Folds the write-ahead log into the file and empties it: what was erased from the tables
    /// stands in neither after that.
    ///
    /// # Errors
    /// [`StoreError`]; another time will do as well.
    pub fn fold(&self) -> Result<(), StoreError> {
        self.0.empty_log().map(drop)
    }
}

pub(crate) fn damaged(what: impl Into<String>) -> StoreError {
    DATABASE.damaged(what)
}

/// A number as SQLite's signed integer.
fn cell(number: u64) -> Result<i64, StoreError> {
    DATABASE.cell(number)
}

fn digest(row: &Row<'_>, column: usize) -> Result<Digest, StoreError> {
    row.get(column).map(Digest::from_bytes)
}

#[cfg(test)]
mod tests {
    use tegata_protocol::{MessageId, PartyNumber, SignedBytes};
    use tegata_store_attacks::{
        foreign_parts_are_noticed_while_open, foreign_parts_are_refused, stranger,
    };

    use super::*;

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
            Err(damaged("so"))
        });
        assert!(matches!(failed, Err(StoreError::Damaged { .. })));
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
        let change = |sql: &str| stranger(&file).execute_batch(sql).unwrap();
        change("CREATE VIEW mine AS SELECT 1");
        assert!(matches!(
            Store::open(&file),
            Err(StoreError::Foreign { .. })
        ));
        change("DROP VIEW mine; PRAGMA user_version = 2");
        let newer = Store::open(&file);
        assert!(matches!(newer, Err(StoreError::Newer { found: 2, .. })));
    }

    #[test]
    fn every_foreign_part_is_refused() {
        foreign_parts_are_refused(FILE, |folder| {
            Store::open(&folder.join(FILE))?;
            Ok(())
        });
    }

    #[test]
    fn what_is_added_while_it_is_open_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let store = Store::open(&file).unwrap();
        foreign_parts_are_noticed_while_open(&file, |n| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&n.to_be_bytes());
            Ok(store.write(move |tables| {
                let reply = SignedBytes::new(b"reply".to_vec());
                let (id, digest) = (MessageId::from_bytes(id), Digest::of(b"x"));
                tables.keep_answer(PartyNumber::CENTRE, id, digest, &reply)
            })?)
        });
    }
}
