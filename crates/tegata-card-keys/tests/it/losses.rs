//! What gets lost: at every APDU of a debit, a load and a refund, and again at every APDU of the job
//! that finds out. Afterwards card and store agree, and each order was carried out once or never.

use tegata_card::receipt::{Kind, Receipt};
use tegata_card_keys::store::OrderState;
use tegata_card_service::{CardNumber, Fate, OrderId, Request, Resolved, Response, Task};

use crate::world::{CSN, Course, LEFT, Left, Mishap, World, money};

const ORDER: u8 = 40;
const AMOUNT: u32 = 700;

fn mishaps() -> Vec<Mishap> {
    let mut all = vec![
        Mishap::CommandLost,
        Mishap::AnswerLost,
        Mishap::AnswerAltered,
        Mishap::BareError,
        Mishap::ServerGone,
        Mishap::ServerGoneBefore,
        Mishap::SentTwice,
        Mishap::AnswerOfBefore,
    ];
    for writes in 0..3 {
        all.extend(LEFT.map(|left| Mishap::PowerCut(writes, left)));
    }
    all
}

/// Fewer, for the job that finds out.
fn second_mishaps() -> Vec<Mishap> {
    vec![
        Mishap::CommandLost,
        Mishap::AnswerLost,
        Mishap::ServerGone,
        Mishap::PowerCut(0, Left::Half),
        Mishap::PowerCut(1, Left::Garbage),
        Mishap::PowerCut(1, Left::New),
    ]
}

fn tasks() -> [(Task, i64); 4] {
    let amount = i64::from(AMOUNT);
    [
        (Task::Debit { read: true }, -amount),
        (Task::Debit { read: false }, -amount),
        (Task::Load, amount),
        (Task::Refund, amount),
    ]
}

/// After a job without mishaps: all agrees.
fn agrees(world: &mut World, first: &Course, change: i64, what: &str) -> OrderState {
    let before = 10_000;
    let purse = world.done(Task::Read).purse.unwrap();
    let chip = world.select().unwrap();
    let csn = World::csn();
    let tables = world.handler().store().read();
    let card = tables.known_card(csn).unwrap();
    assert_eq!(tables.order_in_doubt(csn).unwrap(), None, "{what}");
    assert!(!card.denied && !card.look, "{what}: {card:?}");
    assert_eq!(chip.counter, card.counter, "{what}");
    assert!(chip.ratified, "{what}");
    assert_eq!(purse.balance, Some(card.balance), "{what}");
    let order = tables.order([ORDER; 16]).unwrap();
    assert_eq!(order.is_some(), first.ordered, "{what}");
    let state = order.map_or(OrderState::Refused, |order| order.state);
    let expected = match state {
        OrderState::Done => before + change,
        OrderState::Void | OrderState::Refused => before,
        OrderState::Pending => panic!("{what}: still in doubt"),
    };
    assert_eq!(i64::from(card.balance), expected, "{what}: {state:?}");
    // Each counter has its one receipt, and the order's is among them if and only if it's done.
    let mut met = 0;
    for counter in 1..=card.counter {
        let receipt = tables.receipt(csn, counter).unwrap();
        let receipt = receipt.unwrap_or_else(|| panic!("{what}: no receipt {counter}"));
        met += usize::from(order.is_some_and(|order| order.is_met_by(&receipt)));
    }
    assert_eq!(met, usize::from(state == OrderState::Done), "{what}");
    if first.receipt.is_some() {
        assert_eq!(state, OrderState::Done, "{what}: it was called settled");
    }
    told(world, state, what);
    state
}

/// Who asks afterwards, after a restart too, is told the order's fate and every receipt: VOID ones
/// and those whose answers were lost are among them.
fn told(world: &mut World, state: OrderState, what: &str) {
    world.restart_house();
    let counter = world.select().unwrap().counter;
    let receipts = world.receipts(0);
    let counters: Vec<u32> = receipts.iter().map(|r| r.transaction.counter).collect();
    assert_eq!(counters, (1..=counter).collect::<Vec<_>>(), "{what}");
    let of_order = |receipt: &&Receipt| receipt.transaction.id == [ORDER; 16];
    let own = receipts.iter().find(of_order);
    let void = own.is_some_and(|receipt| receipt.kind == Kind::Void);
    match (world.fate(ORDER), state) {
        (Fate::CarriedOut(bytes), OrderState::Done) => {
            assert!(!void, "{what}");
            assert_eq!(own.map(Receipt::to_bytes), Some(bytes), "{what}");
        }
        (Fate::NotCarriedOut, OrderState::Void) => assert!(void, "{what}"),
        (Fate::NotCarriedOut | Fate::Unknown, OrderState::Refused) => {
            assert!(own.is_none(), "{what}");
        }
        (fate, state) => panic!("{what}: {fate:?}, {state:?}"),
    }
}

/// What the finding job said must be what the store says.
fn said_so(course: &Course, state: OrderState, what: &str) {
    let resolved = match &course.end {
        Some(Response::Done(done)) => done.resolved.clone(),
        _ => return,
    };
    match resolved {
        Some(Resolved::CarriedOut(id, _)) => {
            assert_eq!(
                (id, state),
                (OrderId([ORDER; 16]), OrderState::Done),
                "{what}"
            );
        }
        Some(Resolved::Void(id)) => {
            assert_eq!(
                (id, state),
                (OrderId([ORDER; 16]), OrderState::Void),
                "{what}"
            );
        }
        None => {}
    }
}

#[test]
fn whatever_is_lost_and_lost_again_card_and_store_agree_afterwards() {
    let mut base = World::loaded();
    let (mut single, mut double, mut done, mut void) = (0, 0, 0, 0);
    for (task, change) in tasks() {
        let whole = base
            .fork()
            .run(task.clone(), Some(money(ORDER, AMOUNT)), None);
        assert!(matches!(whole.end, Some(Response::Done(_))), "{whole:?}");
        for at in 0..whole.apdus {
            for mishap in mishaps() {
                let mut world = base.fork();
                let first = world.run(task.clone(), Some(money(ORDER, AMOUNT)), Some((at, mishap)));
                if !first.met {
                    continue;
                }
                let what = format!("{task:?}: {mishap:?} at {at}");
                let mut clean = world.fork();
                let finding = clean.run(Task::Read, None, None);
                let state = agrees(&mut clean, &first, change, &what);
                said_so(&finding, state, &what);
                single += 1;
                done += usize::from(state == OrderState::Done);
                void += usize::from(state == OrderState::Void);
                for again in 0..finding.apdus {
                    for second in second_mishaps() {
                        let mut world = world.fork();
                        let what = format!("{what}, then {second:?} at {again}");
                        let lost = world.run(Task::Read, None, Some((again, second)));
                        if !lost.met {
                            continue;
                        }
                        let state = agrees(&mut world, &first, change, &what);
                        said_so(&lost, state, &what);
                        double += 1;
                    }
                }
            }
        }
    }
    println!("{single} losses, {double} double ones; of the single {done} done, {void} void");
    assert!(single > 200 && double > 2000 && done > 50 && void > 20);
}

#[test]
fn a_lost_answer_is_found_out_by_the_next_payment_too() {
    let mut world = World::loaded();
    let debit = Task::Debit { read: false };
    let lost = Some((2, Mishap::AnswerLost));
    let first = world.run(debit.clone(), Some(money(40, 700)), lost);
    assert_eq!(first.end, Some(Response::InDoubt));
    let second = world.run(debit, Some(money(41, 300)), None);
    let Some(Response::Opened { resolved, purse }) = second.opened else {
        panic!("{second:?}");
    };
    assert!(matches!(resolved, Some(Resolved::CarriedOut(id, _)) if id == OrderId([40; 16])));
    assert_eq!((purse.balance, purse.counter), (Some(9_300), 3));
    assert_eq!(world.balance(), 9_000);
}

#[test]
fn a_lost_confirmation_is_made_up_for_before_the_next_payment() {
    for mishap in [Mishap::CommandLost, Mishap::ServerGoneBefore] {
        let mut world = World::loaded();
        let debit = Task::Debit { read: false };
        let first = world.run(debit.clone(), Some(money(40, 700)), Some((3, mishap)));
        assert!(first.receipt.is_some());
        assert!(!world.select().unwrap().ratified);
        let second = world.run(debit, Some(money(41, 300)), None);
        assert!(second.receipt.is_some(), "{second:?}");
        assert_eq!(world.balance(), 9_000);
    }
}

#[test]
fn debit_bytes_kept_back_do_nothing_after_the_order_is_void() {
    let mut world = World::loaded();
    let id = World::job();
    world.select();
    let debit = Task::Debit { read: false };
    let mut response = world.say(Request::Begin(id, CardNumber(CSN), debit));
    use tegata_card::chip::Chip as _;
    while let Response::Send(bytes) = response {
        let answer = world.card.transmit(&bytes).unwrap();
        response = world.say(Request::Answer(id, answer));
    }
    let Response::Ordered { send, .. } = world.say(Request::Order(id, money(40, 700))) else {
        panic!("not ordered: {response:?}");
    };
    let found = world.done(Task::Read);
    assert_eq!(found.resolved, Some(Resolved::Void(OrderId([40; 16]))));
    for reset in [false, true] {
        if reset {
            world.select();
        }
        let answer = world.card.transmit(&send).unwrap();
        assert!(answer.len() == 2 && answer != [0x90, 0], "{answer:02x?}");
    }
    assert_eq!(world.balance(), 10_000);
}
