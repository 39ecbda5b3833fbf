//! The pages about cards, as HTML.

use maud::{Markup, html};
use tegata_pages::{
    Field, Page, Texts, Tone, button, code, danger_button, definitions, notice, secondary_button,
};
use tegata_protocol::{CardNumber, Verified, card::CardReport, purchase::Bill, refusal::Code};

use super::{
    super::{
        frame::{Frame, b_label},
        token::Token,
    },
    guide,
    meant::Meant,
    seat::{SCRIPT, Visited, with_script},
};
use crate::{
    error::WalletError,
    ic_card::{Agreement, CardTalk, Talk},
    kept::{BillStatus, KnownIcCard, KnownShop},
    speech,
    wallet::Wallet,
};

/// A text that can be read aloud. Only the script shows the button.
fn aloud(t: Texts<'_>, text: &str) -> Markup {
    html! {
        div.aloud data-say=(text) hidden {
            button.secondary type="button" { (t.text("aloud.button")) }
            p.small role="status" {}
        }
    }
}

/// What the forms have to say again.
fn said_again(meant: &Meant, csrf: &str) -> Markup {
    html! {
        input type="hidden" name="csrf" value=(csrf);
        input type="hidden" name="bill" value=(meant.bill);
        @if let Some(shop) = &meant.shop { input type="hidden" name="shop" value=(shop); }
        @if let Some(back) = &meant.back { input type="hidden" name="back" value=(back); }
    }
}

/// Consent 1, on a bill's page: the other way to pay, with the quote to be heard and the shop's guide.
pub(in crate::page) fn consent(
    at: &mut Visited<'_>,
    meant: &Meant,
    bill: &Verified<Bill>,
    shop: &KnownShop,
    status: Option<BillStatus>,
) -> Markup {
    let t = at.frame.texts();
    let waits = status == Some(BillStatus::AtCard);
    let total = bill.totals.total.to_string();
    let label = if waits {
        "by_card.lay_on"
    } else {
        "by_card.button"
    };
    let inner = html! {
        h2 { (t.text("by_card.title")) }
        @if waits {
            (notice(Tone::Plain, t.text("by_card.waits")))
        } @else {
            p { (t.fill("by_card.consent", &[("total", &total)])) }
        }
        (aloud(t, &speech::quote(bill, &shop.name, at.frame.language())))
        (begin_form(t, meant, at.csrf, label))
    };
    let guided = at.seat.offer(bill.digest(), bill, shop);
    html! {
        (stage("quote", &inner))
        @if guided { (guide::place(t, &bill.digest().to_string(), &total, &shop.name)) }
    }
}

fn begin_form(t: Texts<'_>, meant: &Meant, csrf: &str, label: &str) -> Markup {
    html! {
        form method="post" action="/card/pay" data-card="begin" {
            (said_again(meant, csrf))
            (Field::checkbox("unread", t.text("by_card.unread")).hint(t.text("by_card.unread_hint")))
            (button(t.text(label)))
        }
    }
}

/// What changes while a card is paid with; the script exchanges it for that of the next page.
fn stage(state: &str, inner: &Markup) -> Markup {
    html! {
        section id="card-stage" tabindex="-1" data-state=(state) { (inner) }
    }
}

fn page(at: &Visited<'_>, title: &str, state: &str, inner: &Markup) -> Page {
    let t = at.frame.texts();
    let page = at.frame.page(t.text(title), at.wallet);
    with_script(at, page.body(stage(state, inner)))
}

/// The second question, with the figures of the centre's order.
pub(super) fn asking(at: &Visited<'_>, meant: &Meant, agreement: &Agreement, talk: &Token) -> Page {
    let t = at.frame.texts();
    let order = &agreement.order;
    let enough = order.balance.is_none() || agreement.left().is_some();
    let inner = html! {
        (notice(Tone::Plain, t.text("by_card.compared")))
        p.sum { (order.amount.to_string()) }
        (figures(t, agreement))
        (aloud(t, &speech::agreement(agreement, at.frame.language())))
        @if !enough { (notice(Tone::Careful, t.text("by_card.not_enough"))) }
        form method="post" action="/card/answer" data-card="answer" {
            (said_again(meant, at.csrf))
            input type="hidden" name="talk" value=(talk.text());
            @if enough {
                button.danger type="submit" name="agreed" value="yes" {
                    (t.fill("by_card.take_off", &[("amount", &order.amount.to_string())]))
                }
            }
            button.secondary type="submit" name="agreed" value="no" { (t.text("by_card.dont")) }
        }
        p.small { (t.text("by_card.two_minutes")) }
    };
    page(at, "by_card.asked", "asking", &inner)
}

fn figures(t: Texts<'_>, agreement: &Agreement) -> Markup {
    let order = &agreement.order;
    let unread = || t.text("by_card.not_read").to_owned();
    let balance = order.balance.map_or_else(unread, |b| b.to_string());
    let left = agreement.left().map(|left| left.to_string());
    let mut pairs = vec![
        (t.text("bill.shop"), html! { (agreement.shop) }),
        (
            t.text("by_card.order"),
            html! { (order.amount.to_string()) },
        ),
        (t.text("by_card.balance"), html! { (balance) }),
    ];
    if let Some(left) = left {
        pairs.push((t.text("by_card.left"), html! { (left) }));
    }
    pairs.push((t.text("by_card.card"), code(&order.card.to_string())));
    definitions(&pairs)
}

/// What a talk came to, about a bill that `waited` for its card before.
pub(super) fn outcome(at: &Visited<'_>, meant: &Meant, waited: bool, talk: &CardTalk) -> Page {
    match &talk.talk {
        Talk::Done(report) if report.paid.is_some() => paid(at, meant, report),
        Talk::Refused(refusal) => {
            let error = WalletError::card_refused(refusal.clone());
            trouble(at, meant, &meant.about_card(at.wallet, waited, error))
        }
        Talk::Done(_) | Talk::InDoubt | Talk::Asking(_) => doubt(at, meant, None),
    }
}

fn paid(at: &Visited<'_>, meant: &Meant, report: &CardReport) -> Page {
    let t = at.frame.texts();
    let said = speech::paid(report.balance, at.frame.language());
    let inner = html! {
        (notice(Tone::Good, t.text("by_card.paid")))
        (definitions(&[(t.text("by_card.left"), html! { (report.balance.to_string()) })]))
        (aloud(t, &said))
        (back(at, meant))
        @if meant.shop.is_none() { p { a href="/tickets" { (t.text("menu.tickets")) } } }
    };
    page(at, "by_card.paid_title", "paid", &inner)
}

/// Nobody can say yet what the card did, nor find it out now, if there's an error.
fn doubt(at: &Visited<'_>, meant: &Meant, error: Option<&WalletError>) -> Page {
    let t = at.frame.texts();
    let text = t.text("by_card.doubt");
    let inner = html! {
        (notice(Tone::Careful, text))
        @if let Some(error) = error {
            p { (t.fill("by_card.because", &[("why", &at.frame.why(error))])) }
        }
        (aloud(t, text))
        (begin_form(t, meant, at.csrf, "by_card.same_card"))
        (back(at, meant))
    };
    page(at, "by_card.doubt_title", "in_doubt", &inner)
}

/// It wasn't done, and why. As long as the bill can be paid by card, it can be tried again.
pub(super) fn trouble(at: &Visited<'_>, meant: &Meant, error: &WalletError) -> Page {
    let t = at.frame.texts();
    if matches!(error, WalletError::CardInDoubt { .. }) {
        return doubt(at, meant, Some(error));
    }
    if matches!(error, WalletError::Refused { refusal, .. } if refusal.code == Code::IcCardUnbooked)
    {
        let inner = html! { (notice(Tone::Careful, &at.frame.why(error))) (back(at, meant)) };
        return page(at, "by_card.unbooked_title", "refused", &inner);
    }
    let status = meant.status(at.wallet);
    let again = matches!(
        status,
        None | Some(BillStatus::Open | BillStatus::InDoubt | BillStatus::AtCard)
    );
    let refused = matches!(error, WalletError::Refused { .. });
    let state = if refused { "refused" } else { "trouble" };
    let inner = html! {
        (at.frame.refusal(error))
        (aloud(t, &at.frame.why(error)))
        @if again { (begin_form(t, meant, at.csrf, "by_card.again")) }
        (back(at, meant))
        p { a href="/card" { (t.text("menu.ic_card")) } }
    };
    page(at, "failed.title", state, &inner)
}

/// The talk that was answered isn't there any more.
pub(super) fn over(at: &Visited<'_>, meant: &Meant) -> Page {
    let t = at.frame.texts();
    use BillStatus::{Closed, Confirmed, Delivered, Held, Paid};
    let kept = meant.bill_in(at.wallet);
    let by_card = kept.is_some_and(|kept| kept.card.is_some());
    let (title, text, again) = match kept.map(|kept| kept.status) {
        Some(Held | Paid | Delivered | Confirmed) if by_card => {
            ("by_card.paid_title", "by_card.over_paid", None)
        }
        Some(Held | Paid | Delivered | Confirmed) => {
            ("by_card.paid_title", "by_card.over_prepaid", None)
        }
        Some(Closed) => ("by_card.over_title", "why.closed", None),
        Some(BillStatus::AtCard | BillStatus::InDoubt) if by_card => {
            let again = Some("by_card.same_card");
            ("by_card.doubt_title", "by_card.over", again)
        }
        Some(BillStatus::Open | BillStatus::AtCard | BillStatus::InDoubt) | None => {
            let again = Some("by_card.again");
            ("by_card.over_title", "by_card.over_open", again)
        }
    };
    let paid = title == "by_card.paid_title";
    let tone = if paid { Tone::Good } else { Tone::Careful };
    let inner = html! {
        (notice(tone, t.text(text)))
        @if let Some(again) = again { (begin_form(t, meant, at.csrf, again)) }
        (back(at, meant))
    };
    page(at, title, "over", &inner)
}

/// The bill's own page, and where the member came from, if that's on the shop's own origin.
pub(super) fn back(at: &Visited<'_>, meant: &Meant) -> Markup {
    let t = at.frame.texts();
    let link = meant.link().and_then(Result::ok);
    let shop = meant.bill_in(at.wallet);
    let shop = shop.and_then(|kept| kept.shop().ok());
    let shop = shop.and_then(|number| at.wallet.state().shop(number));
    let to = link
        .as_ref()
        .zip(shop)
        .and_then(|(link, shop)| link.back_to(shop));
    html! {
        @if let Some((to, shop)) = to.zip(shop) {
            p { a href=(to) { (t.fill("goods.back", &[("shop", &shop.name)])) } }
        }
    }
}

/// The cards that are known, and what can be done with them.
pub(super) fn cards(
    frame: &Frame,
    wallet: &Wallet,
    csrf: &str,
    said: Option<&(Tone, String)>,
) -> Page {
    let t = frame.texts();
    let said = html! {
        @if let Some((tone, text)) = said { (notice(*tone, text)) (aloud(t, text)) }
    };
    cards_below(frame, wallet, csrf, &said)
}

/// The same, below what went wrong.
pub(super) fn cards_trouble(
    frame: &Frame,
    wallet: &Wallet,
    csrf: &str,
    error: &WalletError,
) -> Page {
    cards_below(frame, wallet, csrf, &frame.refusal(error))
}

fn cards_below(frame: &Frame, wallet: &Wallet, csrf: &str, said: &Markup) -> Page {
    let t = frame.texts();
    let known = wallet.ic_cards();
    let body = html! {
        (said)
        p { (t.text("ic.what")) }
        form method="post" action="/card/show" {
            input type="hidden" name="csrf" value=(csrf);
            (button(t.text("ic.show")))
        }
        @if known.is_empty() { p { (t.text("ic.none")) } }
        @for card in known { (card_section(t, card, csrf)) }
        @if known.iter().any(|card| card.over.is_none()) { (load_form(t, wallet, csrf)) }
    };
    let title = t.text("menu.ic_card");
    frame.page(title, wallet).script(SCRIPT).body(body)
}

fn card_section(t: Texts<'_>, known: &KnownIcCard, csrf: &str) -> Markup {
    let number = known.card.to_string();
    let (state, deeds): (_, &[_]) = if known.over.is_some() {
        ("ic.over", &[("pay_out", "ic.pay_out")])
    } else if known.blocked {
        let turn = ("unblock", "ic.unblock");
        ("ic.blocked", &[turn, ("lost", "ic.lost")])
    } else {
        let turn = ("block", "ic.block");
        ("ic.in_use", &[turn, ("lost", "ic.lost")])
    };
    let mut facts = vec![(t.text("bill.status"), html! { (t.text(state)) })];
    // What is on a card that is over is nobody's: its money stands in its account.
    if known.over.is_none() {
        facts.push((
            t.text("by_card.balance"),
            html! { (known.balance.to_string()) },
        ));
        facts.push((t.text("ic.owed"), html! { (known.owed.to_string()) }));
    }
    facts.push((t.text("ic.as_of"), html! { (known.as_of.to_string()) }));
    html! {
        section {
            h2 { (t.text("ic.card")) " " (code(&number)) }
            (definitions(&facts))
            div.actions {
                @for (change, label) in deeds.iter().copied() {
                    form method="post" action="/card/change" {
                        input type="hidden" name="csrf" value=(csrf);
                        input type="hidden" name="card" value=(number);
                        input type="hidden" name="change" value=(change);
                        (secondary_button(t.text(label)))
                    }
                }
            }
            @if known.over.is_some() { p.small { (t.text("ic.pay_out_hint")) } }
        }
    }
}

fn load_form(t: Texts<'_>, wallet: &Wallet, csrf: &str) -> Markup {
    let numbers: Vec<String> = wallet
        .ic_cards()
        .iter()
        .filter(|c| c.over.is_none())
        .map(|c| c.card.to_string())
        .collect();
    let options: Vec<(&str, &str)> = numbers.iter().map(|n| (n.as_str(), n.as_str())).collect();
    html! {
        h2 { (t.text("ic.load")) }
        p { (t.text("ic.load_what")) }
        form method="post" action="/card/load" {
            input type="hidden" name="csrf" value=(csrf);
            @match numbers.as_slice() {
                [one] => { input type="hidden" name="card" value=(one); }
                _ => { (Field::select("card", t.text("ic.card"), &options)) }
            }
            (Field::number("amount", t.text("awaited.amount")).required())
            (Field::password("b", t.text(b_label(wallet))).required())
            (button(t.text("ic.load_button")))
        }
    }
}

/// Is it lost indeed?
pub(super) fn lost(frame: &Frame, wallet: &Wallet, card: CardNumber, csrf: &str) -> Page {
    let t = frame.texts();
    let number = card.to_string();
    let body = html! {
        (notice(Tone::Careful, t.text("ic.lost_what")))
        (definitions(&[(t.text("ic.card"), code(&number))]))
        form method="post" action="/card/change" {
            input type="hidden" name="csrf" value=(csrf);
            input type="hidden" name="card" value=(number);
            input type="hidden" name="change" value="lost";
            input type="hidden" name="sure" value="yes";
            (danger_button(t.text("ic.lost_sure")))
        }
        p { a href="/card" { (t.text("ic.lost_not")) } }
    };
    frame.page(t.text("ic.lost"), wallet).body(body)
}
