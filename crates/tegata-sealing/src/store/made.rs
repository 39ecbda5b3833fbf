//! Keys that the service made, until their shop has them.

use rusqlite::{OptionalExtension as _, params};
use tegata_protocol::{PartyNumber, SignedBytes};

use super::tables::{Tables, party_cell};
use super::{StoreError, cell, number};

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
        let sql = "INSERT INTO made_row (recipient, last, fetched) VALUES (?1, 1, 0)
                   ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last";
        let mut insert = self.connection.prepare_cached(sql)?;
        number(insert.query_row([party_cell(recipient)?], |row| row.get(0))?)
    }

    /// Keeps a key until its shop has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_made(&self, recipient: PartyNumber, key: &Waiting) -> Result<(), StoreError> {
        let sql = "INSERT INTO made_key (recipient, number, record, seed) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = self.connection.prepare_cached(sql)?;
        insert.execute(params![
            party_cell(recipient)?,
            cell(key.number)?,
            key.record.as_bytes(),
            key.seed
        ])?;
        Ok(())
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
                   WHERE recipient = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
        let mut query = self.connection.prepare_cached(sql)?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = query.query_map(params![party_cell(recipient)?, cell(after)?, most], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?))
        })?;
        let waiting = rows.map(|row| {
            let (row, record, seed) = row?;
            Ok(Waiting {
                number: number(row)?,
                record: SignedBytes::new(record),
                seed,
            })
        });
        waiting.collect()
    }

    /// How many keys wait for a shop.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn made_waiting(&self, recipient: PartyNumber) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM made_key WHERE recipient = ?1";
        let mut query = self.connection.prepare_cached(sql)?;
        number(query.query_row([party_cell(recipient)?], |row| row.get(0))?)
    }

    /// Notes that the shop was sent the keys up to this number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_fetched(&self, recipient: PartyNumber, number: u64) -> Result<(), StoreError> {
        let sql = "UPDATE made_row SET fetched = max(fetched, ?2) WHERE recipient = ?1";
        let mut update = self.connection.prepare_cached(sql)?;
        update.execute(params![party_cell(recipient)?, cell(number)?])?;
        Ok(())
    }

    /// The shop has the keys up to this number: they're erased here. What it was never sent
    /// stays, whatever it says. Gives how many were erased.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn acknowledge(&self, recipient: PartyNumber, number: u64) -> Result<usize, StoreError> {
        let sql = "SELECT fetched FROM made_row WHERE recipient = ?1";
        let mut query = self.connection.prepare_cached(sql)?;
        let fetched = query.query_row([party_cell(recipient)?], |row| row.get::<_, i64>(0));
        let until = fetched.optional()?.unwrap_or(0).min(cell(number)?);
        let sql = "DELETE FROM made_key WHERE recipient = ?1 AND number <= ?2";
        let mut delete = self.connection.prepare_cached(sql)?;
        Ok(delete.execute(params![party_cell(recipient)?, until])?)
    }
}
