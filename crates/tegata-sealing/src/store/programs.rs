//! The texts of programs, and the entries of their log.

use rusqlite::{OptionalExtension as _, params};
use tegata_protocol::{Digest, SignedBytes};

use super::tables::Tables;
use super::{StoreError, cell, digest_of, number};

/// A program, as one row of the log says. Nothing of it is verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogRow {
    /// The row's number.
    pub sequence: u64,
    /// The digest that the text is found by.
    pub digest: Digest,
    /// The text.
    pub text: String,
    /// The signed entry.
    pub entry: SignedBytes,
}

impl Tables<'_> {
    /// A program's text, if it was ever published.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn program(&self, digest: Digest) -> Result<Option<String>, StoreError> {
        let sql = "SELECT text FROM program WHERE digest = ?1";
        let mut query = self.connection.prepare_cached(sql)?;
        let text = query.query_row([digest.as_bytes()], |row| row.get(0));
        Ok(text.optional()?)
    }

    /// The log, from its first row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn log(&self) -> Result<Vec<LogRow>, StoreError> {
        let sql = "SELECT sequence, digest, text, entry FROM program ORDER BY sequence";
        let mut query = self.connection.prepare_cached(sql)?;
        let rows = query.query_map([], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, Vec<u8>>(1)?,
                row.get(2)?,
                row.get(3)?,
            ))
        })?;
        let rows = rows.map(|row| {
            let (sequence, digest, text, entry) = row?;
            Ok(LogRow {
                sequence: number(sequence)?,
                digest: digest_of(&digest)?,
                text,
                entry: SignedBytes::new(entry),
            })
        });
        rows.collect()
    }

    /// The digest of the program that was published last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_program(&self) -> Result<Option<Digest>, StoreError> {
        let sql = "SELECT digest FROM program ORDER BY sequence DESC LIMIT 1";
        let mut query = self.connection.prepare_cached(sql)?;
        let digest = query.query_row([], |row| row.get::<_, Vec<u8>>(0));
        digest
            .optional()?
            .map(|bytes| digest_of(&bytes))
            .transpose()
    }

    /// The log's last number and the digest of its signed entry.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn log_head(&self) -> Result<Option<(u64, Digest)>, StoreError> {
        let sql = "SELECT sequence, entry FROM program ORDER BY sequence DESC LIMIT 1";
        let mut query = self.connection.prepare_cached(sql)?;
        let head = query.query_row([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        });
        let Some((sequence, entry)) = head.optional()? else {
            return Ok(None);
        };
        Ok(Some((number(sequence)?, Digest::of(&entry))))
    }

    /// Adds a row to the log.
    ///
    /// # Errors
    /// [`StoreError`], also when that program is there already.
    pub fn append_program(&self, row: &LogRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO program (sequence, digest, text, entry) VALUES (?1, ?2, ?3, ?4)";
        self.connection.execute(
            sql,
            params![
                cell(row.sequence)?,
                row.digest.as_bytes(),
                row.text,
                row.entry.as_bytes()
            ],
        )?;
        Ok(())
    }
}
