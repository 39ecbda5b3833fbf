//! All SQL of this crate, on the host's connection. Functions that change something are called
//! inside the host's transaction, which took SQLite's write lock from its first moment.

use rusqlite::Connection;
use tegata_protocol::{PartyNumber, Time};

use crate::FormsError;

mod keys;
mod orders;
mod uploads;

pub use keys::KeyState;
pub(crate) use keys::*;
pub(crate) use orders::*;
pub(crate) use uploads::*;

/// The tables, for the host's first schema or one of its migrations.
pub const SCHEMA: &str = include_str!("schema.sql");

const WHAT: &str = "the orders' tables";

fn damaged(why: &str) -> FormsError {
    FormsError::damaged(WHAT, why)
}

/// Refuses to change anything outside a transaction: half a step could stay.
pub(crate) fn in_transaction(connection: &Connection) -> Result<(), FormsError> {
    match connection.is_autocommit() {
        false => Ok(()),
        true => Err(FormsError::NoTransaction),
    }
}

fn cell(number: u64) -> Result<i64, FormsError> {
    i64::try_from(number).map_err(|_e| damaged("a number beyond its column"))
}

fn number(cell: i64) -> Result<u64, FormsError> {
    u64::try_from(cell).map_err(|_e| damaged("a negative number"))
}

fn time(cell: i64) -> Result<Time, FormsError> {
    Ok(Time::from_secs(number(cell)?))
}

fn party(cell: i64) -> Result<PartyNumber, FormsError> {
    PartyNumber::from_wire(number(cell)?).map_err(|_e| damaged("not a party's number"))
}
