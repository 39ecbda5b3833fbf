//! Languages: which one a visitor reads, and the texts in each.
//!
//! Every page exists in English and Japanese. A link `?lang=ja` chooses and is remembered in a
//! cookie; without either the browser's `Accept-Language` decides. Texts stand in one TOML
//! file per language in the program that shows them, with the same keys in both;
//! [`Messages::problems`] is the test for that.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, Uri, header, request::Parts};
use toml::{Table, Value};

pub(crate) const PARAMETER: &str = "lang";

/// A language that our pages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

impl Language {
    /// All of them, in the order of the language switch.
    pub const ALL: [Self; 2] = [Self::En, Self::Ja];

    /// The tag of RFC 5646: `en`, `ja`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ja => "ja",
        }
    }

    /// Its name in itself.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Ja => "日本語",
        }
    }

    /// The language with this tag; a region (`ja-JP`) is left out of account.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or("").trim();
        Self::ALL
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// What the visitor chose: by link, then by cookie, then by the browser's settings.
    #[must_use]
    pub fn of_request(uri: &Uri, headers: &HeaderMap) -> Self {
        Self::of_query(uri)
            .or_else(|| Self::of_cookie(headers))
            .or_else(|| Self::of_browser(headers))
            .unwrap_or_default()
    }

    pub(crate) fn of_query(uri: &Uri) -> Option<Self> {
        let pairs = uri
            .query()
            .unwrap_or("")
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, _)| *key == PARAMETER)
            .find_map(|(_, tag)| Self::from_tag(tag))
    }

    fn of_cookie(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        cookies
            .flat_map(|line| line.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .filter(|(name, _)| *name == PARAMETER)
            .find_map(|(_, tag)| Self::from_tag(tag))
    }

    /// The language wanted most among those we have; the first of equals (RFC 9110 §12.5.4).
    fn of_browser(headers: &HeaderMap) -> Option<Self> {
        let wanted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        let mut best: Option<(Self, u16)> = None;
        for range in wanted.split(',') {
            let (tag, quality) = range.split_once(';').unwrap_or((range, ""));
            let quality = thousandths(quality);
            let Some(language) = Self::from_tag(tag) else {
                continue;
            };
            if quality > best.map_or(0, |(_, best)| best) {
                best = Some((language, quality));
            }
        }
        best.map(|(language, _)| language)
    }
}

/// `q=0.8` in thousandths; 1000 where nothing is said.
fn thousandths(parameter: &str) -> u16 {
    let Some(number) = parameter.trim().strip_prefix("q=") else {
        return 1000;
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    if whole == "0" {
        digits.parse().unwrap_or(0)
    } else {
        1000
    }
}

impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of_request(&parts.uri, &parts.headers))
    }
}

/// The texts of a program in each language. Keys are dotted: `guide.title` is the key `title`
/// in the table `[guide]`.
#[derive(Debug)]
pub struct Messages {
    en: BTreeMap<String, String>,
    ja: BTreeMap<String, String>,
}

/// The texts in one language.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    texts: &'a BTreeMap<String, String>,
    language: Language,
}

impl Messages {
    /// Reads the embedded files. Never fails at run time: a text that's missing shows as its
    /// key. That none is missing is what [`Self::problems`] is for, in a test.
    #[must_use]
    pub fn embedded(en: &str, ja: &str) -> Self {
        Self {
            en: read(en).unwrap_or_default(),
            ja: read(ja).unwrap_or_default(),
        }
    }

    /// The texts in a language.
    #[must_use]
    pub const fn of(&self, language: Language) -> Texts<'_> {
        match language {
            Language::En => Texts {
                texts: &self.en,
                language,
            },
            Language::Ja => Texts {
                texts: &self.ja,
                language,
            },
        }
    }

    /// What's wrong with the two files: `assert_eq!(Messages::problems(EN, JA), [""; 0])`.
    #[must_use]
    pub fn problems(en: &str, ja: &str) -> Vec<String> {
        let (en, ja) = match (read(en), read(ja)) {
            (Ok(en), Ok(ja)) => (en, ja),
            (en, ja) => return [en.err(), ja.err()].into_iter().flatten().collect(),
        };
        let mut problems = Vec::new();
        let keys: BTreeSet<&String> = en.keys().chain(ja.keys()).collect();
        for key in keys {
            match (en.get(key), ja.get(key)) {
                (Some(_), None) => problems.push(format!("{key} is missing in Japanese")),
                (None, _) => problems.push(format!("{key} is missing in English")),
                (Some(en), Some(ja)) if placeholders(en) != placeholders(ja) => {
                    problems.push(format!("{key} has other placeholders in Japanese"));
                }
                (Some(en), Some(ja)) if en.trim().is_empty() || ja.trim().is_empty() => {
                    problems.push(format!("{key} is empty"));
                }
                (Some(_), Some(_)) => {}
            }
        }
        problems
    }
}

impl<'a> Texts<'a> {
    /// The language.
    #[must_use]
    pub const fn language(self) -> Language {
        self.language
    }

    /// A text without placeholders.
    #[must_use]
    pub fn text(self, key: &'a str) -> &'a str {
        self.texts.get(key).map_or(key, String::as_str)
    }

    /// A text with `{name}` placeholders filled. What is filled in isn't looked at again, and
    /// `maud` escapes the whole.
    #[must_use]
    pub fn fill(self, key: &'a str, values: &[(&str, &str)]) -> String {
        let mut rest = self.text(key);
        let mut filled = String::with_capacity(rest.len() + 32);
        while let Some((before, name, after)) = next_placeholder(rest) {
            filled.push_str(before);
            match values.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => filled.push_str(value),
                None => filled.extend(["{", name, "}"]),
            }
            rest = after;
        }
        filled + rest
    }
}

fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, from) = text.split_once('{')?;
    let (name, after) = from.split_once('}')?;
    Some((before, name, after))
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut rest = text;
    while let Some((_, name, after)) = next_placeholder(rest) {
        found.insert(name);
        rest = after;
    }
    found
}

fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
    let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut texts = BTreeMap::new();
    flatten("", &table, &mut texts)?;
    Ok(texts)
}

fn flatten(prefix: &str, table: &Table, out: &mut BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            Value::String(text) => drop(out.insert(key, text.clone())),
            Value::Table(inner) => flatten(&format!("{key}."), inner, out)?,
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => return Err(format!("{key} isn't text")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str, cookie: &str, browser: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        headers.insert(header::ACCEPT_LANGUAGE, browser.parse().unwrap());
        Language::of_request(&format!("/x?{query}").parse().unwrap(), &headers)
    }

    #[test]
    fn link_then_cookie_then_browser_decide() {
        assert_eq!(of("a=1&lang=ja", "lang=en", "en"), Language::Ja);
        assert_eq!(of("lang=fr", "session=x; lang=ja", "en"), Language::Ja);
        assert_eq!(of("", "", "fr, ja-JP;q=0.7, en;q=0.65"), Language::Ja);
        assert_eq!(of("", "", "en-GB,ja;q=0.9"), Language::En);
        assert_eq!(of("", "", "ja;q=0,en;q=0.1"), Language::En);
        assert_eq!(of("", "", "fr"), Language::En);
    }

    #[test]
    fn placeholders_are_filled_once_and_only_where_they_stand() {
        let messages = Messages::embedded("[a]\nb = 'Dear {name}, {what} {oops'", "");
        let t = messages.of(Language::En);
        let text = t.fill("a.b", &[("name", "{what}"), ("what", "hi")]);
        assert_eq!(text, "Dear {what}, hi {oops");
        assert_eq!(t.text("a.none"), "a.none");
    }

    #[test]
    fn files_that_differ_are_found_out() {
        let en = "a = 'x {n}'\nb = 'y'\nd = ' '\n[t]\nc = 'z'";
        let ja = "a = 'x {m}'\nd = 'え'\ne = 'え'\n[t]\nc = 'z'";
        let problems = Messages::problems(en, ja);
        assert_eq!(
            problems,
            [
                "a has other placeholders in Japanese",
                "b is missing in Japanese",
                "d is empty",
                "e is missing in English",
            ]
        );
        assert_eq!(Messages::problems("a = 1", "a = 'x'"), ["a isn't text"]);
    }
}
