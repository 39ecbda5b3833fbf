//! Verifying the log: every signature, every digest, every column.

use std::sync::Arc;

use tegata_card::receipt::Punched;
use tegata_protocol::{
    Digest, PartyNumber, SignedBytes, Unverified, VerifyingKey,
    ticket::{Admission, CardUse, FRESH_SECONDS, Holder, Presentation},
};

use super::{ShownBy, claimed};
use crate::{
    admission::{Entry, Head, SecondUse, StoreError, TicketId},
    event::Event,
    store::LogReader,
};

/// A log that holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verification {
    /// Its end.
    pub head: Head,
    /// Rows whose tickets were verified too, since the event's check data are loaded.
    pub tickets: u64,
    /// Second presentations of used tickets.
    pub second_uses: u64,
}

/// What doesn't hold.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The first row that doesn't.
    #[error("row {row} of the log doesn't hold: {why}")]
    Row {
        /// Its number.
        row: i64,
        /// What is wrong.
        why: String,
    },
    /// A second presentation that doesn't.
    #[error("second presentation {number} doesn't hold: {why}")]
    SecondUse {
        /// Its place, from 1.
        number: usize,
        /// What is wrong.
        why: String,
    },
    /// The log can't be read at all.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Recomputes the whole log with the gate's public key. Where an event's check data are loaded, the
/// tickets and their holders' signatures are verified too.
///
/// # Errors
/// [`Problem`], with the first row that doesn't hold.
pub fn verify(
    log: &LogReader,
    (gate, key): (PartyNumber, &VerifyingKey),
    events: &[Arc<Event>],
) -> Result<Verification, Problem> {
    let mut verified = Verification {
        head: Head::START,
        tickets: 0,
        second_uses: 0,
    };
    log.each::<Problem>(|entry| {
        let bad = |row, why| Problem::Row { row, why };
        let entry = entry.map_err(|(row, why)| bad(row, why))?;
        let row = i64::try_from(entry.row).unwrap_or(i64::MAX);
        let admission = Expected {
            gate,
            key,
            head: verified.head,
        };
        admission.check(&entry).map_err(|why| bad(row, why))?;
        let at = entry.at.secs();
        let ticket = check_evidence(entry.ticket, (&entry.evidence, at), (gate, key), events);
        verified.tickets += u64::from(ticket.map_err(|why| bad(row, why))?);
        verified.head = Head {
            row: entry.row,
            digest: entry.record.digest(),
        };
        Ok(())
    })?;
    for (second, number) in log.second_uses()?.iter().zip(1..) {
        let held = check_second_use(log, second, (gate, key), events)?;
        held.map_err(|why| Problem::SecondUse { number, why })?;
        verified.second_uses += 1;
    }
    Ok(verified)
}

/// What the next row must be.
struct Expected<'a> {
    gate: PartyNumber,
    key: &'a VerifyingKey,
    head: Head,
}

impl Expected<'_> {
    fn check(&self, entry: &Entry) -> Result<(), String> {
        let next = self.head.row.saturating_add(1);
        if entry.row != next {
            return Err(format!("row {next} is missing before it"));
        }
        let signed = Unverified::<Admission>::parse(entry.record.clone());
        let signed = signed.map_err(|e| format!("its record can't be read: {e}"))?;
        let signed = signed.verify(self.key);
        let record = signed.map_err(|_e| "its record isn't signed by this gate".to_owned())?;
        if record.previous != self.head.digest {
            return Err("its record doesn't follow the row before".into());
        }
        let columns = Admission {
            gate: self.gate,
            issuer: entry.ticket.event.issuer,
            series: entry.ticket.event.series,
            serial: entry.ticket.serial,
            presentation: entry.presentation,
            time: entry.at,
            previous: self.head.digest,
        };
        if *record != columns {
            return Err("its columns don't say what its signed record says".into());
        }
        same_digest(&entry.evidence, entry.presentation)
    }
}

fn same_digest(evidence: &SignedBytes, presentation: Digest) -> Result<(), String> {
    if evidence.digest() == presentation {
        Ok(())
    } else {
        Err("its presentation isn't the one of the digest".into())
    }
}

/// Was that ticket shown by this, at that moment? True where the event's keys verified it.
fn check_evidence(
    id: TicketId,
    (evidence, at): (&SignedBytes, u64),
    gate: (PartyNumber, &VerifyingKey),
    events: &[Arc<Event>],
) -> Result<bool, String> {
    let unreadable = |e| format!("its presentation can't be read: {e}");
    let (shown, ticket) = claimed(evidence).map_err(unreadable)?;
    let (issuer, series) = (ticket.claimed().issuer, ticket.claimed().series);
    if (issuer, series) != (id.event.issuer, id.event.series) {
        return Err("its presentation shows another event's ticket".into());
    }
    let shown = match shown {
        ShownBy::Presentation(shown) => {
            if shown.claimed().time.secs().abs_diff(at) > FRESH_SECONDS {
                return Err("its presentation is of another time".into());
            }
            Held::Presentation(Box::new(shown))
        }
        ShownBy::Card(used) => Held::Card(check_card_use(used, gate)?),
    };
    let Some(event) = events.iter().find(|e| e.id() == id.event) else {
        return Ok(false);
    };
    let batch = ticket
        .key()
        .and_then(|id| Some((id, *event.record().batch(id)?)));
    let (batch, key) = batch.ok_or("its ticket is of a batch that the event doesn't have")?;
    let ticket = ticket.verify(&key);
    let ticket = ticket.map_err(|_e| "its ticket isn't signed by the issuer".to_owned())?;
    let serial = event.serial(batch, &ticket.serial);
    if serial != Some(id.serial) {
        return Err("its ticket has another serial".into());
    }
    match (shown, &ticket.holder) {
        (Held::Presentation(shown), Holder::Key(holder)) => shown
            .verify(&holder.0)
            .map(|_| true)
            .map_err(|_e| "its presentation isn't signed by the ticket's holder".into()),
        (Held::Presentation(_), Holder::Bearer) => Ok(true),
        (Held::Presentation(_), Holder::Card(_)) => {
            Err("its ticket is a card's, and no card was punched".into())
        }
        (Held::Card(card), Holder::Card(holder)) if card == *holder => Ok(true),
        (Held::Card(_), Holder::Card(_) | Holder::Key(_) | Holder::Bearer) => {
            Err("its ticket isn't the card's that was punched".into())
        }
    }
}

/// What showed a ticket, as far as it can be verified without the ticket.
enum Held {
    Presentation(Box<Unverified<Presentation>>),
    Card([u8; 10]),
}

/// The card's number, if this gate testifies to a punch of its own. The punch's MAC can be checked by
/// whoever has the card's receipt key, which is no gate's.
fn check_card_use(
    used: Unverified<CardUse>,
    (gate, key): (PartyNumber, &VerifyingKey),
) -> Result<[u8; 10], String> {
    let used = used.verify(key);
    let used =
        used.map_err(|_e| "what it says of the card isn't signed by this gate".to_owned())?;
    let punched = Punched::parse(&used.punch).ok_or("the card's word can't be read")?;
    if punched.punch.terminal != gate.wire().to_be_bytes() {
        return Err("its card was punched by another gate".into());
    }
    Ok(used.card)
}

fn check_second_use(
    log: &LogReader,
    second: &SecondUse,
    gate: (PartyNumber, &VerifyingKey),
    events: &[Arc<Event>],
) -> Result<Result<(), String>, StoreError> {
    let first = log.row_of(second.ticket)?;
    let check = || {
        let first = first.ok_or("its ticket was never admitted")?;
        if first.presentation == second.presentation {
            return Err("it's the admitted presentation itself".into());
        }
        same_digest(&second.evidence, second.presentation)?;
        let shown = (&second.evidence, second.at.secs());
        check_evidence(second.ticket, shown, gate, events).map(drop)
    };
    Ok(check())
}
