//! Settings: a TOML file in the data folder, then the environment, then flags.
//!
//! `DIR/shop.toml` holds what its owner edits. `TEGATA_SHOP_LISTEN` overrides its key `listen`,
//! `TEGATA_SHOP_TLS__CERT` the key `cert` in its table `[tls]`. Flags win over both; that part
//! is up to the program. A mistake is answered with file, line, column and what was expected:
//! give the settings' type `#[serde(deny_unknown_fields)]`, so that a misspelt key is one too.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::data::{self, DataDir};

/// Why settings, or any TOML file that a person edits, can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error(transparent)]
    Unreadable(#[from] data::Error),
    /// The file isn't UTF-8 text.
    #[error("{} isn't text in UTF-8 (first bad byte at offset {offset})", file.display())]
    NotText {
        /// The file.
        file: PathBuf,
        /// Where the first bad byte stands.
        offset: usize,
    },
    /// The file has a mistake.
    #[error("{}", mistake.text)]
    Mistake {
        /// Where and what.
        mistake: Box<Mistake>,
    },
    /// An environment variable doesn't fit.
    #[error("the environment variable {variable}: {what}")]
    Environment {
        /// Its name.
        variable: String,
        /// What is wrong, and what was expected.
        what: String,
    },
}

/// A mistake in a file that a person edits.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub what: String,
    /// All of it, with the line itself, ready to be printed.
    text: String,
}

impl Error {
    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        match self {
            Self::Unreadable(error) => error.next(),
            Self::NotText { .. } => Some("save the file as UTF-8 text and start again".into()),
            Self::Mistake { .. } => Some("correct that line and start again".into()),
            Self::Environment { variable, .. } => {
                Some(format!("correct {variable} or unset it, and start again"))
            }
        }
    }
}

/// Loads `DIR/<name>.toml` (a missing file counts as an empty one) and lays the environment
/// variables `TEGATA_<NAME>_…` over it.
///
/// # Errors
/// [`Error`], with line and column where the file is at fault.
pub fn load<T: DeserializeOwned>(dir: &DataDir, name: &str) -> Result<T, Error> {
    let file = dir.path().join(format!("{name}.toml"));
    let bytes = dir
        .read_optional(format!("{name}.toml"))?
        .unwrap_or_default();
    let text = utf8(&file, bytes)?;
    let prefix = format!("TEGATA_{}_", name.to_uppercase().replace('-', "_"));
    let variables = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(key, _)| key.starts_with(&prefix));
    overlay(&file, &text, &prefix, variables)
}

/// Reads a TOML file that a person edits, a catalogue for example.
///
/// # Errors
/// [`Error`], with line and column where the file is at fault.
pub fn load_file<T: DeserializeOwned>(file: &Path) -> Result<T, Error> {
    let bytes = std::fs::read(file).map_err(|source| data::Error::io("read", file, source))?;
    parse(file, &utf8(file, bytes)?)
}

/// Parses TOML text; `file` is only named in the error.
///
/// # Errors
/// [`Error::Mistake`] with line, column and what was expected.
pub fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, Error> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        mistake_at(file, text, at, error.message())
    })
}

/// Makes the error for a mistake that the program itself finds at byte `offset` of the text
/// (use `toml::Spanned` to learn it), so that it reads like those of the TOML reader.
#[must_use]
pub fn mistake_at(file: &Path, text: &str, offset: usize, what: &str) -> Error {
    let offset = (0..=offset.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let before = text.get(..offset.unwrap_or(0)).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let what = what.trim_end().replace('\n', ", ");
    let mut shown = format!("{}:{line}:{column}: {what}", file.display());
    if let Some(source) = text.lines().nth(line - 1) {
        let gutter = line.to_string();
        let blank = " ".repeat(gutter.len());
        let caret: String = source
            .chars()
            .take(column - 1)
            .map(|c| if c.is_ascii() { ' ' } else { '\u{3000}' })
            .collect();
        shown.push_str(&format!("\n  {gutter} | {source}\n  {blank} | {caret}^"));
    }
    let mistake = Mistake {
        file: file.to_owned(),
        line,
        column,
        what,
        text: shown,
    };
    Error::Mistake {
        mistake: Box::new(mistake),
    }
}

fn utf8(file: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| Error::NotText {
        file: file.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })
}

/// The file first (so that its mistakes are shown where they stand), then each variable.
fn overlay<T: DeserializeOwned>(
    file: &Path,
    text: &str,
    prefix: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<T, Error> {
    let mut variables: Vec<_> = variables.collect();
    variables.sort();
    if variables.is_empty() {
        return parse(file, text);
    }
    let mut table: Table = parse(file, text)?;
    let from_file = T::deserialize(table.clone());
    for (variable, value) in &variables {
        let key = variable.get(prefix.len()..).unwrap_or("").to_lowercase();
        let path: Vec<&str> = key.split("__").collect();
        table = with_variable::<T>(&table, &path, value, from_file.is_ok()).map_err(|what| {
            Error::Environment {
                variable: variable.clone(),
                what,
            }
        })?;
    }
    match T::deserialize(table) {
        Ok(settings) => Ok(settings),
        // The variables were found good one by one, so what is left is the file's fault.
        Err(_) => parse(file, text),
    }
}

/// The table with one value set. `7402` may be meant as a number or as text: whichever the
/// settings' type accepts is taken, the TOML reading first.
fn with_variable<T: DeserializeOwned>(
    table: &Table,
    path: &[&str],
    value: &str,
    judge: bool,
) -> Result<Table, String> {
    let as_toml = toml::from_str::<Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut table| table.remove("v"));
    let mut complaint = None;
    for candidate in as_toml.into_iter().chain([Value::String(value.to_owned())]) {
        let mut table = table.clone();
        set(&mut table, path, candidate)?;
        match T::deserialize(table.clone()) {
            Err(error) if judge => {
                complaint.get_or_insert(error.message().trim_end().replace('\n', ", "));
            }
            Ok(_) | Err(_) => return Ok(table),
        }
    }
    Err(complaint.unwrap_or_default())
}

fn set(table: &mut Table, path: &[&str], value: Value) -> Result<(), String> {
    match path {
        [] => Ok(()),
        [key] => {
            table.insert((*key).to_owned(), value);
            Ok(())
        }
        [key, rest @ ..] => {
            let inner = table
                .entry(*key)
                .or_insert_with(|| Value::Table(Table::new()));
            match inner.as_table_mut() {
                Some(inner) => set(inner, rest, value),
                None => Err(format!("the setting `{key}` is no table")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Settings {
        listen: Option<std::net::SocketAddr>,
        rate: u32,
        name: String,
        tls: Tls,
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Tls {
        cert: String,
    }

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Settings, Error> {
        let variables = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        overlay(Path::new("shop.toml"), text, "TEGATA_SHOP_", variables)
    }

    fn mistake(error: Error) -> Mistake {
        let Error::Mistake { mistake } = error else {
            panic!("{error}")
        };
        *mistake
    }

    #[test]
    fn a_misspelt_key_is_shown_where_it_stands() {
        let error = read("rate = 3\n\nrat = 5\n", &[]).unwrap_err();
        let shown = error.to_string();
        let mistake = mistake(error);
        assert_eq!((mistake.line, mistake.column), (3, 1));
        assert!(
            mistake.what.contains("unknown field `rat`"),
            "{}",
            mistake.what
        );
        assert!(mistake.what.contains("expected one of"), "{}", mistake.what);
        assert!(shown.starts_with("shop.toml:3:1: "), "{shown}");
        assert!(shown.ends_with("\n  3 | rat = 5\n    | ^"), "{shown}");
    }

    #[test]
    fn a_wrong_type_is_shown_with_its_column_in_characters() {
        let mistake = mistake(read("name = \"手形\"\nrate = \"many\"\n", &[]).unwrap_err());
        assert_eq!((mistake.line, mistake.column), (2, 8));
        assert!(mistake.what.contains("expected u32"), "{}", mistake.what);
        let same_line = "\"手形\" = 1";
        let at = same_line.find('=').unwrap();
        let Error::Mistake { mistake } = mistake_at(Path::new("x"), same_line, at, "no") else {
            panic!("another error");
        };
        assert_eq!(mistake.column, 6);
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let variables = [
            ("TEGATA_SHOP_LISTEN", "127.0.0.1:0"),
            ("TEGATA_SHOP_NAME", "7402"),
            ("TEGATA_SHOP_RATE", "9"),
            ("TEGATA_SHOP_TLS__CERT", "cert.pem"),
        ];
        let settings = read("rate = 3\n[tls]\ncert = 'old'\n", &variables).unwrap();
        assert_eq!(settings.rate, 9);
        assert_eq!(
            settings.name, "7402",
            "a number where text is wanted is text"
        );
        assert_eq!(settings.listen, Some("127.0.0.1:0".parse().unwrap()));
        assert_eq!(settings.tls.cert, "cert.pem");
    }

    #[test]
    fn a_bad_variable_is_named_and_a_bad_file_still_shows_its_line() {
        let error = read("", &[("TEGATA_SHOP_RATE", "many")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("TEGATA_SHOP_RATE") && error.contains("expected u32"),
            "{error}"
        );
        let error = read("", &[("TEGATA_SHOP_RATES", "1")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("TEGATA_SHOP_RATES"), "{error}");
        let error = read("rates = 1", &[("TEGATA_SHOP_RATE", "1")]).unwrap_err();
        assert_eq!(mistake(error).line, 1);
    }
}
