//! The program itself, as a process.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    story::gate,
    town::{CODE, Mischief, Town},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tegata-wallet");

/// A person with two password files and a wallet's folder.
pub(crate) struct Person {
    home: TempDir,
}

/// Which passwords are given.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Given {
    Nothing,
    A,
    Both,
}

impl Person {
    pub(crate) fn new() -> Self {
        let person = Self {
            home: tempfile::tempdir().unwrap(),
        };
        person.secret("a", "the first password");
        person.secret("b", "the second password");
        person
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn secret(&self, name: &str, text: &str) -> PathBuf {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(self.file(name)).unwrap();
        writeln!(file, "{text}").unwrap();
        self.file(name)
    }

    pub(crate) fn command(&self, given: Given, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .arg("--data")
            .arg(self.file("wallet"))
            .args(arguments)
            .env("TEGATA_AGREE", "yes")
            .stdin(Stdio::null());
        if given != Given::Nothing {
            command.arg("--password-a-file").arg(self.file("a"));
        }
        if given == Given::Both {
            command.arg("--password-b-file").arg(self.file("b"));
        }
        command
    }

    pub(crate) fn run(&self, given: Given, arguments: &[&str]) -> Output {
        self.command(given, arguments).output().unwrap()
    }

    /// Runs with `--json` and expects success.
    pub(crate) fn json(&self, given: Given, arguments: &[&str]) -> Value {
        let all = [&["--json"], arguments].concat();
        let output = self.run(given, &all);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn join(&self, town: &Town) {
        let slip = self.secret(
            "letter",
            &format!("Dear member,\n {}\nbye", town.slip().reveal()),
        );
        let slip = slip.display().to_string();
        let join = ["join", "--slip-file", &slip, "--name", "Hanako Yamada"];
        let status = self.json(Given::Both, &join);
        assert_eq!(status["registered"], true);
    }

    fn order(&self, town: &Town) -> Value {
        let order = ["order", &town.shop, "--series", "3", "--section", "1"];
        self.json(Given::A, &order)
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The whole way by command, as a script would go it.
#[test]
fn the_way_from_the_letter_to_the_gate_by_command() {
    let (town, person) = (Town::start(), Person::new());
    person.join(&town);
    let load = person.json(Given::A, &["load", "10000"]);
    assert_eq!(load["amount"]["minor"], 10_000);
    town.money_comes(10_000, load["reference"].as_str().unwrap());
    let collected = person.json(Given::A, &["collect"]);
    assert_eq!(collected["cards"][0]["value"]["text"], "JPY 10,000");
    let table = person.run(Given::Nothing, &["catalogue", &town.shop]);
    assert!(text(&table.stdout).contains("Evening concert"), "{table:?}");
    assert_eq!(person.order(&town)["total"]["minor"], 3000);
    let paid = person.json(Given::Both, &["pay", "--last", "--yes"]);
    assert_eq!(paid["status"], "held");
    town.deliver();
    let collected = person.json(Given::A, &["collect"]);
    let ticket = collected["tickets"][0]["ticket"].as_str().unwrap();
    let shown = person.json(Given::A, &["show", &ticket[..8], "--text"]);
    assert!(gate(shown["text"].as_str().unwrap(), None).is_ok());

    let (png, signed, head) = (
        person.file("t.png"),
        person.file("t.cose"),
        person.file("head"),
    );
    let path = |p: &Path| p.display().to_string();
    person.json(Given::A, &["show", ticket, "--png", &path(&png)]);
    assert!(fs::read(png).unwrap().starts_with(b"\x89PNG"));
    person.json(Given::A, &["export-ticket", ticket, &path(&signed)]);
    assert_eq!(fs::read(signed).unwrap()[0], 0xD2, "COSE_Sign1");
    person.json(Given::A, &["export-head", &path(&head)]);
    assert_eq!(fs::read(head).unwrap()[0], 0xD2);
    let entries = person.json(Given::A, &["history"]);
    assert_eq!(entries["entries"].as_array().unwrap().len(), 10);
    let terminal = person.run(Given::A, &["show", ticket]);
    assert!(text(&terminal.stdout).contains('▀'));
}

#[test]
fn exit_codes_and_words_say_what_happened() {
    let (town, person) = (Town::start(), Person::new());
    let none = person.run(Given::A, &["status"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("no vault here"), "{none:?}");
    person.join(&town);
    person.order(&town);
    town.misbehave(Mischief::SoldOut);
    let order = [
        "--json",
        "order",
        &town.shop,
        "--series",
        "3",
        "--section",
        "1",
    ];
    let refused = person.run(Given::A, &order);
    assert_eq!(refused.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(answer["refused"]["word"], "sold_out");
    assert!(
        text(&refused.stderr).contains("see you next year"),
        "{refused:?}"
    );
    town.misbehave(Mischief::None);

    // A alone pays nothing: nobody can be asked for B, and nobody agreed without --yes.
    let alone = person.run(Given::A, &["pay", "--last", "--yes"]);
    assert_eq!(alone.status.code(), Some(2), "{alone:?}");
    let silent = person.run(Given::Both, &["pay", "--last"]);
    assert_eq!(silent.status.code(), Some(2), "{silent:?}");
    assert_eq!(town.came(40).0, 0);
    person.secret("b", "not the second password");
    let wrong = person.run(Given::Both, &["pay", "--last", "--yes"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        text(&wrong.stderr).contains("wrong password B"),
        "{wrong:?}"
    );
    person.secret("a", "not the first password");
    let wrong = person.run(Given::A, &["history"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        text(&wrong.stderr).contains("wrong password A"),
        "{wrong:?}"
    );
}

#[test]
fn a_party_that_isnt_there_is_code_3() {
    let (town, person) = (Town::start(), Person::new());
    person.join(&town);
    let away = person.run(Given::A, &["send", "--centre", "http://127.0.0.1:9"]);
    assert_eq!(away.status.code(), Some(0), "nothing was pending: {away:?}");
    let balance = person.run(Given::A, &["balance"]);
    assert_eq!(balance.status.code(), Some(3), "{balance:?}");
}

#[test]
fn what_is_typed_wrongly_is_told_with_what_to_type() {
    let (town, person) = (Town::start(), Person::new());
    person.join(&town);
    let says = |arguments: &[&str], code: i32, words: &str| {
        let given = match arguments.first() {
            Some(&"catalogue") => Given::Nothing,
            Some(&"pay") => Given::Both,
            _ => Given::A,
        };
        let output = person.run(given, arguments);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(text(&output.stderr).contains(words), "{output:?}");
    };
    let bare = town.shop.strip_prefix("http://").unwrap();
    says(&["catalogue", bare], 2, &format!("write http://{bare}"));
    says(&["show", "da8"], 2, "at least 4");
    says(&["show", "da8f"], 2, "no ticket");
    person.order(&town);
    person.json(Given::Both, &["pay", "--last", "--yes"]);
    says(&["pay", "--last", "--yes"], 1, "tegata-wallet collect");
}

/// A registration signed offline, from a letter in HTML; `send` tells what came of it.
#[test]
fn a_deferred_registration_tells_that_it_came() {
    let (town, person) = (Town::start(), Person::new());
    let line = town.slip().reveal().replace('&', "&amp;");
    let letter = person.secret("letter.html", &format!("<p>Join<code>{line}</code></p>"));
    let letter = letter.display().to_string();
    let join = [
        "join",
        "--slip-file",
        &letter,
        "--name",
        "Hanako",
        "--later",
    ];
    let status = person.json(Given::Both, &join);
    assert_eq!(status["registered"], false);
    let sent = person.run(Given::A, &["send"]);
    assert_eq!(
        text(&sent.stdout),
        "registration: registered as M-48312-20752\n"
    );
}

/// The process is killed after it wrote down what it signed and while it waits for the answer.
#[test]
fn a_wallet_killed_in_the_middle_of_a_payment_pays_once() {
    let (town, person) = (Town::start(), Person::new());
    person.join(&town);
    person.order(&town);
    town.misbehave(Mischief::NeverAnswer);
    let mut command = person.command(Given::Both, &["pay", "--last", "--yes"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = Killed(child.unwrap());
    town.wait_for(40);
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    town.misbehave(Mischief::None);
    let status = person.json(Given::A, &["status"]);
    assert_eq!(status["pending"][0]["what"], "payment");
    let sent = person.json(Given::A, &["send"]);
    assert_eq!(sent["sent"][0]["result"], "settled");
    assert_eq!(town.came(40), (2, 1), "the same bytes twice");
    assert_eq!(town.book().payments.len(), 1);
}

/// The letter's code and the passwords are nowhere but where they must be.
#[test]
fn secrets_are_told_to_nobody() {
    let (town, person) = (Town::start(), Person::new());
    let slip = person.secret("letter", &town.slip().reveal());
    let slip = slip.display().to_string();
    let join = ["join", "--name", "H", "--slip-file", &slip];
    let mut command = person.command(Given::Both, &join);
    let output = command.env("TEGATA_LOG", "trace").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = text(&output.stdout) + &text(&output.stderr);
    for secret in [
        CODE,
        &CODE.replace('-', ""),
        "the first password",
        "the second password",
    ] {
        assert!(!told.contains(secret), "{told}");
        for file in fs::read_dir(person.file("wallet")).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            let held = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!held, "{secret}");
        }
    }
    let words = person.json(Given::Both, &["words"]);
    assert_eq!(words["words"].as_array().unwrap().len(), 24);
}

#[test]
fn passwords_change_and_words_restore_by_command() {
    let (town, person) = (Town::start(), Person::new());
    person.join(&town);
    let words = person.json(Given::Both, &["words"]);
    let new = person
        .secret("new", "quite another password")
        .display()
        .to_string();
    person.json(Given::Both, &["password", "b", "--new-password-file", &new]);
    person.order(&town);
    let old = person.run(Given::Both, &["pay", "--last", "--yes"]);
    assert_eq!(old.status.code(), Some(2));
    person.secret("b", "quite another password");
    let at_once = person.run(Given::Both, &["pay", "--last", "--yes", "--now"]);
    assert_eq!(at_once.status.code(), Some(1));
    person.json(Given::Both, &["pay", "--last", "--yes"]);

    let again = Person::new();
    let words: Vec<&str> = words["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w.as_str().unwrap())
        .collect();
    let file = again
        .secret("words", &words.join(" "))
        .display()
        .to_string();
    let history = person.file("wallet/history.tegata").display().to_string();
    let restore = ["restore", "--words-file", &file, "--history", &history];
    let status = again.json(Given::Both, &restore);
    assert_eq!(status["registered"], true);
    assert_eq!(
        again.json(Given::A, &["bills"])["bills"][0]["status"],
        "held"
    );
    again.json(Given::A, &["balance"]);
}

#[test]
fn the_page_prints_its_link_and_stops_when_told() {
    let (town, person) = (Town::start(), Person::new());
    person.join(&town);
    let mut command = person.command(Given::Nothing, &["serve", "--listen", "127.0.0.1:0"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = Killed(child.unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let link = line
        .split_whitespace()
        .find(|w| w.starts_with("http://"))
        .unwrap();
    let (_, path) = link.split_once("wallet.localhost").unwrap();
    let (port, path) = path.split_once('/').unwrap();
    let client = tegata_party::client::Client::default();
    let address = format!("http://127.0.0.1{port}");
    let door = client.get(&address, &format!("/{path}")).unwrap();
    assert!(text(&door).contains("Password A"), "{}", text(&door));
    // Others use the wallet while nobody has opened the page.
    person.json(Given::A, &["balance"]);
}

/// What a person does with the address in the QR code on a shop's page.
#[test]
fn an_order_is_paid_by_its_bills_address() {
    use crate::web_shop::{COST, ORDER, WebShop, path, receipt};
    let (town, shop, person) = (Town::start(), WebShop::start(), Person::new());
    person.join(&town);
    town.book().balance = 10_000;
    let bill = shop.bill(|_| {});
    let address = format!("{}{}", shop.address, path(&bill));
    let says = |arguments: &[&str], code: i32, words: &str| {
        let output = person.run(Given::Both, arguments);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(text(&output.stderr).contains(words), "{output:?}");
    };
    says(
        &["pay", "http://shop.localhost/bills/1", "--yes"],
        2,
        "scan the code",
    );
    let numbered = address.replace("shop.localhost", "127.0.0.1");
    says(
        &["pay", &numbered, "--yes"],
        1,
        "isn't the address of Kissa Momiji",
    );
    says(&["pay", &address, "--yes", "--now"], 1, "pay without --now");
    assert_eq!(town.came(40).0, 0);

    // Without --yes nobody is there to ask; the bill is shown all the same.
    let asked = person.run(Given::Both, &["pay", &address]);
    assert_eq!(asked.status.code(), Some(2), "{asked:?}");
    assert!(
        text(&asked.stdout).contains("Maple tea, 100 g"),
        "{asked:?}"
    );
    let paid = person.json(Given::Both, &["pay", &address, "--yes"]);
    assert_eq!(paid["status"], "held");
    let confirmed = crate::town::shop_key().sign(&receipt(Some(bill.digest())));
    town.confirm(COST, confirmed.into_bytes());
    let collected = person.json(Given::A, &["collect"]);
    assert_eq!(collected["orders"][0]["order"], ORDER.to_string());
    let again = person.run(Given::Both, &["pay", &address, "--yes"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("paid already"), "{again:?}");
    let bills = person.json(Given::A, &["bills"]);
    assert_eq!(bills["bills"][0]["status"], "confirmed");
    assert_eq!(bills["bills"][0]["delivery"], "post");
    let history = person.run(Given::A, &["history", "--csv"]);
    assert!(
        text(&history.stdout).contains(",order_confirmed,JPY,4350,5650,"),
        "{history:?}"
    );
}

/// A child that doesn't outlive its test.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
