//! Which of our crates may depend on which. A crate exists because it holds a different secret, or
//! because a dependency that it lacks proves something; an edge too many would undo that unseen.

use crate::tree::Source;

/// The edges that may be, in the order of the layers. A crate that isn't here isn't allowed.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tegata-protocol", &[]),
    ("tegata-bank", &["tegata-protocol"]),
    ("tegata-store", &[]),
    ("tegata-store-attacks", &[]),
    ("tegata-ledger", &["tegata-protocol", "tegata-store"]),
    ("tegata-keystore", &[]),
    (
        "tegata-party",
        &["tegata-protocol", "tegata-keystore", "tegata-cli"],
    ),
    ("tegata-cli", &[]),
    ("tegata-http", &["tegata-cli"]),
    ("tegata-card", &[]),
    ("tegata-card-service", &[]),
    (
        "tegata-card-reader",
        &["tegata-card", "tegata-cli", "tegata-http"],
    ),
    ("tegata-pages", &[]),
    ("tegata-guard", &["tegata-cli", "tegata-http"]),
    (
        "tegata-card-keys",
        &[
            "tegata-keystore",
            "tegata-card",
            "tegata-card-service",
            "tegata-cli",
            "tegata-http",
            "tegata-store",
        ],
    ),
    (
        "tegata-orders",
        &[
            "tegata-keystore",
            "tegata-protocol",
            "tegata-party",
            "tegata-store",
            "tegata-cli",
        ],
    ),
    (
        "tegata-centre",
        &[
            "tegata-keystore",
            "tegata-protocol",
            "tegata-store",
            "tegata-bank",
            "tegata-ledger",
            "tegata-card",
            "tegata-card-service",
            "tegata-party",
            "tegata-orders",
            "tegata-cli",
            "tegata-http",
            "tegata-pages",
        ],
    ),
    (
        "tegata-shop",
        &[
            "tegata-keystore",
            "tegata-protocol",
            "tegata-store",
            "tegata-party",
            "tegata-orders",
            "tegata-cli",
            "tegata-http",
            "tegata-pages",
        ],
    ),
    (
        "tegata-sealing",
        &[
            "tegata-keystore",
            "tegata-protocol",
            "tegata-party",
            "tegata-store",
            "tegata-cli",
            "tegata-http",
            "tegata-pages",
        ],
    ),
    (
        "tegata-wallet",
        &[
            "tegata-protocol",
            "tegata-keystore",
            "tegata-card",
            "tegata-party",
            "tegata-cli",
            "tegata-http",
            "tegata-pages",
        ],
    ),
    (
        "tegata-gate",
        &[
            "tegata-keystore",
            "tegata-protocol",
            "tegata-card",
            "tegata-card-service",
            "tegata-party",
            "tegata-store",
            "tegata-cli",
            "tegata-http",
            "tegata-pages",
        ],
    ),
    (
        "tegata-demo",
        &[
            "tegata-keystore",
            "tegata-protocol",
            "tegata-bank",
            "tegata-card",
            "tegata-card-reader",
            "tegata-ledger",
            "tegata-party",
            "tegata-store",
            "tegata-orders",
            "tegata-cli",
            "tegata-http",
            "tegata-pages",
            "tegata-guard",
            "tegata-centre",
            "tegata-shop",
            "tegata-wallet",
            "tegata-gate",
            "tegata-sealing",
        ],
    ),
    ("xtask", &[]),
];

/// What only these may depend on, outside of tests: whoever opens a database does it by way of the store, and
/// whoever reaches a card in a reader by way of the reader's process.
const ALONE: &[(&str, &[&str])] = &[
    ("rusqlite", &["tegata-store", "tegata-store-attacks"]),
    ("tegata-store-attacks", &[]),
    ("pcsc", &["tegata-card-reader"]),
];

/// What must not come in at any depth either: the first column can't do what the second is for.
pub(crate) const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "tegata-protocol",
        &[
            "tokio", "hyper", "axum", "ureq", "rusqlite", "rustls", "jiff",
        ],
    ),
    ("tegata-party", &["tegata-store", "rusqlite"]),
    ("tegata-cli", &["tegata-store", "rusqlite"]),
    ("tegata-http", &["tegata-store", "rusqlite"]),
    (
        "tegata-bank",
        &[
            "tegata-ledger",
            "tegata-centre",
            "tokio",
            "hyper",
            "axum",
            "ureq",
            "rusqlite",
            "rustls",
        ],
    ),
    (
        "tegata-guard",
        &[
            "tegata-protocol",
            "tegata-ledger",
            "rusqlite",
            "libsqlite3-sys",
        ],
    ),
    (
        "tegata-pages",
        &["tegata-protocol", "tegata-ledger", "rusqlite"],
    ),
    (
        "tegata-keystore",
        &["tegata-protocol", "tokio", "hyper", "ureq", "rusqlite"],
    ),
    (
        "tegata-card-keys",
        &["tegata-protocol", "tegata-ledger", "tegata-centre"],
    ),
    ("tegata-centre", &["tegata-card-keys"]),
    // Nor the system's card library: the gate holds private keys.
    (
        "tegata-gate",
        &["tegata-ledger", "tegata-centre", "tegata-card-keys", "pcsc"],
    ),
    (
        "tegata-wallet",
        &["tegata-ledger", "tegata-centre", "rusqlite", "pcsc"],
    ),
    ("tegata-shop", &["tegata-ledger", "tegata-centre"]),
    (
        "tegata-sealing",
        &["tegata-ledger", "tegata-centre", "tegata-shop"],
    ),
    ("tegata-orders", &["tegata-ledger", "tegata-centre"]),
];

/// An edge that a manifest states.
#[derive(Debug, PartialEq, Eq)]
struct Edge<'a> {
    to: &'a str,
    only_in_tests: bool,
}

/// Complains about edges that aren't designed. Tests may reach further, but never up to the demo,
/// and xtask has no dependency of any kind.
pub(crate) fn check(manifests: &[Source]) -> Vec<String> {
    manifests.iter().flat_map(check_one).collect()
}

fn check_one(manifest: &Source) -> Vec<String> {
    let name = manifest
        .path
        .trim_end_matches("/Cargo.toml")
        .rsplit('/')
        .next()
        .unwrap_or("");
    let edges = edges(&manifest.text);
    if name == "xtask" {
        let complaint = |edge: &Edge<'_>| format!("xtask has a dependency, {}", edge.to);
        return edges.iter().map(complaint).collect();
    }
    if name == "fuzz" {
        return Vec::new();
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
        return vec![format!(
            "{name} is new: say in xtask/tests/tidy/edges.rs what it may use"
        )];
    };
    let wrong = edges.iter().filter(|edge| {
        let ours = edge.to.starts_with("tegata-");
        let designed = !ours || allowed.contains(&edge.to);
        let undesigned = !designed && (!edge.only_in_tests || edge.to == "tegata-demo");
        undesigned || (!edge.only_in_tests && is_anothers(name, edge.to))
    });
    wrong
        .map(|edge| format!("{name} must not depend on {}", edge.to))
        .collect()
}

/// Is a package there for other crates alone?
fn is_anothers(name: &str, to: &str) -> bool {
    let alone = ALONE.iter().find(|(package, _)| *package == to);
    alone.is_some_and(|(_, users)| !users.contains(&name))
}

/// The edges of a manifest, whichever of TOML's forms states them.
fn edges(manifest: &str) -> Vec<Edge<'_>> {
    let mut edges = Vec::new();
    let mut section = Section::Other;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let (kind, dependency) = Section::parse(header.trim_end_matches(']'));
            edges.extend(dependency.map(|to| Edge {
                to,
                only_in_tests: kind == Section::Tests,
            }));
            // Below `[dependencies.NAME]` stand that one's settings, not further dependencies.
            section = if dependency.is_some() {
                Section::Other
            } else {
                kind
            };
        } else if section != Section::Other && !line.is_empty() && !line.starts_with('#') {
            let to = line.split(['.', ' ', '=']).next().unwrap_or_default();
            edges.push(Edge {
                to,
                only_in_tests: section == Section::Tests,
            });
        }
    }
    edges
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Section {
    Always,
    Tests,
    Other,
}

impl Section {
    /// The kind of a section and, for `[dependencies.NAME]`, the name.
    fn parse(header: &str) -> (Self, Option<&str>) {
        let forms = [
            ("dev-dependencies", Self::Tests),
            ("build-dependencies", Self::Always),
            ("dependencies", Self::Always),
        ];
        for (form, kind) in forms {
            if header == form || header.ends_with(&format!(".{form}")) {
                return (kind, None);
            }
            if let Some((before, name)) = header.split_once(&format!("{form}."))
                && (before.is_empty() || before.ends_with('.'))
            {
                return (kind, Some(name));
            }
        }
        (Self::Other, None)
    }
}

/// Complains about forbidden packages in a `cargo tree` list.
pub(crate) fn check_reach(package: &str, list: &str, forbidden: &[&str]) -> Vec<String> {
    let names = list
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let mut found: Vec<&str> = names.filter(|name| forbidden.contains(name)).collect();
    found.sort_unstable();
    found.dedup();
    found
        .iter()
        .map(|name| format!("{package} must do without {name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, manifest: &str) -> Vec<String> {
        check(&[Source::new(path, manifest)])
    }

    #[test]
    fn an_edge_that_is_not_designed_is_named_in_every_form() {
        let forms = [
            "[dependencies]\ntegata-protocol.workspace = true\n",
            "[dependencies]\nserde = \"1\"\ntegata-protocol = { path = \"..\" }\n",
            "[dependencies.tegata-protocol]\npath = \"..\"\n",
            "[target.'cfg(unix)'.dependencies]\ntegata-protocol.workspace = true\n",
            "[target.'cfg(unix)'.dependencies.tegata-protocol]\nworkspace = true\n",
            "[build-dependencies]\ntegata-protocol.workspace = true\n",
        ];
        for form in forms {
            assert_eq!(
                complaints("crates/tegata-guard/Cargo.toml", form),
                ["tegata-guard must not depend on tegata-protocol"],
                "{form}"
            );
        }
    }

    #[test]
    fn what_is_anothers_is_for_tests_alone() {
        let path = "crates/tegata-shop/Cargo.toml";
        for package in ["rusqlite", "tegata-store-attacks", "pcsc"] {
            let manifest = format!("[dependencies]\n{package}.workspace = true\n");
            let expected = format!("tegata-shop must not depend on {package}");
            assert_eq!(complaints(path, &manifest), [expected]);
            let manifest = format!("[dev-dependencies]\n{package}.workspace = true\n");
            assert_eq!(complaints(path, &manifest), [""; 0]);
        }
        let store = "[dependencies]\nrusqlite.workspace = true\n";
        assert_eq!(complaints("crates/tegata-store/Cargo.toml", store), [""; 0]);
    }

    #[test]
    fn designed_edges_pass_and_settings_are_no_edges() {
        let manifest = "[package]\ntegata-demo = 1\n[dependencies]\n# tegata-demo\n\
            tegata-protocol.workspace = true\n[dependencies.serde]\ntegata-demo = 1\n";
        assert_eq!(
            complaints("crates/tegata-ledger/Cargo.toml", manifest),
            [""; 0]
        );
    }

    #[test]
    fn tests_may_reach_further_but_never_to_the_demo() {
        let manifest = "[dev-dependencies]\ntegata-centre.workspace = true\n\
            tegata-demo.workspace = true\n";
        assert_eq!(
            complaints("crates/tegata-shop/Cargo.toml", manifest),
            ["tegata-shop must not depend on tegata-demo"]
        );
    }

    #[test]
    fn a_new_crate_must_be_entered_and_xtask_stays_bare() {
        assert_eq!(complaints("crates/tegata-new/Cargo.toml", "").len(), 1);
        assert_eq!(
            complaints("xtask/Cargo.toml", "[dev-dependencies]\nserde = \"1\"\n"),
            ["xtask has a dependency, serde"]
        );
    }

    #[test]
    fn what_comes_in_behind_is_named_once() {
        let list = "tegata-guard v0.1.0\nrusqlite v1\ntokio v1\nrusqlite v1 (*)\n";
        assert_eq!(
            check_reach("tegata-guard", list, &["rusqlite"]),
            ["tegata-guard must do without rusqlite"]
        );
        assert_eq!(check_reach("tegata-guard", list, &["sqlite"]), [""; 0]);
    }
}
