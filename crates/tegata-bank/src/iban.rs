//! Account numbers: an IBAN (ISO 13616) where the country has them, else the bank's own number.

use core::fmt;
use core::str::FromStr;

use crate::mod97;

/// Lengths of the IBANs of each country that has them, as in the SWIFT registry.
#[rustfmt::skip]
const LENGTHS: &[(&str, usize)] = &[
    ("AD", 24), ("AE", 23), ("AL", 28), ("AT", 20), ("AZ", 28), ("BA", 20), ("BE", 16), ("BG", 22),
    ("BH", 22), ("BR", 29), ("BY", 28), ("CH", 21), ("CR", 22), ("CY", 28), ("CZ", 24), ("DE", 22),
    ("DK", 18), ("DO", 28), ("EE", 20), ("EG", 29), ("ES", 24), ("FI", 18), ("FO", 18), ("FR", 27),
    ("GB", 22), ("GE", 22), ("GI", 23), ("GL", 18), ("GR", 27), ("GT", 28), ("HR", 21), ("HU", 28),
    ("IE", 22), ("IL", 23), ("IQ", 23), ("IS", 26), ("IT", 27), ("JO", 30), ("KW", 30), ("KZ", 20),
    ("LB", 28), ("LC", 32), ("LI", 21), ("LT", 20), ("LU", 20), ("LV", 21), ("MC", 27), ("MD", 24),
    ("ME", 22), ("MK", 19), ("MR", 27), ("MT", 31), ("MU", 30), ("NL", 18), ("NO", 15), ("PK", 24),
    ("PL", 28), ("PS", 29), ("PT", 25), ("QA", 29), ("RO", 24), ("RS", 22), ("SA", 24), ("SC", 31),
    ("SE", 24), ("SI", 19), ("SK", 24), ("SM", 27), ("ST", 25), ("SV", 28), ("TL", 23), ("TN", 24),
    ("TR", 26), ("UA", 29), ("VA", 22), ("VG", 24), ("XK", 20),
];

/// The most characters of a bank's own account number (`Othr/Id`, Max34Text).
const MAX_OTHER: usize = 34;

/// Why something isn't an account number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountNumberError {
    /// Characters other than letters and digits, or not two letters and two digits in front.
    #[error(
        "not of the form of an IBAN; expected a country's two letters, two digits, the account"
    )]
    Form,
    /// A country that has no IBANs.
    #[error("no country with IBANs has this code; check the first two letters")]
    Country,
    /// Not as long as the country's are.
    #[error("an IBAN of this country has {expected} characters; check for missing or doubled ones")]
    Length {
        /// Characters of that country's.
        expected: usize,
    },
    /// The check digits don't fit.
    #[error("the check digits don't fit: there is a typing error in the IBAN")]
    Checksum,
    /// Empty, too long, or with control characters.
    #[error("not an account number; expected 1 to 34 bytes of printable characters")]
    Other,
}

/// An international bank account number whose country, length and check digits are right.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Iban(String);

impl Iban {
    /// Without blanks, in capitals, as files carry it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads an IBAN as people write it: blanks and small letters don't matter.
impl FromStr for Iban {
    type Err = AccountNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut iban: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        iban.make_ascii_uppercase();
        if !looks_like_iban(&iban) {
            return Err(AccountNumberError::Form);
        }
        let mut countries = LENGTHS.iter().filter(|(code, _)| iban.starts_with(code));
        let (_, expected) = *countries.next().ok_or(AccountNumberError::Country)?;
        if iban.len() != expected {
            return Err(AccountNumberError::Length { expected });
        }
        if !mod97::checks(&iban) {
            return Err(AccountNumberError::Checksum);
        }
        Ok(Self(iban))
    }
}

/// In groups of four, as on paper.
impl fmt::Display for Iban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_groups(f, &self.0)
    }
}

impl fmt::Debug for Iban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The number of a bank account.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum AccountNumber {
    /// An IBAN.
    Iban(Iban),
    /// A bank's own number, as in countries without IBANs: any text that the bank uses.
    Other(OtherAccount),
}

/// A bank's own account number, kept exactly as the bank writes it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OtherAccount(String);

impl AccountNumber {
    /// A bank's own number, whatever it looks like.
    ///
    /// # Errors
    /// [`AccountNumberError::Other`] unless it has 1 to 34 bytes of printable characters:
    /// payment references and imports hold no more.
    pub fn other(text: &str) -> Result<Self, AccountNumberError> {
        let text = text.trim();
        let fits = (1..=MAX_OTHER).contains(&text.len());
        if !fits || text.chars().any(char::is_control) {
            return Err(AccountNumberError::Other);
        }
        Ok(Self::Other(OtherAccount(text.to_owned())))
    }

    /// As files carry it, without grouping.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Iban(iban) => iban.as_str(),
            Self::Other(other) => &other.0,
        }
    }

    /// Enough to recognise one's own account by, not enough to learn another's: `DE…3000`.
    pub fn shortened(&self) -> String {
        let all: Vec<char> = self.as_str().chars().collect();
        let shown = (all.len() / 3).min(4);
        let (_, tail) = all.split_at(all.len() - shown);
        let country = match self {
            Self::Iban(iban) => iban.0.get(..2).unwrap_or_default(),
            Self::Other(_) => "",
        };
        format!("{country}…{}", tail.iter().collect::<String>())
    }
}

/// Reads what an operator configures: what begins like an IBAN must be a correct one.
impl FromStr for AccountNumber {
    type Err = AccountNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(iban) => Ok(Self::Iban(iban)),
            Err(AccountNumberError::Form) => Self::other(text),
            Err(wrong) => Err(wrong),
        }
    }
}

impl fmt::Display for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iban(iban) => fmt::Display::fmt(iban, f),
            Self::Other(other) => f.write_str(&other.0),
        }
    }
}

impl fmt::Debug for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for OtherAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Two letters, two digits, then letters and digits only?
fn looks_like_iban(text: &str) -> bool {
    let mut bytes = text.bytes();
    let mut next = |is: fn(&u8) -> bool| bytes.next().as_ref().is_some_and(is);
    let country = next(u8::is_ascii_uppercase) && next(u8::is_ascii_uppercase);
    let digits = country && next(u8::is_ascii_digit) && next(u8::is_ascii_digit);
    digits && bytes.len() > 0 && bytes.all(|b| b.is_ascii_alphanumeric())
}

/// Writes ASCII text in groups of four.
pub(crate) fn write_groups(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for (i, c) in text.chars().enumerate() {
        if i > 0 && i % 4 == 0 {
            f.write_str(" ")?;
        }
        write!(f, "{c}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ibans_are_read_as_people_write_them() {
        let iban: Iban = " de89 3704 0044 0532 0130 00 ".parse().unwrap();
        assert_eq!(iban.as_str(), "DE89370400440532013000");
        assert_eq!(iban.to_string(), "DE89 3704 0044 0532 0130 00");
        for good in [
            "GB82 WEST 1234 5698 7654 32",
            "NO9386011117947",
            "MT84MALT011000012345MTLCAST001S",
        ] {
            assert!(good.parse::<Iban>().is_ok(), "{good}");
        }
    }

    #[test]
    fn each_mistake_has_its_own_name() {
        let wrong = |text: &str| text.parse::<AccountNumber>().unwrap_err();
        assert_eq!(
            wrong("DE88370400440532013000"),
            AccountNumberError::Checksum
        );
        assert_eq!(
            wrong("DE8937040044053201300"),
            AccountNumberError::Length { expected: 22 }
        );
        assert_eq!(wrong("JP89370400440532013000"), AccountNumberError::Country);
        assert_eq!(wrong(""), AccountNumberError::Other);
        assert_eq!(wrong(&"1".repeat(35)), AccountNumberError::Other);
        assert_eq!("１２".parse::<Iban>(), Err(AccountNumberError::Form));
    }

    #[test]
    fn accounts_of_countries_without_ibans_are_kept_as_they_are() {
        let account: AccountNumber = "0001-123-普通-1234567".parse().unwrap();
        assert_eq!(account.as_str(), "0001-123-普通-1234567");
        assert_eq!(account.shortened(), "…4567");
        assert_eq!(
            "DE89370400440532013000"
                .parse::<AccountNumber>()
                .unwrap()
                .shortened(),
            "DE…3000"
        );
        assert_eq!(AccountNumber::other("ab").unwrap().shortened(), "…");
    }
}
