//! What each address does: who may, one call into the wallet, a page.

use axum::{
    Form,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tegata_pages::{Language, Texts};
use tegata_protocol::{Digest, Time, payment::Mode, purchase::Keyword};

use super::{
    Answer, Here,
    card::{Meant, consent, seat::Visited},
    desk::{Cookie, Place},
    frame::Frame,
    screens, shown,
    visit::{PlainForm, Typed, Visit, apart, local},
};
use crate::{
    error::WalletError, kept::BillStatus, mailbox::Collected, tickets::Showing, wallet::Wallet,
};

#[derive(Deserialize)]
pub(super) struct OpenForm {
    csrf: String,
    a: Typed,
    #[serde(default)]
    next: String,
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

fn with_cookie(response: impl IntoResponse, cookie: &Cookie) -> Response {
    let mut response = response.into_response();
    if let Ok(value) = HeaderValue::from_str(&cookie.0) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
