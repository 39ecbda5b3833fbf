//! The document's embodiments, each in a real browser.

use serde_json::json;
use tegata_pages::order::Erase;
use tegata_protocol::Suite;
use tegata_protocol::order::{Maker, Scheme};

use crate::browser::{ADDRESS, NAME, Visit, filled};
use crate::town::{Plan, Town};

fn scheme(text: &str) -> Plan {
    Plan {
        scheme: text.parse::<Scheme>().unwrap(),
        ..Plan::default()
    }
}

/// Orders, and checks what arrived and what was to be seen on the way.
fn order(plan: Plan) -> Visit {
    let town = Town::start(plan);
    let visit = Visit::ordering(&town.page());
    assert_eq!(visit.code(), "taken", "{:#}", visit.0);
    let arrived = town.order();
    assert_eq!(arrived.form.text("name"), Some(NAME));
    assert_eq!(arrived.form.text("address"), Some(ADDRESS));
    assert_eq!(arrived.form.lines.len(), 2);
    assert_eq!(arrived.form.language, "en");
    let sent = visit.sent();
    for secret in [NAME, ADDRESS, "Yamada", "Sakuragaoka"] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            !sent.contains(secret) && !sent.contains(&hex),
            "{secret} left the browser"
        );
    }
    visit
}

macro_rules! embodiments {
    ($($(#[$doc:meta])* $name:ident = $scheme:literal;)*) => {
        $(
            $(#[$doc])*
            #[test]
            #[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
            fn $name() {
                order(scheme($scheme));
            }
        )*
    };
}

embodiments! {
    o1_first_embodiment_one_shared_key_of_the_shop = "shop-shared-0";
    o2_second_embodiment_a_communication_key_under_it = "shop-shared-1";
    o2_more_layers = "shop-shared-3";
    o3_third_embodiment_a_shared_key_for_each_order = "order-shared-0";
    o4_fourth_embodiment_with_a_communication_key = "order-shared-1";
    o5_fifth_embodiment_a_key_pair_for_each_order = "order-public-0";
    o6_sixth_embodiment_the_default = "order-public-1";
    o6_three_layers = "order-public-3";
    o12_a_key_for_each_member = "member-public-1";
    o12_a_shared_key_for_each_member = "member-shared-1";
    o8_a_key_pair_of_the_shop = "shop-public-1";
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn o6_a_typed_in_communication_key() {
    let town = Town::start(Plan::default());
    let plan = |typed: &str| json!({"url": town.page(), "fill": filled(), "typed": typed});
    let short = Visit::of(&plan("short"));
    assert_eq!(
        (short.code(), town.arrived()),
        ("typed_short", 0),
        "{:#}",
        short.0
    );
    let visit = Visit::of(&plan("winter in Kyoto"));
    assert_eq!(visit.code(), "taken", "{:#}", visit.0);
    assert_eq!(town.order().form.text("name"), Some(NAME));
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn o7_seventh_embodiment_key_and_program_are_erased() {
    for (erase, held) in [
        (Erase::Keys, "program"),
        (Erase::Program, "keys"),
        (Erase::Both, ""),
        (Erase::BothAndAtShop, ""),
    ] {
        let visit = order(Plan {
            erase,
            ..Plan::default()
        });
        assert_eq!(visit.text("held"), held);
        // What was typed is gone, and so is the worker's frame where nothing is spared.
        assert_eq!(visit.text("left"), "|");
        let frames = visit.0["frames"].as_u64().unwrap();
        assert_eq!(frames, if held.is_empty() { 2 } else { 3 });
    }
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_browser_without_x_wing_seals_compactly_where_the_shop_allows_it() {
    let lacking = "const own = crypto.subtle.generateKey.bind(crypto.subtle); \
        SubtleCrypto.prototype.generateKey = (name, ...rest) => \
        name === 'MLKEM768-X25519' ? Promise.reject(new DOMException('', 'NotSupportedError')) \
        : own(name, ...rest)";
    for (compact, code) in [(true, "taken"), (false, "no_suite")] {
        let town = Town::start(Plan {
            compact,
            suite: Suite::Standard,
            ..Plan::default()
        });
        let press = if compact { 1 } else { 0 };
        let plan = json!({"url": town.page(), "before": lacking, "presses": press,
            "fill": if compact { filled() } else { json!({}) }});
        let visit = Visit::of(&plan);
        assert_eq!(visit.code(), code, "{:#}", visit.0);
    }
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_key_that_the_service_made_where_the_shop_allows_it() {
    order(Plan {
        maker: Maker::Service,
        ..Plan::default()
    });
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn the_form_is_there_in_japanese_on_a_phone() {
    let town = Town::start(Plan::default());
    let visit = Visit::of(&json!({
        "url": format!("{}?lang=ja", town.page()), "fill": filled(),
        "viewport": {"width": 390, "height": 800},
    }));
    assert_eq!(visit.code(), "taken", "{:#}", visit.0);
    assert!(
        visit.text("text").contains("受け付けました"),
        "{:#}",
        visit.0
    );
    assert!(visit.text("total").contains("3,200"), "{:#}", visit.0);
    assert_eq!(town.order().form.language, "ja");
}
