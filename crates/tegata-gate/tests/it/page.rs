//! The page at the door and its JSON, by the program itself.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use tegata_card::chip::Hardware as _;
use tegata_card::image::FileMemory;
use tegata_card_service::{self, Task};
use tegata_protocol::ticket::{Holder, Ticket};

use crate::{
    centre::{Centre, Mood},
    process::{Folder, program},
    shop::Shop,
    world::{CSN, World},
};

/// A gate that is being served; killed with the test.
struct Served {
    child: Child,
    address: SocketAddr,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Served {
    fn start(folder: &Folder) -> Self {
        Self::start_with(folder, &[])
    }

    fn start_with(folder: &Folder, arguments: &[&OsStr]) -> Self {
        let mut child = program()
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.gate())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let address = said["listening"].as_str().unwrap().parse().unwrap();
        Self { child, address }
    }

    /// Status and body of one exchange.
    fn ask(&self, head: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let length = body.len();
        let head = format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    fn get(&self, path: &str) -> String {
        let (status, body) = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: gate.localhost"), b"");
        assert_eq!(status, 200, "{body}");
        body
    }

    fn post(&self, headers: &str, body: &str) -> (u16, String) {
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let head = format!("POST / HTTP/1.1\r\nHost: gate.localhost\r\n{kind}{headers}");
        self.ask(&head, body.as_bytes())
    }

    fn check(&self, presentation: &[u8]) -> Value {
        let body = json!({ "text": base45::encode(presentation) }).to_string();
        let kind = "Content-Type: application/json";
        let head = format!("POST /v1/check HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}");
        let (status, body) = self.ask(&head, body.as_bytes());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }
}

impl Served {
    fn tap(&self) -> Value {
        let head = "POST /v1/card HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json";
        let (status, body) = self.ask(head, b"{}");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    fn tap_on_page(&self, headers: &str) -> (u16, String) {
        let head = format!("POST /card HTTP/1.1\r\nHost: gate.localhost{headers}");
        self.ask(&head, b"")
    }
}

/// The program with the reader, which stands beside the gate's; a run of this package's tests alone hasn't
/// built it.
fn card_program() -> PathBuf {
    let gate = Path::new(env!("CARGO_BIN_EXE_tegata-gate"));
    let program = gate.with_file_name("tegata-card");
    let folder = gate.parent().unwrap();
    let mut build = std::process::Command::new(env!("CARGO"));
    build
        .args(["build", "--quiet", "--locked", "--offline", "--package"])
        .arg("tegata-card-reader")
        .arg("--target-dir")
        .arg(folder.parent().unwrap());
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(program.exists() || build.status().unwrap().success());
    program
}

/// A card with a ticket in a file, and the socket of a card-key server that knows it.
fn card_and_keys(folder: &Folder) -> (PathBuf, PathBuf) {
    let mut world = World::blank();
    let personalise = world.personalise();
    world.done(personalise);
    for (slot, serial) in [(3, 41), (7, 42)] {
        let ticket = Ticket {
            holder: Holder::Card(CSN),
            ..folder.shop.ticket(serial)
        };
        let ticket = folder.shop.batch().sign(&ticket).into_bytes();
        world.done(Task::PutTicket { slot, ticket });
    }
    let image = folder.path().join("card.image");
    let pages = world.pages().pages;
    let made = FileMemory::create(&image, |memory| {
        let mut pages = pages.iter().enumerate();
        pages.try_for_each(|(number, page)| memory.write(number, page))
    });
    drop(made.unwrap());

    let socket = folder.path().join("keys.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            while let Ok(request) = tegata_card_service::receive(&mut stream) {
                tegata_card_service::send(&mut stream, &world.say(request)).unwrap();
            }
        }
    });
    (image, socket)
}

/// The reader is in a process of its own, the card-key server behind a socket.
#[test]
fn a_card_comes_in_by_the_page_and_by_json() {
    let folder = Folder::ready();
    let (image, socket) = card_and_keys(&folder);
    let program = card_program();
    let on = OsStr::new;
    let served = Served::start_with(
        &folder,
        &[
            on("--card-image"),
            image.as_os_str(),
            on("--card-keys"),
            socket.as_os_str(),
            on("--reader-program"),
            program.as_os_str(),
        ],
    );
    let page = served.get("/");
    assert!(
        page.contains("action=\"/card\"") && page.contains("Read a card"),
        "{page}"
    );
    assert!(!page.contains("No card-key server"), "{page}");
    assert_eq!(served.tap_on_page("\r\nOrigin: http://evil.example").0, 403);

    let admitted = served.tap();
    assert_eq!(admitted["verdict"], "admitted", "{admitted}");
    assert_eq!(served.tap()["verdict"], "just_admitted");
    assert!(served.get("/?lang=ja").contains("直前のカード"));
    // The window in which a card that was left lying isn't read again is two seconds, by the clock.
    let second = (0..100_000).find_map(|_| {
        std::thread::yield_now();
        let (status, page) = served.tap_on_page("\r\nOrigin: http://gate.localhost");
        assert_eq!(status, 200);
        (!page.contains("JUST ADMITTED")).then_some(page)
    });
    let page = second.unwrap();
    assert!(
        page.contains("class=\"verdict good\"") && page.contains("ADMITTED"),
        "{page}"
    );
    folder.run("verify-log", &[]).succeeded();

    // A reader that isn't there is a grey answer, and no refusal.
    std::fs::remove_file(&image).unwrap();
    let gone = served.tap();
    assert_eq!(
        (&gone["verdict"], &gone["reason"]),
        (&"closed".into(), &"no_reader".into())
    );
    assert!(
        gone["what"].as_str().unwrap().contains("card.image"),
        "{gone}"
    );
}

#[test]
fn a_gate_without_reader_or_card_keys_says_so() {
    let folder = Folder::ready();
    let served = Served::start(&folder);
    assert!(!served.get("/").contains("action=\"/card\""));
    assert_eq!(served.tap()["reason"], "no_reader");
    drop(served);

    let (image, _socket) = card_and_keys(&folder);
    let program = card_program();
    let toml = format!("card_image = {image:?}\nreader_program = {program:?}\n");
    std::fs::write(folder.gate().join("gate.toml"), toml).unwrap();
    let served = Served::start(&folder);
    assert!(served.get("/").contains("No card-key server is set"));
    let refused = served.tap();
    assert_eq!(
        (&refused["code"], &refused["reason"]),
        (&611.into(), &"card_unprovable".into())
    );
    let (_, page) = served.tap_on_page("\r\nAccept-Language: ja");
    assert!(
        page.contains("611") && page.contains("カード鍵サーバー"),
        "{page}"
    );
    let status: Value = serde_json::from_str(&served.get("/v1/status")).unwrap();
    assert_eq!(status["cards"], "unprovable");
}

/// As a browser sends it.
fn form(presentation: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = "text=".to_owned();
    for byte in base45::encode(presentation).bytes() {
        match byte {
            b' ' => text.push('+'),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => write!(text, "%{byte:02X}").unwrap(),
        }
    }
    text
}

#[test]
fn the_page_admits_and_says_so_in_words_and_signs() {
    let folder = Folder::ready();
    let served = Served::start(&folder);
    let page = served.get("/");
    assert!(
        page.contains("autofocus") && page.contains("North gate"),
        "{page}"
    );
    assert!(!page.contains("<script"), "it works without scripts");
    let shown = form(&folder.shop.show(41));
    let (status, page) = served.post("", &shown);
    assert_eq!(status, 200);
    assert!(
        page.contains("class=\"verdict good\"") && page.contains("ADMITTED"),
        "{page}"
    );
    assert!(page.contains("Stalls, row 12, seat 30"));
    assert!(page.contains("autofocus"), "ready for the next one");
    let (_, page) = served.post("\r\nAccept-Language: ja", &form(b"hello"));
    assert!(
        page.contains("class=\"verdict bad\"") && page.contains("入場できません"),
        "{page}"
    );
    let page = served.get("/?lang=ja");
    assert!(
        page.contains("最近の入場") && page.contains("Stalls、12列、座席30番"),
        "{page}"
    );
}

#[test]
fn programs_ask_in_json() {
    let folder = Folder::ready();
    let served = Served::start(&folder);
    let shown = folder.shop.show(41);
    let admitted = served.check(&shown);
    assert_eq!(
        (&admitted["verdict"], &admitted["row"]),
        (&"admitted".into(), &1.into())
    );
    assert_ne!(served.check(&shown)["verdict"], "admitted");
    assert_eq!(served.check(b"hello")["code"], 600);
    let status: Value = serde_json::from_str(&served.get("/v1/status")).unwrap();
    assert_eq!(status["events"][0]["admitted"], 1);
    let long = json!({ "text": "A".repeat(9000) }).to_string();
    let head = "POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    assert_eq!(served.ask(head, long.as_bytes()).0, 413);
    assert_eq!(served.ask(head, b"{}").0, 422);
}

/// Another site's page, open in the same browser, can't spend a ticket.
#[test]
fn only_its_own_page_may_send_the_form() {
    let folder = Folder::ready();
    let served = Served::start(&folder);
    let shown = form(&folder.shop.show(41));
    let (status, _) = served.post("\r\nOrigin: http://evil.example", &shown);
    assert_eq!(status, 403);
    assert_eq!(served.post("\r\nOrigin: null", &shown).0, 403);
    let head = "GET / HTTP/1.1\r\nHost: evil.example";
    assert_eq!(served.ask(head, b"").0, 421);
    for path in ["/card", "/v1/check", "/v1/card", "/v1/load", "/nowhere"] {
        let kind = "Content-Type: application/json\r\nOrigin: http://evil.example";
        let head = format!("POST {path} HTTP/1.1\r\nHost: gate.localhost\r\n{kind}");
        assert_eq!(served.ask(&head, b"{}").0, 403, "{path}");
    }
    let crossing = "\r\nSec-Fetch-Site: cross-site";
    assert_eq!(served.post(crossing, &shown).0, 403);
    let (status, page) = served.post("\r\nOrigin: http://gate.localhost", &shown);
    assert!(status == 200 && page.contains("ADMITTED"), "{page}");
}

/// Nothing is counted at the door, for one reason that stands beside each route.
#[test]
fn every_route_says_why_it_isnt_counted() {
    let routes = tegata_gate::serve::costs();
    assert_eq!(routes.len(), 7, "{routes:?}");
    for route in routes {
        let tegata_http::Cost::Free(why) = route.cost;
        assert!(why.contains("may admit people anyway"), "{}", route.path);
    }
}

#[test]
fn check_data_are_loaded_while_it_runs() {
    let folder = Folder::empty();
    folder.join(&Centre::start(Mood::Kind));
    let served = Served::start(&folder);
    assert_eq!(served.check(&folder.shop.show(41))["reason"], "no_event");
    assert!(served.get("/").contains("No event is chosen"));
    let loaded = folder.load(&folder.shop, 2);
    assert_eq!(loaded["edition"], 2);
    assert_eq!(served.check(&folder.shop.show(41))["verdict"], "admitted");
    let older = folder.check_data(&folder.shop, 1);
    let refused = folder.try_load(&older, &folder.shop).ended(1);
    assert_eq!(refused.json()["reason"], "older_edition");
    // The commands that read do so beside it; those that write are told who has the folder.
    folder.run("verify-log", &[]).succeeded();
    folder.run("status", &[]).succeeded();
    let busy = folder.run("check", &["--text", "A"]).ended(1);
    assert!(busy.err().contains("in use by process"), "{}", busy.err());
    let neighbour = Shop {
        series: 2,
        ..folder.shop
    };
    let loaded = folder.load(&neighbour, 1);
    let next = loaded["next"].as_str().unwrap();
    let both = format!("--event {0}/1 --event {0}/2", neighbour.party());
    assert!(next.contains(&both), "{next}");
    assert_eq!(served.check(&neighbour.show(41))["reason"], "wrong_event");
}
