//! The owner's page: what sells, what needs looking at. It opens by a one-time link.
//!
//! The link's token is kept as a digest in the database, is used up by the first visit, and becomes
//! a session's cookie (host-only, `SameSite=Strict`; `__Host-` and `Secure` where the shop's address has
//! TLS). Sessions live in memory and end with the
//! program.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use maud::{Markup, html};
use rand_core::Rng as _;
use serde::Deserialize;
use tegata_http::HttpError;
use tegata_http::rate_limit::Permit;
use tegata_http::same_origin::is_secure;
use tegata_http::work::blocking;
use tegata_pages::{Column, Language, Page, Table, Tone, notice};
use tegata_protocol::{Digest, Time};

use super::visit::Visit;
use super::{Front, MESSAGES, OWNER_ONLY, stocks};
use crate::server::stored;
use crate::shop::Shop;
use crate::store::{Sale, SaleState, Stock, StoreError, Tables};
use tegata_keystore::rng;

const COOKIE: &str = "tegata_owner";
const SECURE_COOKIE: &str = "__Host-tegata_owner";
/// How long a session lasts without a visit.
const IDLE_SECONDS: u64 = 1800;

/// Who is in: digests of cookies, and until when.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<Digest, Time>>);

impl Sessions {
    fn begin(&self, now: Time) -> String {
        let mut bytes = [0; 32];
        rng::system().fill_bytes(&mut bytes);
        let cookie = Digest::of(&bytes).to_string();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, until| now < *until);
        sessions.insert(Digest::of(cookie.as_bytes()), now.after(IDLE_SECONDS));
        cookie
    }

    fn holds(&self, headers: &HeaderMap, name: &str, now: Time) -> bool {
        let lines = headers.get_all(header::COOKIE).iter();
        let pairs = lines.filter_map(|line| line.to_str().ok());
        let pairs = pairs.flat_map(|line| line.split(';'));
        let mut values = pairs.filter_map(|pair| pair.trim().split_once('='));
        let Some((_, cookie)) = values.find(|(found, _)| *found == name) else {
            return false;
        };
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match sessions.get_mut(&Digest::of(cookie.as_bytes())) {
            Some(until) if now < *until => {
                *until = now.after(IDLE_SECONDS);
                true
            }
            Some(_) | None => false,
        }
    }
}

/// Whoever asks is the owner. Only who has the session's cookie gets one.
#[derive(Debug)]
pub(super) struct Owner(());

impl FromRequestParts<Front> for Owner {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, HttpError> {
        let (name, now) = (cookie_name(front), front.shop.now());
        match front.sessions.holds(&parts.headers, name, now) {
            true => Ok(Self(())),
            false => Err(no_entry()),
        }
    }
}

fn no_entry() -> HttpError {
    HttpError::new(StatusCode::FORBIDDEN, OWNER_ONLY)
}

fn cookie_name(front: &Front) -> &'static str {
    match is_secure(front.shop.registered().address()) {
        true => SECURE_COOKIE,
        false => COOKIE,
    }
}

/// The token of a link.
#[derive(Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    token: String,
}

/// Uses a link up: the store writes that down, so whoever tries is counted.
pub(super) async fn enter(
    State(front): State<Front>,
    permit: Permit,
    Query(entry): Query<Entry>,
) -> Result<impl IntoResponse, HttpError> {
    let (now, token) = (front.shop.now(), Digest::of(entry.token.as_bytes()));
    let shop = front.shop.clone();
    if !blocking(move || use_link(&shop, permit, token, now))
        .await?
        .map_err(stored)?
    {
        return Err(no_entry());
    }
    let cookie = front.sessions.begin(now);
    let cookie = match cookie_name(&front) {
        SECURE_COOKIE => {
            format!("{SECURE_COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Strict")
        }
        name => format!("{name}={cookie}; Path=/owner; HttpOnly; SameSite=Strict"),
    };
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/owner")))
}

fn use_link(shop: &Shop, _counted: Permit, token: Digest, now: Time) -> Result<bool, StoreError> {
    let used = move |tables: &Tables<'_>| tables.use_owner_link(token, now);
    shop.store().write(used)
}

pub(super) async fn page(
    State(front): State<Front>,
    _: Owner,
    visit: Visit,
) -> Result<Page, HttpError> {
    let body = body(&front, visit.language).map_err(stored)?;
    let title = visit.texts().text("owner.title");
    Ok(front.page(&visit, title).body(body))
}

fn body(front: &Front, language: Language) -> Result<Markup, StoreError> {
    let t = MESSAGES.of(language);
    let catalogue = front.shop.catalogue();
    let stocks = stocks(&front.shop, &catalogue)?;
    let rows = catalogue.offers().zip(stocks).map(|(offer, stock)| {
        let series = html! { (offer.series) };
        let title = html! { a href={ "/offers/" (offer.series) } { (offer.title) } };
        [vec![series, title], figures(offer.quota.into(), stock)].concat()
    });
    let columns = [
        Column::text(t.text("owner.column_series")),
        Column::text(t.text("owner.column_title")),
        Column::number(t.text("owner.column_quota")),
        Column::number(t.text("owner.column_held")),
        Column::number(t.text("owner.column_sold")),
        Column::number(t.text("owner.column_left")),
    ];
    let sales = Table::new(language, t.text("owner.sales"), columns).rows(rows);
    let state = match front.shop.shelf().mistake() {
        None => notice(Tone::Good, t.text("owner.catalogue_good")),
        Some(mistake) => {
            // Place and reason; the lines after it draw what a page can't.
            let mistake = mistake.lines().next().unwrap_or_default();
            let text = t.fill("owner.catalogue_bad", &[("mistake", mistake)]);
            notice(Tone::Bad, &text)
        }
    };
    let stuck = front
        .shop
        .store()
        .read(|tables| tables.sales_in(SaleState::Stuck, 100))?;
    let goods = !catalogue.goods.products.is_empty();
    Ok(html! {
        (state)
        @if goods { p { a.button href="/owner/orders" { (t.text("orders.title")) } } }
        (sales)
        @if !stuck.is_empty() {
            p { (t.text("owner.stuck_text")) }
            (stuck_table(language, &stuck))
        }
    })
}

fn figures(quota: u64, stock: Stock) -> Vec<Markup> {
    let figures = [quota, stock.held, stock.sold, stock.left(quota)];
    figures.iter().map(|figure| html! { (figure) }).collect()
}

fn stuck_table(language: Language, stuck: &[Sale]) -> Markup {
    let t = MESSAGES.of(language);
    let columns = [
        Column::text(t.text("owner.column_sale")),
        Column::text(t.text("owner.column_member")),
        Column::number(t.text("owner.column_tickets")),
    ];
    let row = |sale: &Sale| {
        let (number, member) = (sale.number.to_string(), sale.member.to_string());
        vec![
            html! { (number) },
            html! { (member) },
            html! { (sale.quantity) },
        ]
    };
    let table = Table::new(language, t.text("owner.stuck"), columns).rows(stuck.iter().map(row));
    html! { (table) }
}
