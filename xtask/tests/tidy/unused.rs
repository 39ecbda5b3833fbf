//! What stands in the tree and serves nothing: dependencies that no source names, files that no module
//! declares.

use crate::{modules::Crate, tree::Source};

/// Dependencies that are there for another reason than their names, as `package/dependency`.
const FOR_THEIR_FEATURES: &[&str] = &["tegata-demo/num-traits"];

/// Complains about dependencies that none of the package's sources names: in its code, or for a dependency of
/// tests alone anywhere, examples in comments included.
pub(crate) fn check_dependencies(manifest: &Source, sources: &[Source]) -> Vec<String> {
    let Some(folder) = manifest.path.strip_suffix("Cargo.toml") else {
        return Vec::new();
    };
    let package = folder
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let own: Vec<&Source> = sources
        .iter()
        .filter(|source| source.is_rust() && source.path.starts_with(folder))
        .collect();
    let mut tests_only = false;
    let mut inside = false;
    let mut complaints = Vec::new();
    for (number, line) in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
            tests_only = line.contains("dev-");
        }
        let Some(name) = dependency(line).filter(|_| inside) else {
            continue;
        };
        let place = format!("{package}/{name}");
        let word = name.replace('-', "_");
        let named = own.iter().any(|source| match tests_only {
            true => names(&source.text, &word),
            false => code(source, folder).any(|line| names(line, &word)),
        });
        if !named && !FOR_THEIR_FEATURES.contains(&place.as_str()) {
            let what = format!("nothing in {package} names {name}");
            complaints.push(manifest.complaint(number, &what));
        }
    }
    complaints
}

/// Complains about dependencies in the workspace's list that no package of it has.
pub(crate) fn check_list(root: &Source, manifests: &[Source]) -> Vec<String> {
    let has = |name: &str| {
        let mut lines = manifests.iter().flat_map(Source::lines);
        lines.any(|(_, line)| dependency(line) == Some(name))
    };
    let mut inside = false;
    let mut complaints = Vec::new();
    for (number, line) in root.lines() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        }
        if let Some(name) = dependency(line).filter(|name| inside && !has(name)) {
            complaints.push(root.complaint(number, &format!("no package has {name}")));
        }
    }
    complaints
}

/// The lines of a file that the package is built of: no comments, no tests, which stand at a file's end.
fn code<'a>(source: &'a Source, folder: &str) -> impl Iterator<Item = &'a str> {
    let below = source.path.strip_prefix(folder).unwrap_or(&source.path);
    let of_tests = format!("/{below}").contains("/tests");
    let text = match source.text.find("#[cfg(test)]\nmod tests {") {
        _ if of_tests => "",
        Some(end) => &source.text[..end],
        None => &source.text,
    };
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

/// The dependency that a manifest's line adds.
fn dependency(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once(['.', '=', ' '])?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let adds = rest.contains("workspace")
        || rest.contains("version")
        || rest.contains("path")
        || rest.contains('"');
    (adds && !name.is_empty() && name.chars().all(plain)).then_some(name)
}

/// Does a text name a crate, as a whole word?
fn names(text: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !part(before) && !part(after)
    })
}

/// Complains about Rust files of a crate that no module declares.
pub(crate) fn check_files(name: &str, of: &Crate, sources: &[Source]) -> Vec<String> {
    let folder = format!("crates/{name}/src/");
    let known = |path: &str| of.all.contains(path);
    let program = |path: &str| path == "main.rs" || path.starts_with("bin/");
    let files = sources.iter().filter(|source| source.is_rust());
    let own = files.filter_map(|source| Some((source, source.path.strip_prefix(&folder)?)));
    own.filter(|(source, below)| !known(&source.path) && !program(below))
        .map(|(source, _)| format!("{}: no module declares it", source.path))
        .collect()
}

/// Complains about Rust files that a page names and nobody has: `shop/vault.rs` for that crate's, `vault.rs` for
/// anybody's. What has changed since a page was written is told by CHANGELOG, which may name what is gone.
pub(crate) fn check_named_files(page: &Source, sources: &[Source]) -> Vec<String> {
    if !page.path.ends_with(".md") || page.path == "CHANGELOG.md" {
        return Vec::new();
    }
    let paths: Vec<String> = sources
        .iter()
        .filter(|source| source.is_rust())
        .map(|source| format!("/{}", source.path.replace("crates/tegata-", "crates/")))
        .collect();
    let exists = |name: &str| {
        let name = name.trim_start_matches("crates/").replace("tegata-", "");
        let (owner, rest) = name.split_once('/').unwrap_or(("", &name));
        let ends = |path: &&String| {
            let within = path.starts_with(&format!("/crates/{owner}/"))
                && path.ends_with(&format!("/{rest}"));
            within || path.ends_with(&format!("/{name}"))
        };
        paths.iter().any(|path| ends(&path))
    };
    let mut complaints = Vec::new();
    for (number, line) in page.lines() {
        for quoted in line.split('`').skip(1).step_by(2) {
            let part = |c: char| !(c.is_ascii_alphanumeric() || "/_-.".contains(c));
            let names = quoted.split(part).filter(|word| word.ends_with(".rs"));
            for name in names.filter(|name| !exists(name)) {
                complaints.push(page.complaint(number, &format!("there is no file {name}")));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::crates;

    #[test]
    fn a_page_names_files_that_are_there() {
        let sources = [Source::new("crates/tegata-shop/src/store/goods.rs", "")];
        let page = |text: &str| check_named_files(&Source::new("docs/shop.md", text), &sources);
        let good = "`goods.rs`, `shop/store/goods.rs`, `shop: goods.rs: a_test`, `crates/tegata-shop/src/store/goods.rs`";
        assert_eq!(page(good), [""; 0]);
        assert_eq!(
            page("a\n`store/money.rs`"),
            ["docs/shop.md:2: there is no file store/money.rs"]
        );
    }

    #[test]
    fn a_dependency_that_nothing_names_is_told() {
        let manifest = "[dependencies]\nserde.workspace = true\nhex-literal = \"1\"\n\
             [dev-dependencies]\ninsta.workspace = true\n";
        let manifest = Source::new("crates/tegata-shop/Cargo.toml", manifest);
        let sources = [
            Source::new(
                "crates/tegata-shop/src/lib.rs",
                "use hex_literal::hex;\n// serdes\n",
            ),
            Source::new(
                "crates/tegata-shop/tests/it/main.rs",
                "serde::x(); insta::y();",
            ),
        ];
        let complaints = check_dependencies(&manifest, &sources);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].contains("names serde"), "{complaints:?}");
    }

    #[test]
    fn what_only_a_comment_or_a_test_names_is_no_dependency_of_the_package() {
        let text =
            "/// See [`serde::Serialize`].\n#[cfg(test)]\nmod tests {\n    use insta::x;\n}\n";
        let sources = [Source::new("crates/tegata-shop/src/lib.rs", text)];
        let list = "serde.workspace = true\ninsta.workspace = true\n";
        let complaints = |section: &str| {
            let manifest = format!("[{section}]\n{list}");
            let manifest = Source::new("crates/tegata-shop/Cargo.toml", &manifest);
            check_dependencies(&manifest, &sources).len()
        };
        assert_eq!(complaints("dependencies"), 2);
        assert_eq!(complaints("dev-dependencies"), 0);
    }

    #[test]
    fn a_listed_dependency_that_no_package_has_is_told() {
        let root = "[workspace]\nmembers = [\"a\"]\n[workspace.dependencies]\nserde = \"1\"\n\
             serde_json = { version = \"1\" }\n[profile.dev]\ndebug = \"line-tables-only\"\n";
        let root = Source::new("Cargo.toml", root);
        let manifest = "[dependencies]\nserde_json.workspace = true\n";
        let manifests = [Source::new("crates/tegata-shop/Cargo.toml", manifest)];
        let complaints = check_list(&root, &manifests);
        assert_eq!(complaints, ["Cargo.toml:4: no package has serde"]);
    }

    #[test]
    fn a_file_that_no_module_declares_is_told() {
        let path = |file: &str| format!("crates/tegata-shop/src/{file}");
        let sources = [
            Source::new(&path("lib.rs"), "mod a;\n#[cfg(test)]\nmod tests;\n"),
            Source::new(&path("a.rs"), "pub(crate) mod deep;\n"),
            Source::new(&path("a/deep.rs"), ""),
            Source::new(&path("tests.rs"), ""),
            Source::new(&path("lost.rs"), ""),
            Source::new(&path("main.rs"), ""),
        ];
        let crates = crates(&sources);
        let complaints = check_files("tegata-shop", &crates["tegata-shop"], &sources);
        assert_eq!(
            complaints,
            ["crates/tegata-shop/src/lost.rs: no module declares it"]
        );
    }
}
