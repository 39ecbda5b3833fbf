//! Requests, mailbox, owner's links: the small tables, and how cells become values.

use tegata_protocol::{Digest, MessageId, PartyNumber, SignedBytes, Time};
use tegata_store::{Connection, Row, params};

use super::{DATABASE, StoreError};

/// The tables as one job or one reader sees them.
#[derive(Debug)]
pub struct Tables<'a> {
    pub(super) connection: &'a Connection,
}

/// A reply that was given before.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The digest of the signed request that it answered.
    pub digest: Digest,
    /// The signed reply.
    pub reply: SignedBytes,
}

/// A seat or room, from one night or stop until before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Which one, counted by the offer.
    pub place: u32,
    /// From when on.
    pub first: u32,
    /// Until just before.
    pub last: u32,
}

impl Place {
    /// Do the two collide?
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.place == other.place && self.first < other.last && other.first < self.last
    }
}

impl<'a> Tables<'a> {
    pub(super) const fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }

    /// What was answered to this message before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn answered(
        &self,
        sender: PartyNumber,
        message: MessageId,
    ) -> Result<Option<Answered>, StoreError> {
        let sql = "SELECT digest, reply FROM request WHERE sender = $1 AND message = $2";
        let values = params![party_cell(sender)?, message.as_bytes()];
        self.connection.find(sql, values, |row| {
            Ok(Answered {
                digest: digest(row, 0)?,
                reply: SignedBytes::new(row.get(1)?),
            })
        })
    }

    /// Keeps the reply to a message, for ever.
    ///
    /// # Errors
    /// [`StoreError`], also when that message has one.
    pub fn keep_answer(
        &self,
        sender: PartyNumber,
        message: MessageId,
        digest: Digest,
        reply: &SignedBytes,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO request (sender, message, digest, reply) VALUES ($1, $2, $3, $4)";
        let values = params![
            party_cell(sender)?,
            message.as_bytes(),
            digest.as_bytes(),
            reply.as_bytes()
        ];
        self.connection.write_one(sql, values)
    }

    /// The number of the last mailbox item that was dealt with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mailbox_cursor(&self) -> Result<u64, StoreError> {
        let sql = "SELECT cursor FROM mailbox WHERE one = 1";
        self.connection.one(sql, [], |row| row.number(0))
    }

    /// Notes that a mailbox item was dealt with, in the same transaction as its effect.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn advance_mailbox(&self, cursor: u64) -> Result<(), StoreError> {
        // It never goes back.
        let sql = "UPDATE mailbox SET cursor = max(cursor, $1) WHERE one = 1";
        self.connection.write_one(sql, [cell(cursor)?])
    }

    /// Remembers a one-time link to the owner's page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn offer_owner_link(&self, token: Digest, expires: Time) -> Result<(), StoreError> {
        let sql = "INSERT INTO owner_link (digest, expires) VALUES ($1, $2)";
        let values = params![token.as_bytes(), cell(expires.secs())?];
        self.connection.write_one(sql, values)
    }

    /// Uses a one-time link up. Was it good?
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn use_owner_link(&self, token: Digest, now: Time) -> Result<bool, StoreError> {
        let now = cell(now.secs())?;
        let sql = "DELETE FROM owner_link WHERE digest = $1 AND expires > $2";
        let values = params![token.as_bytes(), now];
        let used = self.connection.write_at_most_one(sql, values)?;
        let sql = "DELETE FROM owner_link WHERE expires <= $1";
        self.connection.write_any(sql, [now])?;
        Ok(used)
    }
}

/// A number as SQLite's signed integer.
pub(super) fn cell(number: u64) -> Result<i64, StoreError> {
    DATABASE.cell(number)
}

pub(super) fn party_cell(party: PartyNumber) -> Result<i64, StoreError> {
    cell(party.wire())
}

pub(super) fn digest(row: &Row<'_>, column: usize) -> Result<Digest, StoreError> {
    row.get(column).map(Digest::from_bytes)
}

/// A digest, or an empty blob for "not yet".
pub(super) fn digest_or_none(row: &Row<'_>, column: usize) -> Result<Option<Digest>, StoreError> {
    match row.get::<Vec<u8>>(column)?.is_empty() {
        true => Ok(None),
        false => digest(row, column).map(Some),
    }
}
