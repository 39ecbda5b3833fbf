//! The program that seals in a browser: `program.js` beside this file, without its comments.

use std::sync::LazyLock;

use crate::Digest;

const SOURCE: &str = include_str!("program.js");

static PROGRAM: LazyLock<String> = LazyLock::new(|| {
    let lines = SOURCE.lines().map(str::trim);
    let kept = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    kept.flat_map(|line| [line, "\n"]).collect()
});

/// The program's text as it's delivered: its source without comments, indentation and empty lines,
/// which anybody can do again to compare.
pub fn program() -> &'static str {
    &PROGRAM
}

/// SHA-256 of [`program`]: what key records name.
pub fn program_digest() -> Digest {
    Digest::of(PROGRAM.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_comments_and_blanks_are_taken_out() {
        assert!(SOURCE.contains("// ") && !PROGRAM.contains("//"));
        let letters = |text: &str| {
            text.lines()
                .filter(|l| !l.trim().starts_with("//"))
                .collect::<String>()
                .replace([' ', '\n'], "")
        };
        assert_eq!(letters(SOURCE), letters(&PROGRAM));
    }
}
