//! Keys that seal orders, and the secrets that are put under each new epoch key.

use tegata_protocol::order::{KeySource, Maker, OrderKeyId, Scheme};
use tegata_protocol::{PartyNumber, Suite, Time, VerifyingKey};
use tegata_store::{Connection, Row, StoreError, params};

use super::{cell, damaged, party};
use crate::FormsError;

/// What became of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyState {
    /// It waits for an order.
    Stocked,
    /// It has sealed one; its secret half is gone.
    Consumed,
    /// Its time is over, or its epoch key was lost; its secret half is gone.
    Expired,
}

impl KeyState {
    const fn cell(self) -> i64 {
        match self {
            Self::Stocked => 1,
            Self::Consumed => 2,
            Self::Expired => 3,
        }
    }

    fn of(cell: u64) -> Result<Self, FormsError> {
        match cell {
            1 => Ok(Self::Stocked),
            2 => Ok(Self::Consumed),
            3 => Ok(Self::Expired),
            _ => Err(damaged("an unknown state of a key")),
        }
    }
}

/// Has the service been given a new key?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// No.
    Not,
    /// Yes, or nobody need give it to the service any more.
    Confirmed,
}

impl Sent {
    const fn cell(self) -> i64 {
        match self {
            Self::Not => 0,
            // 1 is a key in the pending upload.
            Self::Confirmed => 2,
        }
    }
}

/// Something under an epoch key or an order key, and under which.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    pub(crate) slot: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

impl Secret {
    /// Slot and bytes from two columns on.
    pub(super) fn read(row: &Row<'_>, column: usize) -> Result<Self, StoreError> {
        Ok(Self {
            slot: row.get(column)?,
            bytes: row.get(column + 1)?,
        })
    }
}

/// A key as it's stored.
#[derive(Clone, Debug)]
pub(crate) struct KeyRow {
    pub(crate) id: OrderKeyId,
    pub(crate) scheme: Scheme,
    pub(crate) suite: Option<Suite>,
    pub(crate) member: Option<PartyNumber>,
    pub(crate) source: KeySource,
    pub(crate) maker: Maker,
    pub(crate) signer: VerifyingKey,
    pub(crate) made: Time,
    pub(crate) expires: Time,
    pub(crate) state: KeyState,
    pub(crate) secret: Secret,
}

/// Enters a key. A number that is there already is an error.
pub(crate) fn enter_key(
    connection: &Connection,
    key: &KeyRow,
    sent: Sent,
) -> Result<(), FormsError> {
    let sql = "INSERT INTO order_key (id, scheme, suite, member, source, maker, signer, made, \
        expires, state, sent, slot, secret) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    let values = params![
        key.id.as_bytes(),
        key.scheme.to_string(),
        suite_cell(key.suite),
        cell(key.member.map_or(0, PartyNumber::wire))?,
        source_cell(key.source),
        maker_cell(key.maker),
        key.signer.as_bytes(),
        cell(key.made.secs())?,
        cell(key.expires.secs())?,
        key.state.cell(),
        sent.cell(),
        key.secret.slot,
        key.secret.bytes,
    ];
    Ok(connection.write_one(sql, values)?)
}

/// The key of that number.
pub(crate) fn key(connection: &Connection, id: OrderKeyId) -> Result<Option<KeyRow>, FormsError> {
    let sql = "SELECT id, scheme, suite, member, source, maker, signer, made, expires, state, slot, \
        secret FROM order_key WHERE id = $1";
    let cells = connection.find(sql, [id.as_bytes()], read_cells)?;
    cells.map(read_key).transpose()
}

/// The state of the key of that number.
pub(crate) fn key_state(
    connection: &Connection,
    id: OrderKeyId,
) -> Result<Option<KeyState>, FormsError> {
    let sql = "SELECT state FROM order_key WHERE id = $1";
    let found = connection.find(sql, [id.as_bytes()], |row| row.number(0))?;
    found.map(KeyState::of).transpose()
}

/// Uses a stocked key up and erases its secret. Was it stocked?
pub(crate) fn use_up_key(connection: &Connection, id: OrderKeyId) -> Result<bool, FormsError> {
    let sql = "UPDATE order_key SET state = $1, sent = $2, slot = x'', secret = x'' \
        WHERE id = $3 AND state = $4";
    let (used, stocked) = (KeyState::Consumed.cell(), KeyState::Stocked.cell());
    let values = params![used, Sent::Confirmed.cell(), id.as_bytes(), stocked];
    Ok(connection.write_at_most_one(sql, values)?)
}

/// Lets a stocked key end at `until`, unless it ends before. Is it shorter now?
pub(crate) fn shorten_key(
    connection: &Connection,
    id: OrderKeyId,
    until: Time,
) -> Result<bool, FormsError> {
    let sql = "UPDATE order_key SET expires = $1 WHERE id = $2 AND state = $3 AND expires > $1";
    let stocked = KeyState::Stocked.cell();
    let values = params![cell(until.secs())?, id.as_bytes(), stocked];
    Ok(connection.write_at_most_one(sql, values)?)
}

/// Erases the secrets of keys whose time is over. How many?
pub(crate) fn expire_keys(connection: &Connection, now: Time) -> Result<usize, FormsError> {
    let sql = "UPDATE order_key SET state = $1, sent = 2, slot = x'', secret = x'' \
        WHERE state = $2 AND expires <= $3";
    let (expired, stocked) = (KeyState::Expired.cell(), KeyState::Stocked.cell());
    Ok(connection.write_any(sql, [expired, stocked, cell(now.secs())?])?)
}

/// Erases the secrets of a member's keys. How many?
pub(crate) fn expire_keys_of(
    connection: &Connection,
    member: PartyNumber,
) -> Result<usize, FormsError> {
    let sql = "UPDATE order_key SET state = $1, sent = 2, slot = x'', secret = x'' \
        WHERE state = $2 AND member = $3";
    let (expired, stocked) = (KeyState::Expired.cell(), KeyState::Stocked.cell());
    Ok(connection.write_any(sql, [expired, stocked, cell(member.wire())?])?)
}

/// Erases the secret of one key that can't be used any more.
pub(crate) fn expire_key(connection: &Connection, id: OrderKeyId) -> Result<(), FormsError> {
    let sql = "UPDATE order_key SET state = $1, sent = 2, slot = x'', secret = x'' WHERE id = $2 \
        AND state = $3";
    let (expired, stocked) = (KeyState::Expired.cell(), KeyState::Stocked.cell());
    connection.write_at_most_one(sql, params![expired, id.as_bytes(), stocked])?;
    Ok(())
}

/// Forgets keys that nobody can use any more since before `then`.
pub(crate) fn forget_keys(connection: &Connection, then: Time) -> Result<usize, FormsError> {
    let sql = "DELETE FROM order_key WHERE state <> $1 AND expires <= $2";
    let stocked = KeyState::Stocked.cell();
    Ok(connection.write_any(sql, [stocked, cell(then.secs())?])?)
}

/// At most `limit` keys whose secrets aren't under `slot`.
pub(crate) fn keys_elsewhere(
    connection: &Connection,
    slot: &[u8],
    limit: u32,
) -> Result<Vec<(OrderKeyId, Secret)>, FormsError> {
    let sql = "SELECT id, slot, secret FROM order_key WHERE state = $1 AND slot <> $2 LIMIT $3";
    let values = params![KeyState::Stocked.cell(), slot, limit];
    let found = connection.list(sql, values, |row| {
        Ok((OrderKeyId::from_bytes(row.get(0)?), Secret::read(row, 1)?))
    });
    Ok(found?)
}

/// How many secrets, of keys or the pending upload, aren't under `slot`.
pub(crate) fn count_elsewhere(connection: &Connection, slot: &[u8]) -> Result<u64, FormsError> {
    let sql = "SELECT (SELECT count(*) FROM order_key WHERE state = $1 AND slot <> $2) \
        + (SELECT count(*) FROM order_upload WHERE slot <> $2)";
    let stocked = KeyState::Stocked.cell();
    Ok(connection.one(sql, params![stocked, slot], |row| row.number(0))?)
}

/// Puts a key's secret under another epoch key.
pub(crate) fn move_key(
    connection: &Connection,
    id: OrderKeyId,
    slot: &[u8],
    bytes: &[u8],
) -> Result<(), FormsError> {
    let sql = "UPDATE order_key SET slot = $1, secret = $2 WHERE id = $3";
    Ok(connection.write_one(sql, params![slot, bytes, id.as_bytes()])?)
}

/// How many keys wait for an order, of all kinds.
pub(crate) fn count_living(connection: &Connection) -> Result<u64, FormsError> {
    let sql = "SELECT count(*) FROM order_key WHERE state = $1";
    Ok(connection.one(sql, [KeyState::Stocked.cell()], |row| row.number(0))?)
}

/// How many keys were made here since `then`, whatever became of them. None ends before it was made:
/// so the index over ends finds them.
pub(crate) fn count_made(connection: &Connection, then: Time) -> Result<u64, FormsError> {
    let sql = "SELECT count(*) FROM order_key WHERE state IN (1, 2, 3) AND expires > $1 \
        AND made > $1 AND maker = $2";
    let values = [cell(then.secs())?, maker_cell(Maker::Recipient)];
    Ok(connection.one(sql, values, |row| row.number(0))?)
}

/// A kind of key, for counting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind {
    pub(crate) scheme: Scheme,
    pub(crate) suite: Option<Suite>,
    pub(crate) source: KeySource,
}

/// How many keys of this kind are stocked that live beyond `until`; of one member, or of nobody.
pub(crate) fn count_keys(
    connection: &Connection,
    kind: Kind,
    member: Option<PartyNumber>,
    until: Time,
) -> Result<u64, FormsError> {
    let sql = "SELECT count(*) FROM order_key WHERE state = $1 AND scheme = $2 AND suite = $3 \
        AND source = $4 AND member = $5 AND expires > $6";
    let values = params![
        KeyState::Stocked.cell(),
        kind.scheme.to_string(),
        suite_cell(kind.suite),
        source_cell(kind.source),
        cell(member.map_or(0, PartyNumber::wire))?,
        cell(until.secs())?
    ];
    Ok(connection.one(sql, values, |row| row.number(0))?)
}

const fn suite_cell(suite: Option<Suite>) -> i64 {
    match suite {
        None => 0,
        Some(Suite::Compact) => 1,
        Some(Suite::Standard) => 2,
    }
}

const fn source_cell(source: KeySource) -> i64 {
    match source {
        KeySource::Regular => 1,
        KeySource::Fallback => 2,
    }
}

const fn maker_cell(maker: Maker) -> i64 {
    match maker {
        Maker::Recipient => 1,
        Maker::Service => 2,
    }
}

/// The cells in the order of the query.
struct Cells {
    id: [u8; 16],
    scheme: String,
    numbers: [u64; 7],
    signer: [u8; 32],
    secret: Secret,
}

fn read_cells(row: &Row<'_>) -> Result<Cells, StoreError> {
    Ok(Cells {
        id: row.get(0)?,
        scheme: row.get(1)?,
        numbers: [
            row.number(2)?,
            row.number(3)?,
            row.number(4)?,
            row.number(5)?,
            row.number(7)?,
            row.number(8)?,
            row.number(9)?,
        ],
        signer: row.get(6)?,
        secret: Secret::read(row, 10)?,
    })
}

fn read_key(cells: Cells) -> Result<KeyRow, FormsError> {
    let [suite, member, source, maker, made, expires, state] = cells.numbers;
    let scheme = cells.scheme.parse();
    let signer = VerifyingKey::from_bytes(&cells.signer);
    Ok(KeyRow {
        id: OrderKeyId::from_bytes(cells.id),
        scheme: scheme.map_err(|_e| damaged("an unknown scheme"))?,
        suite: match suite {
            0 => None,
            1 => Some(Suite::Compact),
            2 => Some(Suite::Standard),
            _ => return Err(damaged("an unknown suite")),
        },
        member: match member {
            0 => None,
            member => Some(party(member)?),
        },
        source: match source {
            1 => KeySource::Regular,
            2 => KeySource::Fallback,
            _ => return Err(damaged("an unknown source of a key")),
        },
        maker: match maker {
            1 => Maker::Recipient,
            2 => Maker::Service,
            _ => return Err(damaged("an unknown maker of a key")),
        },
        signer: signer.map_err(|_e| damaged("not a key that verifies"))?,
        made: Time::from_secs(made),
        expires: Time::from_secs(expires),
        state: KeyState::of(state)?,
        secret: cells.secret,
    })
}
