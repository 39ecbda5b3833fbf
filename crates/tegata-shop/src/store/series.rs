//! Series: their wrapped secrets, signed record, counters; and their tickets.

use tegata_protocol::{SeriesId, SignedBytes, TransactionNumber, ticket::Serial};
use tegata_store::{Row, params};

use super::tables::cell;
use super::{Place, StoreError, Tables};

/// What is kept of a series.
#[derive(Clone, Debug)]
pub struct SeriesRow {
    /// Its number.
    pub series: SeriesId,
    /// Its kind: it can't change once it was seen.
    pub kind: String,
    /// Its secret and batch key, wrapped under the shop's store key.
    pub secrets: Vec<u8>,
    /// Its signed record.
    pub record: SignedBytes,
}

/// How many tickets of a series are out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stock {
    /// Under open bills or open holds.
    pub held: u64,
    /// Paid for.
    pub sold: u64,
}

/// A ticket that was issued.
#[derive(Clone, Debug)]
pub struct TicketRow {
    /// Its serial.
    pub serial: Serial,
    /// Was it cancelled?
    pub cancelled: bool,
    /// The ticket as it was signed.
    pub signed: SignedBytes,
}

impl Stock {
    /// From the columns `held` and `sold`.
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            held: row.number(0)?,
            sold: row.number(1)?,
        })
    }

    /// How many of a quota are left.
    pub const fn left(&self, quota: u64) -> u64 {
        quota.saturating_sub(self.held.saturating_add(self.sold))
    }
}

impl Tables<'_> {
    /// A series, if it was seen before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn series(&self, series: SeriesId) -> Result<Option<SeriesRow>, StoreError> {
        let sql = "SELECT kind, secrets, record FROM series WHERE number = $1";
        self.connection.find(sql, [series.number()], |row| {
            Ok(SeriesRow {
                series,
                kind: row.get(0)?,
                secrets: row.get(1)?,
                record: SignedBytes::new(row.get(2)?),
            })
        })
    }

    /// Keeps a series that is seen for the first time.
    ///
    /// # Errors
    /// [`StoreError`], also when it's known.
    pub fn add_series(&self, row: &SeriesRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO series \
             (number, kind, secrets, record, next_serial, held, sold, edition) \
             VALUES ($1, $2, $3, $4, 1, 0, 0, 0)";
        let (series, record) = (row.series.number(), row.record.as_bytes());
        let values = params![series, row.kind, row.secrets, record];
        self.connection.write_one(sql, values)
    }

    /// Replaces a series' signed record: its texts have changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn replace_record(&self, series: SeriesId, record: &SignedBytes) -> Result<(), StoreError> {
        let sql = "UPDATE series SET record = $1 WHERE number = $2";
        let values = params![record.as_bytes(), series.number()];
        self.connection.write_one(sql, values)
    }

    /// How many tickets of a series are out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stock(&self, series: SeriesId) -> Result<Stock, StoreError> {
        let sql = "SELECT held, sold FROM series WHERE number = $1";
        let stock = self.connection.find(sql, [series.number()], Stock::read)?;
        Ok(stock.unwrap_or_default())
    }

    /// Counts tickets in and out of a series' stock.
    pub(super) fn count_stock(
        &self,
        series: SeriesId,
        held: i64,
        sold: i64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE series SET held = held + $1, sold = sold + $2 WHERE number = $3";
        let values = params![held, sold, series.number()];
        self.connection.write_one(sql, values)
    }

    /// The seats and rooms of a series that are taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn places(&self, series: SeriesId) -> Result<Vec<Place>, StoreError> {
        let sql = "SELECT place, first, last FROM place WHERE series = $1 ORDER BY place, first";
        self.connection.list(sql, [series.number()], |row| {
            Ok(Place {
                place: row.get(0)?,
                first: row.get(1)?,
                last: row.get(2)?,
            })
        })
    }

    /// Gives out the next `count` serials of a series, each once for ever.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_serials(&self, series: SeriesId, count: u32) -> Result<Vec<Serial>, StoreError> {
        let sql = "UPDATE series SET next_serial = next_serial + $1 WHERE number = $2 \
             RETURNING next_serial - $1";
        let values = params![count, series.number()];
        let first: u32 = self
            .connection
            .write_one_returning(sql, values, |row| row.get(0))?;
        Ok((first..first.saturating_add(count))
            .map(Serial::new)
            .collect())
    }

    /// Enters an issued ticket.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn enter_ticket(
        &self,
        series: SeriesId,
        serial: Serial,
        sale: TransactionNumber,
        signed: &SignedBytes,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO ticket (series, serial, sale, cancelled, signed) \
             VALUES ($1, $2, $3, 0, $4)";
        let (sale, signed) = (cell(sale.wire())?, signed.as_bytes());
        let values = params![series.number(), serial.number(), sale, signed];
        self.connection.write_one(sql, values)
    }

    /// The tickets of a sale, by serial.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tickets_of(&self, sale: TransactionNumber) -> Result<Vec<TicketRow>, StoreError> {
        let sql = "SELECT serial, cancelled, signed FROM ticket WHERE sale = $1 ORDER BY serial";
        self.connection.list(sql, [cell(sale.wire())?], |row| {
            Ok(TicketRow {
                serial: Serial::new(row.get(0)?),
                cancelled: row.get(1)?,
                signed: SignedBytes::new(row.get(2)?),
            })
        })
    }

    /// The serials of a series, and whether they're cancelled.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tickets(&self, series: SeriesId) -> Result<Vec<(Serial, bool)>, StoreError> {
        let sql = "SELECT serial, cancelled FROM ticket WHERE series = $1 ORDER BY serial";
        self.connection.list(sql, [series.number()], |row| {
            Ok((Serial::new(row.get(0)?), row.get(1)?))
        })
    }

    /// Cancels one ticket. Was there one that wasn't cancelled yet?
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cancel_ticket(&self, series: SeriesId, serial: Serial) -> Result<bool, StoreError> {
        let sql = "UPDATE ticket SET cancelled = 1 \
             WHERE series = $1 AND serial = $2 AND cancelled = 0";
        self.connection
            .write_at_most_one(sql, [series.number(), serial.number()])
    }

    /// The number of the next edition of a series' check data.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_edition(&self, series: SeriesId) -> Result<u64, StoreError> {
        let sql = "UPDATE series SET edition = edition + 1 WHERE number = $1 RETURNING edition";
        self.connection
            .write_one_returning(sql, [series.number()], |row| row.number(0))
    }
}
