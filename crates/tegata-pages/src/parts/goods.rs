//! Goods: pictures, cards, a stepper for quantities, what an order comes to, how far it has come.
//!
//! Everything is plain HTML: the stepper's buttons say which quantity they stand for, so each press is
//! one form sent, and works without scripts.

use maud::{Markup, Render, html};

use super::Tone;

/// A picture from this server. Its size is known, so that nothing jumps while it loads.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Where it is.
    pub src: &'a str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// What it shows; empty where the text beside it says the same.
    pub alt: &'a str,
}

impl Render for Picture<'_> {
    fn render(&self) -> Markup {
        html! {
            img src=(self.src) width=(self.width) height=(self.height) alt=(self.alt)
                decoding="async";
        }
    }
}

/// What stands where there's no picture.
fn blank() -> Markup {
    html! {
        svg.blank viewBox="0 0 100 100" aria-hidden="true" focusable="false" {
            path d="M50 18 82 36v32L50 86 18 68V36Z M18 36l32 18 32-18 M50 54v32" {}
        }
    }
}

/// A product on a shelf.
#[derive(Clone, Debug)]
pub struct ProductCard<'a> {
    /// A word above the title: what it stands with; may be empty.
    pub kind: &'a str,
    /// What it's called.
    pub title: &'a str,
    /// Its page.
    pub href: &'a str,
    /// What it looks like.
    pub picture: Option<Picture<'a>>,
    /// What it costs; the caller formats it.
    pub price: &'a str,
    /// A word under the price, or nothing.
    pub note: &'a str,
    /// What must be known of its stock, if anything.
    pub state: Option<(Tone, &'a str)>,
    /// What can be done: a form with a button, or nothing.
    pub action: Markup,
}

/// Products side by side. The whole card leads to the product; the button stays a button.
#[must_use]
pub fn product_cards(cards: &[ProductCard<'_>]) -> Markup {
    html! {
        ul.goods role="list" {
            @for card in cards {
                li {
                    div.picture {
                        @match &card.picture { Some(picture) => (picture), None => (blank()) }
                        @if let Some((tone, state)) = &card.state {
                            span.flag.(tone.class()) { (state) }
                        }
                    }
                    @if !card.kind.is_empty() { p.kind { (card.kind) } }
                    h3 { a href=(card.href) { (card.title) } }
                    p.price { strong { (card.price) } " " small { (card.note) } }
                    (card.action)
                }
            }
        }
    }
}

/// A product's picture at full size.
#[must_use]
pub fn product_picture(picture: Option<&Picture<'_>>) -> Markup {
    html! {
        div.picture.large { @match picture { Some(picture) => (picture), None => (blank()) } }
    }
}

/// A small picture in a list.
#[must_use]
pub fn thumbnail(picture: Option<&Picture<'_>>) -> Markup {
    html! {
        div.picture.thumb { @match picture { Some(picture) => (picture), None => (blank()) } }
    }
}

/// A quantity that can be changed step by step.
#[derive(Clone, Copy, Debug)]
pub struct Stepper<'a> {
    /// Where the form goes.
    pub action: &'a str,
    /// The product's id, sent as `product`; the new quantity is sent as `count`.
    pub product: &'a str,
    /// The quantity now.
    pub count: u32,
    /// The largest one.
    pub most: u32,
    /// What the quantity is called: "Quantity of the indigo notebook".
    pub label: &'a str,
    /// What the buttons do: "One fewer", "One more".
    pub words: (&'a str, &'a str),
}

impl Render for Stepper<'_> {
    fn render(&self) -> Markup {
        let (fewer, more) = (self.count.saturating_sub(1), self.count.saturating_add(1));
        html! {
            form.stepper method="post" action=(self.action) {
                fieldset aria-label=(self.label) {
                    input type="hidden" name="product" value=(self.product);
                    button.secondary type="submit" name="count" value=(fewer)
                        aria-label=(self.words.0) { "−" }
                    output { (self.count) }
                    button.secondary type="submit" name="count" value=(more)
                        aria-label=(self.words.1) disabled[more > self.most] { "+" }
                }
            }
        }
    }
}

/// A line of a [`summary`].
#[derive(Clone, Debug)]
pub struct SummaryLine<'a> {
    /// What.
    pub term: &'a str,
    /// How much.
    pub sum: &'a str,
    /// Does it stand under a line, as a total does?
    pub total: bool,
}

/// What an order comes to.
#[must_use]
pub fn summary(title: &str, lines: &[SummaryLine<'_>], below: &Markup) -> Markup {
    html! {
        section.summary {
            h2 { (title) }
            dl {
                @for line in lines {
                    div.total[line.total] { dt { (line.term) } dd { (line.sum) } }
                }
            }
            (below)
        }
    }
}

/// A stage of something under way.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// What it is.
    pub name: &'a str,
    /// A word more: when, or what happens there.
    pub detail: &'a str,
}

/// How far something has come; `at` is the stage that it's in, counted from 0. Told by a tick and a
/// ring as well as by colour, and by `aria-current`.
#[must_use]
pub fn progress(stages: &[Stage<'_>], at: usize) -> Markup {
    html! {
        ol.progress {
            @for (number, stage) in stages.iter().enumerate() {
                @let class = if number < at { "done" } else { "" };
                li class=(class) aria-current=[(number == at).then_some("step")] {
                    strong { (stage.name) }
                    span { (stage.detail) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_says_the_quantity_that_it_makes() {
        let stepper = |count| Stepper {
            action: "/cart",
            product: "cup",
            count,
            most: 3,
            label: "Quantity",
            words: ("One fewer", "One more"),
        };
        let html = stepper(2).render().into_string();
        assert!(
            html.contains(r#"value="1" aria-label="One fewer""#),
            "{html}"
        );
        assert!(
            html.contains(r#"value="3" aria-label="One more">"#),
            "{html}"
        );
        let html = stepper(3).render().into_string();
        assert!(
            html.contains(r#"aria-label="One more" disabled>"#),
            "{html}"
        );
    }

    #[test]
    fn a_product_without_a_picture_has_a_box_instead() {
        let card = ProductCard {
            kind: "Tea",
            title: "<Cup>",
            href: "/goods/cup",
            picture: None,
            price: "¥1",
            note: "",
            state: Some((Tone::Bad, "Sold out")),
            action: html! {},
        };
        let html = product_cards(&[card]).into_string();
        assert!(
            html.contains("svg class=\"blank\"") && html.contains("&lt;Cup&gt;"),
            "{html}"
        );
        assert!(
            html.contains(r#"<span class="flag bad">Sold out</span>"#),
            "{html}"
        );
    }
}
