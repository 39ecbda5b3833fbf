//! The page for the person at the gate: one field, one verdict, a few figures. Without scripts.

use axum::http::{StatusCode, Uri};
use maud::{Markup, html};
use tegata_pages::{
    Column, Field, Language, Page, Role, Table, Texts, Tile, Tone, button, notice, tiles, verdict,
};

use crate::{
    admission::Entry,
    card::Cards,
    evidence,
    gate::Gate,
    running::RunningGate,
    verdict::Verdict,
    words::{describe, said, texts},
};

/// What the page answers to.
#[derive(Clone, Copy)]
pub(crate) enum Shown<'v> {
    Nothing,
    Scan(&'v Verdict),
    Card(&'v Verdict),
}

impl<'v> Shown<'v> {
    const fn verdict(self) -> Option<&'v Verdict> {
        match self {
            Self::Nothing => None,
            Self::Scan(verdict) | Self::Card(verdict) => Some(verdict),
        }
    }
}

/// The page, after a scan or a card with its verdict.
pub(crate) fn page(door: &RunningGate, language: Language, uri: &Uri, shown: Shown<'_>) -> Page {
    let t = texts(language);
    let gate = door.gate();
    let body = html! {
        // The field first: the browser scrolls to where the cursor stands, and the verdict below
        // it must be in sight.
        (form(t, shown))
        @if let Some(cards) = door.cards() { (card_form(cards, t, shown)) }
        @if let Some(verdict) = shown.verdict() {
            (said_large(verdict, language))
        } @else if let Some((at, verdict)) = door.cards().and_then(Cards::last) {
            // Programs read cards, too: what they were told is to be seen here.
            h2 { (t.fill("page.card_last", &[("at", &at.to_string())])) }
            (said_large(&verdict, language))
        }
        @for event in gate.current() {
            h2 { (event.record().title) ", " (event.record().place) }
            (figures(gate, &event, t))
        }
        @if gate.current().is_empty() {
            (notice(Tone::Careful, t.text("closed.no_event")))
            p { (t.text("closed.no_event_next")) }
        }
        (last(door, language))
    };
    let page = Page::new(language, Role::Gate, gate.name(), t.text("page.title"));
    // A reload of a tap's answer would wait for a card; its links lead to the page itself.
    let own = Uri::from_static("/");
    page.here(if matches!(shown, Shown::Card(_)) {
        &own
    } else {
        uri
    })
    .body(body)
}

/// The answer to a form that another site's page sent.
pub(crate) fn foreign_form(gate: &Gate, language: Language) -> Page {
    let t = texts(language);
    Page::new(language, Role::Gate, gate.name(), t.text("page.title"))
        .status(StatusCode::FORBIDDEN)
        .body(notice(Tone::Bad, t.text("page.origin")))
}

fn said_large(shown: &Verdict, language: Language) -> Markup {
    let said = said(shown, language);
    let large = tegata_pages::Verdict {
        tone: said.tone,
        headline: &said.headline,
        detail: &said.what,
    };
    html! {
        (verdict(&large))
        @if !said.next.is_empty() { p { strong { (said.next) } } }
        @if let Some(code) = shown.code() {
            p.small { (code.number()) " " code translate="no" { (code.word()) } }
        }
    }
}

/// The browser puts the cursor into the field, so that the scanner types into it.
fn form(t: Texts<'static>, shown: Shown<'_>) -> Markup {
    let field = Field::text("text", t.text("page.scan"))
        .hint(t.text("page.scan_hint"))
        .autocomplete("off")
        .required();
    // Who read a card reads the next one by pressing Enter again.
    let field = if matches!(shown, Shown::Card(_)) {
        field
    } else {
        field.autofocus()
    };
    html! {
        form method="post" action="/" {
            (field)
            (button(t.text("page.check")))
        }
    }
}

/// A button: the page has no scripts, and waits for the card while it loads.
fn card_form(cards: &Cards, t: Texts<'static>, shown: Shown<'_>) -> Markup {
    html! {
        form method="post" action="/card" {
            p {
                button type="submit" aria-describedby="card-hint"
                    autofocus[matches!(shown, Shown::Card(_))] { (t.text("page.card")) }
            }
            p.small id="card-hint" { (t.text("page.card_hint")) }
            @if !cards.has_keys() {
                (notice(Tone::Careful, t.text("page.card_without_keys")))
            }
        }
    }
}

fn figures(gate: &Gate, event: &crate::Event, t: Texts<'static>) -> Markup {
    let [admitted, expected, refused, edition] = [
        gate.admitted(event.id()),
        event.expected(),
        gate.refused(),
        event.edition(),
    ]
    .map(|n| n.to_string());
    let until = event.until().to_string();
    let values = [("edition", edition.as_str()), ("until", &until)];
    let note = t.fill("page.edition_note", &values);
    let tile = |label, value| Tile {
        label: t.text(label),
        value,
        note: None,
    };
    html! {
        (tiles(&[
            tile("page.admitted", &admitted),
            tile("page.expected", &expected),
            tile("page.refused", &refused),
        ]))
        p.small { (t.text("page.edition")) ": " (note) }
    }
}

fn last(door: &RunningGate, language: Language) -> Markup {
    let t = texts(language);
    let columns = [
        Column::number(t.text("page.row")),
        Column::text(t.text("page.time")),
        Column::text(t.text("page.good_for")),
    ];
    let rows = door.last();
    let rows = rows.iter().map(|entry| {
        vec![
            html! { (entry.row) },
            html! { (entry.at.to_string().trim_end_matches(" UTC")) },
            html! { (good_for(door.gate(), entry, language)) },
        ]
    });
    let table = Table::new(language, t.text("page.last"), columns)
        .rows(rows)
        .when_empty(t.text("page.none"));
    html! { (table) }
}

fn good_for(gate: &Gate, entry: &Entry, language: Language) -> String {
    let events = gate.events();
    let event = events.iter().find(|e| e.id() == entry.ticket.event);
    match (event, evidence::contents(&entry.evidence)) {
        (Some(event), Some(contents)) => describe(event.record(), &contents, language),
        _ => entry.ticket.event.to_string(),
    }
}
