//! Cards on this machine's reader: what is known of them, and paying with one.
//!
//! ```text
//! bill ──consent 1──▶ POST /card/pay: the reader's process, the agreement, the centre's order
//!                        └─▶ page with the order's own figures ──consent 2──▶ POST /card/answer
//! ```
//! Between the two the reader's process and the talk with the card lie in the session's [`Seat`], for
//! two minutes at most. Every other action with a card, and closing the wallet, ends them: the card has
//! seen nothing of the order then. The second form names its talk, so a page that is older than
//! another talk agrees to nothing.
//!
//! All works with forms alone. The script reads aloud, and lets a shop's guide ([`guide`]) stand
//! beside; it agrees to nothing either.

mod cards;
mod guide;
mod guide_frame;
mod meant;
mod paying;
mod screens;
pub(super) mod seat;

use std::sync::Arc;

use axum::{
    http::header,
    response::{IntoResponse, Redirect},
};
use tegata_http::{Routes, Uncounted};

use super::{ONE_PERSON, desk::Desk};
use seat::SCRIPT;

pub use guide::fitting;
pub(super) use meant::Meant;
pub(super) use screens::consent;

/// The routes.
pub(super) fn routes() -> Routes<Arc<Desk>, Uncounted> {
    Routes::new(Arc::new(Uncounted))
        .get("/card", ONE_PERSON, cards::page)
        .get("/card/show", ONE_PERSON, to_cards)
        .post("/card/show", ONE_PERSON, cards::show)
        .get("/card/change", ONE_PERSON, to_cards)
        .post("/card/change", ONE_PERSON, cards::change)
        .get("/card/load", ONE_PERSON, to_cards)
        .post("/card/load", ONE_PERSON, cards::load)
        .get("/card/pay", ONE_PERSON, paying::again)
        .post("/card/pay", ONE_PERSON, paying::begin)
        .get("/card/answer", ONE_PERSON, to_cards)
        .post("/card/answer", ONE_PERSON, paying::answer)
        .get("/card/guide", ONE_PERSON, guide_frame::frame)
        .get(SCRIPT, ONE_PERSON, script)
}

/// Somebody changed the language of a page that a form had led to.
async fn to_cards() -> Redirect {
    Redirect::to("/card")
}

async fn script() -> impl IntoResponse {
    let kind = "text/javascript; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], include_str!("card.js"))
}
