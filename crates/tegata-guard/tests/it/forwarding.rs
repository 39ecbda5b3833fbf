//! What is passed on, and what becomes of it when the centre isn't there.

use crate::town::{Centre, Place};

#[test]
fn a_request_reaches_the_centre_and_its_answer_comes_back_unchanged() {
    let place = Place::new();
    let centre = Centre::start(&place.socket());
    let guard = place.guard(&[]);
    let body: Vec<u8> = (0..=255).cycle().take(60_000).collect();
    let mut client = guard.connect();

    let answer = client.post("/v1/a%2Fb/echo?q=%20", &body);
    assert_eq!((answer.status, &answer.body), (200, &body));
    assert_eq!(answer.header("x-centre"), Some("yes"));
    let answer = client.get("/");
    assert_eq!(
        (answer.status, answer.text()),
        (404, "nothing"),
        "on the same connection"
    );
    assert_eq!(
        answer.header("keep-alive"),
        None,
        "that was between guard and centre"
    );

    let got = centre.got();
    assert_eq!(got[0].line, "POST /v1/a%2Fb/echo?q=%20");
    assert_eq!(got[0].body, body);
    assert_eq!(got[1].line, "GET /");
    assert_eq!(got[1].headers["host"], "centre.localhost");
}

#[test]
fn the_guard_says_who_asks_and_whatever_the_client_claims_about_that_is_dropped() {
    let place = Place::new();
    let centre = Centre::start(&place.socket());
    let guard = place.guard(&[]);
    let mut client = guard.connect();
    client.send(
        b"GET /x HTTP/1.1\r\nHost: CENTRE.localhost:7401\r\nX-Forwarded-For: 192.0.2.9\r\n\
          Forwarded: for=192.0.2.9\r\nX-Real-IP: 192.0.2.9\r\nX-Forwarded-Host: evil\r\n\
          Connection: keep-alive, x-trace, x-forwarded-for\r\nX-Trace: 1\r\nCookie: lang=ja\r\n\
          \r\n",
    );
    assert_eq!(client.answer().status, 404);
    let headers = centre.got()[0].headers.clone();
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["forwarded"], "for=127.0.0.1;proto=http");
    assert_eq!(headers["cookie"], "lang=ja");
    for gone in ["x-real-ip", "x-forwarded-host", "x-trace", "connection"] {
        assert!(!headers.contains_key(gone), "{gone}: {headers:?}");
    }
    assert_eq!(headers.get_all("x-forwarded-for").iter().count(), 1);
}

#[test]
fn without_a_centre_nothing_was_decided_and_once_its_there_all_is_well() {
    let place = Place::new();
    let guard = place.guard(&[]);
    let mut client = guard.connect();
    let answer = client.post("/v1/echo", b"pay");
    assert_eq!(answer.status, 502);
    assert!(
        answer.text().contains("Nothing was decided"),
        "{}",
        answer.text()
    );
    assert!(answer.header("retry-after").is_some());

    // Twice: the second time the guard holds connections to a centre that is gone.
    for _ in 0..2 {
        let centre = Centre::start(&place.socket());
        assert_eq!(client.post("/v1/echo", b"pay").body, b"pay");
        centre.stop();
        assert_eq!(client.post("/v1/echo", b"pay").status, 502);
    }
}
