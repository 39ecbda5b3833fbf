//! The command line: one module for each command, each thin.

use std::sync::Arc;

use clap::{Parser, Subcommand};
use tegata_cli::command::{Usual, read_in, say, shown, write_out};
use tegata_cli::data::{DataDir, Party};
use tegata_cli::exit::{Exit, Failure};
use tegata_cli::logs::LogArgs;
use tegata_cli::{clock, config};
use tegata_party::client::Client;
use tegata_protocol::Time;

use crate::programs::LogError;
use crate::service::{OpenError, Service};
use crate::settings::Settings;
use crate::store::StoreError;
use tegata_party::identity::{Centre, Identity};
use tegata_party::joining::{self, Kind};
use tegata_party::keys::KeyFile;

mod join;
mod keys;
mod programs;
mod serve;
mod stock;

/// The program's name.
pub const PROGRAM: &str = "tegata-sealing";
/// Its data folders.
pub const PARTY: Party = Party::new(PROGRAM, 1);

/// A sealing service: hands out the keys and the program that seal orders at shops' pages.
///
/// Shops bring their own one-time keys in batches. For each order a browser gets one of them, which
/// no other order ever gets, and the program's text. What is sealed this service can't open, unless a
/// setting that begins with danger_ lets it.
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    after_help = "\
Opening a sealing service:
  1. The centre sends a letter. Give it as it is: a line of it begins with tegata:join?…
  2. tegata-sealing join --data keys --slip-file letter.txt --name \"Key Handler\" \\
       --address https://keys.example
  3. tegata-sealing serve --data keys
  4. Shops set its address and number, and bring keys.

Settings stand in DIR/sealing.toml (`listen = \"127.0.0.1:7403\"`) or in the environment
(TEGATA_SEALING_LISTEN); flags win. The log goes to standard error; TEGATA_LOG filters it.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or input, 3 the centre can't be reached,
4 data damaged."
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make keys and register with the centre, with the line of its letter
    Join(join::Arguments),
    /// Open the service: take keys from shops, hand them out
    Serve(serve::Arguments),
    /// Show what each shop has in stock
    Stock(stock::Arguments),
    /// Show the public log of programs, or check it
    Log(programs::LogArguments),
    /// Carry keys by hand: take a shop's in, give out those made for it
    #[command(subcommand)]
    Keys(keys::Command),
    /// Programs that seal
    #[command(subcommand)]
    Program(programs::Command),
    /// Shops
    #[command(subcommand)]
    Shop(stock::ShopCommand),
}

/// Runs a command.
///
/// # Errors
/// [`Failure`], ready to be shown.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    tegata_cli::logs::init(PROGRAM, arguments.log.format);
    match arguments.command {
        Command::Join(arguments) => join::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Stock(arguments) => stock::run(&arguments),
        Command::Log(arguments) => programs::log(&arguments),
        Command::Keys(command) => keys::run(&command),
        Command::Program(command) => programs::run(&command),
        Command::Shop(command) => stock::shop(&command),
    }
}

/// The service of the folder, beside a running one if need be: with the settings of its file, and without
/// asking the centre as long as its certificates as kept hold.
fn service(usual: &Usual) -> Result<Service, Failure> {
    let dir = usual.existing(PARTY)?;
    let settings = config::load(&dir, "sealing")?;
    open(&dir, &settings, Ask::IfNeeded)
}

/// When the centre is asked for its certificates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ask {
    AtOnce,
    IfNeeded,
}

fn open(dir: &DataDir, settings: &Settings, ask: Ask) -> Result<Service, Failure> {
    let rules = settings.rules()?;
    let now = Time::from_secs(clock::now());
    let find = |identity: &Identity| {
        let address = settings.centre.as_deref();
        let kept = match ask {
            Ask::AtOnce => None,
            Ask::IfNeeded => Centre::kept(dir, &identity.root, now).ok().flatten(),
        };
        match kept {
            Some(keys) => Ok(Centre {
                address: address.unwrap_or(&identity.centre).to_owned(),
                keys,
            }),
            None => Centre::find(dir, &Client::default(), identity, address, now),
        }
    };
    let opened = joining::open_with_centre(dir, Kind::SEALING, find, || KeyFile::open(dir));
    let opened = opened
        .map_err(OpenError::from)
        .and_then(|(registered, centre)| {
            let time = Arc::new(|| Time::from_secs(clock::now()));
            Service::open(dir, registered, centre, rules, time)
        });
    opened.map_err(failed)
}

/// The code and the advice for an error of ours.
fn failed(error: OpenError) -> Failure {
    let (exit, next) = match &error {
        OpenError::Store(error) | OpenError::Log(LogError::Store(error)) => {
            (store_exit(error), None)
        }
        OpenError::Log(LogError::Damaged { .. } | LogError::Cut) => (
            Some(Exit::Damaged),
            Some("restore the folder from a backup, and find out who changed it"),
        ),
        OpenError::Log(LogError::Length(_)) => (Some(Exit::Usage), None),
        OpenError::Log(LogError::Data(_)) | OpenError::Join(_) => (None, None),
    };
    if let OpenError::Join(error) = error {
        return error.into_failure();
    }
    Failure::from(error).advised(exit, next)
}

const fn store_exit(error: &StoreError) -> Option<Exit> {
    match error.is_damage() {
        true => Some(Exit::Damaged),
        false => None,
    }
}
