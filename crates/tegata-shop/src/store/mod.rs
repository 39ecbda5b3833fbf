//! The shop's own database: one SQLite file, `shop.db`.
//!
//! One thread writes (see [`Shared`]); since jobs run one after another, what one decided the next
//! one sees. That's why the quota can't be oversold. Other processes (`check-data`, `cancel`) may
//! write too.
//!
//! All SQL stands below this module, in functions named by what they do.

use std::path::Path;

use tegata_store::{Database, Shared};

pub use goods::{Event, GoodsOrder, KeepForm, NewOrder, OrderState, SoldLine, StepError};
pub use sale::{NewSale, Sale, SaleState};
pub use series::{SeriesRow, Stock, TicketRow};
pub use tables::{Answered, Place, Tables};
pub use tegata_store::StoreError;

mod goods;
mod sale;
mod series;
mod tables;

/// The file's name in the data folder.
pub const FILE: &str = "shop.db";

/// What was inside sealed orders must not lie about once it's erased.
static DATABASE: Database = Database::new(
    "the shop's database",
    &[
        &[include_str!("schema.sql")],
        &[include_str!("goods.sql"), tegata_orders::SCHEMA],
    ],
)
.overwriting();

/// The database of one shop.
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

    /// Where it lies.
    pub fn file(&self) -> &Path {
        self.0.file()
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
}

/// That something stored isn't what this program stores.
pub(crate) fn damaged(what: impl Into<String>) -> StoreError {
    DATABASE.damaged(what)
}

#[cfg(test)]
mod tests {
    use tegata_protocol::{Digest, MessageId, PartyNumber, SignedBytes};
    use tegata_store_attacks::{foreign_parts_are_noticed_while_open, foreign_parts_are_refused};

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
        let store = Store::open(&folder.path().join(FILE)).unwrap();
        foreign_parts_are_noticed_while_open(store.file(), |n| {
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
