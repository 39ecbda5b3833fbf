//! What cargo says while it builds: one JSON object per line on its standard output, and text for
//! people on its standard error. A few fields are all that is wanted, so no JSON parser is needed:
//! within a JSON string a quotation mark is always escaped, hence `"key":` can only be a key.

use std::path::PathBuf;

/// One thing that cargo finished building, or found built already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// Cargo's id of the package; it means nothing but sameness.
    pub(crate) package: String,
    /// The program, if this is one.
    pub(crate) program: Option<PathBuf>,
}

impl Artifact {
    /// Reads a line of `cargo build --message-format=json`; lines about anything else, and those
    /// about build scripts, which come before their package, give nothing.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let is_artifact = line.contains("\"reason\":\"compiler-artifact\"");
        if !is_artifact || line.contains("\"kind\":[\"custom-build\"]") {
            return None;
        }
        let package = string_field(line, "package_id")?;
        let program = string_field(line, "executable").map(PathBuf::from);
        Some(Self { package, program })
    }
}

/// The value of the first field of that name, if it is a string.
fn string_field(json: &str, name: &str) -> Option<String> {
    let (_, after) = json.split_once(&format!("\"{name}\":\""))?;
    let mut value = String::new();
    let mut characters = after.chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            '\\' => value.push(escaped(&mut characters)?),
            plain => value.push(plain),
        }
    }
}

fn escaped(characters: &mut std::str::Chars<'_>) -> Option<char> {
    match characters.next()? {
        'n' => Some('\n'),
        't' => Some('\t'),
        'u' => {
            let digits: String = characters.take(4).collect();
            char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
        }
        same @ ('"' | '\\' | '/') => Some(same),
        _ => None,
    }
}

/// A line of cargo's standard error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// What cargo is doing just now, without colours.
    Doing(String),
    /// A part of a warning or an error, as it came.
    Diagnosis(String),
}

impl Spoken {
    /// Tells progress from diagnosis by cargo's verb at the beginning.
    pub(crate) fn parse(line: &str) -> Self {
        const VERBS: &[&str] = &[
            "Adding",
            "Blocking",
            "Building",
            "Compiling",
            "Dirty",
            "Downloaded",
            "Downloading",
            "Finished",
            "Fresh",
            "Locking",
            "Updating",
        ];
        let plain = without_colours(line);
        let trimmed = plain.trim();
        match trimmed.split_whitespace().next() {
            Some(verb) if VERBS.contains(&verb) => Self::Doing(trimmed.to_owned()),
            Some(_) | None => Self::Diagnosis(line.to_owned()),
        }
    }
}

/// The text without terminal escape sequences (ESC `[` … letter).
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| c.is_ascii_alphabetic())
            .map_or(part.len(), |at| at + 1);
        plain.push_str(part.get(end..).unwrap_or_default());
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str = r#"{"reason":"compiler-artifact","package_id":"registry+https://example.org#cfg-if@1.0.5","manifest_path":"/x/Cargo.toml","target":{"kind":["lib"],"name":"cfg-if"},"filenames":["/t/a.rlib"],"executable":null,"fresh":true}"#;
    const PROGRAM: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///a%20b#tegata-demo@0.1.0","target":{"kind":["bin"],"name":"tegata-demo"},"executable":"/a b/\"q\"/\u00e9/tegata-demo","fresh":false}"#;

    #[test]
    fn a_library_is_counted_and_is_no_program() {
        let artifact = Artifact::parse(LIBRARY).unwrap();
        assert_eq!(
            artifact.package,
            "registry+https://example.org#cfg-if@1.0.5"
        );
        assert_eq!(artifact.program, None);
    }

    #[test]
    fn a_programs_path_is_unescaped() {
        let artifact = Artifact::parse(PROGRAM).unwrap();
        assert_eq!(
            artifact.program,
            Some(PathBuf::from("/a b/\"q\"/é/tegata-demo"))
        );
    }

    #[test]
    fn build_scripts_other_messages_and_broken_lines_give_nothing() {
        let script = LIBRARY.replace("[\"lib\"]", "[\"custom-build\"]");
        let other = LIBRARY.replace("compiler-artifact", "build-script-executed");
        let broken = r#"{"reason":"compiler-artifact","package_id":"abc"#;
        for line in [script.as_str(), &other, broken, "", "Hello"] {
            assert_eq!(Artifact::parse(line), None, "{line}");
        }
    }

    #[test]
    fn progress_is_told_from_diagnosis_with_and_without_colours() {
        let doing = Spoken::Doing("Compiling serde v1.0.0".into());
        assert_eq!(Spoken::parse("   Compiling serde v1.0.0"), doing);
        assert_eq!(
            Spoken::parse("\u{1b}[1m\u{1b}[32m   Compiling\u{1b}[0m serde v1.0.0"),
            doing
        );
        let error = "\u{1b}[1m\u{1b}[31merror[E0308]\u{1b}[0m: mismatched types";
        assert_eq!(Spoken::parse(error), Spoken::Diagnosis(error.into()));
        assert_eq!(Spoken::parse(""), Spoken::Diagnosis(String::new()));
    }
}
