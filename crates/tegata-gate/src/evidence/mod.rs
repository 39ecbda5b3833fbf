//! What remains of a day at the gate, for those who weren't there.
//!
//! The log is a chain: each entry is signed and names the digest of the one before. [`verify`]
//! recomputes all of it; [`export`](mod@export) carries it to the shop, as a CBOR sequence;
//! [`merge`](mod@merge) lays two gates' exports side by side and finds what neither could see
//! alone: a ticket that both admitted, with both signed admissions and both presentations.

use tegata_protocol::{
    Document as _, Malformed, SignedBytes, Unverified,
    ticket::{Admission, CardUse, Contents, Presentation, Ticket},
};

use crate::{admission::TicketId, event::EventId};

pub use export::{ExportError, Exported, Imported, ShownAgain, export, import};
pub use merge::{DoubleUse, Side, merge};
pub use verify::{Problem, Verification, verify};

mod export;
mod merge;
mod verify;

/// What a ticket was shown by.
#[derive(Debug)]
pub enum ShownBy {
    /// What the holder signed for the moment.
    Presentation(Unverified<Presentation>),
    /// A card that was punched, in the gate's words.
    Card(Unverified<CardUse>),
}

/// What a ticket was shown by, and the ticket, neither of them verified.
///
/// # Errors
/// [`Malformed`].
pub fn claimed(evidence: &SignedBytes) -> Result<(ShownBy, Unverified<Ticket>), Malformed> {
    let (by, ticket) = if evidence.label()?.0 == CardUse::LABEL {
        let used = Unverified::<CardUse>::parse(evidence.clone())?;
        let ticket = used.claimed().ticket.clone();
        (ShownBy::Card(used), ticket)
    } else {
        let presentation = Unverified::<Presentation>::parse(evidence.clone())?;
        let ticket = presentation.claimed().ticket.clone();
        (ShownBy::Presentation(presentation), ticket)
    };
    Ok((by, Unverified::parse(ticket)?))
}

/// The ticket that a gate's record names.
#[must_use]
pub const fn ticket_of(admission: &Admission) -> TicketId {
    TicketId {
        event: EventId {
            issuer: admission.issuer,
            series: admission.series,
        },
        serial: admission.serial,
    }
}

/// What the ticket in a piece of evidence is good for.
#[must_use]
pub fn contents(evidence: &SignedBytes) -> Option<Contents> {
    let (_, ticket) = claimed(evidence).ok()?;
    Some(ticket.claimed().contents.clone())
}
