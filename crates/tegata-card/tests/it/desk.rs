//! Who holds a card's keys, for the tests: opens sessions, orders, and looks a card over.

use tegata_card::applet::{self, Applet};
use tegata_card::chip::{Chip as _, PowerCut};
use tegata_card::command::{Limits, Operation, Purse, Selected, State, View};
use tegata_card::keys::{CardKey, Csn, MasterKey, Role};
use tegata_card::receipt::{Punch, Receipt, ReceiptKey, Transaction};
use tegata_card::session::{self, NotOpened, Opening, Order, Reply, Said, Session};

use crate::memory::Memory;

pub(crate) type Card = Applet<Memory>;

pub(crate) const CSN: Csn = Csn::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
const TRANSPORT: [u8; 32] = [0x77; 32];
pub(crate) const LIMITS: Limits = Limits {
    currency: *b"JPY",
    balance: 20_000,
    debit: 5_000,
    offline: 3_000,
};

/// Why a card's answer is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lost {
    /// The power.
    Power,
    /// The session isn't opened.
    NotOpened(NotOpened),
    /// The answer is in doubt.
    InDoubt,
    /// The card doesn't even say who it is, or refuses what must be done.
    Unusable,
}

impl From<PowerCut> for Lost {
    fn from(PowerCut: PowerCut) -> Self {
        Self::Power
    }
}

pub(crate) fn key(role: Role, number: u8) -> CardKey {
    let byte = match role {
        Role::Transport => return CardKey::transport(TRANSPORT),
        Role::Debit => 1,
        Role::Admin => 2,
        Role::Receipt => 3,
    };
    MasterKey::new(role, [byte; 32])
        .card_key(CSN, number)
        .unwrap()
}

pub(crate) fn receipt_key(number: u8) -> ReceiptKey {
    ReceiptKey::new(&key(Role::Receipt, number)).unwrap()
}

pub(crate) fn blank(mut memory: Memory) -> Card {
    applet::manufacture(&mut memory, *CSN.as_bytes(), TRANSPORT).unwrap();
    Applet::new(memory)
}

/// A card in use, with nothing on it.
pub(crate) fn active(memory: Memory) -> Card {
    let mut card = blank(memory);
    let mut session = open(&mut card, &key(Role::Transport, 1)).unwrap();
    for role in [Role::Debit, Role::Admin, Role::Receipt] {
        done(&mut card, &mut session, &Order::PutKey(key(role, 1)));
    }
    done(
        &mut card,
        &mut session,
        &Order::Limits(Operation::Activate, LIMITS),
    );
    card
}

/// A card in use with 10,000 on it, of transaction 1.
pub(crate) fn loaded() -> Card {
    funded(active(Memory::new()))
}

pub(crate) fn funded(mut card: Card) -> Card {
    let mut session = open(&mut card, &key(Role::Admin, 1)).unwrap();
    let load = transaction(1, 1, 10_000);
    done(&mut card, &mut session, &Order::Load(load));
    done(&mut card, &mut session, &Order::Confirm(load.id));
    card
}

pub(crate) fn transaction(id: u8, counter: u32, amount: u32) -> Transaction {
    Transaction {
        id: [id; 16],
        amount,
        counter,
        bill: [id ^ 0xff; 32],
        terminal: *b"desk-001",
        time: 1_800_000_000 + counter,
    }
}

pub(crate) fn punch(id: u8) -> Punch {
    Punch {
        id: [id; 16],
        terminal: *b"gate-001",
        time: 1_800_000_000,
    }
}

pub(crate) fn select(card: &mut Card) -> Result<Selected, Lost> {
    let answer = card.transmit(&session::select())?;
    session::selected(&answer).ok_or(Lost::Unusable)
}

/// Selects the application and opens a session.
pub(crate) fn open(card: &mut Card, key: &CardKey) -> Result<Session, Lost> {
    select(card)?;
    // Each session has a challenge of its own; a test's may be foreseen.
    let (opening, bytes) = Opening::new(key, CSN, [0x5a; 16]);
    let answer = card.transmit(&bytes)?;
    let (session, bytes) = opening.answer(&answer).map_err(Lost::NotOpened)?;
    match card.transmit(&bytes)?.as_slice() {
        [0x90, 0x00] => Ok(session),
        _ => Err(Lost::InDoubt),
    }
}

/// Orders, and gives the session back with what was said.
pub(crate) fn order(
    card: &mut Card,
    mut session: Session,
    order: &Order,
) -> Result<(Session, Said), Lost> {
    if let Order::Debit(debit) = order {
        card.transmit(&view(debit).command())?;
    }
    let bytes = session.order(order).expect("sendable");
    let answer = card.transmit(&bytes)?;
    session.answer(&answer).map_err(|_| Lost::InDoubt)
}

pub(crate) const fn view(debit: &Transaction) -> View {
    View {
        amount: debit.amount,
        counter: debit.counter,
        bill: debit.bill,
    }
}

/// Orders what must be done.
pub(crate) fn done(card: &mut Card, session: &mut Session, wanted: &Order) -> Reply {
    if let Order::Debit(debit) = wanted {
        card.transmit(&view(debit).command()).unwrap();
    }
    let bytes = session.order(wanted).unwrap();
    let answer = card.transmit(&bytes).unwrap();
    let taken = std::mem::replace(session, placeholder());
    let (back, said) = taken.answer(&answer).unwrap();
    *session = back;
    match said {
        Said::Done(reply) => reply,
        other => panic!("{wanted:?} was answered {other:?}"),
    }
}

/// Some session, with a card that nobody talks to.
fn placeholder() -> Session {
    let mut card = blank(Memory::new());
    open(&mut card, &key(Role::Transport, 1)).unwrap()
}

/// All that can be seen of a card.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Sight {
    pub(crate) selected: Selected,
    pub(crate) purse: Option<Purse>,
    /// The last 31 receipts: the 32nd is what the next transaction replaces.
    pub(crate) log: Vec<Receipt>,
    pub(crate) tickets: Vec<(u8, Vec<u8>, bool)>,
}

/// Looks a copy of the card over: the card itself doesn't notice.
pub(crate) fn look(card: &mut Card) -> Result<Sight, Lost> {
    let mut memory = card.hardware().clone();
    memory.power();
    let mut copy = Applet::new(memory);
    let selected = select(&mut copy)?;
    let mut sight = Sight {
        selected,
        purse: None,
        log: Vec::new(),
        tickets: Vec::new(),
    };
    if !matches!(selected.state, State::Active | State::Blocked) {
        return Ok(sight);
    }
    let mut session = open(&mut copy, &key(Role::Debit, selected.debit.number()))?;
    let said;
    (session, said) = order(&mut copy, session, &Order::ReadPurse)?;
    if let Said::Done(Reply::Purse(purse)) = said {
        sight.purse = Some(purse);
    }
    for back in 0..31 {
        let said;
        (session, said) = order(&mut copy, session, &Order::ReadLog(back))?;
        match said {
            Said::Done(Reply::Receipt(receipt)) => sight.log.push(receipt),
            _ => break,
        }
    }
    for slot in 0..3 {
        let said;
        (session, said) = order(&mut copy, session, &Order::ReadTicket { slot, part: 0 })?;
        if let Said::Done(Reply::Ticket { head, bytes }) = said {
            sight.tickets.push((slot, bytes, head.unwrap().1));
        }
    }
    Ok(sight)
}
