//! Citations of rows of the founding documents: a letter for the document and a number, such as
//! T7 for the seventh row about tickets.
//!
//! Only what is surely meant as a citation is looked at: a row alone between backticks, or
//! parentheses that hold nothing but rows. Of Rust files only the comments are read.

use crate::tree::Source;

/// The documents' letters and how many rows each has.
const DOCUMENTS: &[(char, u32)] = &[('T', 12), ('M', 11), ('O', 13), ('D', 9), ('K', 11)];

/// Complains about rows that don't exist.
pub(crate) fn check(source: &Source) -> Vec<String> {
    if !source.is_rust() && !source.path.ends_with(".md") {
        return Vec::new();
    }
    let comments = |(number, line)| {
        let text = if source.is_rust() {
            comment(line)
        } else {
            Some(line)
        };
        text.map(|text| (number, text))
    };
    let dead = source
        .lines()
        .filter_map(comments)
        .flat_map(|(number, text)| {
            cited(text)
                .into_iter()
                .filter(|row| !exists(row))
                .map(move |row| (number, row))
        });
    dead.map(|(number, row)| source.complaint(number, &format!("there is no row {row}")))
        .collect()
}

fn comment(line: &str) -> Option<&str> {
    line.find("//").map(|at| &line[at..])
}

/// The rows that the text cites.
fn cited(text: &str) -> Vec<&str> {
    let backticks = text.split('`').skip(1).step_by(2);
    let parentheses = text
        .split('(')
        .skip(1)
        .filter_map(|part| Some(part.split_once(')')?.0));
    backticks
        .chain(parentheses)
        .filter_map(rows)
        .flatten()
        .collect()
}

/// The rows, if the text is nothing but rows with commas or dashes between them.
fn rows(text: &str) -> Option<Vec<&str>> {
    let words = text
        .split([',', '-', '–', '/'])
        .map(|word| word.trim().trim_matches('`'));
    let rows: Vec<&str> = words.collect();
    rows.iter().all(|word| is_row(word)).then_some(rows)
}

fn is_row(word: &str) -> bool {
    let mut characters = word.chars();
    let letter = characters.next();
    let number = characters.as_str();
    DOCUMENTS.iter().any(|(known, _)| letter == Some(*known))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn exists(row: &str) -> bool {
    DOCUMENTS.iter().any(|(letter, last)| {
        let number = row
            .strip_prefix(*letter)
            .filter(|number| !number.starts_with('0'));
        number
            .and_then(|number| number.parse().ok())
            .is_some_and(|n: u32| (1..=*last).contains(&n))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn a_row_beyond_the_last_is_dead() {
        for (row, count) in [
            ("T12", 0),
            ("T13", 1),
            ("M11", 0),
            ("M12", 1),
            ("O13", 0),
            ("O14", 1),
        ] {
            assert_eq!(
                dead("docs/a.md", &format!("As `{row}` says.")),
                count,
                "{row}"
            );
        }
        for (row, count) in [
            ("D9", 0),
            ("D10", 1),
            ("K11", 0),
            ("K12", 1),
            ("T0", 1),
            ("T07", 1),
        ] {
            assert_eq!(
                dead("docs/a.md", &format!("As it says ({row}).")),
                count,
                "{row}"
            );
        }
    }

    #[test]
    fn lists_and_ranges_are_read_to_their_ends() {
        assert_eq!(dead("a.md", "(T7, K12)"), 1);
        assert_eq!(dead("a.md", "(T1-T13, M12)"), 2);
        assert_eq!(dead("a.md", "(`T1`–`T12`)"), 0);
    }

    #[test]
    fn only_comments_of_rust_files_are_read() {
        assert_eq!(dead("a.rs", concat!("fn f() {} /", "/ see `T13`")), 1);
        assert_eq!(dead("a.rs", "struct A(T13);\nlet s = \"`T13`\";"), 0);
    }

    #[test]
    fn other_words_are_no_rows() {
        for text in [
            "`T`",
            "`T13s`",
            "(T13 or so)",
            "T13",
            "`D800`",
            "(X13)",
            "`Vec<T13>`",
            "()",
        ] {
            assert_eq!(dead("a.md", text), 0, "{text}");
        }
    }
}
