//! Orders that were taken, what was inside, and the members they are taken from.

use rusqlite::{Connection, OptionalExtension as _, params};
use tegata_protocol::order::OrderId;
use tegata_protocol::{Digest, PartyNumber, SignedBytes, Time};

use super::{Secret, cell, damaged, number, party};
use crate::FormsError;

/// An order that was taken before.
#[derive(Clone, Debug)]
pub(crate) struct TakenOrder {
    pub(crate) sealed: Digest,
    pub(crate) receipt: SignedBytes,
}

/// What was answered to the order of that number.
pub(crate) fn taken_order(
    connection: &Connection,
    order: OrderId,
) -> Result<Option<TakenOrder>, FormsError> {
    let sql = "SELECT sealed, receipt FROM order_receipt WHERE id = ?1";
    let mut query = connection.prepare_cached(sql)?;
    let cells = query.query_row([order.as_bytes()], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
    });
    let Some((sealed, receipt)) = cells.optional()? else {
        return Ok(None);
    };
    Ok(Some(TakenOrder {
        sealed: Digest::from_slice(&sealed).ok_or_else(|| damaged("not a digest"))?,
        receipt: SignedBytes::new(receipt),
    }))
}

/// Keeps the receipt of an order; an error if there's one.
pub(crate) fn keep_receipt(
    connection: &Connection,
    order: OrderId,
    sealed: Digest,
    receipt: &SignedBytes,
    received: Time,
) -> Result<(), FormsError> {
    let sql = "INSERT INTO order_receipt (id, sealed, receipt, received) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(sql)?;
    insert.execute(params![
        order.as_bytes(),
        sealed.as_bytes(),
        receipt.as_bytes(),
        cell(received.secs())?
    ])?;
    Ok(())
}

/// Takes orders from a member from now on.
pub(crate) fn admit_member(
    connection: &Connection,
    member: PartyNumber,
    now: Time,
) -> Result<(), FormsError> {
    let sql = "INSERT INTO order_member (member, admitted) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    connection.execute(sql, params![cell(member.wire())?, cell(now.secs())?])?;
    Ok(())
}

/// Takes none from it any more.
pub(crate) fn dismiss_member(
    connection: &Connection,
    member: PartyNumber,
) -> Result<(), FormsError> {
    let sql = "DELETE FROM order_member WHERE member = ?1";
    connection.execute(sql, [cell(member.wire())?])?;
    Ok(())
}

/// Are orders taken from this member?
pub(crate) fn is_member_admitted(
    connection: &Connection,
    member: PartyNumber,
) -> Result<bool, FormsError> {
    let sql = "SELECT 1 FROM order_member WHERE member = ?1";
    Ok(connection
        .prepare_cached(sql)?
        .exists([cell(member.wire())?])?)
}

/// Every member that orders are taken from.
pub(crate) fn members(connection: &Connection) -> Result<Vec<PartyNumber>, FormsError> {
    let mut query = connection.prepare("SELECT member FROM order_member ORDER BY member")?;
    let cells = query.query_map([], |row| row.get::<_, i64>(0))?;
    cells.map(|cell| party(cell?)).collect()
}

/// Keeps what was inside an order, or replaces it.
pub(crate) fn keep_form(
    connection: &Connection,
    order: OrderId,
    form: &Secret,
) -> Result<(), FormsError> {
    let sql = "INSERT INTO order_form (id, slot, secret) VALUES (?1, ?2, ?3) \
        ON CONFLICT (id) DO UPDATE SET slot = excluded.slot, secret = excluded.secret";
    let mut insert = connection.prepare_cached(sql)?;
    insert.execute(params![order.as_bytes(), form.slot, form.bytes])?;
    Ok(())
}

/// What was inside an order.
pub(crate) fn form(connection: &Connection, order: OrderId) -> Result<Option<Secret>, FormsError> {
    let sql = "SELECT slot, secret FROM order_form WHERE id = ?1";
    let mut query = connection.prepare_cached(sql)?;
    let found = query.query_row([order.as_bytes()], |row| {
        let (slot, bytes) = (row.get(0)?, row.get(1)?);
        Ok(Secret { slot, bytes })
    });
    Ok(found.optional()?)
}

/// At most `limit` forms that aren't under `slot`.
pub(crate) fn forms_elsewhere(
    connection: &Connection,
    slot: &[u8],
    limit: u32,
) -> Result<Vec<(OrderId, Secret)>, FormsError> {
    let sql = "SELECT id, slot, secret FROM order_form WHERE slot <> ?1 LIMIT ?2";
    let mut query = connection.prepare_cached(sql)?;
    let rows = query.query_map(params![slot, limit], |row| {
        let (slot, bytes) = (row.get(1)?, row.get(2)?);
        Ok((row.get::<_, [u8; 16]>(0)?, Secret { slot, bytes }))
    })?;
    rows.map(|row| row.map(|(id, secret)| (OrderId::from_bytes(id), secret)))
        .collect::<Result<_, _>>()
        .map_err(FormsError::from)
}

/// How many forms there are, and how many of them under `slot`.
pub(crate) fn count_forms(connection: &Connection, slot: &[u8]) -> Result<(u64, u64), FormsError> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE slot = ?1) FROM order_form";
    let (all, under) = connection.query_row(sql, [slot], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((number(all)?, number(under)?))
}

/// Makes SQLite overwrite what it deletes on this connection from now on.
pub(crate) fn overwrite_deleted(connection: &Connection) -> Result<(), FormsError> {
    let sql = "PRAGMA secure_delete = ON";
    connection.query_row(sql, [], |_row| Ok(()))?;
    Ok(())
}

/// Erases what was inside an order. Was there anything?
pub(crate) fn erase_form(connection: &Connection, order: OrderId) -> Result<bool, FormsError> {
    let sql = "DELETE FROM order_form WHERE id = ?1";
    Ok(connection.execute(sql, [order.as_bytes()])? == 1)
}

/// Writes the write-ahead log into the file and empties it. `false` if somebody still reads.
pub(crate) fn empty_log(connection: &Connection) -> Result<bool, FormsError> {
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let busy: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(busy == 0)
}
