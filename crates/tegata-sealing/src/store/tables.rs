//! Requests with their replies, and the shops that are known.

use tegata_protocol::record::PartyRecord;
use tegata_protocol::{Digest, MessageId, PartyNumber, SignedBytes, Verified};
use tegata_store::{Connection, Row, params};

use super::{StoreError, cell, damaged, digest};

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

    /// A shop's record, as it was learnt. Nobody has verified these bytes since.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn record(&self, shop: PartyNumber) -> Result<Option<SignedBytes>, StoreError> {
        let sql = "SELECT record FROM party WHERE number = $1";
        let record = |row: &Row<'_>| row.get(0).map(SignedBytes::new);
        self.connection.find(sql, [party_cell(shop)?], record)
    }

    /// Keeps a shop's record in the place of an earlier one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn learn(&self, record: &Verified<PartyRecord>) -> Result<(), StoreError> {
        let sql = "INSERT INTO party (number, record) VALUES ($1, $2)
                   ON CONFLICT (number) DO UPDATE SET record = excluded.record";
        let values = params![party_cell(record.number)?, record.signed().as_bytes()];
        self.connection.write_one(sql, values)
    }

    /// Everybody whose record is known or who has keys here, by number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn recipients(&self) -> Result<Vec<PartyNumber>, StoreError> {
        let sql = "SELECT number FROM party UNION SELECT recipient FROM pile ORDER BY 1";
        let party = |row: &Row<'_>| {
            let party = PartyNumber::from_wire(row.number(0)?);
            party.map_err(|_e| damaged("a number that is no party's"))
        };
        self.connection.list(sql, [], party)
    }
}

pub(super) fn party_cell(party: PartyNumber) -> Result<i64, StoreError> {
    cell(party.wire())
}
