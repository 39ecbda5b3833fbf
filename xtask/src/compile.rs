//! Building programs under one progress line.
//!
//! Cargo's own bar isn't shown when its output is read by a program, so two threads read what it
//! says and this one draws. The compiler's words are kept back and shown whole if the build fails.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::cargo::{Stop, Workspace, cannot_start};
use crate::messages::{Artifact, Spoken};
use crate::progress::{Screen, Tally};

/// Which programs to build, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The packages that hold them; none means the whole workspace.
    pub(crate) packages: &'static [&'static str],
    /// What is to be built into them, as `package/feature`.
    pub(crate) features: &'static [&'static str],
    /// Optimised, or as quickly as possible.
    pub(crate) release: bool,
}

/// Where the programs stand that were built.
#[derive(Debug)]
pub(crate) struct Programs(Vec<PathBuf>);

impl Programs {
    /// The program of that name.
    pub(crate) fn find(&self, name: &str) -> Result<&PathBuf, Stop> {
        let named = |path: &&PathBuf| path.file_stem().is_some_and(|stem| stem == name);
        self.0.iter().find(named).ok_or_else(|| {
            Stop::Failed(format!("the build succeeded but made no program `{name}`"))
        })
    }
}

/// Builds the programs of the plan.
pub(crate) fn build(workspace: &Workspace, plan: &Plan) -> Result<Programs, Stop> {
    let total = count_packages(workspace, plan);
    let mut command = workspace.cargo("build");
    select(&mut command, plan);
    command.args([
        "--bins",
        "--locked",
        "--message-format=json-render-diagnostics",
    ]);
    if plan.release {
        command.arg("--release");
    }
    if std::io::stderr().is_terminal() {
        command.args(["--color", "always"]);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| cannot_start(&command, &error))?;
    let collected = follow(listen(&mut child), Tally::new(total));
    let status = child
        .wait()
        .map_err(|error| cannot_start(&command, &error))?;
    if status.success() {
        return Ok(Programs(collected.programs));
    }
    eprintln!("{}", collected.diagnosis.join("\n"));
    Err(Stop::Failed(
        "the build failed, for the reason above; mend it and start again".into(),
    ))
}

fn select(command: &mut Command, plan: &Plan) {
    if plan.packages.is_empty() {
        command.arg("--workspace");
    }
    for package in plan.packages {
        command.args(["--package", package]);
    }
    for feature in plan.features {
        command.args(["--features", feature]);
    }
}

/// How many packages the plan takes, ours included. On a fresh machine this is what downloads
/// them, and cargo shows that itself. Should it fail, the build will say why.
fn count_packages(workspace: &Workspace, plan: &Plan) -> usize {
    let mut command = workspace.cargo("tree");
    select(&mut command, plan);
    command.args([
        "--locked",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let listed = command
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    distinct_packages(&String::from_utf8_lossy(&listed))
}

/// How many different packages `cargo tree` lists: a line is name, version and remarks, and a
/// package stands there as often as something depends on it.
fn distinct_packages(tree: &str) -> usize {
    let names = tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    names.collect::<std::collections::BTreeSet<_>>().len()
}

/// A line from cargo.
enum Line {
    Message(String),
    Speech(String),
}

/// What is worth keeping of what cargo said.
#[derive(Default)]
struct Collected {
    programs: Vec<PathBuf>,
    diagnosis: Vec<String>,
}

/// Has both of cargo's outputs read into one channel, which closes when both have ended.
fn listen(child: &mut Child) -> Receiver<Line> {
    let (sender, receiver) = channel();
    if let Some(output) = child.stdout.take() {
        forward(output, Line::Message, sender.clone());
    }
    if let Some(output) = child.stderr.take() {
        forward(output, Line::Speech, sender);
    }
    receiver
}

fn forward(output: impl Read + Send + 'static, wrap: fn(String) -> Line, sender: Sender<Line>) {
    std::thread::spawn(move || {
        let lines = BufReader::new(output).split(b'\n').map_while(Result::ok);
        for line in lines {
            let line = String::from_utf8_lossy(&line)
                .trim_end_matches('\r')
                .to_owned();
            if sender.send(wrap(line)).is_err() {
                return;
            }
        }
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "the progress line shows how long it has taken"
)]
fn follow(lines: Receiver<Line>, mut tally: Tally) -> Collected {
    let started = Instant::now();
    let mut screen = Screen::new(std::io::stderr().is_terminal());
    let mut collected = Collected::default();
    loop {
        match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(line) => collected.take(line, &mut tally),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if let Some(text) = screen.show(&tally, started.elapsed()) {
            write(&text);
        }
    }
    write(screen.clear());
    collected
}

impl Collected {
    fn take(&mut self, line: Line, tally: &mut Tally) {
        match line {
            Line::Message(message) => {
                let Some(artifact) = Artifact::parse(&message) else {
                    return;
                };
                tally.built(artifact.package);
                self.programs.extend(artifact.program);
            }
            Line::Speech(speech) => match Spoken::parse(&speech) {
                Spoken::Doing(what) => tally.doing(what),
                Spoken::Diagnosis(text) => self.diagnosis.push(text),
            },
        }
    }
}

/// Writes to standard error; if nobody reads it any more, the build goes on all the same.
fn write(text: &str) {
    let mut out = std::io::stderr().lock();
    if out.write_all(text.as_bytes()).is_ok() {
        out.flush().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_counted_once() {
        let tree = "a v0.1.0 (/x/a)\nb v1.0.0\nb v1.0.0 (*)\nb v2.0.0\nc v1.0.0 (proc-macro)\n\n";
        assert_eq!(distinct_packages(tree), 4);
        assert_eq!(distinct_packages(""), 0);
    }

    #[test]
    fn programs_and_diagnosis_are_kept_apart() {
        let mut collected = Collected::default();
        let mut tally = Tally::new(1);
        let message =
            r#"{"reason":"compiler-artifact","package_id":"p","executable":"/t/tegata-demo"}"#;
        collected.take(Line::Message(message.into()), &mut tally);
        collected.take(Line::Speech("   Compiling p v1.0.0".into()), &mut tally);
        collected.take(Line::Speech("error: no".into()), &mut tally);
        assert_eq!(collected.diagnosis, ["error: no"]);
        let programs = Programs(collected.programs);
        assert_eq!(
            programs.find("tegata-demo").unwrap(),
            &PathBuf::from("/t/tegata-demo")
        );
        assert!(matches!(programs.find("tegata-dem"), Err(Stop::Failed(_))));
    }

    #[test]
    fn both_outputs_are_followed_to_their_end() {
        let mut command = Command::new("cargo");
        command
            .arg("--version")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines: Vec<Line> = listen(&mut child).into_iter().collect();
        child.wait().unwrap();
        assert!(
            lines
                .iter()
                .any(|l| matches!(l, Line::Message(m) if m.starts_with("cargo ")))
        );
    }
}
