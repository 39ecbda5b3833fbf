//! The program itself: its commands, and SIGKILL while it hands out.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use tegata_party::client::{Callee, Client, Prepared};
use tegata_protocol::order::{KeysWanted, MadeKeys, Maker, Stock, StockInquiry};
use tegata_protocol::record::PartyRecord;
use tegata_protocol::{SignedBytes, SigningKey, Suite, Verified};

use crate::town::{Moment, Shop, Town, ask, contains, key_of};

fn town() -> Town {
    Town::at(Moment::real())
}

fn program(town: &Town, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tegata-sealing"));
    command
        .args(arguments)
        .arg("--data")
        .arg(town.folder.path())
        .env("TEGATA_AGREE", "yes");
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null());
    command
}

fn run(town: &Town, arguments: &[&str]) -> Output {
    program(town, arguments).output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn join(town: &Town) -> serde_json::Value {
    let slip = town.folder.path().with_extension("slip");
    let line = town.centre.slip(Town::number()).reveal();
    std::fs::write(&slip, format!("Dear service,\n\n{line}\n")).unwrap();
    let file = slip.to_str().unwrap();
    let address = "http://sealing.localhost:7403";
    let arguments = [
        "join",
        "--json",
        "--slip-file",
        file,
        "--name",
        "Key Handler",
        "--address",
        address,
        "--postal",
        "1-1 Hana, Sendai",
    ];
    let output = run(town, &arguments);
    std::fs::remove_file(slip).unwrap();
    json(&output)
}

fn log_file(town: &Town) -> std::path::PathBuf {
    town.folder.path().join("log")
}

/// A running `tegata-sealing serve`; killed when dropped.
struct Serving {
    child: Child,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn serve(town: &Town, more: &[&str]) -> Serving {
    let arguments = [&["serve", "--json", "--listen", "127.0.0.1:0"], more].concat();
    let mut command = program(town, &arguments);
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log_file(town));
    command.stderr(log.unwrap()).env("TEGATA_LOG", "trace");
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = said["address"].as_str().unwrap().to_owned();
    Serving { child, address }
}

impl Serving {
    fn record(&self) -> Verified<PartyRecord> {
        let register = SigningKey::from_seed(&[91; 32]).verifying_key();
        let client = Client::default();
        client.party_record(&self.address, &register).unwrap()
    }

    fn callee(&self) -> Callee {
        Callee::party(&self.record(), Some(&self.address))
    }

    fn fill(&self, shop: &Shop, count: usize) {
        for keys in shop.make(count).chunks(32) {
            let upload = Shop::upload_of(keys);
            let prepared = shop.prepare(&self.callee(), upload);
            let answer = Client::default().call::<Stock>(shop.caller(), &self.callee(), &prepared);
            answer.unwrap().accepted().unwrap();
        }
    }
}

#[test]
fn the_commands_from_letter_to_log() {
    let town = town();
    let joined = join(&town);
    assert_eq!(joined["number"], Town::number().to_string());
    assert!(!contains(town.folder.path(), b"Sendai"));
    assert_eq!(join(&town)["record"], joined["record"]);
    let mut serving = serve(&town, &[]);
    let second = run(&town, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1), "another one has the folder");
    let shop = town.shop();
    serving.fill(&shop, 40);
    assert!(ask(&serving.address, &shop.token(), "standard").is_ok());
    let stock = json(&run(&town, &["stock", "--json"]));
    let pile = &stock["shops"][0]["piles"][0];
    assert_eq!((&pile["left"], &pile["low"]), (&39.into(), &false.into()));
    assert_eq!(pile["scheme"], "order-public-1");
    by_hand(&town, &serving, &shop);
    let text = town.folder.path().with_extension("js");
    std::fs::write(&text, "onmessage = 2").unwrap();
    let publish = ["program", "publish", "--json", text.to_str().unwrap()];
    assert_eq!(json(&run(&town, &publish))["new"], true);
    assert_eq!(json(&run(&town, &publish))["new"], false);
    std::fs::remove_file(&text).unwrap();
    let log = json(&run(&town, &["log", "--json", "--check"]));
    assert_eq!(log["programs"].as_array().unwrap().len(), 2);
    let term = Command::new("sh")
        .args(["-c", &format!("kill -TERM {}", serving.child.id())])
        .status();
    assert!(term.unwrap().success());
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
    let file = town.folder.path().join("sealing.db");
    let connection = rusqlite::Connection::open(file).unwrap();
    let sql = "UPDATE program SET text = 'onmessage = 3' WHERE sequence = 2";
    assert_eq!(connection.execute(sql, []).unwrap(), 1);
    let damaged = run(&town, &["log", "--check"]);
    assert_eq!(damaged.status.code(), Some(4));
    let told = String::from_utf8(damaged.stderr).unwrap();
    assert!(told.contains("row 2") && told.contains("next:"), "{told}");
}

/// Keys in and out by files, while the service runs.
fn by_hand(town: &Town, serving: &Serving, shop: &Shop) {
    let file = town.folder.path().with_extension("keys");
    let path = file.to_str().unwrap();
    let upload = shop.prepare(&serving.callee(), Shop::upload_of(&shop.make(2)));
    std::fs::write(&file, upload.to_bytes()).unwrap();
    let import = ["keys", "import", "--json", path];
    assert_eq!(json(&run(town, &import))["left"], 41);
    assert_eq!(json(&run(town, &import))["left"], 41, "it counts once");
    std::fs::write(&file, b"nonsense").unwrap();
    assert_eq!(run(town, &import).status.code(), Some(2));
    let foreign = town.shop();
    let mixed = shop.prepare(&serving.callee(), Shop::upload_of(&foreign.make(1)));
    std::fs::write(&file, mixed.to_bytes()).unwrap();
    let refused = run(town, &import);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        told.contains("stock_refused") && told.contains("key 1"),
        "{told}"
    );
    let number = shop.number.to_string();
    let export = run(town, &["keys", "export", &number, path]);
    assert_eq!(export.status.code(), Some(1), "none were made here");
    let nobody = foreign.number.to_string();
    let unknown = run(town, &["keys", "export", &nobody, path]);
    assert_eq!(unknown.status.code(), Some(2));
    std::fs::remove_file(file).unwrap();
}

#[test]
fn failures_end_with_their_code_and_say_what_to_do() {
    let town = town();
    let told = |arguments: &[&str]| {
        let output = run(&town, arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    };
    let slip = ["join", "--name", "N", "--address", "http://n", "--slip"];
    let (code, text) = told(&[&slip[..], &["nonsense"]].concat());
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("tegata:join?"), "{text}");
    let line = town.centre.slip(Town::number()).reveal();
    let line = line.replace(&town.centre.address, "http://127.0.0.1:9");
    let (code, text) = told(&[&slip[..], &[&line]].concat());
    assert_eq!(code, Some(3), "{text}");
    // Nothing was made before the terms were seen.
    let (code, text) = told(&["stock"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("hasn't joined yet"), "{text}");
    let settings = "danger_shop_wide_shared_keys = true";
    std::fs::write(town.folder.path().join("sealing.toml"), settings).unwrap();
    let (code, text) = told(&["stock"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("sealing.toml:1"), "{text}");
}

#[test]
fn a_shop_is_made_known_by_its_address() {
    let town = town();
    join(&town);
    let shop = town.shop();
    let record = shop.record.signed().as_bytes().to_vec();
    let listener = crate::town::RUNTIME
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let get = axum::routing::get(move || async move { record });
    let router = axum::Router::new().route("/v1/record", get);
    drop(crate::town::RUNTIME.spawn(async move { axum::serve(listener, router).await }));
    let added = json(&run(&town, &["shop", "add", "--json", &address]));
    assert_eq!(added["number"], shop.number.to_string());
    let number = shop.number.to_string();
    let serving = serve(&town, &["--danger-service-made-keys", &number]);
    let token = shop.token_as(|token| token.maker = tegata_protocol::order::Maker::Service);
    assert!(ask(&serving.address, &token, "standard").is_ok());
    let stranger = town.shop();
    let told = ask(&serving.address, &stranger.token(), "standard").unwrap_err();
    assert_eq!(told.error, "token_invalid");
}

/// Even with everything switched on that is dangerous, at the finest level.
#[test]
fn the_log_holds_no_keys() {
    let town = town();
    join(&town);
    let shop = town.shop();
    let number = shop.number.to_string();
    let danger = [
        "--danger-shared-keys",
        "--danger-service-made-keys",
        &number,
    ];
    let serving = serve(&town, &danger);
    let shared = shop.make_of("order-shared-1", Suite::Standard, |_| {});
    let call = |prepared: &Prepared| {
        let (caller, callee) = (shop.caller(), serving.callee());
        Client::default().call::<MadeKeys>(caller, &callee, prepared)
    };
    let upload = Shop::upload_of(std::slice::from_ref(&shared));
    // The reply is a stock, and not what is expected here; the keys are in all the same.
    assert!(call(&shop.prepare(&serving.callee(), upload)).is_err());
    ask(
        &serving.address,
        &shop.token_of("order-shared-1"),
        "standard",
    )
    .unwrap();
    let token = shop.token_as(|token| token.maker = Maker::Service);
    ask(&serving.address, &token, "standard").unwrap();
    let wanted = shop.prepare(&serving.callee(), KeysWanted { after: 0 });
    let made = call(&wanted).unwrap().accepted().unwrap().into_value();
    let seeds = [shared.seed, *made.body.keys[0].seed.expose()];
    drop(serving);
    let log = std::fs::read_to_string(log_file(&town)).unwrap();
    assert!(log.contains("danger_shared_keys") && log.contains("keys came in stock"));
    for seed in seeds {
        let hex: String = seed.iter().map(|b| format!("{b:02x}")).collect();
        let list = format!("{seed:?}");
        let list = list.trim_matches(['[', ']']);
        assert!(!log.contains(&hex[..16]) && !log.contains(&list[..20]));
    }
}

/// Whatever was handed out before SIGKILL is remembered: no key ever goes to a second order.
#[test]
fn killed_while_handing_out_it_gives_no_key_twice() {
    const ORDERS: usize = 60;
    let town = town();
    join(&town);
    let shop = town.shop();
    let mut serving = serve(&town, &[]);
    serving.fill(&shop, ORDERS + 4);
    let tokens: Vec<SignedBytes> = (0..ORDERS).map(|_| shop.token()).collect();
    let mut known = BTreeMap::new();
    for round in 1..=5 {
        for (order, key) in under_fire(&mut serving, &tokens, round) {
            let before = known.insert(order, key);
            assert!(before.is_none_or(|before| before == key), "{order}");
        }
        serving = serve(&town, &[]);
    }
    for (order, token) in tokens.iter().enumerate() {
        let key = key_of(&ask(&serving.address, token, "standard").unwrap()).id;
        let before = known.insert(order, key);
        assert!(before.is_none_or(|before| before == key), "{order}");
    }
    let mut keys: Vec<_> = known.values().collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), ORDERS, "each has its own");
    let inquiry = shop.prepare(&serving.callee(), StockInquiry {});
    let answer = Client::default().call::<Stock>(shop.caller(), &serving.callee(), &inquiry);
    let stock = answer.unwrap().accepted().unwrap();
    assert_eq!(stock.body.piles[0].left, 4, "and none was lost");
}

type Key = tegata_protocol::order::OrderKeyId;

/// All ask at once; the service is killed as soon as the first few are answered.
fn under_fire(serving: &mut Serving, tokens: &[SignedBytes], round: usize) -> Vec<(usize, Key)> {
    let (told, answered) = std::sync::mpsc::channel();
    let address = serving.address.clone();
    std::thread::scope(|scope| {
        let asking: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(order, token)| {
                let (told, address) = (told.clone(), &address);
                scope.spawn(move || {
                    let url = format!("{address}/v1/keys");
                    let answer = ureq::post(&url).send(token.as_bytes()).ok();
                    let _gone = told.send(());
                    let bytes = answer?.body_mut().read_to_vec().ok()?;
                    let handed = tegata_protocol::cbor::decode(&bytes, 16 * 1024).ok()?;
                    Some((order, key_of(&handed).id))
                })
            })
            .collect();
        for _ in 0..round * 6 {
            answered.recv().unwrap();
        }
        serving.child.kill().unwrap();
        serving.child.wait().unwrap();
        let answers = asking.into_iter().map(|asker| asker.join().unwrap());
        answers.flatten().collect()
    })
}
