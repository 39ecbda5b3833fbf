//! Guides that a shop has signed for and that want more than guiding. None gets anything.

use super::*;

/// Everything that a program in a page could send with, or reach the page around it with. It tells the
/// page how each attempt went; a test listens beside the script.
fn ways_out(stranger: &str, udp: u16) -> String {
    let attempts = include_str!("ways-out.js");
    format!("const there = '{stranger}', own = 'http://wallet.localhost', udp = {udp}\n{attempts}")
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_guide_has_no_way_out_and_sees_nothing_of_the_page() {
    let fair = Fair::open();
    let guide = ways_out(&fair.stranger.address, fair.udp);
    let bill = fair.bill(&guide);
    let told = fair.visit(
        &bill,
        json!({"steps": [
            ["wait", "#card-guide iframe"],
            ["sleep", 3000],
            ["eval", "heard", "Object.fromEntries(globalThis.heard.map(h => [h.way, h.how]))"],
            ["eval", "state", "document.querySelector('#card-stage').dataset.state"],
        ]}),
    );
    let heard = told["heard"].as_object().unwrap();
    assert!(heard.len() >= 34, "all were tried: {told:#}");
    // These begin something that then comes to nothing: what counts is that nobody heard of it.
    let begun = [
        "beacon",
        "frame",
        "top",
        "top by name",
        "form _self",
        "form _top",
        "form _blank",
        "form _parent",
        "window",
    ];
    for (way, how) in heard {
        let how = how.as_str().unwrap();
        assert!(
            how.starts_with("failed") || begun.contains(&&**way),
            "{way}: {how}"
        );
    }
    let requests = told["requests"].as_array().unwrap();
    assert!(
        !requests.iter().any(
            |r| r.as_str().unwrap().starts_with("POST") && r.as_str().unwrap().contains("form")
        ),
        "{requests:#?}"
    );
    assert_eq!(heard_by(&fair.stranger), [""; 0], "nobody heard anything");
    assert_eq!(fair.packets.load(Ordering::SeqCst), 0, "nor over UDP");
    assert_eq!(told["pages"], 0, "no window was opened");
    assert!(text(&told, "address").starts_with(&fair.own), "{told:#}");
    assert_eq!(told["state"], "quote");
    nothing_was_paid(&fair);
}

/// Chromium opens a connection for a navigation before it looks at the policy, and sends nothing on it.
fn heard_by(stranger: &WebShop) -> Vec<String> {
    let asked = stranger.all_asked().into_iter();
    asked.filter(|path| !path.is_empty()).collect()
}

fn nothing_was_paid(fair: &Fair) {
    assert_eq!(fair.on_card(), 5_000);
    assert_eq!(fair.town.came(80).0, 0, "nothing was agreed to");
    assert!(fair.folder.path().exists());
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_guide_cant_lead_its_frame_elsewhere() {
    for (to_stranger, when) in [(true, 0), (true, 700), (false, 700)] {
        let fair = Fair::open();
        let to = match to_stranger {
            true => format!("{}/gone?secret", fair.stranger.address),
            false => format!("{}/history", fair.own),
        };
        let guide = format!("setTimeout(() => {{ location = '{to}' }}, {when})");
        let bill = fair.bill(&guide);
        let after = match when {
            0 => json!(["sleep", 1500]),
            _ => json!(["wait", "#card-said:not(:empty)"]),
        };
        let plan = json!({"steps": [
            ["wait", "#card-guide iframe"], after, ["count", "frames", "iframe"],
        ]});
        let told = fair.visit(&bill, plan);
        assert_eq!(heard_by(&fair.stranger), [""; 0], "{told:#}");
        let blocked = complaints(&told).join(" ");
        assert!(blocked.contains("frame-src"), "{told:#}");
        // One that leaves at once may do so before or after its own page has loaded: only the second can
        // be noticed. The other frame is left empty.
        assert!(when == 0 || told["frames"] == 0, "it's gone: {told:#}");
    }
}

/// It says all that could be taken for a consent, from the beginning and when it's told to wait.
#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_guide_can_agree_to_nothing() {
    let fair = Fair::open();
    let guide = r#"
const lies = [
  {tegata: 1, ask: 'agree'}, {tegata: 1, ask: 'pay'}, {tegata: 1, ask: 'answer', agreed: 'yes'},
  {agreed: 'yes'}, {tegata: 1, state: 'waiting'}, {tegata: 1, state: 'paid'}, 'yes', null, 7,
  {ask: {toString: () => 'begin'}.toString()}, {tegata: 1, ask: 'begin'},
]
const say = () => { for (const lie of lies) parent.postMessage(lie, '*') }
say()
let asked = 0
addEventListener('message', event => {
  if (event.data.state === 'waiting') parent.postMessage({ask: 'begin'}, '*')
  if (event.data.state === 'asking' && asked++ === 0) say()
})
"#;
    let bill = fair.bill(guide);
    let told = fair.visit(
        &bill,
        json!({"steps": [
            ["wait", "#card-guide iframe"],
            ["sleep", 1000],
            ["eval", "before", "document.querySelector('#card-stage').dataset.state"],
            ["eval", "posts", "performance.getEntriesByType('resource').filter(r => r.name.endsWith('/card/pay')).length"],
            ["click", "#card-stage form button"],
            ["state", "asking"],
            ["sleep", 1500],
            ["eval", "after", "document.querySelector('#card-stage').dataset.state"],
        ]}),
    );
    assert_eq!(
        (&told["before"], &told["posts"]),
        (&json!("quote"), &json!(0))
    );
    assert_eq!(
        told["after"], "asking",
        "the second consent is the member's"
    );
    assert_eq!(fair.on_card(), 5_000);
    let answers = told["requests"].as_array().unwrap().iter();
    assert_eq!(
        answers
            .filter(|r| r.as_str().unwrap().ends_with("/card/answer"))
            .count(),
        0
    );
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_guide_that_floods_is_stopped_and_the_payment_goes_on() {
    let fair = Fair::open();
    let guide = "setInterval(() => { for (let i = 0; i < 200; i++) parent.postMessage({ask: 'ready'}, '*') }, 1)";
    let bill = fair.bill(guide);
    let told = fair.visit(
        &bill,
        json!({"steps": [
            ["wait", "#card-said:not(:empty)"],
            ["text", "said", "#card-said"],
            ["count", "frames", "iframe"],
            ["click", "#card-stage form button"],
            ["state", "asking"],
            ["click", "#card-stage button.danger"],
            ["state", "paid"],
        ]}),
    );
    assert!(text(&told, "said").contains("was stopped"), "{told:#}");
    assert_eq!(told["frames"], 0);
    assert_eq!(fair.on_card(), 650);
}
