//! The real applet in the real service's reader: paying, and its power cut while it does.

use std::thread::{self, JoinHandle};

use tegata_card::chip::{Chip, PowerCut};
use tegata_card::keys::Role;
use tegata_card::link::{Link, LinkError};
use tegata_card::receipt::Transaction;
use tegata_card::session::{self, Opening, Order, Reply, Said, Session};
use tegata_card::vpcd::{self, Ended, Puller, VpcdError};
use tegata_card_reader::reader::CardInReader;

use crate::desk::{self, CSN, Card, key, transaction};
use crate::memory::{Cut, Torn};
use crate::service::{ports, under_pcscd};
use crate::{PATIENCE, connect};

/// The card, whose power can be made to fail at a page write to come.
struct Frail(Card);

impl Chip for Frail {
    fn power_on(&mut self) {
        self.0.hardware().power();
        self.0.power_on();
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PowerCut> {
        if let [0xff, 0xee, write, torn] = command {
            let torn = Torn::ALL[usize::from(*torn)];
            let write = usize::from(*write);
            self.0.hardware().cut_at(Cut { write, torn });
            return Ok(vec![0x90, 0x00]);
        }
        self.0.transmit(command)
    }
}

fn lay_down(card: Card) -> (Puller, JoinHandle<Result<Ended, VpcdError>>) {
    let address = format!("127.0.0.1:{}", ports().0);
    let mut reader = vpcd::Card::insert(&address).unwrap();
    let puller = reader.puller().unwrap();
    let serving = thread::spawn(move || {
        let mut chip = Frail(card);
        while reader.serve(&mut chip)? == Ended::PowerCut {
            reader = vpcd::Card::insert(&address)?;
        }
        Ok(Ended::Pulled)
    });
    (puller, serving)
}

fn open(link: &mut CardInReader, role: Role) -> Result<Session, LinkError> {
    let answer = link.transmit(&session::select())?;
    assert_eq!(session::selected(&answer).unwrap().csn, CSN);
    let (opening, bytes) = Opening::new(&key(role, 1), CSN, [0x5a; 16]);
    let answer = link.transmit(&bytes)?;
    let (session, bytes) = opening.answer(&answer).unwrap();
    assert_eq!(link.transmit(&bytes)?, [0x90, 0x00]);
    Ok(session)
}

fn order(
    link: &mut CardInReader,
    mut session: Session,
    order: &Order,
) -> Result<(Session, Reply), LinkError> {
    if let Order::Debit(debit) = order {
        link.transmit(&desk::view(debit).command())?;
    }
    let bytes = session.order(order).unwrap();
    let answer = link.transmit(&bytes)?;
    match session.answer(&answer).unwrap() {
        (session, Said::Done(reply)) => Ok((session, reply)),
        (_, said) => panic!("{order:?}: {said:?}"),
    }
}

fn debit(link: &mut CardInReader, wanted: Transaction) -> Result<(), LinkError> {
    let session = open(link, Role::Debit)?;
    let (session, _) = order(link, session, &Order::Debit(wanted))?;
    order(link, session, &Order::Confirm(wanted.id)).map(|_| ())
}

fn balance(link: &mut CardInReader) -> (u32, u32, bool) {
    let session = open(link, Role::Debit).unwrap();
    match order(link, session, &Order::ReadPurse).unwrap().1 {
        Reply::Purse(purse) => (purse.balance, purse.counter, purse.ratified),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_card_pays_through_the_service() {
    under_pcscd("paying::a_card_pays_through_the_service", |readers| {
        let (_puller, _serving) = lay_down(desk::loaded());
        let mut link = connect(readers);
        for counter in 2..=100 {
            let id = u8::try_from(counter).unwrap();
            debit(&mut link, transaction(id, counter, 10)).unwrap();
        }
        assert_eq!(balance(&mut link), (9_010, 100, true));
    });
}

/// Session, log, purse, confirmation: each page write of a payment, in each way.
#[test]
fn a_payment_whose_card_loses_its_power_counts_once() {
    let name = "paying::a_payment_whose_card_loses_its_power_counts_once";
    under_pcscd(name, |readers| {
        let (_puller, _serving) = lay_down(desk::loaded());
        let reader = readers.wait_for_card(None, PATIENCE).unwrap();
        let mut link = readers.connect(&reader, PATIENCE).unwrap();
        let mut left = 10_000;
        let mut counter = 1;
        let mut cuts = 0;
        for write in 0..4 {
            for torn in 0..5 {
                let id = 10 + write * 5 + torn;
                counter += 1;
                let wanted = transaction(id, counter, 10);
                link.transmit(&[0xff, 0xee, write, torn]).unwrap();
                if debit(&mut link, wanted).is_err() {
                    cuts += 1;
                    link.reset().unwrap();
                    let (seen, at, ratified) = balance(&mut link);
                    match (at == counter, ratified) {
                        // Carried out, nobody was told: said again, it takes nothing more.
                        (true, _) => assert_eq!(seen, left - 10),
                        (false, true) => assert_eq!(seen, left),
                        (false, false) => panic!("two in doubt"),
                    }
                    debit(&mut link, wanted).unwrap();
                }
                left -= 10;
                assert_eq!(balance(&mut link), (left, counter, true));
            }
        }
        assert_eq!(cuts, 20);
    });
}
