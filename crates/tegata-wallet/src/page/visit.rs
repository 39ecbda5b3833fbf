//! A visit to a page of the wallet: who comes, by which form, and what is shown to whom it isn't open.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Deserializer};
use tegata_http::{HttpError, work::blocking};
use tegata_pages::Language;
use tegata_protocol::Time;
use zeroize::Zeroizing;

use super::{
    Answer,
    card::seat::Visited,
    desk::{Desk, Place},
    frame::Frame,
};
use crate::{card_trouble::CardTrouble, error::WalletError, vault::Password, wallet::Wallet};

/// Something secret that was typed into a form.
#[derive(Default)]
pub(super) struct Typed(pub(super) Zeroizing<String>);

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Typed {
    pub(super) fn password(&self) -> Password {
        Password::typed(&self.0)
    }
}

#[derive(Deserialize)]
pub(super) struct PlainForm {
    pub(super) csrf: String,
}

/// A visit to a page behind password A.
pub(super) struct Visit {
    pub(super) desk: Arc<Desk>,
    pub(super) frame: Frame,
    pub(super) headers: HeaderMap,
    /// Where to go once password A is given.
    next: String,
}

impl FromRequestParts<Arc<Desk>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Infallible> {
        let language = Language::of_request(&parts.uri, &parts.headers);
        Ok(Self {
            desk: Arc::clone(desk),
            frame: Frame::new(language, &parts.uri),
            headers: parts.headers.clone(),
            next: parts.uri.path().to_owned(),
        })
    }
}

impl Visit {
    /// The same, with another place to go to once password A is given.
    pub(super) fn then(self, next: String) -> Self {
        Self { next, ..self }
    }

    /// Shows a page, or asks for A first.
    pub(super) async fn get(
        self,
        page: impl FnOnce(&mut Wallet, Time, &Frame, &str) -> Result<tegata_pages::Page, WalletError>
        + Send
        + 'static,
    ) -> Answer {
        let desk = Arc::clone(&self.desk);
        apart(&desk, move |desk| self.answer(desk, page)).await
    }

    /// Does something and shows a page; the form must be one of this session.
    pub(super) async fn post(
        self,
        csrf: &str,
        page: impl FnOnce(&mut Wallet, Time, &Frame, &str) -> Result<tegata_pages::Page, WalletError>
        + Send
        + 'static,
    ) -> Answer {
        if !self.desk.is_our_form(csrf) {
            return Ok(self.frame.outside().into_response());
        }
        self.get(page).await
    }

    /// The same, with what lies on the reader.
    pub(super) async fn at_card(
        self,
        csrf: Option<&str>,
        page: impl FnOnce(&mut Visited<'_>) -> Result<tegata_pages::Page, WalletError> + Send + 'static,
    ) -> Answer {
        if csrf.is_some_and(|csrf| !self.desk.is_our_form(csrf)) {
            return Ok(self.frame.outside().into_response());
        }
        let desk = Arc::clone(&self.desk);
        apart(&desk, move |desk| self.answer_with(desk, page)).await
    }

    /// The same, with the reader opened anew. Pages of others wait for nothing meanwhile.
    pub(super) async fn with_reader(
        self,
        csrf: &str,
        page: impl FnOnce(&mut Visited<'_>, Way) -> Result<tegata_pages::Page, WalletError>
        + Send
        + 'static,
    ) -> Answer {
        if !self.desk.is_our_form(csrf) {
            return Ok(self.frame.outside().into_response());
        }
        let desk = Arc::clone(&self.desk);
        let work = move |desk: &Desk| match desk.open_reader(&self.headers) {
            Ok(way) => self.answer_with(desk, |at| page(at, way)),
            Err(place) => self.shut(&desk.csrf(), place),
        };
        apart(&desk, work).await
    }

    fn answer(
        self,
        desk: &Desk,
        page: impl FnOnce(&mut Wallet, Time, &Frame, &str) -> Result<tegata_pages::Page, WalletError>,
    ) -> Response {
        self.answer_with(desk, |at| page(at.wallet, at.now, at.frame, at.csrf))
    }

    fn answer_with(
        self,
        desk: &Desk,
        page: impl FnOnce(&mut Visited<'_>) -> Result<tegata_pages::Page, WalletError>,
    ) -> Response {
        let csrf = desk.csrf();
        let frame = &self.frame;
        let own = desk.own_address(super::HOST);
        let shown = desk.with_seat(&self.headers, |wallet, seat, now| {
            page(&mut Visited {
                wallet,
                seat,
                frame,
                own: &own,
                csrf: &csrf,
                now,
            })
        });
        match shown {
            Ok(Ok(page)) => page.into_response(),
            Ok(Err(error)) => frame.failed(&error).into_response(),
            Err(place) => self.shut(&csrf, place),
        }
    }

    /// The wallet isn't open for this visitor.
    fn shut(&self, csrf: &str, place: Place) -> Response {
        match place {
            Place::Door => {
                let next = local(&self.next);
                self.frame.door(csrf, &next, None).into_response()
            }
            Place::Outside => self.frame.outside().into_response(),
        }
    }
}

/// A way to the card on the reader, if there's one.
type Way = Result<Box<dyn tegata_card::link::Link + Send>, CardTrouble>;

/// Runs what waits for Argon2, disks and networks beside the server's own threads.
pub(super) async fn apart<T: Send + 'static>(
    desk: &Arc<Desk>,
    work: impl FnOnce(&Desk) -> T + Send + 'static,
) -> Result<T, HttpError> {
    let desk = Arc::clone(desk);
    let done = blocking(move || work(&desk)).await;
    done.map_err(HttpError::bare)
}

/// A path on this server to go on to, whatever was typed into the form.
pub(super) fn local(path: &str) -> String {
    let (before, query) = path.split_once('?').unwrap_or((path, ""));
    let plain = before.starts_with('/')
        && !before.starts_with("//")
        && before
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'/');
    // Behind the question mark nothing can lead to another server any more.
    let plain_query = query
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"=&%".contains(&b));
    if plain && plain_query { path } else { "/" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for good in ["/pay/0a1b", "/pay?shop=http%3A%2F%2Fevil&bill=0a&on=1"] {
            assert_eq!(local(good), good);
        }
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil",
            "/a?b c",
            "/a?b=//evil\r\nX",
            "?b=/",
            "/\\evil?a",
            "/..%2f",
        ] {
            assert_eq!(local(bad), "/", "{bad}");
        }
    }
}
