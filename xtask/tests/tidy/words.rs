//! Private words for which the field has its own: each was renamed once, and stays so.

use crate::tree::Source;

/// What isn't said any more in names of files and in code, and what is said instead.
const RENAMED: &[(&str, &str)] = &[
    ("courier", "fulfilment"),
    ("stocker", "key supply"),
    ("papers", "receipts"),
    ("Unheard", "Rejected"),
    ("Heard", "Authenticated"),
    ("HouseClient", "CardKeysClient"),
    ("HouseRefusal", "CardKeysRefusal"),
    ("House", "Settings, Handler, Connection: what it is"),
    ("CardForm", "CreditCardForm"),
    ("CardDesk", "IcCards"),
];

/// Attributes that promise something to people outside: nobody outside of this workspace matches our enums.
const FOR_OTHERS: &str = "#[non_exhaustive]";

/// Complains about such words as whole words in a Rust file's code or path.
pub(crate) fn check(source: &Source) -> Vec<String> {
    if !source.is_rust() || source.path.starts_with("xtask/tests/tidy/") {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    for (word, instead) in RENAMED {
        if source.path.split(['/', '.']).any(|part| part == *word) {
            complaints.push(format!("{}: {word} is {instead}", source.path));
        }
    }
    for (number, line) in source.lines() {
        let code = line.split("//").next().unwrap_or(line);
        if code.contains(FOR_OTHERS) {
            complaints.push(source.complaint(number, "nobody outside of the workspace matches it"));
        }
        for (word, instead) in RENAMED {
            if stands_in(code, word) {
                complaints.push(source.complaint(number, &format!("{word} is {instead}")));
            }
        }
    }
    complaints
}

/// As a word of its own, outside of quotation marks.
fn stands_in(code: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    code.match_indices(word).any(|(at, _)| {
        let quoted = code[..at].matches('"').count() % 2 == 1;
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !quoted && !part(before) && !part(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_word_is_told_by_file_and_line() {
        let source = Source::new(
            "crates/tegata-shop/src/courier.rs",
            "fn f(h: HouseClient) {}\n",
        );
        let complaints = check(&source);
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        let enums = Source::new(
            "crates/tegata-shop/src/a.rs",
            "#[non_exhaustive]\nenum A {}\n",
        );
        assert_eq!(check(&enums).len(), 1);
    }

    #[test]
    fn other_words_texts_and_comments_pass() {
        let text = "// the courier\nlet couriers = \"a courier\"; let full_house = Heards;\n";
        assert_eq!(
            check(&Source::new("crates/tegata-shop/src/a.rs", text)),
            [""; 0]
        );
    }
}
