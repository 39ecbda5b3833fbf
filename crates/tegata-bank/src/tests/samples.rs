//! The files in `samples/`, and what the reader says of each.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::*;

/// Name and bytes of every file in `samples/`.
fn samples() -> Vec<(String, Vec<u8>)> {
    let good = statement(&good()).unwrap();
    let mut all = vec![
        ("statement-good.xml".to_owned(), good.clone().into_bytes()),
        ("statement-good-batch.xml".to_owned(), batch().into_bytes()),
        (
            "statement-good-deposit.xml".to_owned(),
            deposit().into_bytes(),
        ),
        (
            "statement-good-nothing-to-import.xml".to_owned(),
            quiet().into_bytes(),
        ),
    ];
    for (name, from, to) in DEFECTS {
        assert!(good.contains(*from), "{name}: nothing to replace");
        all.push((bad(name), good.replacen(from, to, 1).into_bytes()));
    }
    all.push((
        bad("batch-amounts"),
        batch().replacen(">2500<", ">2501<", 1).into_bytes(),
    ));
    all.push((
        bad("batch-count"),
        batch()
            .replacen("<NbOfTxs>2<", "<NbOfTxs>3<", 1)
            .into_bytes(),
    ));
    all.push((bad("empty-file"), Vec::new()));
    all.push((
        bad("csv"),
        b"date;amount;text\n2026-11-20;10000;top-up\n".to_vec(),
    ));
    let cut = good.find("</Ntry>").unwrap();
    all.push((bad("truncated"), good.as_bytes()[..cut].to_vec()));
    let mut latin1 = good.replace("サトウ　タロウ", "M?LLER").into_bytes();
    let at = latin1.windows(7).position(|w| w == b"M?LLER<").unwrap();
    latin1[at + 1] = 0xdc;
    all.push((bad("not-utf-8"), latin1));
    let (from, to) = (
        good.find("    <Stmt>").unwrap(),
        good.find("  </BkToCstmrStmt>").unwrap(),
    );
    let twice = format!("{}{}{}", &good[..to], &good[from..to], &good[to..]);
    all.push((bad("statement-twice"), twice.into_bytes()));
    all
}

fn bad(name: &str) -> String {
    format!("statement-bad-{name}.xml")
}

fn batch() -> String {
    let mut facts = good();
    facts.entries.truncate(2);
    let part = SampleTransaction {
        reference: Some(sample::REFERENCE.to_owned()),
        ..SampleTransaction::new(yen(2_500), "TANAKA HANAKO")
    };
    let other = SampleTransaction::new(yen(4_000), "SUZUKI ICHIRO");
    facts.entries[0].transactions = vec![part, other];
    statement(&facts).unwrap()
}

/// Cash paid in at the bank's counter, under a reference that the clerk typed.
fn deposit() -> String {
    let mut facts = good();
    let text = format!("現金入金 {}", sample::REFERENCE);
    let cash = SampleEntry::typed(yen(3_000), "TANAKA HANAKO", &text).in_cash();
    facts.entries = vec![facts.entries.remove(1), cash];
    statement(&facts).unwrap()
}

fn quiet() -> String {
    statement(&SampleStatement {
        entries: Vec::new(),
        ..good()
    })
    .unwrap()
}

/// Defects that one replacement in the good sample makes.
const DEFECTS: &[(&str, &str, &str)] = &[
    ("version-001-02", "camt.053.001.08", "camt.053.001.02"),
    ("intraday-camt-052", "camt.053.001.08", "camt.052.001.08"),
    (
        "notification-camt-054",
        "camt.053.001.08",
        "camt.054.001.08",
    ),
    (
        "no-namespace",
        " xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"",
        "",
    ),
    (
        "doctype",
        "<Document",
        "<!DOCTYPE Document [<!ENTITY a \"b\">]>\n<Document",
    ),
    ("own-entity", "TANAKA HANAKO", "&name;"),
    ("other-account", "0033-001-1234567", "0033-001-7654321"),
    (
        "iban-check-digits",
        "<Othr>\n            <Id>0033-001-1234567</Id>\n          </Othr>",
        "<IBAN>DE88370400440532013000</IBAN>",
    ),
    ("no-opening-balance", "OPBD", "OPAV"),
    ("closing-balance-twice", "OPBD", "CLBD"),
    ("closing-balance", ">1267320<", ">1267321<"),
    (
        "opening-balance-overdrawn",
        "<CdtDbtInd>CRDT<",
        "<CdtDbtInd>DBIT<",
    ),
    (
        "entry-amount",
        "<Amt Ccy=\"JPY\">3200<",
        "<Amt Ccy=\"JPY\">3300<",
    ),
    ("entry-missing", "<NbOfNtries>5<", "<NbOfNtries>6<"),
    ("summary-sum", "<Sum>25700<", "<Sum>25600<"),
    (
        "other-currency",
        "<Amt Ccy=\"JPY\">5000<",
        "<Amt Ccy=\"EUR\">5000<",
    ),
    ("no-currency", "<Amt Ccy=\"JPY\">5000<", "<Amt>5000<"),
    (
        "amount-with-fraction-of-a-yen",
        "<Amt Ccy=\"JPY\">5000<",
        "<Amt Ccy=\"JPY\">5000.5<",
    ),
    (
        "amount-with-sign",
        "<Amt Ccy=\"JPY\">880<",
        "<Amt Ccy=\"JPY\">-880<",
    ),
    (
        "amount-with-exponent",
        "<Amt Ccy=\"JPY\">5000<",
        "<Amt Ccy=\"JPY\">5e3<",
    ),
    (
        "amount-with-comma",
        "<Amt Ccy=\"JPY\">5000<",
        "<Amt Ccy=\"JPY\">5,000<",
    ),
    ("status-unknown", "<Cd>PDNG</Cd>", "<Cd>LATE</Cd>"),
    ("no-status", "<Sts><Cd>BOOK</Cd></Sts>", ""),
    (
        "misspelt-element",
        "<ValDt><Dt>2026-11-20</Dt></ValDt>",
        "<ValueDt><Dt>2026-11-20</Dt></ValueDt>",
    ),
    (
        "booking-date-that-isnt",
        "<BookgDt><Dt>2026-11-20",
        "<BookgDt><Dt>2026-11-31",
    ),
    (
        "page-of-several",
        "<ElctrncSeqNb>",
        "<StmtPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>\n      <ElctrncSeqNb>",
    ),
    (
        "marked-duplicate",
        "<Acct>",
        "<CpyDplctInd>DUPL</CpyDplctInd>\n      <Acct>",
    ),
    ("text-between-elements", "<GrpHdr>", "<GrpHdr>hello"),
    ("something-behind", "</Document>", "</Document><Document/>"),
    (
        "elements-crossed",
        "</Id>\n        <Ccy>",
        "</Ccy>\n        <Ccy>",
    ),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples")
}

#[test]
fn the_shipped_files_are_what_is_described_here() {
    let write = std::env::var_os("TEGATA_WRITE_SAMPLES").is_some();
    for (name, bytes) in samples() {
        let path = folder().join(&name);
        if write {
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(
            fs::read(&path).unwrap_or_default(),
            bytes,
            "{name}: TEGATA_WRITE_SAMPLES=1"
        );
    }
    assert_eq!(
        fs::read_dir(folder()).unwrap().count(),
        samples().len(),
        "no other files"
    );
}

#[test]
fn each_defect_is_refused_with_line_path_and_what_was_expected() {
    let mut said = String::new();
    for (name, bytes) in samples() {
        let name = name
            .trim_start_matches("statement-")
            .trim_end_matches(".xml");
        match camt053::parse_for(&bytes, &account()) {
            Ok(file) => writeln!(said, "{name}: {:?}", file.content()).unwrap(),
            Err(error) => writeln!(said, "{name}: {error}").unwrap(),
        }
        assert_eq!(
            name.starts_with("good"),
            camt053::parse_for(&bytes, &account()).is_ok(),
            "{said}"
        );
    }
    insta::assert_snapshot!(said);
}
