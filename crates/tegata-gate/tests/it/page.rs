//! The page at the door and its JSON, by the program itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::{
    centre::{Centre, Mood},
    process::{Folder, program},
    shop::Shop,
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
        let mut child = program()
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.gate())
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
    let (status, page) = served.post("\r\nOrigin: http://gate.localhost", &shown);
    assert!(status == 200 && page.contains("ADMITTED"), "{page}");
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
