//! The command line of `tegata-gate`.

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;
use tegata_cli::{
    clock,
    data::DataArgs,
    exit::{self, Exit, Failure},
    logs::{self, LogArgs},
};
use tegata_protocol::Time;

use crate::folder::Folder;

mod check;
mod evidence;
mod join;
mod load;
mod log;
mod open;
mod serve;
mod status;

const PROGRAM: &str = "tegata-gate";

/// A gate: checks tickets offline, admits each one once, keeps the evidence.
///
/// A gate joins the centre once, takes its record to the shops, and gets sealed check data from
/// them. From then on it needs no network: it verifies what holders show, writes every admission
/// to its own log before anybody is told, and refuses a ticket that was used.
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    after_help = "\
A day at the gate:
  tegata-gate join  --data gate --slip-file slip.txt --name 'North gate' --address http://gate.localhost:7404
  (take gate/record.cose to the shop; it exports check data for this gate)
  tegata-gate load  --data gate check-data.sealed --shop-record shop.cose
  tegata-gate serve --data gate            then open http://gate.localhost:7404/ at the door
  tegata-gate export --data gate day.cbor  for the shop; `merge` compares two gates' files

Settings also stand in DIR/gate.toml (`events = [1]`) or in the environment
(TEGATA_GATE_LISTEN=127.0.0.1:0); flags win, then the environment.

Exit codes: 0 done or admitted, 1 refused or failed, 2 wrong usage or input,
3 a party can't be reached, 4 data damaged."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Join(join::Arguments),
    Load(load::Arguments),
    Check(check::Arguments),
    Serve(serve::Arguments),
    Status(status::Arguments),
    Log(log::LogArguments),
    VerifyLog(log::VerifyArguments),
    Export(evidence::ExportArguments),
    Merge(evidence::MergeArguments),
}

/// What every command takes.
#[derive(Clone, Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    log: LogArgs,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

impl Common {
    /// Starts the log and opens the folder, which must be there.
    fn folder(&self) -> Result<Folder, Failure> {
        self.start();
        let folder = Folder::open_existing(self.path());
        folder.map_err(crate::folder::FolderError::into_failure)
    }

    fn start(&self) {
        logs::init(PROGRAM, self.log.format);
    }

    fn path(&self) -> &Path {
        &self.data.data
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut code = Exit::Done;
    let ended = exit::run(PROGRAM, || {
        code = match arguments.command {
            Command::Join(arguments) => join::run(&arguments)?,
            Command::Load(arguments) => load::run(&arguments)?,
            Command::Check(arguments) => check::run(&arguments)?,
            Command::Serve(arguments) => serve::run(&arguments)?,
            Command::Status(arguments) => status::run(&arguments)?,
            Command::Log(arguments) => log::run_log(&arguments)?,
            Command::VerifyLog(arguments) => log::run_verify(&arguments)?,
            Command::Export(arguments) => evidence::run_export(&arguments)?,
            Command::Merge(arguments) => evidence::run_merge(&arguments)?,
        };
        Ok(())
    });
    // A refusal that was printed as an answer is no failure, but scripts see it by the code.
    if ended == ExitCode::SUCCESS {
        ExitCode::from(code.code())
    } else {
        ended
    }
}

/// The time, once per message, at the edge.
fn now() -> Time {
    Time::from_secs(clock::now())
}

/// Prints one line of JSON.
fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// Bytes as lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String can't fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}
