//! The program as people meet it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tegata_card::helper::{Helper, HelperError, Patience};
use tegata_card::keys::Csn;
use tegata_card::link::{Link as _, LinkError};
use tegata_card::session;

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
    let left_behind = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left_behind, 0, "a card was made for nothing");
}

#[test]
fn a_foreign_file_is_wrong_usage_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("diary"), "Dear diary,").unwrap();
    let (_listener, address) = reader();
    let arguments = ["virtual", "--image", "diary", "--vpcd", &address];
    let output = program(&arguments, folder.path()).output().unwrap();
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

fn make(folder: &Path) -> Csn {
    let made = program(&["make"], folder).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let key = std::fs::read_to_string(folder.join("card.image.key")).unwrap();
    let number = key.split_once(' ').unwrap().0;
    let byte = |at: usize| u8::from_str_radix(&number[at * 2..at * 2 + 2], 16).unwrap();
    Csn::new(std::array::from_fn(byte))
}

fn helper(folder: &Path, arguments: &[&str]) -> Result<Helper, HelperError> {
    let mut all = vec!["reader".into()];
    all.extend(arguments.iter().map(OsString::from));
    if arguments.first() == Some(&"--image") {
        all[2] = folder.join(arguments[1]).into();
    }
    let patience = Patience {
        hello: Duration::from_secs(300),
        answer: Duration::from_secs(300),
    };
    Helper::start(Path::new(env!("CARGO_BIN_EXE_tegata-card")), &all, patience)
}

#[test]
fn a_card_in_another_process_answers_and_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let number = make(folder.path());
    for _ in 0..2 {
        let mut card = helper(folder.path(), &["--image", "card.image"]).unwrap();
        let description = card.description().to_owned();
        assert!(description.starts_with("in-process, ") && description.ends_with("card.image"));
        let answer = card.transmit(&session::select()).unwrap();
        assert_eq!(session::selected(&answer).unwrap().csn, number);
        card.reset().unwrap();
        // What has no session is refused: the reset reached the card.
        assert_ne!(card.transmit(&[0x84, 0xb0, 0, 0, 0]).unwrap(), [0x90, 0]);
        // Dropping it sets the image free, since the process is gone then.
    }
}

#[test]
fn a_helper_that_is_killed_is_a_card_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let mut card = helper(folder.path(), &["--image", "card.image"]).unwrap();
    card.transmit(&session::select()).unwrap();
    let pid = Pid::from_raw(i32::try_from(card.process_id()).unwrap()).unwrap();
    // A stopped process takes the command and doesn't answer; then it's killed in the middle.
    kill_process(pid, Signal::STOP).unwrap();
    let asked = std::thread::spawn(move || card.transmit(&session::select()));
    kill_process(pid, Signal::KILL).unwrap();
    assert_eq!(asked.join().unwrap(), Err(LinkError::Gone));
}

#[test]
fn a_reader_without_a_card_says_why_to_the_program_that_asked() {
    let folder = tempfile::tempdir().unwrap();
    let error = helper(folder.path(), &["--image", "card.image"]).unwrap_err();
    assert!(error.to_string().contains("card.image"), "{error}");
    std::fs::write(folder.path().join("diary"), "Dear diary,").unwrap();
    let error = helper(folder.path(), &["--image", "diary"]).unwrap_err();
    assert!(error.to_string().contains("isn't the image"), "{error}");
    // Who runs it by hand reads it on standard error, and gets a code.
    let output = program(&["reader", "--image", "diary"], folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("isn't the image"));
}

#[cfg(not(feature = "pcsc"))]
#[test]
fn a_build_without_readers_says_so_to_the_program_that_asked() {
    let folder = tempfile::tempdir().unwrap();
    let error = helper(folder.path(), &[]).unwrap_err();
    assert!(error.to_string().contains("--features pcsc"), "{error}");
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
