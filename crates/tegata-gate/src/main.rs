//! `tegata-gate`: see the library for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    tegata_gate::cli::main()
}
