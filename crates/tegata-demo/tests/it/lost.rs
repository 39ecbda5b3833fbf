//! A member loses everything but the 24 words, and is a member again: with the real programs.

use std::{fs, path::Path};

use serde_json::Value;
use tegata_demo::{
    processes::{Ended, Programs},
    town::{Limits, Town},
};

/// A list of words that fits its checksum, and that nobody registered with.
const NOBODYS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
     abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
     abandon abandon abandon art";

/// Aiko with a wallet's folder. Her passwords lie elsewhere.
struct Aiko<'a> {
    town: &'a Town,
    shop: String,
}

impl Aiko<'_> {
    fn run(&self, arguments: &[&str]) -> Ended {
        let (a, b) = ("aiko A", "aiko B");
        let (a, b) = (
            self.town.password(a).unwrap(),
            self.town.password(b).unwrap(),
        );
        let data = self.town.path("wallet");
        let mut all = vec!["--data", &data, "--json"];
        all.extend(arguments);
        all.extend(["--password-a-file", &a]);
        if ["join", "pay", "words", "restore"].contains(&arguments[0]) {
            all.extend(["--password-b-file", &b]);
        }
        self.town.programs.run("tegata-wallet", &all).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(arguments).json().unwrap()
    }

    fn restore(&self, words: &str, centre: &str) -> Ended {
        let file = self.town.path("words");
        fs::write(&file, words).unwrap();
        let root = fs::read_to_string(self.town.path("centre/root.pub")).unwrap();
        let home = ["--centre", centre, "--root", root.trim()];
        self.run(&[&["restore", "--words-file", &file][..], &home].concat())
    }

    /// What goes wrong: the exit code, and what is said to the person. No wallet is made.
    fn fails(&self, words: &str, centre: &str) -> (i32, String) {
        let ended = self.restore(words, centre);
        assert!(!Path::new(&self.town.path("wallet/vault.tegata")).exists());
        (ended.code.unwrap(), ended.stderr)
    }

    fn buys(&self) -> String {
        let order = ["order", &self.shop, "--series", "101", "--section", "1"];
        self.json(&order);
        self.json(&["pay", "--last", "--yes"]);
        let collected = self.json(&["collect", "--wait", "20"]);
        let ticket = collected["tickets"][0]["ticket"].as_str();
        ticket
            .unwrap_or_else(|| panic!("no ticket: {collected}"))
            .to_owned()
    }

    fn balance(&self) -> u64 {
        let balance = self.json(&["balance"]);
        balance["available"]["minor"].as_u64().unwrap()
    }
}

/// The bank says that Aiko paid in.
fn money_comes(town: &Town, reference: &str) {
    let sample = include_str!("../../../tegata-bank/samples/statement-good.xml");
    let file = town.path("statement.xml");
    fs::write(&file, sample.replace("RF18539007547034", reference)).unwrap();
    let (centre, operator) = (town.path("centre"), town.password("operator").unwrap());
    let import = ["bank", "import", &file, "--data", &centre];
    let import = [&import[..], &["--password-file", &operator]].concat();
    town.centre(&import).unwrap().done().unwrap();
}

fn town(folder: &Path) -> Town {
    let programs = Path::new(env!("CARGO_BIN_EXE_tegata-demo"));
    let programs = Programs::within(programs.parent().unwrap().to_owned());
    Town::found(programs, folder.join("town"), Limits::Usual).unwrap()
}

#[test]
#[ignore = "needs every program built: run cargo xtask test"]
fn the_words_alone_bring_a_member_back() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let mut town = town(folder.path());
    let shop = town.apply("shop", "Hanamizuki Books").unwrap();
    runtime.block_on(town.open_shop(&shop)).unwrap();
    let letter = town.apply("member", "Aiko Sato").unwrap();
    let aiko = Aiko {
        shop: format!("http://{}", town.shop.unwrap()),
        town: &town,
    };
    let join = ["join", "--agree", "--no-words", "--slip-file", &letter.slip];
    aiko.json(&[&join[..], &["--name", "Aiko Sato"]].concat());
    let load = aiko.json(&["load", "10000"]);
    money_comes(&town, load["reference"].as_str().unwrap());
    aiko.json(&["collect"]);
    let ticket = aiko.buys();
    let left = aiko.balance();
    let words = aiko.json(&["words"])["words"].clone();
    let words: Vec<&str> = words
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w.as_str().unwrap())
        .collect();
    let words = words.join(" ");

    fs::remove_dir_all(town.path("wallet")).unwrap();

    let centre = format!("http://{}", town.guard);
    mistakes_are_told(&aiko, &words, &centre);
    let restored = aiko.restore(&words, &centre).json().unwrap();
    assert_eq!(restored["number"], letter.number.as_str());
    assert_eq!(aiko.balance(), left);
    // The shop has to be met before what it delivered is understood.
    assert_eq!(
        aiko.json(&["tickets"])["tickets"].as_array().unwrap().len(),
        0
    );
    let collected = aiko.json(&["collect", "--shop", &aiko.shop]);
    assert_eq!(
        collected["tickets"][0]["ticket"],
        ticket.as_str(),
        "{collected}"
    );
    aiko.json(&["show", &ticket]);
    let second = aiko.buys();
    assert_ne!(second, ticket);
    assert!(aiko.balance() < left);
}

fn mistakes_are_told(aiko: &Aiko<'_>, words: &str, centre: &str) {
    let first = words.split(' ').next().unwrap();
    let (code, said) = aiko.fails(&words.replacen(first, "qwxyz", 1), centre);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("word 1 isn't one of the list's"), "{said}");
    let (code, said) = aiko.fails(NOBODYS, centre);
    assert_eq!(code, 1, "{said}");
    let nobody = "no member with the keys of these words";
    assert!(said.contains(nobody), "{said}");
    // Nothing listens on port 1.
    let (code, said) = aiko.fails(words, "http://127.0.0.1:1");
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("can't be reached"), "{said}");
}
