//! SQL with `$1`, `$2` …: SQLite numbers such parameters by their first appearance, so `$2 … $1` would swap
//! values in silence. In every text they appear in rising order, and no other kind of parameter does.

use crate::tree::Source;

/// Complains about texts of SQL whose parameters don't rise.
pub(crate) fn check(source: &Source) -> Vec<String> {
    if !source.is_rust() || !source.path.contains("/src/") || source.path.starts_with("xtask/") {
        return Vec::new();
    }
    let texts = texts(&source.text);
    let sql = texts.iter().filter(|(_, text)| is_sql(text));
    sql.filter_map(|(line, text)| {
        let what = wrong(text)?;
        Some(source.complaint(*line, &what))
    })
    .collect()
}

fn is_sql(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"].contains(&first)
}

/// What is wrong with the parameters of a text.
fn wrong(text: &str) -> Option<String> {
    if text.contains('?') {
        return Some("parameters are written $1, $2 …".to_owned());
    }
    let mut highest = 0;
    for part in text.split('$').skip(1) {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        let number: usize = digits.parse().ok()?;
        if number > highest + 1 {
            return Some(format!("${number} appears before ${}", highest + 1));
        }
        highest = highest.max(number);
    }
    None
}

/// The string literals of a Rust file, with the lines on which they begin.
fn texts(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        if rest.starts_with("//") {
            taken = rest.find('\n').unwrap_or(rest.len());
        } else if let Some(length) = character(rest) {
            taken = length;
        } else if c == '"' {
            let (text, length) = plain(&rest[1..]);
            found.push((line, text));
            taken = length + 1;
        } else if c == 'r' && (rest[1..].starts_with('"') || rest[1..].starts_with('#')) {
            let marks = rest[1..].chars().take_while(|c| *c == '#').count();
            let begin = 1 + marks;
            if rest[begin..].starts_with('"') {
                let end = format!("\"{}", "#".repeat(marks));
                let inside = &rest[begin + 1..];
                let length = inside.find(&end).unwrap_or(inside.len());
                found.push((line, inside[..length].to_owned()));
                taken = (begin + 1 + length + end.len()).min(rest.len());
            }
        }
        line += rest[..taken].matches('\n').count();
        rest = &rest[taken..];
    }
    found
}

/// How long a character literal is that stands here; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    let length = match first {
        '\\' => 1 + inside[1..].find('\'')?,
        other => other.len_utf8(),
    };
    inside[length..].starts_with('\'').then_some(length + 2)
}

/// A literal up to its closing mark, and how much of the source it takes with the mark.
fn plain(inside: &str) -> (String, usize) {
    let mut text = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (text, at + 1),
            '\\' => drop(characters.next()),
            other => text.push(other),
        }
    }
    (text, inside.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        check(&Source::new("crates/tegata-shop/src/store.rs", text))
    }

    #[test]
    fn parameters_that_fall_are_named_by_their_line() {
        let text = "const A: &str = \"x\";\nlet b = 'q';\nfn f<'a>() {\n    \
             run(\n        \"UPDATE entry SET word = $2\n         WHERE number = $1\");\n}\n";
        let found = complaints(text);
        let expected = "crates/tegata-shop/src/store.rs:5: $2 appears before $1";
        assert_eq!(found, [expected]);
        assert_eq!(complaints("r#\"DELETE FROM entry WHERE n = ?1\"#").len(), 1);
    }

    #[test]
    fn parameters_that_rise_and_other_texts_pass() {
        let good = [
            "\"SELECT a FROM b WHERE c = $1 AND d = $2 OR e = $1 LIMIT $3\"",
            "\"Who asks? $2 and $1\"",
            "// \"SELECT $2 $1\"\n",
            "\"SELECT 1\" '\"' \"DELETE FROM a WHERE b = $1\"",
        ];
        for text in good {
            assert_eq!(complaints(text), [""; 0], "{text}");
        }
    }
}
