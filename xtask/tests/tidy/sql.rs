//! SQL with `$1`, `$2` …: SQLite numbers such parameters by their first appearance, so `$2 … $1` would swap
//! values in silence. In every text they appear in rising order, and no other kind of parameter does.

use crate::tree::Source;

/// Complains about texts of SQL whose parameters don't rise. A part of a text that has parameters of its own
/// counts from one too: what it's put into can't be seen from here.
pub(crate) fn check(source: &Source) -> Vec<String> {
    if !source.is_rust() || !source.path.contains("/src/") || source.path.starts_with("xtask/") {
        return Vec::new();
    }
    let texts = texts(&source.text);
    let wrong = texts.iter().filter_map(|(line, text)| {
        let what = wrong(text)?;
        Some(source.complaint(*line, &what))
    });
    wrong.collect()
}

fn is_sql(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"].contains(&first)
}

/// What is wrong with the parameters of a text.
fn wrong(text: &str) -> Option<String> {
    if is_sql(text) && (text.contains('?') || is_named(text)) {
        return Some("parameters are written $1, $2 …".to_owned());
    }
    let mut highest = 0;
    for part in text.split('$').skip(1) {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        // `$0` and `$$` are a shell's.
        let number: usize = digits.parse().unwrap_or(0);
        if number > highest + 1 {
            return Some(format!("${number} appears before ${}", highest + 1));
        }
        highest = highest.max(number);
    }
    None
}

/// Has a text a parameter with a name, as `$shop`, `:shop` or `@shop`?
fn is_named(text: &str) -> bool {
    let marks = text.match_indices(['$', ':', '@']);
    let mut around = marks.map(|(at, _)| {
        let before = text[..at].chars().next_back();
        (before, text[at + 1..].chars().next())
    });
    let begins = |c: char| c.is_ascii_whitespace() || "(,=<>|+-".contains(c);
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    around.any(|(before, after)| before.is_some_and(begins) && after.is_some_and(letter))
}

/// The string literals of a Rust file, with the lines on which they begin; those in one `concat!` are one.
fn texts(source: &str) -> Vec<(usize, String)> {
    const JOINED: &str = "concat!(";
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut line = 1;
    let mut rest = source;
    // How deep in parentheses of a `concat!`, and whether it has had a literal.
    let (mut depth, mut joins) = (0, false);
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        if rest.starts_with("//") {
            taken = rest.find('\n').unwrap_or(rest.len());
        } else if depth == 0 && rest.starts_with(JOINED) {
            taken = JOINED.len();
            (depth, joins) = (1, false);
        } else if let Some(length) = character(rest) {
            taken = length;
        } else if let Some((text, length)) = literal(rest) {
            match found.last_mut().filter(|_| joins) {
                Some((_, joined)) => joined.push_str(&text),
                None => found.push((line, text)),
            }
            joins = depth > 0;
            taken = length;
        } else if depth > 0 {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            joins &= depth > 0;
        }
        line += rest[..taken].matches('\n').count();
        rest = &rest[taken..];
    }
    found
}

/// The text of a literal that stands here, and how much of the source it takes.
fn literal(rest: &str) -> Option<(String, usize)> {
    if let Some(inside) = rest.strip_prefix('"') {
        let (text, length) = plain(inside);
        return Some((text, length + 1));
    }
    let marked = rest.strip_prefix('r')?;
    let marks = marked.chars().take_while(|c| *c == '#').count();
    let inside = marked[marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    let length = inside.find(&end).unwrap_or(inside.len());
    let taken = (2 + marks + length + end.len()).min(rest.len());
    Some((inside[..length].to_owned(), taken))
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
        for bad in [
            "r#\"DELETE FROM entry WHERE n = ?1\"#",
            "\"SELECT a FROM b WHERE c = :c\"",
            "\"SELECT a FROM b WHERE c IN ($first)\"",
            "\"a = $2 AND b = $1\"",
            "concat!(\"UPDATE a SET b = $1\", columns!(), \" WHERE c = $3\")",
        ] {
            assert_eq!(complaints(bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn parameters_that_rise_and_other_texts_pass() {
        let good = [
            "\"SELECT a FROM b WHERE c = $1 AND d = $2 OR e = $1 LIMIT $3\"",
            "\"Who asks? exec $0 $$\"",
            "f(concat!(\"UPDATE a SET b = $1\", columns!(), \" WHERE c = $2\"), \"d = $1\")",
            "\"SELECT {COLUMNS} FROM a WHERE b <> 'c: d'\"",
            "// \"SELECT $2 $1\"\n",
            "\"SELECT 1\" '\"' \"DELETE FROM a WHERE b = $1\"",
        ];
        for text in good {
            assert_eq!(complaints(text), [""; 0], "{text}");
        }
    }
}
