//! `tegata-sealing stock`, `shop add`.

use serde_json::json;
use tegata_cli::exit::Failure;
use tegata_party::client::Client;
use tegata_protocol::order::Pile;

use super::{Usual, failed, say, service};
use crate::pages::{Shown, stocks, suite_word};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    usual: Usual,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let service = service(&arguments.usual)?;
    let shops = stocks(&service).map_err(|e| failed(e.into()))?;
    let object = json!({ "shops": shops.iter().map(in_json).collect::<Vec<_>>() });
    let mut lines: Vec<String> = shops.iter().map(in_lines).collect();
    if lines.is_empty() {
        lines.push("no shop has keys here yet".to_owned());
    }
    say(arguments.usual.json, &object, &lines.join("\n"));
    Ok(())
}

fn in_json(shop: &Shown) -> serde_json::Value {
    let piles = shop.piles.iter().map(|pile| {
        json!({
            "scheme": pile.scheme.to_string(),
            "suite": pile.suite.map(|suite| suite_word(Some(suite))),
            "left": pile.left,
            "low": pile.low,
            "fallback_until": pile.fallback_until.map(|until| until.secs()),
        })
    });
    json!({
        "shop": shop.number.to_string(),
        "name": shop.name,
        "piles": piles.collect::<Vec<_>>(),
        "made_waiting": shop.waiting,
    })
}

fn in_lines(shop: &Shown) -> String {
    let mut lines = vec![format!("{} {}", shop.number, shop.name)];
    lines.extend(shop.piles.iter().map(line));
    if shop.piles.is_empty() {
        lines.push("  no keys yet".to_owned());
    }
    if shop.waiting > 0 {
        lines.push(format!("  {} made here wait for the shop", shop.waiting));
    }
    lines.join("\n")
}

fn line(pile: &Pile) -> String {
    let (scheme, suite) = (pile.scheme.to_string(), suite_word(pile.suite));
    let low = if pile.low { "low" } else { "" };
    let fallback = pile
        .fallback_until
        .map_or("no fallback".to_owned(), |until| {
            format!("fallback until {until}")
        });
    format!(
        "  {scheme:<16} {suite:<9} {:>6} left {low:<4} {fallback}",
        pile.left
    )
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum ShopCommand {
    /// Fetch a shop's record from its address, so that its tokens count before it brings keys
    Add {
        #[command(flatten)]
        usual: Usual,

        /// The shop's web address
        address: String,
    },
}

pub(super) fn shop(command: &ShopCommand) -> Result<(), Failure> {
    let ShopCommand::Add { usual, address } = command;
    let service = service(usual)?;
    let record = service
        .learn_from(&Client::default(), address)
        .map_err(failed)?;
    let name = record.profile.as_ref().map_or("", |p| p.name.as_str());
    let number = record.number.to_string();
    let object = json!({ "number": number, "name": name });
    say(
        usual.json,
        &object,
        &format!("{name} ({number}) is known now"),
    );
    Ok(())
}
