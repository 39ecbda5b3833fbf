//! All SQL of this crate, on the host's connection. Functions that change something are called
//! inside the host's transaction, which took SQLite's write lock from its first moment.

use tegata_protocol::PartyNumber;
use tegata_store::Connection;

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
    match connection.is_writing() {
        true => Ok(()),
        false => Err(FormsError::NoTransaction),
    }
}

fn cell(number: u64) -> Result<i64, FormsError> {
    i64::try_from(number).map_err(|_e| damaged("a number beyond its column"))
}

fn party(number: u64) -> Result<PartyNumber, FormsError> {
    PartyNumber::from_wire(number).map_err(|_e| damaged("not a party's number"))
}
