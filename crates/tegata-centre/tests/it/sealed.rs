//! The application form, sealed in the browser (O13): what comes in, and what is refused.

use std::{
    io::{Read as _, Write as _},
    path::Path,
};

use serde_json::{Value, json};
use tegata_centre::{people::People, settings::Settings};
use tegata_party::client::{
    Client,
    order::{OrderError, ReadyOrder, SealingService, Storefront},
};
use tegata_protocol::{
    PartyNumber, Role, Verified,
    order::{CartLine, CartToken, Field, FieldValue, OrderForm, OrderKey, SealedOrder},
    refusal::Code,
};

use crate::{
    joining::contains,
    sealing::{Sealing, now},
    server::Server,
    town::{Folder, details, rng},
};

const NAME: &str = "Kirishima Hanako";
const POSTAL: &str = "9-9-9 Kaede-machi\nHanamizuki";

fn form(fields: &[(&str, &str)]) -> OrderForm {
    let field = |(name, text): &(&str, &str)| Field {
        name: (*name).to_owned(),
        value: FieldValue::Text((*text).to_owned()),
    };
    OrderForm {
        lines: Vec::new(),
        fields: fields.iter().map(field).collect(),
        language: "en".to_owned(),
    }
}

fn good() -> OrderForm {
    form(&[("role", "shop"), ("name", NAME), ("postal", POSTAL)])
}

impl Sealing {
    fn front(&self) -> Storefront {
        Storefront::centre(&self.address, &self.town.public.keys)
    }

    fn token_and_key(&self) -> (Verified<CartToken>, Verified<OrderKey>) {
        let (client, front) = (Client::default(), self.front());
        let token = client.order_token(&front, &[], None, now()).unwrap();
        let service = SealingService {
            address: &self.service_address,
            danger_trusted: None,
        };
        let key = client.order_key(&front, service, &token, now()).unwrap();
        (token, key)
    }

    fn seal(&self, form: &OrderForm) -> ReadyOrder {
        let (token, key) = self.token_and_key();
        ReadyOrder::seal(token, &key, form, None, &mut rng()).unwrap()
    }

    fn send(&self, ready: &ReadyOrder) -> Result<Vec<u8>, Code> {
        match Client::default().send_order(&self.front(), ready) {
            Ok(placed) => Ok(placed.receipt.signed().as_bytes().to_vec()),
            Err(OrderError::Refused { refusal, .. }) => Err(refusal.code),
            Err(other) => panic!("{other}"),
        }
    }

    /// What came of these bytes over HTTP.
    fn post(&self, path: &str, body: &[u8]) -> (u16, Value) {
        let (status, body) = self.request("POST", path, "", body);
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
        request(&self.address, method, path, headers, body)
    }

    fn applications(&self) -> usize {
        let people = People::open(&self.town.data()).unwrap();
        // The sealing service itself applied, too.
        people.applications().unwrap().len() - 1
    }
}

/// One request, by hand: the host's name is what is looked at.
fn request(address: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let host = address.trim_start_matches("http://");
    let port = host.rsplit_once(':').unwrap().1;
    let mut stream = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&answer[9..12])
        .unwrap()
        .parse()
        .unwrap();
    (status, answer[end + 4..].to_vec())
}

#[test]
fn a_sealed_application_goes_where_applications_go() {
    let sealing = Sealing::start();
    let ready = sealing.seal(&good());
    assert!(!contains(ready.bytes(), NAME.as_bytes()));
    let receipt = sealing.send(&ready).unwrap();
    let people = People::open(&sealing.town.data()).unwrap();
    let applications = people.applications().unwrap();
    let application = applications.last().unwrap();
    assert_eq!(application.role, Role::Shop);
    let details = people.details(application.id).unwrap();
    assert_eq!(details.name, NAME);
    assert_eq!(details.postal, ["9-9-9 Kaede-machi", "Hanamizuki"]);
    // The same bytes have the same receipt and are one application.
    assert_eq!(sealing.send(&ready).unwrap(), receipt);
    assert_eq!(sealing.applications(), 1);
    nothing_in_clear(&sealing.town.data());
}

/// Neither in the databases nor in their write-ahead logs.
fn nothing_in_clear(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!contains(&bytes, b"Kaede-machi"), "{}", path.display());
        }
    }
}

#[test]
fn many_at_once_are_one_application() {
    let sealing = Sealing::start();
    let ready = sealing.seal(&good());
    let receipts: Vec<_> = std::thread::scope(|scope| {
        let send = |_| scope.spawn(|| sealing.send(&ready).unwrap());
        let sent: Vec<_> = (0..8).map(send).collect();
        sent.into_iter().map(|s| s.join().unwrap()).collect()
    });
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
    assert_eq!(sealing.applications(), 1);
    // The keys of those that weren't entered are gone, too.
    let keys = rusqlite::Connection::open(sealing.town.data().join("people-keys.sqlite")).unwrap();
    let count = "SELECT count(*) FROM application_key";
    let count: i64 = keys.query_row(count, [], |r| r.get(0)).unwrap();
    assert_eq!(count, 2);
}

#[test]
fn one_key_opens_one_application() {
    let sealing = Sealing::start();
    let (token, key) = sealing.token_and_key();
    let seal = |token: &Verified<CartToken>, form: &OrderForm| {
        ReadyOrder::seal(token.clone(), &key, form, None, &mut rng()).unwrap()
    };
    let other = form(&[("role", "gate"), ("name", "X"), ("postal", "1-2-3")]);
    sealing.send(&seal(&token, &good())).unwrap();
    let again = sealing.send(&seal(&token, &other));
    assert_eq!(again, Err(Code::OrderDiffers), "other bytes, same number");
    let (fresh, _) = sealing.token_and_key();
    let reused = sealing.send(&seal(&fresh, &other));
    assert_eq!(reused, Err(Code::OrderKeyUsed));
    assert_eq!(sealing.applications(), 1);
}

#[test]
fn what_is_not_an_application_is_refused_and_the_key_still_counts() {
    let sealing = Sealing::start();
    let (token, key) = sealing.token_and_key();
    let seal =
        |form: &OrderForm| ReadyOrder::seal(token.clone(), &key, form, None, &mut rng()).unwrap();
    for fields in [
        &[("role", "king"), ("name", NAME), ("postal", POSTAL)][..],
        &[("role", "shop"), ("postal", POSTAL)],
        &[("role", "shop"), ("name", "A\u{7}"), ("postal", POSTAL)],
        &[],
    ] {
        assert_eq!(
            sealing.send(&seal(&form(fields))),
            Err(Code::FormIncomplete)
        );
    }
    let ready = seal(&good());
    let spliced = {
        let (other, _) = sealing.token_and_key();
        let mut order = SealedOrder::parse(ready.bytes()).unwrap();
        order.token = other.signed().clone();
        order.to_bytes()
    };
    let mut changed = ready.bytes().to_vec();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    for (what, bytes, code) in [
        ("spliced", &spliced[..], "order_unopenable"),
        ("changed", &changed, "order_unopenable"),
        ("truncated", &ready.bytes()[..last], "form_unreadable"),
        ("nothing", b"", "form_unreadable"),
        ("too large", &[0; 65 * 1024], ""),
    ] {
        let (status, json) = sealing.post("/v1/orders", bytes);
        assert!((400..500).contains(&status), "{what}: {status}");
        assert_eq!(json["error"].as_str().unwrap_or_default(), code, "{what}");
    }
    let lines = json!({"lines": [["tea", 1]]}).to_string();
    assert_eq!(sealing.post("/v1/orders/token", lines.as_bytes()).0, 409);
    assert_eq!(sealing.applications(), 0);
    sealing.send(&ready).unwrap();
    assert_eq!(sealing.applications(), 1);
}

#[test]
fn a_cart_is_no_application() {
    let sealing = Sealing::start();
    let (token, key) = sealing.token_and_key();
    let mut form = good();
    form.lines = vec![CartLine {
        product: "tea".into(),
        quantity: 1,
    }];
    let sealed = ReadyOrder::seal(token, &key, &form, None, &mut rng());
    assert!(sealed.is_err());
}

/// Only the frames stand under the frames' name, and nothing of them under the centre's.
#[test]
fn the_frames_have_an_origin_of_their_own() {
    let sealing = Sealing::start();
    let frames = sealing.address.replace("centre.", "forms.centre.");
    let page = |address: &str, path: &str| {
        let (status, body) = request(address, "GET", path, "", b"");
        (status, String::from_utf8(body).unwrap())
    };
    let (status, form) = page(&frames, "/form/apply?lang=en");
    assert_eq!(status, 200);
    assert!(
        form.contains("I apply as") && form.contains("data-field=\"role\""),
        "{form}"
    );
    for path in ["/", "/apply", "/v1/certificates", "/terms", "/form/order"] {
        assert_eq!(page(&frames, path).0, 404, "{path}");
    }
    for path in ["/form/apply", "/worker"] {
        assert_eq!(page(&sealing.address, path).0, 404, "{path}");
    }
    let (_, shown) = page(&sealing.address, "/apply?lang=en");
    assert!(shown.contains(&format!("{frames}/form/apply")), "{shown}");
    assert!(
        !shown.contains("name=\"postal\""),
        "no form in clear: {shown}"
    );
    // Under another name the frames would refuse to be shown.
    let elsewhere = sealing.address.replace("centre.localhost", "127.0.0.1");
    let (_, shown) = page(&elsewhere, "/apply?lang=en");
    assert!(shown.contains(&format!("{}/apply", sealing.address)) && !shown.contains("iframe"));
}

/// Programs apply as before, by whichever way is private.
#[test]
fn programs_apply_in_json_as_before() {
    let sealing = Sealing::start();
    let form = "role=member&name=H&postal=1-2-3".as_bytes();
    let post = |more: &str| {
        let headers = format!(
            "Accept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\n{more}"
        );
        sealing.request("POST", "/apply", &headers, form).0
    };
    assert_eq!(post(""), 200);
    let forwarded = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto:";
    assert_eq!(post(&format!("{forwarded} http\r\n")), 403);
    assert_eq!(post(&format!("{forwarded} https\r\n")), 200);
    assert_eq!(
        post("X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"),
        200
    );
}

/// Without a sealing service the form is what it was, and says so; in clear it isn't shown.
#[test]
fn a_form_that_is_not_sealed_says_so_and_is_not_shown_to_eavesdroppers() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let page = |headers: &str| {
        let head = format!("GET /apply?lang=en HTTP/1.1\r\nHost: centre\r\n{headers}");
        let head = format!("{head}Connection: close\r\n\r\n");
        let mut stream = std::os::unix::net::UnixStream::connect(server.socket()).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for private in [
        "",
        "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n",
    ] {
        let shown = page(private);
        assert!(
            shown.contains("isn&#39;t sealed") || shown.contains("isn't sealed"),
            "{shown}"
        );
        assert!(shown.contains("name=\"postal\""), "{shown}");
    }
    let shown = page("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n");
    assert!(
        shown.starts_with("HTTP/1.1 403") && shown.contains("not_private"),
        "{shown}"
    );
    assert!(
        !shown.contains("<form method=\"post\" action=\"/apply\""),
        "{shown}"
    );
    // Nothing of the sealed way is there.
    let mut client = crate::server::Client::connect(server.socket()).unwrap();
    let token = client.post("/v1/orders/token", b"{\"lines\":[]}").unwrap();
    assert_eq!(token.status, 404);
}

#[test]
fn a_centre_reached_in_clear_shows_no_unsealed_form() {
    let folder = Folder::new();
    let file = folder.data().join("centre.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let clear = settings.replace("https://centre.example", "http://centre.example");
    std::fs::write(&file, clear).unwrap();
    let server = Server::start(&folder);
    let mut client = crate::server::Client::connect(server.socket()).unwrap();
    assert_eq!(client.get("/apply").unwrap().status, 403);
}

#[test]
fn settings_that_would_not_seal_are_refused_by_name() {
    let folder = Folder::new();
    let file = folder.data().join("centre.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let load = |service: &str, forms: &str| {
        let set = format!(
            "[sealing]\nservice = \"{service}\"\nservice_address = \"https://sealing.example\"\n\
             forms_address = \"{forms}\"\n"
        );
        std::fs::write(&file, format!("{settings}{set}")).unwrap();
        Settings::load(&folder.dir()).map_err(|e| e.to_string())
    };
    let service = PartyNumber::new(Role::Sealing, 1).unwrap().to_string();
    let shop = PartyNumber::new(Role::Shop, 1).unwrap().to_string();
    assert!(load(&service, "https://forms.centre.example").is_ok());
    for (service, forms, named) in [
        (&*service, "https://centre.example", "forms_address"),
        (&service, "https://Centre.Example:8443", "forms_address"),
        (
            &service,
            "https://forms.centre.example/apply",
            "forms_address",
        ),
        (&service, "forms.centre.example", "sealing"),
        (&shop, "https://forms.centre.example", "service"),
    ] {
        let refused = load(service, forms).unwrap_err();
        assert!(refused.contains(named), "{forms}: {refused}");
    }
}

/// What an older program wrote is taken over.
#[test]
fn people_of_an_older_program_can_apply_sealed_too() {
    let folder = tempfile::tempdir().unwrap();
    let people = People::open(folder.path()).unwrap();
    people.apply(Role::Member, &details(), now()).unwrap();
    drop(people);
    let database = rusqlite::Connection::open(folder.path().join("people.sqlite")).unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'order%'";
    let names: Vec<String> = {
        let mut tables = database.prepare(tables).unwrap();
        let names = tables.query_map([], |r| r.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        database
            .execute_batch(&format!("DROP TABLE {name}"))
            .unwrap();
    }
    database.pragma_update(None, "user_version", 1).unwrap();
    let people = People::open(folder.path()).unwrap();
    assert_eq!(people.applications().unwrap().len(), 1);
    let version = |db: &rusqlite::Connection| -> i64 {
        db.query_row("PRAGMA user_version", [], |r| r.get(0))
            .unwrap()
    };
    assert_eq!(version(&database), 2);
    database.pragma_update(None, "user_version", 3).unwrap();
    assert!(
        People::open(folder.path())
            .unwrap_err()
            .to_string()
            .contains("newer")
    );
}

/// A person fills the form in, in Chromium.
#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_browser_seals_the_application() {
    let sealing = Sealing::start();
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tegata-pages/tests/browser/drive.mjs"
    );
    let plan = json!({
        "url": format!("{}/apply", sealing.address),
        "fill": {"name": NAME, "postal": POSTAL, "mail": "hanako@kirishima.example"},
        "choose": {"role": "sealing"},
        "axe": true,
    });
    let output = std::process::Command::new("node")
        .args([script, &plan.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let told: Value = serde_json::from_str(text.lines().last().unwrap_or_default())
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    // The page goes on by itself once the receipt was verified; the driver loses the form then.
    let done = format!("{}/applied", sealing.address);
    let requests = told["requests"].as_array().unwrap();
    assert!(requests.iter().any(|r| r["url"] == done), "{told:#}");
    assert_eq!(told["axe"], json!([]), "{told:#}");
    let people = People::open(&sealing.town.data()).unwrap();
    let applications = people.applications().unwrap();
    assert_eq!(applications.len(), 2, "{told:#}");
    let details = people.details(applications[1].id).unwrap();
    assert_eq!(details.name, NAME);
    assert_eq!(details.postal.len(), 2);
    assert_eq!(applications[1].role, Role::Sealing);
    let sent = told["requests"].to_string();
    for secret in [NAME, "Kaede", "kirishima"] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!sent.contains(secret) && !sent.contains(&hex), "{secret}");
    }
}
