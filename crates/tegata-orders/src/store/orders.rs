//! Orders that were taken, what was inside, and the members they are taken from.

use tegata_protocol::order::OrderId;
use tegata_protocol::{Digest, PartyNumber, SignedBytes, Time};
use tegata_store::{Connection, params};

use super::{Secret, cell, party};
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
    let sql = "SELECT sealed, receipt FROM order_receipt WHERE id = $1";
    let found = connection.find(sql, [order.as_bytes()], |row| {
        Ok(TakenOrder {
            sealed: Digest::from_bytes(row.get(0)?),
            receipt: SignedBytes::new(row.get(1)?),
        })
    });
    Ok(found?)
}

/// Keeps the receipt of an order; an error if there's one.
pub(crate) fn keep_receipt(
    connection: &Connection,
    order: OrderId,
    sealed: Digest,
    receipt: &SignedBytes,
    received: Time,
) -> Result<(), FormsError> {
    let sql = "INSERT INTO order_receipt (id, sealed, receipt, received) VALUES ($1, $2, $3, $4)";
    let values = params![
        order.as_bytes(),
        sealed.as_bytes(),
        receipt.as_bytes(),
        cell(received.secs())?
    ];
    Ok(connection.write_one(sql, values)?)
}

/// Takes orders from a member from now on.
pub(crate) fn admit_member(
    connection: &Connection,
    member: PartyNumber,
    now: Time,
) -> Result<(), FormsError> {
    let sql = "INSERT INTO order_member (member, admitted) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    connection.write_at_most_one(sql, [cell(member.wire())?, cell(now.secs())?])?;
    Ok(())
}

/// Takes none from it any more.
pub(crate) fn dismiss_member(
    connection: &Connection,
    member: PartyNumber,
) -> Result<(), FormsError> {
    let sql = "DELETE FROM order_member WHERE member = $1";
    connection.write_at_most_one(sql, [cell(member.wire())?])?;
    Ok(())
}

/// Are orders taken from this member?
pub(crate) fn is_member_admitted(
    connection: &Connection,
    member: PartyNumber,
) -> Result<bool, FormsError> {
    let sql = "SELECT 1 FROM order_member WHERE member = $1";
    Ok(connection.exists(sql, [cell(member.wire())?])?)
}

/// Every member that orders are taken from.
pub(crate) fn members(connection: &Connection) -> Result<Vec<PartyNumber>, FormsError> {
    let sql = "SELECT member FROM order_member ORDER BY member";
    let numbers = connection.list(sql, [], |row| row.number(0))?;
    numbers.into_iter().map(party).collect()
}

/// Keeps what was inside an order, or replaces it.
pub(crate) fn keep_form(
    connection: &Connection,
    order: OrderId,
    form: &Secret,
) -> Result<(), FormsError> {
    let sql = "INSERT INTO order_form (id, slot, secret) VALUES ($1, $2, $3) \
        ON CONFLICT (id) DO UPDATE SET slot = excluded.slot, secret = excluded.secret";
    Ok(connection.write_one(sql, params![order.as_bytes(), form.slot, form.bytes])?)
}

/// What was inside an order.
pub(crate) fn form(connection: &Connection, order: OrderId) -> Result<Option<Secret>, FormsError> {
    let sql = "SELECT slot, secret FROM order_form WHERE id = $1";
    Ok(connection.find(sql, [order.as_bytes()], |row| Secret::read(row, 0))?)
}

/// At most `limit` forms that aren't under `slot`.
pub(crate) fn forms_elsewhere(
    connection: &Connection,
    slot: &[u8],
    limit: u32,
) -> Result<Vec<(OrderId, Secret)>, FormsError> {
    let sql = "SELECT id, slot, secret FROM order_form WHERE slot <> $1 LIMIT $2";
    let found = connection.list(sql, params![slot, limit], |row| {
        Ok((OrderId::from_bytes(row.get(0)?), Secret::read(row, 1)?))
    });
    Ok(found?)
}

/// How many forms there are, and how many of them under `slot`.
pub(crate) fn count_forms(connection: &Connection, slot: &[u8]) -> Result<(u64, u64), FormsError> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE slot = $1) FROM order_form";
    Ok(connection.one(sql, [slot], |row| Ok((row.number(0)?, row.number(1)?)))?)
}

/// Makes sure that the host's database overwrites what it deletes.
pub(crate) fn must_overwrite(connection: &Connection) -> Result<(), FormsError> {
    Ok(connection.must_overwrite()?)
}

/// Erases what was inside an order. Was there anything?
pub(crate) fn erase_form(connection: &Connection, order: OrderId) -> Result<bool, FormsError> {
    let sql = "DELETE FROM order_form WHERE id = $1";
    Ok(connection.write_at_most_one(sql, [order.as_bytes()])?)
}

/// Writes the write-ahead log into the file and empties it. `false` if somebody still reads.
pub(crate) fn empty_log(connection: &Connection) -> Result<bool, FormsError> {
    Ok(connection.empty_log()?)
}
