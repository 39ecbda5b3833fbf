//! Names that say nothing about what is inside.

use crate::tree::Source;

const BANNED: &[&str] = &[
    "common", "types", "utils", "helpers", "core", "misc", "manager", "db",
];

/// Complains about crates, folders, files and modules with such a name.
pub(crate) fn check(source: &Source) -> Vec<String> {
    if !source.is_rust() {
        return Vec::new();
    }
    let parts = source
        .path
        .split('/')
        .map(|part| part.trim_end_matches(".rs"));
    let mut complaints: Vec<String> = parts
        .map(|part| part.strip_prefix("tegata-").unwrap_or(part))
        .filter(|part| BANNED.contains(part))
        .map(|part| {
            format!(
                "{}: `{part}` says nothing about what is inside",
                source.path
            )
        })
        .collect();
    complaints.extend(source.lines().filter_map(|(number, line)| {
        let name = declared_module(line).filter(|name| BANNED.contains(name))?;
        let what = format!("module `{name}` says nothing about what is inside");
        Some(source.complaint(number, &what))
    }));
    complaints
}

/// The name in `mod NAME;` or `mod NAME {`, whoever may see it.
fn declared_module(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches(|c| c != ' ').trim_start(),
        None => line,
    };
    let name = line.strip_prefix("mod ")?.trim_start();
    Some(name.split([';', ' ', '{']).next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_folders_files_and_modules_are_looked_at() {
        let bad = [
            ("crates/tegata-common/src/lib.rs", ""),
            ("crates/tegata-shop/src/db/rows.rs", ""),
            ("crates/tegata-shop/src/utils.rs", ""),
            ("crates/tegata-shop/src/lib.rs", "mod types;"),
            (
                "crates/tegata-shop/src/lib.rs",
                "    pub(crate) mod helpers {",
            ),
            ("crates/tegata-shop/src/lib.rs", "pub mod manager;"),
        ];
        for (path, text) in bad {
            assert_eq!(check(&Source::new(path, text)).len(), 1, "{path} {text}");
        }
    }

    #[test]
    fn other_names_and_mere_mentions_pass() {
        let good = [
            ("crates/tegata-shop/src/types_of_seat.rs", ""),
            (
                "crates/tegata-shop/src/lib.rs",
                "use core::fmt;\n// mod types;\nmod coreness;",
            ),
            ("docs/common/page.md", ""),
        ];
        for (path, text) in good {
            assert_eq!(check(&Source::new(path, text)), [""; 0], "{path} {text}");
        }
    }
}
