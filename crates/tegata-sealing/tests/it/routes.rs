//! What each route costs whoever asks: its limit bites, or it's listed as free, with the reason. And
//! whose forms it takes.

use tegata_http::{Cost, Listed};
use tegata_sealing::pages;
use tegata_sealing::server::Door;
use tegata_sealing::service::{Class, Rules};

use crate::town::{Open, Town, agent};

/// Of each class so many in a minute, from this machine.
const ALLOWED: u32 = 2;

fn routes(open: &Open) -> Vec<Listed<Class>> {
    let messages = Door::new(open.service.clone()).costs();
    [messages, pages::costs(&open.service)].concat()
}

fn ask(open: &Open, method: &str, path: &str) -> (u16, Option<u64>) {
    let url = format!("{}{path}", open.address);
    let answer = match method {
        "GET" => agent().get(url).call().unwrap(),
        "POST" => agent().post(url).send_empty().unwrap(),
        "OPTIONS" => agent().options(url).call().unwrap(),
        other => panic!("{other}: how is that asked?"),
    };
    let wait = answer.headers().get("retry-after");
    let wait = wait.map(|wait| wait.to_str().unwrap().parse().unwrap());
    (answer.status().as_u16(), wait)
}

#[test]
fn every_route_is_counted_or_says_why_it_isnt() {
    let town = Town::new();
    let rules = Rules {
        loopback_per_minute: ALLOWED,
        ..Rules::default()
    };
    let open = town.open_with(rules);
    let mut counted = Vec::new();
    for Listed { method, path, cost } in routes(&open) {
        town.time.pass(120);
        let url = path.replace("{digest}", &"00".repeat(32));
        assert!(!url.contains('{'), "{url}");
        let asked = (0..=ALLOWED).map(|_| ask(&open, method.as_str(), &url));
        let answers: Vec<_> = asked.collect();
        let (last, before) = answers.split_last().unwrap();
        assert!(
            before
                .iter()
                .all(|(status, _)| ![429, 500].contains(status)),
            "{method} {path}: {answers:?}"
        );
        match cost {
            Cost::Counted(class) => {
                assert_eq!(*last, (429, Some(30)), "{method} {path}");
                counted.push((path, class));
            }
            Cost::Free(why) => {
                assert!(why.len() > 10, "{method} {path}: {why}");
                assert_ne!(last.0, 429, "{method} {path}");
            }
        }
    }
    let expected = [
        ("/v1/message", Class::Message),
        ("/v1/keys", Class::Keys),
        ("/log", Class::Keys),
    ];
    assert_eq!(counted, expected);
}

/// There are no forms yet: the rule is there before the first one.
#[test]
fn no_page_takes_what_another_sites_page_sends() {
    let town = Town::new();
    let open = town.open();
    for path in ["/", "/log"] {
        let request = agent().post(format!("{}{path}", open.address));
        let request = request.header("origin", "http://evil.example");
        let answer = request.send_empty().unwrap();
        assert_eq!(answer.status(), 403, "{path}");
    }
}
