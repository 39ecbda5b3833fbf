//! The card-key server's database: one SQLite file, `card-keys.db`, that holds no key.
//!
//! Each function below that changes something is given a transaction by [`Store::write`], so that a
//! decision and what follows from it are durable together or not at all. What a job promises to
//! anybody (`Ordered`, `Settled`) it promises after that.
//!
//! All SQL stands below this module, in functions named by what they do.

use std::path::Path;

use tegata_store::{Connection, Database};

pub use cards::{CardRecord, CardState, Versions};
pub use evidence::{Evidence, Reason};
pub use orders::{MoneyOrder, OrderState};
pub use tegata_store::StoreError;

mod cards;
mod evidence;
mod orders;

/// The file's name in the data folder.
pub const FILE: &str = "card-keys.db";

const FIRST: &str = include_str!("schema.sql");
const SECOND: &str = include_str!("schema_2.sql");

static DATABASE: Database = Database::new("the card-key server's database", &[&[FIRST], &[SECOND]]);

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
        let connection = DATABASE.open(file)?;
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
        self.connection
            .write(|connection| change(&Tables { connection }))
    }

    /// The tables, for reading.
    #[must_use]
    pub const fn read(&self) -> Tables<'_> {
        Tables {
            connection: &self.connection,
        }
    }
}

/// That something stored isn't what this program stores.
pub(crate) fn damaged(what: &str) -> StoreError {
    DATABASE.damaged(what)
}

#[cfg(test)]
mod tests {
    use tegata_card::command::Limits;
    use tegata_card::keys::Csn;
    use tegata_store_attacks::{
        foreign_parts_are_noticed_while_open, foreign_parts_are_refused, stranger,
    };

    use super::*;

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
        let mut store = Store::open(&file).unwrap();
        let limits = Limits {
            currency: *b"JPY",
            balance: 50_000,
            debit: 8_000,
            offline: 0,
        };
        foreign_parts_are_noticed_while_open(&file, |n| {
            let mut csn = [7; 10];
            csn[..4].copy_from_slice(&n.to_be_bytes());
            let card = CardRecord::new(Csn::new(csn), limits);
            Ok(store.write(|tables| tables.keep_card(&card))?)
        });
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
        change("DROP VIEW mine; PRAGMA user_version = 3");
        let newer = Store::open(&file);
        assert!(matches!(newer, Err(StoreError::Newer { found: 3, .. })));
    }

    #[test]
    fn a_database_of_the_first_version_is_brought_up_to_date_and_keeps_its_cards() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let old = stranger(&file);
        old.execute_batch(FIRST).unwrap();
        old.execute_batch(
            "INSERT INTO card VALUES (x'07010203040506070809', 'active', 0, 1, 7, 900, 'JPY',
               50000, 8000, 0, 1, 0, 2, 3, 1, 0);
             PRAGMA user_version = 1",
        )
        .unwrap();
        drop(old);
        for _ in 0..2 {
            let store = Store::open(&file).unwrap();
            assert_eq!(store.connection.version().unwrap(), 2);
            let card = store.read().cards().unwrap().remove(0);
            assert_eq!((card.counter, card.balance, card.look), (7, 900, true));
            assert_eq!((card.admin.next, card.next_sequence), (Some(3), 0));
        }
        // Made new, it's the same.
        let tables = |file: &Path| -> Vec<String> {
            let connection = stranger(file);
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
