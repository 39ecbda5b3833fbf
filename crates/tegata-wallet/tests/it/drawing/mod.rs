//! Strokes drawn on a page (M5): who may draw, what comes of it, and that no point is kept.

mod browser;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
    sync::Arc,
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use tegata_wallet::{
    page::{
        HOST,
        draw::{Easel, Outcome, Use, router},
    },
    vault::Strokes,
};
use tower::ServiceExt as _;

use crate::{
    program::{Given, Killed, Person, text},
    town::Town,
};

/// Points that nothing else would write down by rng.
fn points() -> String {
    (0..70)
        .map(|i| format!("{} {} {}\n", 770_000 + i * 13, 880_000 + i * 7, i * 11))
        .collect()
}

/// A request as a browser would send it, and what came back.
struct Asked {
    host: &'static str,
    origin: &'static str,
    cookie: String,
    token: String,
}

impl Asked {
    async fn post(&self, easel: &Arc<Easel>, path: &str, body: String) -> (StatusCode, String) {
        let kind = match path {
            "/without" => "application/x-www-form-urlencoded",
            _ => "text/plain; charset=utf-8",
        };
        let request = Request::post(path)
            .header(header::HOST, self.host)
            .header(header::ORIGIN, self.origin)
            .header(header::COOKIE, &self.cookie)
            .header("x-tegata-form", &self.token)
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body));
        let answer = router(Arc::clone(easel)).oneshot(request.unwrap()).await;
        let answer = answer.unwrap();
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }
}

/// Opens the link: cookie, token, page and its policy.
async fn opened(easel: &Arc<Easel>, cookie: &str) -> (StatusCode, Asked, String, String) {
    let link = easel.link();
    let path = link.strip_prefix("http://wallet.localhost:7").unwrap();
    let request = Request::get(path)
        .header(header::HOST, "wallet.localhost:7")
        .header(header::COOKIE, cookie)
        .body(Body::empty());
    let answer = router(Arc::clone(easel)).oneshot(request.unwrap()).await;
    let answer = answer.unwrap();
    let text = |name| {
        let value = answer.headers().get(name);
        value.map_or("", |v| v.to_str().unwrap()).to_owned()
    };
    let (cookie, policy) = (
        text(header::SET_COOKIE),
        text(header::CONTENT_SECURITY_POLICY),
    );
    let status = answer.status();
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let html = String::from_utf8(bytes.to_vec()).unwrap();
    let asked = Asked {
        host: "wallet.localhost:7",
        origin: "http://wallet.localhost:7",
        cookie: cookie.split(';').next().unwrap().to_owned(),
        token: between(&html, "data-token=\"", "\"").to_owned(),
    };
    (status, asked, html, policy)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).map_or("", |(_, rest)| rest);
    rest.split(after).next().unwrap()
}

#[tokio::test]
async fn only_who_came_by_the_link_draws_and_only_from_the_page() {
    let easel = Arc::new(Easel::new(Use::Keys, 7));
    let (_, mine, html, policy) = opened(&easel, "").await;
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; connect-src 'self'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    let other = |change: &dyn Fn(&mut Asked)| {
        let (cookie, token) = (mine.cookie.clone(), mine.token.clone());
        let mut other = Asked {
            cookie,
            token,
            ..mine
        };
        change(&mut other);
        other
    };
    for (what, asked, status) in [
        ("no cookie", other(&|a| a.cookie.clear()), 403),
        ("no token", other(&|a| a.token.clear()), 403),
        (
            "a token of no form",
            other(&|a| a.token = "0".repeat(64)),
            403,
        ),
        (
            "another port",
            other(&|a| a.origin = "http://wallet.localhost:8"),
            403,
        ),
        ("no origin", other(&|a| a.origin = "null"), 403),
        ("another host", other(&|a| a.host = "shop.localhost:7"), 421),
    ] {
        let form = format!("csrf={}", asked.token);
        for (path, body) in [("/strokes", points()), ("/without", form)] {
            let (refused, _) = asked.post(&easel, path, body).await;
            assert_eq!(refused, status, "{what} {path}");
        }
    }
    assert!(easel.take().is_none(), "nothing was taken");
    let (status, _) = mine.post(&easel, "/strokes", points()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(matches!(easel.take(), Some(Outcome::Drawn(d)) if d.text() == points()));
    let (status, _) = mine.post(&easel, "/strokes", points()).await;
    assert_eq!(status, StatusCode::CONFLICT, "one drawing is enough");
}

#[tokio::test]
async fn the_link_is_good_once_and_for_one_browser() {
    let easel = Arc::new(Easel::new(Use::Keys, 7));
    let link = easel.link();
    let (first, mine, ..) = opened(&easel, "").await;
    assert_eq!(first, StatusCode::OK);
    let path = link.strip_prefix("http://wallet.localhost:7").unwrap();
    for (cookie, status) in [("", StatusCode::FORBIDDEN), (&*mine.cookie, StatusCode::OK)] {
        for path in [path, "/", "/?lang=ja"] {
            let request = Request::get(path)
                .header(header::HOST, "wallet.localhost:7")
                .header(header::COOKIE, cookie)
                .body(Body::empty());
            let answer = router(Arc::clone(&easel)).oneshot(request.unwrap()).await;
            assert_eq!(answer.unwrap().status(), status, "{path} {cookie}");
        }
    }
}

#[tokio::test]
async fn what_isnt_a_drawing_is_refused_with_the_reason_and_asked_for_again() {
    let easel = Arc::new(Easel::new(Use::File, 7));
    let (_, mine, html, _) = opened(&easel, "").await;
    assert!(
        !html.contains("/without"),
        "a file isn't made without a drawing"
    );
    let resting: String = (0..200).map(|t| format!("5 5 {t}\n")).collect();
    let long = "1 1 1\n".repeat(200_000);
    for (body, status, words) in [
        (String::new(), 422, "Only 0 places"),
        (resting, 422, "Only 1 places"),
        (format!("{}x", points()), 422, "can't be read"),
        (format!("{}9 9 0\n", points()), 422, "can't be read"),
        (long, 413, ""),
    ] {
        let (refused, said) = mine.post(&easel, "/strokes", body).await;
        assert_eq!(refused, status);
        assert!(said.contains(words), "{said}");
    }
    assert!(easel.take().is_none());
    let (status, _) = mine.post(&easel, "/strokes", points()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

/// A program that shows the page.
pub(super) struct Showing {
    child: Killed,
    told: Option<std::thread::JoinHandle<String>>,
    pub(super) link: String,
}

impl Showing {
    pub(super) fn start(person: &Person, given: Given, arguments: &[&str]) -> Self {
        let mut command = person.command(given, arguments);
        command.env("TEGATA_LOG", "trace");
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child: Child = child.unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("/open/") {
            assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
        }
        let link = said.split_whitespace().find(|w| w.contains("/open/"));
        let link = link.unwrap().to_owned();
        // Read on, or the program would stand still once the pipe is full.
        let told = std::thread::spawn(move || {
            stderr.read_to_string(&mut said).unwrap();
            said
        });
        let (child, told) = (Killed(child), Some(told));
        Self { child, told, link }
    }

    /// Its exit code, and all it said.
    pub(super) fn ended(mut self) -> (Option<i32>, String) {
        let mut stdout = String::new();
        let mut out = self.child.0.stdout.take().unwrap();
        out.read_to_string(&mut stdout).unwrap();
        let code = self.child.0.wait().unwrap().code();
        (code, stdout + &self.told.take().unwrap().join().unwrap())
    }

    /// One request over the network.
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let (_, rest) = self.link.split_once("wallet.localhost:").unwrap();
        let (port, _) = rest.split_once('/').unwrap();
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\
             Origin: http://{HOST}:{port}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Opens the link and posts something to a route.
    fn post(&self, path: &str, kind: &str, body: impl FnOnce(&str) -> String) -> String {
        let (_, link) = self.link.split_once("/open/").unwrap();
        let page = self.send("GET", &format!("/open/{link}"), "", "");
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        let cookie = between(&page, "set-cookie: ", ";");
        let token = between(&page, "data-token=\"", "\"");
        let headers =
            format!("Cookie: {cookie}\r\nX-Tegata-Form: {token}\r\nContent-Type: {kind}\r\n");
        self.send("POST", path, &headers, &body(token))
    }
}

fn letter(person: &Person, town: &Town) -> String {
    let slip = person.secret("letter", &town.slip().reveal());
    slip.display().to_string()
}

/// No file below the folder has a point in it.
fn no_point_is_kept(person: &Person, said: &str) {
    let point = points().lines().nth(5).unwrap().to_owned();
    let (x, rest) = point.split_once(' ').unwrap();
    let (y, _) = rest.split_once(' ').unwrap();
    assert!(!said.contains(x) && !said.contains(y), "{said}");
    for file in fs::read_dir(person.file("wallet")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(x) && !text.contains(y));
    }
}

#[test]
fn join_takes_a_drawing_and_goes_on_without_keeping_it() {
    let (town, person) = (Town::start(), Person::new());
    let slip = letter(&person, &town);
    let join = ["join", "--slip-file", &slip, "--name", "Hanako", "--draw"];
    let showing = Showing::start(&person, Given::Both, &join);
    let answer = showing.post("/strokes", "text/plain", |_| points());
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let (code, said) = showing.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("70 points came; they are mixed with"),
        "{said}"
    );
    assert!(said.contains("Registered as M-48312-20752."), "{said}");
    no_point_is_kept(&person, &said);
    // Again: the keys are there, nobody is asked to draw.
    let again = person.run(Given::Both, &join);
    assert!(
        text(&again.stderr).contains("nothing is drawn for them"),
        "{again:?}"
    );
}

#[test]
fn who_would_rather_not_draw_gets_keys_all_the_same() {
    let (town, person) = (Town::start(), Person::new());
    let slip = letter(&person, &town);
    let join = ["join", "--slip-file", &slip, "--name", "H", "--draw"];
    let showing = Showing::start(&person, Given::Both, &join);
    let form = "application/x-www-form-urlencoded";
    let answer = showing.post("/without", form, |token| format!("csrf={token}"));
    assert!(answer.contains("Go back to the terminal"), "{answer}");
    let (code, said) = showing.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("the keys grow from the system's randomness"),
        "{said}"
    );
}

#[test]
fn when_nobody_draws_somebody_is_asked_and_nothing_is_made_meanwhile() {
    let (town, person) = (Town::start(), Person::new());
    let slip = letter(&person, &town);
    let join = [
        "join",
        "--slip-file",
        &slip,
        "--name",
        "H",
        "--draw",
        "--draw-wait",
        "0",
    ];
    let silent = person.run(Given::Both, &join);
    assert_eq!(silent.status.code(), Some(1), "{silent:?}");
    let said = text(&silent.stderr);
    assert!(
        said.contains("Nobody drew, and the page is closed."),
        "{said}"
    );
    assert!(
        said.contains("no keys were made; run `join` again"),
        "{said}"
    );
    assert!(!person.file("wallet/vault.tegata").exists());
}

#[test]
fn draw_writes_a_private_file_that_join_takes() {
    let (town, person) = (Town::start(), Person::new());
    let file = person.file("strokes");
    let out = file.display().to_string();
    let draw = ["draw", "--out", &out];
    let showing = Showing::start(&person, Given::Nothing, &draw);
    let answer = showing.post("/strokes", "text/plain", |_| points());
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let (code, said) = showing.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("70 points are written to"), "{said}");
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(written, points());
    assert_eq!(Strokes::parse(&written).unwrap().points(), 70);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = person.run(Given::Nothing, &draw);
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    assert!(text(&again.stderr).contains("isn't there yet"), "{again:?}");
    let slip = letter(&person, &town);
    let join = [
        "join",
        "--slip-file",
        &slip,
        "--name",
        "H",
        "--strokes",
        &out,
    ];
    assert_eq!(person.json(Given::Both, &join)["registered"], true);
}
