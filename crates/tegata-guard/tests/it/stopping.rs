//! Starting and stopping: nothing is left behind, nothing is started twice.

use std::io::Read as _;
use std::net::TcpStream;

use crate::town::{Centre, Place};

#[test]
fn told_to_stop_it_ends_well_and_leaves_nothing_behind() {
    for signal in ["-INT", "-TERM"] {
        let place = Place::new();
        let centre = Centre::start(&place.socket());
        let mut guard = place.guard(&[]);
        assert!(place.data().join("address").exists());
        assert_eq!(guard.connect().get("/").status, 404);
        let mut idle = guard.connect();
        assert_eq!(idle.get("/").status, 404);
        let mut unfinished = guard.connect();
        unfinished.send(b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n");
        unfinished.send(b"Expect: 100-continue\r\n\r\n");
        assert_eq!(
            unfinished.answer().status,
            100,
            "the guard waits for the body"
        );

        guard.signal(signal);
        assert_eq!(idle.rest(), b"", "idle connections end at once");
        unfinished.send(b"half done");
        assert_eq!(
            unfinished.answer().body,
            b"half done",
            "an open request is still answered"
        );
        assert_eq!(guard.child.wait().unwrap().code(), Some(0), "{signal}");
        assert!(!place.data().join("address").exists());
        TcpStream::connect(guard.address).unwrap_err();
        centre.stop();
        assert!(!place.socket().exists());
    }
}

#[test]
fn two_guards_dont_share_a_folder() {
    let place = Place::new();
    let first = place.guard(&[]);
    let second = place.command(&[]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(
        said.contains(&format!("in use by process {}", first.child.id())),
        "{said}"
    );
}

#[test]
fn plain_http_isnt_spoken_beyond_this_machine() {
    let place = Place::new();
    let refused = place.command(&["--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("refusing plain HTTP on 0.0.0.0:0"), "{said}");
    assert!(said.contains("next: "), "{said}");
}

#[test]
fn settings_are_read_from_file_and_environment_and_mistakes_are_shown() {
    let place = Place::new();
    let guard = place.data();
    std::fs::create_dir(&guard).unwrap();
    std::fs::write(guard.join("guard.toml"), "rate_per_minuet = 3\n").unwrap();
    let refused = place.command(&[]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("guard.toml:1:1: unknown field `rate_per_minuet`"),
        "{said}"
    );

    std::fs::write(
        guard.join("guard.toml"),
        "rate_loopback_per_minute = 1000\n",
    )
    .unwrap();
    let mut command = place.command(&[]);
    command.env("TEGATA_GUARD_RATE_LOOPBACK_PER_MINUTE", "lots");
    let refused = command.output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("TEGATA_GUARD_RATE_LOOPBACK_PER_MINUTE"),
        "{said}"
    );
}

#[test]
fn the_log_names_no_address_of_a_client() {
    let place = Place::new();
    let mut guard = place.guard(&[]);
    assert_eq!(guard.connect().get("/secret-path").status, 502);
    guard.signal("-TERM");
    guard.child.wait().unwrap();
    let mut log = String::new();
    guard.log.read_to_string(&mut log).unwrap();
    assert!(log.contains("the centre doesn't answer"), "{log}");
    assert!(
        !log.contains("127.0.0.1") && !log.contains("secret-path"),
        "{log}"
    );
}
