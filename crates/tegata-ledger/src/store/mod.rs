//! Where the book lies.
//!
//! A [`Store`] hands out one [`Writer`] for each committer and as many [`Reader`]s as are wanted.
//! The committer's batch is: [`Writer::recall`] what its actions need (this begins the
//! transaction), decide in memory, [`Writer::commit`] everything at once, durably. Nothing here is
//! particular to one database: SQLite is the first implementation, and whatever comes next has to
//! pass the same battery of tests (`tests/it/battery.rs`).

use tegata_protocol::{CardNumber, Digest, MessageId, PartyNumber, PaymentId, Time};

use crate::{
    Account, AccountId, Bill, BillKey, Card, EntryRecord, Evidence, Funding, Hold, Key,
    KnownMessage, MessageKey, OutboxItem, Position, Record, RecordKind, Statement, StatementKey,
    Verdict, Working,
};

mod sqlite;

pub use sqlite::SqliteStore;

/// A place for the book.
pub trait Store: Send + Sync {
    /// The connection of one committer; at most one at a time for each committer's number.
    ///
    /// # Errors
    /// [`StoreError`].
    fn writer(&self, committer: u16) -> Result<Box<dyn Writer>, StoreError>;

    /// A connection that only reads, and sees only what is committed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn reader(&self) -> Result<Box<dyn Reader>, StoreError>;

    /// Finds out whether the store can be read and written right now, and is made as it should be.
    /// Nothing in the book changes.
    ///
    /// # Errors
    /// [`StoreError`]: what keeps it from working.
    fn check(&self) -> Result<(), StoreError>;
}

/// What a committer does with the store.
pub trait Writer: Send {
    /// The last record of this committer's chain.
    ///
    /// # Errors
    /// [`StoreError`].
    fn tip(&mut self) -> Result<Option<Tip>, StoreError>;

    /// Puts what the store knows of `keys` into `book`. Begins the batch's transaction if none is
    /// open, so that what is recalled stays true until [`Writer::commit`].
    ///
    /// # Errors
    /// [`StoreError`].
    fn recall(&mut self, keys: &[Key], book: &mut Working) -> Result<(), StoreError>;

    /// The verdict and the reply's payload of a record.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Damaged`] when there is none.
    fn reply(&mut self, position: Position) -> Result<(Verdict, Vec<u8>), StoreError>;

    /// Writes `entries` and all that changed in `book`, durably, all or nothing. Numbers each
    /// outbox item: from 1 for each party, without gaps.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Again`] when another writer came in between.
    fn commit(&mut self, entries: &[Entry], book: &Working) -> Result<(), StoreError>;

    /// Ends a batch without writing anything.
    ///
    /// # Errors
    /// [`StoreError`].
    fn abandon(&mut self) -> Result<(), StoreError>;
}

/// The last record of a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tip {
    /// Its place.
    pub position: Position,
    /// Its hash.
    pub hash: Digest,
    /// Its time.
    pub time: Time,
}

/// A decided draft on its way into the store.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record.
    pub record: Record,
    /// Its hash.
    pub hash: Digest,
    /// What caused it; only the bytes of what was accepted are kept.
    pub evidence: Option<Evidence>,
    /// The reply's payload.
    pub reply: Vec<u8>,
    /// Entries of a statement that the record imported.
    pub statement: Option<(StatementKey, Vec<EntryRecord>)>,
    /// What parties will fetch.
    pub outbox: Vec<OutboxItem>,
}

/// What anybody may ask of the book.
pub trait Reader: Send {
    /// From now on this reader sees the book as it stands now, whatever is committed meanwhile.
    ///
    /// # Errors
    /// [`StoreError`], as for every verb of this trait.
    fn freeze(&mut self) -> Result<(), StoreError>;

    /// The end of [`Reader::freeze`]: this reader sees what is committed again.
    ///
    /// # Errors
    /// [`StoreError`].
    fn thaw(&mut self) -> Result<(), StoreError>;

    /// The last record of each chain.
    ///
    /// # Errors
    /// [`StoreError`], as for every verb of this trait.
    fn tips(&mut self) -> Result<Vec<Tip>, StoreError>;

    /// What a message was answered.
    ///
    /// # Errors
    /// [`StoreError`].
    fn reply_of(&mut self, key: &MessageKey) -> Result<Option<StoredReply>, StoreError>;

    /// What waits for `party` beyond number `after`, in the order of the numbers.
    ///
    /// # Errors
    /// [`StoreError`].
    fn outbox_after(
        &mut self,
        party: PartyNumber,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredOutboxItem>, StoreError>;

    /// An account; nothing was ever booked on one that isn't there.
    ///
    /// # Errors
    /// [`StoreError`].
    fn account(&mut self, id: &AccountId) -> Result<Option<Account>, StoreError>;

    /// Accounts in the order of their ids, beyond `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn accounts(
        &mut self,
        after: Option<&AccountId>,
        limit: u32,
    ) -> Result<Vec<(AccountId, Account)>, StoreError>;

    /// A payment.
    ///
    /// # Errors
    /// [`StoreError`].
    fn hold(&mut self, payment: &PaymentId) -> Result<Option<Hold>, StoreError>;

    /// Payments in the order of their numbers, beyond `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn holds(&mut self, after: Option<&PaymentId>, limit: u32) -> Result<Vec<Hold>, StoreError>;

    /// The open holds on an account, those first that expire first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn holds_of(&mut self, payer: &AccountId) -> Result<Vec<Hold>, StoreError>;

    /// Open holds whose time is over at `now`, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn holds_expired(&mut self, now: Time, limit: u32) -> Result<Vec<Hold>, StoreError>;

    /// What the book knows of a bill.
    ///
    /// # Errors
    /// [`StoreError`].
    fn bill(&mut self, bill: &BillKey) -> Result<Option<Bill>, StoreError>;

    /// Bills in the order of their keys, beyond `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn bills(
        &mut self,
        after: Option<&BillKey>,
        limit: u32,
    ) -> Result<Vec<(BillKey, Bill)>, StoreError>;

    /// A party's latest record.
    ///
    /// # Errors
    /// [`StoreError`].
    fn party(&mut self, party: PartyNumber) -> Result<Option<Vec<u8>>, StoreError>;

    /// Parties and their latest records in the order of their numbers, beyond `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn parties(
        &mut self,
        after: Option<PartyNumber>,
        limit: u32,
    ) -> Result<Vec<(PartyNumber, Vec<u8>)>, StoreError>;

    /// A funding reference.
    ///
    /// # Errors
    /// [`StoreError`].
    fn funding(&mut self, reference: &str) -> Result<Option<Funding>, StoreError>;

    /// Funding references in alphabetical order, beyond `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn fundings(
        &mut self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Funding)>, StoreError>;

    /// Statements in the order of their keys, beyond `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn statements(
        &mut self,
        after: Option<&StatementKey>,
        limit: u32,
    ) -> Result<Vec<(StatementKey, Statement)>, StoreError>;

    /// A card.
    ///
    /// # Errors
    /// [`StoreError`].
    fn card(&mut self, number: &CardNumber) -> Result<Option<Card>, StoreError>;

    /// Cards in the order of their numbers, beyond `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn cards(
        &mut self,
        after: Option<&CardNumber>,
        limit: u32,
    ) -> Result<Vec<(CardNumber, Card)>, StoreError>;

    /// A member's cards by their index.
    ///
    /// # Errors
    /// [`StoreError`].
    fn cards_of(&mut self, holder: PartyNumber) -> Result<Vec<(CardNumber, Card)>, StoreError>;

    /// The digests of cards' receipts by card and counter, beyond `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn receipts(
        &mut self,
        after: Option<&(CardNumber, u32)>,
        limit: u32,
    ) -> Result<Vec<CardReceipts>, StoreError>;

    /// A statement's entries in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    fn entries(&mut self, statement: &StatementKey) -> Result<Vec<EntryRecord>, StoreError>;

    /// Entries that went to suspense, the latest statement last.
    ///
    /// # Errors
    /// [`StoreError`].
    fn suspense(&mut self, limit: u32) -> Result<Vec<SuspenseEntry>, StoreError>;

    /// Records with all that belongs to them, in the order of positions, from `from` on (included).
    ///
    /// # Errors
    /// [`StoreError`].
    fn records(&mut self, from: Position, limit: u32) -> Result<Vec<StoredRecord>, StoreError>;

    /// Rows that belong to a record that isn't there: `(table, row)`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn orphans(&mut self, limit: u32) -> Result<Vec<(&'static str, String)>, StoreError>;

    /// How many records of each kind were decided from `from` until just before `until`, by day
    /// (in UTC).
    ///
    /// # Errors
    /// [`StoreError`].
    fn counts(&mut self, from: Time, until: Time) -> Result<Vec<DayCount>, StoreError>;
}

/// The digests of all receipts of a card with one counter.
pub type CardReceipts = ((CardNumber, u32), Vec<Digest>);

/// What a message was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredReply {
    /// SHA-256 of the message's signed bytes, and where its record stands.
    pub message: KnownMessage,
    /// Accepted or refused.
    pub verdict: Verdict,
    /// The reply's payload.
    pub reply: Vec<u8>,
}

/// Something that a party will fetch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredOutboxItem {
    /// Its number among the party's items, from 1.
    pub number: u64,
    /// The record that put it there.
    pub position: Position,
    /// The item.
    pub item: OutboxItem,
}

/// Money that waits for somebody to find out whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SuspenseEntry {
    /// On which statement.
    pub statement: StatementKey,
    /// When it was imported.
    pub imported: Time,
    /// The entry.
    pub entry: EntryRecord,
}

/// A record with all that belongs to it, as the store holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredRecord {
    /// The record; its legs as they stand in their own rows.
    pub record: Record,
    /// Its hash, as stored.
    pub hash: Digest,
    /// What the register of message ids says of its cause.
    pub message: Option<KnownMessage>,
    /// The signed bytes; none for what was refused.
    pub evidence: Option<Evidence>,
    /// The reply's payload; `None` when its row is missing.
    pub reply: Option<Vec<u8>>,
    /// What it put in outboxes.
    pub outbox: Vec<StoredOutboxItem>,
    /// Rows of its own that aren't numbered as they must be: `(table, row)`.
    pub misplaced: Vec<(&'static str, String)>,
}

/// A day's records of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DayCount {
    /// Its first second.
    pub day: Time,
    /// Of which kind.
    pub kind: RecordKind,
    /// How many were accepted.
    pub accepted: u64,
    /// How many were refused.
    pub refused: u64,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said so.
    #[error("the database failed at {doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// Its words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another writer came in between: decide the batch anew.
    #[error("another writer changed the book at the same time")]
    Again,
    /// A row holds what can't be there.
    #[error("damaged: table {table}, row {row}: {what}; run the audit, restore a backup")]
    Damaged {
        /// In which table.
        table: &'static str,
        /// Which row.
        row: String,
        /// What is wrong.
        what: String,
    },
    /// A newer program has written the database.
    #[error("{path} has schema {found}, this program knows {known}; use the newer program")]
    Newer {
        /// Which database.
        path: String,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The file is something else.
    #[error("{path} isn't a Tegata ledger")]
    NotALedger {
        /// Which file.
        path: String,
    },
    /// A number doesn't fit the database's integers.
    #[error("{what} is too large for the database")]
    TooLarge {
        /// Which number.
        what: &'static str,
    },
}

/// A message's key in words, for rows' names.
pub(crate) fn message_row(party: PartyNumber, id: MessageId) -> String {
    format!("{party} {id}")
}
