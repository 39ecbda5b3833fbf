//! `tegata-card`. See the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tegata_card_reader::cli::main()
}
