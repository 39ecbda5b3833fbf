//! The numbers that people and messages go by: parties, transactions, series.

use core::{fmt, str::FromStr};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use crate::Malformed;

/// What a party is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Somebody who pays and holds tickets.
    Member,
    /// Somebody who sells.
    Shop,
    /// A checker of tickets.
    Gate,
    /// A service that hands out keys and programs for sealed orders.
    Sealing,
    /// The settlement centre itself.
    Centre,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Member,
        Self::Shop,
        Self::Gate,
        Self::Sealing,
        Self::Centre,
    ];

    /// The letter that stands before the number.
    pub const fn letter(self) -> char {
        match self {
            Self::Member => 'M',
            Self::Shop => 'S',
            Self::Gate => 'G',
            Self::Sealing => 'E',
            Self::Centre => 'C',
        }
    }

    /// The number's leading digit.
    pub const fn digit(self) -> u64 {
        match self {
            Self::Member => 1,
            Self::Shop => 2,
            Self::Gate => 3,
            Self::Sealing => 4,
            Self::Centre => 9,
        }
    }
}

/// A party's number: role, nine digits, check digit. `M-48312-20756`.
///
/// The centre hands them out at random, so that they don't reveal how many members there are. On the
/// wire it is one integer, the role's digit first; the last digit is Luhn's, against typing errors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartyNumber(u64);

const SERIAL_SPAN: u64 = 1_000_000_000;
const ROLE_UNIT: u64 = 10_000_000_000;

impl PartyNumber {
    /// The centre's own number.
    pub const CENTRE: Self = Self(90_000_000_001);

    /// The member's number that is never handed out: who asks for its own record doesn't know
    /// another one.
    pub const NOBODY: Self = Self(10_000_000_009);

    /// The number of a role and nine digits.
    ///
    /// # Errors
    /// [`Malformed::Field`] when `serial` has more than nine digits.
    #[expect(clippy::arithmetic_side_effects, reason = "at most eleven digits")]
    pub fn new(role: Role, serial: u32) -> Result<Self, Malformed> {
        let serial = u64::from(serial);
        if serial >= SERIAL_SPAN {
            return Err(Malformed::field("party number", "more than nine digits"));
        }
        let body = role.digit() * SERIAL_SPAN + serial;
        Ok(Self(body * 10 + luhn(body)))
    }

    /// Reads the integer form.
    ///
    /// # Errors
    /// [`Malformed::Field`] for an unknown role or a wrong check digit.
    pub fn from_wire(wire: u64) -> Result<Self, Malformed> {
        let role = Role::ALL
            .into_iter()
            .find(|r| r.digit() == wire / ROLE_UNIT);
        if role.is_none() || luhn(wire / 10) != wire % 10 {
            return Err(Malformed::field(
                "party number",
                "wrong role or check digit",
            ));
        }
        Ok(Self(wire))
    }

    /// The integer that stands in messages.
    pub const fn wire(self) -> u64 {
        self.0
    }

    /// What this party is.
    pub const fn role(self) -> Role {
        match self.0 / ROLE_UNIT {
            1 => Role::Member,
            2 => Role::Shop,
            3 => Role::Gate,
            4 => Role::Sealing,
            _ => Role::Centre,
        }
    }
}

/// Luhn's check digit for the digits of `body`.
#[expect(clippy::arithmetic_side_effects, reason = "sums of a few digits")]
fn luhn(mut body: u64) -> u64 {
    let (mut sum, mut double) = (0, true);
    while body > 0 {
        let digit = body % 10;
        sum += match (double, digit) {
            (false, d) => d,
            (true, d) if d < 5 => 2 * d,
            (true, d) => 2 * d - 9,
        };
        double = !double;
        body /= 10;
    }
    (10 - sum % 10) % 10
}

impl fmt::Display for PartyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0 % ROLE_UNIT;
        write!(
            f,
            "{}-{:05}-{:05}",
            self.role().letter(),
            digits / 100_000,
            digits % 100_000
        )
    }
}

impl fmt::Debug for PartyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads what people type: with or without hyphens and spaces, small letters, full-width digits.
impl FromStr for PartyNumber {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = || {
            Malformed::field(
                "party number",
                "expected like M-48312-20756; check each digit",
            )
        };
        let typed: String = text
            .chars()
            .map(narrow)
            .filter(|c| c.is_ascii_alphanumeric())
            .collect();
        let mut characters = typed.chars();
        let letter = characters.next().ok_or_else(wrong)?.to_ascii_uppercase();
        let role = Role::ALL
            .into_iter()
            .find(|r| r.letter() == letter)
            .ok_or_else(wrong)?;
        let digits = characters.as_str();
        if digits.len() != 10 {
            return Err(wrong());
        }
        let wire = format!("{}{digits}", role.digit())
            .parse()
            .map_err(|_e| wrong())?;
        Self::from_wire(wire).map_err(|_e| wrong())
    }
}

/// A full-width letter or digit as Japanese keyboards give it, made narrow.
fn narrow(c: char) -> char {
    match u32::from(c) {
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide.wrapping_sub(0xFEE0)).unwrap_or(c),
        _ => c,
    }
}

impl<C> Encode<C> for PartyNumber {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.u64(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PartyNumber {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Self::from_wire(d.u64()?)?)
    }
}

/// A shop's number for one sale: it ties instruction, notice and claim together (M8).
///
/// Twelve decimal digits drawn at random by the shop, so that bills don't reveal its turnover.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TransactionNumber(u64);

impl TransactionNumber {
    /// How many there are.
    pub const SPAN: u64 = 1_000_000_000_000;

    /// A number below [`TransactionNumber::SPAN`].
    ///
    /// # Errors
    /// [`Malformed::Field`] when it has more than twelve digits.
    pub fn new(number: u64) -> Result<Self, Malformed> {
        if number < Self::SPAN {
            Ok(Self(number))
        } else {
            Err(Malformed::field(
                "transaction number",
                "more than twelve digits",
            ))
        }
    }

    /// The integer that stands in messages.
    pub const fn wire(self) -> u64 {
        self.0
    }
}

/// `4831-2207-5560`.
impl fmt::Display for TransactionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        write!(
            f,
            "{:04}-{:04}-{:04}",
            n / 100_000_000,
            n / 10_000 % 10_000,
            n % 10_000
        )
    }
}

impl<C> Encode<C> for TransactionNumber {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.u64(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for TransactionNumber {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Self::new(d.u64()?)?)
    }
}

/// A shop's number for one series of tickets: one performance, one night, one race.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct SeriesId(#[n(0)] u32);

impl SeriesId {
    /// A series' number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn party_numbers_survive_people() {
        let number = PartyNumber::new(Role::Member, 483_122_075).unwrap();
        let text = number.to_string();
        assert_eq!(text.len(), 13);
        assert_eq!(text.parse::<PartyNumber>().unwrap(), number);
        let typed = text.to_lowercase().replace('-', " ");
        assert_eq!(typed.parse::<PartyNumber>().unwrap(), number);
        let wide: String = text
            .chars()
            .map(|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap())
            .collect();
        assert_eq!(wide.parse::<PartyNumber>().unwrap(), number);
        assert_eq!(number.role(), Role::Member);
        assert_eq!(
            PartyNumber::from_wire(PartyNumber::CENTRE.wire())
                .unwrap()
                .role(),
            Role::Centre
        );
        assert_eq!(
            PartyNumber::new(Role::Member, 0).unwrap(),
            PartyNumber::NOBODY
        );
    }

    #[test]
    fn every_single_wrong_digit_is_noticed() {
        let wire = PartyNumber::new(Role::Shop, 901_417).unwrap().wire();
        for place in 0..11 {
            for step in 1..10 {
                let unit = 10_u64.pow(place);
                let digit = wire / unit % 10;
                let other = wire - digit * unit + (digit + step) % 10 * unit;
                assert!(PartyNumber::from_wire(other).is_err(), "{wire} → {other}");
            }
        }
    }
}
