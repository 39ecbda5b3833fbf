//! What a card refuses, to whom, and that nothing changes by it.

use tegata_card::apdu::Status;
use tegata_card::chip::Chip as _;
use tegata_card::command::{Operation, State, View};
use tegata_card::keys::{Csn, MasterKey, Role};
use tegata_card::receipt::Receipt;
use tegata_card::session::{NotOpened, Opening, Order, Reply, Said};

use crate::desk::{self, Card, Lost, done, key, loaded, look, open, order, transaction};

/// Orders `wanted` under `role`; the card must refuse, and stay as it was.
fn refused(card: &mut Card, role: Role, wanted: &Order) -> Status {
    let before = look(card).unwrap();
    let session = open(card, &key(role, 1)).unwrap();
    let (_, said) = order(card, session, wanted).unwrap();
    assert_eq!(look(card).unwrap(), before, "{wanted:?}");
    match said {
        Said::Refused(status) => status,
        other => panic!("{wanted:?}: {other:?}"),
    }
}

#[test]
fn each_refusal_of_money_has_its_status_and_a_mac() {
    let mut card = loaded();
    let debit = |counter, amount| Order::Debit(transaction(9, counter, amount));
    let load = |counter, amount| Order::Load(transaction(9, counter, amount));
    let cases = [
        (Role::Debit, debit(2, 5_001), Status::OVER_DEBIT_LIMIT),
        (Role::Debit, debit(1, 1), Status::WRONG_COUNTER),
        (Role::Debit, debit(3, 1), Status::WRONG_COUNTER),
        (Role::Debit, debit(2, 0), Status::WRONG_AMOUNT),
        (Role::Debit, debit(2, 0x8000_0000), Status::WRONG_AMOUNT),
        (Role::Admin, load(2, 0), Status::WRONG_AMOUNT),
        (Role::Admin, load(2, 10_001), Status::OVER_BALANCE_LIMIT),
        (
            Role::Admin,
            load(2, 0x7fff_ffff),
            Status::OVER_BALANCE_LIMIT,
        ),
        (Role::Debit, Order::Confirm([8; 16]), Status::WRONG_COUNTER),
    ];
    for (role, wanted, status) in cases {
        assert_eq!(refused(&mut card, role, &wanted), status, "{wanted:?}");
    }
    for counter in [2, 3] {
        let mut session = open(&mut card, &key(Role::Debit, 1)).unwrap();
        let id = u8::try_from(counter).unwrap();
        let spent = transaction(id, counter, 4_000);
        done(&mut card, &mut session, &Order::Debit(spent));
        done(&mut card, &mut session, &Order::Confirm(spent.id));
    }
    assert_eq!(
        refused(&mut card, Role::Debit, &debit(4, 2_001)),
        Status::INSUFFICIENT
    );
}

#[test]
fn what_was_shown_is_what_is_debited() {
    let mut card = loaded();
    let debit = transaction(9, 2, 700);
    let good = desk::view(&debit);
    let views = [
        None,
        Some(View { amount: 70, ..good }),
        Some(View { counter: 3, ..good }),
        Some(View {
            bill: [0; 32],
            ..good
        }),
    ];
    for shown in views {
        let mut session = open(&mut card, &key(Role::Debit, 1)).unwrap();
        if let Some(view) = shown {
            assert_eq!(card.transmit(&view.command()).unwrap(), [0x90, 0x00]);
        }
        let bytes = session.order(&Order::Debit(debit)).unwrap();
        let answer = card.transmit(&bytes).unwrap();
        let (_, said) = session.answer(&answer).unwrap();
        assert!(
            matches!(said, Said::Refused(Status::NOT_AS_VIEWED)),
            "{shown:?}: {said:?}"
        );
    }
    assert_eq!(look(&mut card).unwrap().purse.unwrap().balance, 10_000);
}

/// One view, one debit: what was shown for the first doesn't serve for the next.
#[test]
fn a_view_serves_once() {
    let mut card = loaded();
    let debit = transaction(9, 2, 700);
    let mut session = open(&mut card, &key(Role::Debit, 1)).unwrap();
    done(&mut card, &mut session, &Order::Debit(debit));
    done(&mut card, &mut session, &Order::Confirm(debit.id));
    let bytes = session
        .order(&Order::Debit(transaction(10, 3, 700)))
        .unwrap();
    let answer = card.transmit(&bytes).unwrap();
    let (_, said) = session.answer(&answer).unwrap();
    assert!(
        matches!(said, Said::Refused(Status::NOT_AS_VIEWED)),
        "{said:?}"
    );
}

#[test]
fn the_debit_key_mints_nothing_and_the_admin_key_pays_nothing() {
    let ticket = vec![1; 100];
    let load = Order::Load(transaction(9, 2, 1));
    let refund = Order::Refund(transaction(9, 2, 1));
    let slot = 0;
    let part = 0;
    let put = Order::PutTicket { slot, part, ticket };
    let forbidden = [
        (Role::Debit, load),
        (Role::Debit, refund),
        (Role::Debit, put),
        (Role::Debit, Order::PutKey(key(Role::Admin, 2))),
        (Role::Debit, Order::State(Operation::Block)),
        (Role::Debit, Order::Limits(Operation::Limits, desk::LIMITS)),
        (Role::Admin, Order::Debit(transaction(9, 2, 1))),
    ];
    for (role, wanted) in forbidden {
        let mut card = loaded();
        let before = look(&mut card).unwrap();
        let session = open(&mut card, &key(role, 1)).unwrap();
        // 6982 comes bare: to the other end that's in doubt, and a look finds nothing changed.
        assert_eq!(
            order(&mut card, session, &wanted).unwrap_err(),
            Lost::InDoubt,
            "{wanted:?}"
        );
        assert_eq!(look(&mut card).unwrap(), before, "{wanted:?}");
    }
}

#[test]
fn a_blocked_card_pays_and_takes_nothing_but_tells() {
    let mut card = loaded();
    let mut admin = open(&mut card, &key(Role::Admin, 1)).unwrap();
    let (slot, part, ticket) = (1, 0, vec![1; 9]);
    done(
        &mut card,
        &mut admin,
        &Order::PutTicket { slot, part, ticket },
    );
    done(&mut card, &mut admin, &Order::State(Operation::Block));
    let debit = Order::Debit(transaction(9, 2, 1));
    assert_eq!(refused(&mut card, Role::Debit, &debit), Status::BLOCKED);
    let load = Order::Load(transaction(9, 2, 1));
    assert_eq!(refused(&mut card, Role::Admin, &load), Status::BLOCKED);
    let punch = Order::PunchTicket {
        slot: 1,
        punch: desk::punch(1),
    };
    assert_eq!(refused(&mut card, Role::Debit, &punch), Status::BLOCKED);
    let (slot, part, ticket) = (2, 0, vec![1; 9]);
    let put = Order::PutTicket { slot, part, ticket };
    assert_eq!(refused(&mut card, Role::Admin, &put), Status::BLOCKED);
    assert_eq!(look(&mut card).unwrap().purse.unwrap().balance, 10_000);
}

#[test]
fn each_session_of_a_card_has_a_higher_number() {
    let mut card = loaded();
    let number = |card: &mut Card, role| {
        let session = open(card, &key(role, 1)).unwrap();
        // Nobody but the relay has said yet that it's open.
        assert_eq!(session.sequence(), None);
        let (session, _) = order(card, session, &Order::ReadPurse).unwrap();
        session.sequence().unwrap()
    };
    let first = number(&mut card, Role::Debit);
    let copy = card.hardware().clone();
    let second = number(&mut card, Role::Admin);
    assert_eq!(second, first + 1);
    // An old state that is put back says a number that was said before.
    let mut card = tegata_card::applet::Applet::new(copy);
    assert_eq!(number(&mut card, Role::Debit), second);
}

/// Both parts of a ticket, to a slot each; what the card answers to the last.
fn put(card: &mut Card, ticket: &[u8], slots: [u8; 2]) -> Result<Said, Lost> {
    let mut session = open(card, &key(Role::Admin, 1))?;
    let mut last = None;
    for (slot, part) in slots.into_iter().zip(0..) {
        let ticket = ticket.to_vec();
        let said;
        (session, said) = order(card, session, &Order::PutTicket { slot, part, ticket })?;
        last = Some(said);
    }
    Ok(last.unwrap())
}

#[test]
fn a_slot_holds_one_ticket_and_a_ticket_lies_in_one_slot() {
    let mut card = loaded();
    for _again in 0..2 {
        let said = put(&mut card, &[1; 200], [0, 0]).unwrap();
        assert!(matches!(said, Said::Done(_)), "{said:?}");
    }
    for (ticket, slot) in [([2; 200], 0), ([1; 200], 1)] {
        let said = put(&mut card, &ticket, [slot, slot]).unwrap();
        assert!(
            matches!(said, Said::Refused(Status::SLOT_IN_USE)),
            "{said:?}"
        );
    }
    // Parts for two slots are no ticket.
    assert_eq!(
        put(&mut card, &[3; 200], [1, 2]).unwrap_err(),
        Lost::InDoubt
    );
    assert_eq!(look(&mut card).unwrap().tickets.len(), 1);
}

#[test]
fn versions_of_keys_only_rise_and_a_proven_key_stays() {
    let mut card = loaded();
    let mut admin = open(&mut card, &key(Role::Admin, 1)).unwrap();
    for number in [2, 3] {
        done(
            &mut card,
            &mut admin,
            &Order::PutKey(key(Role::Debit, number)),
        );
    }
    let lower = order(&mut card, admin, &Order::PutKey(key(Role::Debit, 2)));
    assert_eq!(lower.unwrap_err(), Lost::InDoubt);
    // Version 2 has opened nothing: 1, which has, stays until 3 does.
    assert!(open(&mut card, &key(Role::Debit, 1)).is_ok());
    assert!(open(&mut card, &key(Role::Debit, 3)).is_ok());
    let stale = Lost::NotOpened(NotOpened::Refused(Status::NO_KEY));
    for number in [1, 2] {
        let lost = open(&mut card, &key(Role::Debit, number)).unwrap_err();
        assert_eq!(lost, stale);
    }
}

#[test]
fn a_key_that_was_replaced_leaves_the_memory() {
    let mut card = loaded();
    let mut admin = open(&mut card, &key(Role::Admin, 1)).unwrap();
    done(&mut card, &mut admin, &Order::PutKey(key(Role::Debit, 2)));
    let filled = |card: &mut Card| {
        let bytes = card.hardware().bytes();
        let pages = bytes[6 * 512..8 * 512].chunks(512);
        pages
            .filter(|page| page.iter().any(|&byte| byte != 0))
            .count()
    };
    assert_eq!(filled(&mut card), 2);
    open(&mut card, &key(Role::Debit, 2)).unwrap();
    assert_eq!(filled(&mut card), 1);
}

#[test]
fn a_card_is_put_into_use_with_all_its_keys_only() {
    let mut card = desk::blank(crate::memory::Memory::new());
    let activate = Order::Limits(Operation::Activate, desk::LIMITS);
    let mut session = open(&mut card, &key(Role::Transport, 1)).unwrap();
    for role in [Role::Debit, Role::Admin] {
        done(&mut card, &mut session, &Order::PutKey(key(role, 1)));
    }
    let half = order(&mut card, session, &activate);
    assert_eq!(half.unwrap_err(), Lost::InDoubt, "no receipt key");
    // Its keys open nothing before it's in use.
    let refused = Lost::NotOpened(NotOpened::Refused(Status::NO_KEY));
    open(&mut card, &key(Role::Transport, 1)).unwrap();
    let (opening, bytes) = Opening::new(&key(Role::Admin, 1), desk::CSN, [1; 16]);
    let answer = card.transmit(&bytes).unwrap();
    assert_eq!(
        Lost::NotOpened(opening.answer(&answer).unwrap_err()),
        refused
    );
    let mut session = open(&mut card, &key(Role::Transport, 1)).unwrap();
    done(
        &mut card,
        &mut session,
        &Order::PutKey(key(Role::Receipt, 1)),
    );
    done(&mut card, &mut session, &activate);
    // In the same session the transport key can do nothing further.
    let block = order(&mut card, session, &Order::State(Operation::Block));
    assert_eq!(block.unwrap_err(), Lost::InDoubt);
    assert_eq!(desk::select(&mut card).unwrap().state, State::Active);
}

#[test]
fn a_card_in_doubt_isnt_terminated_and_a_terminated_one_can_be_asked() {
    let mut card = loaded();
    let mut session = open(&mut card, &key(Role::Debit, 1)).unwrap();
    let debit = transaction(9, 2, 700);
    done(&mut card, &mut session, &Order::Debit(debit));
    let terminate = Order::State(Operation::Terminate);
    let session = open(&mut card, &key(Role::Admin, 1)).unwrap();
    let (mut session, said) = order(&mut card, session, &terminate).unwrap();
    assert!(
        matches!(said, Said::Refused(Status::UNRATIFIED)),
        "{said:?}"
    );
    done(&mut card, &mut session, &Order::Confirm(debit.id));
    done(&mut card, &mut session, &terminate);
    // The answer may have been lost: the card is asked, and told again; and does nothing else.
    let mut session = open(&mut card, &key(Role::Admin, 1)).unwrap();
    let Reply::Purse(purse) = done(&mut card, &mut session, &Order::ReadPurse) else {
        panic!("no purse");
    };
    assert_eq!((purse.state, purse.balance), (State::Terminated, 9_300));
    done(&mut card, &mut session, &terminate);
    let load = Order::Load(transaction(10, 3, 1));
    let (session, said) = order(&mut card, session, &load).unwrap();
    assert!(matches!(said, Said::Refused(Status::BLOCKED)), "{said:?}");
    let unblock = order(&mut card, session, &Order::State(Operation::Unblock));
    assert_eq!(unblock.unwrap_err(), Lost::InDoubt);
    let refused = Lost::NotOpened(NotOpened::Refused(Status::NO_KEY));
    assert_eq!(open(&mut card, &key(Role::Debit, 1)).unwrap_err(), refused);
}

/// What SEQ says must be what the challenge grew from, and only one protocol is spoken.
#[test]
fn an_altered_greeting_opens_nothing() {
    let mut card = loaded();
    desk::select(&mut card).unwrap();
    let greet = |card: &mut Card| {
        let (opening, bytes) = Opening::new(&key(Role::Debit, 1), desk::CSN, [1; 16]);
        (opening, card.transmit(&bytes).unwrap())
    };
    for at in 0..48 {
        let (opening, mut greeting) = greet(&mut card);
        greeting[at] ^= 1;
        assert!(opening.answer(&greeting).is_err(), "byte {at}");
    }
    let (opening, greeting) = greet(&mut card);
    let (_, mut bytes) = opening.answer(&greeting).unwrap();
    // Another security level than 33.
    bytes[2] = 0x03;
    assert_eq!(card.transmit(&bytes).unwrap(), [0x63, 0x00]);
}

#[test]
fn a_void_order_is_never_carried_out() {
    let mut card = loaded();
    let mut session = open(&mut card, &key(Role::Debit, 1)).unwrap();
    let void = Order::Void {
        id: [9; 16],
        counter: 2,
    };
    done(&mut card, &mut session, &void);
    let debit = transaction(9, 2, 700);
    let desk_says = done(&mut card, &mut session, &Order::Debit(debit));
    // The order's one receipt for ever says "void".
    let tegata_card::session::Reply::Receipt(receipt) = desk_says else {
        panic!("{desk_says:?}");
    };
    assert_eq!(receipt.kind, tegata_card::receipt::Kind::Void);
    assert_eq!(look(&mut card).unwrap().purse.unwrap().balance, 10_000);
}

#[test]
fn another_centres_card_and_another_card_are_found_out() {
    let mut card = loaded();
    let foreign = MasterKey::new(Role::Debit, [0xee; 32]);
    let foreign = foreign.card_key(desk::CSN, 1).unwrap();
    let lost = open(&mut card, &foreign).unwrap_err();
    assert_eq!(lost, Lost::NotOpened(NotOpened::NotProven));
    let other = Csn::new([9; 10]);
    let sister = MasterKey::new(Role::Debit, [1; 32]).card_key(other, 1);
    let lost = open(&mut card, &sister.unwrap()).unwrap_err();
    assert_eq!(lost, Lost::NotOpened(NotOpened::NotProven));
    let (opening, bytes) = Opening::new(&key(Role::Debit, 1), other, [1; 16]);
    let answer = card.transmit(&bytes).unwrap();
    assert_eq!(
        opening.answer(&answer).unwrap_err(),
        NotOpened::OtherCard(desk::CSN)
    );
}

/// Failures slow a card down, more each time; it's never locked, and one success ends it.
#[test]
fn failed_authentications_cost_time_and_never_the_card() {
    let mut card = loaded();
    let mut waits = Vec::new();
    for _attempt in 0..300 {
        desk::select(&mut card).unwrap();
        let (_, bytes) = Opening::new(&key(Role::Debit, 1), desk::CSN, [1; 16]);
        card.hardware().paused = 0;
        card.transmit(&bytes).unwrap();
        waits.push(card.hardware().paused);
        let mut wrong = vec![0x84, 0x82, 0x33, 0x00, 32];
        wrong.extend_from_slice(&[0; 33]);
        assert_eq!(card.transmit(&wrong).unwrap(), [0x63, 0x00]);
    }
    assert_eq!(waits[..3], [0, 0, 0]);
    assert!(waits.is_sorted() && waits[299] > 2_000, "{waits:?}");
    assert!(open(&mut card, &key(Role::Debit, 1)).is_ok());
    card.hardware().paused = 0;
    assert!(open(&mut card, &key(Role::Debit, 1)).is_ok());
    assert_eq!(card.hardware().paused, 0);
}

/// Whatever bytes come, the card answers with a status and its state stays.
#[test]
fn garbage_is_answered_with_a_status_and_changes_nothing() {
    let mut card = loaded();
    let before = look(&mut card).unwrap();
    let mut noise = 7_u64;
    for length in 0..300 {
        for class in [0x00, 0x80, 0x84, 0xff] {
            let mut bytes: Vec<u8> = (0..length)
                .map(|_| {
                    noise = noise
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    noise.to_be_bytes()[0]
                })
                .collect();
            if let Some(first) = bytes.first_mut() {
                *first = class;
            }
            let answer = card.transmit(&bytes).unwrap();
            assert!(answer.len() >= 2 && answer != [0x90, 0x00], "{bytes:02x?}");
        }
    }
    assert_eq!(look(&mut card).unwrap(), before);
}

#[test]
fn no_bit_of_a_receipt_can_be_altered() {
    let mut card = loaded();
    let mut session = open(&mut card, &key(Role::Debit, 1)).unwrap();
    let debit = Order::Debit(transaction(2, 2, 1_200));
    let Reply::Receipt(receipt) = done(&mut card, &mut session, &debit) else {
        panic!("no receipt");
    };
    let good = receipt.to_bytes();
    assert!(desk::receipt_key(1).verify(receipt).is_ok());
    assert!(desk::receipt_key(2).verify(receipt).is_err());
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let verified = Receipt::parse(&bad).map(|bad| desk::receipt_key(1).verify(bad));
        assert!(verified.is_none_or(|verdict| verdict.is_err()), "bit {bit}");
    }
}

#[test]
fn keys_have_versions_from_1_to_15() {
    for (number, fits) in [(0, false), (1, true), (15, true), (16, false)] {
        let key = MasterKey::new(Role::Debit, [1; 32]).card_key(desk::CSN, number);
        assert_eq!(key.is_some(), fits, "{number}");
    }
}
