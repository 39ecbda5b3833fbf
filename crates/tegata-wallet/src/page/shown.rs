//! A ticket as a person holds it, with its QR code once it's shown.

use maud::{Markup, html};
use tegata_pages::{Field, Page, Tone, button, notice, qr::Code, ticket as ticket_card};

use super::frame::{Frame, b_label};
use crate::{view::TicketView, wallet::Wallet};

/// The ticket, its code if it was just made, and the form that makes (another) one.
pub(super) fn ticket(
    frame: &Frame,
    wallet: &Wallet,
    view: &TicketView,
    csrf: &str,
    code: Option<&Code>,
) -> Page {
    let t = frame.texts();
    let key = |name| match name {
        "place" => "ticket.place",
        "contents" => "ticket.contents",
        "valid_from" => "ticket.from",
        "valid_until" => "ticket.until",
        _ => "bill.shop",
    };
    let shown = view.particulars();
    let particulars: Vec<(&str, Markup)> = shown
        .iter()
        .map(|(name, value)| (t.text(key(*name)), html! { (value) }))
        .collect();
    if let Some(card) = &view.card {
        let stub = html! { p { (t.fill("show.on_card", &[("card", card)])) } };
        let body = html! {
            (ticket_card(&view.title, &particulars, &stub))
            (notice(Tone::Plain, t.text("show.lay_card")))
        };
        return frame.page(&view.title, wallet).body(body);
    }
    let stub = code.map_or_else(
        || html! { p { (t.text("show.not_yet")) } },
        |code| code.svg(t.text("show.label")),
    );
    let body = html! {
        (ticket_card(&view.title, &particulars, &stub))
        @if code.is_some() { (notice(Tone::Plain, t.text("show.minute"))) }
        form method="post" {
            input type="hidden" name="csrf" value=(csrf);
            @if view.keyword {
                (Field::password("keyword", t.text("field.keyword")).required())
            }
            @if view.needs_b() { (Field::password("b", t.text(b_label(wallet))).required()) }
            (button(t.text(if code.is_some() { "show.again" } else { "show.button" })))
        }
    };
    frame.page(&view.title, wallet).body(body)
}
