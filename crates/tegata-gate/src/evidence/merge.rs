//! Two gates that couldn't reach each other find out: which tickets did both admit?

use std::collections::BTreeMap;

use tegata_protocol::{Digest, PartyNumber, SignedBytes, Time, ticket::Presentation};

use super::{export::Imported, ticket_of};
use crate::admission::TicketId;

/// A ticket that was admitted more than once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DoubleUse {
    /// Which ticket.
    pub ticket: TicketId,
    /// Every admission of it, the earliest first.
    pub sides: Vec<Side>,
}

impl DoubleUse {
    /// Did the holder's key sign different presentations of this one ticket? Only that accuses the
    /// holder: the same presentation at both gates may have been copied by anybody, an altered one
    /// may be a gate's doing, and a bearer signs nothing.
    #[must_use]
    pub fn accuses_the_holder(&self) -> bool {
        let signed = |side: &Side| {
            let ticket = Presentation::signed_by_holder(&side.presentation)?;
            Some((ticket, side.presentation_digest))
        };
        let signed: Vec<_> = self.sides.iter().filter_map(signed).collect();
        let differ = |(i, (ticket, shown)): (usize, &(SignedBytes, Digest))| {
            signed
                .iter()
                .skip(i)
                .any(|(t, s)| t == ticket && s != shown)
        };
        signed.iter().enumerate().any(differ)
    }
}

/// One gate's side of a double use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Side {
    /// When.
    pub at: Time,
    /// The gate.
    pub gate: PartyNumber,
    /// Its name.
    pub name: String,
    /// The place in the gate's chain, from 1.
    pub row: usize,
    /// SHA-256 of the presentation.
    pub presentation_digest: Digest,
    /// The signed admission.
    pub record: SignedBytes,
    /// The signed presentation.
    pub presentation: SignedBytes,
}

/// Finds the tickets that stand in more than one of the exports. The order of the exports doesn't
/// matter, and an export given twice counts once.
#[must_use]
pub fn merge(exports: &[Imported]) -> Vec<DoubleUse> {
    let mut uses: BTreeMap<TicketId, Vec<Side>> = BTreeMap::new();
    for export in exports {
        for ((admission, presentation), row) in export.admissions.iter().zip(1..) {
            let sides = uses.entry(ticket_of(admission)).or_default();
            if sides.iter().any(|side| side.record == *admission.signed()) {
                continue;
            }
            sides.push(Side {
                at: admission.time,
                gate: admission.gate,
                name: export.name().to_owned(),
                row,
                presentation_digest: admission.presentation,
                record: admission.signed().clone(),
                presentation: presentation.clone(),
            });
        }
    }
    uses.retain(|_, sides| sides.len() > 1);
    let doubles = uses.into_iter().map(|(ticket, mut sides)| {
        sides.sort_by_key(|side| (side.at, side.gate));
        DoubleUse { ticket, sides }
    });
    doubles.collect()
}
