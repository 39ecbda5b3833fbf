//! Reading the log, beside the gate that writes it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, params};
use tegata_protocol::{SignedBytes, Time};

use super::sqlite::{digest, event_cells, failed, open_to_read, ticket, unsigned};
use crate::admission::{Entry, SecondUse, StoreError, TicketId};

const COLUMNS: &str = "row, issuer, series, serial, presentation, at, evidence, record";

/// Reads the log. Changes nothing, and doesn't disturb who writes.
#[derive(Debug)]
pub struct LogReader {
    connection: Connection,
    path: PathBuf,
}

impl LogReader {
    /// Opens a log that must be there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            connection: open_to_read(path)?,
            path: path.to_owned(),
        })
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + '_ {
        failed("read it", &self.path)
    }

    /// How many admissions there are in all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn rows(&self) -> Result<u64, StoreError> {
        let query = "SELECT count(*) FROM admission";
        let count = self.connection.query_row(query, [], |row| unsigned(row, 0));
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
        let mut statement = self.connection.prepare(&query).map_err(self.failed())?;
        let mut rows = statement.query([]).map_err(self.failed())?;
        while let Some(row) = rows.next().map_err(self.failed())? {
            let number = row.get(0).map_err(self.failed())?;
            each(entry(row).map_err(|e| (number, e.to_string())))?;
        }
        Ok(())
    }

    /// The newest rows, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest(&self, count: u32) -> Result<Vec<Entry>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM admission ORDER BY row DESC LIMIT $1");
        let mut statement = self
            .connection
            .prepare_cached(&query)
            .map_err(self.failed())?;
        let rows = statement.query_map(params![count], entry);
        rows.and_then(Iterator::collect).map_err(self.failed())
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
        let mut statement = self
            .connection
            .prepare_cached(&query)
            .map_err(self.failed())?;
        let mut rows = statement
            .query_map(params![issuer, series, ticket.serial.number()], entry)
            .map_err(self.failed())?;
        rows.next().transpose().map_err(self.failed())
    }

    /// Other presentations of used tickets, in the order in which they came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn second_uses(&self) -> Result<Vec<SecondUse>, StoreError> {
        let query = "SELECT issuer, series, serial, presentation, at, evidence
             FROM second_use ORDER BY number";
        let mut statement = self.connection.prepare(query).map_err(self.failed())?;
        let rows = statement.query_map([], |row| {
            Ok(SecondUse {
                ticket: ticket(row, 0)?,
                presentation: digest(row, 3)?,
                at: Time::from_secs(unsigned(row, 4)?),
                evidence: SignedBytes::new(row.get(5)?),
            })
        });
        rows.and_then(Iterator::collect).map_err(self.failed())
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        row: unsigned(row, 0)?,
        ticket: ticket(row, 1)?,
        presentation: digest(row, 4)?,
        at: Time::from_secs(unsigned(row, 5)?),
        evidence: SignedBytes::new(row.get(6)?),
        record: SignedBytes::new(row.get(7)?),
    })
}
