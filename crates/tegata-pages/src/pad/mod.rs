//! A sheet to draw on: what a hand does, point by point, handed to a program on the same machine.
//!
//! ```text
//! pointer events, all of them ─┐
//! keys, and when they move ────┴─▶ points `x y t` ──POST, text──▶ the program's route
//! ```
//! [`Pad`] goes into a page that asks for [`SCRIPT_PATH`]; [`script`] answers there. The script keeps
//! the points in the page's memory, fills the bar as they come, and posts them as lines `x y t` (whole
//! numbers; `t` in milliseconds since the first) with the form's token in the header
//! [`TOKEN_HEADER`], which no other site's form can set. The route answers 200, or another status
//! with a sentence to be shown. Then everything marked `data-pad="before"` leaves the page, and what is
//! marked `data-pad="done"` is shown.
//!
//! The bar tells how much has come. It's no estimate of how hard that is to foresee: no program can
//! know it.

use axum::http::header;
use axum::response::IntoResponse;
use maud::{Markup, Render, html};

use crate::language::Language;
use crate::page::texts;

const SCRIPT: &str = include_str!("pad.js");

/// Where the page finds its script.
pub const SCRIPT_PATH: &str = "/pad.js";

/// The header in which the form's token comes.
pub const TOKEN_HEADER: &str = "x-tegata-form";

/// How much fills the bar. A move of the pointer is 1, a tap and a key pressed and let go are 4: some
/// seconds of drawing, or 64 keys.
pub const GOAL: u32 = 256;

/// The most points that are kept; who goes on drawing adds nothing more.
pub const MOST: u32 = 20_000;

/// A sheet to draw on, with a bar, a field for keys, and the buttons.
#[derive(Clone, Copy, Debug)]
pub struct Pad<'a> {
    /// The page's language.
    pub language: Language,
    /// Where the points are posted to, on the same server.
    pub action: &'a str,
    /// What proves to the server that its own page sent them.
    pub token: &'a str,
}

/// The states that the script has words for: `pad.CODE` in our messages.
const CODES: [&str; 8] = [
    "start", "quarter", "half", "most", "enough", "cleared", "sending", "away",
];

impl Render for Pad<'_> {
    fn render(&self) -> Markup {
        let t = texts(self.language);
        html! {
            noscript { p.box.bad { (t.text("pad.no_script")) } }
            section.pad data-pad="before" data-action=(self.action) data-token=(self.token)
                data-goal=(GOAL) data-most=(MOST) hidden {
                div.sheet {
                    canvas role="img" aria-label=(t.text("pad.sheet")) {}
                    (placeholder(t.text("pad.here")))
                }
                div.amount {
                    label for="pad-bar" { (t.text("pad.bar")) }
                    progress id="pad-bar" max=(GOAL) value="0" {}
                    p id="pad-said" role="status" { (t.text("pad.start")) }
                }
                div.field {
                    label for="pad-keys" { (t.text("pad.keys")) }
                    p.hint id="pad-keys-hint" { (t.text("pad.keys_hint")) }
                    // Without a name: it belongs to no form and is never sent.
                    input id="pad-keys" type="text" autocomplete="off" autocapitalize="off"
                        spellcheck="false" aria-describedby="pad-keys-hint";
                }
                p.buttons {
                    button id="pad-send" type="button" disabled { (t.text("pad.send")) }
                    button.secondary id="pad-clear" type="button" { (t.text("pad.clear")) }
                }
                @for code in CODES {
                    template data-code=(code) { (t.text(&format!("pad.{code}"))) }
                }
            }
        }
    }
}

/// A line as a brush might draw it, until somebody does.
fn placeholder(text: &str) -> Markup {
    html! {
        div.here aria-hidden="true" {
            svg viewBox="0 0 240 90" focusable="false" {
                path d="M14 62C32 10 58 10 60 46s30 34 40-2 34-34 30 2 24 40 42 2 40-30 54-8" {}
            }
            span { (text) }
        }
    }
}

/// The script, for a route at [`SCRIPT_PATH`].
pub async fn script() -> impl IntoResponse {
    let kind = "text/javascript; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], SCRIPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(language: Language) -> String {
        let (action, token) = ("/strokes", "\"<token>");
        let pad = Pad {
            language,
            action,
            token,
        };
        pad.render().into_string()
    }

    #[test]
    fn the_script_finds_what_it_looks_for() {
        let html = html(Language::En);
        for id in ["bar", "said", "keys", "send", "clear"] {
            assert!(html.contains(&format!("id=\"pad-{id}\"")), "{id}: {html}");
            assert!(SCRIPT.contains(&format!("'#pad-{id}'")), "{id}");
        }
        for code in CODES {
            assert!(SCRIPT.contains(&format!("'{code}'")), "{code}");
        }
        assert!(SCRIPT.contains(&format!("'{TOKEN_HEADER}'")));
        assert!(
            html.contains("data-token=\"&quot;&lt;token&gt;\""),
            "{html}"
        );
    }

    #[test]
    fn everything_is_labelled_in_both_languages_and_nothing_is_inline() {
        for language in Language::ALL {
            let html = html(language);
            assert!(!html.contains("pad."), "a text is missing: {html}");
            assert!(!html.contains(" style=") && !html.contains("<script"));
            for id in ["pad-bar", "pad-keys"] {
                assert!(html.contains(&format!("<label for=\"{id}\">")), "{html}");
            }
            assert!(
                html.contains("<canvas role=\"img\" aria-label=\""),
                "{html}"
            );
            assert!(html.contains("role=\"status\""), "{html}");
        }
    }
}
