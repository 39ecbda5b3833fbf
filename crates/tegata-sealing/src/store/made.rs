//! Keys that the service made, until their shop has them.

use tegata_protocol::{PartyNumber, SignedBytes};
use tegata_store::params;

use super::tables::{Tables, party_cell};
use super::{StoreError, cell};

/// A key that waits for its shop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Its number in the shop's row.
    pub number: u64,
    /// The key, signed by the service.
    pub record: SignedBytes,
    /// The wrapped seed of the half that opens.
    pub seed: Vec<u8>,
}

impl Tables<'_> {
    /// The number that the next key made for a shop gets; it's used up.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_made(&self, recipient: PartyNumber) -> Result<u64, StoreError> {
        let sql = "INSERT INTO made_row (recipient, last, fetched) VALUES ($1, 1, 0)
                   ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last";
        let recipient = [party_cell(recipient)?];
        self.connection
            .write_one_returning(sql, recipient, |row| row.number(0))
    }

    /// Keeps a key until its shop has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_made(&self, recipient: PartyNumber, key: &Waiting) -> Result<(), StoreError> {
        let sql = "INSERT INTO made_key (recipient, number, record, seed) VALUES ($1, $2, $3, $4)";
        let values = params![
            party_cell(recipient)?,
            cell(key.number)?,
            key.record.as_bytes(),
            key.seed
        ];
        self.connection.write_one(sql, values)
    }

    /// The keys behind `after` that wait for their shop, by number, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn made_after(
        &self,
        recipient: PartyNumber,
        after: u64,
        most: usize,
    ) -> Result<Vec<Waiting>, StoreError> {
        let sql = "SELECT number, record, seed FROM made_key
                   WHERE recipient = $1 AND number > $2 ORDER BY number LIMIT $3";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values = params![party_cell(recipient)?, cell(after)?, most];
        self.connection.list(sql, values, |row| {
            Ok(Waiting {
                number: row.number(0)?,
                record: SignedBytes::new(row.get(1)?),
                seed: row.get(2)?,
            })
        })
    }

    /// How many keys wait for a shop.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn made_waiting(&self, recipient: PartyNumber) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM made_key WHERE recipient = $1";
        let recipient = [party_cell(recipient)?];
        self.connection.one(sql, recipient, |row| row.number(0))
    }

    /// Notes that the shop was sent the keys up to this number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_fetched(&self, recipient: PartyNumber, number: u64) -> Result<(), StoreError> {
        let sql = "UPDATE made_row SET fetched = max(fetched, $1) WHERE recipient = $2";
        let values = params![cell(number)?, party_cell(recipient)?];
        self.connection.write_one(sql, values)
    }

    /// The shop has the keys up to this number: they're erased here. What it was never sent
    /// stays, whatever it says. Gives how many were erased.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn acknowledge(&self, recipient: PartyNumber, number: u64) -> Result<usize, StoreError> {
        let sql = "SELECT fetched FROM made_row WHERE recipient = $1";
        let recipient = party_cell(recipient)?;
        let fetched = self
            .connection
            .find(sql, [recipient], |row| row.number(0))?;
        let until = cell(fetched.unwrap_or(0).min(number))?;
        let sql = "DELETE FROM made_key WHERE recipient = $1 AND number <= $2";
        self.connection.write_any(sql, params![recipient, until])
    }
}
