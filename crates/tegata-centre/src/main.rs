//! `tegata-centre`: see the library for what it does, `--help` for how it's used.

use std::process::ExitCode;

fn main() -> ExitCode {
    tegata_cli::exit::run("tegata-centre", tegata_centre::cli::main)
}
