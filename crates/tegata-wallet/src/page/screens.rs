//! The pages, as HTML.

use maud::{Markup, html};
use tegata_pages::{
    Column, Field, Page, Table, Texts, Tile, Tone, button, code, danger_button, definitions,
    notice, tiles,
};
use tegata_protocol::{Digest, Time};

use super::{
    card::seat::{Visited, with_script},
    frame::{Frame, b_label},
};
use crate::{
    error::WalletError,
    kept::BillStatus,
    view::{BalanceView, BillView, CardView},
    wallet::Wallet,
};

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
