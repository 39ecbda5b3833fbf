//! The command line.

use std::ffi::OsString;

use crate::cargo::Stop;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
The project's own commands.

Usage: cargo xtask COMMAND [ARGUMENTS]

  demo [ARGS…]           build every program and run the town on this machine; ARGS go to
                         tegata-demo (--once: stop after the story; --keep DIR: keep its data;
                         --help: all of them). `cargo demo` is short for it.
  test [ARGS…]           bring what the tests need, then run every test, those marked ignored
                         included. ARGS go to cargo test (-p tegata-gate; -- part_of_a_name).
  bench payment|gate|seal|card [--json]
                         build optimised and measure (card: through PC/SC too, where it's installed).
  soak [ARGS…]           the long tests, optimised: those with `soak` in their names. Without ARGS, then
                         every fuzz target over its seeds and changes of them, without a fuzzer.
  ci                     format, lints, licences and tidiness, then `test`: what a change must pass.

Exit codes: 0 done; 1 something failed; 2 wrong usage. A program that is run passes its own on.
";

/// What the caller wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run the town; the arguments are the town's.
    Demo(Vec<OsString>),
    /// Run every test but the long ones; the arguments are cargo's.
    Test(Vec<OsString>),
    /// Measure.
    Bench(Bench),
    /// Run the long tests.
    Soak(Vec<OsString>),
    /// Run what a change must pass.
    Ci,
    /// Explain the commands.
    Help,
}

/// A bench, and how it reports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bench {
    subject: Subject,
    arguments: Vec<OsString>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Subject {
    Payment,
    Gate,
    Seal,
    Card,
}

impl Command {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, Stop> {
        let mut arguments = arguments;
        let Some(name) = arguments.next() else {
            return Err(Stop::usage("a command is missing"));
        };
        let rest: Vec<OsString> = arguments.collect();
        match name.to_string_lossy().as_ref() {
            "demo" => Ok(Self::Demo(rest)),
            "test" => Ok(Self::Test(rest)),
            "bench" => Bench::parse(rest).map(Self::Bench),
            "soak" => Ok(Self::Soak(rest)),
            "ci" if rest.is_empty() => Ok(Self::Ci),
            "ci" => Err(Stop::usage("`ci` takes no arguments")),
            "help" | "--help" | "-h" => Ok(Self::Help),
            other => Err(Stop::usage(&format!("there is no command `{other}`"))),
        }
    }
}

impl Bench {
    /// Each of them at its smallest: that it runs, without a figure that counts.
    pub(crate) fn smallest() -> [Self; 4] {
        let bench = |subject, more: &[&str]| Self {
            subject,
            arguments: [&["--rounds=1"], more]
                .concat()
                .iter()
                .map(OsString::from)
                .collect(),
        };
        [
            bench(
                Subject::Payment,
                &["--payments=8", "--members=2", "--shops=2", "--in-flight=2"],
            ),
            bench(Subject::Gate, &["--scans=64"]),
            bench(Subject::Seal, &[]),
            bench(Subject::Card, &[]),
        ]
    }

    fn parse(arguments: Vec<OsString>) -> Result<Self, Stop> {
        let (names, flags): (Vec<_>, Vec<_>) = arguments
            .into_iter()
            .partition(|a| !a.to_string_lossy().starts_with('-'));
        let subject = match names.as_slice() {
            [name] if name == "payment" => Subject::Payment,
            [name] if name == "gate" => Subject::Gate,
            [name] if name == "seal" => Subject::Seal,
            [name] if name == "card" => Subject::Card,
            [] => {
                return Err(Stop::usage(
                    "`bench` needs a name: payment, gate, seal or card",
                ));
            }
            [name, ..] => {
                let name = name.to_string_lossy();
                return Err(Stop::usage(&format!(
                    "there is no bench `{name}`: payment, gate, seal or card"
                )));
            }
        };
        Ok(Self {
            subject,
            arguments: flags,
        })
    }

    /// The name by which `tegata-bench` knows it.
    pub(crate) fn name(&self) -> &'static str {
        match self.subject {
            Subject::Payment => "payment",
            Subject::Gate => "gate",
            Subject::Seal => "seal",
            Subject::Card => "card",
        }
    }

    /// The packages whose programs take part in it.
    pub(crate) fn packages(&self) -> &'static [&'static str] {
        match self.subject {
            // Their town has a guard, a centre and its card-key server.
            Subject::Payment | Subject::Gate => &[
                "tegata-demo",
                "tegata-guard",
                "tegata-centre",
                "tegata-card-keys",
            ],
            Subject::Seal | Subject::Card => &["tegata-demo"],
        }
    }

    /// The features that it's built with where cards in readers can be reached.
    pub(crate) fn card_features(&self) -> &'static [&'static str] {
        match self.subject {
            Subject::Card => &["tegata-demo/pcsc"],
            Subject::Payment | Subject::Gate | Subject::Seal => &[],
        }
    }

    /// Does it need a browser?
    pub(crate) fn needs_browser(&self) -> bool {
        self.subject == Subject::Seal
    }

    /// What else was given, for `tegata-bench` to judge.
    pub(crate) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, Stop> {
        Command::parse(arguments.iter().map(OsString::from))
    }

    fn owned(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    #[test]
    fn demo_passes_everything_on_even_its_help() {
        assert_eq!(parse(&["demo"]).unwrap(), Command::Demo(vec![]));
        let given = ["--once", "--keep", "a dir", "--help"];
        let all = [&["demo"], given.as_slice()].concat();
        assert_eq!(parse(&all).unwrap(), Command::Demo(owned(&given)));
    }

    #[test]
    fn a_bench_needs_a_known_name_and_takes_flags_on_either_side() {
        let gate = Bench {
            subject: Subject::Gate,
            arguments: owned(&["--json"]),
        };
        assert_eq!(
            parse(&["bench", "gate", "--json"]).unwrap(),
            Command::Bench(gate)
        );
        let gate = Bench {
            subject: Subject::Gate,
            arguments: owned(&["--json"]),
        };
        assert_eq!(
            parse(&["bench", "--json", "gate"]).unwrap(),
            Command::Bench(gate)
        );
        for wrong in [&["bench"][..], &["bench", "gates"], &["bench", "--json"]] {
            assert!(matches!(parse(wrong), Err(Stop::Usage(_))), "{wrong:?}");
        }
        assert!(matches!(
            parse(&["bench", "gate", "payment"]),
            Err(Stop::Usage(_))
        ));
    }

    #[test]
    fn what_is_unknown_or_missing_is_wrong_usage() {
        for wrong in [&[][..], &["dmeo"], &["ci", "--fast"], &[""]] {
            assert!(matches!(parse(wrong), Err(Stop::Usage(_))), "{wrong:?}");
        }
    }

    #[test]
    fn help_names_every_command() {
        assert_eq!(parse(&["--help"]).unwrap(), Command::Help);
        for name in ["demo", "test", "bench", "soak", "ci"] {
            assert!(
                HELP.contains(&format!("\n  {name} ")),
                "{name} isn't explained"
            );
        }
    }
}
