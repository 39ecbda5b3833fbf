//! The program as people meet it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn program(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tegata-card"));
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A virtual reader's address at which a test listens.
fn reader() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[test]
fn the_card_answers_its_reader_until_ctrl_c_and_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, address) = reader();
    for first in ["Made a new card, ", "A card made of software"] {
        let mut card = program(&["virtual", "--vpcd", &address], folder.path())
            .spawn()
            .unwrap();
        let (mut driver, _) = listener.accept().unwrap();
        driver.write_all(&[0, 1, 4]).unwrap();
        let mut atr = [0; 13];
        driver.read_exact(&mut atr).unwrap();
        assert_eq!(&atr, b"\x00\x0b\x3b\x86\x80\x01TEGATA\x05");

        let mut lines = BufReader::new(card.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.starts_with(first), "{line}");
        kill_process(Pid::from_child(&card), Signal::INT).unwrap();
        assert_eq!(driver.read(&mut [0]).unwrap(), 0);
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("The card was pulled out.\n"), "{rest}");
        assert_eq!(card.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn without_a_virtual_reader_it_says_what_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, address) = reader();
    drop(listener);
    let output = program(&["virtual", "--vpcd", &address], folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = said(&output);
    assert!(
        said.contains(&address) && said.contains("next: start pcscd"),
        "{said}"
    );
}

#[test]
fn a_foreign_file_is_wrong_usage_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("diary"), "Dear diary,").unwrap();
    let output = program(&["virtual", "--image", "diary"], folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = said(&output);
    assert!(
        said.contains("diary isn't the image of a card\n  next: give another file"),
        "{said}"
    );
    let text = std::fs::read_to_string(folder.path().join("diary")).unwrap();
    assert_eq!(text, "Dear diary,");
}

#[test]
fn help_warns_of_the_open_port() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(&["virtual", "--help"], folder.path())
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(
        help.contains("never with a card that holds money"),
        "{help}"
    );
}

#[cfg(not(feature = "pcsc"))]
#[test]
fn a_build_without_readers_says_how_to_get_them() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(&["readers"], folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("--features pcsc"),
        "{}",
        said(&output)
    );
}
