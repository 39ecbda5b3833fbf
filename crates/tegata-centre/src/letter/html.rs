//! The letter as one self-contained HTML file: two A4 pages, English and Japanese.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::words::{Words, english, japanese};
use super::{Letter, LetterError, groups};

const STYLE: &str = include_str!("letter.css");
/// Nothing is fetched and nothing runs; only the letter's own style applies.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Makes the letter as an HTML file in English and Japanese, for any browser to print.
///
/// # Errors
/// [`LetterError::Slip`] when the slip is too long for a QR code.
pub fn html(letter: &Letter) -> Result<String, LetterError> {
    let picture = letter.code()?.svg("QR code");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (letter.centre_name) " – " (letter.number) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (sheet(letter, &english(letter), &picture))
                (sheet(letter, &japanese(letter), &picture))
            }
        }
    };
    Ok(page.into_string())
}

fn sheet(letter: &Letter, words: &Words, picture: &Markup) -> Markup {
    html! {
        article lang=(words.language) {
            (head(letter))
            h1 { (words.subject) }
            p { (words.greeting) br; (words.opening) }
            (slip(letter, words, picture))
            h2 { (words.steps_title) }
            ol { @for step in &words.steps { li { (step) } } }
            div.compare {
                dl { dt { (words.root) } dd { (grouped(&letter.root_fingerprint)) } }
                dl {
                    dt { (words.terms) }
                    dd { b { (letter.terms_title) } }
                    dd { (grouped(&letter.terms_digest)) small { (words.terms_note) } }
                }
            }
            p.line { (words.line) code translate="no" { (letter.slip) } }
            p.warning { (words.warning) }
            p { (words.closing) br; (letter.centre_name) }
        }
    }
}

fn head(letter: &Letter) -> Markup {
    html! {
        header {
            strong { (letter.centre_name) }
            address { @for line in &letter.centre_address { (line) br; } (letter.web) }
        }
        div.window {
            div.addressee { @for line in &letter.addressee { (line) br; } }
            time { (letter.date) }
        }
    }
}

/// What is used to join, set apart from all else.
fn slip(letter: &Letter, words: &Words, picture: &Markup) -> Markup {
    html! {
        section.slip {
            dl {
                dt { (words.number) }
                dd.number { (letter.number) }
                dt { (words.code) }
                dd.code { @for group in groups(&letter.activation_code) { span { (group) } " " } }
                dt { (words.expires) }
                dd { (letter.expires) }
            }
            figure { (picture) figcaption { (words.scan) } }
        }
    }
}

fn grouped(hex: &str) -> Markup {
    html! { code { @for group in groups(hex) { span { (group) } " " } } }
}
