//! What a file must not say, and how long it may be.

use crate::tree::Source;

/// A Rust file longer than this wants to be two.
const LONGEST: usize = 800;

/// Complains about places that exist on one machine only. The needles are put together here so
/// that this file doesn't hold them.
pub(crate) fn check_places(source: &Source) -> Vec<String> {
    let needles = [
        concat!("..", "/shared"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
    ];
    let complaint = |number: usize, needle: &str| {
        source.complaint(
            number,
            &format!("`{needle}` is a place outside the project"),
        )
    };
    let found = source.lines().flat_map(|(number, line)| {
        let on_line = needles
            .iter()
            .filter(move |needle| names_place(line, needle));
        on_line.map(move |needle| complaint(number, needle))
    });
    found.collect()
}

/// Whether the place stands there from its beginning: a folder of that name inside another doesn't.
fn names_place(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || ")]}>_-*.".contains(c)))
            || !needle.starts_with('/')
    })
}

/// Complains about code that was left for later.
pub(crate) fn check_unfinished(source: &Source) -> Vec<String> {
    if !source.is_rust() {
        return Vec::new();
    }
    let needles = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("FIX", "ME"),
    ];
    let found = source.lines().flat_map(|(number, line)| {
        let on_line = needles.iter().filter(|needle| line.contains(**needle));
        on_line
            .map(move |needle| source.complaint(number, &format!("`{needle}` is left unfinished")))
    });
    found.collect()
}

/// Complains about a Rust file that is too long.
pub(crate) fn check_length(source: &Source) -> Vec<String> {
    let length = source.lines().count();
    if !source.is_rust() || length <= LONGEST {
        return Vec::new();
    }
    vec![format!(
        "{}: {length} lines; divide it, {LONGEST} are allowed",
        source.path
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(check: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn places_on_one_machine_are_named_with_their_line() {
        let bad = concat!("fine\nsee /ro", "ot/.cargo");
        let complaints = check_places(&Source::new("a.md", bad));
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("a.md:2: "), "{complaints:?}");
        for bad in [
            concat!("`/wo", "rk/main`"),
            concat!("\"/ro", "ot/x\""),
            concat!("(../..", "/shared/design)"),
            concat!("file:///wo", "rk/x"),
        ] {
            assert_eq!(count(check_places, "docs/a.md", bad), 1, "{bad}");
        }
    }

    #[test]
    fn folders_of_that_name_elsewhere_pass() {
        for good in [
            concat!("centre/ro", "ot/key"),
            concat!("{data}/wo", "rk/x"),
            "shared work",
        ] {
            assert_eq!(count(check_places, "a.rs", good), 0, "{good}");
        }
    }

    #[test]
    fn unfinished_code_is_named_in_rust_only() {
        for bad in [
            concat!("to", "do!()"),
            concat!("unimple", "mented!(\"x\")"),
            concat!("// FIX", "ME"),
        ] {
            assert_eq!(count(check_unfinished, "a.rs", bad), 1, "{bad}");
            assert_eq!(count(check_unfinished, "a.md", bad), 0, "{bad}");
        }
    }

    #[test]
    fn the_first_line_too_many_is_one_too_many() {
        assert_eq!(count(check_length, "a.rs", &"\n".repeat(LONGEST)), 0);
        assert_eq!(count(check_length, "a.rs", &"\n".repeat(LONGEST + 1)), 1);
        assert_eq!(count(check_length, "a.md", &"\n".repeat(LONGEST + 1)), 0);
    }
}
