//! `/pay?shop=…&bill=…&back=…`: a shop's page sends somebody here to pay what was ordered there.
//!
//! ```text
//! 127.0.0.1 ──▶ our own host name ──▶ crossing: "go on" ──▶ door (password A) ──▶ the bill
//! ```
//! The session's cookie is `SameSite=Strict`: it doesn't come with a link on somebody else's page. So
//! the first page that is shown asks to go on, from our own page; it tells nothing but that. What the
//! link says is looked at only behind password A, and again, from the form, before anything is kept.

use axum::{
    Form,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Redirect},
};
use maud::{Markup, html};
use serde::Deserialize;
use tegata_pages::{Field, Page, Texts, Tone, danger_button, definitions, notice};
use tegata_protocol::{Time, payment::Mode};

use super::{
    Answer, HOST,
    card::{
        Meant, consent as consent_by_card,
        seat::{Visited, with_script},
    },
    desk::Place,
    frame::{Frame, b_label},
    screens,
    visit::{Typed, Visit},
};
use crate::{
    error::{Unpayable, WalletError},
    kept::BillStatus,
    view::BillView,
    wallet::Wallet,
    web_bill::{BillLink, WebBill},
};

/// What the address says.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    shop: Option<String>,
    bill: Option<String>,
    back: Option<String>,
    /// Somebody has gone on from our own page.
    on: Option<String>,
}

impl Asked {
    /// The bill that is meant; `None` if none is.
    fn link(&self) -> Option<Result<BillLink, WalletError>> {
        if self.shop.is_none() && self.bill.is_none() {
            return None;
        }
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let link = BillLink::new(&part(&self.shop), &part(&self.bill), self.back.as_deref());
        Some(link.map_err(WalletError::from))
    }
}

#[derive(Deserialize)]
pub(super) struct ConsentForm {
    csrf: String,
    b: Typed,
    shop: String,
    bill: String,
    back: Option<String>,
}

/// The open bills; with a link's parts the bill that they name.
pub(super) async fn show(
    visit: Visit,
    asked: Result<Form<Asked>, axum::extract::rejection::FormRejection>,
) -> Answer {
    let asked = asked.map(|Form(asked)| asked).unwrap_or_default();
    let link = match asked.link() {
        None => return bills(visit).await,
        Some(Ok(link)) => link,
        Some(Err(error)) => return Ok(visit.frame.failed(&error).into_response()),
    };
    let path = path_of(&link);
    if visit.desk.place(&visit.headers) == Place::Outside {
        if !at_own_name(&visit.headers) {
            let own = visit.desk.own_address(HOST);
            return Ok(Redirect::to(&format!("{own}{path}")).into_response());
        }
        if asked.on.is_none() {
            return Ok(crossing(&visit.frame, &path).into_response());
        }
    }
    let visit = visit.then(path);
    visit
        .at_card(None, move |at| {
            let seen = at.wallet.look_at_bill(&link, at.now)?;
            let by_card = by_card(at, &link, &seen);
            let page = bill(at.frame, at.wallet, (&link, &seen), at.csrf, by_card);
            Ok(with_script(at, page))
        })
        .await
}

async fn bills(visit: Visit) -> Answer {
    visit
        .get(|w, now, frame, _| screens::bills(frame, w, now))
        .await
}

/// Consent: the bill is fetched and checked again, kept, and paid with password B.
pub(super) async fn pay(visit: Visit, Form(form): Form<ConsentForm>) -> Answer {
    let csrf = form.csrf.clone();
    visit
        .post(&csrf, move |wallet, now, frame, _| {
            let link = BillLink::new(&form.shop, &form.bill, form.back.as_deref())?;
            let seen = wallet.look_at_bill(&link, now)?;
            let shop = seen.shop.clone();
            let bill = wallet.keep_web_bill(seen, now)?;
            wallet.pay(bill, Mode::Hold, &form.b.password(), now)?;
            let back = back(frame.texts(), link.back_to(&shop), &shop.name);
            screens::paid(frame, wallet, bill, &back)
        })
        .await
}

/// Is it our own host name that was typed or linked to?
fn at_own_name(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    let name = host.and_then(|h| h.split(':').next());
    name.is_some_and(|name| name.eq_ignore_ascii_case(HOST))
}

/// Our address for this link, in letters that need no care.
fn path_of(link: &BillLink) -> String {
    let mut path = format!("/pay?shop={}&bill={}", escaped(link.shop()), link.bill());
    if let Some(back) = link.back() {
        path.push_str("&back=");
        path.push_str(&escaped(back));
    }
    path.push_str("&on=1");
    path
}

/// Percent-encoded, all but letters and digits.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Shown to whoever comes from elsewhere: nothing but the way on.
fn crossing(frame: &Frame, path: &str) -> Page {
    let t = frame.texts();
    frame.bare("crossing.title").body(html! {
        p { (t.text("crossing.what")) }
        p { a.button href=(path) { (t.text("crossing.go_on")) } }
    })
}

/// The bill, what it leaves in the account, and the form that takes password B.
fn bill(
    frame: &Frame,
    wallet: &Wallet,
    (link, seen): (&BillLink, &WebBill),
    csrf: &str,
    (stand, by_card): (Stand, Markup),
) -> Page {
    let t = frame.texts();
    let view = BillView::from(seen);
    let body = html! {
        (screens::particulars(t, &view))
        (screens::lines(frame, &view))
        @match stand {
            Stand::Payable => {
                (left(t, seen))
                (consent(frame, wallet, (link, &view), csrf))
            }
            Stand::InDoubt => {
                (notice(Tone::Careful, t.text("pay.doubt")))
                (consent(frame, wallet, (link, &view), csrf))
            }
            Stand::AtCard => {}
            Stand::Refused(error) => { (frame.refusal(&error)) }
            Stand::Done => { (notice(Tone::Good, t.text(screens::status_key(view.status())))) }
            Stand::Closed => { (notice(Tone::Bad, t.text(screens::status_key(view.status())))) }
        }
        (by_card)
        // The page after it has this link, too.
        div data-before-card { (back(t, link.back_to(&seen.shop), &seen.shop.name)) }
    };
    frame.page(&view.title, wallet).body(body)
}

/// How the bill stands, and the other way to pay it. With too little prepaid money a card may do.
fn by_card(at: &mut Visited<'_>, link: &BillLink, seen: &WebBill) -> (Stand, Markup) {
    let stand = stand(seen, at.now);
    let poor = matches!(&stand, Stand::Refused(WalletError::NotPayable { why, .. })
        if *why == Unpayable::Funds);
    let possible = poor || matches!(stand, Stand::Payable | Stand::InDoubt | Stand::AtCard);
    if !possible {
        return (stand, html! {});
    }
    let meant = Meant::linked(link);
    let form = consent_by_card(at, &meant, &seen.bill, &seen.shop, seen.status);
    (stand, form)
}

/// What can be done about a bill.
enum Stand {
    Payable,
    InDoubt,
    /// The money is set aside; the card has still to pay.
    AtCard,
    Refused(WalletError),
    Done,
    Closed,
}

fn stand(seen: &WebBill, now: Time) -> Stand {
    match seen.status {
        None | Some(BillStatus::Open) => match seen.check_payable(now) {
            Ok(()) => Stand::Payable,
            Err(error) => Stand::Refused(error),
        },
        Some(BillStatus::InDoubt) => Stand::InDoubt,
        Some(BillStatus::AtCard) => Stand::AtCard,
        Some(
            BillStatus::Held | BillStatus::Paid | BillStatus::Delivered | BillStatus::Confirmed,
        ) => Stand::Done,
        Some(BillStatus::Closed) => Stand::Closed,
    }
}

/// The account before and after.
fn left(t: Texts<'_>, seen: &WebBill) -> Markup {
    let Some((balance, after)) = seen.balance.zip(seen.after()) else {
        return html! {};
    };
    let pairs = definitions(&[
        (t.text("goods.before"), html! { (balance.available()) }),
        (t.text("goods.after"), html! { (after) }),
    ]);
    html! { div data-before-card { (pairs) } }
}

fn consent(
    frame: &Frame,
    wallet: &Wallet,
    (link, view): (&BillLink, &BillView),
    csrf: &str,
) -> Markup {
    let t = frame.texts();
    html! {
        form method="post" action="/pay" data-before-card {
            input type="hidden" name="csrf" value=(csrf);
            input type="hidden" name="shop" value=(link.shop());
            input type="hidden" name="bill" value=(link.bill());
            @if let Some(back) = link.back() { input type="hidden" name="back" value=(back); }
            p { (t.fill("goods.consent", &[("total", &view.total.to_string())])) }
            (Field::password("b", t.text(b_label(wallet))).required())
            (danger_button(t.text("pay.button")))
        }
    }
}

/// Back to where the member came from, if that's on the shop's own origin.
fn back(t: Texts<'_>, to: Option<&str>, shop: &str) -> Markup {
    html! {
        @if let Some(to) = to { p { a href=(to) { (t.fill("goods.back", &[("shop", shop)])) } } }
    }
}
