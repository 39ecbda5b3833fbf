//! `tegata-sealing`: a sealing service. See the library for what it does.

use std::process::ExitCode;

use clap::Parser as _;
use tegata_cli::exit;
use tegata_sealing::cli;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    exit::run(cli::PROGRAM, || cli::run(arguments))
}
