//! The reader in a process of its own, through the real `pcscd`.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::service::{ports, under_pcscd};
use tegata_card::chip::{Chip, PowerCut};
use tegata_card::helper::{Helper, HelperError, Patience};
use tegata_card::link::{Link as _, LinkError};
use tegata_card::vpcd::{Card, Puller};

/// Answers with what it got; `FF` cuts its power.
struct Echo;

impl Chip for Echo {
    fn power_on(&mut self) {}

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PowerCut> {
        match command {
            [0xff, ..] => Err(PowerCut),
            other => Ok([other, &[0x90, 0]].concat()),
        }
    }
}

fn insert() -> Puller {
    let card = Card::insert(&format!("127.0.0.1:{}", ports().0)).unwrap();
    let puller = card.puller().unwrap();
    thread::spawn(move || card.serve(&mut Echo));
    puller
}

fn lent(seconds: &str) -> Result<Helper, HelperError> {
    let arguments = ["reader", "--reader", "Tegata", "--wait", seconds].map(Into::into);
    let patience = Patience {
        hello: Duration::from_secs(300),
        answer: Duration::from_secs(300),
    };
    let program = Path::new(env!("CARGO_BIN_EXE_tegata-card"));
    Helper::start(program, &arguments, patience)
}

const COMMAND: [u8; 5] = [0x80, 1, 2, 3, 0];

/// A card that answers.
fn answering() -> Option<Helper> {
    let mut card = lent("20").ok()?;
    let description = card.description();
    assert!(
        description.starts_with("PC/SC, reader \"Tegata"),
        "{description}"
    );
    let answer = card.transmit(&COMMAND).ok()?;
    assert_eq!(answer, [&COMMAND, [0x90, 0].as_slice()].concat());
    card.reset().ok()?;
    Some(card)
}

#[test]
fn a_card_in_a_reader_is_lent_and_its_loss_is_told() {
    under_pcscd(
        "lent::a_card_in_a_reader_is_lent_and_its_loss_is_told",
        |_| {
            let none = lent("0").unwrap_err();
            assert!(matches!(none, HelperError::Said(LinkError::Gone)), "{none}");

            // Each time another process, as a gate has it. The card is back so fast that pcscd may not have
            // seen it leave, and take the old one's for it: then it's gone once more, and never lost.
            for _ in 0..4 {
                let _puller = insert();
                let mut card = (0..20).find_map(|_| answering()).expect("it's found again");
                assert_eq!(card.transmit(&[0xff, 0, 0, 0]), Err(LinkError::Gone));
            }

            // Taken out by hand, and back.
            let puller = insert();
            let mut card = (0..20).find_map(|_| answering()).unwrap();
            puller.pull();
            assert_eq!(card.transmit(&COMMAND), Err(LinkError::Gone));
            assert_eq!(card.reset(), Err(LinkError::Gone));
            drop(card);
            let _puller = insert();
            (0..20).find_map(|_| answering()).unwrap();
        },
    );
}
