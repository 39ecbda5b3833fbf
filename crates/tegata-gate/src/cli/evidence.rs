//! `tegata-gate export` and `tegata-gate merge`.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tegata_cli::exit::{Exit, Failure, OrExit as _};
use tegata_protocol::VerifyingKey;

use super::{Common, hex, log::store_failure, print_json};
use crate::{
    admission::StoreError,
    evidence::{self, DoubleUse, Imported, Side},
    folder::{Folder, FolderError},
};

/// Write the signed admissions into a file, for the shop
///
/// The file is a CBOR sequence: the gate's record, each signed admission with the presentation
/// that was shown, second presentations of used tickets, and the chain's end. The presentations
/// hold the keywords that were given: hand the file to the shop and to nobody else.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    #[command(flatten)]
    common: Common,
    /// The file to write; it must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Find tickets that two gates admitted, from their exports
///
/// Verifies each export, then lists every ticket that stands in more than one, with each gate's
/// signed admission and the presentation that was shown: the evidence of double use. Ends with 1
/// if there is any. With --data of a gate that has joined, the gates' records are verified too.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "compare")]
pub(super) struct MergeArguments {
    /// The exports
    #[arg(value_name = "FILE", num_args = 2.., required = true)]
    files: Vec<PathBuf>,
    /// A gate's folder, whose register keys verify the gates' records
    #[arg(long, value_name = "DIR", env = "TEGATA_DATA")]
    data: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ExportedJson {
    file: PathBuf,
    rows: u64,
}

/// Why writing ended.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("writing the export")]
    Io(#[from] std::io::Error),
}

pub(super) fn run_export(arguments: &ExportArguments) -> Result<Exit, Failure> {
    let folder = arguments.common.folder()?;
    let record = folder
        .registered()
        .map_err(FolderError::into_failure)?
        .record;
    let log = folder.log().map_err(FolderError::into_failure)?;
    let file = create(&arguments.file)?;
    let mut out = BufWriter::new(file);
    let written =
        evidence::export::<Unwritten>(&log, record.signed(), |item| Ok(out.write_all(item)?));
    let rows = written.and_then(|rows| {
        out.flush()?;
        out.get_ref().sync_all()?;
        Ok(rows)
    });
    let rows = match rows {
        Ok(rows) => rows,
        Err(Unwritten::Store(error)) => return Err(store_failure(error)),
        Err(error) => return Err(error.into()),
    };
    if arguments.common.json {
        print_json(&ExportedJson {
            file: arguments.file.clone(),
            rows,
        })?;
    } else {
        println!(
            "{rows} admission(s) written to {}.",
            arguments.file.display()
        );
    }
    Ok(Exit::Done)
}

fn create(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(path)
        .or_exit(Exit::Usage)
        .or_doing(format!("making {}", path.display()))
}

#[derive(Serialize)]
struct MergedJson {
    double_uses: Vec<DoubleJson>,
    exports: Vec<ExportJson>,
}

#[derive(Serialize)]
struct ExportJson {
    file: PathBuf,
    gate: String,
    name: String,
    admissions: usize,
    registered: bool,
}

#[derive(Serialize)]
struct DoubleJson {
    shop: String,
    series: u32,
    serial: u32,
    accuses_the_holder: bool,
    admissions: Vec<SideJson>,
}

#[derive(Serialize)]
struct SideJson {
    gate: String,
    name: String,
    row: usize,
    at: u64,
    record: String,
    presentation: String,
}

impl From<&Side> for SideJson {
    fn from(side: &Side) -> Self {
        Self {
            gate: side.gate.to_string(),
            name: side.name.clone(),
            row: side.row,
            at: side.at.secs(),
            record: hex(side.record.as_bytes()),
            presentation: hex(side.presentation.as_bytes()),
        }
    }
}

impl From<&DoubleUse> for DoubleJson {
    fn from(double: &DoubleUse) -> Self {
        Self {
            shop: double.ticket.event.issuer.to_string(),
            series: double.ticket.event.series.number(),
            serial: double.ticket.serial.number(),
            accuses_the_holder: double.accuses_the_holder(),
            admissions: double.sides.iter().map(SideJson::from).collect(),
        }
    }
}

pub(super) fn run_merge(arguments: &MergeArguments) -> Result<Exit, Failure> {
    let registers = arguments.data.as_deref().map(register_keys).transpose()?;
    let registers = registers.unwrap_or_default();
    let mut exports = Vec::new();
    for file in &arguments.files {
        exports.push(read(file, &registers)?);
    }
    let doubles = evidence::merge(&exports);
    if arguments.json {
        let exports = arguments.files.iter().zip(&exports);
        print_json(&MergedJson {
            double_uses: doubles.iter().map(DoubleJson::from).collect(),
            exports: exports
                .map(|(file, export)| summary(file, export))
                .collect(),
        })?;
    } else {
        print(&exports, &doubles);
    }
    Ok(if doubles.is_empty() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

fn summary(file: &Path, export: &Imported) -> ExportJson {
    ExportJson {
        file: file.to_owned(),
        gate: export.gate.number.to_string(),
        name: export.name().to_owned(),
        admissions: export.admissions.len(),
        registered: export.registered,
    }
}

fn register_keys(data: &Path) -> Result<Vec<VerifyingKey>, Failure> {
    let read = || {
        let folder = Folder::open_existing(data)?;
        folder.register_keys()
    };
    read().map_err(FolderError::into_failure)
}

fn read(file: &Path, registers: &[VerifyingKey]) -> Result<Imported, Failure> {
    let bytes = std::fs::read(file)
        .or_exit(Exit::Usage)
        .or_doing(format!("reading {}", file.display()))?;
    evidence::import(&bytes, registers)
        .or_exit(Exit::Damaged)
        .or_doing(format!("verifying {}", file.display()))
        .or_next("export again at that gate; a file that was changed proves nothing")
}

fn print(exports: &[Imported], doubles: &[DoubleUse]) {
    for export in exports {
        let known = if export.registered {
            ""
        } else {
            " (its record wasn't verified: give --data)"
        };
        println!(
            "{} {}: {} admission(s){known}",
            export.gate.number,
            export.name(),
            export.admissions.len()
        );
    }
    for double in doubles {
        let ticket = double.ticket;
        println!(
            "ADMITTED TWICE: serial {} of {}",
            ticket.serial.number(),
            ticket.event
        );
        for side in &double.sides {
            println!(
                "  {} at {} {}, row {}, presentation {}",
                side.at, side.gate, side.name, side.row, side.presentation_digest
            );
        }
        println!(
            "  {}",
            if double.accuses_the_holder() {
                "different presentations: only the holder's wallet can have made both"
            } else {
                "not two presentations that the holder's key signed: this accuses nobody"
            }
        );
    }
    println!("{} ticket(s) admitted more than once.", doubles.len());
}
