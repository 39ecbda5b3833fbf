//! The shop's pages: what is on offer, how to buy it, and the owner's own.
//!
//! Nobody types anything secret here: orders come from wallets, sealed. So the public pages are
//! plain, take no input and set no cookie but the language's. The owner's page opens by a one-time
//! link only.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use maud::{Markup, html};
use tegata_pages::{Language, Link, Messages, Page, Refusal, Role, Texts, Tone, notice, steps};
use tegata_protocol::{SeriesId, Time};

use crate::catalogue::{Catalogue, Offer, timestamp};
use crate::shop::{Shop, cause};
use crate::store::{Stock, StoreError};

mod offer;
mod owner;

const EN: &str = include_str!("../../messages/en.toml");
const JA: &str = include_str!("../../messages/ja.toml");
static MESSAGES: LazyLock<Messages> = LazyLock::new(|| Messages::embedded(EN, JA));

/// What the pages' handlers share.
#[derive(Clone, Debug)]
struct Front {
    shop: Arc<Shop>,
    sessions: Arc<owner::Sessions>,
}

/// The pages' routes, and the page for every other address.
pub fn router(shop: &Arc<Shop>) -> Router {
    let front = Front {
        shop: Arc::clone(shop),
        sessions: Arc::default(),
    };
    Router::new()
        .route("/", get(offers))
        .route("/offers/{series}", get(one_offer))
        .route("/how", get(how))
        .route("/owner", get(owner::page))
        .route("/owner/enter", get(owner::enter))
        .fallback(missing)
        .with_state(front)
}

impl Front {
    fn page(&self, language: Language, uri: &Uri, title: &str) -> Page {
        let t = MESSAGES.of(language);
        let menu = [
            Link::new(t.text("menu.offers"), "/"),
            Link::new(t.text("menu.how"), "/how"),
        ];
        Page::new(language, Role::Shop, self.shop.registered().name(), title)
            .here(uri)
            .menu(menu)
    }

    fn fault(&self, language: Language, uri: &Uri, error: &StoreError) -> Page {
        tracing::error!(error = cause(error), "a page couldn't be shown");
        let t = MESSAGES.of(language);
        let refusal = Refusal {
            language,
            code: "fault",
            what: t.text("fault.what"),
            next: t.text("fault.next"),
        };
        self.page(language, uri, t.text("fault.title"))
            .status(StatusCode::INTERNAL_SERVER_ERROR)
            .body(html! { (refusal) })
    }

    fn missing(&self, language: Language, uri: &Uri, code: &str, what: &str) -> Page {
        let t = MESSAGES.of(language);
        let next = t.text("missing.next");
        let refusal = Refusal {
            language,
            code,
            what,
            next,
        };
        self.page(language, uri, t.text("missing.title"))
            .status(StatusCode::NOT_FOUND)
            .body(html! {
                (refusal)
                p { a.button href="/" { (t.text("missing.back")) } }
            })
    }
}

async fn missing(State(front): State<Front>, language: Language, uri: Uri) -> Page {
    let what = MESSAGES.of(language).text("missing.what");
    front.missing(language, &uri, "no_page", what)
}

async fn offers(State(front): State<Front>, language: Language, uri: Uri) -> Page {
    let (catalogue, now) = (front.shop.catalogue(), front.shop.now());
    let stocks = match stocks(&front.shop, &catalogue) {
        Ok(stocks) => stocks,
        Err(error) => return front.fault(language, &uri, &error),
    };
    let t = MESSAGES.of(language);
    let shown = Shown {
        t,
        catalogue: &catalogue,
        now,
    };
    let cards: Vec<Markup> = catalogue
        .offers()
        .zip(stocks)
        .map(|(offer, stock)| shown.card(offer, stock))
        .collect();
    front
        .page(language, &uri, t.text("offers.title"))
        .body(html! {
            p { (t.text("offers.intro")) }
            @if cards.is_empty() { (notice(Tone::Plain, t.text("offers.none"))) }
            ul.doors { @for card in &cards { li { (card) } } }
        })
}

fn stocks(shop: &Shop, catalogue: &Catalogue) -> Result<Vec<Stock>, StoreError> {
    shop.store().read(|tables| {
        catalogue
            .offers()
            .map(|offer| tables.stock(offer.series))
            .collect()
    })
}

async fn one_offer(
    State(front): State<Front>,
    Path(series): Path<String>,
    language: Language,
    uri: Uri,
) -> Page {
    let (catalogue, now) = (front.shop.catalogue(), front.shop.now());
    let t = MESSAGES.of(language);
    let offer = series.parse().ok().map(SeriesId::new);
    let Some(offer) = offer.and_then(|series| catalogue.offer(series)) else {
        return front.missing(language, &uri, "series_unknown", t.text("missing.offer"));
    };
    let stock = match front.shop.store().read(|tables| tables.stock(offer.series)) {
        Ok(stock) => stock,
        Err(error) => return front.fault(language, &uri, &error),
    };
    let shown = Shown {
        t,
        catalogue: &catalogue,
        now,
    };
    let body = offer::body(&shown, offer, stock, &front.shop);
    front.page(language, &uri, &offer.title).body(body)
}

async fn how(State(front): State<Front>, language: Language, uri: Uri) -> Page {
    let t = MESSAGES.of(language);
    let names: Vec<&str> = t.text("how.steps").split(", ").collect();
    let number = front.shop.registered().number().to_string();
    let record = t.fill("how.record", &[("number", &number), ("path", "/v1/record")]);
    front.page(language, &uri, t.text("how.title")).body(html! {
        (steps(&names, 0))
        ol {
            li { (t.text("how.one")) }
            li { (t.text("how.two")) }
            li { (t.text("how.three")) }
            li { (t.text("how.four")) }
            li { (t.text("how.five")) }
        }
        p.small { (record) }
    })
}

/// What the parts of a page are shown with.
struct Shown<'a> {
    t: Texts<'static>,
    catalogue: &'a Catalogue,
    now: Time,
}

impl Shown<'_> {
    /// A moment where the shop is.
    fn time(&self, time: Time) -> String {
        let zoned = timestamp(time).to_zoned(self.catalogue.zone.clone());
        let form = match self.t.language() {
            Language::En => "%Y-%m-%d %H:%M",
            Language::Ja => "%Y年%-m月%-d日 %H:%M",
        };
        zoned.strftime(form).to_string()
    }

    fn span(&self, offer: &Offer) -> String {
        let (from, until) = (
            self.time(offer.valid.from()),
            self.time(offer.valid.until()),
        );
        self.t
            .fill("offer.span", &[("from", &from), ("until", &until)])
    }

    fn kind(&self, offer: &Offer) -> &'static str {
        self.t.text(match offer.kind.word() {
            "stay" => "kind.stay",
            "ride" => "kind.ride",
            "admission" => "kind.admission",
            _ => "kind.wager",
        })
    }

    /// How many are left, or why none can be had.
    fn state(&self, offer: &Offer, stock: Stock) -> (Tone, String) {
        let left = stock.left(offer.quota.into());
        match offer.sales_from {
            Some(from) if self.now < from => {
                let from = self.time(from);
                (
                    Tone::Careful,
                    self.t.fill("state.not_yet", &[("from", &from)]),
                )
            }
            Some(_) | None if !offer.on_sale(self.now) => {
                (Tone::Careful, self.t.text("state.over").to_owned())
            }
            Some(_) | None if left == 0 => (Tone::Bad, self.t.text("state.sold_out").to_owned()),
            Some(_) | None => {
                let values = [
                    ("left", &*left.to_string()),
                    ("quota", &*offer.quota.to_string()),
                ];
                (Tone::Good, self.t.fill("state.left", &values))
            }
        }
    }

    fn card(&self, offer: &Offer, stock: Stock) -> Markup {
        let href = format!("/offers/{}", offer.series);
        html! {
            a href=(href) {
                span {
                    span.role { (self.kind(offer)) }
                    span.name { (offer.title) }
                }
            }
            p { (offer.place) }
            p.small { (self.span(offer)) }
            p { strong { (offer::price(self.t, offer)) } }
            p.small { (self.state(offer, stock).1) }
            p { a href=(href) { (self.t.text("offers.more")) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_the_same_in_both_languages() {
        assert_eq!(Messages::problems(EN, JA), [""; 0]);
    }
}
