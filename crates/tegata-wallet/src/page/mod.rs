//! The wallet's own page, on this machine, for this person.
//!
//! ```text
//! one-time link (printed by the program) ──▶ door: may try password A
//! password A ──▶ session: reads, orders nothing, spends nothing; ends after ten idle minutes
//! password B, with each payment ──▶ one instruction
//! a card on the reader ──▶ one payment, agreed to twice
//! ```
//! Three things keep strangers out. The program answers only to its own host names, so no name of
//! somebody else's can be pointed at it. Posted forms must come from its own origin and carry the
//! session's token. The cookie is host-only, `HttpOnly` and `SameSite=Strict`, and its name holds
//! the port, since cookies ignore ports.
//!
//! While a session is open it holds the vault; `tegata-wallet history` and other readers still work.

mod act;
mod card;
mod desk;
mod doubt;
pub mod draw;
mod frame;
mod from_shop;
mod screens;
mod shown;
mod token;
mod visit;

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{Router, extract::State, response::Response};
use tegata_cli::{data::DataDir, exit::Failure};
use tegata_http::{
    Cost, HttpError, Listed, Posts, Routes, Uncounted,
    same_origin::SameOrigin,
    serve::{self, Bound, Hosts, Stop},
};
use tegata_pages::{Language, Messages, Texts, dress};

pub use card::fitting as fitting_guide;
pub use desk::{CARD_WAIT, Desk, IDLE_SECONDS};

use crate::{card_reader::CardReader, wallet::PARTY};

pub(crate) const EN: &str = include_str!("../../messages/en.toml");
pub(crate) const JA: &str = include_str!("../../messages/ja.toml");
static MESSAGES: LazyLock<Messages> = LazyLock::new(|| Messages::embedded(EN, JA));

/// The port of a wallet's page, unless told otherwise.
pub const PORT: u16 = 7405;

/// The host name of a wallet's page. Browsers take it to this machine without asking anybody.
pub const HOST: &str = "wallet.localhost";

pub(crate) fn texts(language: Language) -> Texts<'static> {
    MESSAGES.of(language)
}

/// Serves the page until told to stop. `announce` gets the one-time link.
///
/// # Errors
/// When the address can't be had, or the folder holds no wallet.
pub fn run(
    folder: PathBuf,
    listen: Option<SocketAddr>,
    reader: CardReader,
    announce: impl FnOnce(&str),
) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&folder, PARTY)?;
    let address = listen.unwrap_or_else(|| serve::loopback(PORT));
    serve::runtime()?.block_on(async {
        let stop = Stop::on_signals()?;
        let bound = Bound::tcp(address, &dir, None).await?;
        let port = bound.address().map_or(PORT, |a| a.port());
        let desk = Desk::new(folder, port).with_readers(Arc::new(reader));
        let desk = Arc::new(desk);
        announce(&desk.link(HOST));
        let closing = tokio::spawn(close_idle(Arc::clone(&desk), stop.clone()));
        bound.run(router(Arc::clone(&desk)), stop).await;
        closing.abort();
        desk.close();
        Ok(())
    })
}

/// Gives the vault back when nobody has used it for long, even if nobody asks for a page.
async fn close_idle(desk: Arc<Desk>, stop: Stop) {
    let mut ticks = tokio::time::interval(Duration::from_secs(15));
    loop {
        tokio::select! {
            _ = ticks.tick() => desk.close_if_idle(),
            () = stop.wait() => return,
        }
    }
}

/// What forms of other sites' pages get.
pub(super) const FOREIGN: &str =
    "This form didn't come from the wallet's own page. Nothing was done.\n";

/// All pages.
pub fn router(desk: Arc<Desk>) -> Router {
    let own = Posts::OwnPages(SameOrigin::plain(FOREIGN));
    let router = routes().into_router(own).with_state(desk);
    serve::host_guard(dress(router), Hosts::new([HOST]))
}

/// All pages with what they cost.
pub fn costs() -> Vec<Listed<Infallible>> {
    routes().list().to_vec()
}

fn routes() -> Routes<Arc<Desk>, Uncounted> {
    use act::{bill, cards, close, door, history, lost, open, overview, pay, refresh};
    Routes::new(Arc::new(Uncounted))
        .get("/open/{token}", ONE_PERSON, door)
        .post("/open", ONE_PERSON, open)
        .post("/close", ONE_PERSON, close)
        .post("/refresh", ONE_PERSON, refresh)
        .get("/", ONE_PERSON, overview)
        .get("/history", ONE_PERSON, history)
        .get("/cards", ONE_PERSON, cards)
        .get("/tickets", ONE_PERSON, act::tickets)
        .get("/tickets/{id}", ONE_PERSON, act::ticket)
        .post("/tickets/{id}", ONE_PERSON, act::show)
        .get("/pay", ONE_PERSON, from_shop::show)
        .post("/pay", ONE_PERSON, from_shop::pay)
        .get("/pay/{id}", ONE_PERSON, bill)
        .post("/pay/{id}", ONE_PERSON, pay)
        .merge(card::routes())
        .fallback(lost)
}

/// Why nothing of the wallet's is counted.
const ONE_PERSON: Cost<Infallible> =
    Cost::Free("for one person on this machine, who has come by a link that works once");

/// What a handler gives: a page, or what became of the request instead.
type Answer = Result<Response, HttpError>;

/// Shared by the handlers.
type Here = State<Arc<Desk>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_the_same_in_both_languages() {
        assert_eq!(Messages::problems(EN, JA), [""; 0]);
    }
}
