//! `tegata-gate log` and `tegata-gate verify-log`.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use tegata_cli::exit::{Exit, Failure, OrExit as _};
use tegata_pages::Language;
use tegata_protocol::{PartyNumber, VerifyingKey};

use super::{Common, hex, print_json};
use crate::{
    admission::{Entry, StoreError},
    event::Event,
    evidence::{self, Problem},
    folder::{Folder, FolderError},
    store::LogReader,
    words::describe,
};

/// Show the log of admissions
///
/// With --json one object per line. It shows serials, never names or keywords.
#[derive(Debug, clap::Args)]
pub(super) struct LogArguments {
    #[command(flatten)]
    common: Common,
    /// Print comma-separated values, for spreadsheets
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Recompute the log's chain and every signature in it
///
/// Names the first row that doesn't hold, and ends with 4 then. Where an event's check data are
/// loaded, the tickets and their holders' signatures are verified too.
///
/// A log whose last rows were cut off is still a good chain: give an earlier export with
/// --export, and every admission in it must stand in the log.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    common: Common,
    /// An earlier export of this gate, which the log must contain
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
}

#[derive(Serialize)]
struct RowJson {
    row: u64,
    at: u64,
    shop: String,
    series: u32,
    serial: u32,
    good_for: Option<String>,
    presentation: String,
    record: String,
}

impl RowJson {
    fn new(entry: &Entry, events: &[Arc<Event>]) -> Self {
        let id = entry.ticket.event;
        let event = events.iter().find(|event| event.id() == id);
        let contents = evidence::contents(&entry.evidence);
        let good_for = event
            .zip(contents.as_ref())
            .map(|(event, contents)| describe(event.record(), contents, Language::En));
        Self {
            row: entry.row,
            at: entry.at.secs(),
            shop: id.issuer.to_string(),
            series: id.series.number(),
            serial: entry.ticket.serial.number(),
            good_for,
            presentation: entry.presentation.to_string(),
            record: hex(entry.record.as_bytes()),
        }
    }
}

pub(super) fn run_log(arguments: &LogArguments) -> Result<Exit, Failure> {
    let folder = arguments.common.folder()?;
    let log = folder.log().map_err(FolderError::into_failure)?;
    let events = events(&folder)?;
    if arguments.csv {
        println!("row,at,shop,series,serial,presentation");
    }
    let printed = log.each::<Unprinted>(|entry| {
        let damaged = |(row, why)| StoreError::Damaged {
            table: "admission",
            row,
            why,
        };
        let entry = entry.map_err(damaged)?;
        print_row(arguments, &entry, &events).map_err(Unprinted::Other)
    });
    printed.map_err(Unprinted::into_failure)?;
    if !arguments.common.json && !arguments.csv {
        let rows = log.rows().map_err(store_failure)?;
        println!("{rows} admission(s)");
    }
    Ok(Exit::Done)
}

fn print_row(
    arguments: &LogArguments,
    entry: &Entry,
    events: &[Arc<Event>],
) -> Result<(), Failure> {
    let row = RowJson::new(entry, events);
    if arguments.common.json {
        print_json(&row)?;
    } else if arguments.csv {
        println!(
            "{},{},{},{},{},{}",
            row.row, row.at, row.shop, row.series, row.serial, row.presentation
        );
    } else {
        let good_for = row.good_for.unwrap_or_default();
        println!(
            "{:>6}  {}  {}  serial {:<8}  {good_for}",
            row.row, entry.at, entry.ticket.event, row.serial
        );
    }
    Ok(())
}

/// Why printing ended.
enum Unprinted {
    Store(StoreError),
    Other(Failure),
}

impl From<StoreError> for Unprinted {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Unprinted {
    fn into_failure(self) -> Failure {
        match self {
            Self::Store(error) => store_failure(error),
            Self::Other(failure) => failure,
        }
    }
}

pub(super) fn store_failure(error: StoreError) -> Failure {
    FolderError::from(error).into_failure()
}

/// All events whose check data are loaded.
pub(super) fn events(folder: &Folder) -> Result<Vec<Arc<Event>>, Failure> {
    let read = || -> Result<Vec<Arc<Event>>, FolderError> {
        let (gate, store) = (folder.registered()?, folder.store()?);
        let events = folder.events(&gate, &store)?;
        Ok(events.into_iter().map(Arc::new).collect())
    };
    read().map_err(FolderError::into_failure)
}

#[derive(Serialize)]
struct VerifiedJson {
    ok: bool,
    rows: Option<u64>,
    tickets_verified: Option<u64>,
    second_uses: Option<u64>,
    head: Option<String>,
    bad_row: Option<i64>,
    problem: Option<String>,
}

pub(super) fn run_verify(arguments: &VerifyArguments) -> Result<Exit, Failure> {
    let folder = arguments.common.folder()?;
    let gate = folder.registered().map_err(FolderError::into_failure)?;
    let signer = (gate.number(), &gate.keys.signing().verifying_key());
    let log = folder.log().map_err(FolderError::into_failure)?;
    let events = events(&folder)?;
    let verified = evidence::verify(&log, signer, &events);
    let verified = match verified {
        Ok(verified) => contains(arguments, &log, signer)?.map(|()| verified),
        Err(problem) => Err(problem),
    };
    report(&arguments.common, verified)
}

/// Does the log contain every admission of the export?
fn contains(
    arguments: &VerifyArguments,
    log: &LogReader,
    (gate, key): (PartyNumber, &VerifyingKey),
) -> Result<Result<(), Problem>, Failure> {
    let Some(file) = &arguments.export else {
        return Ok(Ok(()));
    };
    let bytes = std::fs::read(file)
        .or_exit(Exit::Usage)
        .or_doing(format!("reading {}", file.display()))?;
    let export = evidence::import(&bytes, &[])
        .or_exit(Exit::Damaged)
        .or_doing(format!("reading {}", file.display()))?;
    if export.gate.number != gate || export.gate.keys.signing != *key {
        return Err(Failure::usage(format!(
            "{} is an export of gate {}, not of this one",
            file.display(),
            export.gate.number
        )));
    }
    for ((admission, _), row) in export.admissions.iter().zip(1..) {
        let ticket = evidence::ticket_of(admission);
        let entry = log.row_of(ticket).map_err(store_failure)?;
        if entry.is_none_or(|entry| entry.record != *admission.signed()) {
            let why = "it stands in the export and not in the log: rows were removed".into();
            return Ok(Err(Problem::Row { row, why }));
        }
    }
    Ok(Ok(()))
}

fn report(
    common: &Common,
    verified: Result<evidence::Verification, Problem>,
) -> Result<Exit, Failure> {
    match verified {
        Ok(verified) if common.json => print_json(&VerifiedJson {
            ok: true,
            rows: Some(verified.head.row),
            tickets_verified: Some(verified.tickets),
            second_uses: Some(verified.second_uses),
            head: Some(verified.head.digest.to_string()),
            bad_row: None,
            problem: None,
        })?,
        Ok(verified) => {
            println!(
                "The log holds: {} admission(s), {} ticket(s) verified, {} second presentation(s).",
                verified.head.row, verified.tickets, verified.second_uses
            );
            println!("Its end: {}", verified.head.digest);
        }
        Err(Problem::Store(error)) if !error.is_damage() => return Err(store_failure(error)),
        Err(problem) => {
            if common.json {
                let bad_row = match &problem {
                    Problem::Row { row, .. } => Some(*row),
                    Problem::SecondUse { .. } | Problem::Store(_) => None,
                };
                print_json(&VerifiedJson {
                    ok: false,
                    rows: None,
                    tickets_verified: None,
                    second_uses: None,
                    head: None,
                    bad_row,
                    problem: Some(problem.to_string()),
                })?;
            }
            return Err(Failure::new(Exit::Damaged, &problem).next(
                "keep the file as it is for whoever looks into it; the rows before are good",
            ));
        }
    }
    Ok(Exit::Done)
}
