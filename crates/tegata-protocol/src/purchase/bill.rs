//! Bills: what is asked for, line by line with its tax, signed by the shop, payable once.
//!
//! Tax is rounded once for each rate over the whole bill, as Japan's qualified invoices and most
//! value-added taxes want it; whoever verifies a bill computes the totals again.

use minicbor::{Decode, Encode};

use crate::{
    Amount, Currency, Digest, Document, Malformed, PartyNumber, Time, TransactionNumber,
    malformed::check_text,
};

/// The most lines of a bill.
pub const MAX_LINES: usize = 50;

/// A tax rate in hundredths of a percent: 1000 is 10 %.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode)]
#[cbor(transparent)]
pub struct TaxRate(#[n(0)] u16);

impl TaxRate {
    /// A rate of hundredths of a percent, at most 10000.
    ///
    /// # Errors
    /// [`Malformed::Field`] above 100 %.
    pub fn new(basis_points: u16) -> Result<Self, Malformed> {
        if basis_points > 10_000 {
            return Err(Malformed::field("tax rate", "above 100 %"));
        }
        Ok(Self(basis_points))
    }

    /// Hundredths of a percent.
    pub const fn basis_points(self) -> u16 {
        self.0
    }
}

impl<'b, C> Decode<'b, C> for TaxRate {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self::new(d.u16()?)?)
    }
}

/// Do prices hold the tax?
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum TaxMode {
    /// Prices hold it.
    #[n(0)]
    Included,
    /// It comes on top.
    #[n(1)]
    Added,
}

/// Which way a fraction of a minor unit of tax goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Rounding {
    /// Cut off.
    #[n(0)]
    Down,
    /// To the nearest, halves up.
    #[n(1)]
    HalfUp,
    /// To the next.
    #[n(2)]
    Up,
}

/// How the goods reach the buyer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum DeliveryKind {
    /// Tickets, over the network.
    #[n(0)]
    Tickets,
    /// Other data, over the network.
    #[n(1)]
    Data,
    /// By post.
    #[n(2)]
    Post,
    /// Used at once.
    #[n(3)]
    Used,
}

/// A line of a bill.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Line {
    /// What it is, 1 to 120 bytes.
    #[n(0)]
    pub text: String,
    /// How many, from 1.
    #[n(1)]
    pub quantity: u32,
    /// Of one.
    #[n(2)]
    pub unit_price: Amount,
    /// The rate.
    #[n(3)]
    pub tax_rate: TaxRate,
    /// Does the price hold the tax?
    #[n(4)]
    pub tax_mode: TaxMode,
    /// Taken off the line; zero if nothing.
    #[n(5)]
    pub discount: Amount,
}

/// What a bill amounts to under one rate.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct TaxTotal {
    /// The rate.
    #[n(0)]
    pub rate: TaxRate,
    /// Without tax.
    #[n(1)]
    pub net: Amount,
    /// The tax.
    #[n(2)]
    pub tax: Amount,
}

/// What a bill amounts to.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Totals {
    /// For each rate that occurs, in rising order.
    #[n(0)]
    pub rates: Vec<TaxTotal>,
    /// What is to be paid: all net, all tax, the tip.
    #[n(1)]
    pub total: Amount,
}

/// A shop's bill. Signed with the shop's bill key; payable once.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Bill {
    /// Who is to be paid.
    #[n(0)]
    pub shop: PartyNumber,
    /// The shop's number for this sale.
    #[n(1)]
    pub transaction: TransactionNumber,
    /// The digest of the buyer's signed request, if there was one.
    #[n(2)]
    pub request: Option<Digest>,
    /// What is bought.
    #[n(3)]
    pub lines: Vec<Line>,
    /// Given on top; zero if nothing.
    #[n(4)]
    pub tip: Amount,
    /// How tax is rounded.
    #[n(5)]
    pub rounding: Rounding,
    /// What it amounts to.
    #[n(6)]
    pub totals: Totals,
    /// The issuer's tax number, if it has one.
    #[n(7)]
    pub tax_number: Option<String>,
    /// When it was made.
    #[n(8)]
    pub issued: Time,
    /// Until when it may be paid.
    #[n(9)]
    pub expires: Time,
    /// How the goods come.
    #[n(10)]
    pub delivery: DeliveryKind,
    /// SHA-256 of the program by which the shop guides through a payment by card (K2), if it has one.
    #[n(11)]
    pub interface: Option<Digest>,
}

/// Why a bill can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// A sum is too large, or in two currencies.
    #[error("the bill's sums: {0}")]
    Sum(#[from] crate::ArithmeticError),
    /// A discount is larger than its line.
    #[error("a discount is larger than the line that it's taken off")]
    Discount,
}

/// Computes a bill's totals: each rate's lines summed first, then its tax rounded once.
///
/// # Errors
/// [`BillError`].
pub fn compute_totals(
    lines: &[Line],
    tip: Amount,
    rounding: Rounding,
) -> Result<Totals, BillError> {
    let currency = tip.currency();
    let mut rates: Vec<TaxRate> = lines.iter().map(|line| line.tax_rate).collect();
    rates.sort_unstable();
    rates.dedup();
    let (mut totals, mut total) = (Vec::new(), tip);
    for rate in rates {
        let sum = |mode| sum_of(lines, rate, mode, currency);
        let (included, added) = (sum(TaxMode::Included)?, sum(TaxMode::Added)?);
        let tax = tax_of(included, added, rate, rounding)?;
        let gross_added = added.plus(tax.on_added)?;
        let net = included.minus(tax.in_included)?.plus(added)?;
        totals.push(TaxTotal {
            rate,
            net,
            tax: tax.in_included.plus(tax.on_added)?,
        });
        total = total.plus(included)?.plus(gross_added)?;
    }
    Ok(Totals {
        rates: totals,
        total,
    })
}

/// The sum of the lines of one rate and mode, discounts taken off.
fn sum_of(
    lines: &[Line],
    rate: TaxRate,
    mode: TaxMode,
    currency: Currency,
) -> Result<Amount, BillError> {
    let chosen = lines
        .iter()
        .filter(|l| l.tax_rate == rate && l.tax_mode == mode);
    chosen
        .map(Line::total)
        .try_fold(Amount::zero(currency), |sum, line| Ok(sum.plus(line?)?))
}

struct Taxes {
    in_included: Amount,
    on_added: Amount,
}

/// The tax inside included prices and on top of the others. A bill that mixes both modes under one
/// rate rounds each part once.
fn tax_of(
    included: Amount,
    added: Amount,
    rate: TaxRate,
    rounding: Rounding,
) -> Result<Taxes, BillError> {
    let rate = u128::from(rate.basis_points());
    let part = |amount: Amount, divisor: u128| {
        let minor = divide(
            u128::from(amount.minor()).saturating_mul(rate),
            divisor,
            rounding,
        );
        let minor = u64::try_from(minor).map_err(|_e| crate::ArithmeticError::TooLarge)?;
        Amount::new(minor, amount.currency()).map_err(|_e| crate::ArithmeticError::TooLarge)
    };
    Ok(Taxes {
        in_included: part(included, rate.saturating_add(10_000))?,
        on_added: part(added, 10_000)?,
    })
}

/// Divides and rounds. `divisor` is never zero.
fn divide(dividend: u128, divisor: u128, rounding: Rounding) -> u128 {
    let quotient = dividend.checked_div(divisor).unwrap_or_default();
    let rest = dividend.checked_rem(divisor).unwrap_or_default();
    let up = match rounding {
        Rounding::Down => false,
        Rounding::HalfUp => rest.saturating_mul(2) >= divisor,
        Rounding::Up => rest > 0,
    };
    quotient.saturating_add(u128::from(up))
}

impl Line {
    /// Quantity times price, less the discount.
    ///
    /// # Errors
    /// [`BillError`].
    pub fn total(&self) -> Result<Amount, BillError> {
        let gross = self.unit_price.times(self.quantity)?;
        let below = crate::ArithmeticError::BelowZero;
        gross.minus(self.discount).map_err(|e| {
            if e == below {
                BillError::Discount
            } else {
                e.into()
            }
        })
    }
}

impl Document for Bill {
    const LABEL: u16 = 32;
    const LIMIT: usize = 8 * 1024;

    fn check(&self) -> Result<(), Malformed> {
        if self.shop.role() != crate::Role::Shop {
            return Err(Malformed::field("shop", "not a shop's number"));
        }
        if self.lines.is_empty() || self.lines.len() > MAX_LINES {
            return Err(Malformed::field(
                "lines",
                format!("expected 1 to {MAX_LINES}"),
            ));
        }
        if self.lines.iter().any(|line| line.quantity == 0) {
            return Err(Malformed::field("lines", "a quantity of nothing"));
        }
        self.lines
            .iter()
            .try_for_each(|line| check_text("line", &line.text, 120))?;
        if let Some(number) = &self.tax_number {
            check_text("tax number", number, 40)?;
        }
        if self.expires <= self.issued {
            return Err(Malformed::field("expires", "not after it was issued"));
        }
        match compute_totals(&self.lines, self.tip, self.rounding) {
            Ok(totals) if totals == self.totals => Ok(()),
            Ok(_) => Err(Malformed::field("totals", "don't follow from the lines")),
            Err(e) => Err(Malformed::field("lines", e.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yen(minor: u64) -> Amount {
        Amount::new(minor, Currency::JPY).unwrap()
    }

    fn line(quantity: u32, price: u64, rate: u16, tax_mode: TaxMode) -> Line {
        let tax_rate = TaxRate::new(rate).unwrap();
        let (unit_price, discount) = (yen(price), yen(0));
        Line {
            text: "x".into(),
            quantity,
            unit_price,
            tax_rate,
            tax_mode,
            discount,
        }
    }

    #[test]
    fn tax_is_rounded_once_for_each_rate() {
        // Three lines of 33 yen plus 8 %: 99 × 0.08 = 7.92. Line by line it would be 3 × 2 = 6.
        let lines = vec![line(1, 33, 800, TaxMode::Added); 3];
        let totals = compute_totals(&lines, yen(0), Rounding::Down).unwrap();
        assert_eq!(totals.rates[0].tax, yen(7));
        assert_eq!(totals.total, yen(106));
        let up = compute_totals(&lines, yen(10), Rounding::HalfUp).unwrap();
        assert_eq!((up.rates[0].tax, up.total), (yen(8), yen(117)));
    }

    #[test]
    fn included_tax_is_shown_and_not_added() {
        let lines = [
            line(2, 550, 1000, TaxMode::Included),
            line(1, 108, 800, TaxMode::Included),
        ];
        let totals = compute_totals(&lines, yen(0), Rounding::Down).unwrap();
        assert_eq!(totals.total, yen(1208));
        let taxes: Vec<_> = totals.rates.iter().map(|r| (r.net, r.tax)).collect();
        assert_eq!(taxes, [(yen(100), yen(8)), (yen(1000), yen(100))]);
    }

    #[test]
    fn a_discount_never_turns_a_line_negative() {
        let mut line = line(1, 100, 0, TaxMode::Included);
        line.discount = yen(101);
        assert_eq!(
            compute_totals(&[line], yen(0), Rounding::Down),
            Err(BillError::Discount)
        );
    }
}
