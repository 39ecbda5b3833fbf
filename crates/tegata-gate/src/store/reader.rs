//! Reading the log, beside the gate that writes it.

use std::path::{Path, PathBuf};

use tegata_protocol::{SignedBytes, Time};
use tegata_store::{Connection, Row, StoreError as FileError, params};

use super::sqlite::{DATABASE, digest, event_cells, failed, ticket};
use crate::admission::{Entry, SecondUse, StoreError, TicketId};

const COLUMNS: &str = "row, issuer, series, serial, presentation, at, evidence, record";

/// Reads the log. Changes nothing, and doesn't disturb who writes.
#[derive(Debug)]
pub struct LogReader {
    connection: Connection,
    path: PathBuf,
}

/// Why reading ended: because of the log, or of whoever was handed its rows.
enum Ended<E> {
    Log(FileError),
    Other(E),
}

impl<E> From<FileError> for Ended<E> {
    fn from(error: FileError) -> Self {
        Self::Log(error)
    }
}

impl LogReader {
    /// Opens a log that must be there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = DATABASE.open_to_read(path);
        Ok(Self {
            connection: connection.map_err(failed("open it to read", path))?,
            path: path.to_owned(),
        })
    }

    fn failed(&self) -> impl Fn(FileError) -> StoreError + '_ {
        failed("read it", &self.path)
    }

    /// How many admissions there are in all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn rows(&self) -> Result<u64, StoreError> {
        let query = "SELECT count(*) FROM admission";
        let count = self.connection.one(query, [], |row| row.number(0));
        count.map_err(self.failed())
    }

    /// Hands every row to `each`, in the chain's order, until it says stop by an error. A row that
    /// can't be read is handed over as its number and the reason.
    ///
    /// # Errors
    /// [`StoreError`], or the error of `each`.
    pub fn each<E: From<StoreError>>(
        &self,
        mut each: impl FnMut(Result<Entry, (i64, String)>) -> Result<(), E>,
    ) -> Result<(), E> {
        let query = format!("SELECT {COLUMNS} FROM admission ORDER BY row");
        let read = self.connection.each(&query, [], |row| {
            let number = row.get(0)?;
            each(entry(row).map_err(|e| (number, e.to_string()))).map_err(Ended::Other)
        });
        read.map_err(|ended| match ended {
            Ended::Log(error) => self.failed()(error).into(),
            Ended::Other(error) => error,
        })
    }

    /// The newest rows, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest(&self, count: u32) -> Result<Vec<Entry>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM admission ORDER BY row DESC LIMIT $1");
        let rows = self.connection.list(&query, params![count], entry);
        rows.map_err(self.failed())
    }

    /// The row of a ticket, if it was admitted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn row_of(&self, ticket: TicketId) -> Result<Option<Entry>, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM admission WHERE issuer = $1 AND series = $2 AND serial = $3"
        );
        let (issuer, series) = event_cells(ticket.event);
        let values = params![issuer, series, ticket.serial.number()];
        let row = self.connection.find(&query, values, entry);
        row.map_err(self.failed())
    }

    /// Other presentations of used tickets, in the order in which they came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn second_uses(&self) -> Result<Vec<SecondUse>, StoreError> {
        let query = "SELECT issuer, series, serial, presentation, at, evidence
             FROM second_use ORDER BY number";
        let rows = self.connection.list(query, [], |row| {
            Ok(SecondUse {
                ticket: ticket(row, 0)?,
                presentation: digest(row, 3)?,
                at: Time::from_secs(row.number(4)?),
                evidence: SignedBytes::new(row.get(5)?),
            })
        });
        rows.map_err(self.failed())
    }
}

fn entry(row: &Row<'_>) -> Result<Entry, FileError> {
    Ok(Entry {
        row: row.number(0)?,
        ticket: ticket(row, 1)?,
        presentation: digest(row, 4)?,
        at: Time::from_secs(row.number(5)?),
        evidence: SignedBytes::new(row.get(6)?),
        record: SignedBytes::new(row.get(7)?),
    })
}
