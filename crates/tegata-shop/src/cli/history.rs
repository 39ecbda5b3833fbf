//! `tegata-shop history` and `words`: what the owner reads from the vault, without a network.

use serde_json::json;
use tegata_cli::exit::Failure;
use tegata_party::joining::JoinError;

use super::owner::{Owner, OwnerA};
use super::{PARTY, Usual, say};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    usual: Usual,

    #[command(flatten)]
    owner: OwnerA,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let dir = arguments.usual.existing(PARTY)?;
    let vault = arguments
        .owner
        .reading(&dir)
        .map_err(JoinError::into_failure)?;
    let sold = vault.history().and_then(|history| history.all());
    let sold = sold.map_err(|e| JoinError::from(e).into_failure())?;
    let objects: Vec<_> = sold
        .iter()
        .map(|sale| {
            json!({
                "number": sale.number.to_string(),
                "time": sale.time.to_string(),
                "amount": sale.amount.to_string(),
                "what": sale.what,
            })
        })
        .collect();
    let mut lines: Vec<String> = sold
        .iter()
        .map(|sale| {
            let (time, number) = (sale.time.to_string(), sale.number.to_string());
            format!(
                "{time}  {number}  {:>14}  {}",
                sale.amount.to_string(),
                sale.what
            )
        })
        .collect();
    lines.push(format!("{} sale(s) paid", sold.len()));
    say(
        arguments.usual.json,
        &json!({ "sales": objects }),
        &lines.join("\n"),
    );
    Ok(())
}

#[derive(Debug, clap::Args)]
pub(super) struct WordsArguments {
    #[command(flatten)]
    usual: Usual,

    #[command(flatten)]
    owner: Owner,
}

pub(super) fn words(arguments: &WordsArguments) -> Result<(), Failure> {
    let dir = arguments.usual.existing(PARTY)?;
    let words = arguments
        .owner
        .words(&dir)
        .map_err(JoinError::into_failure)?;
    say(
        arguments.usual.json,
        &json!({ "words": words.as_phrase() }),
        words.as_phrase(),
    );
    Ok(())
}
