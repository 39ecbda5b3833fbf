//! `tegata-bench`: what the programs reach, beside what this machine could. Run it as
//! `cargo xtask bench payment|gate|seal`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tegata_demo::bench::main()
}
