//! Requests, mailbox, owner's links: the small tables, and how cells become values.

use rusqlite::{Connection, OptionalExtension as _, params};
use tegata_protocol::{Digest, MessageId, PartyNumber, SignedBytes, Time};

use super::StoreError;

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
        let mut query = self.connection.prepare_cached(
            "SELECT digest, reply FROM request WHERE sender = ?1 AND message = ?2",
        )?;
        let cells = query.query_row(params![party_cell(sender)?, message.as_bytes()], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
        });
        let Some((digest, reply)) = cells.optional()? else {
            return Ok(None);
        };
        Ok(Some(Answered {
            digest: digest_of(&digest)?,
            reply: SignedBytes::new(reply),
        }))
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
        let sql = "INSERT INTO request (sender, message, digest, reply) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = self.connection.prepare_cached(sql)?;
        insert.execute(params![
            party_cell(sender)?,
            message.as_bytes(),
            digest.as_bytes(),
            reply.as_bytes()
        ])?;
        Ok(())
    }

    /// The number of the last mailbox item that was dealt with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mailbox_cursor(&self) -> Result<u64, StoreError> {
        let sql = "SELECT cursor FROM mailbox WHERE one = 1";
        number(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Notes that a mailbox item was dealt with, in the same transaction as its effect.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn advance_mailbox(&self, cursor: u64) -> Result<(), StoreError> {
        let sql = "UPDATE mailbox SET cursor = ?1 WHERE one = 1 AND cursor < ?1";
        self.connection.execute(sql, [cell(cursor)?])?;
        Ok(())
    }

    /// Remembers a one-time link to the owner's page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn offer_owner_link(&self, token: Digest, expires: Time) -> Result<(), StoreError> {
        let sql = "INSERT INTO owner_link (digest, expires) VALUES (?1, ?2)";
        self.connection
            .execute(sql, params![token.as_bytes(), cell(expires.secs())?])?;
        Ok(())
    }

    /// Uses a one-time link up. Was it good?
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn use_owner_link(&self, token: Digest, now: Time) -> Result<bool, StoreError> {
        let sql = "DELETE FROM owner_link WHERE digest = ?1 AND expires > ?2";
        let used = self
            .connection
            .execute(sql, params![token.as_bytes(), cell(now.secs())?])?;
        let sql = "DELETE FROM owner_link WHERE expires <= ?1";
        self.connection.execute(sql, [cell(now.secs())?])?;
        Ok(used == 1)
    }
}

/// A number as SQLite's signed integer.
pub(super) fn cell(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_e| StoreError::damaged("a number beyond its column"))
}

pub(super) fn party_cell(party: PartyNumber) -> Result<i64, StoreError> {
    cell(party.wire())
}

/// SQLite's integer as a number.
pub(super) fn number(cell: i64) -> Result<u64, StoreError> {
    u64::try_from(cell).map_err(|_e| StoreError::damaged("a negative number"))
}

pub(super) fn small(cell: i64) -> Result<u32, StoreError> {
    u32::try_from(cell).map_err(|_e| StoreError::damaged("a number out of its range"))
}

pub(super) fn digest_of(bytes: &[u8]) -> Result<Digest, StoreError> {
    Digest::from_slice(bytes).ok_or_else(|| StoreError::damaged("a digest not of 32 bytes"))
}
