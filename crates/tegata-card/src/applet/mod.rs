//! The program on the card: a state machine over a memory of pages. It has no clock, no chance and
//! no private key; all it knows of the world is what comes through the reader.
//!
//! [`Applet::transmit`](crate::chip::Chip::transmit) takes a command through `select.rs` (whatever
//! anybody may send) or, inside a session, through `session.rs` to `purse.rs`, `tickets.rs` or
//! `admin.rs`. Each command's effect is one page write; what comes before it counts for nothing by
//! itself, and what comes after it (dead keys are erased) is made good by the next SELECT. Source: JP 2000-142307 (K4-K8), and spec/cards.md.

mod admin;
mod memory;
mod purse;
mod select;
mod session;
mod tickets;

pub use memory::PAGES;

use crate::apdu::{Command, Status};
use crate::bytes::{Reader, Writer};
use crate::chip::{Chip, Hardware, PowerCut};
use crate::command::{Limits, State, View, ins};
use crate::keys::{CardKey, Csn, KeyVersion, Role};
use crate::scp03::{CardChannel, Handshake};
use memory::{Memory, Pair};

/// Why a command ends without success.
#[derive(Debug)]
enum Stop {
    /// With this status.
    Refuse(Status),
    /// Without an answer.
    Power,
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Refuse(status)
    }
}

impl From<PowerCut> for Stop {
    fn from(PowerCut: PowerCut) -> Self {
        Self::Power
    }
}

/// An answer's data and status.
type Answer = (Vec<u8>, Status);

/// What is in RAM, and gone with the power.
#[derive(Debug, Default)]
enum Volatile {
    /// The application isn't selected.
    #[default]
    Idle,
    /// It is.
    Selected,
    /// INITIALIZE UPDATE was answered.
    Challenged(Box<Handshake>, KeyVersion),
    /// A session is open.
    Open(Box<Session>),
}

/// A session that somebody with a key opened.
#[derive(Debug)]
struct Session {
    channel: CardChannel,
    version: KeyVersion,
    view: Option<View>,
    /// A ticket whose first part came.
    ticket: Option<tickets::Part>,
}

/// The card's program, on some hardware.
#[derive(Debug)]
pub struct Applet<H> {
    memory: Memory<H>,
    volatile: Volatile,
}

impl<H: Hardware> Applet<H> {
    /// The program on `hardware`, whose memory [`manufacture`] has prepared.
    pub const fn new(hardware: H) -> Self {
        Self {
            memory: Memory(hardware),
            volatile: Volatile::Idle,
        }
    }

    /// What it runs on.
    pub const fn hardware(&mut self) -> &mut H {
        &mut self.memory.0
    }

    fn command(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Stop> {
        let command = Command::parse(bytes)?;
        match [command.cla, command.ins] {
            [0x00, ins::SELECT] => self.select(&command),
            [0x80, ins::INITIALIZE_UPDATE] => self.initialize_update(&command),
            [0x84, ins::EXTERNAL_AUTHENTICATE] => self.external_authenticate(&command),
            [0x80, ins::VIEW] => self.view(&command),
            [0x84, _] => return self.in_session(&command),
            [0x00 | 0x80, _] => Err(Status::NO_INSTRUCTION.into()),
            _ => Err(Status::NO_CLASS.into()),
        }
        .map(|mut data| {
            data.extend_from_slice(&Status::OK.wire());
            data
        })
    }

    /// The card's number. A memory without one was never prepared.
    fn csn(&mut self) -> Result<Csn, Stop> {
        let (_, bytes) = self
            .memory
            .read(memory::NUMBER)?
            .ok_or(Status::MEMORY_FAILURE)?;
        let bytes = <[u8; 10]>::try_from(bytes.as_slice())
            .ok()
            .ok_or(Status::MEMORY_FAILURE)?;
        Ok(Csn::new(bytes))
    }

    fn life(&mut self) -> Result<Life, Stop> {
        self.stored(memory::LIFE, Life::parse)
    }

    /// A record that must be there, or the memory is damaged.
    fn stored<T>(&mut self, pair: Pair, parse: fn(&[u8]) -> Option<T>) -> Result<T, Stop> {
        let bytes = self.memory.load(pair)?.ok_or(Status::MEMORY_FAILURE)?;
        let value = parse(&bytes);
        Ok(value.ok_or(Status::MEMORY_FAILURE)?)
    }

    fn keys(&mut self, role: Role) -> Result<KeySlot, Stop> {
        let pair = match role {
            Role::Transport => {
                let found = self.memory.read(memory::TRANSPORT)?;
                let (_, bytes) = found.ok_or(Status::NO_KEY)?;
                return Ok(KeySlot::parse(&bytes).ok_or(Status::MEMORY_FAILURE)?);
            }
            Role::Debit => memory::DEBIT_KEY,
            Role::Admin => memory::ADMIN_KEY,
            Role::Receipt => memory::RECEIPT_KEY,
        };
        let bytes = self.memory.load(pair)?.ok_or(Status::NO_KEY)?;
        Ok(KeySlot::parse(&bytes).ok_or(Status::MEMORY_FAILURE)?)
    }
}

impl<H: Hardware> Chip for Applet<H> {
    fn power_on(&mut self) {
        self.volatile = Volatile::Idle;
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PowerCut> {
        match self.command(command) {
            Ok(answer) => Ok(answer),
            Err(Stop::Refuse(status)) => Ok(status.wire().to_vec()),
            Err(Stop::Power) => {
                self.volatile = Volatile::Idle;
                Err(PowerCut)
            }
        }
    }
}

/// Prepares a memory as a manufacturer does: the card's number, and the key under which it's
/// delivered. Whatever lay there before is gone.
///
/// # Errors
/// [`PowerCut`]: begin again.
pub fn manufacture<H: Hardware>(
    hardware: &mut H,
    csn: [u8; 10],
    transport_key: [u8; 32],
) -> Result<(), PowerCut> {
    let mut memory = Memory(Borrowed(hardware));
    for page in 0..PAGES {
        memory.erase(page)?;
    }
    let key = KeySlot::only(CardKey::transport(transport_key));
    let prepared = memory
        .store(memory::SEQUENCE, &Sequence::default().to_bytes())
        .and_then(|()| memory.store(memory::LIFE, &Life::BLANK.to_bytes()))
        .and_then(|()| memory.store(memory::PURSE, &purse::Stored::EMPTY.to_bytes()))
        .and_then(|()| memory.write(memory::TRANSPORT, 1, &key.to_bytes()))
        .and_then(|()| memory.write(memory::NUMBER, 1, &csn));
    prepared.or(Err(PowerCut))
}

/// Somebody else's hardware.
struct Borrowed<'h, H>(&'h mut H);

impl<H: Hardware> Hardware for Borrowed<'_, H> {
    fn read(&mut self, page: usize) -> Result<crate::chip::Page, PowerCut> {
        self.0.read(page)
    }

    fn write(&mut self, page: usize, contents: &crate::chip::Page) -> Result<(), PowerCut> {
        self.0.write(page, contents)
    }

    fn pause(&mut self, milliseconds: u16) {
        self.0.pause(milliseconds);
    }
}

/// How often sessions were opened, and how often in a row that failed.
#[derive(Clone, Copy, Default, Debug)]
struct Sequence {
    opened: u32,
    failures: u8,
}

impl Sequence {
    /// SEQ has 24 bits.
    const LAST: u32 = 0x00ff_ffff;

    fn to_bytes(self) -> Vec<u8> {
        Writer::new().u32(self.opened).u8(self.failures).into_vec()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let sequence = Self {
            opened: reader.u32()?,
            failures: reader.u8()?,
        };
        reader.end()?;
        (sequence.opened <= Self::LAST).then_some(sequence)
    }

    /// The three bytes on the wire.
    const fn wire(self) -> [u8; 3] {
        let [_, a, b, c] = self.opened.to_be_bytes();
        [a, b, c]
    }
}

/// The card's state and limits.
#[derive(Clone, Copy, Debug)]
struct Life {
    state: State,
    limits: Limits,
}

impl Life {
    const BLANK: Self = Self {
        state: State::Blank,
        limits: Limits {
            currency: *b"XXX",
            balance: 0,
            debit: 0,
            offline: 0,
        },
    };

    fn to_bytes(self) -> Vec<u8> {
        let writer = Writer::new().u8(self.state.wire());
        self.limits.write(writer).into_vec()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let life = Self {
            state: State::from_wire(reader.u8()?)?,
            limits: Limits::read(&mut reader)?,
        };
        reader.end()?;
        Some(life)
    }
}

/// A role's key, and the one before it until the new one has opened a session.
#[derive(Debug)]
struct KeySlot {
    current: CardKey,
    previous: Option<CardKey>,
}

impl KeySlot {
    const fn only(current: CardKey) -> Self {
        Self {
            current,
            previous: None,
        }
    }

    fn into_version(self, version: KeyVersion) -> Option<CardKey> {
        let previous = self.previous.into_iter();
        let mut keys = std::iter::once(self.current).chain(previous);
        keys.find(|key| key.version() == version)
    }

    fn to_bytes(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let write =
            |writer: Writer, key: &CardKey| writer.u8(key.version().wire()).put(key.bytes());
        let mut writer = write(Writer::new(), &self.current);
        if let Some(previous) = &self.previous {
            writer = write(writer, previous);
        }
        zeroize::Zeroizing::new(writer.into_vec())
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut key = || {
            let version = KeyVersion::from_wire(reader.u8()?)?;
            Some(CardKey::from_parts(version, reader.array()?))
        };
        let current = key()?;
        let previous = key();
        reader.end()?;
        Some(Self { current, previous })
    }
}
