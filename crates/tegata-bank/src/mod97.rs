//! The check digits of ISO 7064, MOD 97-10, which account numbers and creditor references share.

/// The remainder by 97 of capitals and digits read as one number, `A` as 10 to `Z` as 35.
///
/// `None` when anything else is among them.
pub(crate) fn remainder(text: impl Iterator<Item = char>) -> Option<u32> {
    text.into_iter().try_fold(0, |rest, c| {
        let value = c.to_digit(36).filter(|_| !c.is_ascii_lowercase())?;
        let shift = if value < 10 { 10 } else { 100 };
        Some((rest * shift + value) % 97)
    })
}

/// Do the two check digits at places 3 and 4 fit the rest of `text`?
pub(crate) fn checks(text: &str) -> bool {
    let Some((head, body)) = text.split_at_checked(4) else {
        return false;
    };
    // 00, 01 and 99 leave the same remainders as 97, 98 and 02, which alone are ever given out.
    let digits = head.get(2..).and_then(|d| d.parse::<u32>().ok());
    let given_out = digits.is_some_and(|d| (2..=98).contains(&d));
    given_out && remainder(body.chars().chain(head.chars())) == Some(1)
}

/// The check digits for a body behind a two-letter prefix, or `None` for other characters.
pub(crate) fn check_digits(prefix: &str, body: &str) -> Option<u32> {
    remainder(body.chars().chain(prefix.chars()).chain("00".chars())).map(|rest| 98 - rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_examples_hold() {
        assert!(checks("RF18539007547034"));
        assert!(checks("GB82WEST12345698765432"));
        assert_eq!(check_digits("RF", "539007547034"), Some(18));
        assert!(!checks("RF19539007547034"));
    }

    #[test]
    fn digits_that_nobody_gives_out_are_refused() {
        for body in 0..500 {
            let digits = check_digits("RF", &body.to_string()).unwrap();
            assert!((2..=98).contains(&digits));
            let aliases = [Some(digits + 97), digits.checked_sub(97)];
            for alias in aliases.into_iter().flatten().filter(|a| *a < 100) {
                assert!(!checks(&format!("RF{alias:02}{body}")), "{alias:02} {body}");
            }
        }
        assert!(!checks("RF1") && !checks("RF+9539007547034") && !checks("rf18539007547034"));
    }
}
