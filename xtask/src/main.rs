//! The project's own commands: `cargo demo`, and `cargo xtask test`, `bench`, `soak` and `ci`.
//!
//! This program has no dependency at all, so it is built within a second even on a fresh machine
//! and can say at once what will take minutes. It calls cargo for everything else:
//!
//! - [`args`] turns the command line into a [`Command`],
//! - [`cargo`] finds the workspace and starts cargo in it,
//! - [`compile`] builds programs under one progress line ([`progress`], [`messages`]),
//! - [`runner`] runs each test in a process of its own and notes how long it took,
//! - [`checks`] runs tests and lints, after [`python`], [`browser`], [`pcsc`] and [`needs`] have seen
//!   to what they need.

mod args;
mod browser;
mod cargo;
mod checks;
mod compile;
mod messages;
mod needs;
mod pcsc;
mod progress;
mod python;
mod runner;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Bench, Command};
use cargo::{Stop, Workspace};

/// The programs of a town, in the packages that hold them.
const TOWN: &[&str] = &[
    "tegata-demo",
    "tegata-guard",
    "tegata-centre",
    "tegata-shop",
    "tegata-wallet",
    "tegata-gate",
    "tegata-sealing",
    "tegata-card-keys",
    "tegata-card-reader",
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|name| name == runner::NAME).is_some() {
        return runner::run(arguments.collect()).unwrap_or_else(Stop::report);
    }
    let outcome = Command::parse(arguments).and_then(run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(),
    }
}

fn run(command: Command) -> Result<(), Stop> {
    let workspace = Workspace::find();
    match command {
        Command::Help => {
            print!("{}", args::HELP);
            Ok(())
        }
        Command::Demo(arguments) => demo(&workspace, &arguments),
        Command::Test(arguments) => checks::test(&workspace, &arguments),
        Command::Bench(bench) => run_bench(&workspace, &bench),
        Command::Soak(arguments) => checks::soak(&workspace, &arguments),
        Command::Ci => checks::ci(&workspace),
    }
}

/// Builds the town and becomes `tegata-demo`.
fn demo(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Stop> {
    eprintln!(
        "Building the town's programs. The first build takes a few minutes; later ones don't."
    );
    let plan = compile::Plan {
        packages: TOWN,
        // A real card service where there is one; else the demonstration's card is in its process.
        features: match pcsc::can_pay() {
            true => &["tegata-demo/pcsc"],
            false => &[],
        },
        release: false,
    };
    let programs = compile::build(workspace, &plan)?;
    let mut demo = std::process::Command::new(programs.find("tegata-demo")?);
    demo.args(arguments);
    cargo::become_program(demo)
}

/// Builds, optimised, what the bench measures and becomes `tegata-bench`.
fn run_bench(workspace: &Workspace, bench: &Bench) -> Result<(), Stop> {
    eprintln!(
        "Building optimised programs for the {} bench. This takes minutes.",
        bench.name()
    );
    let plan = compile::Plan {
        packages: bench.packages(),
        features: if pcsc::can_pay() {
            bench.card_features()
        } else {
            &[]
        },
        release: true,
    };
    let programs = compile::build(workspace, &plan)?;
    let mut program = std::process::Command::new(programs.find("tegata-bench")?);
    program.arg(bench.name()).args(bench.arguments());
    if bench.needs_browser() {
        browser::Browser::ready(workspace)?.tell(&mut program);
    }
    cargo::become_program(program)
}
