//! The shop's pages: goods and tickets, cart, order form, status, and the owner's own.
//!
//! Nobody types anything secret here: tickets are ordered by wallets, and the form for goods stands in
//! frames on an origin of its own, where it's sealed. The public pages set two cookies: the language,
//! and the cart (product ids and quantities). The owner's pages open by a one-time link only. Posted
//! forms must come from the shop's own pages.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use maud::{Markup, html};
use tegata_pages::{Language, Link, Messages, Page, Refusal, Role, Texts, Tone, steps};
use tegata_protocol::refusal::Code;
use tegata_protocol::{Amount, SeriesId, Time};
use visit::Visit;

use crate::catalogue::{Catalogue, Offer, timestamp};
use crate::shop::{Shop, cause};
use crate::store::{Stock, StoreError};

mod cart;
pub mod frames;
mod goods;
mod offer;
mod orders;
mod origin;
mod owner;
mod status;
mod visit;

const EN: &str = concat!(
    include_str!("../../messages/en.toml"),
    include_str!("../../messages/goods-en.toml"),
);
const JA: &str = concat!(
    include_str!("../../messages/ja.toml"),
    include_str!("../../messages/goods-ja.toml"),
);
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
        .route("/", get(goods::front))
        .route("/goods/{id}", get(goods::product))
        .route("/pictures/{name}", get(goods::pictures))
        .route("/cart", get(cart::page))
        .route("/cart/add", post(cart::add))
        .route("/cart/set", post(cart::set))
        .route("/checkout", get(cart::form))
        .route("/orders/{id}", get(status::page))
        .route("/offers/{series}", get(one_offer))
        .route("/how", get(how))
        .route("/owner", get(owner::page))
        .route("/owner/enter", get(owner::enter))
        .route("/owner/orders", get(orders::list))
        .route("/owner/orders.csv", post(orders::table))
        .route("/owner/orders/{id}", get(orders::one))
        .route("/owner/orders/{id}/act", post(orders::act))
        .route("/owner/orders/{id}/form", post(orders::form))
        .merge(tegata_pages::order::page_script())
        .fallback(missing)
        .layer(from_fn_with_state(front.clone(), origin::same_origin))
        .layer(from_fn_with_state(front.clone(), origin::strict_transport))
        .with_state(front)
}

impl Front {
    fn page(&self, visit: &Visit, title: &str) -> Page {
        let t = visit.texts();
        let goods = !self.shop.catalogue().goods.products.is_empty();
        let first = if goods { "menu.shop" } else { "menu.offers" };
        let mut menu = vec![
            Link::new(t.text(first), "/"),
            Link::new(t.text("menu.how"), "/how"),
        ];
        if goods {
            menu.push(Link::new(t.text("menu.cart"), "/cart").count(visit.cart.pieces()));
        }
        let name = self.shop.registered().name();
        Page::new(visit.language, Role::Shop, name, title)
            .here(&visit.uri)
            .menu(menu)
    }

    fn fault(&self, visit: &Visit, error: &StoreError) -> Page {
        tracing::error!(error = cause(error), "a page couldn't be shown");
        self.fault_page(visit)
    }

    fn fault_page(&self, visit: &Visit) -> Page {
        let t = visit.texts();
        let refusal = Refusal {
            language: visit.language,
            code: "fault",
            what: t.text("fault.what"),
            next: t.text("fault.next"),
        };
        self.page(visit, t.text("fault.title"))
            .status(StatusCode::INTERNAL_SERVER_ERROR)
            .body(html! { (refusal) })
    }

    fn missing(&self, visit: &Visit, code: &str, what: &str) -> Page {
        let t = visit.texts();
        let next = t.text("missing.next");
        let refusal = Refusal {
            language: visit.language,
            code,
            what,
            next,
        };
        self.page(visit, t.text("missing.title"))
            .status(StatusCode::NOT_FOUND)
            .body(html! {
                (refusal)
                p { a.button href="/" { (t.text("missing.back")) } }
            })
    }
}

async fn missing(State(front): State<Front>, visit: Visit) -> Page {
    front.missing(&visit, "no_page", visit.texts().text("missing.what"))
}

/// What a refusal of an order says to the customer.
pub(crate) fn refusal_text(code: Code, language: Language) -> String {
    let key = format!("refusal.{}", code.word());
    let text = MESSAGES.of(language).text(&key).to_owned();
    if text == key {
        return MESSAGES.of(language).text("refusal.other").to_owned();
    }
    text
}

/// An amount as it's written where the visitor reads.
fn money(language: Language, amount: Amount) -> String {
    let text = amount.to_string();
    let number = text.split_once(' ').map_or(&*text, |(_, number)| number);
    match (amount.currency().code(), language) {
        ("JPY", Language::Ja) => format!("{number}円"),
        ("JPY", Language::En) => format!("¥{number}"),
        ("EUR", Language::En | Language::Ja) => format!("€{number}"),
        (_, Language::En | Language::Ja) => text,
    }
}

/// A moment where the shop is.
fn moment(front: &Front, visit: &Visit, time: Time) -> String {
    let catalogue = front.shop.catalogue();
    let shown = Shown {
        t: visit.texts(),
        catalogue: &catalogue,
        now: front.shop.now(),
    };
    shown.time(time)
}

fn stocks(shop: &Shop, catalogue: &Catalogue) -> Result<Vec<Stock>, StoreError> {
    shop.store().read(|tables| {
        catalogue
            .offers()
            .map(|offer| tables.stock(offer.series))
            .collect()
    })
}

async fn one_offer(State(front): State<Front>, Path(series): Path<String>, visit: Visit) -> Page {
    let (catalogue, now) = (front.shop.catalogue(), front.shop.now());
    let t = visit.texts();
    let offer = series.parse().ok().map(SeriesId::new);
    let Some(offer) = offer.and_then(|series| catalogue.offer(series)) else {
        return front.missing(&visit, "series_unknown", t.text("missing.offer"));
    };
    let stock = match front.shop.store().read(|tables| tables.stock(offer.series)) {
        Ok(stock) => stock,
        Err(error) => return front.fault(&visit, &error),
    };
    let shown = Shown {
        t,
        catalogue: &catalogue,
        now,
    };
    let body = offer::body(&shown, offer, stock, &front.shop);
    front.page(&visit, &offer.title).body(body)
}

async fn how(State(front): State<Front>, visit: Visit) -> Page {
    let t = visit.texts();
    let names: Vec<&str> = t.text("how.steps").split(", ").collect();
    let number = front.shop.registered().number().to_string();
    let record = t.fill("how.record", &[("number", &number), ("path", "/v1/record")]);
    front.page(&visit, t.text("how.title")).body(html! {
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
