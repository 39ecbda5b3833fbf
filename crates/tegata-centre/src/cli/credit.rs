//! `tegata-centre credit`: the key for card numbers, and which cards are kept.

use std::path::PathBuf;

use clap::Subcommand;
use tegata_cli::{data::DataDir, exit::Failure};

use super::{PARTY, Shown, print};
use crate::credit;

#[derive(Subcommand, Debug)]
pub(super) enum CreditCommand {
    /// Make the key that opens card numbers, for a centre that has none; certify it afterwards
    New {
        /// The centre's data folder
        #[arg(long, env = "TEGATA_DATA")]
        data: PathBuf,
        /// Destroy the key in force: nothing that was sealed to it can be opened again
        #[arg(long)]
        replace: bool,
    },
    /// Show the cards that are kept: shop, order, reference, last four digits
    List(Shown),
}

/// Runs a command.
///
/// # Errors
/// [`Failure`], with the exit code.
pub(super) fn main(command: &CreditCommand) -> Result<(), Failure> {
    match command {
        CreditCommand::New { data, replace } => {
            let dir = DataDir::open_existing(data, PARTY)?;
            // A server that runs holds the old key.
            let _lock = dir.lock()?;
            credit::key::create(&dir, *replace)?;
            println!("the key for card numbers is made; no page seals to it before it's certified");
            println!("next: tegata-centre root certify, then serve");
            Ok(())
        }
        CreditCommand::List(shown) => list(shown),
    }
}

fn list(shown: &Shown) -> Result<(), Failure> {
    use tegata_cli::exit::{Exit, OrExit as _};
    let dir = DataDir::open_existing(&shown.data, PARTY)?;
    let cards = credit::list(dir.path()).or_exit(Exit::Damaged)?;
    let json = cards.iter().map(|card| {
        serde_json::json!({ "shop": card.shop.to_string(), "order": card.order.to_string(),
            "reference": card.reference, "last_four": card.last_four,
            "received": card.received.secs() })
    });
    let lines = cards.iter().map(|card| {
        let (shop, received) = (card.shop, card.received);
        format!(
            "{received}  {shop}  …{}  {}",
            card.last_four, card.reference
        )
    });
    let mut lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        lines.push("no card is kept".to_owned());
    }
    print(shown, &json.collect(), &lines.join("\n"));
    Ok(())
}
