//! `tegata-card-keys`: the card-key server. See the library for what it does.

use std::process::ExitCode;

use clap::Parser as _;
use tegata_card_keys::cli;
use tegata_cli::exit;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    exit::run(cli::PROGRAM, || cli::run(arguments))
}
