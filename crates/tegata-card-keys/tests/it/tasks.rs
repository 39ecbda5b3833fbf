//! Everything beside money: first keys, states, limits, key changes, tickets; and that no key
//! shows anywhere.

use tegata_card::keys::Role;
use tegata_card_keys::store::CardState;
use tegata_card_service::{CardKeysRefusal, OrderId, Response, Task};

use crate::world::{CSN, LEFT, Mishap, World, limits, masters, money};

fn mishaps() -> Vec<Mishap> {
    let mut all = vec![
        Mishap::CommandLost,
        Mishap::AnswerLost,
        Mishap::AnswerAltered,
        Mishap::ServerGone,
        Mishap::ServerGoneBefore,
    ];
    for writes in 0..2 {
        all.extend(LEFT.map(|left| Mishap::PowerCut(writes, left)));
    }
    all
}

fn state(world: &mut World) -> CardState {
    let tables = world.handler().store().read();
    tables.known_card(World::csn()).unwrap().state
}

#[test]
fn personalising_goes_on_after_a_cut_anywhere() {
    let mut base = World::blank();
    let task = base.personalise();
    let whole = base.fork().run(task.clone(), None, None);
    assert_eq!(whole.apdus, 6);
    let mut cases = 0;
    for at in 0..whole.apdus {
        for mishap in mishaps() {
            let mut world = base.fork();
            let course = world.run(task.clone(), None, Some((at, mishap)));
            let what = format!("{mishap:?} at {at}: {course:?}");
            if !matches!(course.end, Some(Response::Done(_))) {
                let again = world.run(task.clone(), None, None);
                assert!(
                    matches!(again.end, Some(Response::Done(_))),
                    "{what}: {again:?}"
                );
            }
            assert_eq!(state(&mut world), CardState::Active, "{what}");
            let loaded = world.run(Task::Load, Some(money(1, 500)), None);
            assert!(loaded.receipt.is_some(), "{what}: {loaded:?}");
            let again = world.run(task.clone(), None, None).end;
            let personalised = Response::Refused(CardKeysRefusal::Personalised);
            assert_eq!(again, Some(personalised), "{what}");
            cases += 1;
        }
    }
    println!("{cases} cuts while personalising");
}

#[test]
fn a_card_in_use_whose_personalising_wasnt_heard_of_takes_the_limits_asked_last() {
    let mut world = World::blank();
    let task = world.personalise();
    world.run(task, None, Some((5, Mishap::AnswerLost)));
    assert_eq!(state(&mut world), CardState::Personalising);
    let mut other = limits();
    other.debit = 123;
    let done = world.done(Task::Personalise {
        transport_key: vec![0x51; 32],
        limits: other.clone(),
    });
    assert_eq!(done.purse.unwrap().limits, other);
    assert_eq!(world.done(Task::Read).purse.unwrap().limits, other);
}

#[test]
fn keys_change_whatever_is_lost_and_old_receipts_stay_good() {
    let mut base = World::loaded();
    let old = base
        .run(Task::Debit { read: false }, Some(money(2, 100)), None)
        .receipt
        .unwrap();
    let whole = base.fork().run(Task::ChangeKeys, None, None);
    let mut cases = 0;
    for at in 0..whole.apdus {
        for mishap in mishaps() {
            let mut world = base.fork();
            let course = world.run(Task::ChangeKeys, None, Some((at, mishap)));
            let what = format!("{mishap:?} at {at}: {course:?}");
            if course.end != whole.end {
                let again = world.run(Task::ChangeKeys, None, None);
                assert!(
                    matches!(again.end, Some(Response::Done(_))),
                    "{what}: {again:?}"
                );
            }
            let paid = world.run(Task::Debit { read: true }, Some(money(40, 7)), None);
            assert!(paid.receipt.is_some(), "{what}: {paid:?}");
            let loaded = world.run(Task::Load, Some(money(41, 7)), None);
            assert!(loaded.receipt.is_some(), "{what}: {loaded:?}");
            let card = world
                .handler()
                .store()
                .read()
                .known_card(World::csn())
                .unwrap();
            let versions = [card.debit, card.admin, card.receipt];
            // 3, if the cut came when all was done and the second job began another change.
            assert!(
                versions
                    .iter()
                    .all(|v| v.next.is_none() && matches!(v.current, 2 | 3)),
                "{what}: {card:?}"
            );
            let check = tegata_card_service::Request::Check(old.clone());
            assert_eq!(world.say(check), Response::Checked(true));
            cases += 1;
        }
    }
    println!("{cases} cuts while changing keys");
    for _ in 1..15 {
        base.done(Task::ChangeKeys);
    }
    let last = base.run(Task::ChangeKeys, None, None).end;
    assert_eq!(last, Some(Response::Refused(CardKeysRefusal::NoMoreKeys)));
}

#[test]
fn a_key_that_opened_a_session_unheard_still_opens_the_next() {
    // The card puts the key away that was before, once the new one has opened a session; here
    // neither the new key's arrival nor that session was heard of.
    for (at, task, order) in [
        (2, Task::Debit { read: true }, Some(money(40, 7))),
        (3, Task::Load, Some(money(40, 7))),
    ] {
        let mut world = World::loaded();
        let lost = Some((at, Mishap::AnswerLost));
        world.run(Task::ChangeKeys, None, lost);
        let lost = Some((1, Mishap::AnswerLost));
        let unheard = world.run(task.clone(), order.clone(), lost);
        assert_eq!(unheard.end, Some(Response::InDoubt));
        let heard = world.run(task, order, None);
        assert!(heard.receipt.is_some(), "{heard:?}");
    }
}

#[test]
fn states_and_limits_hold_after_a_loss_anywhere() {
    let base = &mut World::loaded();
    let mut tight = limits();
    tight.debit = 5;
    let mut cases = 0;
    for task in [Task::Block, Task::Limit(tight.clone())] {
        let whole = base.fork().run(task.clone(), None, None);
        for at in 0..whole.apdus {
            for mishap in mishaps() {
                let mut world = base.fork();
                world.run(task.clone(), None, Some((at, mishap)));
                let what = format!("{task:?} {mishap:?} at {at}");
                world.done(task.clone());
                let purse = world.done(Task::Read).purse.unwrap();
                assert!(purse.blocked || purse.limits == tight, "{what}");
                cases += 1;
            }
        }
    }
    for at in 0..3 {
        for mishap in mishaps() {
            let mut world = base.fork();
            world.run(Task::Terminate, None, Some((at, mishap)));
            let again = world.run(Task::Terminate, None, None).end;
            let over = matches!(
                again,
                Some(Response::Done(_) | Response::Refused(CardKeysRefusal::Terminated))
            );
            assert!(over, "{mishap:?} at {at}: {again:?}");
            let read = world.run(Task::Read, None, None).end;
            let terminated = Response::Refused(CardKeysRefusal::Terminated);
            assert_eq!(read, Some(terminated), "{mishap:?} at {at}");
            cases += 1;
        }
    }
    println!("{cases} losses of states and limits");
}

#[test]
fn tickets_are_put_read_punched_once_and_taken_off() {
    let mut world = World::loaded();
    for length in [1, 120, 121, 240] {
        let ticket: Vec<u8> = (0..length).collect();
        let put = |ticket: &[u8]| Task::PutTicket {
            slot: 3,
            ticket: ticket.to_vec(),
        };
        let punch = |id, ticket: &[u8]| Task::Punch {
            slot: 3,
            id: OrderId([id; 16]),
            terminal: *b"GATE 001",
            time: 1_700_000_000,
            ticket: ticket.to_vec(),
        };
        let why = |world: &mut World, task| match world.run(task, None, None).end {
            Some(Response::Refused(why)) => why,
            other => panic!("{other:?}"),
        };
        let read = Task::ReadTicket { slot: 3 };
        assert_eq!(why(&mut world, read.clone()), CardKeysRefusal::NoTicket);
        world.done(put(&ticket));
        world.done(put(&ticket));
        assert_eq!(why(&mut world, put(b"another")), CardKeysRefusal::SlotInUse);
        let told = world.done(read.clone()).ticket.unwrap();
        assert_eq!((told.ticket, told.punched), (ticket.clone(), false));
        let other = why(&mut world, punch(1, b"another"));
        assert_eq!(other, CardKeysRefusal::SlotInUse);
        let lost = Some((4 - usize::from(length <= 120), Mishap::AnswerLost));
        let course = world.run(punch(2, &ticket), None, lost);
        assert_eq!(course.end, Some(Response::InDoubt));
        let done = world.done(punch(2, &ticket));
        assert_eq!(done.punched.unwrap().len(), 46);
        assert_eq!(why(&mut world, punch(3, &ticket)), CardKeysRefusal::Punched);
        assert!(world.done(read).ticket.unwrap().punched);
        world.done(put(b""));
    }
}

#[test]
fn no_key_stands_in_the_store_or_in_what_is_said() {
    let mut world = World::loaded();
    world.run(Task::Debit { read: true }, Some(money(40, 7)), None);
    world.done(Task::ChangeKeys);
    world.run(Task::Debit { read: true }, Some(money(41, 7)), None);
    let mut seen = world.traffic.clone();
    for file in std::fs::read_dir(world.folder.path()).unwrap() {
        seen.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    assert!(
        seen.windows(CSN.len()).any(|w| w == CSN),
        "something was seen"
    );
    // A card's key as it lies on the card: that is where to find what must not be elsewhere.
    let mut card_keys = 0;
    let on_card = world.pages().pages;
    let masters = masters();
    let mut keys: Vec<[u8; 32]> = Vec::new();
    for role in [Role::Debit, Role::Admin, Role::Receipt] {
        keys.push(*masters.of(role).unwrap().expose());
        for found in key_slots(&on_card, role) {
            keys.push(found);
            card_keys += 1;
        }
    }
    assert!(card_keys >= 3, "{card_keys}");
    for key in keys {
        for half in key.chunks(8) {
            let shown = seen.windows(8).any(|window| window == half);
            assert!(!shown, "eight bytes of a key are visible");
        }
    }
}

/// The keys of a role that lie in the card's memory, from the layout that `memory.rs` states:
/// generation(4), length(2), then version(1) and key(32), once or twice.
fn key_slots(memory: &[[u8; 512]], role: Role) -> Vec<[u8; 32]> {
    let first = match role {
        Role::Transport => 1,
        Role::Debit => 6,
        Role::Admin => 8,
        Role::Receipt => 10,
    };
    let mut keys = Vec::new();
    for page in &memory[first..first + 2] {
        let length = usize::from(u16::from_be_bytes([page[4], page[5]]));
        for slot in page[6..6 + length].chunks(33) {
            keys.push(slot[1..].try_into().unwrap());
        }
    }
    keys
}
