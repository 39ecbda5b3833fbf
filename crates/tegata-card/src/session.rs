//! The other end: who holds a card's key orders something and believes only what the card answers
//! under a MAC. Whatever carries the bytes in between (a PC, a gate, a network) can delay or lose
//! them, and nothing else.
//!
//! ```text
//! Opening::new ──▶ bytes for the card ──▶ answer ──▶ Opening::answer ──▶ Session + bytes
//! Session::order ──▶ bytes ──▶ answer ──▶ Session::answer ──▶ Said::Done | Said::Refused
//!                                                         └──▶ InDoubt: this session is over
//! ```
//! [`InDoubt`] consumes the session: only a new one can find out what happened. Once the card has
//! *answered under a MAC* in the new one, its SEQ has moved on, and nothing of the old one can still be
//! carried out; before that nothing is certain, since whoever carries the bytes can forge the bare
//! answer to EXTERNAL AUTHENTICATE and play the old session later. So read the purse first.

use zeroize::Zeroizing;

use crate::apdu::{Command, Status, split_answer};
use crate::bytes::{Reader, Writer};
use crate::command::{AID, Limits, Operation, Purse, Selected, TICKET_LIMIT, TICKET_PART, ins};
use crate::crypto;
use crate::keys::{CardKey, Csn, KeyVersion, StaticKeys};
use crate::receipt::{Punch, Punched, Receipt, Transaction};
use crate::scp03::{self, Challenge, HostChannel, InDoubt, PROTOCOL};

/// The SELECT command.
#[must_use]
pub fn select() -> Vec<u8> {
    let command = Command::new(0x00, ins::SELECT, 0x04, 0x00, &AID);
    command.to_bytes().unwrap_or_default()
}

/// What SELECT was answered; `None` if that isn't one of our cards.
#[must_use]
pub fn selected(answer: &[u8]) -> Option<Selected> {
    match split_answer(answer)? {
        (data, Status::OK) => Selected::parse(data),
        _ => None,
    }
}

/// What is ordered of a card.
#[derive(Debug)]
pub enum Order {
    /// Read the purse.
    ReadPurse,
    /// Read the receipt of the transaction that many before the last.
    ReadLog(u8),
    /// Take off.
    Debit(Transaction),
    /// Put on.
    Load(Transaction),
    /// Put on again, of a debit before.
    Refund(Transaction),
    /// The receipt of the transaction of this id has arrived.
    Confirm([u8; 16]),
    /// Use up this counter under this id, so that nothing else can be done with it.
    Void {
        /// The order's id that must do nothing any more.
        id: [u8; 16],
        /// The counter.
        counter: u32,
    },
    /// Put the first or second part of a ticket.
    PutTicket {
        /// Which slot.
        slot: u8,
        /// 0 or 1.
        part: u8,
        /// The whole ticket.
        ticket: Vec<u8>,
    },
    /// Read a part of a ticket.
    ReadTicket {
        /// Which slot.
        slot: u8,
        /// 0 or 1.
        part: u8,
    },
    /// Punch the ticket in that slot.
    PunchTicket {
        /// Which slot.
        slot: u8,
        /// The punch.
        punch: Punch,
    },
    /// Put a new key.
    PutKey(CardKey),
    /// Activate, or set limits.
    Limits(Operation, Limits),
    /// Block, unblock or terminate.
    State(Operation),
}

/// What a card said under its MAC.
#[derive(Debug)]
pub enum Reply {
    /// The purse.
    Purse(Purse),
    /// A receipt of the order's id. Its own MAC, under a key that this session doesn't know, nobody has
    /// checked yet; and it may be of what was done under that id before, a void for example: compare
    /// kind and transaction with what was ordered.
    Receipt(Receipt),
    /// A part of a ticket.
    Ticket {
        /// Bytes of the whole, and was it punched: with part 0 only.
        head: Option<(u8, bool)>,
        /// The part.
        bytes: Vec<u8>,
    },
    /// The ticket is punched.
    Punched(Punched),
    /// Done.
    Done,
}

/// A card's authentic answer.
#[derive(Debug)]
pub enum Said {
    /// As ordered.
    Done(Reply),
    /// Not done, and nothing changed.
    Refused(Status),
    /// The ticket was punched before, like this.
    AlreadyPunched(Punched),
}

/// A session that is being opened.
pub struct Opening {
    csn: Csn,
    version: KeyVersion,
    keys: StaticKeys,
    challenge: Challenge,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opening({}, {:?}, …)", self.csn, self.version)
    }
}

/// Why no session was opened. Nothing has changed on the card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotOpened {
    /// The card has no such key, or may not use it now. Anybody on the way may have said so.
    #[error("the card opens no session under this key: status {0}")]
    Refused(Status),
    /// It isn't an answer of this protocol.
    #[error("what answered speaks another protocol")]
    NotOurs,
    /// Another card answered.
    #[error("another card answered: {0}")]
    OtherCard(Csn),
    /// It doesn't know the key, or somebody altered its answer.
    #[error("the card doesn't prove that it's the one it says")]
    NotProven,
}

impl Opening {
    /// Begins, with a random challenge that was never used before. The bytes go to the card.
    #[must_use]
    pub fn new(key: &CardKey, csn: Csn, challenge: Challenge) -> (Self, Vec<u8>) {
        let version = key.version();
        let command = Command::new(0x80, ins::INITIALIZE_UPDATE, version.wire(), 0, &challenge);
        let keys = key.static_keys();
        let opening = Self {
            csn,
            version,
            keys,
            challenge,
        };
        (opening, command.to_bytes().unwrap_or_default())
    }

    /// Is it the card? Then the session, and EXTERNAL AUTHENTICATE for the card.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn answer(self, answer: &[u8]) -> Result<(Session, Vec<u8>), NotOpened> {
        let (data, status) = split_answer(answer).ok_or(NotOpened::NotOurs)?;
        if status != Status::OK {
            return Err(NotOpened::Refused(status));
        }
        let shaken = self.shake(data).ok_or(NotOpened::NotOurs)?;
        if shaken.csn != self.csn {
            return Err(NotOpened::OtherCard(shaken.csn));
        }
        // The pseudo-random challenge authenticates the counter: an old one would be noticed here.
        let expected = scp03::card_challenge(&self.keys, shaken.sequence, &AID);
        if !crypto::same(&expected, &shaken.challenge) {
            return Err(NotOpened::NotProven);
        }
        let [high, middle, low] = shaken.sequence;
        let handshake = scp03::Handshake::new(&self.keys, &self.challenge, &shaken.challenge);
        let proven = handshake.into_host(&shaken.cryptogram);
        let (command, channel) = proven.ok_or(NotOpened::NotProven)?;
        let session = Session {
            channel,
            csn: self.csn,
            keys: self.keys,
            version: self.version,
            sequence: u32::from_be_bytes([0, high, middle, low]),
            proven: false,
            pending: None,
        };
        Ok((session, command.to_bytes().unwrap_or_default()))
    }

    fn shake(&self, data: &[u8]) -> Option<Shaken> {
        let mut reader = Reader::new(data);
        let csn = Csn::new(reader.array()?);
        let version = reader.u8()?;
        let protocol = reader.array()?;
        let shaken = Shaken {
            csn,
            challenge: reader.array()?,
            cryptogram: reader.array()?,
            sequence: reader.array()?,
        };
        reader.end()?;
        (version == self.version.wire() && protocol == PROTOCOL).then_some(shaken)
    }
}

/// INITIALIZE UPDATE's answer.
struct Shaken {
    csn: Csn,
    challenge: Challenge,
    cryptogram: [u8; 16],
    sequence: [u8; 3],
}

/// What the pending order's answer is read as.
#[derive(Clone, Copy, Debug)]
enum Pending {
    Purse,
    Receipt(Option<[u8; 16]>),
    Ticket(u8),
    Punched(u8),
    Done,
}

/// An open session with a card.
pub struct Session {
    channel: HostChannel,
    csn: Csn,
    keys: StaticKeys,
    version: KeyVersion,
    sequence: u32,
    proven: bool,
    pending: Option<Pending>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, {:?}, …)", self.csn, self.version)
    }
}

/// The order can't be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unsendable {
    /// The one before it has no answer yet.
    #[error("the card hasn't answered the order before")]
    Pending,
    /// Its data are too long, or its parameters can't be.
    #[error("the order can't be put into a command")]
    NotACommand,
}

impl Session {
    /// Which card.
    #[must_use]
    pub const fn csn(&self) -> Csn {
        self.csn
    }

    /// How many sessions the card had opened before this one; `None` until it has answered an order.
    /// Each number is higher than the one before: one that was seen before is an old state that was
    /// put back, or a copy.
    #[must_use]
    pub fn sequence(&self) -> Option<u32> {
        self.proven.then_some(self.sequence)
    }

    /// The same, before the card has answered an order. It's authentic and fresh as far as the card's
    /// cryptogram goes; good enough to be careful by, not to accuse a card by.
    #[must_use]
    pub const fn claimed_sequence(&self) -> u32 {
        self.sequence
    }

    /// Under which key.
    #[must_use]
    pub const fn version(&self) -> KeyVersion {
        self.version
    }

    /// The order as bytes for the card.
    ///
    /// # Errors
    /// [`Unsendable`].
    pub fn order(&mut self, order: &Order) -> Result<Vec<u8>, Unsendable> {
        if self.pending.is_some() {
            return Err(Unsendable::Pending);
        }
        let (command, pending) = self.command(order).ok_or(Unsendable::NotACommand)?;
        let wrapped = self.channel.wrap(&command);
        let wrapped = wrapped.ok_or(Unsendable::NotACommand)?;
        self.pending = Some(pending);
        Ok(wrapped)
    }

    /// Any command under the session's protection, whether or not an order of ours is written so: what
    /// a key's holder could say to a card. Its answer can't be read here. `None` if it can't be sent.
    #[must_use]
    pub fn wrap(&mut self, command: &Command) -> Option<Vec<u8>> {
        self.channel.wrap(command)
    }

    fn command(&self, order: &Order) -> Option<(Command, Pending)> {
        let command = |ins, p1, p2, data: &[u8]| Command::new(0x80, ins, p1, p2, data);
        let money = |ins, p1, order: &Transaction| {
            let pending = Pending::Receipt(Some(order.id));
            (command(ins, p1, 0, &order.to_bytes()), pending)
        };
        Some(match order {
            Order::ReadPurse => (command(ins::READ_PURSE, 0, 0, &[]), Pending::Purse),
            Order::ReadLog(back) => (
                command(ins::READ_LOG, *back, 0, &[]),
                Pending::Receipt(None),
            ),
            Order::Debit(order) => money(ins::DEBIT, 0, order),
            Order::Load(order) => money(ins::LOAD, 0, order),
            Order::Refund(order) => money(ins::LOAD, 1, order),
            Order::Confirm(id) => (command(ins::CONFIRM, 0, 0, id), Pending::Done),
            Order::Void { id, counter } => {
                let data = Writer::new().put(id).u32(*counter);
                let pending = Pending::Receipt(Some(*id));
                (command(ins::VOID, 0, 0, data.bytes()), pending)
            }
            Order::PutTicket { slot, part, ticket } => {
                let data = ticket_part(*part, ticket)?;
                (command(ins::PUT_TICKET, *slot, *part, &data), Pending::Done)
            }
            Order::ReadTicket { slot, part } => (
                command(ins::READ_TICKET, *slot, *part, &[]),
                Pending::Ticket(*part),
            ),
            Order::PunchTicket { slot, punch } => (
                command(ins::PUNCH_TICKET, *slot, 0, &punch.to_bytes()),
                Pending::Punched(*slot),
            ),
            Order::PutKey(key) => {
                let data = scp03::wrap_key(&self.keys, key);
                let version = key.version().wire();
                (command(ins::PUT_KEY, version, 0, &data), Pending::Done)
            }
            Order::Limits(operation, limits) => {
                let data = limits.write(Writer::new());
                let command = command(ins::STATUS, operation.wire(), 0, data.bytes());
                (command, Pending::Done)
            }
            Order::State(operation) => (
                command(ins::STATUS, operation.wire(), 0, &[]),
                Pending::Done,
            ),
        })
    }

    /// What the card answered to the order before.
    ///
    /// # Errors
    /// [`InDoubt`]: not authentic. The session is over.
    pub fn answer(mut self, answer: &[u8]) -> Result<(Self, Said), InDoubt> {
        let pending = self.pending.take().ok_or(InDoubt(None))?;
        let (data, status) = self.channel.unwrap(answer)?;
        self.proven = true;
        let said = self.read(pending, &data, status);
        let said = said.ok_or(InDoubt(Some(status)))?;
        Ok((self, said))
    }

    fn read(&self, pending: Pending, data: &Zeroizing<Vec<u8>>, status: Status) -> Option<Said> {
        if let (Status::PUNCHED, Pending::Punched(slot)) = (status, pending) {
            let before = Punched::parse(data).filter(|before| before.slot == slot);
            return before.map(Said::AlreadyPunched);
        }
        if status != Status::OK {
            return Some(Said::Refused(status));
        }
        Some(Said::Done(match pending {
            Pending::Purse => Reply::Purse(Purse::parse(data)?),
            Pending::Receipt(expected) => {
                let receipt = Receipt::parse(data)?;
                let id = expected.is_none_or(|id| id == receipt.transaction.id);
                (id && receipt.csn == self.csn).then_some(Reply::Receipt(receipt))?
            }
            Pending::Ticket(part) => {
                let mut reader = Reader::new(data);
                let head = match part {
                    0 => Some((reader.u8()?, reader.flag()?)),
                    _ => None,
                };
                let bytes = reader.rest().to_vec();
                Reply::Ticket { head, bytes }
            }
            Pending::Punched(slot) => {
                let punched = Punched::parse(data)?;
                (punched.slot == slot).then_some(Reply::Punched(punched))?
            }
            Pending::Done => data.is_empty().then_some(Reply::Done)?,
        }))
    }
}

/// A ticket's part as it travels.
fn ticket_part(part: u8, ticket: &[u8]) -> Option<Vec<u8>> {
    if ticket.len() > TICKET_LIMIT {
        return None;
    }
    let (first, rest) = ticket.split_at_checked(ticket.len().min(TICKET_PART))?;
    match part {
        0 => {
            let length = u8::try_from(ticket.len()).ok()?;
            Some(Writer::new().u8(length).put(first).into_vec())
        }
        1 if !rest.is_empty() => Some(rest.to_vec()),
        _ => None,
    }
}
