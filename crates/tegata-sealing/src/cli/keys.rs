//! `tegata-sealing keys`: keys that are carried by hand (O11).

use std::path::{Path, PathBuf};

use serde_json::json;
use tegata_cli::exit::{Exit, Failure};
use tegata_protocol::PartyNumber;

use super::{Usual, read_in, say, service, shown, write_out};
use crate::handler::made::{self, ExportError};
use crate::handler::{self, Unanswered};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Take in keys that a shop sealed into a file (while the service runs, too)
    Import {
        #[command(flatten)]
        usual: Usual,

        /// The shop's file
        file: PathBuf,
    },
    /// Seal keys that were made here into a file for their shop, at most 24 (while it runs, too)
    Export {
        #[command(flatten)]
        usual: Usual,

        /// The shop's number
        shop: PartyNumber,

        /// The file to write
        file: PathBuf,

        /// The shop has the keys up to this number: they're erased here, the next ones written
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
    },
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Import { usual, file } => import(usual, file),
        Command::Export {
            usual,
            shop,
            file,
            after,
        } => export(usual, *shop, file, *after),
    }
}

fn import(usual: &Usual, file: &Path) -> Result<(), Failure> {
    let service = service(usual)?;
    let bytes = read_in(file)?;
    let (shop, taken) = handler::import(&service, &bytes).map_err(|error| match error {
        Unanswered::Unreadable(_) => Failure::from(error)
            .with_exit(Exit::Usage)
            .doing(format!("reading {}", shown(file)))
            .next("ask the shop for a file that is sealed to this service, with its record inside"),
        Unanswered::Fault(error) => error.into(),
    })?;
    let stock = taken
        .map_err(|refusal| Failure::refused(refusal).doing(format!("taking in keys of {shop}")))?;
    let left: u64 = stock.piles.iter().map(|pile| u64::from(pile.left)).sum();
    let object = json!({ "shop": shop.to_string(), "left": left });
    say(
        usual.json,
        &object,
        &format!("{shop} has {left} keys in stock now"),
    );
    Ok(())
}

fn export(usual: &Usual, shop: PartyNumber, file: &Path, after: u64) -> Result<(), Failure> {
    let service = service(usual)?;
    let export = made::export(&service, shop, after).map_err(|error| match error {
        ExportError::UnknownShop(_) => Failure::from(error).with_exit(Exit::Usage),
        ExportError::Fault(error) => error.into(),
    })?;
    if export.keys == 0 {
        return Err(Failure::refused(format!("no keys wait for {shop}")));
    }
    write_out(file, &export.bytes)?;
    let (count, last) = (export.keys, export.last);
    let object = json!({
        "shop": shop.to_string(), "keys": count, "last": last, "more": export.more,
        "file": shown(file),
    });
    let mut lines = format!("{count} keys for {shop} stand in {}.", shown(file));
    lines += &format!(
        "\nNext: carry it over; once the shop has them, erase them here with --after {last}"
    );
    if export.more {
        lines += ", which writes the next ones";
    }
    say(usual.json, &object, &lines);
    Ok(())
}
