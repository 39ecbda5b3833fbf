//! Tests and lints: what a change must pass.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};

use crate::args::Bench;

use crate::browser::Browser;
use crate::cargo::{self, Stop, Workspace};
use crate::compile::{self, Plan};
use crate::{needs, pcsc, python, runner};

/// Tests that run for hours carry this in their names; only [`soak`] runs them.
const LONG: &str = "soak";

/// The crate that reaches cards in readers, and the one whose bench pays with them, built so that they do.
/// Both at once: alone, the first would have its dependencies built anew, with fewer features.
const CARDS: [&str; 6] = [
    "--package",
    "tegata-card-reader",
    "--package",
    "tegata-demo",
    "--features",
    "tegata-demo/pcsc",
];

/// Brings what tests need, then runs all of them but the long ones: first the plain ones with the
/// examples in the documentation, then those marked ignored because a bare machine can't run them,
/// then those with cards in readers, which a bare machine can't even build.
pub(crate) fn test(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Stop> {
    needs::c_compiler()?;
    let python = python::ready(workspace)?;
    let browser = Browser::ready(workspace)?;
    let asked = Asked::split(arguments);
    if asked.cards(workspace.cargo("test")).is_some() {
        pcsc::ready()?;
    }
    // Tests that play a whole story start the other packages' programs, which `cargo test` alone
    // wouldn't build.
    eprintln!("Building every program. The first build takes a few minutes; later ones don't.");
    compile::build(
        workspace,
        &Plan {
            packages: &[],
            features: &[],
            release: false,
        },
    )?;
    let times = workspace.target().join("tegata-test-times");
    std::fs::remove_file(&times).ok();
    let told = |mut command: Command| {
        browser.tell(command.env(python::VARIABLE, &python));
        runner::take_part(&mut command, &times)?;
        Ok::<_, Stop>(command)
    };
    let run = || {
        cargo::run(&mut asked.plain(told(workspace.cargo("test"))?))?;
        cargo::run(&mut asked.ignored(told(workspace.cargo("test"))?))?;
        match asked.cards(told(workspace.cargo("test"))?) {
            Some(mut cards) => cargo::run(&mut cards),
            None => Ok(()),
        }
    };
    let ended = run();
    eprint!("\n{}", runner::slowest(&times));
    ended?;
    if asked.is_all() {
        benches_run(workspace, &browser)?;
    }
    eprintln!("All tests passed, those marked ignored included.");
    Ok(())
}

/// Runs each bench at its smallest, not optimised, so that none can rot unseen. What it measures
/// counts for nothing.
fn benches_run(workspace: &Workspace, browser: &Browser) -> Result<(), Stop> {
    let plan = Plan {
        packages: &["tegata-demo"],
        features: &["tegata-demo/pcsc"],
        release: false,
    };
    let programs = compile::build(workspace, &plan)?;
    for bench in Bench::smallest() {
        let mut command = Command::new(programs.find("tegata-bench")?);
        command
            .arg(bench.name())
            .args(bench.arguments())
            .stdout(Stdio::null());
        if bench.needs_browser() {
            browser.tell(&mut command);
        }
        cargo::run(&mut command)?;
    }
    Ok(())
}

/// Runs every fuzz target over its seeds and over changes of them, without a fuzzer.
fn fuzz_targets_run(workspace: &Workspace) -> Result<(), Stop> {
    let mut seeds = Command::new(python::ready(workspace)?);
    cargo::run(seeds.arg(workspace.path("fuzz/seed_corpus.py")))?;
    for program in ["seeds", "smoke"] {
        let mut run = workspace.cargo_in("fuzz/Cargo.toml", "run");
        // Without the fuzzer, which is built from C++.
        run.args(["--no-default-features", "--release", "--locked"]);
        cargo::run(run.args(["--example", program]))?;
    }
    Ok(())
}

/// Runs the long tests, optimised, and shows what they say; then, unless something else was asked for,
/// every fuzz target.
pub(crate) fn soak(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Stop> {
    needs::c_compiler()?;
    eprintln!("Building every program, optimised. This takes minutes.");
    compile::build(
        workspace,
        &Plan {
            packages: &[],
            features: &[],
            release: true,
        },
    )?;
    let asked = Asked::split(arguments);
    cargo::run(&mut asked.long(workspace.cargo("test")))?;
    match asked.is_all() {
        true => fuzz_targets_run(workspace),
        false => Ok(()),
    }
}

/// Format, lints, licences and tidiness, then every test.
pub(crate) fn ci(workspace: &Workspace) -> Result<(), Stop> {
    cargo::run(workspace.cargo("fmt").args(["--all", "--check"]))?;
    let mut lint = workspace.cargo("clippy");
    lint.args([
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]);
    cargo::run(&mut lint)?;
    let mut tidy = workspace.cargo("test");
    cargo::run(tidy.args(["--package", "xtask", "--test", "tidy", "--locked"]))?;
    test(workspace, &[])?;
    let mut lint = workspace.cargo("clippy");
    lint.args(CARDS)
        .args(["--all-targets", "--locked", "--", "-D", "warnings"]);
    cargo::run(&mut lint)
}

/// The caller's arguments: cargo's before `--`, the test programs' after it.
struct Asked<'a> {
    cargo: &'a [OsString],
    tests: &'a [OsString],
}

impl<'a> Asked<'a> {
    fn split(arguments: &'a [OsString]) -> Self {
        let at = arguments.iter().position(|argument| argument == "--");
        match at {
            Some(at) => {
                let (cargo, tests) = arguments.split_at(at);
                Self {
                    cargo,
                    tests: tests.get(1..).unwrap_or_default(),
                }
            }
            None => Self {
                cargo: arguments,
                tests: &[],
            },
        }
    }

    /// Nothing but the whole run was asked for.
    fn is_all(&self) -> bool {
        self.cargo.is_empty() && self.tests.is_empty()
    }

    fn plain(&self, mut command: Command) -> Command {
        self.scope(&mut command);
        command.args(["--", "--skip", LONG]).args(self.tests);
        command
    }

    fn ignored(&self, mut command: Command) -> Command {
        self.scope(&mut command);
        self.without_examples(&mut command);
        command
            .args(["--", "--ignored", "--skip", LONG])
            .args(self.tests);
        command
    }

    /// The tests with cards in readers, unless the caller asked for other packages or targets.
    fn cards(&self, mut command: Command) -> Option<Command> {
        let any = |is: fn(&OsStr) -> bool| self.cargo.iter().any(|argument| is(argument));
        if any(chooses_target) || (any(chooses_package) && !any(names_cards)) {
            return None;
        }
        command
            .args(CARDS)
            .args(["--lib", "--test", "pcsc", "--locked", "--"]);
        command.args(self.tests);
        Some(command)
    }

    fn long(&self, mut command: Command) -> Command {
        self.scope(&mut command);
        self.without_examples(&mut command);
        command
            .args(["--release", "--", "--ignored", "--nocapture", LONG])
            .args(self.tests);
        command
    }

    fn scope(&self, command: &mut Command) {
        if !self.cargo.iter().any(|argument| chooses_package(argument)) {
            command.arg("--workspace");
        }
        command.arg("--locked").args(self.cargo);
    }

    /// An example marked `ignore` in the documentation isn't meant to be run, ever.
    fn without_examples(&self, command: &mut Command) {
        if !self.cargo.iter().any(|argument| chooses_target(argument)) {
            command.args(["--lib", "--bins", "--tests"]);
        }
    }
}

/// `-p tegata-card-reader` in any form.
fn names_cards(argument: &OsStr) -> bool {
    let argument = argument.to_string_lossy();
    let name = argument
        .trim_start_matches("--package")
        .trim_start_matches("-p");
    name.trim_start_matches('=') == "tegata-card-reader"
}

fn chooses_package(argument: &OsStr) -> bool {
    let argument = argument.to_string_lossy();
    argument.starts_with("-p") || argument.starts_with("--package")
}

fn chooses_target(argument: &OsStr) -> bool {
    let argument = argument.to_string_lossy();
    let name = argument.split('=').next().unwrap_or_default();
    [
        "--lib",
        "--bin",
        "--bins",
        "--test",
        "--tests",
        "--all-targets",
        "--doc",
    ]
    .contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arguments: &[&str], form: fn(&Asked<'_>, Command) -> Command) -> String {
        let owned: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let command = form(&Asked::split(&owned), Command::new("cargo"));
        let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        words.join(" ")
    }

    #[test]
    fn without_arguments_everything_but_the_long_tests_runs() {
        assert_eq!(
            words(&[], |a, c| a.plain(c)),
            "--workspace --locked -- --skip soak"
        );
        assert_eq!(
            words(&[], |a, c| a.ignored(c)),
            "--workspace --locked --lib --bins --tests -- --ignored --skip soak"
        );
    }

    #[test]
    fn the_long_tests_run_optimised_and_alone() {
        assert_eq!(
            words(&[], |a, c| a.long(c)),
            "--workspace --locked --lib --bins --tests --release -- --ignored --nocapture soak"
        );
    }

    #[test]
    fn cards_in_readers_are_tested_unless_something_else_was_asked_for() {
        let asked = |arguments: &[&str]| {
            let owned: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            let cards = Asked::split(&owned).cards(Command::new("cargo"));
            cards.is_some()
        };
        for with in [
            &[][..],
            &["-p", "tegata-card-reader"],
            &["-ptegata-card-reader"],
            &["--package=tegata-card-reader"],
            &[
                "-p",
                "tegata-gate",
                "-p",
                "tegata-card-reader",
                "--",
                "torn",
            ],
        ] {
            assert!(asked(with), "{with:?}");
        }
        for without in [
            &["-p", "tegata-gate"][..],
            &["-p", "tegata-card"],
            &["-p", "tegata-card-reader", "--test", "it"],
            &["--lib", "--", "tegata-card"],
        ] {
            assert!(!asked(without), "{without:?}");
        }
        assert_eq!(
            words(&["--", "torn"], |a, c| a.cards(c).unwrap()),
            "--package tegata-card-reader --package tegata-demo --features tegata-demo/pcsc \
             --lib --test pcsc --locked -- torn"
        );
    }

    #[test]
    fn a_package_or_target_that_is_named_is_the_only_one() {
        assert_eq!(
            words(&["-p", "tegata-gate", "--", "admits"], |a, c| a.plain(c)),
            "--locked -p tegata-gate -- --skip soak admits"
        );
        assert_eq!(
            words(&["--package=tegata-gate", "--test", "it"], |a, c| a
                .ignored(c)),
            "--locked --package=tegata-gate --test it -- --ignored --skip soak"
        );
    }
}
