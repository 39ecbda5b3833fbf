//! The demonstration as a person starts it: real processes, real files.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod lost;
mod sealed;
mod storefront;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

const DEMO: &str = env!("CARGO_BIN_EXE_tegata-demo");

fn demo(arguments: &[&str]) -> Output {
    Command::new(DEMO)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found
}

/// Does this text stand in the file, as it is?
fn holds(file: &Path, text: &str) -> bool {
    let Ok(bytes) = fs::read(file) else {
        return false;
    };
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// The whole story, kept; what travelled is sealed; the books pass the audit; a COSE library of
/// another language verifies what was signed.
#[test]
#[ignore = "needs every program built and TEGATA_PYTHON: run cargo xtask test"]
fn the_story_holds_and_its_artefacts_verify() {
    let folder = tempfile::tempdir().unwrap();
    let town = folder.path().join("town");
    let output = demo(&["--once", "--keep", town.to_str().unwrap()]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let numbered = text
        .lines()
        .filter_map(|line| line.split_once(". "))
        .filter(|(number, _)| number.trim_start().parse::<u8>().is_ok())
        .count();
    assert!((12..=20).contains(&numbered), "{numbered} in {text}");
    nothing_personal_travelled(&town);
    no_secret_in_logs(&town);
    another_language_verifies(&town);
    assert_eq!(
        demo(&["--once", "--keep", town.to_str().unwrap()])
            .status
            .code(),
        Some(2)
    );
}

fn nothing_personal_travelled(town: &Path) {
    let artefacts = files(&town.join("artifacts"));
    let sealed = artefacts
        .iter()
        .filter(|f| f.to_string_lossy().ends_with(".sealed.cbor"));
    assert!(sealed.clone().count() >= 20, "{artefacts:?}");
    for file in &artefacts {
        for personal in ["Aiko Sato", "Botan Mori", "Sakura Street", "sakura99"] {
            assert!(!holds(file, personal), "{personal} in {}", file.display());
        }
    }
    for file in sealed {
        for inside in ["Winter concert", "Stalls", "cloakroom"] {
            assert!(!holds(file, inside), "{inside} in {}", file.display());
        }
    }
}

fn no_secret_in_logs(town: &Path) {
    let logs = files(&town.join("logs"));
    assert!(logs.len() >= 3, "{logs:?}");
    let slips = files(&town.join("centre/letters"));
    let slips = slips
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "slip"));
    let codes: Vec<String> = slips
        .map(|f| code_of(&fs::read_to_string(f).unwrap()))
        .collect();
    assert_eq!(codes.len(), 5);
    for log in &logs {
        for secret in [
            "Aiko Sato",
            "Botan Mori",
            "Sakura Street",
            "password\n",
            "sakura99",
        ] {
            assert!(!holds(log, secret), "{secret} in {}", log.display());
        }
        assert!(
            codes.iter().all(|code| !holds(log, code)),
            "a code in {}",
            log.display()
        );
    }
}

fn code_of(slip: &str) -> String {
    let code = slip
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("code="));
    code.unwrap().to_owned()
}

fn another_language_verifies(town: &Path) {
    let python = std::env::var("TEGATA_PYTHON").expect("TEGATA_PYTHON: run cargo xtask test");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/tools/verify_cose.py");
    let output = Command::new(python)
        .arg(script)
        .arg(town.join("artifacts"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let signed = files(&town.join("artifacts"));
    let signed = signed
        .iter()
        .filter(|f| f.to_string_lossy().ends_with(".sign1.cbor"));
    assert!(signed.count() >= 8);
}

/// Ctrl-C in the middle of it leaves neither a process nor a folder behind.
#[test]
#[ignore = "needs every program built: run cargo xtask test"]
fn ctrl_c_leaves_nothing_behind() {
    let mut child = Command::new(DEMO)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let first = lines.next().unwrap();
    let folder = first
        .strip_prefix("A town is founded in ")
        .unwrap()
        .trim_end_matches('.');
    let folder = folder.to_owned();
    let step = lines
        .find(|line| line.trim_start().starts_with("3."))
        .unwrap();
    assert!(step.contains("Aiko"));
    assert!(!processes_of(&folder).is_empty());
    kill_process(
        Pid::from_raw(child.id().cast_signed()).unwrap(),
        Signal::INT,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(processes_of(&folder), Vec::<String>::new());
    assert!(!Path::new(&folder).exists());
}

/// The command lines of processes that work in this folder.
fn processes_of(folder: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|p| fs::read(p.path().join("cmdline")).ok());
    let lines = lines.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    lines.filter(|line| line.contains(folder)).collect()
}
