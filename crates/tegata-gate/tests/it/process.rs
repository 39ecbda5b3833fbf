//! The program as a process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tegata_protocol::{OpeningKey, SignedBytes, Unverified, record::PartyRecord};

use crate::{
    centre::{Centre, Mood, gate_number, now, register_key},
    shop::{SHOP, Shop},
};

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tegata-gate"));
    command
        .env_clear()
        .env("TEGATA_LOG", "warn")
        .env("TEGATA_AGREE", "yes")
        .stdin(Stdio::null());
    command
}

/// A gate's folder, joined, beside a shop that can make check data for it.
#[derive(Debug)]
pub(crate) struct Folder {
    temporary: tempfile::TempDir,
    pub(crate) shop: Shop,
}

impl Folder {
    /// An empty place.
    pub(crate) fn empty() -> Self {
        let shop = Shop { now: now(), ..SHOP };
        Self {
            temporary: tempfile::tempdir().unwrap(),
            shop,
        }
    }

    /// Joined, with check data of the shop's event.
    pub(crate) fn ready() -> Self {
        let folder = Self::empty();
        folder.join(&Centre::start(Mood::Kind));
        folder.load(&folder.shop, 1);
        folder
    }

    pub(crate) fn gate(&self) -> PathBuf {
        self.temporary.path().join("gate")
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.temporary.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Runs a command on the folder.
    pub(crate) fn run(&self, command: &str, arguments: &[&str]) -> Ran {
        let output = program()
            .arg(command)
            .arg("--data")
            .arg(self.gate())
            .args(arguments)
            .output()
            .unwrap();
        Ran(output)
    }

    pub(crate) fn try_join(&self, centre: &Centre) -> Ran {
        let slip = self.file("slip.txt", centre.slip(gate_number()).reveal().as_bytes());
        let slip = slip.to_str().unwrap();
        let who = ["--name", "North gate", "--address", "http://gate.localhost"];
        self.run(
            "join",
            &[&["--json", "--slip-file", slip][..], &who].concat(),
        )
    }

    /// Joins, and nobody is there to agree to the terms.
    pub(crate) fn join_unasked(&self, centre: &Centre) -> Ran {
        let slip = self.file("slip.txt", centre.slip(gate_number()).reveal().as_bytes());
        let slip = slip.to_str().unwrap();
        let who = ["--name", "North gate", "--address", "http://gate.localhost"];
        let mut command = program();
        command.env_remove("TEGATA_AGREE").arg("join").arg("--data");
        command
            .arg(self.gate())
            .args(["--slip-file", slip])
            .args(who);
        Ran(command.stdin(std::process::Stdio::null()).output().unwrap())
    }

    pub(crate) fn join(&self, centre: &Centre) {
        self.try_join(centre).succeeded();
    }

    /// The gate's own record, as it's carried to the shop.
    pub(crate) fn record(&self) -> PartyRecord {
        let bytes = std::fs::read(self.gate().join("record.cose")).unwrap();
        let record = Unverified::<PartyRecord>::parse(SignedBytes::new(bytes)).unwrap();
        let record = record.verify(&register_key().verifying_key()).unwrap();
        record.into_value()
    }

    /// A file of check data for this gate.
    pub(crate) fn check_data(&self, shop: &Shop, edition: u64) -> PathBuf {
        let record = self.record();
        let opening = &record.keys.opening;
        let sealed = shop.sealed(shop.check_data(edition), record.number, opening);
        self.file(&format!("{}-{edition}.sealed", shop.series), &sealed)
    }

    pub(crate) fn shop_record(&self, shop: &Shop) -> PathBuf {
        let record = register_key().sign(&shop.record());
        self.file(&format!("shop-{}.cose", shop.number), record.as_bytes())
    }

    pub(crate) fn try_load(&self, file: &Path, shop: &Shop) -> Ran {
        let record = self.shop_record(shop);
        let (file, record) = (file.to_str().unwrap(), record.to_str().unwrap());
        self.run("load", &["--json", file, "--shop-record", record])
    }

    pub(crate) fn load(&self, shop: &Shop, edition: u64) -> Value {
        let file = self.check_data(shop, edition);
        self.try_load(&file, shop).succeeded().json()
    }

    pub(crate) fn check(&self, presentation: &[u8]) -> Value {
        let text = base45::encode(presentation);
        self.run("check", &["--json", "--text", &text]).json()
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code(), 0, "{}\n{}", self.out(), self.err());
        self
    }

    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{}\n{}", self.out(), self.err());
        self
    }

    pub(crate) fn json(&self) -> Value {
        let out = self.out();
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}\n{}", self.err()))
    }
}

pub(crate) fn other_opening() -> OpeningKey {
    OpeningKey::from_seed(tegata_protocol::Suite::Standard, &[77; 32])
}
