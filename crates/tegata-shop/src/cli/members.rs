//! `tegata-shop members`: from whom orders are taken where each member has a key of its own (O12).

use clap::Subcommand;
use serde_json::json;
use tegata_cli::clock;
use tegata_cli::exit::Failure;
use tegata_orders::keys;
use tegata_protocol::{PartyNumber, Time};

use super::{Usual, failed, sales, say};
use crate::shop::OpenError;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the members that are admitted
    List {
        #[command(flatten)]
        usual: Usual,
    },
    /// Admit a member: the shop makes a key for it and takes its orders
    Admit {
        #[command(flatten)]
        usual: Usual,

        /// The member's number, M-…
        member: PartyNumber,
    },
    /// Take no orders from a member any more, and erase its keys
    Dismiss {
        #[command(flatten)]
        usual: Usual,

        /// The member's number, M-…
        member: PartyNumber,
    },
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::List { usual } => list(&usual),
        Command::Admit { usual, member } => admit(&usual, member),
        Command::Dismiss { usual, member } => dismiss(&usual, member),
    }
}

fn list(usual: &Usual) -> Result<(), Failure> {
    let store = sales::open(usual)?;
    let admitted = store.read(|tables| Ok::<_, OpenError>(keys::admitted(tables.connection())?));
    let numbers: Vec<String> = admitted
        .map_err(failed)?
        .iter()
        .map(PartyNumber::to_string)
        .collect();
    let lines = match numbers.is_empty() {
        true => "no member is admitted yet: tegata-shop members admit M-…".to_owned(),
        false => numbers.join("\n"),
    };
    say(usual.json, &json!({ "members": numbers }), &lines);
    Ok(())
}

fn admit(usual: &Usual, member: PartyNumber) -> Result<(), Failure> {
    let (store, now) = (sales::open(usual)?, Time::from_secs(clock::now()));
    let admitted = store
        .write(move |tables| Ok::<_, OpenError>(keys::admit(tables.connection(), member, now)?));
    admitted.map_err(failed)?;
    let line = format!("{member} is admitted. The shop makes its key while it's open.");
    say(
        usual.json,
        &json!({ "admitted": member.to_string() }),
        &line,
    );
    Ok(())
}

fn dismiss(usual: &Usual, member: PartyNumber) -> Result<(), Failure> {
    let store = sales::open(usual)?;
    let dismissed =
        store.write(move |tables| Ok::<_, OpenError>(keys::dismiss(tables.connection(), member)?));
    dismissed.map_err(failed)?;
    let line = format!("{member} is dismissed; its keys are erased.");
    say(
        usual.json,
        &json!({ "dismissed": member.to_string() }),
        &line,
    );
    Ok(())
}
