//! The tree's own files.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// One text file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Where it stands, from the root, with `/` between the parts.
    pub(crate) path: String,
    /// What it says; bytes that aren't UTF-8 stand as replacement characters.
    pub(crate) text: String,
}

impl Source {
    /// A made-up file for the checkers' own tests.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Whether it is a Rust file.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Its lines with their numbers, as complaints name them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// A complaint about one of its lines.
    pub(crate) fn complaint(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .expect("xtask stands in the root")
        .to_path_buf()
}

/// Every file that people write: below `crates`, `xtask`, `fuzz`, `docs`, `spec` and `.ci`, and the
/// pages and settings in the root.
pub(crate) fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read_sources);
    &SOURCES
}

fn read_sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["crates", "xtask", "fuzz", "docs", "spec", ".ci", ".cargo"] {
        collect(&root().join(folder), &mut paths);
    }
    let top = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths.extend(top.filter(|p| p.extension().is_some_and(|e| e == "md" || e == "toml")));
    paths.sort();
    let sources: Vec<Source> = paths.iter().map(|path| load(path)).collect();
    assert!(
        sources.len() > 20,
        "only {} files found: the tree isn't where it was",
        sources.len()
    );
    sources
}

/// The manifests of our crates.
pub(crate) fn manifests() -> Vec<Source> {
    sources()
        .iter()
        .filter(|s| s.path.ends_with("/Cargo.toml"))
        .cloned()
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        let built = ["target", "corpus", "artifacts"]
            .iter()
            .any(|name| entry.file_name() == *name);
        if kind.is_dir() && !built {
            collect(&entry.path(), paths);
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
}

fn load(path: &Path) -> Source {
    let below = path.strip_prefix(root()).unwrap();
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Source {
        path: parts.join("/"),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}
