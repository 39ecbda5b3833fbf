//! What each address does: who may, one call into the wallet, a page.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Form,
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Deserializer};
use tegata_http::{HttpError, work::blocking};
use tegata_pages::{Language, Texts};
use tegata_protocol::{Digest, Time, payment::Mode, purchase::Keyword};
use zeroize::Zeroizing;

use super::{
    Answer, Here,
    card::{Meant, Visited, consent},
    desk::{Cookie, Desk, Place},
    screens::{self, Frame},
    shown,
};
use crate::{
    error::WalletError,
    kept::BillStatus,
    mailbox::Collected,
    tickets::Showing,
    vault::{Layer, Password, PasswordForm, VaultError},
    wallet::Wallet,
};

/// Something secret that was typed into a form.
#[derive(Default)]
pub(super) struct Typed(Zeroizing<String>);

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
pub(super) struct OpenForm {
    csrf: String,
    a: Typed,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct PlainForm {
    pub(super) csrf: String,
}

#[derive(Deserialize)]
pub(super) struct PayForm {
    csrf: String,
    b: Typed,
}

#[derive(Deserialize)]
pub(super) struct ShowForm {
    csrf: String,
    #[serde(default)]
    b: Typed,
    #[serde(default)]
    keyword: Typed,
}

/// The one-time link. The page that it shows must itself ask for A: a redirect from a link on
/// another site would come without the cookie.
pub(super) async fn door(
    State(desk): Here,
    language: Language,
    uri: Uri,
    Path(token): Path<String>,
) -> Response {
    let frame = Frame::new(language, &uri);
    match desk.use_link(&token) {
        Some(cookie) => with_cookie(frame.door(&desk.csrf(), "/", None), &cookie),
        None => frame.used_link().into_response(),
    }
}

/// Password A.
pub(super) async fn open(
    State(desk): Here,
    language: Language,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form<OpenForm>,
) -> Answer {
    let frame = Frame::new(language, &uri);
    if desk.place(&headers) == Place::Outside || !desk.is_our_form(&form.csrf) {
        return Ok(frame.outside().into_response());
    }
    let next = local(&form.next);
    let opened = apart(&desk, move |desk| desk.open(&headers, &form.a.password()));
    Ok(match opened.await? {
        Ok(cookie) => with_cookie(Redirect::to(&next), &cookie),
        Err(error) => frame
            .door(&desk.csrf(), &next, Some(&error))
            .into_response(),
    })
}

/// Ends the session.
pub(super) async fn close(
    State(desk): Here,
    headers: HeaderMap,
    Form(form): Form<PlainForm>,
) -> Response {
    let ours = desk.is_our_form(&form.csrf);
    if ours && matches!(desk.with(&headers, |_, _| Ok(())), Ok(Ok(()))) {
        desk.close();
    }
    Redirect::to("/").into_response()
}

/// Sends what is pending, collects, asks for the balance.
pub(super) async fn refresh(visit: Visit, Form(form): Form<PlainForm>) -> Answer {
    visit
        .post(&form.csrf, |wallet, now, frame, csrf| {
            let outcome = bring_up_to_date(wallet, frame.texts(), now);
            screens::overview(frame, wallet, now, csrf, Some(outcome))
        })
        .await
}

fn bring_up_to_date(wallet: &mut Wallet, t: Texts<'_>, now: Time) -> Result<String, WalletError> {
    for (_, settled) in wallet.send_pending(now) {
        settled?;
    }
    let collected = wallet.collect(now)?;
    wallet.balance(now)?;
    Ok(brought(t, &collected))
}

/// What a visit to the mailbox brought, in numbers: the pages show the things themselves.
fn brought(t: Texts<'_>, collected: &Collected) -> String {
    let lines = [
        ("refreshed.cards", collected.cards.len()),
        ("refreshed.tickets", collected.tickets.len()),
        ("refreshed.orders", collected.orders.len()),
        ("refreshed.closed", collected.closed.len()),
        ("refreshed.aside", collected.aside.len()),
    ];
    let some = lines.into_iter().filter(|(_, number)| *number > 0);
    let told: Vec<_> = some
        .map(|(key, number)| t.fill(key, &[("number", &number.to_string())]))
        .collect();
    if told.is_empty() {
        return t.text("refreshed.nothing").to_owned();
    }
    told.join(" ")
}

pub(super) async fn overview(visit: Visit) -> Answer {
    visit
        .get(|w, now, frame, csrf| screens::overview(frame, w, now, csrf, None))
        .await
}

pub(super) async fn history(visit: Visit) -> Answer {
    visit.get(|w, _, frame, _| screens::history(frame, w)).await
}

pub(super) async fn cards(visit: Visit) -> Answer {
    visit
        .get(|w, _, frame, _| Ok(screens::cards(frame, w)))
        .await
}

pub(super) async fn tickets(visit: Visit) -> Answer {
    visit.get(|w, _, frame, _| screens::tickets(frame, w)).await
}

pub(super) async fn bill(visit: Visit, Path(id): Path<String>) -> Answer {
    visit
        .at_card(None, move |at| {
            let bill = at.wallet.find_bill(&id)?;
            let by_card = by_card(at, bill)?;
            screens::bill(at, bill, by_card)
        })
        .await
}

/// The other way to pay a bill that is kept.
fn by_card(at: &mut Visited<'_>, bill: Digest) -> Result<maud::Markup, WalletError> {
    let state = at.wallet.state();
    let kept = state.bill(bill).filter(|kept| {
        use BillStatus::{AtCard, InDoubt, Open};
        matches!(kept.status, Open | InDoubt | AtCard)
    });
    let Some(kept) = kept else {
        return Ok(maud::html! {});
    };
    let (status, verified) = (kept.status, at.wallet.bill(kept)?);
    let shop = state.shop(verified.shop).cloned();
    let open = status != BillStatus::Open || verified.expires > at.now;
    Ok(match shop.filter(|_| open) {
        Some(shop) => consent(at, &Meant::kept(bill), &verified, &shop, Some(status)),
        None => maud::html! {},
    })
}

/// Consent: password B, and only now is anything signed.
pub(super) async fn pay(visit: Visit, Path(id): Path<String>, Form(form): Form<PayForm>) -> Answer {
    let csrf = form.csrf.clone();
    visit
        .post(&csrf, move |wallet, now, frame, _| {
            let bill = wallet.find_bill(&id)?;
            wallet.pay(bill, Mode::Hold, &form.b.password(), now)?;
            screens::paid(frame, wallet, bill, &maud::html! {})
        })
        .await
}

pub(super) async fn ticket(visit: Visit, Path(id): Path<String>) -> Answer {
    visit
        .get(move |w, _, frame, csrf| {
            let kept = w.find_ticket(&id)?;
            let view = w.view_ticket(kept)?;
            Ok(shown::ticket(frame, w, &view, csrf, None))
        })
        .await
}

/// Shows a ticket for the next minute.
pub(super) async fn show(
    visit: Visit,
    Path(id): Path<String>,
    Form(form): Form<ShowForm>,
) -> Answer {
    let csrf = form.csrf.clone();
    visit
        .post(&csrf, move |wallet, now, frame, csrf| {
            let kept = wallet.find_ticket(&id)?.clone();
            let view = wallet.view_ticket(&kept)?;
            let code = qr_code(wallet, kept.digest(), &form, now)?;
            Ok(shown::ticket(frame, wallet, &view, csrf, Some(&code)))
        })
        .await
}

fn qr_code(
    wallet: &mut Wallet,
    ticket: Digest,
    form: &ShowForm,
    now: Time,
) -> Result<tegata_pages::qr::Code, WalletError> {
    let given = |typed: &Typed| !typed.0.is_empty();
    let keyword = given(&form.keyword).then(|| Keyword::new(&form.keyword.0));
    let b = given(&form.b).then(|| form.b.password());
    let showing = Showing {
        keyword: keyword.transpose()?,
        b: b.as_ref(),
        ..Showing::default()
    };
    Ok(wallet.show(ticket, showing, now)?.code)
}

/// No such page.
pub(super) async fn lost(language: Language, uri: Uri) -> Response {
    Frame::new(language, &uri).lost().into_response()
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
type Way = Result<Box<dyn tegata_card::link::Link + Send>, crate::card_trouble::CardTrouble>;

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
fn local(path: &str) -> String {
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

fn with_cookie(response: impl IntoResponse, cookie: &Cookie) -> Response {
    let mut response = response.into_response();
    if let Ok(value) = HeaderValue::from_str(&cookie.0) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// Which password was wrong, if one was.
pub(super) const fn wrong_layer(error: &WalletError) -> Option<Layer> {
    if let WalletError::Vault(VaultError::WrongPassword { layer }) = error {
        return Some(*layer);
    }
    None
}

/// What B is called in this wallet.
pub(super) fn b_label(wallet: &Wallet) -> &'static str {
    match wallet.form() {
        PasswordForm::One => "field.only",
        PasswordForm::Two => "field.b",
    }
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
