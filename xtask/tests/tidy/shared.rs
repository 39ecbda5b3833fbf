//! Lines that two crates share: what stands twice begins to differ, unseen. Short likenesses are no harm; a long
//! one belongs into a crate that both use.

use std::collections::{BTreeSet, HashMap};

use crate::tree::Source;

/// How many lines in a row two crates may share: as many as the longest run today, of shop and sealing service
/// keeping what they answered.
const LIMIT: usize = 30;

/// Complains about longer runs, once for each two files.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let files: Vec<(&Source, Vec<(usize, &str)>)> = sources
        .iter()
        .filter(|s| s.is_rust() && s.path.starts_with("crates/") && s.path.contains("/src/"))
        .map(|source| (source, telling(source)))
        .collect();
    let mut runs: HashMap<Vec<&str>, (usize, usize)> = HashMap::new();
    let mut told = Vec::new();
    let mut pairs = BTreeSet::new();
    for (index, (source, lines)) in files.iter().enumerate() {
        for window in lines.windows(LIMIT + 1) {
            let key: Vec<&str> = window.iter().map(|(_, line)| *line).collect();
            match runs.get(&key) {
                Some((other, line)) => {
                    let first = files[*other].0;
                    if owner(first) != owner(source) && pairs.insert((*other, index)) {
                        let what = format!(
                            "more than {LIMIT} lines as from {}:{line}: they belong into a crate of both",
                            first.path
                        );
                        told.push(source.complaint(window[0].0, &what));
                    }
                }
                None => drop(runs.insert(key, (index, window[0].0))),
            }
        }
    }
    told
}

fn owner(source: &Source) -> &str {
    source.path.split('/').nth(1).unwrap_or_default()
}

/// The lines that say something: no comments, no `use`, no closing brackets; without their indentation.
fn telling(source: &Source) -> Vec<(usize, &str)> {
    let mut inside_use = false;
    let mut lines = Vec::new();
    for (number, line) in source.lines() {
        let line = line.trim();
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        if line.starts_with("use ") || line.starts_with("pub use ") || inside_use {
            inside_use = !line.ends_with(';');
            continue;
        }
        let says = line.chars().any(char::is_alphanumeric);
        if says && !line.starts_with("//") && !line.starts_with("#[") && !line.starts_with("#!") {
            lines.push((number, line));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(owner: &str, lines: usize) -> Source {
        let text: Vec<String> = (0..lines).map(|n| format!("    let a{n} = {n};")).collect();
        let path = format!("crates/tegata-{owner}/src/lib.rs");
        Source::new(
            &path,
            &format!("use a::{{\n    b,\n}};\n\n{}\n", text.join("\n}\n")),
        )
    }

    #[test]
    fn a_long_run_in_two_crates_is_told_once() {
        let found = check(&[file("shop", LIMIT + 5), file("gate", LIMIT + 3)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("crates/tegata-gate/src/lib.rs:5: "),
            "{found:?}"
        );
    }

    #[test]
    fn short_runs_and_those_of_one_crate_pass() {
        assert_eq!(check(&[file("shop", LIMIT), file("gate", LIMIT)]), [""; 0]);
        assert_eq!(
            check(&[file("shop", LIMIT + 5), file("shop", LIMIT + 5)]),
            [""; 0]
        );
    }
}
