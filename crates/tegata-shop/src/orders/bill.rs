//! The bill for an order of goods: pure.
//!
//! An order may have more lines than a bill. The first [`SHOWN`] stand on it one by one; what is
//! beyond is summed up, one line for each tax, since tax is rounded once for each rate anyway.

use tegata_pages::Language;
use tegata_protocol::purchase::{
    Bill, BillError, DeliveryKind, Line, TaxMode, TaxRate, compute_totals,
};
use tegata_protocol::{Amount, PartyNumber, Time, TransactionNumber};

use super::cart::{Priced, PricedLine, postage_line};
use crate::catalogue::Catalogue;
use crate::counter::cut;

/// How many goods stand on a bill one by one. A bill of 8 KiB holds about forty lines.
const SHOWN: usize = 30;

/// What a bill is made from.
pub(super) struct Sale<'a> {
    pub(super) shop: PartyNumber,
    pub(super) number: TransactionNumber,
    pub(super) catalogue: &'a Catalogue,
    pub(super) priced: &'a Priced<'a>,
    pub(super) language: Language,
    pub(super) issued: Time,
    pub(super) expires: Time,
}

/// The bill. Nobody's request stands behind it, since whoever pays it isn't known to the shop.
pub(super) fn make(sale: &Sale<'_>) -> Result<Bill, BillError> {
    let mut lines = lines(sale)?;
    let postage = match sale.language {
        Language::En => "Postage",
        Language::Ja => "送料",
    };
    lines.extend(postage_line(sale.catalogue, sale.priced.goods, postage));
    let (tip, rounding) = (
        Amount::zero(sale.catalogue.currency),
        sale.catalogue.rounding,
    );
    let totals = compute_totals(&lines, tip, rounding)?;
    Ok(Bill {
        shop: sale.shop,
        transaction: sale.number,
        request: None,
        lines,
        tip,
        rounding,
        totals,
        tax_number: sale.catalogue.tax_number.clone(),
        issued: sale.issued,
        expires: sale.expires,
        delivery: DeliveryKind::Post,
        interface: Some(crate::card_interface::digest()),
    })
}

fn lines(sale: &Sale<'_>) -> Result<Vec<Line>, BillError> {
    let (shown, further) = sale
        .priced
        .lines
        .split_at(sale.priced.lines.len().min(SHOWN));
    let mut lines: Vec<Line> = shown.iter().map(|line| one(sale, line)).collect();
    let mut sums: Vec<(TaxRate, TaxMode, Amount, usize)> = Vec::new();
    for line in further {
        let (rate, mode) = (line.product.tax_rate, line.product.tax_mode);
        match sums.iter_mut().find(|sum| (sum.0, sum.1) == (rate, mode)) {
            Some((_, _, sum, count)) => {
                *sum = sum.plus(line.sum)?;
                *count += 1;
            }
            None => sums.push((rate, mode, line.sum, 1)),
        }
    }
    lines.extend(
        sums.into_iter()
            .map(|(tax_rate, tax_mode, unit_price, count)| Line {
                text: match sale.language {
                    Language::En => format!("{count} further goods"),
                    Language::Ja => format!("ほか {count} 品"),
                },
                quantity: 1,
                unit_price,
                tax_rate,
                tax_mode,
                discount: Amount::zero(sale.catalogue.currency),
            }),
    );
    Ok(lines)
}

fn one(sale: &Sale<'_>, line: &PricedLine<'_>) -> Line {
    Line {
        text: cut(line.product.title.of(sale.language).to_owned()),
        quantity: line.quantity,
        unit_price: line.product.price,
        tax_rate: line.product.tax_rate,
        tax_mode: line.product.tax_mode,
        discount: Amount::zero(sale.catalogue.currency),
    }
}
