//! Each refusal, and cards that aren't what they were.

use tegata_card::applet::Applet;
use tegata_card::chip::Chip as _;
use tegata_card::command::View;
use tegata_card::receipt::Receipt;
use tegata_card_keys::handler::{Bounds, Handler};
use tegata_card_keys::keys::MasterKeys;
use tegata_card_service::{
    CardKeysRefusal, CardLimits, CardNumber, JobId, Money, OrderId, Request, Resolved, Response,
    Task,
};

use crate::world::{CSN, Course, MASTERS, Mishap, Pages, World, limits, masters, money, open};

const READING: Task = Task::Debit { read: true };
const DEBIT: Task = Task::Debit { read: false };

fn refused(course: &Course) -> CardKeysRefusal {
    match course.end {
        Some(Response::Refused(why)) => why,
        ref other => panic!("not refused: {other:?}"),
    }
}

fn end(world: &mut World, task: Task, order: Option<Money>) -> CardKeysRefusal {
    refused(&world.run(task, order, None))
}

#[test]
fn money_is_refused_for_each_reason_and_nothing_changes() {
    let mut base = World::loaded();
    let mut full = limits();
    full.balance = 10_500;
    base.done(Task::Limit(full));
    let euros = Money {
        currency: "EUR".to_owned(),
        ..money(40, 5)
    };
    let cases = [
        (DEBIT, money(40, 0), CardKeysRefusal::WrongAmount),
        (DEBIT, money(40, 0x8000_0000), CardKeysRefusal::WrongAmount),
        (DEBIT, euros, CardKeysRefusal::WrongCurrency),
        (DEBIT, money(1, 5), CardKeysRefusal::OrderKnown),
        (DEBIT, money(50, 8_001), CardKeysRefusal::OverDebitLimit),
        (
            Task::Load,
            money(51, 501),
            CardKeysRefusal::OverBalanceLimit,
        ),
        (
            Task::Refund,
            money(52, 501),
            CardKeysRefusal::OverBalanceLimit,
        ),
    ];
    for (task, order, why) in cases {
        assert_eq!(end(&mut base, task, Some(order)), why);
        assert_eq!(base.balance(), 10_000, "{why:?}");
    }
    let first = base.run(READING, Some(money(41, 7_000)), None);
    assert!(matches!(first.end, Some(Response::Done(_))));
    let why = end(&mut base, DEBIT, Some(money(42, 7_000)));
    assert_eq!(why, CardKeysRefusal::Insufficient);
    // Refused is final, but its number stays used.
    let again = end(&mut base, DEBIT, Some(money(42, 7)));
    assert_eq!(again, CardKeysRefusal::OrderKnown);
    assert_eq!(base.balance(), 3_000);
}

#[test]
fn what_was_shown_is_what_is_debited() {
    let mut world = World::loaded();
    world.shown = Some(View {
        amount: 7,
        counter: 2,
        bill: [40; 32],
    });
    let why = end(&mut world, DEBIT, Some(money(40, 700)));
    assert_eq!(why, CardKeysRefusal::NotAsViewed);
    assert_eq!(world.balance(), 10_000);
    world.shown = None;
    let next = world.run(DEBIT, Some(money(41, 700)), None);
    assert!(next.receipt.is_some(), "the counter wasn't used up");
}

#[test]
fn blocked_denied_terminated_and_unknown_cards_are_told_apart() {
    let mut world = World::loaded();
    world.done(Task::Block);
    assert!(world.done(Task::Read).purse.unwrap().blocked);
    let why = end(&mut world, READING, Some(money(40, 7)));
    assert_eq!(why, CardKeysRefusal::Blocked);
    world.done(Task::Unblock);
    assert!(!world.done(Task::Read).purse.unwrap().blocked);
    let other = Request::Begin(World::job(), CardNumber([1; 10]), Task::Read);
    let unknown = Response::Refused(CardKeysRefusal::UnknownCard);
    assert_eq!(world.say(other), unknown);
    assert_eq!(world.say(Request::Deny(CardNumber([1; 10]))), unknown);
    let denied = world.say(Request::Deny(CardNumber(CSN)));
    assert!(matches!(denied, Response::Card(Some(known)) if known.denied));
    assert_eq!(end(&mut world, Task::Read, None), CardKeysRefusal::Denied);
    // It's ended when it turns up again.
    world.done(Task::Terminate);
    assert_eq!(
        end(&mut world, Task::Read, None),
        CardKeysRefusal::Terminated
    );
    let task = world.personalise();
    assert_eq!(end(&mut world, task, None), CardKeysRefusal::Terminated);
}

#[test]
fn a_card_denied_in_the_middle_gets_no_money() {
    let mut world = World::loaded();
    let id = World::job();
    world.select();
    let mut response = world.say(Request::Begin(id, CardNumber(CSN), DEBIT));
    while let Response::Send(bytes) = response {
        let answer = world.card.transmit(&bytes).unwrap();
        response = world.say(Request::Answer(id, answer));
    }
    // By another process, as the operator does it.
    let mut store = open(world.folder.path());
    store
        .write(|tables| tables.change_card(World::csn(), |card| card.denied = true))
        .unwrap();
    let answer = world.say(Request::Order(id, money(40, 7)));
    assert_eq!(answer, Response::Refused(CardKeysRefusal::Denied));
}

#[test]
fn an_old_state_of_the_card_is_found_out_and_is_evidence() {
    // Also where a payment wouldn't read it, or would end another way.
    for task in [READING, DEBIT, Task::Load, Task::Read, Task::Block] {
        let mut world = World::loaded();
        let old = world.pages();
        let paid = world.run(DEBIT, Some(money(40, 700)), None);
        assert!(paid.receipt.is_some());
        world.card = Applet::new(old);
        let course = world.run(task, Some(money(42, 700)), None);
        assert_eq!(refused(&course), CardKeysRefusal::RolledBack);
        assert!(!course.ordered);
        assert_eq!(end(&mut world, Task::Read, None), CardKeysRefusal::Denied);
        let evidence = world.handler().store().read().evidence().unwrap();
        assert_eq!(evidence.len(), 1);
        assert_eq!(evidence[0].reason, "counter_behind");
        assert_eq!(evidence[0].known, paid.receipt.unwrap());
    }
}

/// A copy that has the same purse, and opens sessions only.
#[test]
fn a_copy_is_found_out_by_its_sessions_number() {
    let punch = |slot| Task::ReadTicket { slot };
    for task in [
        DEBIT,
        READING,
        Task::Load,
        Task::Block,
        punch(3),
        Task::ChangeKeys,
    ] {
        let mut world = World::loaded();
        world.done(Task::PutTicket {
            slot: 3,
            ticket: b"ticket".to_vec(),
        });
        let copy = world.pages();
        world.done(punch(3));
        let original = world.pages();
        world.card = Applet::new(copy.clone());
        let course = world.run(task.clone(), Some(money(40, 700)), None);
        assert_eq!(refused(&course), CardKeysRefusal::RolledBack, "{task:?}");
        assert!(!course.ordered, "{task:?}: money was ordered of a copy");
        let tables = world.handler().store().read();
        let evidence = tables.evidence().unwrap();
        assert_eq!(evidence.len(), 1);
        assert_eq!(evidence[0].reason, "sequence_behind");
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        let (known, came) = (number(&evidence[0].known), number(&evidence[0].came));
        let card = tables.known_card(World::csn()).unwrap();
        assert_eq!((came, known), (known, card.next_sequence - 1));
        // Which of the two is the holder's nobody can say: both are denied, and either can be ended.
        for pages in [copy, original] {
            let mut ending = world.fork();
            ending.card = Applet::new(pages);
            assert_eq!(end(&mut ending, Task::Read, None), CardKeysRefusal::Denied);
            ending.done(Task::Terminate);
        }
    }
}

#[test]
fn the_original_is_found_out_if_its_copy_came_first() {
    let mut world = World::loaded();
    let original = world.pages();
    // The copy opens as many sessions, and then the original comes.
    world.done(Task::Read);
    world.restart_house();
    world.card = Applet::new(original);
    assert_eq!(
        end(&mut world, Task::Read, None),
        CardKeysRefusal::RolledBack
    );
}

#[test]
fn sessions_that_nobody_heard_of_leave_gaps_and_accuse_no_card() {
    let mut world = World::loaded();
    for at in [0, 1] {
        for mishap in [Mishap::CommandLost, Mishap::AnswerLost, Mishap::ServerGone] {
            world.run(Task::Read, None, Some((at, mishap)));
        }
    }
    let before = world
        .handler()
        .store()
        .read()
        .known_card(World::csn())
        .unwrap();
    assert_eq!(world.balance(), 10_000);
    let after = world
        .handler()
        .store()
        .read()
        .known_card(World::csn())
        .unwrap();
    assert!(after.next_sequence > before.next_sequence + 1, "a gap");
    assert!(!after.denied);
    // The same state of the card twice without a session between is no copy.
    let again = world.pages();
    world.run(Task::Read, None, Some((1, Mishap::CommandLost)));
    world.card = Applet::new(again);
    assert_eq!(world.balance(), 10_000);
}

#[test]
fn receipts_of_a_copy_are_evidence() {
    // Two stores let two copies of one card make two receipts with the same counter.
    let mut world = World::loaded();
    let mut copy = world.fork();
    let one = world
        .run(DEBIT, Some(money(40, 700)), None)
        .receipt
        .unwrap();
    let two = copy.run(DEBIT, Some(money(41, 900)), None).receipt.unwrap();
    let known = world.say(Request::Submit(one.clone()));
    let kept = |known, copy_of| Response::Kept { known, copy_of };
    assert_eq!(known, kept(true, None));
    assert_eq!(
        world.say(Request::Check(two.clone())),
        Response::Checked(true)
    );
    let mut forged = two.clone();
    forged[20] ^= 1;
    assert_eq!(
        world.say(Request::Check(forged.clone())),
        Response::Checked(false)
    );
    assert_eq!(world.say(Request::Submit(forged)), Response::Checked(false));
    let copied = world.say(Request::Submit(two.clone()));
    assert_eq!(copied, kept(false, Some(one)));
    assert_eq!(end(&mut world, Task::Read, None), CardKeysRefusal::Denied);
    let evidence = world.handler().store().read().evidence().unwrap();
    assert_eq!(evidence[0].reason, "receipt_differs");
    assert_eq!(evidence[0].came, two);
    // The copy itself, on the reader of the one whose store knows the other: as many transactions,
    // another last receipt.
    let mut world = World::loaded();
    let mut copy = world.fork();
    world.run(DEBIT, Some(money(40, 700)), None);
    copy.run(DEBIT, Some(money(41, 700)), None);
    world.card = Applet::new(copy.pages());
    assert_eq!(
        end(&mut world, Task::Read, None),
        CardKeysRefusal::RolledBack
    );
    let evidence = world.handler().store().read().evidence().unwrap();
    assert_eq!(evidence[0].reason, "receipt_differs");
}

#[test]
fn a_receipt_that_nobody_ordered_denies_the_card() {
    let mut world = World::loaded();
    let mut elsewhere = world.fork();
    let lost = Some((2, Mishap::AnswerLost));
    elsewhere.run(DEBIT, Some(money(41, 900)), lost);
    world.card = Applet::new(elsewhere.pages());
    assert_eq!(
        end(&mut world, Task::Read, None),
        CardKeysRefusal::RolledBack
    );
    let evidence = world.handler().store().read().evidence().unwrap();
    assert_eq!(evidence[0].reason, "unknown_order");
    let came = Receipt::parse(&evidence[0].came).unwrap();
    assert_eq!(came.transaction.amount, 900);
}

#[test]
fn a_lost_receipt_that_comes_by_another_way_ends_the_order() {
    let mut world = World::loaded();
    let lost = Some((2, Mishap::AnswerLost));
    world.run(DEBIT, Some(money(40, 700)), lost);
    let mut reader = world.fork();
    let Some(Resolved::CarriedOut(_, receipt)) = reader.done(Task::Read).resolved else {
        panic!("not carried out");
    };
    world.say(Request::Submit(receipt));
    let Response::Card(Some(known)) = world.say(Request::Card(CardNumber(CSN))) else {
        panic!("unknown");
    };
    assert_eq!(
        (known.in_doubt, known.balance, known.counter),
        (None, 9_300, 2)
    );
    let next = world.run(DEBIT, Some(money(41, 300)), None);
    assert!(next.receipt.is_some(), "{next:?}");
    assert_eq!(world.balance(), 9_000);
}

#[test]
fn another_card_and_a_card_without_the_key_are_found_out() {
    let mut world = World::loaded();
    let mut good = Applet::new(world.pages());
    let mut number = CSN;
    number[9] ^= 1;
    // In use elsewhere, under keys that look like ours.
    let mut other = World::blank();
    other.card = Applet::new(Pages::blank(number));
    other.select();
    let id = World::job();
    let task = other.personalise();
    let mut response = other.say(Request::Begin(id, CardNumber(number), task));
    while let Response::Send(bytes) = response {
        let answer = other.card.transmit(&bytes).unwrap();
        response = other.say(Request::Answer(id, answer));
    }
    assert!(matches!(response, Response::Done(_)), "{response:?}");
    world.card = other.card;
    assert_eq!(end(&mut world, DEBIT, None), CardKeysRefusal::OtherCard);
    std::mem::swap(&mut world.card, &mut good);
    world.restart_house_with(MasterKeys::new([1; 32], MASTERS[1], MASTERS[2]));
    assert_eq!(end(&mut world, DEBIT, None), CardKeysRefusal::NotProven);
    // The debit key is right, the receipt key isn't: nothing is believed, and nothing settled.
    world.restart_house_with(MasterKeys::new(MASTERS[0], MASTERS[1], [3; 32]));
    let course = world.run(DEBIT, Some(money(40, 700)), None);
    assert_eq!(
        (course.end, course.receipt),
        (Some(Response::InDoubt), None)
    );
    assert_eq!(end(&mut world, Task::Read, None), CardKeysRefusal::Denied);
}

#[test]
fn a_blank_card_under_a_known_number_has_a_stale_key() {
    let mut world = World::loaded();
    world.card = Applet::new(Pages::blank(CSN));
    assert_eq!(end(&mut world, Task::Read, None), CardKeysRefusal::StaleKey);
    let task = world.personalise();
    assert_eq!(end(&mut world, task, None), CardKeysRefusal::Personalised);
}

#[test]
fn jobs_end_one_another_grow_old_and_have_an_order() {
    let mut world = World::loaded();
    let unknown = Response::Refused(CardKeysRefusal::JobUnknown);
    let (one, two) = (JobId([1; 16]), JobId([2; 16]));
    let begin = |id| Request::Begin(id, CardNumber(CSN), DEBIT);
    world.say(begin(one));
    world.say(begin(two));
    assert_eq!(world.say(Request::Answer(one, vec![])), unknown);
    let early = world.say(Request::Order(two, money(40, 7)));
    assert_eq!(early, Response::Refused(CardKeysRefusal::OutOfTurn));
    assert_eq!(world.say(Request::Answer(two, vec![])), unknown);
    world.say(begin(one));
    world.now += Bounds::default().idle + 1;
    assert_eq!(world.say(Request::Answer(one, vec![])), unknown);
    world.say(begin(one));
    world.say(Request::Abandon(one));
    assert_eq!(world.say(Request::Abandon(one)), unknown);
    let store = {
        world.handler = None;
        open(world.folder.path())
    };
    let bounds = Bounds { jobs: 1, idle: 100 };
    world.handler = Some(Handler::new(masters(), store, bounds));
    assert!(matches!(world.say(begin(one)), Response::Send(_)));
    assert!(
        matches!(world.say(begin(two)), Response::Send(_)),
        "the same card"
    );
    let other = Request::Begin(
        one,
        CardNumber([1; 10]),
        Task::Personalise {
            transport_key: vec![0; 32],
            limits: limits(),
        },
    );
    assert_eq!(world.say(other), Response::Fault);
}

#[test]
fn two_jobs_of_one_card_dont_mix_their_money() {
    let mut world = World::loaded();
    let lost = Some((2, Mishap::CommandLost));
    let first = world.run_as(JobId([1; 16]), DEBIT, Some(money(40, 700)), lost);
    assert_eq!(first.end, Some(Response::InDoubt));
    let second = world.run_as(JobId([2; 16]), Task::Load, Some(money(41, 50)), None);
    let Some(Response::Opened { resolved, purse }) = second.opened else {
        panic!("not opened");
    };
    assert_eq!(resolved, Some(Resolved::Void(OrderId([40; 16]))));
    assert_eq!((purse.balance, purse.counter), (Some(10_000), 3));
    assert_eq!(world.balance(), 10_050);
}

#[test]
fn what_cant_be_asked_is_refused_before_the_card_is() {
    let mut world = World::loaded();
    let wrong = |limits| Task::Limit(limits);
    let currency = CardLimits {
        currency: "yen".to_owned(),
        ..limits()
    };
    let amount = CardLimits {
        debit: 0x8000_0000,
        ..limits()
    };
    let cases = [
        wrong(currency),
        wrong(amount),
        Task::ReadTicket { slot: 16 },
        Task::PutTicket {
            slot: 0,
            ticket: vec![0; 241],
        },
        Task::Personalise {
            transport_key: vec![0; 31],
            limits: limits(),
        },
    ];
    for task in cases {
        let course = world.run(task, None, None);
        assert_eq!(refused(&course), CardKeysRefusal::WrongRequest);
        assert_eq!(course.apdus, 0);
    }
    let euros = CardLimits {
        currency: "EUR".to_owned(),
        ..limits()
    };
    let why = end(&mut world, Task::Limit(euros), None);
    assert_eq!(why, CardKeysRefusal::WrongCurrency);
}
