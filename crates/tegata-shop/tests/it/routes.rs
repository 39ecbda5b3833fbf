//! What each route costs whoever asks: its limit bites, or it's listed as free, with the reason. And
//! whose forms it takes.

use tegata_http::{Cost, Listed};
use tegata_shop::pages;
use tegata_shop::rate_limits::{Class, Rates};
use tegata_shop::server::Service;
use tegata_shop::shop::Rules;

use crate::goods::{GOODS, settings};
use crate::town::{Open, Town};

/// Of each address and class so many in a minute.
const ALLOWED: u32 = 2;

fn open_slow(town: &Town) -> Open {
    let rates = Rates {
        loopback: ALLOWED,
        web_loopback: ALLOWED,
        ..Rates::default()
    };
    let rules = Rules {
        rates,
        ..Rules::default()
    };
    town.open_selling_with(settings(), rules)
}

/// Status, seconds to wait and text of what a route answers to the shop's own page.
fn ask(open: &Open, method: &str, path: &str) -> (u16, Option<u64>, String) {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0);
    let agent: ureq::Agent = config.build().into();
    let url = format!("{}{path}", open.address);
    let cookie = "cart=tea.1";
    let mut answer = match method {
        "GET" => agent.get(url).header("cookie", cookie).call().unwrap(),
        "POST" => {
            let request = agent.post(url).header("origin", &open.address);
            request.header("cookie", cookie).send_empty().unwrap()
        }
        other => panic!("{other}: how is that asked?"),
    };
    let wait = answer.headers().get("retry-after");
    let wait = wait.map(|wait| wait.to_str().unwrap().parse().unwrap());
    let text = answer.body_mut().read_to_vec().unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    (answer.status().as_u16(), wait, text)
}

#[test]
fn every_route_is_counted_or_says_why_it_isnt() {
    let town = Town::new(GOODS);
    let open = open_slow(&town);
    let messages = Service::new(open.shop.clone()).costs();
    let routes = [messages, pages::costs(&open.shop)].concat();
    assert!(routes.len() > 20, "{routes:?}");
    for Listed { method, path, cost } in routes {
        let path = path
            .replace("{number}", "7")
            .replace("{digest}", &"00".repeat(32))
            .replace("{id}", "1")
            .replace("{name}", "a.png")
            .replace("{series}", "7");
        assert!(!path.contains('{'), "{path}");
        town.time.pass(120);
        let asked = (0..=ALLOWED).map(|_| ask(&open, method.as_str(), &path));
        let answers: Vec<_> = asked.map(|(status, wait, _)| (status, wait)).collect();
        let (last, before) = answers.split_last().unwrap();
        assert!(
            before
                .iter()
                .all(|(status, _)| ![429, 500].contains(status)),
            "{method} {path}: {answers:?}"
        );
        match cost {
            Cost::Counted(_) => assert_eq!(*last, (429, Some(30)), "{method} {path}"),
            Cost::Free(why) => {
                assert!(why.len() > 10, "{method} {path}: {why}");
                assert_ne!(last.0, 429, "{method} {path}");
            }
        }
    }
}

#[test]
fn what_signs_opens_or_writes_for_strangers_is_counted() {
    let town = Town::new(GOODS);
    let open = open_slow(&town);
    let messages = Service::new(open.shop.clone()).costs();
    let routes = [messages, pages::costs(&open.shop)].concat();
    let counted = routes.iter().filter_map(|route| match route.cost {
        Cost::Counted(class) => Some((route.path, class)),
        Cost::Free(_) => None,
    });
    let expected = [
        ("/v1/message", Class::Message),
        ("/v1/orders", Class::Web),
        ("/v1/orders/token", Class::Token),
        ("/v1/bills/{digest}", Class::Web),
        ("/checkout", Class::Token),
        ("/owner/enter", Class::Web),
    ];
    assert_eq!(counted.collect::<Vec<_>>(), expected);
}

/// Each page with the form holds a signed token: a visitor gets a few, a program not without end.
#[test]
fn checkout_signs_so_many_tokens_a_minute_and_then_says_when_to_come_again() {
    let town = Town::new(GOODS);
    let open = open_slow(&town);
    for _ in 0..ALLOWED {
        let (status, _, page) = ask(&open, "GET", "/checkout?lang=en");
        assert_eq!(status, 200);
        assert!(page.contains("data-token=\""), "{page}");
    }
    let (status, wait, page) = ask(&open, "GET", "/checkout?lang=en");
    assert_eq!((status, wait), (429, Some(30)));
    assert!(!page.contains("data-token=\""), "{page}");
    assert!(
        page.contains("<html") && page.contains("Wait a minute"),
        "a page, not a program's answer: {page}"
    );
    let (_, _, page) = ask(&open, "GET", "/checkout?lang=ja");
    assert!(page.contains("1分ほど待って"), "{page}");
    let (status, _, _) = ask(&open, "POST", "/v1/orders/token");
    assert_eq!(status, 429, "the other way to a token is counted with it");
    assert_eq!(ask(&open, "GET", "/cart").0, 200);
    town.time.pass(30);
    assert_eq!(ask(&open, "GET", "/checkout").0, 200);
}

/// The rule stands around all pages, so a new one can't be without it.
#[test]
fn no_page_takes_what_another_sites_page_sends() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let posts = pages::costs(&open.shop);
    let posts = posts.iter().filter(|route| route.method == "POST");
    let paths: Vec<_> = posts.map(|route| route.path.replace("{id}", "1")).collect();
    assert!(paths.len() > 4, "{paths:?}");
    for path in paths {
        let agent = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = agent.build().into();
        let request = agent.post(format!("{}{path}", open.address));
        let request = request.header("origin", "http://evil.example");
        let mut answer = request.send_empty().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        assert_eq!(answer.status(), 403, "{path}");
        assert!(text.contains("Nothing was done."), "{path}: {text}");
    }
}
