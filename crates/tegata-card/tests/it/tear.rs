//! The power fails at every page write of every command, and again while the card recovers.
//!
//! For each command there's a card before it and the card after it. Whatever is cut, the card must
//! afterwards be seen as exactly one of the two; and the command said again must lead to the second,
//! once. A memory that keeps each record once, instead of twice, must fail this.

use tegata_card::applet::Applet;
use tegata_card::chip::Chip as _;
use tegata_card::command::{Limits, Operation, State};
use tegata_card::keys::{KeyVersion, Role};
use tegata_card::session::{NotOpened, Order, Said};

use crate::desk::{self, Card, LIMITS, Lost, Sight, active, blank, funded, key, look, open, punch};
use crate::desk::{select, transaction};
use crate::memory::{Cut, Memory, Torn};

/// A command, on a card that is ready for it. Said again, it must change nothing further.
struct Act {
    name: &'static str,
    prepare: fn(Memory) -> Card,
    run: fn(&mut Card) -> Result<(), Lost>,
}

/// Opens a session and orders one thing after the other; each must be done.
fn orders(card: &mut Card, role: Role, orders: &[Order]) -> Result<(), Lost> {
    let selected = select(card)?;
    let number = match role {
        Role::Admin => selected.admin.number(),
        Role::Transport | Role::Debit | Role::Receipt => selected.debit.number(),
    };
    let mut session = open(card, &key(role, number))?;
    for wanted in orders {
        let said;
        (session, said) = desk::order(card, session, wanted)?;
        if !matches!(said, Said::Done(_)) {
            return Err(Lost::Unusable);
        }
    }
    Ok(())
}

fn with_ticket(memory: Memory) -> Card {
    let mut card = funded(active(memory));
    orders(&mut card, Role::Admin, &put(vec![7; 200])).unwrap();
    card
}

fn put(ticket: Vec<u8>) -> [Order; 2] {
    [0, 1].map(|part| Order::PutTicket {
        slot: 1,
        part,
        ticket: ticket.clone(),
    })
}

fn unconfirmed(memory: Memory) -> Card {
    let mut card = funded(active(memory));
    orders(
        &mut card,
        Role::Debit,
        &[Order::Debit(transaction(9, 2, 700))],
    )
    .unwrap();
    card
}

/// A card whose log has gone round: the next record replaces an old one.
fn well_used(memory: Memory) -> Card {
    let mut card = funded(active(memory));
    for counter in 2..40 {
        let debit = transaction(u8::try_from(counter).unwrap(), counter, 10);
        let done = [Order::Debit(debit), Order::Confirm(debit.id)];
        orders(&mut card, Role::Debit, &done).unwrap();
    }
    card
}

fn with_new_debit_key(memory: Memory) -> Card {
    let mut card = funded(active(memory));
    orders(
        &mut card,
        Role::Admin,
        &[Order::PutKey(key(Role::Debit, 2))],
    )
    .unwrap();
    card
}

fn blocked(memory: Memory) -> Card {
    let mut card = funded(active(memory));
    orders(&mut card, Role::Admin, &[Order::State(Operation::Block)]).unwrap();
    card
}

fn with_keys(memory: Memory) -> Card {
    let mut card = blank(memory);
    let keys = [Role::Debit, Role::Admin, Role::Receipt];
    let orders_ = keys.map(|role| Order::PutKey(key(role, 1)));
    orders(&mut card, Role::Transport, &orders_).unwrap();
    card
}

fn fail_to_open(card: &mut Card) -> Result<(), Lost> {
    select(card)?;
    let (_, bytes) = tegata_card::session::Opening::new(&key(Role::Debit, 1), desk::CSN, [1; 16]);
    card.transmit(&bytes)?;
    let mut wrong = vec![0x84, 0x82, 0x33, 0x00, 32];
    wrong.extend_from_slice(&[0; 33]);
    match card.transmit(&wrong)?.as_slice() {
        [0x63, 0x00] => Ok(()),
        _ => Err(Lost::Unusable),
    }
}

/// Terminates, unless that was done.
fn terminate(card: &mut Card) -> Result<(), Lost> {
    match select(card)?.state {
        State::Terminated => Ok(()),
        _ => orders(card, Role::Admin, &[Order::State(Operation::Terminate)]),
    }
}

/// Activates, unless that was done.
fn activate(card: &mut Card) -> Result<(), Lost> {
    match select(card)?.state {
        State::Blank => orders(
            card,
            Role::Transport,
            &[Order::Limits(Operation::Activate, LIMITS)],
        ),
        _ => Ok(()),
    }
}

const ACTS: &[Act] = &[
    Act {
        name: "open a session",
        prepare: |memory| funded(active(memory)),
        run: |card| orders(card, Role::Debit, &[]),
    },
    Act {
        name: "fail to open a session",
        prepare: |memory| funded(active(memory)),
        run: fail_to_open,
    },
    Act {
        name: "DEBIT",
        prepare: |memory| funded(active(memory)),
        run: |card| orders(card, Role::Debit, &[Order::Debit(transaction(9, 2, 700))]),
    },
    Act {
        name: "DEBIT, the log gone round",
        prepare: well_used,
        run: |card| orders(card, Role::Debit, &[Order::Debit(transaction(99, 40, 700))]),
    },
    Act {
        name: "CONFIRM",
        prepare: unconfirmed,
        run: |card| orders(card, Role::Debit, &[Order::Confirm([9; 16])]),
    },
    Act {
        name: "VOID",
        prepare: |memory| funded(active(memory)),
        run: |card| {
            let void = Order::Void {
                id: [9; 16],
                counter: 2,
            };
            orders(card, Role::Debit, &[void])
        },
    },
    Act {
        name: "LOAD",
        prepare: |memory| funded(active(memory)),
        run: |card| orders(card, Role::Admin, &[Order::Load(transaction(9, 2, 700))]),
    },
    Act {
        name: "LOAD as a refund",
        prepare: |memory| funded(active(memory)),
        run: |card| orders(card, Role::Admin, &[Order::Refund(transaction(9, 2, 700))]),
    },
    Act {
        name: "TICKET put",
        prepare: |memory| funded(active(memory)),
        run: |card| orders(card, Role::Admin, &put(vec![7; 200])),
    },
    Act {
        name: "TICKET punch",
        prepare: with_ticket,
        run: |card| {
            let punch = punch(5);
            orders(card, Role::Debit, &[Order::PunchTicket { slot: 1, punch }])
        },
    },
    Act {
        name: "TICKET emptied",
        prepare: with_ticket,
        run: |card| orders(card, Role::Admin, &put(Vec::new())[..1]),
    },
    Act {
        name: "PUT KEY debit",
        prepare: |memory| funded(active(memory)),
        run: |card| orders(card, Role::Admin, &[Order::PutKey(key(Role::Debit, 2))]),
    },
    Act {
        name: "PUT KEY receipt",
        prepare: |memory| funded(active(memory)),
        run: |card| orders(card, Role::Admin, &[Order::PutKey(key(Role::Receipt, 2))]),
    },
    Act {
        name: "first session under a new key",
        prepare: with_new_debit_key,
        run: |card| orders(card, Role::Debit, &[]),
    },
    Act {
        name: "LIMITS",
        prepare: |memory| funded(active(memory)),
        run: |card| {
            let lower = Limits {
                debit: 100,
                ..LIMITS
            };
            orders(
                card,
                Role::Admin,
                &[Order::Limits(Operation::Limits, lower)],
            )
        },
    },
    Act {
        name: "STATUS block",
        prepare: |memory| funded(active(memory)),
        run: |card| orders(card, Role::Admin, &[Order::State(Operation::Block)]),
    },
    Act {
        name: "STATUS unblock",
        prepare: blocked,
        run: |card| orders(card, Role::Admin, &[Order::State(Operation::Unblock)]),
    },
    Act {
        name: "STATUS terminate",
        prepare: |memory| funded(active(memory)),
        run: terminate,
    },
    Act {
        name: "PUT KEY on a blank card",
        prepare: blank,
        run: |card| orders(card, Role::Transport, &[Order::PutKey(key(Role::Debit, 1))]),
    },
    Act {
        name: "STATUS activate",
        prepare: with_keys,
        run: activate,
    },
];

/// What was tried and what went wrong.
#[derive(Default)]
struct Tally {
    single: usize,
    double: usize,
    violations: Vec<String>,
}

/// A card before an act and after it.
struct Case<'a> {
    act: &'a Act,
    before: Sight,
    after: Sight,
    /// The card after the act and one thing more: the last receipt then stands in the log only.
    later: Sight,
}

/// The card after what was in doubt is confirmed, and one counter more is used up.
fn later(card: &mut Card) -> Result<Sight, Lost> {
    let seen = look(card)?;
    let counter = seen.selected.counter + 1;
    let last = seen
        .log
        .first()
        .map(|receipt| Order::Confirm(receipt.transaction.id));
    let void = Order::Void {
        id: [0xdd; 16],
        counter,
    };
    if seen.purse.is_some() {
        let both: Vec<Order> = last.into_iter().chain([void]).collect();
        orders(card, Role::Debit, &both)?;
    }
    look(card)
}

impl Case<'_> {
    /// Is the card one of the two, and after the act once more the second?
    fn judge(&self, memory: &Memory, what: &str, tally: &mut Tally) {
        let mut card = Applet::new(memory.clone());
        let seen = look(&mut card);
        let one = seen == Ok(self.before.clone()) || seen == Ok(self.after.clone());
        let again = one.then(|| (self.act.run)(&mut card));
        let done = again == Some(Ok(())) && look(&mut card).as_ref() == Ok(&self.after);
        if !done || later(&mut card).as_ref() != Ok(&self.later) {
            tally.violations.push(format!("{}: {what}", self.act.name));
        }
    }

    /// The memory after `cut` struck the act on `memory`; `None` if it ended before.
    fn struck(&self, memory: &Memory, cut: Cut) -> Option<Memory> {
        let mut memory = memory.clone();
        memory.cut_at(cut);
        let mut card = Applet::new(memory);
        let run = (self.act.run)(&mut card);
        let mut memory = card.hardware().clone();
        match (memory.power(), run) {
            (true, _) => Some(memory),
            (false, _) => None,
        }
    }
}

/// Cuts each act at each of its writes, in each way; then, on what is left, once more.
fn tear(memory: fn() -> Memory) -> Tally {
    let mut tally = Tally::default();
    for act in ACTS {
        let mut prepared = (act.prepare)(memory());
        let before = look(&mut prepared);
        let start = prepared.hardware().clone();
        let run = (act.run)(&mut prepared);
        let (Ok(before), Ok(()), Ok(after)) = (before, run, look(&mut prepared)) else {
            // Only a weakened memory loses its card without any cut.
            tally
                .violations
                .push(format!("{}: no cut at all", act.name));
            continue;
        };
        let later = later(&mut Applet::new(prepared.hardware().clone())).unwrap();
        let case = Case {
            act,
            before,
            after,
            later,
        };
        // The power fails while the answer is on its way: all was written, nobody heard of it.
        tally.single += 1;
        case.judge(prepared.hardware(), "cut in the answer", &mut tally);
        for (cut, left) in cuts(&case, &start) {
            tally.single += 1;
            case.judge(&left, &format!("{cut:?}"), &mut tally);
            for (again, left) in cuts(&case, &left) {
                tally.double += 1;
                case.judge(&left, &format!("{cut:?}, then {again:?}"), &mut tally);
            }
        }
    }
    tally
}

fn cuts(case: &Case<'_>, start: &Memory) -> Vec<(Cut, Memory)> {
    let mut struck = Vec::new();
    for write in 0.. {
        let before = struck.len();
        for torn in Torn::ALL {
            let cut = Cut { write, torn };
            struck.extend(case.struck(start, cut).map(|left| (cut, left)));
        }
        if struck.len() == before {
            break;
        }
    }
    struck
}

fn report(memory: &str, tally: &Tally) {
    println!(
        "{memory}: {} acts, {} power cuts, {} with a second cut while recovering: {} violations",
        ACTS.len(),
        tally.single,
        tally.double,
        tally.violations.len()
    );
}

#[test]
fn a_power_cut_at_any_write_leaves_the_card_before_or_after() {
    let tally = tear(Memory::new);
    report("each record twice", &tally);
    assert!(tally.single > 200 && tally.double > 2_500);
    assert_eq!(tally.violations, [""; 0]);
}

#[test]
fn a_memory_that_keeps_records_once_fails_the_same_cuts() {
    let tally = tear(Memory::weakened);
    report("each record once (weakened)", &tally);
    assert!(tally.violations.len() > 100);
}

#[test]
fn a_lost_answer_is_found_out_and_counts_once() {
    let mut card = funded(active(Memory::new()));
    let debit = transaction(9, 2, 700);
    let mut session = open(&mut card, &key(Role::Debit, 1)).unwrap();
    card.transmit(&desk::view(&debit).command()).unwrap();
    let bytes = session.order(&Order::Debit(debit)).unwrap();
    let _lost_on_the_way = card.transmit(&bytes).unwrap();
    card.power_on();
    // What was sent before can't be played again in the next session, nor without one.
    assert_eq!(card.transmit(&bytes).unwrap(), [0x69, 0x82]);
    let session = open(&mut card, &key(Role::Debit, 1)).unwrap();
    let (session, said) = desk::order(&mut card, session, &Order::ReadPurse).unwrap();
    let Said::Done(tegata_card::session::Reply::Purse(purse)) = said else {
        panic!("{said:?}");
    };
    assert_eq!(
        (purse.balance, purse.counter, purse.ratified),
        (9_300, 2, false)
    );
    assert_eq!(purse.last.unwrap().transaction, debit);
    // The next debit waits until this one is confirmed; the same one again takes nothing.
    let next = Order::Debit(transaction(10, 3, 1));
    let (session, said) = desk::order(&mut card, session, &next).unwrap();
    assert!(
        matches!(said, Said::Refused(tegata_card::apdu::Status::UNRATIFIED)),
        "{said:?}"
    );
    let (_, said) = desk::order(&mut card, session, &Order::Debit(debit)).unwrap();
    assert!(matches!(said, Said::Done(_)), "{said:?}");
    assert_eq!(look(&mut card).unwrap().purse.unwrap().balance, 9_300);
}

#[test]
fn a_replaced_key_opens_nothing_once_the_new_one_did() {
    let mut card = with_new_debit_key(Memory::new());
    // Until then both do: whoever changed it may not have heard that it's done.
    assert!(open(&mut card, &key(Role::Debit, 1)).is_ok());
    assert!(open(&mut card, &key(Role::Debit, 2)).is_ok());
    let stale = open(&mut card, &key(Role::Debit, 1)).unwrap_err();
    assert_eq!(
        stale,
        Lost::NotOpened(NotOpened::Refused(tegata_card::apdu::Status::NO_KEY))
    );
    assert_eq!(
        select(&mut card).unwrap().debit,
        KeyVersion::new(Role::Debit, 2).unwrap()
    );
}
