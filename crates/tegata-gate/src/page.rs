//! The page for the person at the gate: one field, one verdict, a few figures. Without scripts.

use axum::http::{StatusCode, Uri};
use maud::{Markup, html};
use tegata_pages::{
    Column, Field, Language, Page, Role, Table, Texts, Tile, Tone, button, notice, tiles, verdict,
};

use crate::{
    admission::Entry,
    evidence,
    gate::Gate,
    serve::Door,
    verdict::Verdict,
    words::{describe, said, texts},
};

/// The page, after a scan with its verdict.
pub(crate) fn page(door: &Door, language: Language, uri: &Uri, shown: Option<&Verdict>) -> Page {
    let t = texts(language);
    let gate = door.gate();
    let body = html! {
        // The field first: the browser scrolls to where the cursor stands, and the verdict below
        // it must be in sight.
        (form(t))
        @if let Some(shown) = shown { (said_large(shown, language)) }
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
    Page::new(language, Role::Gate, gate.name(), t.text("page.title"))
        .here(uri)
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
fn form(t: Texts<'static>) -> Markup {
    let field = Field::text("text", t.text("page.scan"))
        .hint(t.text("page.scan_hint"))
        .autocomplete("off")
        .autofocus()
        .required();
    html! {
        form method="post" action="/" {
            (field)
            (button(t.text("page.check")))
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

fn last(door: &Door, language: Language) -> Markup {
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
