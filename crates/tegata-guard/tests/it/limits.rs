//! What is turned away, with a reason, before the centre hears of it.

use std::time::Duration;

use tegata_cli::data::{DataDir, Party};
use tegata_guard::settings::Settings;
use tegata_guard::{Guard, Patience, forward};
use tegata_http::serve::{Bound, Stop, loopback};

use crate::town::{Centre, Client, Place};

const LIMIT: usize = 64 * 1024;

#[test]
fn a_message_may_have_64_kib_and_not_a_byte_more() {
    let place = Place::new();
    let centre = Centre::start(&place.socket());
    let guard = place.guard(&[]);
    assert_eq!(
        guard.connect().post("/v1/echo", &vec![7; LIMIT]).status,
        200
    );
    let answer = guard.connect().post("/v1/echo", &vec![7; LIMIT + 1]);
    assert_eq!(answer.status, 413);
    assert!(
        answer.text().contains("at most 65536 bytes"),
        "{}",
        answer.text()
    );
    assert_eq!(
        guard
            .connect()
            .post("/form/echo", &vec![7; LIMIT + 1])
            .status,
        200,
        "no message"
    );
    assert_eq!(centre.got().len(), 2);
}

#[test]
fn a_message_that_doesnt_announce_its_length_is_limited_too() {
    let place = Place::new();
    let centre = Centre::start(&place.socket());
    let guard = place.guard(&[]);
    let chunked = |chunks: usize| {
        let mut client = guard.connect();
        client.send(
            b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for _ in 0..chunks {
            client.send(b"400\r\n");
            client.send(&[7; 0x400]);
            client.send(b"\r\n");
        }
        client.send(b"0\r\n\r\n");
        client.answer()
    };
    assert_eq!(chunked(65).status, 413);
    assert_eq!(centre.got().len(), 0);
    assert_eq!(chunked(64).body, vec![7; LIMIT]);
}

#[test]
fn an_address_that_asks_too_much_is_told_when_to_come_again() {
    let place = Place::new();
    let centre = Centre::start(&place.socket());
    let guard = place.guard(&["--rate-loopback-per-minute", "2"]);
    assert_eq!(guard.connect().get("/").status, 404);
    assert_eq!(guard.connect().get("/").status, 404);
    let answer = guard.connect().get("/");
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(centre.got().len(), 2);
}

#[test]
fn other_hosts_and_methods_are_turned_away() {
    let place = Place::new();
    let centre = Centre::start(&place.socket());
    let guard = place.guard(&["--host", "centre.example"]);
    let mut client = guard.connect();
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: evil.example", 421),
        (
            "GET http://centre.example/ HTTP/1.1\r\nHost: evil.example",
            421,
        ),
        ("GET / HTTP/1.1\r\nHost: centre.localhost", 421),
        ("GET / HTTP/1.1\r\nHost: centre.example:7401", 404),
        ("DELETE / HTTP/1.1\r\nHost: centre.example", 405),
        (
            "CONNECT centre.example:80 HTTP/1.1\r\nHost: centre.example",
            405,
        ),
    ] {
        client.send(format!("{head}\r\n\r\n").as_bytes());
        let answer = client.answer();
        assert_eq!(answer.status, status, "{head}");
        if status == 405 {
            assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
            client = guard.connect();
        }
    }
    assert_eq!(centre.got().len(), 1);
}

#[test]
fn a_centre_that_says_nothing_leaves_the_message_in_doubt() {
    let place = Place::new();
    // Connections are taken by the system; nobody ever reads them.
    let _silent = std::os::unix::net::UnixListener::bind(place.socket()).unwrap();
    let settings = Settings::default();
    let patience = Patience {
        usual: Duration::from_millis(50),
        wait: Duration::from_millis(100),
    };
    let guard = Guard::new(forward::Centre::at(&place.socket()), &settings);
    let guard = guard.with_patience(patience);
    let dir = DataDir::open(&place.data(), Party::new("tegata-guard", 1)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stop, _stopper) = Stop::by_hand();
    let bound = runtime
        .block_on(Bound::tcp(loopback(0), &dir, None))
        .unwrap();
    let address = bound.address().unwrap();
    drop(runtime.spawn(bound.run(guard.router(), stop)));

    let connect = || Client::over(std::net::TcpStream::connect(address).unwrap());
    for path in ["/v1/echo", "/v1/wait"] {
        let answer = connect().post(path, b"pay");
        assert_eq!(answer.status, 504);
        assert!(answer.text().contains("isn't known"), "{}", answer.text());
    }
    let mut slow = connect();
    slow.send(b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf");
    let answer = slow.answer();
    assert_eq!(answer.status, 408);
    assert!(
        answer.text().contains("Nothing was decided"),
        "{}",
        answer.text()
    );
}
