//! What happened: refusals, notices, verdicts.

use maud::{Markup, Render, html};

use crate::language::Language;
use crate::page::texts;

/// Something that wasn't done: a stable code, what happened, what to do next.
#[derive(Clone, Debug)]
pub struct Refusal<'a> {
    /// The page's language.
    pub language: Language,
    /// The stable code, e.g. `sold-out`: what one quotes when asking for help.
    pub code: &'a str,
    /// What happened, to what.
    pub what: &'a str,
    /// What to do next.
    pub next: &'a str,
}

impl Render for Refusal<'_> {
    fn render(&self) -> Markup {
        let t = texts(self.language);
        html! {
            section.box.bad role="alert" {
                h2 { (sign(Tone::Bad)) (t.text("refused")) }
                p.what { (self.what) }
                p { strong { (t.text("next")) } ": " (self.next) }
                p.small { (t.text("code")) ": " code translate="no" { (self.code) } }
            }
        }
    }
}

/// How something is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It worked.
    Good,
    /// It failed, or is refused.
    Bad,
    /// Look twice.
    Careful,
    /// For information.
    Plain,
}

impl Tone {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Careful => "careful",
            Self::Plain => "plain",
        }
    }
}

/// A line that tells how something went; announced by screen readers when the page loads.
#[must_use]
pub fn notice(tone: Tone, text: &str) -> Markup {
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    html! { p.box.(tone.class()) role=(role) { (sign(tone)) (text) } }
}

/// What a gate tells the one who stands before it.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    /// Come in, stay out, or seen already.
    pub tone: Tone,
    /// In a word or two, readable from two metres.
    pub headline: &'a str,
    /// Why, or which seat.
    pub detail: &'a str,
}

/// A verdict across the whole page.
#[must_use]
pub fn verdict(verdict: &Verdict<'_>) -> Markup {
    html! {
        section.verdict.(verdict.tone.class()) role="alert" {
            (sign(verdict.tone))
            p.headline { (verdict.headline) }
            p { (verdict.detail) }
        }
    }
}

/// A shape for each tone, so that it's told by more than colour.
fn sign(tone: Tone) -> Markup {
    let path = match tone {
        Tone::Good => "M5 12.5l4.5 4.5L19 7.5",
        Tone::Bad => "M6.5 6.5l11 11M17.5 6.5l-11 11",
        Tone::Careful => "M12 5v9M12 18v.5",
        Tone::Plain => "M12 5.5V6M12 10v8.5",
    };
    html! {
        svg.sign viewBox="0 0 24 24" aria-hidden="true" focusable="false" { path d=(path) {} }
    }
}
