//! `tegata-shop catalogue`.

use std::path::PathBuf;

use serde_json::json;
use tegata_cli::exit::Failure;

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
    /// Write a sample catalogue of goods with its pictures into a folder, over nothing that is there
    Sample {
        /// The folder: a new shop's data folder, or any other
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Check { file, json } => check(&file, json),
        Command::Example => {
            print!("{}", catalogue::EXAMPLE);
            Ok(())
        }
        Command::Sample { folder } => sample(&folder),
    }
}

fn sample(folder: &std::path::Path) -> Result<(), Failure> {
    let written = catalogue::sample::write(folder).map_err(|e| {
        Failure::refused(format!(
            "can't write the sample into {}: {e}",
            shown(folder)
        ))
    })?;
    match written.len() {
        0 => println!("All files of the sample are there already; nothing was written."),
        count => println!(
            "{count} files written to {}. Edit catalogue.toml, and put pictures into pictures/.",
            shown(folder)
        ),
    }
    Ok(())
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
    let goods = catalogue.goods.products.iter().map(|product| {
        let (stock, price) = (product.stock, product.price);
        format!(
            "{:>24}  {stock} × {price}  {}",
            product.id.as_str(),
            product.title.en
        )
    });
    let lines: Vec<String> = lines.into_iter().chain(goods).collect();
    let count = catalogue.goods.products.len();
    let lines = format!(
        "{}: {} offers and {count} goods, no mistake\n{}",
        shown(file),
        offers.len(),
        lines.join("\n")
    );
    let goods: Vec<_> = catalogue
        .goods
        .products
        .iter()
        .map(|product| {
            json!({
                "id": product.id.as_str(),
                "title": product.title.en,
                "stock": product.stock,
            })
        })
        .collect();
    let object = json!({ "file": shown(file), "offers": offers, "goods": goods });
    say(json, &object, &lines);
    Ok(())
}
