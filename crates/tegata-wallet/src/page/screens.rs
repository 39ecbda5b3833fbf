//! The pages, as HTML.

use axum::http::{StatusCode, Uri};
use maud::{Markup, html};
use tegata_pages::{
    Column, Field, Language, Link, Page, Refusal, Role, Table, Texts, Tile, Tone, button, code,
    danger_button, definitions, notice, tiles,
};
use tegata_party::client::CallError;
use tegata_protocol::{Digest, Time, refusal::Code};

use super::{
    act::{b_label, wrong_layer},
    card::{Visited, with_script},
    texts,
};
use crate::{
    card_trouble::CardTrouble,
    error::{Unfit, Unpayable, WalletError},
    kept::BillStatus,
    vault::Layer,
    view::{BalanceView, BillView, CardView},
    wallet::Wallet,
};

/// What surrounds each page.
pub(super) struct Frame {
    language: Language,
    here: Uri,
}

impl Frame {
    pub(super) fn new(language: Language, here: &Uri) -> Self {
        Self {
            language,
            here: here.clone(),
        }
    }

    pub(super) const fn language(&self) -> Language {
        self.language
    }

    pub(super) fn texts(&self) -> Texts<'static> {
        texts(self.language)
    }

    /// A page without menu: for those who aren't inside.
    pub(super) fn bare(&self, title: &'static str) -> Page {
        let t = self.texts();
        Page::new(self.language, Role::Wallet, t.text("name"), t.text(title)).here(&self.here)
    }

    /// A page of the open wallet.
    pub(super) fn page(&self, title: &str, wallet: &Wallet) -> Page {
        let t = self.texts();
        let link = |text, href: &str| Link::new(t.text(text), href);
        let number = wallet.state().number.to_string();
        Page::new(self.language, Role::Wallet, number, title)
            .here(&self.here)
            .menu([
                link("menu.overview", "/"),
                link("menu.tickets", "/tickets"),
                link("menu.pay", "/pay"),
                link("menu.ic_card", "/card"),
                link("menu.cards", "/cards"),
                link("menu.history", "/history"),
            ])
    }

    /// Asks for password A.
    pub(super) fn door(&self, csrf: &str, next: &str, error: Option<&WalletError>) -> Page {
        let t = self.texts();
        let wrong = error.is_some_and(|e| wrong_layer(e) == Some(Layer::A));
        let other = error.filter(|_| !wrong);
        let status = if error.is_some() {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::OK
        };
        self.bare("door.title").status(status).body(html! {
            p { (t.text("door.what")) }
            @if let Some(error) = other { (self.refusal(error)) }
            form method="post" action="/open" {
                input type="hidden" name="csrf" value=(csrf);
                input type="hidden" name="next" value=(next);
                (Field::password("a", t.text("field.a"))
                    .error(wrong.then(|| t.text("wrong.a")))
                    .required())
                (button(t.text("door.button")))
            }
        })
    }

    /// The link was used, or isn't one.
    pub(super) fn used_link(&self) -> Page {
        let t = self.texts();
        self.bare("link.title")
            .status(StatusCode::GONE)
            .body(html! {
                p { (t.text("link.what")) }
                p { a href="/" { (t.text("link.go_on")) } }
            })
    }

    /// Without the link nothing is shown.
    pub(super) fn outside(&self) -> Page {
        let t = self.texts();
        self.bare("outside.title")
            .status(StatusCode::FORBIDDEN)
            .body(html! { p { (t.text("outside.what")) } })
    }

    pub(super) fn lost(&self) -> Page {
        let t = self.texts();
        self.bare("lost.title")
            .status(StatusCode::NOT_FOUND)
            .body(html! { p { a href="/" { (t.text("menu.overview")) } } })
    }

    /// Something wasn't done.
    pub(super) fn failed(&self, error: &WalletError) -> Page {
        let t = self.texts();
        let body = html! {
            (self.refusal(error))
            p { a href="/" { (t.text("menu.overview")) } }
        };
        let status = if matches!(error, WalletError::NoSuch { .. }) {
            StatusCode::NOT_FOUND
        } else if wrong_layer(error).is_some() {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::CONFLICT
        };
        self.bare("failed.title").status(status).body(body)
    }

    /// What went wrong, in words.
    pub(super) fn why(&self, error: &WalletError) -> String {
        why(self.texts(), error)
    }

    pub(super) fn refusal(&self, error: &WalletError) -> Markup {
        let t = self.texts();
        let what = why(t, error);
        let (code, what, next) = match wrong_layer(error) {
            Some(Layer::A) => ("wrong_a", t.text("wrong.a"), "next.again"),
            Some(Layer::B) => ("wrong_b", t.text("wrong.b"), "next.again"),
            None => {
                let (code, next) = code_of(error);
                (code, what.as_str(), next)
            }
        };
        let next = t.text(next);
        let language = self.language;
        let refusal = Refusal {
            language,
            code,
            what,
            next,
        };
        html! { (refusal) }
    }
}

/// A stable code, and the key of what to do next.
const fn code_of(error: &WalletError) -> (&'static str, &'static str) {
    if let WalletError::Refused { refusal, .. } = error {
        let next = if matches!(refusal.code, Code::IcCardDeclined) {
            "next.still_open"
        } else {
            "next.refused"
        };
        (refusal.code.word(), next)
    } else if let WalletError::Unfit(why) = error {
        let posing = matches!(why, Unfit::UnknownShop { .. } | Unfit::OtherAddress { .. });
        let next = if posing {
            "next.posing"
        } else {
            "next.ask_shop"
        };
        (why.word(), next)
    } else if let WalletError::NotPayable { why, .. } = error {
        (why.word(), "next.status")
    } else if let WalletError::Card(trouble) = error {
        (trouble.word(), next_with_card(trouble))
    } else if matches!(error, WalletError::InDoubt { .. }) {
        ("in_doubt", "next.doubt")
    } else {
        ("failed", "next.status")
    }
}

const fn next_with_card(trouble: &CardTrouble) -> &'static str {
    match trouble {
        CardTrouble::NoCard
        | CardTrouble::Changed
        | CardTrouble::NoneKnown
        | CardTrouble::Several => "next.lay_on",
        CardTrouble::OtherHolder => "next.own_card",
        CardTrouble::Reader(_) => "next.reader",
        CardTrouble::NotOurs => "next.own_card",
        CardTrouble::Late => "next.again",
        CardTrouble::OrderDiffers(_) | CardTrouble::Command => "next.tell_centre",
    }
}

/// What went wrong, in the page's language; what only a damaged or hostile machine brings about is
/// told in English.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what isn't translated has its English text"
)]
fn why(t: Texts<'_>, error: &WalletError) -> String {
    let key = match error {
        WalletError::Refused { refusal, .. } => return refused(t, refusal),
        WalletError::Unfit(why) => return unfit(t, why),
        WalletError::Call(call) => return not_reached(t, call).unwrap_or_else(|| call.to_string()),
        WalletError::InDoubt { source, .. } => {
            let cause = not_reached(t, source).unwrap_or_else(|| source.to_string());
            return format!("{} {cause}", t.text("why.in_doubt"));
        }
        WalletError::NotPayable { why, .. } => match why {
            Unpayable::TicketsByHold => "why.by_hold",
            Unpayable::PostByHold => "why.post_by_hold",
            Unpayable::Funds => "why.funds",
            Unpayable::Confirmed => "why.confirmed",
            Unpayable::Expired => "why.expired",
            Unpayable::Held => "why.held",
            Unpayable::Paid | Unpayable::Delivered => "why.paid",
            Unpayable::Closed => "why.closed",
            Unpayable::AtCard => "why.at_card",
        },
        WalletError::Card(trouble) => return at_card(t, trouble),
        WalletError::CardInDoubt { source } => return why(t, source),
        WalletError::Input(_) => "why.input",
        WalletError::NotRegistered => "why.not_registered",
        WalletError::NeedsKeyword => "why.keyword",
        WalletError::OnCard(_) => "why.on_card",
        WalletError::NeedsB(_) => "why.needs_b",
        WalletError::MayCount => "why.may_count",
        WalletError::NoSuch { .. } => "why.none",
        other => return other.to_string(),
    };
    t.text(key).to_owned()
}

/// Something about a card that the centre has nothing to do with.
fn at_card(t: Texts<'_>, trouble: &CardTrouble) -> String {
    let key = match trouble {
        CardTrouble::NoCard => "card_trouble.none",
        CardTrouble::Changed => "card_trouble.changed",
        CardTrouble::Reader(why) => return t.fill("card_trouble.reader", &[("why", why)]),
        CardTrouble::NotOurs => "card_trouble.foreign",
        CardTrouble::OrderDiffers(why) => return t.fill("card_trouble.differs", &[("why", why)]),
        CardTrouble::Late => "card_trouble.late",
        CardTrouble::Command => "card_trouble.command",
        CardTrouble::NoneKnown => "ic.none",
        CardTrouble::Several => "card_trouble.several",
        CardTrouble::OtherHolder => "card_trouble.other_holder",
    };
    t.text(key).to_owned()
}

/// A bill that a link named and that isn't paid.
fn unfit(t: Texts<'_>, why: &Unfit) -> String {
    match why {
        Unfit::Address(text) => t.fill("unfit.address", &[("text", text)]),
        Unfit::UnknownShop { address, .. } => t.fill("unfit.unknown_shop", &[("address", address)]),
        Unfit::OtherAddress {
            shop,
            given,
            recorded,
        } => {
            let values = [("shop", &**shop), ("given", given), ("recorded", recorded)];
            t.fill("unfit.other_address", &values)
        }
        Unfit::NoBill { shop } => t.fill("unfit.no_bill", &[("shop", shop)]),
        Unfit::OtherBill { shop } => t.fill("unfit.other_bill", &[("shop", shop)]),
        Unfit::Unsound { shop, .. } => t.fill("unfit.unsound", &[("shop", shop)]),
        Unfit::OtherKind => t.text("unfit.other_kind").to_owned(),
        Unfit::Currency { bill, account } => {
            t.fill("unfit.currency", &[("bill", bill), ("account", account)])
        }
    }
}

/// A signed no. Codes that no member gets have no translation.
fn refused(t: Texts<'_>, refusal: &tegata_protocol::refusal::Refusal) -> String {
    let key = format!("refusal.{}", refusal.code.word());
    let text = t.text(&key);
    let text = if text == key {
        refusal.code.text()
    } else {
        text
    };
    match &refusal.detail {
        Some(detail) => format!("{text} ({detail})"),
        None => text.to_owned(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what isn't translated has its English text"
)]
fn not_reached(t: Texts<'_>, error: &CallError) -> Option<String> {
    match error {
        CallError::Unreachable { address, .. } => {
            Some(t.fill("why.unreachable", &[("address", address)]))
        }
        CallError::Busy { address, seconds } => {
            let seconds = seconds.to_string();
            Some(t.fill("why.busy", &[("address", address), ("seconds", &seconds)]))
        }
        CallError::Fault { address, .. } => Some(t.fill("why.fault", &[("address", address)])),
        _ => None,
    }
}

/// Money, what is awaited, what is open.
pub(super) fn overview(
    frame: &Frame,
    wallet: &Wallet,
    now: Time,
    csrf: &str,
    outcome: Option<Result<String, WalletError>>,
) -> Result<Page, WalletError> {
    let t = frame.texts();
    let bills = wallet.view_open_bills(now)?;
    let pending = &wallet.state().pending;
    let body = html! {
        @match &outcome {
            Some(Ok(text)) => { (notice(Tone::Good, text)) }
            Some(Err(error)) => { (frame.refusal(error)) }
            None => {}
        }
        @if wallet.state().record.is_none() {
            (notice(Tone::Careful, t.text("overview.unregistered")))
        }
        @if wallet.heads_contradict()? { (notice(Tone::Bad, t.text("overview.heads"))) }
        @if let Some(balance) = wallet.state().balance {
            (balance_tiles(t, &BalanceView::from(balance)))
        } @else {
            p { (t.text("overview.no_balance")) }
        }
        form method="post" action="/refresh" {
            input type="hidden" name="csrf" value=(csrf);
            (button(t.text("overview.refresh")))
        }
        @if !pending.is_empty() {
            h2 { (t.text("overview.pending")) }
            ul { @for p in pending { li { (t.text(pending_key(p.what.word()))) " → " (p.to.to_string()) ", " (p.made.to_string()) } } }
        }
        @if !bills.is_empty() {
            h2 { (t.text("menu.pay")) }
            (bill_table(frame, &bills))
        }
        (awaited(t, wallet, now))
        form method="post" action="/close" {
            input type="hidden" name="csrf" value=(csrf);
            (button(t.text("overview.close")))
        }
    };
    Ok(frame.page(t.text("menu.overview"), wallet).body(body))
}

fn pending_key(what: &str) -> &'static str {
    match what {
        "registration" => "pending.registration",
        "load" => "pending.load",
        "order" => "pending.order",
        "payment" => "pending.payment",
        "card payment" => "pending.card_payment",
        "card load" => "pending.card_load",
        _ => "pending.inquiry",
    }
}

fn balance_tiles(t: Texts<'_>, balance: &BalanceView) -> Markup {
    let [available, held, whole, as_of] = balance.cells();
    tiles(&[
        Tile {
            label: t.text("money.available"),
            value: &available,
            note: None,
        },
        Tile {
            label: t.text("money.held"),
            value: &held,
            note: None,
        },
        Tile {
            label: t.text("money.balance"),
            value: &whole,
            note: Some(&as_of),
        },
    ])
}

fn awaited(t: Texts<'_>, wallet: &Wallet, now: Time) -> Markup {
    let awaited = wallet.state().awaited.iter().filter(|r| now < r.expires);
    html! {
        @for r in awaited {
            h2 { (t.text("awaited.title")) }
            (definitions(&[
                (t.text("awaited.amount"), html! { (r.amount.to_string()) }),
                (t.text("awaited.account"), html! { (code(&r.account)) " " (r.owner) }),
                (t.text("awaited.reference"), code(&r.reference)),
                (t.text("awaited.expires"), html! { (r.expires.to_string()) }),
            ]))
        }
    }
}

/// Open bills.
pub(super) fn bills(frame: &Frame, wallet: &Wallet, now: Time) -> Result<Page, WalletError> {
    let t = frame.texts();
    let bills = wallet.view_open_bills(now)?;
    let body = bill_table(frame, &bills);
    Ok(frame.page(t.text("menu.pay"), wallet).body(body))
}

fn bill_table(frame: &Frame, bills: &[BillView]) -> Markup {
    let t = frame.texts();
    let columns = [
        Column::text(t.text("bill.what")),
        Column::number(t.text("bill.total")),
        Column::text(t.text("bill.status")),
    ];
    let rows = bills.iter().map(|b| {
        let href = format!("/pay/{}", b.bill);
        vec![
            html! { a href=(href) { (b.title) } },
            html! { (b.total.to_string()) },
            html! { (t.text(status_key(b.status()))) },
        ]
    });
    let table = Table::new(frame.language(), t.text("bill.caption"), columns).rows(rows);
    html! { (table) }
}

pub(super) fn status_key(status: &str) -> &'static str {
    match status {
        "open" => "status.open",
        "in_doubt" => "status.in_doubt",
        "held" => "status.held",
        "paid" => "status.paid",
        "delivered" => "status.delivered",
        "confirmed" => "status.confirmed",
        "at_card" => "status.at_card",
        _ => "status.closed",
    }
}

/// A bill, and the two ways to pay it: password B, or a card.
pub(super) fn bill(at: &Visited<'_>, bill: Digest, by_card: Markup) -> Result<Page, WalletError> {
    let (frame, wallet) = (at.frame, &*at.wallet);
    let t = frame.texts();
    let view = wallet.view_bill(bill)?;
    let open = wallet.view_open_bills(at.now)?;
    let payable = open.iter().any(|b| b.bill == view.bill);
    let waits = view.status() == BillStatus::AtCard.word();
    let body = html! {
        (particulars(t, &view))
        (lines(frame, &view))
        @if wallet.is_in_doubt(bill) { (notice(Tone::Careful, t.text("pay.doubt"))) }
        @if payable && !waits {
            form method="post" data-before-card {
                input type="hidden" name="csrf" value=(at.csrf);
                p { (t.fill("pay.consent", &[("total", &view.total.to_string())])) }
                (Field::password("b", t.text(b_label(wallet))).required())
                (danger_button(t.text("pay.button")))
            }
        } @else {
            p { (t.text(status_key(view.status()))) }
        }
        (by_card)
    };
    Ok(with_script(at, frame.page(&view.title, wallet).body(body)))
}

pub(super) fn particulars(t: Texts<'_>, view: &BillView) -> Markup {
    let shown = view.particulars();
    let key = |name| match name {
        "shop" => "bill.shop",
        "transaction" => "bill.transaction",
        "tax_number" => "bill.tax_number",
        "issued" => "bill.issued",
        _ => "bill.expires",
    };
    let filled = shown.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<(&str, Markup)> = filled
        .map(|(name, value)| (t.text(key(*name)), html! { (value) }))
        .collect();
    definitions(&pairs)
}

pub(super) fn lines(frame: &Frame, view: &BillView) -> Markup {
    let t = frame.texts();
    let cells = |row: Vec<String>| -> Vec<Markup> {
        row.into_iter().map(|cell| html! { (cell) }).collect()
    };
    let lines = Table::new(
        frame.language(),
        t.text("bill.lines"),
        [
            Column::text(t.text("bill.what")),
            Column::number(t.text("bill.quantity")),
            Column::number(t.text("bill.price")),
            Column::text(t.text("bill.tax")),
            Column::number(t.text("bill.sum")),
        ],
    )
    .rows(view.lines().iter().map(|l| cells(l.cells(t).into())))
    .total(cells(vec![
        t.text("bill.total").to_owned(),
        String::new(),
        String::new(),
        String::new(),
        view.total.to_string(),
    ]));
    let taxes = Table::new(
        frame.language(),
        t.text("bill.taxes"),
        [
            Column::text(t.text("bill.tax")),
            Column::number(t.text("bill.net")),
            Column::number(t.text("bill.tax_amount")),
        ],
    )
    .rows(view.taxes().iter().map(|x| cells(x.cells().into())));
    html! { (lines) (taxes) }
}

/// It's held for, or paid.
pub(super) fn paid(
    frame: &Frame,
    wallet: &Wallet,
    bill: Digest,
    back: &Markup,
) -> Result<Page, WalletError> {
    let t = frame.texts();
    let view = wallet.view_bill(bill)?;
    let balance = wallet.state().balance.map(BalanceView::from);
    let body = html! {
        (notice(Tone::Good, t.text(status_key(view.status()))))
        (particulars(t, &view))
        @if let Some(balance) = &balance { (balance_tiles(t, balance)) }
        @if view.by_post() {
            p { (t.text("goods.then")) }
            (back)
        } @else {
            p { a href="/tickets" { (t.text("menu.tickets")) } }
        }
    };
    Ok(frame.page(&view.title, wallet).body(body))
}

/// The history, newest first.
pub(super) fn history(frame: &Frame, wallet: &Wallet) -> Result<Page, WalletError> {
    let t = frame.texts();
    let columns = [
        Column::text(t.text("history.time")),
        Column::text(t.text("history.kind")),
        Column::text(t.text("history.what")),
        Column::number(t.text("history.amount")),
        Column::number(t.text("money.balance")),
    ];
    let entries = wallet.view_history()?;
    let amount = |a: &Option<crate::view::AmountView>| {
        let text = a.as_ref().map(ToString::to_string);
        html! { (text.unwrap_or_default()) }
    };
    let rows = entries.iter().rev().map(|e| {
        vec![
            html! { (e.time.to_string()) },
            html! { (t.text(kind_key(e.kind))) },
            html! { (e.saying.text(t)) },
            amount(&e.amount),
            amount(&e.balance),
        ]
    });
    let title = t.text("menu.history");
    let table = Table::new(frame.language(), t.text("history.caption"), columns).rows(rows);
    Ok(frame.page(title, wallet).body(html! { (table) }))
}

fn kind_key(kind: &str) -> &'static str {
    match kind {
        "joined" => "kind.joined",
        "load_asked" => "kind.load_asked",
        "loaded" => "kind.loaded",
        "ordered" => "kind.ordered",
        "refused" => "kind.refused",
        "paid" => "kind.paid",
        "delivered" => "kind.delivered",
        "ticket_received" => "kind.ticket_received",
        "set_aside" => "kind.set_aside",
        "shown" => "kind.shown",
        "hold_closed" => "kind.hold_closed",
        "met" => "kind.met",
        "order_confirmed" => "kind.order_confirmed",
        "card_paid" => "kind.card_paid",
        "card_loaded" => "kind.card_loaded",
        _ => "kind.restored",
    }
}

/// Prepaid cards.
pub(super) fn cards(frame: &Frame, wallet: &Wallet) -> Page {
    let t = frame.texts();
    let columns = [
        Column::number(t.text("card.number")),
        Column::number(t.text("card.value")),
        Column::text(t.text("awaited.reference")),
        Column::number(t.text("money.balance")),
        Column::text(t.text("card.expires")),
    ];
    let cards = wallet.state().cards.iter().map(CardView::from);
    let rows = cards.map(|c| {
        vec![
            html! { (c.number) },
            html! { (c.value.to_string()) },
            code(&c.reference),
            html! { (c.balance.to_string()) },
            html! { (c.expires.to_string()) },
        ]
    });
    let title = t.text("menu.cards");
    let table = Table::new(frame.language(), t.text("card.caption"), columns).rows(rows);
    frame.page(title, wallet).body(html! { (table) })
}

/// Tickets.
pub(super) fn tickets(frame: &Frame, wallet: &Wallet) -> Result<Page, WalletError> {
    let t = frame.texts();
    let columns = [
        Column::text(t.text("ticket.event")),
        Column::text(t.text("ticket.place")),
        Column::text(t.text("ticket.contents")),
    ];
    let views = wallet.view_tickets()?;
    let rows = views.iter().rev().map(|v| {
        let href = format!("/tickets/{}", v.ticket);
        vec![
            html! { a href=(href) { (v.title) } },
            html! { (v.place) },
            html! {
                (v.contents)
                @if let Some(card) = &v.card {
                    br; span.small { (t.fill("show.on_card", &[("card", card)])) }
                }
            },
        ]
    });
    let title = t.text("menu.tickets");
    let table = Table::new(frame.language(), title, columns).rows(rows);
    Ok(frame.page(title, wallet).body(html! { (table) }))
}
