//! Every part of the kit, in both languages, on pages as they might really be. They're written
//! to `target/tmp/pages/` to be looked at.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use axum::http::Uri;
use maud::{Markup, Render as _, html};
use tegata_pages::{
    Bar, Column, Door, Field, Language, Link, Messages, Page, Refusal, Role, STYLE, Table, Texts,
    Tile, Tone, Verdict, bar_chart, button, code, danger_button, definitions, doors, notice, qr,
    secondary_button, steps, ticket, tiles, verdict,
};

const EN: &str = include_str!("en.toml");
const JA: &str = include_str!("ja.toml");
static MESSAGES: LazyLock<Messages> = LazyLock::new(|| Messages::embedded(EN, JA));

#[test]
fn every_part_in_both_languages() {
    assert_eq!(Messages::problems(EN, JA), [""; 0]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("style.css"), STYLE).unwrap();
    for language in Language::ALL {
        let t = MESSAGES.of(language);
        for (name, page) in [
            ("join", join(t)),
            ("shop", shop(t)),
            ("bill", bill(t)),
            ("ticket", ticket_page(t)),
            ("gate", gate(t)),
            ("figures", figures(t)),
            ("town", town(t)),
        ] {
            let html = page.render().into_string();
            check(&html, language);
            let html = html.replace("/style.css?v=", "style.css?v=");
            std::fs::write(folder.join(format!("{name}-{}.html", language.tag())), html).unwrap();
        }
    }
}

/// What must hold for any page.
fn check(html: &str, language: Language) {
    assert!(html.starts_with(&format!(
        "<!DOCTYPE html><html lang=\"{}\">",
        language.tag()
    )));
    assert_eq!(html.matches("<h1>").count(), 1);
    assert!(
        !html.contains(" style="),
        "the policy forbids inline styles"
    );
    assert!(!html.contains("<script"), "nor does any part need a script");
    let ids: Vec<&str> = attributes(html, "id").collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "ids are unique: {ids:?}");
    for target in attributes(html, "for").chain(attributes(html, "aria-describedby")) {
        for id in target.split(' ') {
            assert!(unique.contains(id), "{id} is referred to but isn't there");
        }
    }
    let controls = html.matches("<input ").count()
        + html.matches("<select ").count()
        + html.matches("<textarea ").count();
    assert_eq!(
        html.matches("<label ").count(),
        controls,
        "every control has its label"
    );
}

fn attributes<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let start = format!(" {name}=\"");
    html.match_indices(&start)
        .map(|(at, found)| html[at + found.len()..].split('"').next().unwrap())
        .collect::<Vec<_>>()
        .into_iter()
}

fn menu(t: Texts<'_>) -> [Link; 3] {
    [
        ("join.menu_guide", "/"),
        ("join.menu_join", "/join"),
        ("join.menu_stats", "/figures"),
    ]
    .map(|(key, href)| Link::new(t.text(key).to_owned(), href))
}

fn join(t: Texts<'_>) -> Page {
    let language = t.language();
    let branches = [
        ("shop", t.text("join.branch_shop")),
        ("friend", t.text("join.branch_friend")),
    ];
    let page = Page::new(
        language,
        Role::Centre,
        t.text("stats.party"),
        t.text("join.title"),
    );
    page.here(&Uri::from_static("/join?from=letter")).menu(menu(t)).body(html! {
        (steps(&[t.text("join.step1"), t.text("join.step2"), t.text("join.step3")], 2))
        p { (t.text("join.intro")) }
        form method="post" {
            (Field::number("number", t.text("join.number")).hint(t.text("join.number_hint"))
                .error(t.text("join.number_error")).value("12345678901").required())
            (Field::password("code", t.text("join.code")).autocomplete("one-time-code").required())
            (Field::text("name", t.text("join.name")).autocomplete("name").required())
            (Field::email("mail", t.text("join.mail")).optional(language))
            (Field::select("branch", t.text("join.branch"), &branches).value("friend"))
            (Field::area("note", t.text("join.note"), 3).optional(language))
            (Field::checkbox("terms", t.text("join.terms")).required())
            (button(t.text("join.send")))
        }
    })
}

fn shop(t: Texts<'_>) -> Page {
    let columns = [
        Column::text(t.text("shop.event")),
        Column::text(t.text("shop.kind")),
        Column::number(t.text("shop.left")),
        Column::number(t.text("shop.price")),
    ];
    let row = |event, kind, left: &str, price: &str| {
        vec![
            html! { a href="/event" { (t.text(event)) } },
            html! { (t.text(kind)) },
            html! { (left) },
            html! { (price) },
        ]
    };
    let rows = [
        row("shop.e1", "shop.k1", "24", "¥1,650"),
        row("shop.e2", "shop.k2", "0", "¥12,000"),
        row("shop.e3", "shop.k3", "118", "¥880"),
    ];
    let page = Page::new(
        t.language(),
        Role::Shop,
        t.text("shop.party"),
        t.text("shop.title"),
    );
    page.body(html! {
        (Refusal {
            language: t.language(),
            code: "sold-out",
            what: t.text("shop.sold_out"),
            next: t.text("shop.sold_out_next"),
        })
        (Table::new(t.language(), t.text("shop.table"), columns).rows(rows))
        (notice(Tone::Good, t.text("shop.received")))
        (notice(Tone::Plain, t.text("shop.plain")))
    })
}

fn bill(t: Texts<'_>) -> Page {
    let page = Page::new(t.language(), Role::Wallet, "Aya", t.text("shop.bill"));
    page.body(html! {
        (notice(Tone::Careful, t.text("shop.careful")))
        (definitions(&[
            (t.text("shop.number"), code("7Q4M-0K2C-XZ81")),
            (t.text("shop.event"), html! { (t.text("shop.line")) }),
            (t.text("shop.total"), html! { strong { "¥3,300" } }),
            (t.text("shop.tax"), html! { "¥300" }),
            (t.text("shop.until"), html! { time datetime="2026-11-21T19:30+09:00" { "19:30" } }),
        ]))
        form method="post" {
            (Field::password("b", t.text("shop.b")).hint(t.text("shop.b_hint")).required())
            (button(t.text("shop.pay")))
            (secondary_button(t.text("shop.plain_way")))
            (danger_button(t.text("shop.cancel")))
        }
    })
}

fn ticket_page(t: Texts<'_>) -> Page {
    let picture = qr::svg(&"TEGATA-0123456789$%*+-./:".repeat(16)).unwrap();
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let page = Page::new(t.language(), Role::Wallet, "Aya", t.text("ticket.title"));
    page.body(ticket(
        t.text("ticket.event"),
        &[
            (
                t.text("ticket.when"),
                html! { (t.text("ticket.when_value")) },
            ),
            (
                t.text("ticket.where"),
                html! { (t.text("ticket.where_value")) },
            ),
            (t.text("ticket.seat"), html! { "B-12" }),
            (t.text("ticket.issued"), code(digest)),
        ],
        &picture,
    ))
}

fn gate(t: Texts<'_>) -> Page {
    let one = |tone, headline, detail| -> Markup {
        verdict(&Verdict {
            tone,
            headline: t.text(headline),
            detail: t.text(detail),
        })
    };
    let page = Page::new(
        t.language(),
        Role::Gate,
        t.text("gate.party"),
        t.text("gate.title"),
    );
    page.body(html! {
        (one(Tone::Good, "gate.in", "gate.in_detail"))
        (one(Tone::Bad, "gate.out", "gate.out_detail"))
        (one(Tone::Careful, "gate.wait", "gate.wait_detail"))
        (one(Tone::Plain, "gate.again", "gate.again_detail"))
    })
}

fn town(t: Texts<'_>) -> Page {
    let door = |role, name, text, href| Door {
        role,
        name: t.text(name),
        text: t.text(text),
        href,
    };
    let page = Page::new(
        t.language(),
        Role::Town,
        t.text("town.party"),
        t.text("town.title"),
    );
    page.body(doors(
        t.language(),
        &[
            door(
                Role::Centre,
                "stats.party",
                "town.centre",
                "http://centre.localhost:7401/",
            ),
            door(
                Role::Shop,
                "shop.party",
                "town.shop",
                "http://shop.localhost:7402/",
            ),
            door(
                Role::Gate,
                "gate.party",
                "town.gate",
                "http://gate.localhost:7404/",
            ),
            door(
                Role::Wallet,
                "town.aya",
                "town.wallet",
                "http://wallet.localhost:7405/",
            ),
        ],
    ))
}

#[test]
fn a_letter_needs_no_server() {
    let t = MESSAGES.of(Language::Ja);
    let page = Page::new(
        t.language(),
        Role::Centre,
        t.text("stats.party"),
        t.text("join.step2"),
    );
    let code = html! { code { "1234-5678-9012" } };
    let letter = page
        .body(definitions(&[(t.text("join.number"), code)]))
        .into_file();
    assert!(letter.contains("prefers-color-scheme"));
    for needs in ["<link", "<script", "href=", "src=", "url("] {
        assert!(!letter.contains(needs), "{needs}");
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("letter-ja.html"), letter).unwrap();
}

fn figures(t: Texts<'_>) -> Page {
    let tile = |label, value, note| Tile {
        label: t.text(label),
        value,
        note,
    };
    let columns = || {
        [
            Column::text(t.text("stats.reference")),
            Column::number(t.text("stats.amount")),
        ]
    };
    let page = Page::new(
        t.language(),
        Role::Town,
        t.text("stats.party"),
        t.text("stats.title"),
    );
    page.body(html! {
        (tiles(&[
            tile("stats.members", "1,204", None),
            tile("stats.payments", "318", None),
            tile("stats.held", "¥41,250", Some(t.text("stats.held_note"))),
        ]))
        (bar_chart(t.text("stats.chart"), &[
            Bar { label: t.text("shop.party"), value: 412_500, shown: "¥412,500" },
            Bar { label: t.text("stats.shop2"), value: 280_120, shown: "¥280,120" },
            Bar { label: t.text("stats.shop3"), value: 96_800, shown: "¥96,800" },
            Bar { label: t.text("stats.shop4"), value: 0, shown: "¥0" },
        ]))
        (Table::new(t.language(), t.text("stats.empty"), columns()))
        (Table::new(t.language(), t.text("stats.chart"), columns())
            .rows([vec![code("RF18539007547034"), html! { "¥5,000" }]])
            .total(vec![html! { (t.text("shop.total")) }, html! { "¥5,000" }]))
    })
}
