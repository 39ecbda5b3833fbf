//! The program's command line: one file a subcommand.

mod image;
mod reader;
mod readers;
mod virtual_card;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tegata_cli::exit;

const PROGRAM: &str = "tegata-card";

/// A card made of software to try, and what is in the card readers.
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    after_help = "\
Exit codes: 0 done, 1 refused or failed, 2 wrong usage or input, 3 no card service or reader,
4 data damaged."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Virtual(virtual_card::Arguments),
    Readers(readers::Arguments),
    Reader(reader::Arguments),
    Make(image::Arguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    exit::run(PROGRAM, || match arguments.command {
        Command::Virtual(arguments) => virtual_card::run(&arguments),
        Command::Readers(arguments) => readers::run(&arguments),
        Command::Reader(arguments) => reader::run(&arguments),
        Command::Make(arguments) => image::run(&arguments),
    })
}
