//! SQL for cards. Of a card that was deleted the order's number stays, so that it isn't kept again.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tegata_protocol::{Digest, PartyNumber, Time, order::OrderId};
use tegata_store::{Connection, Database, Row, params};

pub use tegata_store::StoreError;

/// Deleted cards must not lie about in free pages.
static DATABASE: Database =
    Database::new("the cards' database", &[&[include_str!("schema.sql")]]).overwriting();

const COLUMNS: &str = "shop, order_id, sealed, reference, last_four, received";

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
        let connection = DATABASE.open(&dir.join("credit.sqlite"))?;
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
        self.connection().write(|cards| {
            let insert = "INSERT INTO card \
                 (shop, order_id, sealed, reference, last_four, received) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (shop, order_id) DO NOTHING";
            let values = params![
                integer(card.shop.wire()),
                card.order.as_bytes(),
                card.sealed.as_bytes(),
                card.reference,
                card.last_four,
                integer(card.received.secs())
            ];
            if cards.write_at_most_one(insert, values)? {
                let insert = "INSERT INTO secret (reference, card) VALUES ($1, $2)";
                cards.write_one(insert, params![card.reference, secret])?;
            }
            find(cards, card.shop, card.order)?.ok_or_else(damaged)
        })
    }

    /// What is encrypted of a card that is kept.
    pub(super) fn secret(&self, reference: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let query = "SELECT card FROM secret WHERE reference = $1";
        self.connection().find(query, [reference], |row| row.get(0))
    }

    /// The cards that are kept, the latest last.
    pub(super) fn all(&self) -> Result<Vec<KeptCard>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM card WHERE last_four <> '' ORDER BY received");
        self.connection().list(&query, [], read)
    }

    /// Deletes what came before a moment, from the write-ahead log too.
    pub(super) fn delete_before(&self, until: Time) -> Result<usize, StoreError> {
        let mut connection = self.connection();
        let until = integer(until.secs());
        let deleted = connection.write(|cards| {
            let delete = "DELETE FROM secret WHERE reference IN \
                 (SELECT reference FROM card WHERE received < $1)";
            cards.write_any(delete, [until])?;
            let forget = "UPDATE card SET last_four = '' WHERE received < $1 AND last_four <> ''";
            cards.write_any(forget, [until])
        })?;
        if deleted > 0 {
            connection.empty_log()?;
        }
        Ok(deleted)
    }
}

fn find(
    cards: &Connection,
    shop: PartyNumber,
    order: OrderId,
) -> Result<Option<KeptCard>, StoreError> {
    let query = format!("SELECT {COLUMNS} FROM card WHERE shop = $1 AND order_id = $2");
    let of = params![integer(shop.wire()), order.as_bytes()];
    cards.find(&query, of, read)
}

fn read(row: &Row<'_>) -> Result<KeptCard, StoreError> {
    let shop = PartyNumber::from_wire(row.number(0)?);
    Ok(KeptCard {
        shop: shop.map_err(|_e| damaged())?,
        order: OrderId::from_bytes(row.get(1)?),
        sealed: Digest::from_bytes(row.get(2)?),
        reference: row.get(3)?,
        last_four: row.get(4)?,
        received: Time::from_secs(row.number(5)?),
    })
}

fn damaged() -> StoreError {
    DATABASE.damaged("table card holds an unreadable row")
}

/// SQLite's integers are signed; all of ours are far below the limit.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use tegata_store_attacks::{foreign_parts_are_noticed_while_open, foreign_parts_are_refused};

    use super::*;

    #[test]
    fn every_foreign_part_is_refused() {
        foreign_parts_are_refused("credit.sqlite", |folder| {
            Store::open(folder)?;
            Ok(())
        });
    }

    #[test]
    fn what_is_added_while_it_is_open_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let file = folder.path().join("credit.sqlite");
        foreign_parts_are_noticed_while_open(&file, |n| {
            let mut order = [0; 16];
            order[..4].copy_from_slice(&n.to_be_bytes());
            let card = KeptCard {
                shop: PartyNumber::new(tegata_protocol::Role::Shop, 1).unwrap(),
                order: OrderId::from_bytes(order),
                sealed: Digest::of(b"sealed"),
                reference: format!("card-{n}"),
                last_four: "1234".to_owned(),
                received: Time::from_secs(u64::from(n)),
            };
            store.keep(&card, b"secret")?;
            Ok(())
        });
    }
}
