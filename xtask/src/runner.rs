//! Runs one test program's tests, each in a process of its own, and notes how long each took.
//!
//! The standard test harness says only when a test has ended, and with several threads that isn't how
//! long it took; its own report of times isn't stable. So `cargo test` is given this program as its
//! runner (`target.'cfg(all())'.runner`): cargo goes on to build, to choose packages and to set
//! variables and folders, and hands over each test program with its arguments. The program lists
//! its tests, and as many of them run at a time as there are cores.
//!
//! A process for each test costs some milliseconds, and gives more than times: a test that is ended by
//! a signal takes no other along, none finds what another left in memory, and one that hangs is named
//! while it does.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::cargo::{Stop, cannot_start};

/// The hidden command by which cargo calls this.
pub(crate) const NAME: &str = "run-tests";
/// Where the times are noted, a line each: milliseconds, a tab, program and test.
pub(crate) const TIMES: &str = "TEGATA_TEST_TIMES";

/// A test that runs for so long is named while it runs.
const LONG: Duration = Duration::from_secs(60);
/// How many of the slowest are told.
const SLOWEST: usize = 10;

/// Makes `cargo test` run its programs through this one.
pub(crate) fn take_part(command: &mut Command, times: &Path) -> Result<(), Stop> {
    let own = std::env::current_exe().map_err(|error| {
        Stop::Failed(format!("this program's own file can't be found: {error}"))
    })?;
    let own = own.display().to_string().replace('\\', "\\\\");
    command
        .arg("--config")
        .arg(format!(
            "target.'cfg(all())'.runner = [\"{own}\", \"{NAME}\"]"
        ))
        .env(TIMES, times);
    Ok(())
}

/// Runs the tests of the program that the first argument names; cargo's other arguments are the
/// harness's.
pub(crate) fn run(arguments: Vec<OsString>) -> Result<ExitCode, Stop> {
    let mut arguments = arguments.into_iter();
    let program = arguments
        .next()
        .map(PathBuf::from)
        .ok_or_else(|| Stop::usage("the test program is missing"))?;
    let asked = Asked::split(arguments.collect());
    // Examples in the documentation are no such program: they run as they are.
    if !is_test_program(&program) || asked.as_it_is {
        let mut command = Command::new(&program);
        let status = command.args(&asked.all).status();
        let status = status.map_err(|error| cannot_start(&command, &error))?;
        return Ok(match status.code() {
            Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
            None => ExitCode::FAILURE,
        });
    }
    let tests = list(&program, &asked)?;
    println!("\nrunning {} tests", tests.len());
    let begun = now();
    let ended = run_all(&program, &asked, tests);
    note(&program, &ended);
    Ok(tell(&ended, begun.elapsed()))
}

/// Test programs lie in the target folder's `deps`; rustdoc's in a temporary folder.
fn is_test_program(program: &Path) -> bool {
    let folder = program.parent().and_then(Path::file_name);
    folder == Some(OsStr::new("deps"))
}

/// The harness's arguments, as far as they matter here.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    all: Vec<OsString>,
    /// Which tests: filters, `--skip`, `--exact`, `--ignored`, `--include-ignored`.
    which: Vec<OsString>,
    /// What each is given besides.
    each: Vec<OsString>,
    /// The harness is asked for something else than to run tests.
    as_it_is: bool,
    threads: usize,
}

impl Asked {
    fn split(all: Vec<OsString>) -> Self {
        let mut asked = Self {
            all: all.clone(),
            which: Vec::new(),
            each: Vec::new(),
            as_it_is: false,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        };
        let mut rest = all.into_iter();
        while let Some(argument) = rest.next() {
            let text = argument.to_string_lossy().into_owned();
            match text.as_str() {
                "--skip" => {
                    asked.which.push(argument);
                    asked.which.extend(rest.next());
                }
                "--ignored" | "--include-ignored" => {
                    asked.which.push(argument.clone());
                    asked.each.push(argument);
                }
                "--nocapture" | "--no-capture" | "--show-output" => asked.each.push(argument),
                "--test-threads" => asked.set_threads(rest.next().as_deref()),
                "--exact" => asked.which.push(argument),
                other if other.starts_with("--test-threads=") => {
                    let count = other.trim_start_matches("--test-threads=");
                    asked.set_threads(Some(OsStr::new(count)));
                }
                other if other.starts_with('-') && !other.starts_with("--skip=") => {
                    asked.as_it_is = true;
                }
                _ => asked.which.push(argument),
            }
        }
        asked
    }

    fn set_threads(&mut self, count: Option<&OsStr>) {
        let count = count.and_then(|count| count.to_string_lossy().parse().ok());
        self.threads = count.filter(|count| *count > 0).unwrap_or(self.threads);
    }
}

fn list(program: &Path, asked: &Asked) -> Result<VecDeque<String>, Stop> {
    let mut command = Command::new(program);
    command
        .args(["--list", "--format", "terse"])
        .args(&asked.which);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| cannot_start(&command, &error))?;
    if !output.status.success() {
        let what = format!("{} couldn't list its tests", program.display());
        return Err(Stop::Failed(what));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let tests = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(tests.map(str::to_owned).collect())
}

/// A test that has ended.
#[derive(Debug)]
struct Ended {
    name: String,
    took: Duration,
    /// What it said, if it failed.
    failure: Option<String>,
}

fn run_all(program: &Path, asked: &Asked, tests: VecDeque<String>) -> Vec<Ended> {
    let (total, queue) = (tests.len(), Mutex::new(tests));
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.pop_front()
    };
    let (sender, ended) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..asked.threads.min(total) {
            let sender = sender.clone();
            scope.spawn(move || {
                while let Some(name) = next() {
                    let one = run_one(program, asked, name);
                    if sender.send(one).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut all = Vec::with_capacity(total);
        for one in ended {
            let word = if one.failure.is_some() {
                "FAILED"
            } else {
                "ok"
            };
            println!("test {} ... {word}", one.name);
            all.push(one);
        }
        all
    })
}

fn run_one(program: &Path, asked: &Asked, name: String) -> Ended {
    let mut command = Command::new(program);
    command
        .args(["--exact", &name, "--test-threads", "1"])
        .args(&asked.each)
        .stdin(Stdio::null());
    let shown = asked
        .each
        .iter()
        .any(|a| a == "--nocapture" || a == "--no-capture");
    let begun = now();
    let output = naming_the_long(&name, || match shown {
        true => command.status().map(|status| Output {
            status,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }),
        false => command.output(),
    });
    let failure = match output {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!(
            "{}{}({})",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            output.status
        )),
        Err(error) => Some(format!("it couldn't be started: {error}")),
    };
    Ended {
        name,
        took: begun.elapsed(),
        failure,
    }
}

/// Does it, and names the test once it has run for long.
fn naming_the_long<T>(name: &str, run: impl FnOnce() -> T) -> T {
    let (done, waiting) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(LONG) == Err(mpsc::RecvTimeoutError::Timeout) {
                println!(
                    "test {name} has been running for over {} seconds",
                    LONG.as_secs()
                );
            }
        });
        let result = run();
        drop(done);
        result
    })
}

/// Notes the times for the end of the whole run; who called this without wanting them gets none.
fn note(program: &Path, ended: &[Ended]) {
    let Some(file) = std::env::var_os(TIMES) else {
        return;
    };
    let name = short_name(program);
    let lines: String = ended
        .iter()
        .map(|one| format!("{}\t{name}: {}\n", one.took.as_millis(), one.name))
        .collect();
    let opened = OpenOptions::new().create(true).append(true).open(file);
    if let Err(error) = opened.and_then(|mut file| file.write_all(lines.as_bytes())) {
        eprintln!("the tests' times can't be noted: {error}");
    }
}

/// The package and the program without cargo's digest: `tegata-gate it`.
fn short_name(program: &Path) -> String {
    let stem = program.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.rsplit_once('-').map_or(&*stem, |(name, _)| name);
    match std::env::var("CARGO_PKG_NAME") {
        Ok(package) if package.replace('-', "_") != stem => format!("{package} {stem}"),
        Ok(package) => package,
        Err(_) => stem.to_owned(),
    }
}

/// Says what failed and how, then the line by which people and CI count.
fn tell(ended: &[Ended], took: Duration) -> ExitCode {
    let failed: Vec<_> = ended.iter().filter(|one| one.failure.is_some()).collect();
    for one in &failed {
        let said = one.failure.as_deref().unwrap_or_default();
        println!("\n---- {} ----\n{said}", one.name);
    }
    let (bad, good) = (failed.len(), ended.len().saturating_sub(failed.len()));
    let word = if bad == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {good} passed; {bad} failed; 0 ignored; 0 measured; 0 filtered out; \
         finished in {}s\n",
        seconds(took)
    );
    match bad {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The slowest tests of all that were noted, as a text; empty if none was.
pub(crate) fn slowest(times: &Path) -> String {
    let noted = std::fs::read_to_string(times).unwrap_or_default();
    let mut tests: Vec<(u64, &str)> = noted
        .lines()
        .filter_map(|line| {
            let (millis, name) = line.split_once('\t')?;
            Some((millis.parse().ok()?, name))
        })
        .collect();
    if tests.is_empty() {
        return String::new();
    }
    tests.sort_by(|one, other| other.cmp(one));
    let sum: u64 = tests.iter().map(|(millis, _)| millis).sum();
    let lines: String = tests
        .iter()
        .take(SLOWEST)
        .map(|(millis, name)| format!("{:>8} s  {name}\n", seconds(Duration::from_millis(*millis))))
        .collect();
    format!(
        "The slowest of {} tests, which took {} s one after the other:\n{lines}",
        tests.len(),
        seconds(Duration::from_millis(sum))
    )
}

/// Seconds with two places.
fn seconds(time: Duration) -> String {
    format!("{}.{:02}", time.as_secs(), time.subsec_millis() / 10)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long each test took is what this is for"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Asked {
        Asked::split(arguments.iter().map(OsString::from).collect())
    }

    #[test]
    fn the_harness_s_arguments_choose_tests_or_go_to_each() {
        let some = asked(&[
            "--skip",
            "soak",
            "--ignored",
            "part",
            "--nocapture",
            "--test-threads=3",
        ]);
        assert_eq!(some.which, ["--skip", "soak", "--ignored", "part"]);
        assert_eq!(some.each, ["--ignored", "--nocapture"]);
        assert_eq!((some.threads, some.as_it_is), (3, false));
        assert!(asked(&["--list"]).as_it_is);
        assert!(asked(&["--help"]).as_it_is);
    }

    #[test]
    fn examples_of_the_documentation_run_as_they_are() {
        assert!(is_test_program(Path::new("/t/debug/deps/it-0123")));
        assert!(!is_test_program(Path::new("/tmp/rustdoctest1/rust_out")));
    }

    #[test]
    fn the_slowest_are_told_first() {
        let folder = std::env::temp_dir().join(format!("tegata-times-{}", std::process::id()));
        let lines: String = (1..=12)
            .map(|n| format!("{}\tcrate: test {n}\n", n * 1000))
            .collect();
        std::fs::write(&folder, lines + "nonsense\n").unwrap();
        let text = slowest(&folder);
        std::fs::remove_file(&folder).unwrap();
        assert!(
            text.starts_with("The slowest of 12 tests, which took 78.00 s"),
            "{text}"
        );
        assert!(
            text.contains("12.00 s  crate: test 12\n") && !text.contains("test 2\n"),
            "{text}"
        );
        assert_eq!(slowest(Path::new("/no/such/file")), "");
    }

    /// The exit code is all that a script and CI look at.
    #[test]
    fn one_failed_test_fails_the_whole_run() {
        let ended = |failure: Option<&str>| Ended {
            name: "test".to_owned(),
            took: Duration::ZERO,
            failure: failure.map(str::to_owned),
        };
        let code = |all: &[Ended]| format!("{:?}", tell(all, Duration::ZERO));
        let (good, bad) = (ExitCode::SUCCESS, ExitCode::FAILURE);
        assert_eq!(code(&[ended(None), ended(None)]), format!("{good:?}"));
        assert_eq!(
            code(&[ended(Some("broken")), ended(None)]),
            format!("{bad:?}")
        );
    }

    /// A program with two tests, of which the second fails.
    #[cfg(unix)]
    #[test]
    fn a_failing_test_is_told_with_what_it_said() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = std::env::temp_dir().join(format!("tegata-tests-{}", std::process::id()));
        let script = "#!/bin/sh\n\
            [ $1 = --list ] && printf 'first: test\\nsecond: test\\nthird: benchmark\\n' && exit\n\
            [ $2 = first ] && exit\necho it is broken\nexit 101\n";
        std::fs::write(&file, script).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
        let asked = asked(&[]);
        let tests = list(&file, &asked).unwrap();
        assert_eq!(tests, ["first", "second"]);
        let mut ended = run_all(&file, &asked, tests);
        std::fs::remove_file(&file).unwrap();
        ended.sort_by(|one, other| one.name.cmp(&other.name));
        assert!(ended[0].failure.is_none());
        let said = ended[1].failure.as_deref().unwrap();
        assert!(
            said.contains("it is broken") && said.contains("101"),
            "{said}"
        );
    }
}
