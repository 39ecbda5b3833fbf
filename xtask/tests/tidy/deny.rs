//! `deny.toml`: the lists that this test shares with cargo-deny. Only the few forms in that file
//! are read: `[section]`, `name = [` over one or more lines, strings in quotation marks.

use std::collections::BTreeMap;

/// The lists.
#[derive(Debug, Default)]
pub(crate) struct Deny {
    /// Licences that a dependency may have.
    pub(crate) licences: Vec<String>,
    banned: Vec<String>,
    registries: Vec<String>,
    /// Packages that may stand in another version too, as `name@beginning-of-version`.
    twice: Vec<String>,
}

impl Deny {
    /// Reads the file.
    pub(crate) fn parse(text: &str) -> Self {
        let mut deny = Self::default();
        let mut section = "";
        let mut list = "";
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#'))
        {
            if line.starts_with('[') {
                section = line;
                continue;
            }
            if let Some((name, _)) = line.split_once(" = [") {
                list = name;
            }
            let values = line.split_once(" = [").map_or(line, |(_, values)| values);
            deny.take(section, list, values);
            if line.ends_with(']') {
                list = "";
            }
        }
        deny
    }

    fn take(&mut self, section: &str, list: &str, values: &str) {
        match (section, list) {
            ("[licenses]", "allow") => self.licences.extend(quoted(values)),
            ("[sources]", "allow-registry") => self.registries.extend(quoted(values)),
            // The first string of `{ crate = "…", reason = "…" }`.
            ("[bans]", "deny") => self.banned.extend(quoted(values).into_iter().take(1)),
            ("[bans]", "skip") => self.twice.extend(quoted(values).into_iter().take(1)),
            _ => {}
        }
    }

    /// Complains about packages that stand in the lock file in two versions without being listed, and
    /// about those that are listed and don't any more.
    pub(crate) fn check_versions(&self, lock: &str) -> Vec<String> {
        let names = lock.lines().filter_map(|line| line.strip_prefix("name = "));
        let versions = lock
            .lines()
            .filter_map(|line| line.strip_prefix("version = \""));
        let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, version) in names.zip(versions) {
            let versions = all.entry(name.trim_matches('"')).or_default();
            versions.push(version.trim_end_matches('"'));
        }
        let listed = |name: &str, version: &str| {
            let is_it = |entry: &String| {
                let (of, beginning) = entry.split_once('@').unwrap_or((entry, ""));
                of == name && version.starts_with(beginning)
            };
            self.twice.iter().any(is_it)
        };
        let twice = |(name, versions): (&&str, &Vec<&str>)| {
            let free = versions.iter().filter(|version| !listed(name, version));
            let count = free.count();
            (count > 1).then(|| {
                format!("{name} stands in Cargo.lock in {count} versions: {versions:?} (deny.toml, skip)")
            })
        };
        let dead = |entry: &String| {
            let name = entry.split('@').next().unwrap_or_default();
            let needed = all.get(name).is_some_and(|versions| versions.len() > 1);
            (!needed).then(|| format!("{entry} needn't stand in deny.toml's skip any more"))
        };
        let unlisted = all.iter().filter_map(twice);
        unlisted.chain(self.twice.iter().filter_map(dead)).collect()
    }

    /// Complains about packages in the lock file that are banned or come from elsewhere.
    pub(crate) fn check_lock(&self, lock: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut package = "";
        for line in lock.lines() {
            if let Some(name) = line.strip_prefix("name = ") {
                package = name.trim_matches('"');
                if self.banned.iter().any(|banned| banned == package) {
                    complaints.push(format!("{package} is banned by deny.toml"));
                }
            }
            if let Some(source) = line.strip_prefix("source = ") {
                let source = source.trim_matches('"');
                let address = source.strip_prefix("registry+").unwrap_or(source);
                if !self.registries.iter().any(|allowed| allowed == address) {
                    complaints.push(format!("{package} comes from {source}, not in deny.toml"));
                }
            }
        }
        complaints
    }
}

/// The strings in quotation marks.
fn quoted(text: &str) -> Vec<String> {
    text.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[licenses]
# Comment "not-a-licence"
allow = [
  "MIT",
  "ISC",
]
confidence-threshold = 0.9
[bans]
wildcards = "deny"
deny = [
  { crate = "md5", reason = "broken" },
]
[sources]
unknown-git = "deny"
allow-registry = ["https://index.example"]
allow-git = []
"#;

    #[test]
    fn lists_are_read_from_their_sections() {
        let deny = Deny::parse(FILE);
        assert_eq!(deny.licences, ["MIT", "ISC"]);
        assert_eq!(deny.banned, ["md5"]);
        assert_eq!(deny.registries, ["https://index.example"]);
    }

    #[test]
    fn two_versions_need_a_reason_and_a_reason_two_versions() {
        let file = "[bans]\nskip = [\n  { crate = \"old@1\", reason = \"r\" },\n  \
            { crate = \"gone@1\", reason = \"r\" },\n]\n";
        let deny = Deny::parse(file);
        assert_eq!(deny.twice, ["old@1", "gone@1"]);
        let package =
            |name: &str, version: &str| format!("name = \"{name}\"\nversion = \"{version}\"\n");
        let lock = [
            package("old", "1.2"),
            package("old", "2.0"),
            package("new", "1.0"),
            package("new", "2.0"),
            package("gone", "2.0"),
        ];
        let complaints = deny.check_versions(&lock.concat());
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[0].starts_with("new stands in Cargo.lock in 2 versions"));
        assert!(complaints[1].starts_with("gone@1 needn't"));
    }

    #[test]
    fn banned_packages_and_other_sources_are_named() {
        let lock = r#"
name = "good"
source = "registry+https://index.example"
name = "md5"
source = "registry+https://index.example"
name = "stray"
source = "git+https://index.example"
name = "ours"
"#;
        let complaints = Deny::parse(FILE).check_lock(lock);
        assert_eq!(
            complaints,
            [
                "md5 is banned by deny.toml",
                "stray comes from git+https://index.example, not in deny.toml"
            ]
        );
    }
}
