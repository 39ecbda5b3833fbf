//! The texts of programs, and the entries of their log.

use tegata_protocol::{Digest, SignedBytes};
use tegata_store::params;

use super::tables::Tables;
use super::{StoreError, cell, digest};

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
        let sql = "SELECT text FROM program WHERE digest = $1";
        self.connection
            .find(sql, [digest.as_bytes()], |row| row.get(0))
    }

    /// The log, from its first row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn log(&self) -> Result<Vec<LogRow>, StoreError> {
        let sql = "SELECT sequence, digest, text, entry FROM program ORDER BY sequence";
        self.connection.list(sql, [], |row| {
            Ok(LogRow {
                sequence: row.number(0)?,
                digest: digest(row, 1)?,
                text: row.get(2)?,
                entry: SignedBytes::new(row.get(3)?),
            })
        })
    }

    /// The digest of the program that was published last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_program(&self) -> Result<Option<Digest>, StoreError> {
        let sql = "SELECT digest FROM program ORDER BY sequence DESC LIMIT 1";
        self.connection.find(sql, [], |row| digest(row, 0))
    }

    /// The log's last number and the digest of its signed entry.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn log_head(&self) -> Result<Option<(u64, Digest)>, StoreError> {
        let sql = "SELECT sequence, entry FROM program ORDER BY sequence DESC LIMIT 1";
        self.connection.find(sql, [], |row| {
            Ok((row.number(0)?, Digest::of(&row.get::<Vec<u8>>(1)?)))
        })
    }

    /// Adds a row to the log.
    ///
    /// # Errors
    /// [`StoreError`], also when that program is there already.
    pub fn append_program(&self, row: &LogRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO program (sequence, digest, text, entry) VALUES ($1, $2, $3, $4)";
        let values = params![
            cell(row.sequence)?,
            row.digest.as_bytes(),
            row.text,
            row.entry.as_bytes()
        ];
        self.connection.write_one(sql, values)
    }
}
