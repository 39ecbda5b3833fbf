//! What goes to the service and hasn't been confirmed, and what comes from it.

use tegata_protocol::PartyNumber;
use tegata_protocol::order::OrderKeyId;
use tegata_store::{Connection, params};

use super::{KeyRow, Secret, cell, key};
use crate::FormsError;

/// At most `limit` keys that are in no upload yet.
pub(crate) fn unsent_keys(
    connection: &Connection,
    limit: usize,
) -> Result<Vec<KeyRow>, FormsError> {
    let sql = "SELECT id FROM order_key WHERE sent = 0 AND state = 1 LIMIT $1";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let ids = connection.list(sql, [limit], |row| row.get(0).map(OrderKeyId::from_bytes))?;
    ids.into_iter()
        .filter_map(|id| key(connection, id).transpose())
        .collect()
}

/// Notes an upload that is about to be sent, with these keys in it.
pub(crate) fn begin_upload(
    connection: &Connection,
    upload: &Secret,
    keys: &[OrderKeyId],
) -> Result<(), FormsError> {
    let sql = "INSERT INTO order_upload (one, slot, secret) VALUES (1, $1, $2)";
    connection.write_one(sql, params![upload.slot, upload.bytes])?;
    for id in keys {
        let sql = "UPDATE order_key SET sent = 1 WHERE id = $1";
        connection.write_one(sql, [id.as_bytes()])?;
    }
    Ok(())
}

/// The upload that isn't confirmed.
pub(crate) fn pending_upload(connection: &Connection) -> Result<Option<Secret>, FormsError> {
    let sql = "SELECT slot, secret FROM order_upload WHERE one = 1";
    Ok(connection.find(sql, [], |row| Secret::read(row, 0))?)
}

/// Puts the pending upload under another epoch key.
pub(crate) fn move_upload(connection: &Connection, upload: &Secret) -> Result<(), FormsError> {
    let sql = "UPDATE order_upload SET slot = $1, secret = $2";
    Ok(connection.write_one(sql, params![upload.slot, upload.bytes])?)
}

/// What became of the pending upload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Uploaded {
    /// The service has its keys.
    Confirmed,
    /// It must be signed anew.
    Again,
    /// The service won't have its keys.
    Refused,
}

/// Ends the pending upload.
pub(crate) fn end_upload(connection: &Connection, how: Uploaded) -> Result<(), FormsError> {
    let sql = match how {
        Uploaded::Confirmed => "UPDATE order_key SET sent = 2 WHERE sent = 1",
        Uploaded::Again => "UPDATE order_key SET sent = 0 WHERE sent = 1",
        Uploaded::Refused => {
            "UPDATE order_key SET sent = 2, state = 3, slot = x'', secret = x'' WHERE sent = 1 \
            AND state = 1"
        }
    };
    connection.write_any(sql, [])?;
    connection.write_at_most_one("DELETE FROM order_upload", [])?;
    Ok(())
}

/// The number of the last key of this service that was fetched.
pub(crate) fn made_cursor(
    connection: &Connection,
    service: PartyNumber,
) -> Result<u64, FormsError> {
    let sql = "SELECT number FROM order_made WHERE service = $1";
    let service = [cell(service.wire())?];
    let found = connection.find(sql, service, |row| row.number(0))?;
    Ok(found.unwrap_or(0))
}

/// Notes how far this service's keys have been fetched.
pub(crate) fn advance_made(
    connection: &Connection,
    service: PartyNumber,
    to: u64,
) -> Result<(), FormsError> {
    let sql = "INSERT INTO order_made (service, number) VALUES ($1, $2) \
        ON CONFLICT (service) DO UPDATE SET number = max(number, excluded.number)";
    Ok(connection.write_one(sql, [cell(service.wire())?, cell(to)?])?)
}
