//! Admitting a serial once, and proving it afterwards.
//!
//! A use of a ticket passes three stations: the [`Roll`] decides, in memory, whether the serial was
//! used before and signs the next entry of the log; the [`Store`] makes a batch of entries durable
//! in one transaction; only then does the [`Committer`] answer. There is one committer, so two
//! scans of one ticket are decided one after the other, however many threads check tickets.
//!
//! What a crash leaves behind: either the entry is in the log (then the ticket is used, even if
//! nobody was told), or it isn't (then nobody was told "admitted"). Never admitted without entry.

use tegata_card::receipt::Punch;
use tegata_protocol::{
    Digest, SignedBytes, Time,
    ticket::{CardUse, Serial},
};

use crate::event::EventId;

pub(crate) use committer::{Answer, Committer};
pub use roll::{Outcome, Roll};
pub use store::{Batch, Head, Store, StoreError};

mod committer;
mod roll;
mod store;

/// Two scans of one presentation within this time are one: a hand scanner reads twice.
pub const RESCAN_MILLIS: u64 = 2000;

/// Names a ticket: its serial within its event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TicketId {
    /// The event.
    pub event: EventId,
    /// The serial.
    pub serial: Serial,
}

/// A genuine ticket, shown by its holder: to be admitted if it wasn't before.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Which ticket.
    pub ticket: TicketId,
    /// SHA-256 of the signed presentation.
    pub presentation: Digest,
    /// The signed presentation.
    pub evidence: SignedBytes,
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
}

/// A genuine ticket on a card, which was punched: to be admitted if it wasn't before.
#[derive(Clone, Debug)]
pub struct ShownByCard {
    /// Which ticket.
    pub ticket: TicketId,
    /// What the log keeps of it.
    pub used: CardUse,
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
}

/// The one punch that this gate orders for a ticket, written down before a card hears of it: a card that
/// left in between is punched with the same again, and answers as if it had stayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ordered {
    /// Which ticket.
    pub ticket: TicketId,
    /// The punch.
    pub punch: Punch,
}

/// What is known of a ticket before its card is punched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    /// It came in here.
    Used(Earlier),
    /// This punch is written down, now or at an earlier tap.
    Ordered(Punch),
    /// Nothing, and nothing was proposed.
    Nothing,
}

/// One row of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its place in the chain, from 1.
    pub row: u64,
    /// Which ticket.
    pub ticket: TicketId,
    /// SHA-256 of the evidence.
    pub presentation: Digest,
    /// When.
    pub at: Time,
    /// The signed presentation, or what was kept of a card, signed by the gate.
    pub evidence: SignedBytes,
    /// The gate's signed [`tegata_protocol::ticket::Admission`].
    pub record: SignedBytes,
}

/// The first use of a ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Earlier {
    /// The log's row.
    pub row: u64,
    /// SHA-256 of the presentation that was admitted.
    pub presentation: Digest,
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
}

/// Another presentation of a used ticket: with the admitted one, evidence that its holder showed
/// it twice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecondUse {
    /// Which ticket.
    pub ticket: TicketId,
    /// SHA-256 of the signed presentation.
    pub presentation: Digest,
    /// When.
    pub at: Time,
    /// The signed presentation.
    pub evidence: SignedBytes,
}

/// How many wrong keywords a ticket has had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrongKeyword {
    /// Which ticket.
    pub ticket: TicketId,
    /// How many, with this one.
    pub tries: u8,
    /// SHA-256 of what was scanned: the same scan isn't counted twice.
    pub scan: Digest,
}
