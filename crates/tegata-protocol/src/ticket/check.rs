//! What a gate decides about a presentation (T7, T8): a pure function of what was scanned, the
//! signed check data and the time. Admitting a serial once is the gate's store's work; this says
//! whether it may be tried.
//!
//! The reasons come in one order, so that a genuine ticket is never called fake and a copied one
//! never learns more than it must: malformed, forged, wrong event, cancelled, not yet valid,
//! expired, not activated, stale, wrong holder, wrong keyword; then the store's: already used.

use core::fmt;

use minicbor::{Decode, Encode};
use zeroize::Zeroize;

use super::{
    Contents, Holder, Presentation, SealedPresentation, Serial, SeriesRecord, SeriesSecret, Ticket,
    serial::SerialKey,
};
use crate::{
    Digest, KeyId, Malformed, OpeningKey, SignedBytes, Time, Unverified, Verified, envelope::Body,
    refusal::Code,
};

/// How far a presentation's time may be off: a minute.
pub const FRESH_SECONDS: u64 = 60;

/// How many wrong keywords one serial may have.
pub const KEYWORD_ATTEMPTS: u8 = 5;

/// A set of serials as it travels: a roaring bitmap in its portable format.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct SerialSet(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

impl fmt::Debug for SerialSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialSet({} bytes)", self.0.len())
    }
}

/// The most bytes of sealed check data. They travel as a file, so that the limit of messages on the
/// wire isn't theirs: enough for lists of some millions of serials.
pub const CHECK_DATA_LIMIT: usize = 1 << 20;

/// What a shop hands to a gate (T8): signed by the shop, sealed to the gate, good offline.
#[derive(Encode, Decode)]
#[cbor(map)]
pub struct CheckData {
    /// The signed series record.
    #[n(0)]
    pub series: SignedBytes,
    #[cbor(n(1), with = "minicbor::bytes")]
    secret: [u8; 32],
    /// Serials issued so far.
    #[n(2)]
    pub issued: SerialSet,
    /// Serials cancelled or replaced.
    #[n(3)]
    pub cancelled: SerialSet,
    /// Counts up with each edition.
    #[n(4)]
    pub edition: u64,
    /// The state at this moment.
    #[n(5)]
    pub as_of: Time,
    /// Not to be used after this.
    #[n(6)]
    pub until: Time,
}

impl CheckData {
    /// Check data of a series.
    #[expect(
        clippy::too_many_arguments,
        reason = "a record of seven fields, one of them secret"
    )]
    pub fn new(
        series: SignedBytes,
        secret: &SeriesSecret,
        issued: SerialSet,
        cancelled: SerialSet,
        edition: u64,
        as_of: Time,
        until: Time,
    ) -> Self {
        Self {
            series,
            secret: *secret.reveal(),
            issued,
            cancelled,
            edition,
            as_of,
            until,
        }
    }

    /// The series' secret.
    pub const fn secret(&self) -> SeriesSecret {
        SeriesSecret::from_bytes(self.secret)
    }
}

impl Drop for CheckData {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for CheckData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CheckData(edition {}, as of {})",
            self.edition, self.as_of
        )
    }
}

impl Body for CheckData {
    const LABEL: u16 = 62;
    const LIMIT: usize = 900 * 1024;

    fn check(&self) -> Result<(), Malformed> {
        if self.until <= self.as_of {
            return Err(Malformed::field("until", "not after the state's time"));
        }
        Ok(())
    }
}

/// What the gate's own lists say of a serial.
pub trait CheckList {
    /// Cancelled or replaced?
    fn is_cancelled(&self, serial: Serial) -> bool;
    /// Issued, as far as the check data know?
    fn is_issued(&self, serial: Serial) -> bool;
    /// How many wrong keywords were tried.
    fn wrong_keywords(&self, serial: Serial) -> u8;
}

/// A ticket that may be admitted, if its serial wasn't before.
#[derive(Clone, Debug)]
pub struct Admissible {
    /// Its serial.
    pub serial: Serial,
    /// What it's good for.
    pub contents: Contents,
    /// SHA-256 of the presentation's signed bytes: two different ones accuse the holder, one that
    /// was copied doesn't.
    pub presentation: Digest,
    /// The presentation as evidence.
    pub evidence: SignedBytes,
}

/// A ticket on a card that may be punched and admitted, if its serial wasn't before.
#[derive(Clone, Debug)]
pub struct AdmissibleCard {
    /// Its serial.
    pub serial: Serial,
    /// What it's good for.
    pub contents: Contents,
    /// The ticket.
    pub ticket: SignedBytes,
}

/// A presentation that isn't admitted.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Why.
    pub code: Code,
    /// The serial, once the ticket was found genuine.
    pub serial: Option<Serial>,
}

impl From<Code> for Rejection {
    fn from(code: Code) -> Self {
        Self { code, serial: None }
    }
}

/// Checks the tickets of one series, from as many threads as one likes.
pub struct Checker {
    series: Verified<SeriesRecord>,
    secret: SeriesSecret,
    event_key: OpeningKey,
    serial_key: SerialKey,
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checker(series {})", self.series.series)
    }
}

/// A ticket whose signature and serial held.
struct Genuine {
    ticket: Verified<Ticket>,
    serial: Serial,
}

impl Checker {
    /// A checker for a series whose record was verified with the shop's key.
    pub fn new(series: Verified<SeriesRecord>, secret: SeriesSecret) -> Self {
        let (event_key, serial_key) = (secret.event_key(), secret.serial_key());
        Self {
            series,
            secret,
            event_key,
            serial_key,
        }
    }

    /// The series.
    pub const fn series(&self) -> &Verified<SeriesRecord> {
        &self.series
    }

    /// The event key that presentations are sealed to.
    pub fn event_key(&self) -> KeyId {
        self.event_key.sealing_key().id()
    }

    /// Decides about what was scanned. `others` are records of events at neighbouring gates: their
    /// genuine tickets get "wrong event" rather than "forged".
    ///
    /// # Errors
    /// [`Rejection`], with the first reason that holds.
    pub fn check(
        &self,
        scanned: &[u8],
        others: &[&SeriesRecord],
        list: &impl CheckList,
        now: Time,
        challenge: Option<[u8; 8]>,
    ) -> Result<Admissible, Rejection> {
        let sealed = SealedPresentation::parse(scanned).map_err(|_e| Code::TicketMalformed)?;
        if others.iter().any(|o| o.event_key.id() == sealed.key) {
            return Err(Code::WrongEvent.into());
        }
        let shown = sealed
            .open(&self.event_key)
            .map_err(|_e| Code::TicketMalformed)?;
        let signed = shown.claimed().ticket.clone();
        let Genuine { ticket, serial } = self.genuine(signed, others)?;
        if shown.claimed().event != self.series.series {
            return Err(Code::WrongEvent.into());
        }
        let refuse = |code| Rejection {
            code,
            serial: Some(serial),
        };
        Self::check_state(&ticket, serial, list, now).map_err(refuse)?;
        let (time, nonce) = (shown.claimed().time, shown.claimed().nonce);
        if !time.within(FRESH_SECONDS, now) || (challenge.is_some() && nonce != challenge) {
            return Err(refuse(Code::StalePresentation));
        }
        self.check_holder(shown, &ticket, serial, list)
            .map_err(refuse)
    }

    /// Decides about a ticket that lies on a card, which has proven in a session that its number is
    /// `card` (T6). The session is the holder's proof; a ticket of another holder isn't admitted by it,
    /// and neither is one with a keyword, since a card can't give one.
    ///
    /// # Errors
    /// [`Rejection`], with the first reason that holds; a missing keyword isn't a wrong one, and
    /// counts for nothing.
    pub fn check_card(
        &self,
        card: [u8; 10],
        ticket: SignedBytes,
        others: &[&SeriesRecord],
        list: &impl CheckList,
        now: Time,
    ) -> Result<AdmissibleCard, Rejection> {
        let Genuine { ticket, serial } = self.genuine(ticket, others)?;
        let refuse = |code| Rejection {
            code,
            serial: Some(serial),
        };
        Self::check_state(&ticket, serial, list, now).map_err(refuse)?;
        if ticket.holder != Holder::Card(card) {
            return Err(refuse(Code::WrongHolder));
        }
        if ticket.keyword.is_some() {
            return Err(refuse(Code::WrongKeyword));
        }
        Ok(AdmissibleCard {
            serial,
            contents: ticket.contents.clone(),
            ticket: ticket.signed().clone(),
        })
    }

    /// Is the ticket signed by this series' issuer, and does its serial open?
    fn genuine(&self, ticket: SignedBytes, others: &[&SeriesRecord]) -> Result<Genuine, Rejection> {
        let ticket = Unverified::<Ticket>::parse(ticket);
        let ticket = ticket.map_err(|_e| Code::TicketMalformed)?;
        let batch = ticket.key().ok_or(Code::TicketMalformed)?;
        let Some(key) = self.series.batch(batch).copied() else {
            let other = others.iter().find_map(|o| o.batch(batch));
            let elsewhere = other.is_some_and(|key| ticket.verify(key).is_ok());
            return Err(if elsewhere {
                Code::WrongEvent
            } else {
                Code::TicketForged
            }
            .into());
        };
        let ticket = ticket.verify(&key).map_err(|_e| Code::TicketForged)?;
        if (ticket.issuer, ticket.series) != (self.series.issuer, self.series.series) {
            return Err(Code::WrongEvent.into());
        }
        let opened = self
            .serial_key
            .decrypt(ticket.issuer, ticket.series, batch, &ticket.serial);
        let serial = opened.map_err(|_e| Code::TicketForged)?;
        Ok(Genuine { ticket, serial })
    }

    fn check_state(
        ticket: &Ticket,
        serial: Serial,
        list: &impl CheckList,
        now: Time,
    ) -> Result<(), Code> {
        if list.is_cancelled(serial) {
            return Err(Code::Cancelled);
        }
        if now < ticket.valid.from() {
            return Err(Code::NotYetValid);
        }
        if now >= ticket.valid.until() {
            return Err(Code::Expired);
        }
        if !list.is_issued(serial) {
            return Err(Code::NotActivated);
        }
        Ok(())
    }

    /// The holder's signature, then the keyword: attempts count only once the signature held.
    fn check_holder(
        &self,
        shown: Unverified<Presentation>,
        ticket: &Ticket,
        serial: Serial,
        list: &impl CheckList,
    ) -> Result<Admissible, Code> {
        let claimed = shown.claimed().clone();
        let (digest, evidence) = match &ticket.holder {
            Holder::Key(_) => {
                let held = Presentation::verify(shown, ticket).map_err(|_e| Code::WrongHolder)?;
                (held.digest(), held.signed().clone())
            }
            Holder::Bearer => (shown.digest(), shown.into_signed()),
            // A card proves itself in a session of its own ([`Self::check_card`]), not by a presentation.
            Holder::Card(_) => return Err(Code::WrongHolder),
        };
        if let Some(tag) = &ticket.keyword {
            let keyword = claimed.keyword.as_ref().ok_or(Code::WrongKeyword)?;
            let exhausted = list.wrong_keywords(serial) >= KEYWORD_ATTEMPTS;
            if exhausted || !self.secret.keyword_tag(serial, keyword).matches(tag) {
                return Err(Code::WrongKeyword);
            }
        }
        let contents = ticket.contents.clone();
        Ok(Admissible {
            serial,
            contents,
            presentation: digest,
            evidence,
        })
    }
}
