//! IC cards from both ends, and what stands between them.
//!
//! Whoever carries a card's bytes is a stranger to both ends. The input of [`applet`], [`card_memory`]
//! and [`vpcd`] is cut into pieces, each after a byte that says how long it is.

use std::io::{self, Read, Write};
use std::sync::LazyLock;

use tegata_card::apdu::{Command, Status, split_answer};
use tegata_card::applet::{self as program, Applet, PAGES};
use tegata_card::chip::{Chip as _, Hardware, PAGE, Page, PowerCut};
use tegata_card::command::{Limits, Operation, Purse, Selected, View};
use tegata_card::helper::{self as reader, FRAME_LIMIT, frame};
use tegata_card::keys::{CardKey, Csn, MasterKey, Role};
use tegata_card::link::InProcess;
use tegata_card::receipt::{Punch, Punched, Receipt, Transaction};
use tegata_card::session::{self, Opening, Order, Reply, Said, Session};
use tegata_card::vpcd::{self as driver, Stopped};

const CSN: Csn = Csn::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
const TRANSPORT: [u8; 32] = [0x77; 32];
const LIMITS: Limits = Limits {
    currency: *b"JPY",
    balance: 20_000,
    debit: 5_000,
    offline: 3_000,
};
/// Where the memory keeps whatever has a worth: state and limits, keys, purse, log, tickets. Only the
/// count of sessions stands before it, which failed attempts move.
const WORTH: usize = 4;

/// A card's memory that never fails and never waits.
#[derive(Clone, Debug)]
struct Memory(Vec<Page>);

impl Hardware for Memory {
    fn read(&mut self, page: usize) -> Result<Page, PowerCut> {
        Ok(self.0[page])
    }

    fn write(&mut self, page: usize, contents: &Page) -> Result<(), PowerCut> {
        self.0[page] = *contents;
        Ok(())
    }

    fn pause(&mut self, _: u16) {}
}

type Card = Applet<Memory>;

static BLANK: LazyLock<Memory> = LazyLock::new(|| {
    let mut memory = Memory(vec![[0; PAGE]; PAGES]);
    program::manufacture(&mut memory, *CSN.as_bytes(), TRANSPORT).expect("it has power");
    memory
});

/// A card in use, with 10,000 and a ticket on it.
static LOADED: LazyLock<Memory> = LazyLock::new(|| {
    let mut card = Applet::new(BLANK.clone());
    let mut made = open(&mut card, Role::Transport).expect("a blank card");
    for role in [Role::Debit, Role::Admin, Role::Receipt] {
        made = done(&mut card, made, &Order::PutKey(key(role))).0;
    }
    done(&mut card, made, &Order::Limits(Operation::Activate, LIMITS));
    let admin = open(&mut card, Role::Admin).expect("a card in use");
    let load = transaction(1, 1, 10_000);
    let (admin, _) = done(&mut card, admin, &Order::Load(load));
    let (mut admin, _) = done(&mut card, admin, &Order::Confirm(load.id));
    for part in [0, 1] {
        let ticket = vec![0x71; 130];
        let put = Order::PutTicket {
            slot: 2,
            part,
            ticket,
        };
        admin = done(&mut card, admin, &put).0;
    }
    card.hardware().clone()
});

fn key(role: Role) -> CardKey {
    let byte = match role {
        Role::Transport => return CardKey::transport(TRANSPORT),
        Role::Debit => 1,
        Role::Admin => 2,
        Role::Receipt => 3,
    };
    let master = MasterKey::new(role, [byte; 32]);
    master.card_key(CSN, 1).expect("a first version")
}

fn transaction(id: u8, counter: u32, amount: u32) -> Transaction {
    Transaction {
        id: [id; 16],
        amount,
        counter,
        bill: [id ^ 0xff; 32],
        terminal: *b"desk-001",
        time: 1_800_000_000,
    }
}

fn open(card: &mut Card, role: Role) -> Option<Session> {
    transmit(card, &session::select());
    let (opening, bytes) = Opening::new(&key(role), CSN, [0x5a; 16]);
    let (session, bytes) = opening.answer(&transmit(card, &bytes)).ok()?;
    (transmit(card, &bytes) == Status::OK.wire()).then_some(session)
}

/// Whatever a card is sent, it answers, and in the short form.
fn transmit(card: &mut Card, command: &[u8]) -> Vec<u8> {
    let answer = card.transmit(command).expect("it has power");
    assert!((2..=258).contains(&answer.len()), "{} bytes", answer.len());
    answer
}

fn order(card: &mut Card, mut session: Session, wanted: &Order) -> Option<(Session, Said)> {
    let bytes = session.order(wanted).ok()?;
    session.answer(&transmit(card, &bytes)).ok()
}

fn done(card: &mut Card, session: Session, wanted: &Order) -> (Session, Reply) {
    match order(card, session, wanted) {
        Some((session, Said::Done(reply))) => (session, reply),
        other => panic!("{wanted:?} was answered {other:?}"),
    }
}

/// What is on a card; `None` if it's over or can't be read.
fn balance(card: &mut Card) -> Option<u32> {
    let session = open(card, Role::Debit)?;
    match order(card, session, &Order::ReadPurse)?.1 {
        Said::Done(Reply::Purse(purse)) => Some(purse.balance),
        Said::Done(_) | Said::Refused(_) | Said::AlreadyPunched(_) => None,
    }
}

/// The pieces of an input.
fn pieces(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first()?;
        let (piece, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        rest = behind;
        Some(piece)
    })
}

/// Commands to a card, in the clear or, which the first byte says, in a session of some role: there,
/// whatever a key's holder could say. Without a key nothing of worth changes; the debit key puts nothing
/// on, the admin key takes nothing off.
pub fn applet(bytes: &[u8]) {
    let Some((mode, commands)) = bytes.split_first() else {
        return;
    };
    let role = match mode % 4 {
        0 => None,
        1 => Some(Role::Debit),
        2 => Some(Role::Admin),
        _ => Some(Role::Transport),
    };
    let memory = if role == Some(Role::Transport) {
        &BLANK
    } else {
        &LOADED
    };
    let mut card = Applet::new(Memory::clone(memory));
    let Some(role) = role else {
        for command in pieces(commands) {
            transmit(&mut card, command);
        }
        assert!(
            card.hardware().0[WORTH..] == memory.0[WORTH..],
            "changed without a key"
        );
        return;
    };
    let mut session = open(&mut card, role).expect("our own card");
    for piece in pieces(commands) {
        let [ins, p1, p2, data @ ..] = piece else {
            continue;
        };
        if *ins == 0xff {
            // Outside of the session, as VIEW is.
            transmit(&mut card, data);
            continue;
        }
        let command = Command::new(0x80, *ins, *p1, *p2, data);
        if let Some(bytes) = session.wrap(&command) {
            transmit(&mut card, &bytes);
        }
    }
    if let Some(after) = balance(&mut card) {
        match role {
            Role::Debit => assert!(after <= 10_000, "the debit key put something on"),
            Role::Admin => assert!(after >= 10_000, "the admin key took something off"),
            Role::Transport | Role::Receipt => {}
        }
    }
}

/// A card's answers, and all that stands in them. Nothing that wasn't made under the session's keys is
/// believed.
pub fn card_answers(bytes: &[u8]) {
    if let Ok(command) = Command::parse(bytes) {
        let again = command.to_bytes().expect("a short command");
        assert_eq!(Command::parse(&again), Ok(command));
    }
    if let Some((data, status)) = split_answer(bytes) {
        assert_eq!([data, &status.wire()].concat(), bytes);
    }
    if let Some(selected) = session::selected(bytes) {
        assert_eq!([selected.to_bytes(), vec![0x90, 0]].concat(), bytes);
    }
    if let Some(selected) = Selected::parse(bytes) {
        assert_eq!(selected.to_bytes(), bytes);
    }
    if let Some(view) = View::parse(bytes) {
        assert_eq!(view.command()[5..45], *bytes);
    }
    if let Some(purse) = Purse::parse(bytes) {
        assert_eq!(purse.to_bytes(), bytes);
    }
    if let Some(receipt) = Receipt::parse(bytes) {
        assert_eq!(receipt.to_bytes(), bytes);
    }
    if let Some(punched) = Punched::parse(bytes) {
        assert_eq!(punched.to_bytes(), bytes);
    }
    let (opening, _) = Opening::new(&key(Role::Debit), CSN, [0x33; 16]);
    assert!(opening.answer(bytes).is_err(), "a card without the key");
    let mut card = Applet::new(LOADED.clone());
    let mut session = open(&mut card, Role::Debit).expect("our own card");
    session.order(&Order::ReadPurse).expect("a first order");
    assert!(session.answer(bytes).is_err(), "an answer without the key");
}

/// A card's memory whose pages hold what they shouldn't, under good check sums: each piece is a page's
/// number, whether it's written as it stands, a generation, and what it holds. The card answers, and its
/// other end comes to an end.
pub fn card_memory(bytes: &[u8]) {
    let mut memory = LOADED.clone();
    for piece in pieces(bytes) {
        let [page, raw, generation, contents @ ..] = piece else {
            continue;
        };
        let page = usize::from(*page) % PAGES;
        memory.0[page] = if *raw == 0xff {
            padded(contents)
        } else {
            record(page, u32::from(*generation) + 1, contents)
        };
    }
    let mut card = Applet::new(memory);
    let ticket = vec![0x72; 130];
    let slot = 2;
    let punch = Punch {
        id: [5; 16],
        terminal: *b"gate-001",
        time: 1_800_000_000,
    };
    let spent = transaction(9, 2, 700);
    let of_debit = [
        Order::ReadPurse,
        Order::ReadLog(0),
        Order::ReadLog(31),
        Order::Debit(spent),
        Order::Confirm([9; 16]),
        Order::ReadTicket { slot, part: 0 },
        Order::ReadTicket { slot, part: 1 },
        Order::PunchTicket { slot, punch },
    ];
    let of_admin = [
        Order::Load(transaction(7, 2, 50)),
        Order::Refund(transaction(8, 3, 50)),
        Order::Void {
            id: [6; 16],
            counter: 3,
        },
        Order::PutTicket {
            slot,
            part: 0,
            ticket: ticket.clone(),
        },
        Order::PutTicket {
            slot,
            part: 1,
            ticket,
        },
        Order::Limits(Operation::Limits, LIMITS),
        Order::State(Operation::Block),
        Order::State(Operation::Unblock),
        Order::State(Operation::Terminate),
    ];
    for (role, orders) in [(Role::Debit, &of_debit[..]), (Role::Admin, &of_admin)] {
        let Some(mut session) = open(&mut card, role) else {
            continue;
        };
        let view = View {
            amount: 700,
            counter: 2,
            bill: spent.bill,
        };
        transmit(&mut card, &view.command());
        for wanted in orders {
            match order(&mut card, session, wanted) {
                Some((next, _)) => session = next,
                None => break,
            }
        }
    }
}

fn padded(contents: &[u8]) -> Page {
    let mut page = [0; PAGE];
    page[..contents.len()].copy_from_slice(contents);
    page
}

/// A page as the card writes it: generation, length, contents, and a CRC-32 over the page's number and
/// all that.
fn record(page: usize, generation: u32, contents: &[u8]) -> Page {
    let length = u16::try_from(contents.len()).expect("a piece is short");
    let written = [
        &generation.to_be_bytes(),
        &length.to_be_bytes()[..],
        contents,
    ]
    .concat();
    let number = u16::try_from(page).expect("few pages").to_be_bytes();
    let mut sum = u32::MAX;
    for byte in number.iter().chain(&written) {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(sum & 1));
        }
    }
    padded(&[written.as_slice(), &(!sum).to_be_bytes()].concat())
}

/// Frames between a host and the process that has its reader, read from either side; and that process
/// with such a host.
pub fn helper(bytes: &[u8]) {
    let mut stream = bytes;
    loop {
        let before = stream;
        let Ok(Some(read)) = frame::read(&mut stream) else {
            break;
        };
        let whole = &before[..before.len() - stream.len()];
        assert!(whole.len() <= 3 + usize::from(FRAME_LIMIT));
        check_frame(read, whole);
    }
    let mut said = Vec::new();
    let mut link = InProcess(Applet::new(LOADED.clone()));
    // A host that says what makes no sense is left.
    drop(reader::serve(
        &mut &*bytes,
        &mut said,
        &mut link,
        "a reader",
    ));
    let mut said = said.as_slice();
    while frame::read(&mut said).expect("our own frames").is_some() {}
}

/// What a frame is written as again is what came; words may have lost what a terminal obeys.
fn check_frame(read: frame::Frame, whole: &[u8]) {
    use frame::{Frame, kind};
    let (kind, payload) = match &read {
        Frame::Reset => (kind::RESET, &[][..]),
        Frame::Apdu(bytes) => (kind::APDU, bytes.as_slice()),
        Frame::Answer(bytes) => (kind::ANSWER, bytes.as_slice()),
        Frame::Gone => (kind::GONE, &[][..]),
        Frame::Changed => (kind::CHANGED, &[][..]),
        Frame::Hello(_, words) | Frame::Unusable(words) => {
            assert!(!words.chars().any(char::is_control), "{words:?}");
            return;
        }
    };
    let mut again = Vec::new();
    frame::write(&mut again, kind, payload).expect("it was read");
    assert_eq!(again, whole);
}

/// What a reader's driver says to a card of software, and what it's answered.
pub fn vpcd(bytes: &[u8]) {
    let mut stream = Duplex {
        heard: bytes,
        said: Vec::new(),
    };
    let mut card = Applet::new(LOADED.clone());
    let stopped = driver::answer(&mut stream, &mut card);
    assert!(matches!(stopped, Stopped::Stream(_)), "{stopped:?}");
    let mut said = stream.said.as_slice();
    while let Some((length, rest)) = said.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        assert!((2..=258).contains(&length), "an answer of {length} bytes");
        said = rest.get(length..).expect("a whole answer");
    }
    assert!(said.is_empty());
}

struct Duplex<'a> {
    heard: &'a [u8],
    said: Vec<u8>,
}

impl Read for Duplex<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.heard.read(buffer)
    }
}

impl Write for Duplex<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.said.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
