//! Keys in stock, and which order was given which.

use tegata_protocol::order::{
    KeyScope, KeySource, Maker, OrderId, OrderKey, OrderKeyId, Pile, Scheme,
};
use tegata_protocol::{PartyNumber, SignedBytes, Suite, Time, Verified};
use tegata_store::{Row, params};

use super::tables::{Tables, party_cell};
use super::{StoreError, cell, damaged};

/// Keys of a shop that can stand in for each other: they seal the same way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    /// Who opens.
    pub recipient: PartyNumber,
    /// How they seal.
    pub scheme: Scheme,
    /// The suite of key pairs; a shared key has none.
    pub suite: Option<Suite>,
}

impl Kind {
    /// The kind of a key.
    pub fn of(key: &OrderKey) -> Self {
        Self {
            recipient: key.recipient,
            scheme: key.scheme,
            suite: key.part.suite(),
        }
    }
}

/// What becomes of a key that is put into the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyState {
    /// It may be handed out.
    InStock,
    /// It belongs to one order.
    GivenAway,
}

impl KeyState {
    const fn cell(self) -> i64 {
        match self {
            Self::InStock => 1,
            Self::GivenAway => 2,
        }
    }
}

/// A key on its way into the tables.
#[derive(Clone, Copy, Debug)]
pub struct NewKey<'a> {
    /// The key, whose signature held.
    pub key: &'a Verified<OrderKey>,
    /// What becomes of it.
    pub state: KeyState,
}

/// A key as it's stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredKey {
    /// Its row.
    pub number: u64,
    /// The signed key.
    pub record: SignedBytes,
}

const SPENT: i64 = 3;

impl Tables<'_> {
    /// Was a key of this number ever here?
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn knows_key(&self, recipient: PartyNumber, id: OrderKeyId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM order_key WHERE recipient = $1 AND id = $2";
        self.connection
            .exists(sql, params![party_cell(recipient)?, id.as_bytes()])
    }

    /// Was a key for this member ever here? Then the shop has admitted them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn admits(&self, shop: PartyNumber, member: PartyNumber) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM order_key WHERE recipient = $1 AND member = $2 AND member <> 0";
        self.connection
            .exists(sql, [party_cell(shop)?, party_cell(member)?])
    }

    /// How many keys wait in a shop's stock.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keys_in_stock(&self, recipient: PartyNumber) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM order_key WHERE recipient = $1 AND state = 1";
        let recipient = [party_cell(recipient)?];
        self.connection.one(sql, recipient, |row| row.number(0))
    }

    /// Puts a key into the tables and gives its row's number.
    ///
    /// # Errors
    /// [`StoreError`], also when that key is there already.
    pub fn add_key(&self, new: NewKey<'_>) -> Result<u64, StoreError> {
        let (key, kind) = (new.key, Kind::of(new.key));
        let (recipient, scheme, suite) = cells(kind)?;
        if key.maker == Maker::Recipient {
            let sql = "INSERT INTO pile (recipient, scheme, suite) VALUES ($1, $2, $3)
                       ON CONFLICT DO NOTHING";
            self.connection
                .write_at_most_one(sql, params![recipient, scheme, suite])?;
        }
        let sql = "INSERT INTO order_key
                   (recipient, id, scheme, suite, member, source, expires, state, record)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING number";
        let values = params![
            recipient,
            key.id.as_bytes(),
            scheme,
            suite,
            member_cell(key.member)?,
            source_cell(key.source),
            cell(key.expires.secs())?,
            new.state.cell(),
            key.signed().as_bytes()
        ];
        self.connection
            .write_one_returning(sql, values, |row| row.number(0))
    }

    /// The key that this order was given, while its token and the key hold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn given(
        &self,
        kind: Kind,
        order: OrderId,
        now: Time,
    ) -> Result<Option<StoredKey>, StoreError> {
        let sql = "SELECT k.number, k.record FROM handout h JOIN order_key k ON k.number = h.key
                   WHERE h.recipient = $1 AND h.order_number = $2 AND h.scheme = $3
                   AND h.suite = $4 AND h.until > $5 AND k.expires > $5 AND k.state < $6";
        let (recipient, scheme, suite) = cells(kind)?;
        let now = cell(now.secs())?;
        let values = params![recipient, order.as_bytes(), scheme, suite, now, SPENT];
        self.connection.find(sql, values, stored)
    }

    /// Notes which key an order has, until its token expires. One that it had before stays given
    /// away, until it expires itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn give(
        &self,
        kind: Kind,
        order: OrderId,
        key: &StoredKey,
        until: Time,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO handout (recipient, order_number, scheme, suite, key, until)
                   VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT DO UPDATE SET key = excluded.key,
                   until = iif(key = excluded.key, max(until, excluded.until), excluded.until)";
        let (recipient, scheme, suite) = cells(kind)?;
        let (key, until) = (cell(key.number)?, cell(until.secs())?);
        let values = params![recipient, order.as_bytes(), scheme, suite, key, until];
        self.connection.write_one(sql, values)
    }

    /// Was this order given something in this suite, under a token that still holds?
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn had(&self, kind: Kind, order: OrderId, now: Time) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM handout WHERE recipient = $1 AND order_number = $2
                   AND scheme = $3 AND suite = $4 AND until > $5";
        let (recipient, scheme, suite) = cells(kind)?;
        let values = params![
            recipient,
            order.as_bytes(),
            scheme,
            suite,
            cell(now.secs())?
        ];
        self.connection.exists(sql, values)
    }

    /// Was this order given something in another suite?
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn had_other(&self, kind: Kind, order: OrderId, now: Time) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM handout WHERE recipient = $1 AND order_number = $2
                   AND suite <> $3 AND until > $4";
        let (recipient, _, suite) = cells(kind)?;
        let values = params![recipient, order.as_bytes(), suite, cell(now.secs())?];
        self.connection.exists(sql, values)
    }

    /// Burns the keys that this order alone was given in another suite. That it had them stays noted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn burn_other(&self, kind: Kind, order: OrderId) -> Result<usize, StoreError> {
        let sql = "UPDATE order_key SET state = 3, record = x'' WHERE state = 2 AND number IN
                   (SELECT key FROM handout WHERE recipient = $1 AND order_number = $2
                    AND suite <> $3)";
        let (recipient, _, suite) = cells(kind)?;
        self.connection
            .write_any(sql, params![recipient, order.as_bytes(), suite])
    }

    /// Takes one key out of stock for good: the oldest that holds until `until`, or else the oldest
    /// that holds now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_one(
        &self,
        kind: Kind,
        now: Time,
        until: Time,
    ) -> Result<Option<StoredKey>, StoreError> {
        let sql = "UPDATE order_key SET state = 2 WHERE number = coalesce(
                     (SELECT number FROM order_key
                      WHERE recipient = $1 AND scheme = $2 AND suite = $3 AND source = 1
                      AND member = 0 AND state = 1 AND expires >= max($4 + 1, $5)
                      ORDER BY number LIMIT 1),
                     (SELECT number FROM order_key
                      WHERE recipient = $1 AND scheme = $2 AND suite = $3 AND source = 1
                      AND member = 0 AND state = 1 AND expires > $4
                      ORDER BY number LIMIT 1))
                   RETURNING number, record";
        let (recipient, scheme, suite) = cells(kind)?;
        let (now, until) = (cell(now.secs())?, cell(until.secs())?);
        let values = params![recipient, scheme, suite, now, until];
        self.connection
            .write_at_most_one_returning(sql, values, stored)
    }

    /// The key of many orders that counts now: the newest regular one, else the newest fallback.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn current(
        &self,
        kind: Kind,
        member: Option<PartyNumber>,
        now: Time,
    ) -> Result<Option<StoredKey>, StoreError> {
        // A regular key of the scope `order` is for one order only.
        let first = match kind.scheme.scope() {
            KeyScope::Order => source_cell(KeySource::Fallback),
            KeyScope::Shop | KeyScope::Member => source_cell(KeySource::Regular),
        };
        let sql = "SELECT number, record FROM order_key
                   WHERE recipient = $1 AND scheme = $2 AND suite = $3 AND member = $4
                   AND source >= $5 AND state = 1 AND expires > $6
                   ORDER BY source, number DESC LIMIT 1";
        let (recipient, scheme, suite) = cells(kind)?;
        let (member, now) = (member_cell(member)?, cell(now.secs())?);
        let values = params![recipient, scheme, suite, member, first, now];
        self.connection.find(sql, values, stored)
    }

    /// How many keys of a kind hold at `at` and belong to nobody yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn left(&self, kind: Kind, at: Time) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM order_key WHERE recipient = $1 AND scheme = $2
                   AND suite = $3 AND source = 1 AND state = 1 AND expires > $4";
        let (recipient, scheme, suite) = cells(kind)?;
        let values = params![recipient, scheme, suite, cell(at.secs())?];
        let left = self.connection.one(sql, values, |row| row.number(0))?;
        Ok(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// What a shop has in stock, kind by kind. `low` is how few are called low.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn piles(
        &self,
        recipient: PartyNumber,
        low: u32,
        now: Time,
    ) -> Result<Vec<Pile>, StoreError> {
        let sql = "SELECT scheme, suite FROM pile WHERE recipient = $1 ORDER BY scheme, suite";
        let kinds = self.connection.list(sql, [party_cell(recipient)?], |row| {
            let scheme = row.get::<String>(0)?.parse();
            Ok(Kind {
                recipient,
                scheme: scheme.map_err(|_e| damaged("a scheme that is none"))?,
                suite: suite_of(row.get(1)?)?,
            })
        })?;
        let piles = kinds.into_iter().map(|kind| self.pile(kind, low, now));
        piles.collect()
    }

    fn pile(&self, kind: Kind, low: u32, now: Time) -> Result<Pile, StoreError> {
        let left = self.left(kind, now)?;
        let low = match kind.scheme.scope() {
            KeyScope::Order => left <= low,
            // One key is enough, if it holds a while longer.
            KeyScope::Shop | KeyScope::Member => self.left(kind, now.after(AHEAD))? == 0,
        };
        Ok(Pile {
            scheme: kind.scheme,
            suite: kind.suite,
            left,
            low,
            fallback_until: self.fallback_until(kind, now)?,
        })
    }

    fn fallback_until(&self, kind: Kind, now: Time) -> Result<Option<Time>, StoreError> {
        let sql = "SELECT coalesce(max(expires), 0) FROM order_key WHERE recipient = $1
                   AND scheme = $2 AND suite = $3 AND source = 2 AND state = 1 AND expires > $4";
        let (recipient, scheme, suite) = cells(kind)?;
        let values = params![recipient, scheme, suite, cell(now.secs())?];
        let until = self.connection.one(sql, values, |row| row.number(0))?;
        Ok(Some(Time::from_secs(until)).filter(|until| *until > now))
    }

    /// Burns what is over: keys that were given to orders whose tokens have expired, and keys that
    /// have expired themselves. Their bytes are erased. Gives how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sweep(&self, now: Time) -> Result<usize, StoreError> {
        let now = cell(now.secs())?;
        let sql = "UPDATE order_key SET state = 3, record = x'' WHERE state = 2 AND number IN
                   (SELECT key FROM handout WHERE until <= $1)";
        let burnt = self.connection.write_any(sql, [now])?;
        let sql = "DELETE FROM handout WHERE until <= $1";
        self.connection.write_any(sql, [now])?;
        let sql = "UPDATE order_key SET state = 3, record = x'' WHERE state < 3 AND expires <= $1";
        let expired = self.connection.write_any(sql, [now])?;
        Ok(burnt.saturating_add(expired))
    }
}

/// A key for many orders that ends sooner than this is no stock to rely on: a quarter of an hour.
const AHEAD: u64 = 900;

fn cells(kind: Kind) -> Result<(i64, String, i64), StoreError> {
    let suite = match kind.suite {
        None => 0,
        Some(Suite::Compact) => 1,
        Some(Suite::Standard) => 2,
    };
    Ok((party_cell(kind.recipient)?, kind.scheme.to_string(), suite))
}

fn suite_of(cell: i64) -> Result<Option<Suite>, StoreError> {
    match cell {
        0 => Ok(None),
        1 => Ok(Some(Suite::Compact)),
        2 => Ok(Some(Suite::Standard)),
        _ => Err(damaged("a suite that is none")),
    }
}

fn member_cell(member: Option<PartyNumber>) -> Result<i64, StoreError> {
    member.map_or(Ok(0), party_cell)
}

const fn source_cell(source: KeySource) -> i64 {
    match source {
        KeySource::Regular => 1,
        KeySource::Fallback => 2,
    }
}

fn stored(row: &Row<'_>) -> Result<StoredKey, StoreError> {
    Ok(StoredKey {
        number: row.number(0)?,
        record: SignedBytes::new(row.get(1)?),
    })
}
