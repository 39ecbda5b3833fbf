//! Fuzz targets: each stands wherever targets are listed, so that none is forgotten by who builds,
//! runs or reads about them.

use std::collections::BTreeSet;

use crate::tree::Source;

/// Where the targets' programs are.
const PROGRAMS: &str = "fuzz/fuzz_targets/";

/// Complains about a target that isn't in all of the lists, or whose program runs another's function.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let text = |path: &str| {
        let found = sources.iter().find(|source| source.path == path);
        found.map_or("", |source| source.text.as_str())
    };
    let programs: Vec<(&str, &Source)> = sources
        .iter()
        .filter_map(|source| {
            let name = source.path.strip_prefix(PROGRAMS)?.strip_suffix(".rs")?;
            Some((name, source))
        })
        .collect();
    let names: BTreeSet<&str> = programs.iter().map(|(name, _)| *name).collect();
    let lists = [
        ("fuzz/Cargo.toml", manifest(text("fuzz/Cargo.toml"))),
        ("fuzz/README.md", table(text("fuzz/README.md"))),
        ("fuzz/src/lib.rs", targets(text("fuzz/src/lib.rs"))),
        ("fuzz/seed_corpus.py and fuzz/src/seeds.rs", {
            let mut seeded = seeds(text("fuzz/seed_corpus.py"));
            seeded.append(&mut seeds(text("fuzz/src/seeds.rs")));
            // What else stands in quotes there is no list of targets.
            seeded.intersection(&names).copied().collect()
        }),
    ];
    let mut complaints = Vec::new();
    for (place, listed) in &lists {
        let missing = names.difference(listed);
        complaints.extend(missing.map(|name| format!("{place}: the target {name} is missing")));
        let unknown = listed.difference(&names);
        complaints.extend(unknown.map(|name| format!("{place}: {name} has no program")));
    }
    for (name, program) in programs {
        if !program.text.contains(&format!("tegata_fuzz::{name}(data)")) {
            complaints.push(format!("{}: it must run tegata_fuzz::{name}", program.path));
        }
    }
    complaints
}

/// The programs that cargo builds, but for those that need no fuzzer, which cargo finds by itself.
fn manifest(text: &str) -> BTreeSet<&str> {
    let paths = text.lines().filter_map(|line| {
        let path = line.strip_prefix("path = \"fuzz_targets/")?;
        path.strip_suffix(".rs\"")
    });
    paths.collect()
}

/// The names in the first column of the page's table.
fn table(text: &str) -> BTreeSet<&str> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let columns = rows.filter_map(|row| row.split(" | ").next());
    columns
        .flat_map(|column| column.split([',', '`', ' ']))
        .filter(|name| !name.is_empty())
        .collect()
}

/// The names in the library's list.
fn targets(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter_map(|line| {
        let (name, function) = line.trim().strip_prefix("(\"")?.split_once("\", ")?;
        (function == format!("{name}),")).then_some(name)
    });
    lines.collect()
}

/// Everything that stands in quotes.
fn seeds(text: &str) -> BTreeSet<&str> {
    text.lines()
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(change: impl Fn(&str, &str) -> String) -> Vec<Source> {
        let files = [
            (
                "fuzz/Cargo.toml",
                "[[bin]]\nname = \"bill\"\npath = \"fuzz_targets/bill.rs\"\n",
            ),
            ("fuzz/README.md", "| `bill` | bills | the payload |\n"),
            (
                "fuzz/src/lib.rs",
                "const ALL = &[\n    (\"bill\", bill),\n];\n",
            ),
            ("fuzz/seed_corpus.py", "put(\"bill\", data)\n"),
            ("fuzz/src/seeds.rs", ""),
            (
                "fuzz/fuzz_targets/bill.rs",
                "fuzz_target!(|data: &[u8]| tegata_fuzz::bill(data));\n",
            ),
        ];
        let made = files.map(|(path, text)| Source::new(path, &change(path, text)));
        made.into_iter().collect()
    }

    #[test]
    fn a_target_that_stands_everywhere_is_good() {
        assert_eq!(check(&tree(|_, text| text.to_owned())), [""; 0]);
    }

    #[test]
    fn a_target_that_isnt_listed_is_named_with_the_list() {
        for list in [
            "fuzz/Cargo.toml",
            "fuzz/README.md",
            "fuzz/src/lib.rs",
            "fuzz/seed_corpus.py",
        ] {
            let without = |path: &str, text: &str| match path == list {
                true => text.replace("bill", "other"),
                false => text.to_owned(),
            };
            let complaints = check(&tree(without));
            let missing = complaints.first().map(String::as_str).unwrap_or_default();
            assert!(missing.starts_with(list), "{list}: {complaints:?}");
            assert!(
                missing.ends_with("the target bill is missing"),
                "{complaints:?}"
            );
        }
    }

    #[test]
    fn a_name_without_a_program_and_a_program_of_another_are_named() {
        let more = |path: &str, text: &str| match path == "fuzz/README.md" {
            true => format!("{text}| `bill`, `gone` | what was | bytes |\n"),
            false => text.to_owned(),
        };
        assert_eq!(check(&tree(more)), ["fuzz/README.md: gone has no program"]);
        let other = |path: &str, text: &str| match path.ends_with("bill.rs") {
            true => text.replace("tegata_fuzz::bill", "tegata_fuzz::sign1"),
            false => text.to_owned(),
        };
        let complaints = check(&tree(other));
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].contains("it must run tegata_fuzz::bill"));
    }
}
