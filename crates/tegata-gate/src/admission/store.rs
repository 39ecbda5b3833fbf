//! What the committer needs of a store.

use std::path::PathBuf;

use roaring::RoaringBitmap;
use tegata_protocol::Digest;

use super::{Earlier, Entry, Ordered, SecondUse, TicketId, WrongKeyword};
use crate::event::EventId;

/// The last entry of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Its row; 0 before the first.
    pub row: u64,
    /// SHA-256 of its signed record; all zeros before the first.
    pub digest: Digest,
}

impl Head {
    /// Before the first entry.
    pub const START: Self = Self {
        row: 0,
        digest: Digest::from_bytes([0; 32]),
    };
}

/// What becomes durable at once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// Admissions, in the chain's order.
    pub entries: Vec<Entry>,
    /// Evidence of double use.
    pub second_uses: Vec<SecondUse>,
    /// Counts of wrong keywords.
    pub wrong_keywords: Vec<WrongKeyword>,
    /// Punches that cards are to be given.
    pub ordered: Vec<Ordered>,
}

impl Batch {
    /// Is there nothing to be written?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.second_uses.is_empty()
            && self.wrong_keywords.is_empty()
            && self.ordered.is_empty()
    }
}

/// Keeps the log. One thread uses it.
pub trait Store: Send {
    /// The serials used so far.
    ///
    /// # Errors
    /// [`StoreError`].
    fn used(&self) -> Result<Vec<(EventId, RoaringBitmap)>, StoreError>;

    /// The end of the chain.
    ///
    /// # Errors
    /// [`StoreError`].
    fn head(&self) -> Result<Head, StoreError>;

    /// The use of one ticket.
    ///
    /// # Errors
    /// [`StoreError`].
    fn use_of(&self, ticket: TicketId) -> Result<Option<Earlier>, StoreError>;

    /// All counts of wrong keywords.
    ///
    /// # Errors
    /// [`StoreError`].
    fn wrong_keywords(&self) -> Result<Vec<WrongKeyword>, StoreError>;

    /// All punches that were ever ordered.
    ///
    /// # Errors
    /// [`StoreError`].
    fn ordered(&self) -> Result<Vec<Ordered>, StoreError>;

    /// Makes a batch durable: all of it when this returns, or nothing, or nobody knows which.
    ///
    /// # Errors
    /// [`StoreError`].
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;
}

/// The log's file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refuses.
    #[error("the log {} can't be used (to {doing} was refused)", path.display())]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the database says.
        source: tegata_store::StoreError,
    },
    /// The file has parts that aren't ours, or doesn't do what it's told.
    #[error(transparent)]
    File(tegata_store::StoreError),
    /// Another program's file.
    #[error("{} isn't a gate's log", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
    },
    /// A newer program's file.
    #[error("the log {} is of version {found}, this program knows {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that it has.
        found: i64,
        /// The version that we know.
        known: i64,
    },
    /// A stored value that can't have been written by us.
    #[error("the log is damaged: row {row} of table {table}: {why}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The row.
        row: i64,
        /// What is wrong.
        why: String,
    },
    /// A test's store, or another kind of store, says no.
    #[error("the log can't be written: {0}")]
    Other(String),
}

impl StoreError {
    /// Is it the data that are at fault?
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::NotALog { .. } => true,
            Self::Database { source, .. } | Self::File(source) => source.is_damage(),
            Self::Newer { .. } | Self::Other(_) => false,
        }
    }
}
