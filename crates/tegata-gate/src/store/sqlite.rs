//! The log in SQLite: WAL, `synchronous=FULL`, one writer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use roaring::RoaringBitmap;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, Row, Transaction, TransactionBehavior, params,
};
use tegata_card::receipt::Punch;
use tegata_protocol::{Digest, PartyNumber, SeriesId, ticket::Serial};

use crate::{
    admission::{
        Batch, Earlier, Entry, Head, Ordered, SecondUse, Store, StoreError, TicketId, WrongKeyword,
    },
    event::EventId,
};

/// Marks the file as ours: "TgGt".
const APPLICATION_ID: i64 = 0x5467_4774;

/// The steps that lead to today's schema, each run once, in order, never changed afterwards.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("punches.sql")];

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Presentations kept beside the admitted one: more wouldn't prove more.
const MAX_SECOND_USES: i64 = 4;

/// The log in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
}

/// Gives a database error its place.
pub(super) fn failed<'a>(
    doing: &'static str,
    path: &'a Path,
) -> impl Fn(rusqlite::Error) -> StoreError + 'a {
    move |source| StoreError::Database {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Opens a log that must be there, for reading.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(failed("open it to read", path))?;
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(failed("set the time-out", path))?;
    if version(&connection, path)? == 0 {
        return Err(StoreError::NotALog {
            path: path.to_owned(),
        });
    }
    Ok(connection)
}

/// The schema's version; an error if the file is another program's or a newer program's.
fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let pragma = |name: &str| {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            .map_err(failed("read its version", path))
    };
    let (application, found) = (pragma("application_id")?, pragma("user_version")?);
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let path = path.to_owned();
    if application != APPLICATION_ID && (application, found) != (0, 0) {
        return Err(StoreError::NotALog { path });
    }
    if found > known {
        return Err(StoreError::Newer { path, found, known });
    }
    Ok(found)
}

impl SqliteStore {
    /// Opens the file, or makes it, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path).map_err(failed("open it", path))?;
        connection
            .busy_timeout(BUSY_TIMEOUT)
            .map_err(failed("set the time-out", path))?;
        let settings = "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA cache_size = -16384;
             PRAGMA temp_store = MEMORY;
             PRAGMA trusted_schema = OFF;";
        connection
            .execute_batch(settings)
            .map_err(failed("configure it", path))?;
        migrate(&mut connection, path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    fn failed(&self, doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + '_ {
        failed(doing, &self.path)
    }

    /// The newest edition of an event's check data that was ever loaded, with its digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn edition(&self, event: EventId) -> Result<Option<(u64, Digest)>, StoreError> {
        let query = "SELECT edition, digest FROM edition WHERE issuer = $1 AND series = $2";
        let (issuer, series) = event_cells(event);
        let found = self
            .connection
            .query_row(query, params![issuer, series], |row| {
                Ok((unsigned(row, 0)?, digest(row, 1)?))
            });
        found.optional().map_err(self.failed("read an edition"))
    }

    /// Notes that an edition is loaded.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_edition(
        &mut self,
        event: EventId,
        edition: u64,
        digest: Digest,
    ) -> Result<(), StoreError> {
        let statement = "INSERT INTO edition (issuer, series, edition, digest)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (issuer, series)
             DO UPDATE SET edition = excluded.edition, digest = excluded.digest
             WHERE excluded.edition > edition.edition";
        let (issuer, series) = event_cells(event);
        let noted = self.connection.execute(
            statement,
            params![issuer, series, signed(edition), digest.as_bytes()],
        );
        noted.map(drop).map_err(self.failed("note an edition"))
    }
}

/// Runs the migrations that the file hasn't seen, all or none.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed("begin a migration", path))?;
    let found = version(&transaction, path)?;
    let tables: i64 = transaction
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed("read its schema", path))?;
    if found == 0 && tables > 0 {
        return Err(StoreError::NotALog {
            path: path.to_owned(),
        });
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction
            .execute_batch(step)
            .map_err(failed("bring it up to date", path))?;
    }
    let marks = format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {};",
        MIGRATIONS.len()
    );
    transaction
        .execute_batch(&marks)
        .and_then(|()| transaction.commit())
        .map_err(failed("bring it up to date", path))
}

impl Store for SqliteStore {
    fn used(&self) -> Result<Vec<(EventId, RoaringBitmap)>, StoreError> {
        // Read from the index alone, in its order; the rows with their evidence stay untouched.
        let query = "SELECT issuer, series, serial FROM admission ORDER BY issuer, series, serial";
        let mut statement = self
            .connection
            .prepare(query)
            .map_err(self.failed("read it"))?;
        let rows = statement
            .query_map([], |row| ticket(row, 0))
            .map_err(self.failed("read it"))?;
        let mut used: Vec<(EventId, RoaringBitmap)> = Vec::new();
        for row in rows {
            let TicketId { event, serial } = row.map_err(self.failed("read it"))?;
            match used.last_mut() {
                Some((last, bitmap)) if *last == event => drop(bitmap.insert(serial.number())),
                Some(_) | None => used.push((event, RoaringBitmap::from([serial.number()]))),
            }
        }
        Ok(used)
    }

    fn head(&self) -> Result<Head, StoreError> {
        let query = "SELECT row, record FROM admission ORDER BY row DESC LIMIT 1";
        let head = self.connection.query_row(query, [], |row| {
            let record: Vec<u8> = row.get(1)?;
            Ok(Head {
                row: unsigned(row, 0)?,
                digest: Digest::of(&record),
            })
        });
        let head = head.optional().map_err(self.failed("read its end"))?;
        Ok(head.unwrap_or(Head::START))
    }

    fn use_of(&self, ticket: TicketId) -> Result<Option<Earlier>, StoreError> {
        let query = "SELECT row, presentation, at FROM admission
             WHERE issuer = $1 AND series = $2 AND serial = $3";
        let (issuer, series) = event_cells(ticket.event);
        let mut statement = self
            .connection
            .prepare_cached(query)
            .map_err(self.failed("look a ticket up"))?;
        let found = statement.query_row(params![issuer, series, ticket.serial.number()], |row| {
            Ok(Earlier {
                row: unsigned(row, 0)?,
                presentation: digest(row, 1)?,
                at_millis: unsigned(row, 2)?.saturating_mul(1000),
            })
        });
        found.optional().map_err(self.failed("look a ticket up"))
    }

    fn wrong_keywords(&self) -> Result<Vec<WrongKeyword>, StoreError> {
        let query = "SELECT issuer, series, serial, tries, scan FROM wrong_keyword";
        let mut statement = self
            .connection
            .prepare(query)
            .map_err(self.failed("read the wrong keywords"))?;
        let rows = statement.query_map([], |row| {
            Ok(WrongKeyword {
                ticket: ticket(row, 0)?,
                tries: row.get(3)?,
                scan: digest(row, 4)?,
            })
        });
        rows.and_then(Iterator::collect)
            .map_err(self.failed("read the wrong keywords"))
    }

    fn ordered(&self) -> Result<Vec<Ordered>, StoreError> {
        let query = "SELECT issuer, series, serial, id, terminal, at FROM punch";
        let mut statement = self
            .connection
            .prepare(query)
            .map_err(self.failed("read the punches"))?;
        let rows = statement.query_map([], |row| {
            let punch = Punch {
                id: row.get(3)?,
                terminal: row.get(4)?,
                time: row.get(5)?,
            };
            Ok(Ordered {
                ticket: ticket(row, 0)?,
                punch,
            })
        });
        rows.and_then(Iterator::collect)
            .map_err(self.failed("read the punches"))
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let path = &self.path;
        let failed = failed("write", path);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&failed)?;
        write(&transaction, batch).map_err(&failed)?;
        transaction.commit().map_err(&failed)
    }
}

fn write(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    write_entries(transaction, &batch.entries)?;
    write_second_uses(transaction, &batch.second_uses)?;
    write_wrong_keywords(transaction, &batch.wrong_keywords)?;
    write_ordered(transaction, &batch.ordered)
}

fn write_entries(transaction: &Transaction<'_>, entries: &[Entry]) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO admission
             (row, issuer, series, serial, presentation, at, evidence, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )?;
    for entry in entries {
        let (issuer, series) = event_cells(entry.ticket.event);
        insert.execute(params![
            signed(entry.row),
            issuer,
            series,
            entry.ticket.serial.number(),
            entry.presentation.as_bytes(),
            signed(entry.at.secs()),
            entry.evidence.as_bytes(),
            entry.record.as_bytes()
        ])?;
    }
    Ok(())
}

fn write_second_uses(transaction: &Transaction<'_>, uses: &[SecondUse]) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO second_use (issuer, series, serial, presentation, at, evidence)
         SELECT $1, $2, $3, $4, $5, $6
         WHERE (SELECT count(*) FROM second_use
                WHERE issuer = $1 AND series = $2 AND serial = $3) < $7
         ON CONFLICT DO NOTHING",
    )?;
    for second in uses {
        let (issuer, series) = event_cells(second.ticket.event);
        insert.execute(params![
            issuer,
            series,
            second.ticket.serial.number(),
            second.presentation.as_bytes(),
            signed(second.at.secs()),
            second.evidence.as_bytes(),
            MAX_SECOND_USES
        ])?;
    }
    Ok(())
}

fn write_wrong_keywords(
    transaction: &Transaction<'_>,
    wrong: &[WrongKeyword],
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO wrong_keyword (issuer, series, serial, tries, scan)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (issuer, series, serial)
         DO UPDATE SET tries = excluded.tries, scan = excluded.scan",
    )?;
    for wrong in wrong {
        let (issuer, series) = event_cells(wrong.ticket.event);
        let serial = wrong.ticket.serial.number();
        insert.execute(params![
            issuer,
            series,
            serial,
            wrong.tries,
            wrong.scan.as_bytes()
        ])?;
    }
    Ok(())
}

fn write_ordered(transaction: &Transaction<'_>, ordered: &[Ordered]) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO punch (issuer, series, serial, id, terminal, at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )?;
    for Ordered { ticket, punch } in ordered {
        let (issuer, series) = event_cells(ticket.event);
        let serial = ticket.serial.number();
        let Punch { id, terminal, time } = punch;
        insert.execute(params![issuer, series, serial, id, terminal, time])?;
    }
    Ok(())
}

/// Eleven digits fit; a stored value out of range never equals one of ours.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn event_cells(event: EventId) -> (i64, u32) {
    (signed(event.issuer.wire()), event.series.number())
}

fn bad_cell(column: usize, why: &str) -> rusqlite::Error {
    let kind = rusqlite::types::Type::Blob;
    rusqlite::Error::FromSqlConversionFailure(column, kind, why.to_owned().into())
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_e| bad_cell(column, "negative"))
}

pub(super) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    let bytes: Vec<u8> = row.get(column)?;
    Digest::from_slice(&bytes).ok_or_else(|| bad_cell(column, "not a digest"))
}

/// Issuer, series and serial from three columns on.
pub(super) fn ticket(row: &Row<'_>, column: usize) -> rusqlite::Result<TicketId> {
    let issuer = PartyNumber::from_wire(unsigned(row, column)?);
    let issuer = issuer.map_err(|e| bad_cell(column, &e.to_string()))?;
    let event = EventId {
        issuer,
        series: SeriesId::new(row.get(column + 1)?),
    };
    Ok(TicketId {
        event,
        serial: Serial::new(row.get(column + 2)?),
    })
}
