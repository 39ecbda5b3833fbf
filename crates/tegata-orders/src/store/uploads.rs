//! What goes to the service and hasn't been confirmed, and what comes from it.

use rusqlite::{Connection, OptionalExtension as _, params};
use tegata_protocol::PartyNumber;
use tegata_protocol::order::OrderKeyId;

use super::{KeyRow, Secret, cell, key, number};
use crate::FormsError;

/// At most `limit` keys that are in no upload yet.
pub(crate) fn unsent_keys(
    connection: &Connection,
    limit: usize,
) -> Result<Vec<KeyRow>, FormsError> {
    let sql = "SELECT id FROM order_key WHERE sent = 0 AND state = 1 LIMIT ?1";
    let mut query = connection.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let ids: Vec<[u8; 16]> = query
        .query_map([limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let rows = ids.into_iter().map(OrderKeyId::from_bytes);
    rows.filter_map(|id| key(connection, id).transpose())
        .collect()
}

/// Notes an upload that is about to be sent, with these keys in it.
pub(crate) fn begin_upload(
    connection: &Connection,
    upload: &Secret,
    keys: &[OrderKeyId],
) -> Result<(), FormsError> {
    let sql = "INSERT INTO order_upload (one, slot, secret) VALUES (1, ?1, ?2)";
    connection.execute(sql, params![upload.slot, upload.bytes])?;
    let mut update = connection.prepare_cached("UPDATE order_key SET sent = 1 WHERE id = ?1")?;
    for id in keys {
        update.execute([id.as_bytes()])?;
    }
    Ok(())
}

/// The upload that isn't confirmed.
pub(crate) fn pending_upload(connection: &Connection) -> Result<Option<Secret>, FormsError> {
    let sql = "SELECT slot, secret FROM order_upload WHERE one = 1";
    let found = connection.query_row(sql, [], |row| {
        let (slot, bytes) = (row.get(0)?, row.get(1)?);
        Ok(Secret { slot, bytes })
    });
    Ok(found.optional()?)
}

/// Puts the pending upload under another epoch key.
pub(crate) fn move_upload(connection: &Connection, upload: &Secret) -> Result<(), FormsError> {
    let sql = "UPDATE order_upload SET slot = ?1, secret = ?2";
    connection.execute(sql, params![upload.slot, upload.bytes])?;
    Ok(())
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
    connection.execute(sql, [])?;
    connection.execute("DELETE FROM order_upload", [])?;
    Ok(())
}

/// The number of the last key of this service that was fetched.
pub(crate) fn made_cursor(
    connection: &Connection,
    service: PartyNumber,
) -> Result<u64, FormsError> {
    let sql = "SELECT number FROM order_made WHERE service = ?1";
    let found = connection.query_row(sql, [cell(service.wire())?], |row| row.get(0));
    found.optional()?.map_or(Ok(0), number)
}

/// Notes how far this service's keys have been fetched.
pub(crate) fn advance_made(
    connection: &Connection,
    service: PartyNumber,
    to: u64,
) -> Result<(), FormsError> {
    let sql = "INSERT INTO order_made (service, number) VALUES (?1, ?2) \
        ON CONFLICT (service) DO UPDATE SET number = max(number, excluded.number)";
    connection.execute(sql, params![cell(service.wire())?, cell(to)?])?;
    Ok(())
}
