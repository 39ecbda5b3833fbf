//! Sealed orders on the network: tokens, orders, bills.
//!
//! A browser has no keys, so refusals are JSON and not signed: a stable code, its number, the text in
//! the visitor's language, more about the case.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use tegata_http::error::PlainRefusal;
use tegata_http::rate_limit::Permit;
use tegata_http::{Cbor, Cost, HttpError, Routes};
use tegata_pages::Language;
use tegata_protocol::Digest;
use tegata_protocol::order::ORDER_LIMIT;
use tegata_protocol::refusal::{Code, Refusal};

use super::{Service, stored};
use crate::orders::intake::{self, Untaken};
use crate::orders::wish::Wish;
use crate::orders::{status, token};
use crate::pages;
use crate::rate_limits::Class;
use crate::shop::Shop;
use crate::store::OrderState;

/// The routes.
pub(super) fn routes(shop: &Arc<Shop>) -> Routes<Service, Shop> {
    Routes::new(Arc::clone(shop))
        .post("/v1/orders", Cost::Counted(Class::Web), order)
        .post("/v1/orders/token", Cost::Counted(Class::Token), fresh_token)
        .get("/v1/bills/{digest}", Cost::Counted(Class::Web), bill)
        .body_limit(ORDER_LIMIT)
}

/// Why an order isn't taken, or no token signed, for the browser that asked.
fn untaken(error: Untaken, language: Language) -> HttpError {
    match error {
        Untaken::Refused(refusal) => refused(&refusal, language),
        error @ (Untaken::Fault(_) | Untaken::Forms(_)) => {
            HttpError::fault("taking an order", error)
        }
    }
}

fn refused(refusal: &Refusal, language: Language) -> HttpError {
    let plain = PlainRefusal {
        word: refusal.code.word(),
        number: refusal.code.number(),
        text: &pages::refusal_text(refusal.code, language),
        detail: refusal.detail.as_deref(),
    };
    HttpError::refusal(status_of(refusal.code), &plain)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a few codes have a status of their own; all others are the sender's fault"
)]
const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::OrderTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::NotAdmitted => StatusCode::FORBIDDEN,
        Code::NotOffered => StatusCode::NOT_FOUND,
        Code::OrderDiffers
        | Code::OrderKeyUsed
        | Code::CartChanged
        | Code::ProductUnknown
        | Code::OutOfStock => StatusCode::CONFLICT,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// A sealed order. The receipt comes with the address of the status page, which only the customer
/// learns: the receipt itself is shown to others.
async fn order(
    State(service): State<Service>,
    permit: Permit,
    language: Language,
    body: Result<Bytes, BytesRejection>,
) -> Result<impl IntoResponse, HttpError> {
    let body = body.map_err(|_e| refused(&Refusal::new(Code::OrderTooLarge), language))?;
    let shop = service.shop;
    let taken = service.workers.run(move || {
        let taken = intake::take(&shop, permit, &body)?;
        let address = status::address(&shop.registered().keys, taken.order);
        Ok((taken.receipt, address))
    });
    let (receipt, address) = taken.await?.map_err(|error| untaken(error, language))?;
    let place = [(header::CONTENT_LOCATION, address)];
    Ok((place, Cbor(receipt.into_bytes())))
}

/// A fresh token, as JSON asks for it, or a form with one `line` for each product: `sencha-100.2`.
async fn fresh_token(
    State(service): State<Service>,
    permit: Permit,
    language: Language,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Cbor, HttpError> {
    let unreadable = || HttpError::new(StatusCode::BAD_REQUEST, "unreadable");
    let wish = wish(&headers, &body).ok_or_else(unreadable)?;
    let shop = service.shop;
    let issue = move || token::issue(&shop, permit, &wish.lines, wish.member);
    let issued = service.workers.run(issue).await?;
    let issued = issued.map_err(|error| untaken(error, language))?;
    Ok(Cbor(issued.token.into_bytes()))
}

/// What the body says, in the form that its header names.
fn wish(headers: &HeaderMap, body: &[u8]) -> Option<Wish> {
    let content = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if content.is_some_and(|content| content.starts_with("application/x-www-form-urlencoded")) {
        return Wish::from_form(body);
    }
    Wish::from_json(body)
}

/// A signed bill, for whoever was shown its address: its digest can't be guessed.
/// Once it's paid or over, it's nobody's any more.
async fn bill(
    State(service): State<Service>,
    Path(digest): Path<String>,
) -> Result<Cbor, HttpError> {
    let unknown = || HttpError::missing("bill_unknown");
    let digest = Digest::from_hex(&digest).ok_or_else(unknown)?;
    let store = service.shop.store();
    let order = store
        .read(|tables| tables.order_of_bill(digest))
        .map_err(stored)?;
    let order = order.and_then(|order| Some((order.state, order.bill?)));
    let (state, bill) = order.ok_or_else(unknown)?;
    match state == OrderState::Billed {
        true => Ok(Cbor(bill.into_bytes())),
        false => Err(HttpError::missing("bill_closed")),
    }
}
