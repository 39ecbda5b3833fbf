//! What each route costs whoever asks: its limit bites, or it's listed as free, with the reason. And
//! whose forms it takes.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use tegata_centre::{
    Centre,
    rate_limits::Class,
    readiness::Readiness,
    web::{self, Web},
};
use tegata_cli::clock;
use tegata_http::{Cost, Listed};
use tegata_protocol::Time;
use tower::ServiceExt as _;

use crate::town::Folder;

/// From one address so many in a minute.
const ALLOWED: u32 = 2;

fn slow(folder: &Folder) -> Arc<Web> {
    let file = folder.data().join("centre.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let limits = format!("applications = {ALLOWED}\napplications_loopback = {ALLOWED}\n");
    std::fs::write(&file, format!("{settings}{limits}")).unwrap();
    let now = Time::from_secs(clock::now());
    let centre = Arc::new(Centre::open(&folder.dir(), now).unwrap());
    Arc::new(Web {
        readiness: Readiness::of(&centre),
        centre,
        terms: "Terms".to_owned(),
        data: folder.data(),
        downloads: Mutex::default(),
    })
}

struct Answer {
    status: u16,
    wait: Option<u64>,
    text: String,
}

/// What a route answers to somebody at this address, as the guard passes it on.
async fn ask(router: &Router, method: &str, path: &str, more: [(&str, &str); 2]) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "centre.example")
        .header("x-forwarded-proto", "https");
    for (name, value) in more {
        request = request.header(name, value);
    }
    let request = request.body(Body::empty()).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    let wait = answer.headers().get(header::RETRY_AFTER);
    let wait = wait.map(|wait| wait.to_str().unwrap().parse().unwrap());
    let status = answer.status().as_u16();
    let text = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    Answer { status, wait, text }
}

const FROM: &str = "x-forwarded-for";

#[tokio::test]
async fn every_route_is_counted_or_says_why_it_isnt() {
    let folder = Folder::new();
    let web = slow(&folder);
    let router = web::public(web.clone());
    let mut counted = Vec::new();
    for (number, Listed { method, path, cost }) in (1..).zip(web::costs(&web)) {
        let url = path
            .replace("{digest}", &"00".repeat(32))
            .replace("{name}", "a");
        assert!(!url.contains('{'), "{url}");
        let address = format!("192.0.2.{number}");
        let accept = ("accept", "text/html");
        let mut answers = Vec::new();
        for _ in 0..=ALLOWED {
            let answer = ask(&router, method.as_str(), &url, [(FROM, &address), accept]).await;
            answers.push((answer.status, answer.wait));
        }
        let (last, before) = answers.split_last().unwrap();
        assert!(
            before
                .iter()
                .all(|(status, _)| ![429, 500].contains(status)),
            "{method} {path}: {answers:?}"
        );
        match cost {
            Cost::Counted(Class::Application) => {
                assert_eq!(last.0, 429, "{method} {path}");
                assert!(
                    last.1.is_some_and(|wait| (1..=30).contains(&wait)),
                    "{path}"
                );
                counted.push(format!("{method} {path}"));
            }
            Cost::Free(why) => {
                assert!(why.len() > 10, "{method} {path}: {why}");
                assert_ne!(last.0, 429, "{method} {path}");
            }
        }
    }
    let expected = [
        "GET /apply",
        "POST /apply",
        "POST /v1/orders",
        "POST /v1/orders/token",
    ];
    assert_eq!(counted, expected);
}

#[tokio::test]
async fn who_applies_too_fast_is_told_so_in_the_form_asked_for_and_others_are_not() {
    let folder = Folder::new();
    let router = web::public(slow(&folder));
    let from = async |address, accept| {
        ask(
            &router,
            "GET",
            "/apply?lang=en",
            [(FROM, address), ("accept", accept)],
        )
        .await
    };
    for _ in 0..ALLOWED {
        assert_eq!(from("192.0.2.1", "text/html").await.status, 200);
    }
    let late = from("192.0.2.1", "text/html").await;
    assert_eq!(late.status, 429);
    assert!(
        late.text.contains("<html") && late.text.contains("Wait a minute"),
        "{}",
        late.text
    );
    let late = from("192.0.2.1", "application/json").await;
    assert_eq!((late.status, &*late.text), (429, r#"{"error":"too_many"}"#));
    assert_eq!(from("192.0.2.2", "text/html").await.status, 200);
    for _ in 0..ALLOWED {
        assert_eq!(from("127.0.0.1", "text/html").await.status, 200);
    }
    assert_eq!(
        from("127.0.0.1", "text/html").await.status,
        429,
        "a proxy's"
    );
}

/// Anybody may apply, a program too; but no other site's page has its visitors do it.
#[tokio::test]
async fn no_page_takes_what_another_sites_page_sends() {
    let folder = Folder::new();
    let web = slow(&folder);
    let router = web::public(web.clone());
    for path in ["/", "/apply", "/terms", "/v1/orders", "/v1/orders/token"] {
        for foreign in [
            ("origin", "https://evil.example"),
            ("origin", "http://centre.example"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let answer = ask(&router, "POST", path, [foreign, (FROM, "192.0.2.1")]).await;
            assert_eq!(answer.status, 403, "{path} {foreign:?}");
            assert!(answer.text.contains("Nothing was done."), "{path}");
        }
    }
    let own = ("origin", "https://centre.example");
    let answer = ask(&router, "POST", "/apply", [own, (FROM, "192.0.2.1")]).await;
    assert_eq!(answer.status, 415, "its own page's, without a form");
}
