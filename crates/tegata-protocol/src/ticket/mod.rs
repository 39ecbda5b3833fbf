//! Tickets (T2, T5, T7-T9): signed by their series' batch key, with a serial that only the issuer's
//! gates can read.
//!
//! - [`series`]: the signed record of one series — event, texts, keys — that holders and gates have.
//! - [`serial`]: the serial's encryption and the keyword's tag, from the series' one secret.
//! - [`presentation`]: how a holder shows a ticket, small enough for a QR code.
//! - [`check`]: what a gate decides, purely; admitting once is the gate's own store.

use minicbor::{Decode, Encode};

pub use check::{
    Admissible, AdmissibleCard, CHECK_DATA_LIMIT, CheckData, CheckList, Checker, FRESH_SECONDS,
    KEYWORD_ATTEMPTS, Rejection, SerialSet,
};
pub use presentation::{PRESENTATION_LIMIT, Presentation, SealedPresentation};
pub use serial::{EncryptedSerial, KeywordTag, Serial, SerialKey, SeriesSecret};
pub use series::SeriesRecord;

use crate::{
    Digest, Document, Malformed, PartyNumber, SeriesId, SignedBytes, Time, Validity, VerifyingKey,
};

mod check;
mod presentation;
mod serial;
mod series;

/// Who may use a ticket.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub enum Holder {
    /// Who signs with the secret half of this key: made for this one ticket.
    #[n(0)]
    Key(#[n(0)] HolderKey),
    /// The card of this number, as proven by a card session.
    #[n(1)]
    Card(#[cbor(n(0), with = "minicbor::bytes")] [u8; 10]),
    /// Whoever carries it and gives the keyword: paper can't sign.
    #[n(2)]
    Bearer,
}

/// A holder's public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct HolderKey(#[n(0)] pub VerifyingKey);

impl core::hash::Hash for HolderKey {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

/// What a ticket is good for, in codes (T9). The texts stand in the series record.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub enum Contents {
    /// A stay at a hotel.
    #[n(0)]
    Stay(#[n(0)] Stay),
    /// A ride by train, plane or ship.
    #[n(1)]
    Ride(#[n(0)] Ride),
    /// Admission to a cinema, concert or museum.
    #[n(2)]
    Admission(#[n(0)] Seat),
    /// A wager on a race.
    #[n(3)]
    Wager(#[n(0)] Wager),
}

/// Nights in a room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(array)]
pub struct Stay {
    /// The first night, in days since 1970-01-01.
    #[n(0)]
    pub arrival_day: u32,
    /// How many nights, 1 to 60.
    #[n(1)]
    pub nights: u8,
    /// How many guests, 1 to 20.
    #[n(2)]
    pub guests: u8,
    /// The room's number; 0 until the shop assigns one.
    #[n(3)]
    pub room: u16,
}

/// A seat from one stop to another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(array)]
pub struct Ride {
    /// The stop where it begins: its place in the series record's list, from 1.
    #[n(0)]
    pub from: u16,
    /// The stop where it ends.
    #[n(1)]
    pub to: u16,
    /// Class of travel, 1 to 9.
    #[n(2)]
    pub class: u8,
    /// The coach; 0 for free seating.
    #[n(3)]
    pub coach: u8,
    /// The seat; 0 for free seating.
    #[n(4)]
    pub seat: u16,
}

/// A place in a hall.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(array)]
pub struct Seat {
    /// The section: its place in the series record's list, from 1.
    #[n(0)]
    pub section: u16,
    /// The row; 0 for free seating.
    #[n(1)]
    pub row: u8,
    /// The seat; 0 for free seating.
    #[n(2)]
    pub seat: u16,
}

/// How runners are bet on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Bet {
    /// The winner.
    #[n(0)]
    Win,
    /// Among the first.
    #[n(1)]
    Place,
    /// The first two, in any order.
    #[n(2)]
    Quinella,
    /// The first two, in order.
    #[n(3)]
    Exacta,
    /// The first three, in any order.
    #[n(4)]
    Trio,
    /// The first three, in order.
    #[n(5)]
    Trifecta,
}

impl Bet {
    /// How many runners are named.
    pub const fn runners(self) -> usize {
        match self {
            Self::Win | Self::Place => 1,
            Self::Quinella | Self::Exacta => 2,
            Self::Trio | Self::Trifecta => 3,
        }
    }
}

/// A bet on a race.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(array)]
pub struct Wager {
    /// The race of the meeting, from 1.
    #[n(0)]
    pub race: u8,
    /// How it's bet.
    #[n(1)]
    pub bet: Bet,
    /// The runners' numbers, from 1, as many as the bet names, all different.
    #[n(2)]
    pub runners: Vec<u8>,
    /// How many units are staked, 1 to 10,000; the series' price is one unit.
    #[n(3)]
    pub units: u16,
}

impl Contents {
    /// The kind's word, as catalogues write it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Stay(_) => "stay",
            Self::Ride(_) => "ride",
            Self::Admission(_) => "admission",
            Self::Wager(_) => "wager",
        }
    }

    /// Checks each field's range.
    ///
    /// # Errors
    /// [`Malformed::Field`].
    pub fn check(&self) -> Result<(), Malformed> {
        let good = match self {
            Self::Stay(s) => (1..=60).contains(&s.nights) && (1..=20).contains(&s.guests),
            Self::Ride(r) => r.from != r.to && r.from > 0 && r.to > 0 && (1..=9).contains(&r.class),
            Self::Admission(s) => s.section > 0,
            Self::Wager(w) => w.is_sound(),
        };
        if good {
            Ok(())
        } else {
            Err(Malformed::field("contents", "a number out of its range"))
        }
    }
}

impl Wager {
    fn is_sound(&self) -> bool {
        let mut sorted = self.runners.clone();
        sorted.sort_unstable();
        sorted.dedup();
        self.race > 0
            && sorted.len() == self.bet.runners()
            && self.runners.len() == sorted.len()
            && sorted.iter().all(|r| *r > 0)
            && (1..=10_000).contains(&self.units)
    }
}

/// A ticket. Signed with the batch key that the series record names; a positional array, since it
/// must fit a QR code and a card's slot.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct Ticket {
    /// The shop that issued it.
    #[n(0)]
    pub issuer: PartyNumber,
    /// Its series.
    #[n(1)]
    pub series: SeriesId,
    /// What it's good for.
    #[n(2)]
    pub contents: Contents,
    /// The serial, which its holder can't read (T2).
    #[n(3)]
    pub serial: EncryptedSerial,
    /// The digest of the signed request that asked for it (T4).
    #[n(4)]
    pub request: Digest,
    /// Who may use it.
    #[n(5)]
    pub holder: Holder,
    /// Binds it to a keyword (T5).
    #[n(6)]
    pub keyword: Option<KeywordTag>,
    /// When it may be used.
    #[n(7)]
    pub valid: Validity,
}

impl Document for Ticket {
    const LABEL: u16 = 60;
    const LIMIT: usize = 400;

    fn check(&self) -> Result<(), Malformed> {
        self.contents.check()?;
        if self.holder == Holder::Bearer && self.keyword.is_none() {
            return Err(Malformed::field("keyword", "a bearer ticket needs one"));
        }
        Ok(())
    }
}

/// The most bytes of a signed ticket that a card's slot holds (`spec/cards.md`).
pub const CARD_TICKET_LIMIT: usize = 240;

/// A ticket on a card, and the card's word that it was punched: what a gate keeps where a holder with
/// a key shows a presentation (T6). The gate's log key signs it: that the card-key server proved the
/// card and verified the word is the gate's testimony.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct CardUse {
    /// The signed [`Ticket`], as the card sent it.
    #[n(0)]
    pub ticket: SignedBytes,
    /// The card's number.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub card: [u8; 10],
    /// The card's word: key version, slot, punch, MAC.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub punch: [u8; 46],
}

impl Document for CardUse {
    const LABEL: u16 = 65;
    const LIMIT: usize = 512;

    fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// A gate's signed record of one decision about a presentation: the evidence of use.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Admission {
    /// The gate.
    #[n(0)]
    pub gate: PartyNumber,
    /// The issuer.
    #[n(1)]
    pub issuer: PartyNumber,
    /// The series.
    #[n(2)]
    pub series: SeriesId,
    /// The serial that was used up.
    #[n(3)]
    pub serial: Serial,
    /// SHA-256 of the opened presentation's signed bytes, or of the [`CardUse`]'s.
    #[n(4)]
    pub presentation: Digest,
    /// When.
    #[n(5)]
    pub time: Time,
    /// The record before it in this gate's log; all zeros for the first.
    #[n(6)]
    pub previous: Digest,
}

impl Document for Admission {
    const LABEL: u16 = 64;
    const LIMIT: usize = 512;

    fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }
}
