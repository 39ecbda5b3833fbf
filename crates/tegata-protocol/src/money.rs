//! Money: whole minor units of a currency, with checked arithmetic and no fractions.
//!
//! An [`Amount`] is never negative; what moves on an account is a [`Change`]. Adding amounts of two
//! currencies isn't a number but an error, so it can't be written by mistake.

use core::fmt;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use crate::Malformed;

/// The largest amount, in minor units: 10¹⁵. Far above any organiser's turnover, far below overflow.
pub const MAX_MINOR: u64 = 1_000_000_000_000_000;

/// Currencies of ISO 4217 without minor units.
const NO_DECIMALS: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND",
    "VUV", "XAF", "XOF", "XPF",
];
/// Currencies of ISO 4217 with three decimals.
const THREE_DECIMALS: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];
/// Currencies of ISO 4217 with two decimals.
const TWO_DECIMALS: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
    "BGN", "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF",
    "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR",
    "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF",
    "IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR", "KPW", "KYD", "KZT", "LAK", "LBP",
    "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR",
    "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK",
    "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD",
    "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP",
    "TRY", "TTD", "TWD", "TZS", "UAH", "USD", "UYU", "UZS", "VED", "VES", "WST", "XCD", "YER",
    "ZAR", "ZMW", "ZWG",
];

/// A currency of ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Japanese yen, the currency of the demonstration.
    pub const JPY: Self = Self(*b"JPY");
    /// Euro.
    pub const EUR: Self = Self(*b"EUR");

    /// Reads an ISO 4217 code, in capitals.
    ///
    /// # Errors
    /// [`Malformed::Field`] for a code that the standard doesn't list.
    pub fn new(code: &str) -> Result<Self, Malformed> {
        let listed = [NO_DECIMALS, THREE_DECIMALS, TWO_DECIMALS]
            .iter()
            .any(|l| l.contains(&code));
        match <[u8; 3]>::try_from(code.as_bytes()) {
            Ok(bytes) if listed => Ok(Self(bytes)),
            _ => Err(Malformed::field(
                "currency",
                "not an ISO 4217 code in capitals",
            )),
        }
    }

    /// The three letters.
    pub fn code(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// Decimals of the minor unit: 0, 2 or 3.
    pub fn decimals(&self) -> usize {
        if NO_DECIMALS.contains(&self.code()) {
            0
        } else if THREE_DECIMALS.contains(&self.code()) {
            3
        } else {
            2
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl<C> Encode<C> for Currency {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.str(self.code())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Currency {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Self::new(d.str()?)?)
    }
}

/// An amount of money: 0 to [`MAX_MINOR`] minor units of a currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amount {
    minor: u64,
    currency: Currency,
}

/// Why a sum couldn't be formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArithmeticError {
    /// Two currencies were to be added or compared.
    #[error("amounts in {0} and {1} don't mix")]
    Currencies(Currency, Currency),
    /// The result is above [`MAX_MINOR`].
    #[error("the sum is larger than an amount can be")]
    TooLarge,
    /// The result would be below zero.
    #[error("the difference is below zero")]
    BelowZero,
}

impl Amount {
    /// An amount of `minor` units.
    ///
    /// # Errors
    /// [`Malformed::Field`] above [`MAX_MINOR`].
    pub fn new(minor: u64, currency: Currency) -> Result<Self, Malformed> {
        if minor > MAX_MINOR {
            return Err(Malformed::field("amount", "above 10^15 minor units"));
        }
        Ok(Self { minor, currency })
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Reads a decimal number as people and banks write it: `1250`, `12.50`, never a sign, never
    /// more decimals than the currency has.
    ///
    /// # Errors
    /// [`Malformed::Field`] that says what is wrong.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, Malformed> {
        let wrong = |why: &str| Malformed::field("amount", format!("{text:?} {why}"));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return Err(wrong("isn't a plain decimal number"));
        }
        let decimals = currency.decimals();
        let significant = fraction.trim_end_matches('0');
        if significant.len() > decimals {
            return Err(wrong("has more decimals than the currency"));
        }
        let padded = format!("{whole}{significant:0<decimals$}");
        let minor = padded.parse::<u64>().map_err(|_e| wrong("is too large"))?;
        Self::new(minor, currency)
    }

    /// Minor units.
    pub const fn minor(&self) -> u64 {
        self.minor
    }

    /// The currency.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Is it nothing?
    pub const fn is_zero(&self) -> bool {
        self.minor == 0
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// [`ArithmeticError`].
    pub fn plus(self, other: Self) -> Result<Self, ArithmeticError> {
        self.same_currency(other)?;
        match self.minor.checked_add(other.minor) {
            Some(minor) if minor <= MAX_MINOR => Ok(Self { minor, ..self }),
            _ => Err(ArithmeticError::TooLarge),
        }
    }

    /// This amount less another of the same currency.
    ///
    /// # Errors
    /// [`ArithmeticError`].
    pub fn minus(self, other: Self) -> Result<Self, ArithmeticError> {
        self.same_currency(other)?;
        let minor = self
            .minor
            .checked_sub(other.minor)
            .ok_or(ArithmeticError::BelowZero)?;
        Ok(Self { minor, ..self })
    }

    /// This amount `count` times.
    ///
    /// # Errors
    /// [`ArithmeticError::TooLarge`].
    pub fn times(self, count: u32) -> Result<Self, ArithmeticError> {
        match self.minor.checked_mul(u64::from(count)) {
            Some(minor) if minor <= MAX_MINOR => Ok(Self { minor, ..self }),
            _ => Err(ArithmeticError::TooLarge),
        }
    }

    /// The amount as a change that adds it.
    #[expect(clippy::as_conversions, reason = "MAX_MINOR fits an i64 many times")]
    pub const fn credit(self) -> Change {
        Change(self.minor as i64)
    }

    /// The amount as a change that takes it off.
    #[expect(
        clippy::as_conversions,
        clippy::arithmetic_side_effects,
        reason = "MAX_MINOR fits an i64 many times"
    )]
    pub const fn debit(self) -> Change {
        Change(-(self.minor as i64))
    }

    fn same_currency(self, other: Self) -> Result<(), ArithmeticError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(ArithmeticError::Currencies(self.currency, other.currency))
        }
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `JPY 12,500` or `EUR 12.50`: code, groups of three, decimals of the currency.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.currency,
            decimal(self.minor, self.currency.decimals())
        )
    }
}

/// A number with its decimals, thousands grouped.
fn decimal(minor: u64, decimals: usize) -> String {
    let width = decimals.saturating_add(1);
    let digits = format!("{minor:0>width$}");
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(decimals));
    let mut grouped = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && whole.len().saturating_sub(i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(c);
    }
    if decimals > 0 {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

impl<C> Encode<C> for Amount {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(2)?;
        self.currency.encode(e, ctx)?;
        e.u64(self.minor)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Amount {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(2) {
            return Err(decode::Error::message(
                "an amount is [currency, minor units]",
            ));
        }
        let currency = Currency::decode(d, ctx)?;
        Ok(Self::new(d.u64()?, currency)?)
    }
}

/// What a posting does to one account: minor units, above zero in, below zero out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Change(#[n(0)] i64);

impl Change {
    /// No change.
    pub const NONE: Self = Self(0);

    /// From stored minor units.
    pub const fn new(minor: i64) -> Self {
        Self(minor)
    }

    /// Minor units, with their sign.
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// The sum of two changes; `None` when it doesn't fit.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_and_print_like_a_bank() {
        let eur = |t| Amount::parse(t, Currency::EUR);
        assert_eq!(eur("1234567.5").unwrap().to_string(), "EUR 1,234,567.50");
        assert_eq!(eur("0.07").unwrap().minor(), 7);
        assert_eq!(eur("0.070").unwrap().minor(), 7);
        assert_eq!(
            Amount::parse("12500", Currency::JPY).unwrap().to_string(),
            "JPY 12,500"
        );
        assert_eq!(Amount::parse("12.00", Currency::JPY).unwrap().minor(), 12);
        for bad in [
            "",
            "-1",
            "+1",
            "1.",
            ".5",
            "1e3",
            "1,000",
            "0.001",
            "１",
            "99999999999999999999",
        ] {
            assert!(eur(bad).is_err(), "{bad}");
        }
        assert!(Amount::new(MAX_MINOR + 1, Currency::JPY).is_err());
    }

    #[test]
    fn currencies_never_mix() {
        let yen = Amount::new(5, Currency::JPY).unwrap();
        let euro = Amount::new(5, Currency::EUR).unwrap();
        assert!(matches!(
            yen.plus(euro),
            Err(ArithmeticError::Currencies(..))
        ));
        assert_eq!(
            yen.minus(yen.times(2).unwrap()),
            Err(ArithmeticError::BelowZero)
        );
        let most = Amount::new(MAX_MINOR, Currency::JPY).unwrap();
        assert_eq!(most.plus(yen), Err(ArithmeticError::TooLarge));
        assert!(Currency::new("jpy").is_err() && Currency::new("XXX").is_err());
    }
}
