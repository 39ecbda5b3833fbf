//! Who looks at a page: language, address, and what is in the cart.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use tegata_pages::{Language, Texts};

use super::MESSAGES;
use crate::orders::cart::Cart;

/// The cookie with the cart: product ids and quantities, nothing else.
const COOKIE: &str = "cart";
/// How long it's kept: two weeks.
const KEPT_SECONDS: u32 = 1_209_600;

/// A visitor.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) language: Language,
    pub(super) uri: Uri,
    pub(super) cart: Cart,
}

impl Visit {
    /// The visitor whose request this is.
    pub(super) fn of(parts: &Parts) -> Self {
        Self {
            language: Language::of_request(&parts.uri, &parts.headers),
            uri: parts.uri.clone(),
            cart: cart_of(&parts.headers),
        }
    }

    /// The texts in the visitor's language.
    pub(super) fn texts(&self) -> Texts<'static> {
        MESSAGES.of(self.language)
    }

    /// A parameter of the address.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self
            .uri
            .query()?
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .next()
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

fn cart_of(headers: &HeaderMap) -> Cart {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.find(|(name, _)| *name == COOKIE);
    found.map_or_else(Cart::default, |(_, value)| Cart::from_cookie(value))
}

/// The header that keeps a cart.
pub(super) fn keep(cart: &Cart) -> (header::HeaderName, String) {
    let seconds = if cart.is_empty() { 0 } else { KEPT_SECONDS };
    let value = cart.to_cookie();
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; SameSite=Lax; HttpOnly");
    (header::SET_COOKIE, cookie)
}
