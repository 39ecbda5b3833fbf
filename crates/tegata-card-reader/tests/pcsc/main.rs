//! Cards made of software, spoken to through the real `pcscd` and its driver `vpcd`.
//!
//! The client library looks up once per process where `pcscd` listens, and a process can't change
//! its own environment safely. So each test starts a `pcscd` of its own and runs itself again, in
//! a child process that is told where to find it. `cargo xtask test` installs what this takes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::map_err_ignore,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop at the first surprise"
)]

#[path = "../../../tegata-card/tests/it/desk.rs"]
#[expect(dead_code, reason = "shared with the tests that need no reader")]
mod desk;
mod lent;
#[path = "../../../tegata-card/tests/it/memory.rs"]
#[expect(dead_code, reason = "shared with the tests that need no reader")]
mod memory;
mod paying;
mod service;

use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use service::{ports, under_pcscd};
use tegata_card::chip::{Chip, PowerCut};
use tegata_card::link::{Link as _, LinkError};
use tegata_card::vpcd::{ATR, Card, Ended, Puller, VpcdError};
use tegata_card_reader::reader::{CardInReader, ReaderError, Readers};

/// Long enough for any machine; nothing waits for it unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers a command with its own bytes, as many as the third byte says (0: 256), and 9000.
/// `FF` cuts its power, `FE` tells whether it was powered since the last `FE`, `FD` its name.
#[derive(Debug)]
struct Echo {
    name: u8,
    fresh: bool,
}

impl Chip for Echo {
    fn power_on(&mut self) {
        self.fresh = true;
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PowerCut> {
        let answer = match command {
            [0xff, ..] => return Err(PowerCut),
            [0xfe, ..] => vec![u8::from(std::mem::take(&mut self.fresh))],
            [0xfd, ..] => vec![self.name],
            [_, _, 0, ..] => command.iter().copied().cycle().take(256).collect(),
            [_, _, count, ..] => {
                let all = command.iter().copied().cycle();
                all.take(usize::from(*count)).collect()
            }
            _ => Vec::new(),
        };
        Ok([answer, vec![0x90, 0x00]].concat())
    }
}

/// A card that comes back to its reader after every power cut, until it's pulled out.
struct Inserted {
    puller: Puller,
    serving: JoinHandle<Result<Ended, VpcdError>>,
}

fn insert(port: u16, name: u8) -> Inserted {
    let address = format!("127.0.0.1:{port}");
    let card = Card::insert(&address).unwrap();
    let puller = card.puller().unwrap();
    let serving = thread::spawn(move || {
        let mut chip = Echo { name, fresh: false };
        let mut card = card;
        loop {
            match card.serve(&mut chip)? {
                Ended::PowerCut => card = Card::insert(&address)?,
                ended @ Ended::Pulled => return Ok(ended),
            }
        }
    });
    Inserted { puller, serving }
}

impl Inserted {
    fn pull(self) {
        self.puller.pull();
        assert_eq!(self.serving.join().unwrap().unwrap(), Ended::Pulled);
    }
}

fn connect(readers: &Readers) -> CardInReader {
    let reader = readers.wait_for_card(None, PATIENCE).unwrap();
    readers.connect(&reader, PATIENCE).unwrap()
}

#[test]
fn readers_are_listed_and_a_card_is_awaited() {
    under_pcscd("readers_are_listed_and_a_card_is_awaited", |readers| {
        let listed = readers.list().unwrap();
        assert_eq!(listed.len(), 2, "{listed:?}");
        assert!(listed.iter().all(|reader| reader.atr.is_none()));
        let none = readers.wait_for_card(None, Duration::ZERO);
        assert_eq!(none, Err(ReaderError::NoCard));

        let waiting = thread::spawn(move || Readers::open()?.wait_for_card(None, PATIENCE));
        let _card = insert(ports().0, 1);
        let reader = waiting.join().unwrap().unwrap();
        let listed = readers.list().unwrap();
        let there = listed.iter().find(|listed| listed.name == reader).unwrap();
        assert_eq!(there.atr.as_deref(), Some(ATR.as_slice()));
        assert_eq!(connect(readers).atr(), ATR);
    });
}

#[test]
fn commands_and_answers_of_every_length_arrive_unchanged() {
    under_pcscd(
        "commands_and_answers_of_every_length_arrive_unchanged",
        |readers| {
            let _card = insert(ports().0, 1);
            let mut link = connect(readers);
            let mut chip = Echo {
                name: 1,
                fresh: false,
            };
            for length in [0_u8, 1, 2, 127, 128, 254, 255] {
                let data: Vec<u8> = (0..length).rev().collect();
                for wanted in [1, 127, 255, 0] {
                    let header = [0x80, 0x10, wanted, length, length];
                    let header = header.get(..if length == 0 { 4 } else { 5 }).unwrap();
                    let command = [header, &data].concat();
                    let answer = link.transmit(&command).unwrap();
                    assert_eq!(
                        answer,
                        chip.transmit(&command).unwrap(),
                        "{length} {wanted}"
                    );
                }
            }
        },
    );
}

#[test]
fn thousands_of_commands_pass_without_waiting_for_acknowledgements() {
    under_pcscd(
        "thousands_of_commands_pass_without_waiting_for_acknowledgements",
        |readers| {
            let _card = insert(ports().0, 1);
            let mut link = connect(readers);
            for count in 0..2000_u32 {
                let command = [&[0x80, 0x10, 9, 0, 4], count.to_be_bytes().as_slice()].concat();
                let answer = link.transmit(&command).unwrap();
                assert_eq!(answer, [&command, [0x90, 0x00].as_slice()].concat());
            }
        },
    );
}

#[test]
fn a_torn_card_is_gone_and_works_again_after_a_reset() {
    under_pcscd(
        "a_torn_card_is_gone_and_works_again_after_a_reset",
        |readers| {
            let _card = insert(ports().0, 1);
            let mut link = connect(readers);
            for _ in 0..5 {
                link.transmit(&[0xfe, 0, 0, 0]).unwrap();
                assert_eq!(link.transmit(&[0xfe, 0, 0, 0]).unwrap(), [0, 0x90, 0x00]);
                assert_eq!(link.transmit(&[0xff, 0, 0, 0]), Err(LinkError::Gone));
                link.reset().unwrap();
                assert_eq!(link.transmit(&[0xfe, 0, 0, 0]).unwrap(), [1, 0x90, 0x00]);
            }
        },
    );
}

#[test]
fn a_card_that_was_taken_away_is_gone_until_it_is_back() {
    under_pcscd(
        "a_card_that_was_taken_away_is_gone_until_it_is_back",
        |readers| {
            let card = insert(ports().0, 1);
            let reader = readers.wait_for_card(None, PATIENCE).unwrap();
            let mut link = readers.connect(&reader, Duration::ZERO).unwrap();
            card.pull();
            assert_eq!(link.transmit(&[0xfd, 0, 0, 0]), Err(LinkError::Gone));
            assert_eq!(link.reset(), Err(LinkError::Gone));

            // Another card of the same kind: only what it says of itself tells it apart.
            let _other = insert(ports().0, 2);
            link.set_patience(PATIENCE);
            link.reset().unwrap();
            assert_eq!(link.transmit(&[0xfd, 0, 0, 0]).unwrap(), [2, 0x90, 0x00]);
        },
    );
}

#[test]
fn two_cards_are_told_apart_and_ask_for_a_choice() {
    under_pcscd("two_cards_are_told_apart_and_ask_for_a_choice", |readers| {
        let _first = insert(ports().0, 1);
        let first = readers.wait_for_card(None, PATIENCE).unwrap();
        let _second = insert(ports().1, 2);
        let names: Vec<String> = readers
            .list()
            .unwrap()
            .into_iter()
            .map(|r| r.name)
            .collect();
        let second = names.iter().find(|name| **name != first).unwrap();
        readers.wait_for_card(Some(second), PATIENCE).unwrap();

        let error = readers.wait_for_card(None, PATIENCE).unwrap_err();
        assert!(matches!(error, ReaderError::SeveralCards { .. }), "{error}");
        for (name, reader) in [(1, &first), (2, second)] {
            let mut link = readers.connect(reader, PATIENCE).unwrap();
            assert_eq!(link.transmit(&[0xfd, 0, 0, 0]).unwrap(), [name, 0x90, 0x00]);
        }
    });
}

#[test]
fn a_card_in_use_and_a_wrong_reader_are_explained() {
    under_pcscd(
        "a_card_in_use_and_a_wrong_reader_are_explained",
        |readers| {
            let _card = insert(ports().0, 1);
            let link = connect(readers);
            let error = readers.connect(&link.reader(), PATIENCE).unwrap_err();
            assert!(matches!(error, ReaderError::InUse { .. }), "{error}");
            let error = readers.connect("No such", PATIENCE).unwrap_err();
            assert!(matches!(error, ReaderError::NoSuchReader { .. }), "{error}");
        },
    );
}

#[test]
fn other_programs_see_the_card() {
    under_pcscd("other_programs_see_the_card", |readers| {
        let _card = insert(ports().0, 1);
        readers.wait_for_card(None, PATIENCE).unwrap();
        let atr = ATR.map(|byte| format!("{byte:02x}"));
        if let Some(said) = run("opensc-tool", &["--atr", "--reader", "0"]) {
            assert!(said.contains(&atr.join(":")), "{said}");
        }
        // It watches for as many seconds as it's told, so this takes one.
        if let Some(said) = run("pcsc_scan", &["-n", "-c", "-t", "1"]) {
            let atr = atr.join(" ").to_uppercase();
            assert!(said.contains(&atr), "{said}");
        }
    });
}

/// What a program says, if it's installed.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).output();
    match output {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("{program} isn't installed, so it wasn't asked");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}
