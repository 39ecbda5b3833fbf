//! What a gate may ask, and what it can't, whatever it holds.

use tegata_card::chip::Chip as _;
use tegata_card::command::View;
use tegata_card_keys::handler::{Bounds, Client};
use tegata_card_service::{
    CardKeysRefusal, CardNumber, Fate, JobId, OrderId, Request, Resolved, Response, Task,
};

use crate::world::{CSN, Mishap, World, limits, money};

const CARD: CardNumber = CardNumber(CSN);
const DEBIT: Task = Task::Debit { read: false };
const TICKET: &[u8] = b"a shop's ticket";
const NOT_PERMITTED: Response = Response::Refused(CardKeysRefusal::NotPermitted);
const UNKNOWN: Response = Response::Refused(CardKeysRefusal::JobUnknown);

const fn read() -> Task {
    Task::ReadTicket { slot: 3 }
}

fn punch() -> Task {
    Task::Punch {
        slot: 3,
        id: OrderId([9; 16]),
        terminal: *b"GATE 001",
        time: 1_700_000_000,
        ticket: TICKET.to_vec(),
    }
}

fn with_ticket() -> World {
    let mut world = World::loaded();
    world.done(Task::PutTicket {
        slot: 3,
        ticket: TICKET.to_vec(),
    });
    world
}

#[test]
fn a_gate_reads_and_punches_tickets_and_hears_of_no_money() {
    let mut world = with_ticket();
    // An order whose answer was lost is found out by the gate's session too.
    world.run(DEBIT, Some(money(40, 700)), Some((2, Mishap::AnswerLost)));
    world.client = Client::Gate;
    for (task, punched) in [(read(), false), (punch(), true), (read(), true)] {
        let done = world.done(task);
        let ticket = done.ticket.unwrap();
        assert_eq!(
            (ticket.ticket.as_slice(), ticket.punched),
            (TICKET, punched)
        );
        assert_eq!((done.resolved, done.purse), (None, None));
    }
    world.client = Client::Application;
    assert!(matches!(world.fate(40), Fate::CarriedOut(_)));
    // Asked in the same way, the application server is told.
    world.run(DEBIT, Some(money(41, 300)), Some((2, Mishap::AnswerLost)));
    let resolved = world.done(read()).resolved;
    assert!(matches!(resolved, Some(Resolved::CarriedOut(..))));
    assert_eq!(world.balance(), 9_000);
}

#[test]
fn a_gate_can_ask_nothing_else_and_nothing_changes() {
    let mut world = with_ticket();
    let receipt = world.receipts(0)[0].to_bytes();
    let id = JobId([1; 16]);
    let tasks = [
        world.personalise(),
        Task::Read,
        Task::Debit { read: true },
        DEBIT,
        Task::Load,
        Task::Refund,
        Task::Block,
        Task::Unblock,
        Task::Terminate,
        Task::Limit(limits()),
        Task::ChangeKeys,
        Task::PutTicket {
            slot: 4,
            ticket: TICKET.to_vec(),
        },
    ];
    let begin = |task| Request::Begin(id, CARD, task);
    let others = [
        Request::Order(id, money(40, 7)),
        Request::Check(receipt.clone()),
        Request::Card(CARD),
        Request::Deny(CARD),
        Request::Submit(receipt),
        Request::Receipts(CARD, 0),
        Request::Find(OrderId([1; 16])),
    ];
    world.client = Client::Gate;
    for request in tasks.into_iter().map(begin).chain(others) {
        let what = format!("{request:?}");
        assert_eq!(world.say(request), NOT_PERMITTED, "{what}");
    }
    // Nor with a job that it may have.
    world.select();
    assert!(matches!(world.say(begin(read())), Response::Send(_)));
    let order = Request::Order(id, money(40, 7));
    assert_eq!(world.say(order), NOT_PERMITTED);
    world.client = Client::Application;
    let Response::Card(Some(known)) = world.say(Request::Card(CARD)) else {
        panic!("unknown");
    };
    assert_eq!((known.denied, known.counter), (false, 1));
    assert_eq!(world.balance(), 10_000);
}

#[test]
fn a_job_is_its_own_clients_and_goes_on_whatever_the_other_says() {
    let mut world = with_ticket();
    let id = JobId([1; 16]);
    for (owner, other) in [
        (Client::Application, Client::Gate),
        (Client::Gate, Client::Application),
    ] {
        world.client = owner;
        world.select();
        let mut response = world.say(Request::Begin(id, CARD, read()));
        while let Response::Send(bytes) = response {
            let answer = world.card.transmit(&bytes).unwrap();
            world.client = other;
            let begin = Request::Begin(id, CardNumber([1; 10]), read());
            assert_eq!(world.say(begin), UNKNOWN);
            let stolen = Request::Answer(id, answer.clone());
            assert_eq!(world.say(stolen), UNKNOWN);
            assert_eq!(world.say(Request::Abandon(id)), UNKNOWN);
            world.client = owner;
            response = world.say(Request::Answer(id, answer));
        }
        assert!(matches!(response, Response::Done(_)), "{response:?}");
    }
}

/// Whoever stole a gate knows numbers of cards: that must not be enough to break off their payments.
#[test]
fn a_gate_leaves_a_card_alone_that_the_application_server_is_busy_with() {
    let mut world = with_ticket();
    let paying = JobId([1; 16]);
    let gate_begins = |world: &mut World| {
        world.client = Client::Gate;
        let response = world.say(Request::Begin(JobId([2; 16]), CARD, read()));
        world.client = Client::Application;
        response
    };
    let mut waits = 0;
    world.select();
    let mut response = world.say(Request::Begin(paying, CARD, DEBIT));
    while !matches!(response, Response::Done(_)) {
        waits += 1;
        assert_eq!(gate_begins(&mut world), Response::Fault, "{response:?}");
        if let Response::Opened { .. } = response {
            response = world.say(Request::Order(paying, money(40, 700)));
            continue;
        }
        if let Response::Ordered { counter, .. } = response {
            // Somebody thinks about it.
            world.now += 60;
            assert_eq!(gate_begins(&mut world), Response::Fault);
            let view = View {
                amount: 700,
                counter,
                bill: money(40, 700).bill,
            };
            world.card.transmit(&view.command()).unwrap();
        }
        let (Response::Send(bytes)
        | Response::Settled { send: bytes, .. }
        | Response::Ordered { send: bytes, .. }) = response
        else {
            panic!("{response:?}");
        };
        let answer = world.card.transmit(&bytes).unwrap();
        response = world.say(Request::Answer(paying, answer));
    }
    assert!(waits > 4, "{waits}");
    assert_eq!(world.balance(), 9_300);
    // One that is forgotten with no order out doesn't keep a gate waiting for long.
    world.select();
    let begun = world.say(Request::Begin(paying, CARD, DEBIT));
    assert!(matches!(begun, Response::Send(_)), "{begun:?}");
    assert_eq!(gate_begins(&mut world), Response::Fault);
    world.now += 16;
    world.select();
    let begun = gate_begins(&mut world);
    assert!(matches!(begun, Response::Send(_)), "{begun:?}");
}

#[test]
fn gates_leave_half_of_the_jobs_to_others() {
    let mut world = World::loaded();
    world.restart_house_within(Bounds { jobs: 2, idle: 120 });
    let other = || Request::Begin(JobId([2; 16]), CardNumber([1; 10]), read());
    let own = || Request::Begin(JobId([1; 16]), CARD, read());
    world.client = Client::Gate;
    // Its own session anew, as often as it likes.
    for _ in 0..3 {
        world.select();
        assert!(matches!(world.say(own()), Response::Send(_)));
    }
    assert_eq!(world.say(other()), Response::Fault);
    world.client = Client::Application;
    let unknown = Response::Refused(CardKeysRefusal::UnknownCard);
    assert_eq!(world.say(other()), unknown);
}
