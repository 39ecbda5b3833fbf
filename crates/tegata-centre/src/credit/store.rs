//! SQL for cards. Of a card that was deleted the order's number stays, so that it isn't kept again.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tegata_protocol::{Digest, PartyNumber, Time, order::OrderId};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS card (
    shop INTEGER NOT NULL,
    order_id BLOB NOT NULL,
    sealed BLOB NOT NULL,
    reference TEXT NOT NULL UNIQUE,
    last_four TEXT NOT NULL,
    received INTEGER NOT NULL,
    PRIMARY KEY (shop, order_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS secret (
    reference TEXT PRIMARY KEY NOT NULL,
    card BLOB NOT NULL
) STRICT;
PRAGMA user_version = 1;
";

/// The newest schema that this program knows.
const SCHEMA: i64 = 1;
const COLUMNS: &str = "shop, order_id, sealed, reference, last_four, received";

/// Why the cards' database failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite said so.
    #[error("the cards' database failed")]
    Database(#[from] rusqlite::Error),
    /// A row holds what can't be there.
    #[error("damaged: table card holds an unreadable row; restore a backup")]
    Damaged,
    /// A newer program has written it.
    #[error("{0} was written by a newer program; use that one")]
    Newer(String),
}

/// A card as people may see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptCard {
    /// Whose customer's.
    pub shop: PartyNumber,
    /// For which order.
    pub order: OrderId,
    /// SHA-256 of the sealed card as it came.
    pub sealed: Digest,
    /// What shop and centre call it by.
    pub reference: String,
    /// The last four digits; empty once it's deleted.
    pub last_four: String,
    /// When it came.
    pub received: Time,
}

#[derive(Debug)]
pub(super) struct Store(Mutex<Connection>);

impl Store {
    /// Opens or makes `credit.sqlite` in `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("credit.sqlite");
        let connection = Connection::open(&path)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Deleted cards must not lie about in free pages.
        connection.pragma_update(None, "secure_delete", true)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        if found > SCHEMA {
            return Err(StoreError::Newer(path.display().to_string()));
        }
        connection.execute_batch(TABLES)?;
        Ok(Self(Mutex::new(connection)))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The card of an order, deleted or not.
    pub(super) fn find(
        &self,
        shop: PartyNumber,
        order: OrderId,
    ) -> Result<Option<KeptCard>, StoreError> {
        find(&self.connection(), shop, order)
    }

    /// Keeps a card, unless its order has one; gives the one that is kept.
    pub(super) fn keep(&self, card: &KeptCard, secret: &[u8]) -> Result<KeptCard, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let added = transaction.execute(
            "INSERT INTO card (shop, order_id, sealed, reference, last_four, received) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (shop, order_id) DO NOTHING",
            params![
                integer(card.shop.wire()),
                card.order.as_bytes(),
                card.sealed.as_bytes(),
                card.reference,
                card.last_four,
                integer(card.received.secs())
            ],
        )?;
        if added > 0 {
            let insert = "INSERT INTO secret (reference, card) VALUES ($1, $2)";
            transaction.execute(insert, params![card.reference, secret])?;
        }
        let kept = find(&transaction, card.shop, card.order)?.ok_or(StoreError::Damaged)?;
        transaction.commit()?;
        Ok(kept)
    }

    /// What is encrypted of a card that is kept.
    pub(super) fn secret(&self, reference: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let query = "SELECT card FROM secret WHERE reference = $1";
        let found = self
            .connection()
            .query_row(query, [reference], |r| r.get(0));
        Ok(found.optional()?)
    }

    /// The cards that are kept, the latest last.
    pub(super) fn all(&self) -> Result<Vec<KeptCard>, StoreError> {
        let connection = self.connection();
        let query = format!("SELECT {COLUMNS} FROM card WHERE last_four <> '' ORDER BY received");
        let mut query = connection.prepare(&query)?;
        let rows = query.query_map([], read)?;
        rows.map(|row| row?.ok_or(StoreError::Damaged)).collect()
    }

    /// Deletes what came before a moment, from the write-ahead log too.
    pub(super) fn delete_before(&self, until: Time) -> Result<usize, StoreError> {
        let mut connection = self.connection();
        let until = integer(until.secs());
        let transaction = connection.transaction()?;
        transaction.execute(
            "DELETE FROM secret WHERE reference IN \
             (SELECT reference FROM card WHERE received < $1)",
            [until],
        )?;
        let forget = "UPDATE card SET last_four = '' WHERE received < $1 AND last_four <> ''";
        let deleted = transaction.execute(forget, [until])?;
        transaction.commit()?;
        if deleted > 0 {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(deleted)
    }
}

fn find(
    connection: &Connection,
    shop: PartyNumber,
    order: OrderId,
) -> Result<Option<KeptCard>, StoreError> {
    let query = format!("SELECT {COLUMNS} FROM card WHERE shop = $1 AND order_id = $2");
    let of = params![integer(shop.wire()), order.as_bytes()];
    let row = connection.query_row(&query, of, read).optional()?;
    row.map(|card| card.ok_or(StoreError::Damaged)).transpose()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<KeptCard>> {
    let (shop, received): (i64, i64) = (row.get(0)?, row.get(5)?);
    let (order, sealed): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
    let (reference, last_four) = (row.get(3)?, row.get(4)?);
    let shop = PartyNumber::from_wire(shop.unsigned_abs()).ok();
    let (order, sealed) = (OrderId::from_slice(&order), Digest::from_slice(&sealed));
    Ok(shop
        .zip(order)
        .zip(sealed)
        .map(|((shop, order), sealed)| KeptCard {
            shop,
            order,
            sealed,
            reference,
            last_four,
            received: Time::from_secs(received.unsigned_abs()),
        }))
}

/// SQLite's integers are signed; all of ours are far below the limit.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
