//! Looking one thing up by its key: for readers, and for the committer's recall.

use tegata_protocol::{CardNumber, Digest, PartyNumber, PaymentId};
use tegata_store::{Connection, Params, params};

use super::{
    cells::{Cells, Table, integer, position_number},
    failed, rows,
};
use crate::{
    Account, AccountId, Bill, BillKey, Card, Funding, Hold, KnownMessage, MessageKey, Position,
    Statement, StatementKey,
    store::{StoreError, Tip},
};

pub(super) const RECORD_AT: &str = concat!(
    "SELECT ",
    rows::record_columns!(),
    " FROM record WHERE position = $1"
);
pub(super) const REPLY_AT: &str = "SELECT position, bytes FROM reply WHERE position = $1";

/// Every row of a query, read.
pub(super) fn list<T>(
    connection: &Connection,
    sql: &str,
    table: Table,
    values: impl Params,
    mut read: impl FnMut(&mut Cells<'_, '_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let found = connection.list(sql, values, |row| Ok(read(&mut Cells::new(table, row))));
    found
        .map_err(failed("read the book"))?
        .into_iter()
        .collect()
}

/// The first row of a query, read.
pub(super) fn find<T>(
    connection: &Connection,
    sql: &str,
    table: Table,
    values: impl Params,
    read: impl FnOnce(&mut Cells<'_, '_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let found = connection.find(sql, values, |row| Ok(read(&mut Cells::new(table, row))));
    found
        .map_err(failed("look something up in the book"))?
        .transpose()
}

pub(super) fn known_message(
    connection: &Connection,
    key: &MessageKey,
) -> Result<Option<KnownMessage>, StoreError> {
    let sql = "SELECT party, message, digest, position FROM message_id \
               WHERE party = $1 AND message = $2";
    let party = integer(key.party.wire(), "a party's number")?;
    let values = params![party, key.id.as_bytes()];
    find(connection, sql, rows::MESSAGE, values, rows::known_message)
}

pub(super) fn account(
    connection: &Connection,
    id: &AccountId,
) -> Result<Option<Account>, StoreError> {
    let sql = concat!(
        "SELECT ",
        rows::account_columns!(),
        " FROM account WHERE kind = $1 AND owner = $2 AND part = $3 AND currency = $4"
    );
    let values = account_key(id)?;
    let found = find(connection, sql, rows::ACCOUNT, values, rows::account)?;
    Ok(found.map(|(_, account)| account))
}

pub(super) fn account_key(id: &AccountId) -> Result<(u8, i64, u16, &str), StoreError> {
    let owner = integer(id.owner, "an account's owner")?;
    Ok((id.kind.number(), owner, id.part, id.currency.code()))
}

pub(super) fn hold(
    connection: &Connection,
    payment: &PaymentId,
) -> Result<Option<Hold>, StoreError> {
    let sql = concat!(
        "SELECT ",
        rows::hold_columns!(),
        " FROM hold WHERE payment = $1"
    );
    let key = payment.digest();
    find(connection, sql, rows::HOLD, [key.as_bytes()], rows::hold)
}

pub(super) fn bill(connection: &Connection, key: &BillKey) -> Result<Option<Bill>, StoreError> {
    let sql = concat!(
        "SELECT ",
        rows::bill_columns!(),
        " FROM bill WHERE shop = $1 AND txn = $2"
    );
    let found = find(connection, sql, rows::BILL, bill_key(key)?, rows::bill)?;
    Ok(found.map(|(_, bill)| bill))
}

pub(super) fn bill_key(key: &BillKey) -> Result<(i64, i64), StoreError> {
    let shop = integer(key.shop.wire(), "a party's number")?;
    Ok((shop, integer(key.transaction.wire(), "a transaction")?))
}

pub(super) fn party(
    connection: &Connection,
    party: PartyNumber,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT party, record FROM party WHERE party = $1";
    let values = [integer(party.wire(), "a party's number")?];
    find(connection, sql, rows::PARTY, values, |c| {
        c.party()?;
        c.bytes()
    })
}

pub(super) fn funding(
    connection: &Connection,
    reference: &str,
) -> Result<Option<Funding>, StoreError> {
    let sql = concat!(
        "SELECT ",
        rows::funding_columns!(),
        " FROM funding_reference WHERE reference = $1"
    );
    let found = find(connection, sql, rows::FUNDING, [reference], rows::funding)?;
    Ok(found.map(|(_, funding)| funding))
}

pub(super) fn statement(
    connection: &Connection,
    key: &StatementKey,
) -> Result<Option<Statement>, StoreError> {
    let sql = concat!(
        "SELECT ",
        rows::statement_columns!(),
        " FROM statement WHERE account = $1 AND id = $2"
    );
    let values = [key.account.as_str(), key.id.as_str()];
    let found = find(connection, sql, rows::STATEMENT, values, rows::statement)?;
    Ok(found.map(|(_, statement)| statement))
}

pub(super) fn card(
    connection: &Connection,
    number: &CardNumber,
) -> Result<Option<Card>, StoreError> {
    let sql = concat!(
        "SELECT ",
        rows::card_columns!(),
        " FROM card WHERE number = $1"
    );
    let found = find(connection, sql, rows::CARD, [number.as_bytes()], rows::card)?;
    Ok(found.map(|(_, card)| card))
}

pub(super) fn receipts(
    connection: &Connection,
    card: &CardNumber,
    counter: u32,
) -> Result<Option<Vec<Digest>>, StoreError> {
    let sql = concat!(
        "SELECT ",
        rows::receipt_columns!(),
        " FROM card_receipt WHERE card = $1 AND counter = $2"
    );
    let values = params![card.as_bytes(), counter];
    let found = find(connection, sql, rows::RECEIPT, values, rows::receipts)?;
    Ok(found.map(|(_, digests)| digests))
}

/// The last number of a party's outbox; 0 when it's empty.
pub(super) fn last_outbox_number(
    connection: &Connection,
    party: PartyNumber,
) -> Result<u64, StoreError> {
    let sql = "SELECT number FROM outbox WHERE party = $1 ORDER BY number DESC LIMIT 1";
    let values = [integer(party.wire(), "a party's number")?];
    let last = find(connection, sql, rows::OUTBOX, values, |c| c.number())?;
    Ok(last.unwrap_or(0))
}

/// The last record of a chain.
pub(super) fn tip(connection: &Connection, committer: u16) -> Result<Option<Tip>, StoreError> {
    let sql = concat!(
        "SELECT ",
        rows::record_columns!(),
        " FROM record WHERE position BETWEEN $1 AND $2 ORDER BY position DESC LIMIT 1"
    );
    let values = [
        position_number(Position::new(committer, 0))?,
        position_number(Position::new(committer, Position::MAX_SEQUENCE))?,
    ];
    let found = find(connection, sql, rows::RECORD, values, rows::record)?;
    Ok(found.map(|(record, hash)| Tip {
        position: record.position,
        hash,
        time: record.time,
    }))
}
