//! The command line: one module for each command, each thin.

use clap::{Parser, Subcommand};
use tegata_cli::command::{Usual, read_in, say, shown, write_out};
use tegata_cli::data::Party;
use tegata_cli::exit::{Exit, Failure};
use tegata_cli::logs::LogArgs;

use crate::shop::OpenError;
use tegata_orders::FormsError;

mod catalogue;
mod check_data;
mod history;
mod join;
mod members;
mod order_keys;
mod orders;
mod owner;
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

Passwords: A opens orders' forms and the history, B, inside it, signs. A server that must start by
itself is given both by --password-a-fd and --password-b-fd, or by files that only its user may read.

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
    /// Show what was sold and paid, offline (A)
    History(history::Arguments),
    /// Show the 24 words that restore the shop's keys (A and B)
    Words(history::WordsArguments),
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
        Command::History(arguments) => history::run(&arguments),
        Command::Words(arguments) => history::words(&arguments),
        Command::OwnerLink(arguments) => sales::owner_link(arguments),
    }
}

/// The code and the advice for an error of ours.
fn failed(error: OpenError) -> Failure {
    let (exit, next) = match &error {
        OpenError::Store(error) if error.is_damage() => (Some(Exit::Damaged), None),
        OpenError::Catalogue(_) | OpenError::Series(_) | OpenError::Orders(_) => {
            (Some(Exit::Usage), None)
        }
        OpenError::Forms(FormsError::Damaged { .. }) => (Some(Exit::Damaged), None),
        OpenError::NoCatalogue(_) => (
            Some(Exit::Usage),
            Some("write one: tegata-shop catalogue example > DIR/catalogue.toml, then edit it"),
        ),
        OpenError::Store(_) | OpenError::Forms(_) | OpenError::Join(_) => (None, None),
    };
    if let OpenError::Join(error) = error {
        return error.into_failure();
    }
    Failure::from(error).advised(exit, next)
}
