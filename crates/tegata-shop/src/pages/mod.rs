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
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use tegata_http::error::{FAULT, Failed, TOO_MANY, error_pages};
use tegata_http::same_origin::SameOrigin;
use tegata_http::{Cost, HttpError, Listed, Posts, Routes};
use tegata_pages::order::{PAGE_SCRIPT, page_script};
use tegata_pages::{Language, Link, Messages, Page, Refusal, Role, Texts, Tone, steps};
use tegata_protocol::refusal::Code;
use tegata_protocol::{Amount, SeriesId, Time};
use visit::Visit;

use crate::catalogue::{Catalogue, Offer, timestamp};
use crate::rate_limits::Class;
use crate::server::stored;
use crate::shop::Shop;
use crate::store::{Stock, StoreError};

mod cart;
pub mod frames;
mod goods;
mod offer;
mod orders;
mod owner;
mod status;
mod transport;
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

/// What forms of other sites' pages get.
const FOREIGN: &str = "This form didn't come from the shop's own page. Nothing was done.\n";

/// The pages' routes, and the page for every other address.
pub fn router(shop: &Arc<Shop>) -> Router {
    let front = Front::of(shop);
    let own = SameOrigin::at(shop.registered().address(), FOREIGN);
    let router = routes(shop).into_router(Posts::OwnPages(own));
    let drawn = front.clone();
    let draw = move |parts: &Parts, failed| error_page(&drawn, parts, failed);
    error_pages(router, draw)
        .layer(from_fn_with_state(front.clone(), transport::strict))
        .with_state(front)
}

/// The pages' routes with what they cost.
pub fn costs(shop: &Arc<Shop>) -> Vec<Listed<Class>> {
    routes(shop).list().to_vec()
}

fn routes(shop: &Arc<Shop>) -> Routes<Front, Shop> {
    let read = Cost::Free("a page that only reads");
    let fixed = Cost::Free("the same bytes for everybody, from memory");
    let cookie = Cost::Free("the cart is a cookie: nothing of it is kept here");
    let secret = Cost::Free("an order's page, behind a key in its address");
    let owners = Cost::Free("behind the owner's session");
    Routes::new(Arc::clone(shop))
        .get("/", read, goods::front)
        .get("/goods/{id}", read, goods::product)
        .get("/pictures/{name}", fixed, goods::pictures)
        .get("/cart", read, cart::page)
        .post("/cart/add", cookie, cart::add)
        .post("/cart/set", cookie, cart::set)
        .get("/checkout", Cost::Counted(Class::Token), cart::form)
        .get("/orders/{id}", secret, status::page)
        .get("/offers/{series}", read, one_offer)
        .get("/how", read, how)
        .get("/owner", owners, owner::page)
        .get("/owner/enter", Cost::Counted(Class::Web), owner::enter)
        .get("/owner/orders", owners, orders::list)
        .post("/owner/orders.csv", owners, orders::table)
        .get("/owner/orders/{id}", owners, orders::one)
        .post("/owner/orders/{id}/act", owners, orders::act)
        .post("/owner/orders/{id}/form", owners, orders::form)
        .get(PAGE_SCRIPT, fixed, page_script)
        .fallback(missing)
}

/// The page that says why there's no other.
fn error_page(front: &Front, parts: &Parts, failed: Failed) -> Option<Response> {
    let visit = Visit::of(parts);
    let [title, what, next] = match failed.word {
        FAULT => ["fault.title", "fault.what", "fault.next"],
        TOO_MANY => ["too_many.title", "too_many.what", "too_many.next"],
        OWNER_ONLY => [
            "owner.no_entry",
            "owner.no_entry_what",
            "owner.no_entry_next",
        ],
        NO_PAGE => ["missing.title", "missing.what", "missing.next"],
        NO_OFFER => ["missing.title", "missing.offer", "missing.next"],
        NO_PRODUCT => ["missing.title", "missing.product", "missing.next"],
        NO_ORDER => ["missing.title", "missing.order", "missing.next"],
        _ => return None,
    };
    let t = visit.texts();
    let refusal = Refusal {
        language: visit.language,
        code: failed.word,
        what: t.text(what),
        next: t.text(next),
    };
    let page = front.page(&visit, t.text(title)).body(html! {
        (refusal)
        @if failed.status == StatusCode::NOT_FOUND {
            p { a.button href="/" { (t.text("missing.back")) } }
        }
    });
    Some(page.into_response())
}

/// The words of what isn't there, or isn't for everybody.
const OWNER_ONLY: &str = "owner_only";
const NO_PAGE: &str = "no_page";
const NO_OFFER: &str = "series_unknown";
const NO_PRODUCT: &str = "product_unknown";
const NO_ORDER: &str = "order_unknown";

impl Front {
    fn of(shop: &Arc<Shop>) -> Self {
        Self {
            shop: Arc::clone(shop),
            sessions: Arc::default(),
        }
    }

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
}

async fn missing() -> HttpError {
    HttpError::missing(NO_PAGE)
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

async fn one_offer(
    State(front): State<Front>,
    Path(series): Path<String>,
    visit: Visit,
) -> Result<Page, HttpError> {
    let (catalogue, now) = (front.shop.catalogue(), front.shop.now());
    let offer = series.parse().ok().map(SeriesId::new);
    let offer = offer.and_then(|series| catalogue.offer(series));
    let offer = offer.ok_or_else(|| HttpError::missing(NO_OFFER))?;
    let stock = front
        .shop
        .store()
        .read(|tables| tables.stock(offer.series))
        .map_err(stored)?;
    let shown = Shown {
        t: visit.texts(),
        catalogue: &catalogue,
        now,
    };
    let body = offer::body(&shown, offer, stock, &front.shop);
    Ok(front.page(&visit, &offer.title).body(body))
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
