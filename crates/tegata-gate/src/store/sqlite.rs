//! The log in SQLite.

use std::path::{Path, PathBuf};

use roaring::RoaringBitmap;
use tegata_card::receipt::Punch;
use tegata_protocol::{Digest, PartyNumber, SeriesId, ticket::Serial};
use tegata_store::{Connection, Database, Row, StoreError as FileError, params};

use crate::{
    admission::{
        Batch, Earlier, Entry, Head, Ordered, SecondUse, Store, StoreError, TicketId, WrongKeyword,
    },
    event::EventId,
};

/// The log's file; the mark is "TgGt".
pub(super) static DATABASE: Database = Database::new(
    "the gate's log",
    &[
        &[include_str!("schema.sql")],
        &[include_str!("punches.sql")],
    ],
)
.marked(0x5467_4774)
.caching(16_384, 1_000);

/// Presentations kept beside the admitted one: more wouldn't prove more.
const MAX_SECOND_USES: i64 = 4;

/// The log in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
}

/// Gives an error of the file its place.
pub(super) fn failed<'a>(
    doing: &'static str,
    path: &'a Path,
) -> impl Fn(FileError) -> StoreError + 'a {
    move |source| {
        let path = path.to_owned();
        match source {
            FileError::NotOurs { .. } => StoreError::NotALog { path },
            FileError::Newer { found, known, .. } => StoreError::Newer { path, found, known },
            FileError::Foreign { .. } | FileError::Miscounted { .. } => StoreError::File(source),
            FileError::Database { .. }
            | FileError::Locked { .. }
            | FileError::Damaged { .. }
            | FileError::Misused { .. }
            | FileError::Closed { .. }
            | FileError::NotDurable { .. } => StoreError::Database {
                doing,
                path,
                source,
            },
        }
    }
}

impl SqliteStore {
    /// Opens the file, or makes it, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            connection: DATABASE.open(path).map_err(failed("open it", path))?,
            path: path.to_owned(),
        })
    }

    fn failed(&self, doing: &'static str) -> impl Fn(FileError) -> StoreError + '_ {
        failed(doing, &self.path)
    }

    /// The newest edition of an event's check data that was ever loaded, with its digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn edition(&self, event: EventId) -> Result<Option<(u64, Digest)>, StoreError> {
        let query = "SELECT edition, digest FROM edition WHERE issuer = $1 AND series = $2";
        let (issuer, series) = event_cells(event);
        let found = self.connection.find(query, params![issuer, series], |row| {
            Ok((row.number(0)?, digest(row, 1)?))
        });
        found.map_err(self.failed("read an edition"))
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
        let values = params![issuer, series, signed(edition), digest.as_bytes()];
        // None when a newer one is noted already.
        let noted = self
            .connection
            .write(|c| c.write_at_most_one(statement, values));
        noted.map(drop).map_err(self.failed("note an edition"))
    }
}

impl Store for SqliteStore {
    fn used(&self) -> Result<Vec<(EventId, RoaringBitmap)>, StoreError> {
        // Read from the index alone, in its order; the rows with their evidence stay untouched.
        let query = "SELECT issuer, series, serial FROM admission ORDER BY issuer, series, serial";
        let mut used: Vec<(EventId, RoaringBitmap)> = Vec::new();
        let read = self.connection.each(query, [], |row| {
            let TicketId { event, serial } = ticket(row, 0)?;
            match used.last_mut() {
                Some((last, bitmap)) if *last == event => drop(bitmap.insert(serial.number())),
                Some(_) | None => used.push((event, RoaringBitmap::from([serial.number()]))),
            }
            Ok(())
        });
        read.map(|()| used).map_err(self.failed("read it"))
    }

    fn head(&self) -> Result<Head, StoreError> {
        let query = "SELECT row, record FROM admission ORDER BY row DESC LIMIT 1";
        let head = self.connection.find(query, [], |row| {
            Ok(Head {
                row: row.number(0)?,
                digest: Digest::of(&row.get::<Vec<u8>>(1)?),
            })
        });
        let head = head.map_err(self.failed("read its end"))?;
        Ok(head.unwrap_or(Head::START))
    }

    fn use_of(&self, ticket: TicketId) -> Result<Option<Earlier>, StoreError> {
        let query = "SELECT row, presentation, at FROM admission
             WHERE issuer = $1 AND series = $2 AND serial = $3";
        let (issuer, series) = event_cells(ticket.event);
        let values = params![issuer, series, ticket.serial.number()];
        let found = self.connection.find(query, values, |row| {
            Ok(Earlier {
                row: row.number(0)?,
                presentation: digest(row, 1)?,
                at_millis: row.number(2)?.saturating_mul(1000),
            })
        });
        found.map_err(self.failed("look a ticket up"))
    }

    fn wrong_keywords(&self) -> Result<Vec<WrongKeyword>, StoreError> {
        let query = "SELECT issuer, series, serial, tries, scan FROM wrong_keyword";
        let found = self.connection.list(query, [], |row| {
            Ok(WrongKeyword {
                ticket: ticket(row, 0)?,
                tries: row.get(3)?,
                scan: digest(row, 4)?,
            })
        });
        found.map_err(self.failed("read the wrong keywords"))
    }

    fn ordered(&self) -> Result<Vec<Ordered>, StoreError> {
        let query = "SELECT issuer, series, serial, id, terminal, at FROM punch";
        let found = self.connection.list(query, [], |row| {
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
        found.map_err(self.failed("read the punches"))
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let written = self.connection.write(|log| write(log, batch));
        written.map_err(self.failed("write"))
    }
}

fn write(log: &Connection, batch: &Batch) -> Result<(), FileError> {
    write_entries(log, &batch.entries)?;
    write_second_uses(log, &batch.second_uses)?;
    write_wrong_keywords(log, &batch.wrong_keywords)?;
    write_ordered(log, &batch.ordered)
}

fn write_entries(log: &Connection, entries: &[Entry]) -> Result<(), FileError> {
    let insert = "INSERT INTO admission
             (row, issuer, series, serial, presentation, at, evidence, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    for entry in entries {
        let (issuer, series) = event_cells(entry.ticket.event);
        let values = params![
            signed(entry.row),
            issuer,
            series,
            entry.ticket.serial.number(),
            entry.presentation.as_bytes(),
            signed(entry.at.secs()),
            entry.evidence.as_bytes(),
            entry.record.as_bytes()
        ];
        log.write_one(insert, values)?;
    }
    Ok(())
}

fn write_second_uses(log: &Connection, uses: &[SecondUse]) -> Result<(), FileError> {
    let insert = "INSERT INTO second_use (issuer, series, serial, presentation, at, evidence)
         SELECT $1, $2, $3, $4, $5, $6
         WHERE (SELECT count(*) FROM second_use
                WHERE issuer = $1 AND series = $2 AND serial = $3) < $7
         ON CONFLICT DO NOTHING";
    for second in uses {
        let (issuer, series) = event_cells(second.ticket.event);
        let values = params![
            issuer,
            series,
            second.ticket.serial.number(),
            second.presentation.as_bytes(),
            signed(second.at.secs()),
            second.evidence.as_bytes(),
            MAX_SECOND_USES
        ];
        log.write_at_most_one(insert, values)?;
    }
    Ok(())
}

fn write_wrong_keywords(log: &Connection, wrong: &[WrongKeyword]) -> Result<(), FileError> {
    let insert = "INSERT INTO wrong_keyword (issuer, series, serial, tries, scan)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (issuer, series, serial)
         DO UPDATE SET tries = excluded.tries, scan = excluded.scan";
    for wrong in wrong {
        let (issuer, series) = event_cells(wrong.ticket.event);
        let serial = wrong.ticket.serial.number();
        let values = params![issuer, series, serial, wrong.tries, wrong.scan.as_bytes()];
        log.write_one(insert, values)?;
    }
    Ok(())
}

fn write_ordered(log: &Connection, ordered: &[Ordered]) -> Result<(), FileError> {
    let insert = "INSERT INTO punch (issuer, series, serial, id, terminal, at)
         VALUES ($1, $2, $3, $4, $5, $6)";
    for Ordered { ticket, punch } in ordered {
        let (issuer, series) = event_cells(ticket.event);
        let serial = ticket.serial.number();
        let Punch { id, terminal, time } = punch;
        log.write_one(insert, params![issuer, series, serial, id, terminal, time])?;
    }
    Ok(())
}

/// Eleven digits fit; a stored value out of range never equals one of ours.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn event_cells(event: EventId) -> (i64, u32) {
    (signed(event.issuer.wire()), event.series.number())
}

pub(super) fn digest(row: &Row<'_>, column: usize) -> Result<Digest, FileError> {
    row.get(column).map(Digest::from_bytes)
}

/// Issuer, series and serial from three columns on.
pub(super) fn ticket(row: &Row<'_>, column: usize) -> Result<TicketId, FileError> {
    let issuer = PartyNumber::from_wire(row.number(column)?);
    let event = EventId {
        issuer: issuer.map_err(|e| DATABASE.damaged(e.to_string()))?,
        series: SeriesId::new(row.get(column + 1)?),
    };
    Ok(TicketId {
        event,
        serial: Serial::new(row.get(column + 2)?),
    })
}
