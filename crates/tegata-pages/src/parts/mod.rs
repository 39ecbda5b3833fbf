//! What pages are put together from. Everything here is plain HTML that works without scripts,
//! is read well by screen readers, and never tells anything by colour alone.

mod chart;
mod door;
mod field;
mod goods;
mod status;
mod table;

use maud::{Markup, html};

pub use chart::{Bar, bar_chart};
pub use door::{Door, doors};
pub use field::Field;
pub use goods::{
    Picture, ProductCard, Stage, Stepper, SummaryLine, product_cards, product_picture, progress,
    summary, thumbnail,
};
pub use status::{Refusal, Tone, Verdict, notice, verdict};
pub use table::{Column, Table};

/// A button that sends its form.
#[must_use]
pub fn button(text: &str) -> Markup {
    html! { button type="submit" { (text) } }
}

/// A button that sends its form too, but isn't what one came for.
#[must_use]
pub fn secondary_button(text: &str) -> Markup {
    html! { button.secondary type="submit" { (text) } }
}

/// A button that sends its form and does something that can't be undone, or spends.
#[must_use]
pub fn danger_button(text: &str) -> Markup {
    html! { button.danger type="submit" { (text) } }
}

/// Terms and what they mean: a bill's totals, a member's particulars.
#[must_use]
pub fn definitions(pairs: &[(&str, Markup)]) -> Markup {
    html! {
        dl.definitions {
            @for (term, meaning) in pairs {
                div { dt { (term) } dd { (meaning) } }
            }
        }
    }
}

/// A digest, number or reference: fixed-width, broken where it must be, selected by one click.
#[must_use]
pub fn code(text: &str) -> Markup {
    html! { code translate="no" { (text) } }
}

/// A figure with its name.
#[derive(Clone, Debug)]
pub struct Tile<'a> {
    /// What is counted.
    pub label: &'a str,
    /// How much; the caller formats it.
    pub value: &'a str,
    /// A word more, or nothing.
    pub note: Option<&'a str>,
}

/// Figures side by side.
#[must_use]
pub fn tiles(tiles: &[Tile<'_>]) -> Markup {
    html! {
        dl.tiles {
            @for tile in tiles {
                div {
                    dt { (tile.label) }
                    dd {
                        strong { (tile.value) }
                        @if let Some(note) = tile.note { span { (note) } }
                    }
                }
            }
        }
    }
}

/// Steps of something that takes several, the one at hand marked (counted from 0).
#[must_use]
pub fn steps(names: &[&str], at: usize) -> Markup {
    html! {
        ol.steps {
            @for (number, name) in names.iter().enumerate() {
                @let class = if number < at { "done" } else { "" };
                li class=(class) aria-current=[(number == at).then_some("step")] { (name) }
            }
        }
    }
}

/// A ticket as a person would hold it: title, particulars, and its QR code on a stub.
#[must_use]
pub fn ticket(title: &str, particulars: &[(&str, Markup)], qr: &Markup) -> Markup {
    html! {
        article.ticket {
            div.face {
                h2 { (title) }
                (definitions(particulars))
            }
            div.stub { (qr) }
        }
    }
}
