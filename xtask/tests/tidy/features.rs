//! One feature set: what tests turn on in a dependency, programs have too. Else a test run builds that
//! dependency a second time, and everything that stands on it.

use std::collections::BTreeMap;

/// Complains about packages that have other features where tests are built. Both lists have a line
/// `name version|features` for each package.
pub(crate) fn check(programs: &str, tests: &str) -> Vec<String> {
    let (programs, tests) = (sets(programs), sets(tests));
    let differing = programs.iter().filter_map(|(package, features)| {
        let in_tests = tests.get(package)?;
        (in_tests != features)
            .then(|| format!("{package} is built twice: with {features:?} and with {in_tests:?}"))
    });
    differing.collect()
}

/// Each package's features. What is built for build scripts too may stand in a list twice.
fn sets(list: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut sets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in list.lines() {
        let Some((package, features)) = line.split_once('|') else {
            continue;
        };
        let package = package.split(" (").next().unwrap_or(package);
        let features = features.trim_end_matches(" (*)");
        let known = sets.entry(package).or_default();
        if !known.contains(&features) {
            known.push(features);
            known.sort_unstable();
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_tests_turn_on_is_named() {
        let programs = "a v1.0.0|std\nb v2.0.0|\n";
        let same = "a v1.0.0|std\nb v2.0.0|\nc v3.0.0|more\na v1.0.0|std (*)\n";
        assert_eq!(check(programs, same), [""; 0]);
        let more = "a v1.0.0|std\nb v2.0.0 (proc-macro)|std\n";
        let complaints = check(programs, more);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].starts_with("b v2.0.0 is built twice"));
    }
}
