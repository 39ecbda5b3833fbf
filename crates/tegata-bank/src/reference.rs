//! Payment references: what a member writes into a transfer so that the centre knows its money.
//!
//! They are creditor references of ISO 11649, `RF18 5390 0754 7034`: two check digits catch a
//! mistyped character, banks carry them in a field of their own, and people type them into the
//! free text. [`search`] finds them in both, however they are written.

use core::fmt;
use core::str::FromStr;

use crate::iban::write_groups;
use crate::mod97;

/// The longest body behind `RF` and the check digits.
const MAX_BODY: usize = 21;
/// `RF` and two check digits.
const HEAD: usize = 4;

/// Why something isn't a payment reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Not `RF`, two digits and 1 to 21 letters and digits.
    #[error("not a payment reference; expected RF, two digits, and up to 21 letters or digits")]
    Form,
    /// The check digits don't fit.
    #[error("the check digits don't fit: there is a typing error in the payment reference")]
    Checksum,
}

/// A creditor reference of ISO 11649 whose check digits are right.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PaymentReference(String);

impl PaymentReference {
    /// The reference for a number, as the centre gives them out: at least eight digits, so that
    /// it is typed in three groups of four.
    pub fn from_number(number: u64) -> Self {
        let body = format!("{number:08}");
        // Digits always have check digits, so 0 never stands here.
        let digits = mod97::check_digits("RF", &body).unwrap_or_default();
        Self(format!("RF{digits:02}{body}"))
    }

    /// The reference with this body: 1 to 21 letters and digits.
    ///
    /// # Errors
    /// [`ReferenceError::Form`] for any other body.
    pub fn from_body(body: &str) -> Result<Self, ReferenceError> {
        let body = body.to_ascii_uppercase();
        if !(1..=MAX_BODY).contains(&body.len()) {
            return Err(ReferenceError::Form);
        }
        let digits = mod97::check_digits("RF", &body).ok_or(ReferenceError::Form)?;
        Ok(Self(format!("RF{digits:02}{body}")))
    }

    /// In capitals without blanks, as files carry it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads letters and digits, without anything between them.
    fn from_compact(text: &str) -> Result<Self, ReferenceError> {
        let form = text.starts_with("RF")
            && (HEAD + 1..=HEAD + MAX_BODY).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && text.bytes().skip(2).take(2).all(|b| b.is_ascii_digit());
        if !form {
            return Err(ReferenceError::Form);
        }
        if !mod97::checks(text) {
            return Err(ReferenceError::Checksum);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Reads a reference as people write it: blanks, hyphens, small and full-width letters don't matter.
impl FromStr for PaymentReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain: String = text.chars().map(plain).filter(|c| !is_gap(*c)).collect();
        Self::from_compact(&plain)
    }
}

/// In groups of four, as people type it.
impl fmt::Display for PaymentReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_groups(f, &self.0)
    }
}

impl fmt::Debug for PaymentReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a search for the payment reference of one entry found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// None.
    Nothing,
    /// Exactly one.
    One(PaymentReference),
    /// More than one, in their own order: a person must decide.
    Several(Vec<PaymentReference>),
}

impl Found {
    /// Keeps what `known` accepts, mostly the references that the centre gave out.
    ///
    /// Words behind a reference may by chance extend it to another correct one, or a part of it be
    /// correct too (one time in 97); asking who knows it settles that.
    #[must_use]
    pub fn known(self, known: impl Fn(&PaymentReference) -> bool) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::One(one) => Self::of(vec![one].into_iter().filter(known)),
            Self::Several(all) => Self::of(all.into_iter().filter(known)),
        }
    }

    fn of(all: impl Iterator<Item = PaymentReference>) -> Self {
        let mut all: Vec<_> = all.collect();
        all.sort();
        all.dedup();
        match (all.pop(), all.is_empty()) {
            (None, _) => Self::Nothing,
            (Some(one), true) => Self::One(one),
            (Some(last), false) => {
                all.push(last);
                Self::Several(all)
            }
        }
    }
}

/// Finds the references that stand in any of these texts, each counted once.
pub fn search<'t>(texts: impl IntoIterator<Item = &'t str>) -> Found {
    Found::of(texts.into_iter().flat_map(candidates))
}

/// All correct references that can be read out of one text.
fn candidates(text: &str) -> Vec<PaymentReference> {
    let text: Vec<char> = text.chars().map(plain).collect();
    let starts = text.windows(2).enumerate().filter(|(at, pair)| {
        let before = at.checked_sub(1).and_then(|b| text.get(b));
        **pair == ['R', 'F'] && !before.is_some_and(char::is_ascii_alphanumeric)
    });
    starts
        .flat_map(|(at, _)| readings(text.get(at..).unwrap_or_default()))
        .collect()
}

/// The correct references that begin where `text` does. They may end wherever a word does.
fn readings(text: &[char]) -> Vec<PaymentReference> {
    let mut compact = String::new();
    let mut found = Vec::new();
    for (at, c) in text.iter().enumerate() {
        if c.is_ascii_alphanumeric() {
            compact.push(*c);
        } else if !is_gap(*c) {
            break;
        }
        let word_ends = text
            .get(at + 1)
            .is_none_or(|next| !next.is_ascii_alphanumeric());
        if c.is_ascii_alphanumeric() && word_ends {
            found.extend(PaymentReference::from_compact(&compact));
        }
        if compact.len() > HEAD + MAX_BODY {
            break;
        }
    }
    found
}

/// A character as a keyboard would have made it: full-width forms narrowed, in capitals.
fn plain(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        other => other,
    }
    .to_ascii_uppercase()
}

/// What people put between groups.
fn is_gap(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '\u{2010}'..='\u{2013}' | '\u{2212}' | '\u{30fc}' | '\u{ff70}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(text: &str) -> PaymentReference {
        text.parse().unwrap()
    }

    fn one(text: &str) -> Found {
        Found::One(reference(text))
    }

    #[test]
    fn references_are_read_however_they_are_typed() {
        for typed in [
            "RF18539007547034",
            "rf18 5390 0754 7034",
            " RF 18-5390-0754-7034 ",
            "ＲＦ１８　５３９０　０７５４　７０３４",
        ] {
            assert_eq!(reference(typed).as_str(), "RF18539007547034", "{typed}");
        }
        assert_eq!(
            reference("RF18539007547034").to_string(),
            "RF18 5390 0754 7034"
        );
    }

    #[test]
    fn wrong_ones_are_refused_with_their_reason() {
        let wrong = |text: &str| text.parse::<PaymentReference>().unwrap_err();
        assert_eq!(wrong("RF18539007547035"), ReferenceError::Checksum);
        for form in [
            "",
            "RF18",
            "RF",
            "XX18539007547034",
            "RF1A539007547034",
            "RF18 5390/0754",
        ] {
            assert_eq!(wrong(form), ReferenceError::Form, "{form}");
        }
        assert_eq!(
            wrong(&format!("RF18{}", "1".repeat(22))),
            ReferenceError::Form
        );
        assert_eq!(
            PaymentReference::from_body("A-1"),
            Err(ReferenceError::Form)
        );
        assert_eq!(PaymentReference::from_body(""), Err(ReferenceError::Form));
    }

    #[test]
    fn one_is_found_in_the_middle_of_other_words() {
        for text in [
            "Member top-up RF18 5390 0754 7034",
            "ref:rf18539007547034, thank you!",
            "RF18 5390\n0754 7034",
            "チャージ　ＲＦ１８５３９００７５４７０３４　タナカ",
            "RF RF18539007547034",
        ] {
            assert_eq!(search([text]), one("RF18539007547034"), "{text}");
        }
        assert_eq!(
            search(["RF18539007547034", "rf18 5390 0754 7034"]),
            one("RF18539007547034")
        );
    }

    #[test]
    fn what_isnt_one_isnt_found() {
        for text in [
            "",
            "thanks for all the fish",
            "RF18 5390 0754 7035",
            "SURF18539007547034",
            "RF",
        ] {
            assert_eq!(search([text]), Found::Nothing, "{text}");
        }
    }

    #[test]
    fn two_different_ones_are_for_a_person_to_decide() {
        let second = PaymentReference::from_number(7);
        let text = format!("RF18539007547034 and {second}");
        assert_eq!(
            search([text.as_str()]),
            Found::Several(vec![second.clone(), reference("RF18539007547034")])
        );
        assert_eq!(
            search([text.as_str()]).known(|r| *r == second),
            Found::One(second.clone())
        );
        assert_eq!(search([text.as_str()]).known(|_| false), Found::Nothing);
    }

    proptest! {
        #[test]
        fn any_number_makes_a_reference_that_is_found_again(
            number: u64,
            before in "[a-z .,]{0,20}[ .,]",
            after in "[.,!?][a-z ]{0,20}",
        ) {
            let made = PaymentReference::from_number(number);
            prop_assert_eq!(&reference(made.as_str()), &made);
            prop_assert_eq!(&reference(&made.to_string()), &made);
            let text = format!("{before}{made}{after}");
            let found = search([text.as_str()]).known(|r| *r == made);
            prop_assert_eq!(found, Found::One(made));
        }

        #[test]
        fn one_mistyped_character_never_passes(number: u64, at in 2_usize..20, digit in 0_u32..10) {
            let made = PaymentReference::from_number(number);
            let mut typed: Vec<char> = made.as_str().chars().collect();
            let at = at.min(typed.len() - 1);
            let digit = char::from_digit(digit, 10).unwrap();
            prop_assume!(typed[at] != digit);
            typed[at] = digit;
            let typed: String = typed.into_iter().collect();
            prop_assert_eq!(typed.parse::<PaymentReference>(), Err(ReferenceError::Checksum));
        }

        #[test]
        fn a_search_takes_any_text(text in "\\PC{0,60}") {
            let _any = search([text.as_str()]);
        }

        #[test]
        fn bodies_of_letters_round_trip(body in "[A-Za-z0-9]{1,21}") {
            let made = PaymentReference::from_body(&body).unwrap();
            prop_assert_eq!(reference(&made.as_str().to_lowercase()), made);
        }
    }
}
