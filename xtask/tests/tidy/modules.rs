//! A crate's modules as its files show them: which there are, and which names each uses of which.
//!
//! It reads `use` declarations and paths that begin with `crate`, `super` or `self`, and follows names
//! that a module passes on with a `use` of its own, so that a re-export hides nothing. What stands under
//! `#[cfg(test)]` isn't looked at. It's no compiler: macros' insides and globs of other modules' names are
//! beyond it.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::Source;

/// A module's path below its crate's root; the root's is empty.
pub(crate) type Module = Vec<String>;

/// A file of a crate, and what it uses.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    /// Paths from the crate's root, with their lines.
    uses: Vec<(usize, Vec<String>)>,
    /// Names that a `use` brings in, and where they come from.
    imports: BTreeMap<String, Vec<String>>,
    /// Modules that it declares outside of tests.
    declares: BTreeSet<String>,
    /// Modules that it declares anywhere.
    declares_at_all: BTreeSet<String>,
}

/// All files of one crate that aren't for tests.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    pub(crate) files: BTreeMap<Module, File>,
    /// The paths of all files that a module declares, those for tests too.
    pub(crate) all: BTreeSet<String>,
}

/// One module uses another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Use {
    pub(crate) from: Module,
    pub(crate) to: Module,
    /// Where, as `path:line`.
    pub(crate) place: String,
}

/// The crates with their files, by name.
pub(crate) fn crates(sources: &[Source]) -> BTreeMap<String, Crate> {
    let mut crates: BTreeMap<String, Crate> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let Some((name, module)) = module_of(&source.path) else {
            continue;
        };
        let file = read(source, &module);
        crates.entry(name).or_default().files.insert(module, file);
    }
    for known in crates.values_mut() {
        let declared = known.below(|file| &file.declares_at_all);
        let paths = declared.iter().filter_map(|module| known.files.get(module));
        known.all = paths.map(|file| file.path.clone()).collect();
        // What only a test declares isn't looked at any further, nor what lies below it.
        let kept = known.below(|file| &file.declares);
        known.files.retain(|module, _| kept.contains(module));
    }
    crates
}

/// `crates/NAME/src/a/b.rs` is module `a::b` of NAME; programs of several files are none of the library's.
fn module_of(path: &str) -> Option<(String, Module)> {
    let (name, file) = path.strip_prefix("crates/")?.split_once("/src/")?;
    let mut parts: Module = file
        .strip_suffix(".rs")?
        .split('/')
        .map(String::from)
        .collect();
    match parts.last()?.as_str() {
        "main" if parts.len() == 1 => return None,
        "lib" if parts.len() == 1 => parts.clear(),
        "mod" => drop(parts.pop()),
        _ => {}
    }
    (parts.first().is_none_or(|first| first != "bin")).then(|| (name.to_owned(), parts))
}

impl Crate {
    /// The root and what is declared below it.
    fn below(&self, declares: impl Fn(&File) -> &BTreeSet<String>) -> BTreeSet<Module> {
        let mut found = BTreeSet::from([Module::new()]);
        for module in self.files.keys() {
            let declared = module.split_last().is_some_and(|(name, above)| {
                let above_declares = self.files.get(above).map(&declares);
                found.contains(above) && above_declares.is_some_and(|names| names.contains(name))
            });
            if declared {
                found.insert(module.clone());
            }
        }
        found
    }

    /// Which module uses which, itself and those above and below it apart.
    pub(crate) fn uses(&self) -> BTreeSet<Use> {
        let mut uses = BTreeSet::new();
        for (from, file) in &self.files {
            for (line, path) in &file.uses {
                let to = self.home(path, 8);
                if !to.starts_with(from) && !from.starts_with(&to) {
                    uses.insert(Use {
                        from: from.clone(),
                        to,
                        place: format!("{}:{line}", file.path),
                    });
                }
            }
        }
        uses
    }

    /// The module in which a name is at home.
    fn home(&self, path: &[String], patience: usize) -> Module {
        let mut module = path;
        while !self.files.contains_key(module) {
            module = &module[..module.len() - 1];
        }
        let imports = self.files.get(module).map(|file| &file.imports);
        let next = path.get(module.len());
        match next.and_then(|name| imports?.get(name)) {
            Some(origin) if patience > 0 => {
                let rest = &path[module.len() + 1..];
                self.home(&[origin.as_slice(), rest].concat(), patience - 1)
            }
            _ => module.to_vec(),
        }
    }
}

fn read(source: &Source, module: &Module) -> File {
    let text = without_tests(&source.text);
    let mut file = File {
        path: source.path.clone(),
        uses: Vec::new(),
        imports: BTreeMap::new(),
        declares: declared(&text),
        declares_at_all: declared(&source.text),
    };
    for (line, import, tree) in trees(&text) {
        for (path, alias) in leaves(&tree) {
            let Some(path) = from_root(&path, module, import, &file.declares) else {
                continue;
            };
            if import && let Some(name) = alias.or_else(|| path.last().cloned()) {
                file.imports.insert(name, path.clone());
            }
            file.uses.push((line, path));
        }
    }
    file
}

/// The modules that a text declares.
fn declared(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim_start);
    let names = lines.filter_map(|line| {
        let line = match line.strip_prefix("pub") {
            Some(rest) => rest.trim_start_matches(|c| c != ' ').trim_start(),
            None => line,
        };
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    names.map(String::from).collect()
}

/// The text without comments and without what stands under `#[cfg(test)]`; its lines keep their numbers.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut skipping: Option<&str> = None;
    let mut pending = false;
    for line in text.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let bare = line.trim_start();
        let mut keep = false;
        match skipping {
            Some(depth) => {
                if line
                    .strip_prefix(depth)
                    .is_some_and(|rest| rest.starts_with('}'))
                {
                    skipping = None;
                }
            }
            None if bare.starts_with("#[cfg(test)]") => pending = true,
            None if pending && bare.starts_with("#[") => {}
            None if pending => {
                pending = false;
                if !bare.ends_with(';') && !bare.ends_with('}') {
                    skipping = Some(indent);
                }
            }
            None => keep = !bare.starts_with("//"),
        }
        if keep {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}

/// Each path with its line: of a `use` declaration whole, elsewhere from `crate::`, `super::` or `self::` on.
fn trees(text: &str) -> Vec<(usize, bool, String)> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    let (mut line, mut at) = (1, 0);
    while at < bytes.len() {
        if bytes[at] == b'\n' {
            line += 1;
        }
        let starts =
            at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || b"_:\"".contains(&bytes[at - 1]));
        let rest = &text.as_bytes()[at..];
        let import = starts && rest.starts_with(b"use ");
        let path = [&b"crate::"[..], b"super::", b"self::"];
        if import || (starts && path.iter().any(|word| rest.starts_with(word))) {
            let begin = if import { at + 4 } else { at };
            let end = begin + tree_length(&bytes[begin..]);
            let tree = String::from_utf8_lossy(&bytes[begin..end]).into_owned();
            let lines = tree.matches('\n').count();
            found.push((line, import, tree));
            line += lines;
            at = end.max(at + 1);
        } else {
            at += 1;
        }
    }
    found
}

/// How far a path goes, with the braces that end it.
fn tree_length(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if index >= 2 && bytes[..index].ends_with(b"::") || depth > 0 && *byte == b'{' => {
                depth += 1
            }
            b'}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            _ if depth > 0 => {}
            b':' | b'_' => {}
            b' ' if bytes[..index].ends_with(b" as") || bytes[index..].starts_with(b" as ") => {}
            byte if byte.is_ascii_alphanumeric() => {}
            _ => return index,
        }
    }
    bytes.len()
}

/// The paths of a use tree, each with the name that it gets here, if that's another.
fn leaves(tree: &str) -> Vec<(Vec<String>, Option<String>)> {
    let tree = tree.trim();
    let Some((head, inside)) = tree.split_once('{') else {
        let (path, alias) = match tree.split_once(" as ") {
            Some((path, alias)) => (path, Some(alias.trim().to_owned())),
            None => (tree, None),
        };
        let parts = path.trim().split("::").filter(|part| !part.is_empty());
        return vec![(parts.map(String::from).collect(), alias)];
    };
    let inside = inside.rsplit_once('}').map_or(inside, |(inside, _)| inside);
    let parts = head.trim().split("::").filter(|part| !part.is_empty());
    let head: Vec<String> = parts.map(String::from).collect();
    let mut all = Vec::new();
    for branch in branches(inside) {
        for (path, alias) in leaves(branch) {
            let path = path.into_iter().filter(|part| part != "self");
            all.push((head.iter().cloned().chain(path).collect(), alias));
        }
    }
    all
}

fn branches(text: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut all) = (0_usize, 0, Vec::new());
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                all.push(&text[begin..index]);
                begin = index + 1;
            }
            _ => {}
        }
    }
    all.push(&text[begin..]);
    all.retain(|branch| !branch.trim().is_empty());
    all
}

/// The path from the crate's root, if it's within the crate.
fn from_root(
    path: &[String],
    module: &Module,
    import: bool,
    children: &BTreeSet<String>,
) -> Option<Vec<String>> {
    let mut from = match path.first()?.as_str() {
        "crate" => return Some(path[1..].to_vec()),
        "super" | "self" => module.clone(),
        child if import && children.contains(child) => {
            return Some(module.iter().cloned().chain(path.iter().cloned()).collect());
        }
        _ => return None,
    };
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "super" => drop(from.pop()),
            "self" => {}
            _ => break,
        }
        rest = after;
    }
    from.extend(rest.iter().cloned());
    Some(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let path = |file: &str| format!("crates/tegata-shop/src/{file}");
        let sources = files
            .iter()
            .map(|(file, text)| Source::new(&path(file), text));
        let sources: Vec<Source> = sources.collect();
        let crates = crates(&sources);
        let uses = crates["tegata-shop"].uses();
        let mut pairs: Vec<_> = uses
            .iter()
            .map(|used| (used.from.join("::"), used.to.join("::")))
            .collect();
        pairs.dedup();
        pairs
    }

    #[test]
    fn paths_of_all_kinds_are_found() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\npub use c::Thing;\n"),
            (
                "a.rs",
                "use crate::{\n    b::{self, Deep},\n    c,\n};\nfn f() { super::b::g(); }\n",
            ),
            ("b.rs", "fn g() -> crate::Thing { crate::c::h() }\n"),
            (
                "c.rs",
                "// crate::a::f\n#[cfg(test)]\nmod tests {\n    use crate::a::f;\n}\n",
            ),
        ];
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let expected = [pair("a", "b"), pair("a", "c"), pair("b", "c")];
        assert_eq!(uses(&files), expected);
    }

    #[test]
    fn above_and_below_are_no_use() {
        let files = [
            ("lib.rs", "mod a;\n"),
            ("a/mod.rs", "mod deep;\nuse deep::Thing;\n"),
            ("a/deep.rs", "use super::f;\nuse crate::g;\n"),
        ];
        assert_eq!(uses(&files), []);
    }
}
