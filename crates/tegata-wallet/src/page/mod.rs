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
pub mod draw;
mod from_shop;
mod screens;
mod shown;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tegata_cli::{data::DataDir, exit::Failure};
use tegata_http::serve::{self, Bound, Hosts, Stop};
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

/// All pages.
pub fn router(desk: Arc<Desk>) -> Router {
    let routes = Router::new()
        .route("/open/{token}", get(act::door))
        .route("/open", post(act::open))
        .route("/close", post(act::close))
        .route("/refresh", post(act::refresh))
        .route("/", get(act::overview))
        .route("/history", get(act::history))
        .route("/cards", get(act::cards))
        .route("/tickets", get(act::tickets))
        .route("/tickets/{id}", get(act::ticket).post(act::show))
        .route("/pay", get(from_shop::show).post(from_shop::pay))
        .route("/pay/{id}", get(act::bill).post(act::pay))
        .merge(card::routes())
        .fallback(act::lost)
        .with_state(desk)
        .layer(from_fn(same_origin));
    serve::host_guard(dress(routes), Hosts::new([HOST]))
}

/// What changes something must come from our own pages.
async fn same_origin(request: Request, next: Next) -> Response {
    let reading = [Method::GET, Method::HEAD].contains(request.method());
    if reading || has_own_origin(request.headers()) {
        return next.run(request).await;
    }
    let text = "This form didn't come from the wallet's own page. Nothing was done.\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

fn has_own_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.strip_prefix("http://") == Some(host),
        _ => false,
    }
}

/// Shared by the handlers.
type Here = State<Arc<Desk>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_the_same_in_both_languages() {
        assert_eq!(Messages::problems(EN, JA), [""; 0]);
    }

    #[test]
    fn only_the_own_origin_will_do() {
        let headers = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "wallet.localhost:7405".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            headers
        };
        assert!(has_own_origin(&headers(Some(
            "http://wallet.localhost:7405"
        ))));
        for bad in [
            None,
            Some("null"),
            Some("http://wallet.localhost:7402"),
            Some("http://shop.localhost:7405"),
            Some("https://wallet.localhost:7405"),
        ] {
            assert!(!has_own_origin(&headers(bad)), "{bad:?}");
        }
    }
}
