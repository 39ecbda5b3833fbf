//! `tegata-shop catalogue`.

use std::path::PathBuf;

use serde_json::json;
use tegata_program::exit::Failure;

use super::{say, shown};
use crate::catalogue::{self, read};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check a catalogue file: a mistake is shown with line, column and what was expected
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// Print one JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// Print a catalogue with four offers and a comment for each setting
    Example,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Check { file, json } => check(&file, json),
        Command::Example => {
            print!("{}", catalogue::EXAMPLE);
            Ok(())
        }
    }
}

fn check(file: &std::path::Path, json: bool) -> Result<(), Failure> {
    let catalogue = read::file(file)?;
    let offers: Vec<_> = catalogue
        .offers()
        .map(|offer| {
            json!({
                "series": offer.series.number(),
                "kind": offer.kind.word(),
                "title": offer.title,
                "quota": offer.quota,
            })
        })
        .collect();
    let lines: Vec<String> = catalogue
        .offers()
        .map(|o| {
            format!(
                "{:>6}  {:<9}  {} × {}  {}",
                o.series.to_string(),
                o.kind.word(),
                o.quota,
                o.price,
                o.title
            )
        })
        .collect();
    let lines = format!(
        "{}: {} offers, no mistake\n{}",
        shown(file),
        offers.len(),
        lines.join("\n")
    );
    say(
        json,
        &json!({ "file": shown(file), "offers": offers }),
        &lines,
    );
    Ok(())
}
