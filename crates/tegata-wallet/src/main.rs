//! `tegata-wallet`: the member's side. See the library for what it does.

use std::process::ExitCode;

use clap::Parser;
use tegata_cli::exit;
use tegata_wallet::cli::{Arguments, run};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    exit::run("tegata-wallet", || run(arguments))
}
