//! The command line: one module for each command, each thin.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tegata_cli::data::{DataArgs, DataDir, Party};
use tegata_cli::exit::{Exit, Failure, OrExit as _};
use tegata_cli::logs::LogArgs;
use tegata_cli::password::{Password, PasswordOnly};

use tegata_orders::FormsError;
use tegata_party::client::CallError;

use crate::joining::JoinError;
use crate::keys::KeysError;
use crate::shop::OpenError;

mod catalogue;
mod check_data;
mod join;
mod members;
mod order_keys;
mod orders;
mod sales;
mod serve;

/// The program's name.
pub const PROGRAM: &str = "tegata-shop";
/// Its data folders.
pub const PARTY: Party = Party::new(PROGRAM, 1);

/// A shop: it sells tickets for stays, rides, admissions and wagers, and goods by post.
///
/// What it sells stands in DIR/catalogue.toml, which its owner edits. A member's wallet sends a
/// sealed request; the shop holds the quota and answers with a signed bill, or says why not. Once
/// the centre holds the money, the shop makes the tickets and hands them over, sealed to the member.
/// Goods are ordered at its pages: the form is sealed in the customer's browser, for this shop alone.
/// It never sells more than the quota, and it never holds money.
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    after_help = "\
Opening a shop:
  1. The centre sends a letter. Give it as it is: a line of it begins with tegata:join?…
  2. tegata-shop join --data shop --slip-file letter.txt --name \"Hanamizuki Books\" \\
       --address https://books.example
  3. tegata-shop catalogue example > shop/catalogue.toml     (and edit it)
     For goods by post, with pictures: tegata-shop catalogue sample shop, and name a sealing
     service under [orders] in DIR/shop.toml
  4. tegata-shop serve --data shop

Settings stand in DIR/shop.toml (`listen = \"127.0.0.1:7402\"`) or in the environment
(TEGATA_SHOP_LISTEN); flags win. The log goes to standard error; TEGATA_LOG filters it.

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
    /// Open the shop: take requests, make bills and tickets
    Serve(Box<serve::Arguments>),
    /// Check a catalogue, or print one to start from
    Catalogue(catalogue::Arguments),
    /// Make check data for a gate: good offline, signed, sealed to it (while the shop runs, too)
    CheckData(check_data::Arguments),
    /// Show what was sold and what is left
    Sales(sales::Arguments),
    /// Orders for goods: list, show, pack, send, cancel, export, erase
    Orders(orders::Arguments),
    /// Members that orders are taken from where each has a key of its own: list, admit, dismiss
    Members(members::Arguments),
    /// Keys for sealed orders that are carried by hand, without a network to the sealing service
    Keys(order_keys::Arguments),
    /// Cancel tickets: gates refuse them from the next check data on. Money isn't touched.
    Cancel(sales::CancelArguments),
    /// Print a link to the owner's page, good once and for ten minutes
    OwnerLink(sales::OwnerArguments),
}

/// Runs a command.
///
/// # Errors
/// [`Failure`], ready to be shown.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    tegata_cli::logs::init(PROGRAM, arguments.log.format);
    match arguments.command {
        Command::Join(arguments) => join::run(arguments),
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Catalogue(arguments) => catalogue::run(arguments),
        Command::CheckData(arguments) => check_data::run(arguments),
        Command::Sales(arguments) => sales::run(arguments),
        Command::Orders(arguments) => orders::run(arguments),
        Command::Members(arguments) => members::run(arguments),
        Command::Keys(arguments) => order_keys::run(&arguments),
        Command::Cancel(arguments) => sales::cancel(arguments),
        Command::OwnerLink(arguments) => sales::owner_link(arguments),
    }
}

/// Folder and output, as most commands have them.
#[derive(Debug, clap::Args)]
struct Usual {
    #[command(flatten)]
    data: DataArgs,

    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Usual {
    fn existing(&self) -> Result<DataDir, Failure> {
        Ok(DataDir::open_existing(&self.data.data, PARTY)?)
    }
}

/// Prints an object as JSON, or lines for people.
fn say(json: bool, object: &serde_json::Value, lines: &str) {
    if json {
        println!("{object}");
    } else {
        println!("{lines}");
    }
}

/// Reads the key file's password, if the file turns out to be sealed.
fn password_of(only: &PasswordOnly) -> impl FnOnce() -> Result<Password, KeysError> {
    let only = only.clone();
    move || Ok(only.read()?)
}

/// The code and the advice for an error of ours.
fn failed(error: OpenError) -> Failure {
    let (exit, next) = match &error {
        OpenError::Join(error) => advice(error),
        OpenError::Store(error) if error.is_damage() => (Some(Exit::Damaged), None),
        OpenError::Catalogue(_) | OpenError::Series(_) | OpenError::Orders(_) => {
            (Some(Exit::Usage), None)
        }
        OpenError::Forms(FormsError::Damaged { .. }) => (Some(Exit::Damaged), None),
        OpenError::NoCatalogue(_) => (
            Some(Exit::Usage),
            Some("write one: tegata-shop catalogue example > DIR/catalogue.toml, then edit it"),
        ),
        OpenError::Store(_) | OpenError::Forms(_) => (None, None),
    };
    let failure = match exit {
        Some(exit) => ended(error, exit),
        None => Failure::from(error),
    };
    next.into_iter().fold(failure, Failure::next)
}

/// An error with all its causes and a code of its own.
fn ended(error: impl Into<Failure>, exit: Exit) -> Failure {
    match Err::<Infallible, _>(error).or_exit(exit) {
        Err(failure) => failure,
        Ok(never) => match never {},
    }
}

fn advice(error: &JoinError) -> (Option<Exit>, Option<&'static str>) {
    match error {
        JoinError::Call(CallError::Unreachable { .. } | CallError::Busy { .. }) => (
            Some(Exit::Unreachable),
            Some("run the same command again later; it goes on where it stopped"),
        ),
        JoinError::Call(CallError::Address(_)) => (Some(Exit::Usage), None),
        JoinError::Call(CallError::Fault { .. } | CallError::BadReply { .. }) => (
            Some(Exit::Refused),
            Some("run the same command again: what was signed is kept, and counts once"),
        ),
        JoinError::Call(_) => (Some(Exit::Refused), None),
        JoinError::Damaged { .. } | JoinError::Keys(KeysError::Damaged) => {
            (Some(Exit::Damaged), None)
        }
        JoinError::Input(_) | JoinError::NotAShop(_) => (
            Some(Exit::Usage),
            Some("compare with the letter, and give the line whole"),
        ),
        JoinError::Joined { .. } => (
            Some(Exit::Refused),
            Some(
                "a record can't be changed: for another name or address, ask the centre for a new \
                 letter and join in another folder",
            ),
        ),
        JoinError::OtherNumber(_) | JoinError::NotJoined => (Some(Exit::Usage), None),
        JoinError::Data(_)
        | JoinError::Keys(_)
        | JoinError::Certificates(_)
        | JoinError::Refused(_)
        | JoinError::ForeignRecord => (None, None),
    }
}

/// A path as it's shown.
fn shown(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// Writes a file beside the data folder, for somebody else.
fn write_out(path: &PathBuf, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes)
        .map_err(|e| Failure::refused(format!("can't write {}: {e}", shown(path))))
}
