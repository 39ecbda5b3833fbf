//! Sealed orders on the network: tokens, orders, bills.
//!
//! A browser has no keys, so refusals are JSON and not signed: a stable code, its number, the text in
//! the visitor's language, more about the case.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tegata_pages::Language;
use tegata_protocol::Digest;
use tegata_protocol::order::ORDER_LIMIT;
use tegata_protocol::refusal::{Code, Refusal};

use super::{Service, cbor, error, fault, too_fast};
use crate::orders::intake::{self, Untaken};
use crate::orders::wish::Wish;
use crate::orders::{status, token};
use crate::pages;
use crate::shop::{Shop, cause};
use crate::store::OrderState;

/// The routes.
pub(super) fn routes() -> Router<Service> {
    Router::new()
        .route("/v1/orders", post(order))
        .route("/v1/orders/token", post(fresh_token))
        .route("/v1/bills/{digest}", get(bill))
        .layer(DefaultBodyLimit::max(ORDER_LIMIT))
}

/// Whether an address is too fast; then for how many seconds it must wait.
type Counted = Result<(), u64>;

/// Refuses who is too fast, waits for a free desk, and works on a thread that may wait for the disk.
async fn worked<T: Send + 'static>(
    service: &Service,
    counted: Counted,
    work: impl FnOnce(&Shop) -> Result<T, Untaken> + Send + 'static,
) -> Result<T, Failed> {
    let shop = service.shop.clone();
    counted.map_err(Failed::TooFast)?;
    let Ok(_desk) = service.desks.acquire().await else {
        return Err(Failed::Broken);
    };
    match tokio::task::spawn_blocking(move || work(&shop)).await {
        Ok(worked) => worked.map_err(Failed::Untaken),
        Err(error) => {
            tracing::error!(error = cause(&error), "an order's work broke off");
            Err(Failed::Broken)
        }
    }
}

enum Failed {
    TooFast(u64),
    Untaken(Untaken),
    Broken,
}

impl Failed {
    fn answer(self, language: Language) -> Response {
        match self {
            Self::TooFast(seconds) => too_fast(seconds),
            Self::Untaken(Untaken::Refused(refusal)) => refused(&refusal, language),
            Self::Untaken(error) => {
                tracing::error!(error = cause(&error), "an order couldn't be taken");
                fault()
            }
            Self::Broken => fault(),
        }
    }
}

fn refused(refusal: &Refusal, language: Language) -> Response {
    let body = serde_json::json!({
        "error": refusal.code.word(),
        "number": refusal.code.number(),
        "text": pages::refusal_text(refusal.code, language),
        "detail": refusal.detail,
    });
    (status_of(refusal.code), Json(body)).into_response()
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
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    language: Language,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Ok(body) = body else {
        return refused(&Refusal::new(Code::OrderTooLarge), language);
    };
    let shop = &service.shop;
    let counted = shop.paces().web(peer.ip(), shop.now());
    let taken = worked(&service, counted, move |shop| {
        let taken = intake::take(shop, &body)?;
        let address = status::address(&shop.registered().keys, taken.order);
        Ok((taken.receipt, address))
    });
    match taken.await {
        Ok((receipt, address)) => {
            let place = [(header::CONTENT_LOCATION, address)];
            (place, cbor(receipt.into_bytes())).into_response()
        }
        Err(failed) => failed.answer(language),
    }
}

/// A fresh token, as JSON asks for it, or a form with one `line` for each product: `sencha-100.2`.
async fn fresh_token(
    State(service): State<Service>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    language: Language,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(wish) = wish(&headers, &body) else {
        return error(StatusCode::BAD_REQUEST, "unreadable");
    };
    let shop = &service.shop;
    let counted = shop.paces().token(peer.ip(), shop.now());
    let issued = worked(&service, counted, move |shop| {
        token::issue(shop, &wish.lines, wish.member)
    });
    match issued.await {
        Ok(issued) => cbor(issued.token.into_bytes()),
        Err(failed) => failed.answer(language),
    }
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
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(digest): Path<String>,
) -> Response {
    let shop = &service.shop;
    if let Err(seconds) = shop.paces().web(peer.ip(), shop.now()) {
        return too_fast(seconds);
    }
    let Some(digest) = Digest::from_hex(&digest) else {
        return error(StatusCode::NOT_FOUND, "bill_unknown");
    };
    match service
        .shop
        .store()
        .read(|tables| tables.order_of_bill(digest))
    {
        Ok(order) => match order.and_then(|order| Some((order.state, order.bill?))) {
            Some((OrderState::Billed, bill)) => cbor(bill.into_bytes()),
            Some(_) => error(StatusCode::NOT_FOUND, "bill_closed"),
            None => error(StatusCode::NOT_FOUND, "bill_unknown"),
        },
        Err(problem) => {
            tracing::error!(error = cause(&problem), "a bill couldn't be read");
            fault()
        }
    }
}
