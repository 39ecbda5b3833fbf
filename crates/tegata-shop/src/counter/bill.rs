//! The bill for an order: pure.

use tegata_protocol::purchase::{Bill, BillError, DeliveryKind, Line, compute_totals};
use tegata_protocol::ticket::{Contents, SeriesRecord};
use tegata_protocol::{Amount, Digest, PartyNumber, Time, TransactionNumber, Validity};

use crate::catalogue::{Catalogue, Offer};

/// The most bytes of a bill's line.
const LINE_LIMIT: usize = 120;

/// What a bill is made from.
pub(super) struct Sale<'a> {
    pub(super) shop: PartyNumber,
    pub(super) number: TransactionNumber,
    pub(super) request: Digest,
    pub(super) offer: &'a Offer,
    pub(super) contents: &'a [Contents],
    pub(super) record: &'a SeriesRecord,
    pub(super) catalogue: &'a Catalogue,
    pub(super) issued: Time,
    pub(super) expires: Time,
}

/// The bill: a line for each different ticket, so that its buyer sees what seat is paid for.
pub(super) fn make(sale: &Sale<'_>) -> Result<Bill, BillError> {
    let mut counted: Vec<(&Contents, u32)> = Vec::new();
    for contents in sale.contents {
        match counted.iter_mut().find(|(known, _)| *known == contents) {
            Some((_, count)) => *count += 1,
            None => counted.push((contents, 1)),
        }
    }
    let lines: Vec<Line> = counted
        .into_iter()
        .map(|(contents, count)| line(sale, contents, count))
        .collect();
    let (tip, rounding) = (
        Amount::zero(sale.catalogue.currency),
        sale.catalogue.rounding,
    );
    let totals = compute_totals(&lines, tip, rounding)?;
    Ok(Bill {
        shop: sale.shop,
        transaction: sale.number,
        request: Some(sale.request),
        lines,
        tip,
        rounding,
        totals,
        tax_number: sale.catalogue.tax_number.clone(),
        issued: sale.issued,
        expires: sale.expires,
        delivery: DeliveryKind::Tickets,
        interface: Some(crate::card_interface::digest()),
    })
}

fn line(sale: &Sale<'_>, contents: &Contents, count: u32) -> Line {
    let text = format!("{}: {}", sale.record.title, sale.record.describe(contents));
    Line {
        text: cut(text),
        quantity: count.saturating_mul(Offer::units(contents)),
        unit_price: sale.offer.price,
        tax_rate: sale.offer.tax_rate,
        tax_mode: sale.offer.tax_mode,
        discount: Amount::zero(sale.catalogue.currency),
    }
}

/// Cuts a text that is too long for a line, and shows that it did.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > LINE_LIMIT {
        let end = text.floor_char_boundary(LINE_LIMIT - '…'.len_utf8());
        text.truncate(end);
        text.push('…');
    }
    text
}

/// When each ticket may be used: a stay's from the day of arrival to that of departure, all others
/// as long as their series.
pub(super) fn validities(
    offer: &Offer,
    catalogue: &Catalogue,
    contents: &[Contents],
) -> Vec<Validity> {
    let nights = |contents: &Contents| match contents {
        Contents::Stay(stay) => {
            let departure = stay.arrival_day.checked_add(u32::from(stay.nights) + 1)?;
            let from = catalogue
                .start_of(stay.arrival_day)?
                .max(offer.valid.from());
            let until = catalogue.start_of(departure)?.min(offer.valid.until());
            Validity::new(from, until).ok()
        }
        Contents::Ride(_) | Contents::Admission(_) | Contents::Wager(_) => None,
    };
    let validity = |contents| nights(contents).unwrap_or(offer.valid);
    contents.iter().map(validity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_letters() {
        assert_eq!(cut("short".into()), "short");
        let long = cut("音".repeat(60));
        assert!(long.len() <= LINE_LIMIT && long.ends_with('…'), "{long}");
    }
}
