//! A card's whole life, as its keys' holder and a stranger see it.

use tegata_card::apdu::Status;
use tegata_card::chip::Chip as _;
use tegata_card::command::{Operation, State};
use tegata_card::keys::Role;
use tegata_card::receipt::{Kind, Receipt};
use tegata_card::session::{Order, Reply, Said};

use crate::desk::{self, CSN, LIMITS, active, done, key, loaded, look, open, order, punch};
use crate::desk::{receipt_key, select, transaction};
use crate::memory::Memory;

fn receipt(reply: Reply) -> Receipt {
    match reply {
        Reply::Receipt(receipt) => receipt,
        other => panic!("no receipt: {other:?}"),
    }
}

#[test]
fn a_card_is_personalised_loaded_pays_and_ends() {
    let mut card = active(Memory::new());
    let seen = select(&mut card).unwrap();
    assert_eq!(
        (seen.csn, seen.state, seen.counter),
        (CSN, State::Active, 0)
    );
    let mut admin = open(&mut card, &key(Role::Admin, 1)).unwrap();
    let load = transaction(1, 1, 10_000);
    let loaded = receipt(done(&mut card, &mut admin, &Order::Load(load)));
    done(&mut card, &mut admin, &Order::Confirm(load.id));
    let mut session = open(&mut card, &key(Role::Debit, 1)).unwrap();
    let debit = transaction(2, 2, 1_200);
    let paid = receipt(done(&mut card, &mut session, &Order::Debit(debit)));
    done(&mut card, &mut session, &Order::Confirm(debit.id));
    for (receipt, kind, balance) in [(loaded, Kind::Load, 10_000), (paid, Kind::Debit, 8_800)] {
        let verified = receipt_key(1).verify(receipt).unwrap();
        assert_eq!(
            (verified.get().kind, verified.get().balance),
            (kind, balance)
        );
    }
    assert_eq!(paid.transaction, debit);
    let refund = transaction(3, 3, 200);
    let mut admin = open(&mut card, &key(Role::Admin, 1)).unwrap();
    let back = receipt(done(&mut card, &mut admin, &Order::Refund(refund)));
    assert_eq!((back.kind, back.balance), (Kind::Refund, 9_000));
    done(&mut card, &mut admin, &Order::Confirm(refund.id));
    done(&mut card, &mut admin, &Order::State(Operation::Block));
    assert_eq!(select(&mut card).unwrap().state, State::Blocked);
    let mut admin = open(&mut card, &key(Role::Admin, 1)).unwrap();
    done(&mut card, &mut admin, &Order::State(Operation::Unblock));
    done(&mut card, &mut admin, &Order::State(Operation::Terminate));
    assert_eq!(select(&mut card).unwrap().state, State::Terminated);
}

#[test]
fn the_log_keeps_thirty_two_receipts_newest_first() {
    let mut card = loaded();
    let mut session = open(&mut card, &key(Role::Debit, 1)).unwrap();
    for counter in 2..=40 {
        let debit = transaction(u8::try_from(counter).unwrap(), counter, 1);
        done(&mut card, &mut session, &Order::Debit(debit));
        done(&mut card, &mut session, &Order::Confirm(debit.id));
    }
    for back in 0..32_u8 {
        let logged = receipt(done(&mut card, &mut session, &Order::ReadLog(back)));
        assert_eq!(logged.transaction.counter, 40 - u32::from(back));
        receipt_key(1).verify(logged).unwrap();
    }
    // An order that the card remembers has its receipt, even if it's said with a new counter.
    for counter in [9, 25, 40] {
        let again = transaction(u8::try_from(counter).unwrap(), 41, 1);
        let known = receipt(done(&mut card, &mut session, &Order::Debit(again)));
        assert_eq!(known.transaction.counter, counter);
    }
    // An order of long ago isn't carried out again either: its counter is over.
    let old = Order::Debit(transaction(2, 2, 1));
    let (_, said) = order(&mut card, session, &old).unwrap();
    assert!(
        matches!(said, Said::Refused(Status::WRONG_COUNTER)),
        "{said:?}"
    );
}

#[test]
fn a_ticket_is_put_read_punched_once_and_shown_as_punched() {
    let ticket: Vec<u8> = (0..240).map(|n| u8::try_from(n).unwrap()).collect();
    let mut card = loaded();
    let mut admin = open(&mut card, &key(Role::Admin, 1)).unwrap();
    for part in [0, 1] {
        let ticket = ticket.clone();
        done(
            &mut card,
            &mut admin,
            &Order::PutTicket {
                slot: 0,
                part,
                ticket,
            },
        );
    }
    let mut session = open(&mut card, &key(Role::Debit, 1)).unwrap();
    let mut read = Vec::new();
    for part in [0, 1] {
        let Reply::Ticket { bytes, .. } = done(
            &mut card,
            &mut session,
            &Order::ReadTicket { slot: 0, part },
        ) else {
            panic!("no ticket");
        };
        read.extend(bytes);
    }
    assert_eq!(read, ticket);
    let first = Order::PunchTicket {
        slot: 0,
        punch: punch(1),
    };
    for _again in 0..2 {
        let Reply::Punched(punched) = done(&mut card, &mut session, &first) else {
            panic!("not punched");
        };
        receipt_key(1).verify_punch(CSN, &punched, &ticket).unwrap();
        assert!(
            receipt_key(1)
                .verify_punch(CSN, &punched, &ticket[1..])
                .is_err()
        );
    }
    let second = Order::PunchTicket {
        slot: 0,
        punch: punch(2),
    };
    let (_, said) = order(&mut card, session, &second).unwrap();
    let Said::AlreadyPunched(before) = said else {
        panic!("{said:?}");
    };
    assert_eq!(before.punch, punch(1));
    assert!(look(&mut card).unwrap().tickets[0].2);
}

#[test]
fn a_terminated_card_keeps_no_key_and_an_active_one_no_transport_key() {
    let mut card = active(Memory::new());
    let holds = |card: &mut desk::Card, key: &[u8]| {
        let bytes = card.hardware().bytes();
        bytes.windows(key.len()).any(|window| window == key)
    };
    assert!(
        !holds(&mut card, &[0x77; 32]),
        "the transport key is still there"
    );
    let before = card.hardware().bytes();
    let mut admin = open(&mut card, &key(Role::Admin, 1)).unwrap();
    done(&mut card, &mut admin, &Order::State(Operation::Terminate));
    // All but the admin key, under which it can be asked whether it's really over.
    for page in [6, 7, 10, 11] {
        let pages = card.hardware().bytes();
        assert_eq!(pages[page * 512..(page + 1) * 512], [0; 512]);
    }
    assert_ne!(before[6 * 512..12 * 512], [0; 6 * 512]);
}

#[test]
fn limits_change_but_not_the_currency() {
    let mut card = loaded();
    let session = open(&mut card, &key(Role::Admin, 1)).unwrap();
    let mut limits = LIMITS;
    limits.currency = *b"EUR";
    let foreign = Order::Limits(Operation::Limits, limits);
    assert_eq!(
        order(&mut card, session, &foreign).unwrap_err(),
        desk::Lost::InDoubt
    );
    let mut session = open(&mut card, &key(Role::Admin, 1)).unwrap();
    limits = LIMITS;
    limits.debit = 5;
    done(
        &mut card,
        &mut session,
        &Order::Limits(Operation::Limits, limits),
    );
    assert_eq!(look(&mut card).unwrap().purse.unwrap().limits, limits);
    card.power_on();
}
