//! What stands on a card, as somebody typed it.

use minicbor::{Decode, Encode};
use tegata_protocol::{Time, cbor};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::CARD_LIMIT;

/// The most characters of the name.
const NAME_LIMIT: usize = 80;
/// Cards hold for less than this.
const MOST_YEARS: i32 = 20;

/// Why what was typed can't be a card. The words never hold what was typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unusable {
    /// Not the form that the page makes.
    #[error("what is inside isn't a card")]
    Shape,
    /// Not 12 to 19 digits.
    #[error("the number hasn't 12 to 19 digits")]
    Length,
    /// The last digit doesn't fit the others.
    #[error("the number has a wrong digit")]
    Digit,
    /// Not a month.
    #[error("the expiry isn't MM/YY")]
    Expiry,
    /// It was a month that is over.
    #[error("the card has expired")]
    Expired,
    /// Too long, or not text.
    #[error("the name can't be read")]
    Name,
}

/// A card. Not printable, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
pub struct Card {
    /// Its number: 12 to 19 digits.
    #[n(0)]
    number: String,
    /// The month in which it ends, `MM/YY`.
    #[n(1)]
    expiry: String,
    /// The name on it; may be empty.
    #[n(2)]
    name: String,
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Card")
    }
}

impl Card {
    /// Reads what a browser sealed, and checks what can be checked without a bank.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn read(bytes: &[u8], now: Time) -> Result<Self, Unusable> {
        let typed: Self = cbor::decode(bytes, CARD_LIMIT).map_err(|_e| Unusable::Shape)?;
        let number = digits(&typed.number)?;
        let (month, year) = month_of(&typed.expiry).ok_or(Unusable::Expiry)?;
        let (this_month, this_year) = today(now).ok_or(Unusable::Expiry)?;
        if (year, month) < (this_year, this_month) {
            return Err(Unusable::Expired);
        }
        if year > this_year.saturating_add(MOST_YEARS) {
            return Err(Unusable::Expiry);
        }
        let name = typed.name.trim();
        if name.chars().count() > NAME_LIMIT || name.chars().any(char::is_control) {
            return Err(Unusable::Name);
        }
        Ok(Self {
            number,
            expiry: format!("{month:02}/{:02}", year.rem_euclid(100)),
            name: name.to_owned(),
        })
    }

    /// What was kept.
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        cbor::decode(bytes, CARD_LIMIT).ok()
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(cbor::encode(self))
    }

    /// The number, for a bank.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// `MM/YY`.
    pub fn expiry(&self) -> &str {
        &self.expiry
    }

    /// The name on it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What people may see.
    pub(super) fn last_four(&self) -> &str {
        let from = self.number.len().saturating_sub(4);
        self.number.get(from..).unwrap_or_default()
    }
}

/// The digits of a number that people group with spaces or hyphens.
fn digits(typed: &str) -> Result<String, Unusable> {
    let mut number = Zeroizing::new(String::with_capacity(typed.len()));
    number.extend(typed.chars().filter(|c| !matches!(c, ' ' | '-')));
    if !(12..=19).contains(&number.len()) || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unusable::Length);
    }
    match luhn(&number) {
        true => Ok(number.to_string()),
        false => Err(Unusable::Digit),
    }
}

/// ISO/IEC 7812-1, annex B: from the right, every second digit counts twice, and the sum is a
/// multiple of ten.
fn luhn(number: &str) -> bool {
    let from_right = number.chars().rev().filter_map(|c| c.to_digit(10));
    let sum: u32 = (0..19)
        .zip(from_right)
        .map(|(place, digit)| match (place % 2, digit) {
            (0, digit) => digit,
            (_, digit @ 5..) => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// `12/28`, `12 / 2028`, `１２／２８`: month and year.
fn month_of(typed: &str) -> Option<(i8, i32)> {
    let plain: Zeroizing<String> = Zeroizing::new(typed.chars().filter_map(narrow).collect());
    let (month, year) = plain.split_once('/')?;
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let written = is_number(month) && is_number(year) && matches!(month.len(), 1 | 2);
    let year = match (year.len(), year.parse::<i32>()) {
        (2, Ok(year)) => year.saturating_add(2000),
        (4, Ok(year)) => year,
        _ => return None,
    };
    let month: i8 = month.parse().ok()?;
    (written && (1..=12).contains(&month)).then_some((month, year))
}

/// Japanese keyboards write wide digits; spaces don't count.
fn narrow(c: char) -> Option<char> {
    match c {
        ' ' | '\u{3000}' => None,
        '／' => Some('/'),
        '０'..='９' => char::from_u32(u32::from(c) - u32::from('０') + u32::from('0')),
        other => Some(other),
    }
}

/// This month, anywhere on Earth.
fn today(now: Time) -> Option<(i8, i32)> {
    let seconds = i64::try_from(now.before(12 * 3600).secs()).ok()?;
    let time = jiff::Timestamp::from_second(seconds).ok()?;
    let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
    Some((date.month(), i32::from(date.year())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOVEMBER_2026: Time = Time::from_secs(1_795_000_000);

    fn read(number: &str, expiry: &str, name: &str) -> Result<Card, Unusable> {
        let typed = Card {
            number: number.into(),
            expiry: expiry.into(),
            name: name.into(),
        };
        Card::read(&typed.to_bytes(), NOVEMBER_2026)
    }

    #[test]
    fn cards_are_taken_as_people_type_them() {
        for expiry in ["11/26", "12/28", "1/27", "12 / 2028", "１２／２８"] {
            let card = read("4242 4242-4242 4242", expiry, " KIRISHIMA HANAKO ").unwrap();
            assert_eq!(card.number(), "4242424242424242");
            assert_eq!(
                (card.name(), card.last_four()),
                ("KIRISHIMA HANAKO", "4242")
            );
        }
        assert_eq!(
            read("4242424242424242", "1/2027", "").unwrap().expiry(),
            "01/27"
        );
        // Lengths from 12 to 19; numbers made for tests, with their check digits.
        for number in [
            "378282246310005",
            "6011111111111117",
            "6304000000000000",
            "676770000008",
        ] {
            let taken = read(number, "12/28", "X").map(|_| ());
            let expected = if luhn(number) {
                Ok(())
            } else {
                Err(Unusable::Digit)
            };
            assert_eq!(taken, expected, "{number}");
        }
    }

    #[test]
    fn what_cannot_be_a_card_is_refused_with_a_reason() {
        let good = "4242424242424242";
        for (number, why) in [
            ("4242424242424241", Unusable::Digit),
            ("4224242424242424", Unusable::Digit),
            ("42424242422", Unusable::Length),
            ("42424242424242424242", Unusable::Length),
            ("4242x24242424242", Unusable::Length),
            ("", Unusable::Length),
        ] {
            assert_eq!(read(number, "12/28", "X"), Err(why), "{number}");
        }
        for (expiry, why) in [
            ("10/26", Unusable::Expired),
            ("12/25", Unusable::Expired),
            ("13/28", Unusable::Expiry),
            ("00/28", Unusable::Expiry),
            ("1228", Unusable::Expiry),
            ("12/028", Unusable::Expiry),
            ("+1/28", Unusable::Expiry),
            ("12/+8", Unusable::Expiry),
            ("12/47", Unusable::Expiry),
            ("", Unusable::Expiry),
        ] {
            assert_eq!(read(good, expiry, "X"), Err(why), "{expiry}");
        }
        for name in ["A\nB", "A\u{0}", &"x".repeat(81)] {
            assert_eq!(read(good, "12/28", name), Err(Unusable::Name));
        }
        assert_eq!(Card::read(b"\xa0", NOVEMBER_2026), Err(Unusable::Shape));
    }

    #[test]
    fn a_card_is_not_printable() {
        let card = read("4242424242424242", "12/28", "KIRISHIMA").unwrap();
        assert_eq!(format!("{card:?}"), "Card");
    }

    #[test]
    fn nobodys_card_ends_before_its_month_does() {
        // 1 December 2026, 06:00 UTC: still November in Hawaii.
        let card = Card {
            number: "4242424242424242".into(),
            expiry: "11/26".into(),
            name: String::new(),
        };
        let at = |secs| Card::read(&card.to_bytes(), Time::from_secs(secs)).map(|_| ());
        assert_eq!(at(1_796_104_800), Ok(()));
        assert_eq!(at(1_796_104_800 + 86_400), Err(Unusable::Expired));
    }
}
