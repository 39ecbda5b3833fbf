//! Requests with their replies, and the shops that are known.

use rusqlite::{Connection, OptionalExtension as _, params};
use tegata_protocol::record::PartyRecord;
use tegata_protocol::{Digest, MessageId, PartyNumber, SignedBytes, Verified};

use super::{StoreError, cell, digest_of, number};

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
        let sql = "SELECT digest, reply FROM request WHERE sender = ?1 AND message = ?2";
        let mut query = self.connection.prepare_cached(sql)?;
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

    /// A shop's record, as it was learnt. Nobody has verified these bytes since.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn record(&self, shop: PartyNumber) -> Result<Option<SignedBytes>, StoreError> {
        let sql = "SELECT record FROM party WHERE number = ?1";
        let mut query = self.connection.prepare_cached(sql)?;
        let found = query.query_row([party_cell(shop)?], |row| row.get::<_, Vec<u8>>(0));
        Ok(found.optional()?.map(SignedBytes::new))
    }

    /// Keeps a shop's record in the place of an earlier one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn learn(&self, record: &Verified<PartyRecord>) -> Result<(), StoreError> {
        let sql = "INSERT INTO party (number, record) VALUES (?1, ?2)
                   ON CONFLICT (number) DO UPDATE SET record = excluded.record";
        let bytes = record.signed().as_bytes();
        self.connection
            .execute(sql, params![party_cell(record.number)?, bytes])?;
        Ok(())
    }

    /// Everybody whose record is known or who has keys here, by number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn recipients(&self) -> Result<Vec<PartyNumber>, StoreError> {
        let sql = "SELECT number FROM party UNION SELECT recipient FROM pile ORDER BY 1";
        let mut query = self.connection.prepare_cached(sql)?;
        let cells = query.query_map([], |row| row.get::<_, i64>(0))?;
        cells.map(|cell| party_of(cell?)).collect()
    }
}

pub(super) fn party_cell(party: PartyNumber) -> Result<i64, StoreError> {
    cell(party.wire())
}

fn party_of(cell: i64) -> Result<PartyNumber, StoreError> {
    let party = PartyNumber::from_wire(number(cell)?);
    party.map_err(|_e| StoreError::damaged("a number that is no party's"))
}
