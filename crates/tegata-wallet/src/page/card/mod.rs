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
mod paying;
mod screens;

use std::{fmt, sync::Arc};

use axum::{
    http::header,
    response::{IntoResponse, Redirect},
};
use tegata_card::link::Link;
use tegata_http::{Routes, Uncounted};
use tegata_protocol::Time;

use super::{
    ONE_PERSON,
    desk::{Desk, Token},
    screens::Frame,
};
use crate::{ic_card::CardTalk, wallet::Wallet};

pub(super) use guide::Guide;
pub use guide::fitting;
pub(super) use paying::Meant;
pub(super) use screens::{consent, with_script};

/// How long a card that was read waits for the second answer: two minutes, in milliseconds.
const PATIENCE: u64 = 120_000;

/// The script of all pages on which cards are paid with.
pub(super) const SCRIPT: &str = "/card.js";

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
        .get("/card/guide", ONE_PERSON, guide::frame)
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

/// What lies on the reader between two requests, and the guide that may stand beside.
#[derive(Debug, Default)]
pub(super) struct Seat {
    now: u64,
    laid: Option<Laid>,
    guide: Option<Guide>,
}

impl Seat {
    /// It's that late. A card that was left waiting is let go.
    pub(super) fn at(&mut self, now: u64) {
        self.now = now;
        let late = |laid: &Laid| now.saturating_sub(laid.since) > PATIENCE;
        if self.laid.as_ref().is_some_and(late) {
            self.laid = None;
        }
    }

    /// Whatever lies there is over.
    pub(super) fn clear(&mut self) {
        self.laid = None;
    }
}

/// A card whose order waits for the member's word.
struct Laid {
    link: Box<dyn Link + Send>,
    talk: CardTalk,
    /// Stands in the form that answers it.
    token: Token,
    since: u64,
    meant: Meant,
    /// The bill waited for its card before it was laid on.
    waited: bool,
}

impl fmt::Debug for Laid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Laid")
            .field("talk", &self.talk)
            .finish_non_exhaustive()
    }
}

/// A visit to a page about cards: the open wallet, and what lies on the reader.
pub(super) struct Visited<'a> {
    pub(super) wallet: &'a mut Wallet,
    pub(super) seat: &'a mut Seat,
    pub(super) frame: &'a Frame,
    /// The page's own origin.
    pub(super) own: &'a str,
    pub(super) csrf: &'a str,
    pub(super) now: Time,
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tegata_card::link::LinkError;

    use super::*;

    /// A reader that says when it's let go.
    struct Noted(Arc<AtomicBool>);

    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    impl Link for Noted {
        fn reset(&mut self) -> Result<(), LinkError> {
            Err(LinkError::Gone)
        }

        fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, LinkError> {
            Err(LinkError::Gone)
        }
    }

    #[test]
    fn a_card_waits_two_minutes_and_no_longer() {
        let gone = Arc::new(AtomicBool::new(false));
        let mut seat = Seat::default();
        seat.at(5_000);
        seat.laid = Some(Laid {
            link: Box::new(Noted(Arc::clone(&gone))),
            talk: CardTalk::silent(),
            token: Token::random(),
            since: seat.now,
            waited: false,
            meant: Meant {
                bill: String::new(),
                shop: None,
                back: None,
            },
        });
        seat.at(125_000);
        assert!(!gone.load(Ordering::SeqCst));
        seat.at(125_001);
        assert!(
            gone.load(Ordering::SeqCst),
            "the reader's process has ended"
        );
        assert!(seat.laid.is_none());
    }
}
