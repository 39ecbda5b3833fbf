//! The vectors in `spec/vectors/`: written from fixed seeds, read back and judged.
//!
//! What is read is the file, not what would be written today: a change of format that nobody meant
//! makes these tests fail.

use std::fs;

use serde_json::{Value, json};
use tegata_protocol::{SignedBytes, VerifyingKey};

use crate::{
    cbor_tree::{from_hex, to_hex},
    defects,
    kinds::Kind,
    pages, samples, town,
};

mod orders;
mod sealing;
mod secrets;
mod small;

/// How a file is made.
type Make = fn() -> Value;

/// Every file, its name and how it is made.
const FILES: &[(&str, Make)] = &[
    ("good.json", good),
    ("bad.json", bad),
    ("sealed.json", sealing::make),
    ("orders.json", orders::make),
    ("joining.json", secrets::joining),
    ("tickets.json", secrets::tickets),
    ("numbers.json", small::numbers),
    ("bills.json", small::bills),
];

/// Writes the files, if it was asked for: whoever runs all ignored tests changes nothing.
///
/// `TEGATA_REGENERATE=1 cargo test -p tegata-protocol -- --ignored regenerate_vectors`
#[test]
#[ignore = "writes spec/ when TEGATA_REGENERATE is set: after a change of format that was meant"]
fn regenerate_vectors() {
    if std::env::var_os("TEGATA_REGENERATE").is_none() {
        return;
    }
    pages::regenerate_refusals();
    for (name, make) in FILES {
        fs::write(path(name), text(&make())).unwrap();
    }
}

fn path(name: &str) -> std::path::PathBuf {
    pages::spec("vectors").join(name)
}

fn text(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

/// What a file says.
fn file(name: &str) -> Value {
    let path = path(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn vectors(name: &str) -> Vec<Value> {
    let vectors = file(name)["vectors"].as_array().unwrap().clone();
    assert!(!vectors.is_empty(), "{name} holds none");
    vectors
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    from_hex(word(value, field))
}

fn word<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {value}"))
}

fn hex(bytes: impl AsRef<[u8]>) -> Value {
    json!(to_hex(bytes.as_ref()))
}

fn seed(byte: u8) -> Value {
    hex([byte; 32])
}

fn good() -> Value {
    let rules = pages::rules();
    let vectors = samples::all().into_iter().map(|sample| {
        let kind = Kind::named(sample.kind);
        let fields = pages::explain(&rules, kind, &sample.signed.payload().unwrap());
        json!({
            "type": sample.kind,
            "label": kind.label,
            "note": sample.note,
            "signer_seed": seed(sample.seed),
            "public_key": hex(sample.key().verifying_key().as_bytes()),
            "signed": hex(sample.signed.as_bytes()),
            "digest": hex(sample.signed.digest().as_bytes()),
            "fields": fields.unwrap(),
        })
    });
    json!({
        "what": "one or more good examples of every signed type: COSE_Sign1 bytes, who signed, what they say",
        "vectors": vectors.collect::<Vec<_>>(),
    })
}

fn bad() -> Value {
    let vectors = defects::all().into_iter().map(|defect| {
        let key = town::signing(defect.seed).verifying_key();
        json!({
            "type": defect.kind,
            "defect": defect.name,
            "reason": defect.class,
            "says": defect.says,
            "public_key": hex(key.as_bytes()),
            "signed": hex(&defect.signed),
        })
    });
    json!({
        "what": "signed bytes with one defect each; read as the type, verified with the key, they must be refused",
        "vectors": vectors.collect::<Vec<_>>(),
    })
}

fn key(vector: &Value) -> VerifyingKey {
    VerifyingKey::from_bytes(&bytes(vector, "public_key").try_into().unwrap()).unwrap()
}

#[test]
fn good_vectors_are_accepted() {
    let rules = pages::rules();
    for vector in vectors("good.json") {
        let (name, note) = (word(&vector, "type"), word(&vector, "note"));
        let (kind, signed) = (Kind::named(name), bytes(&vector, "signed"));
        assert_eq!(kind.read(&signed, &key(&vector)), Ok(()), "{name} ({note})");
        let signed = SignedBytes::new(signed);
        assert_eq!(to_hex(signed.digest().as_bytes()), word(&vector, "digest"));
        let fields = pages::explain(&rules, kind, &signed.payload().unwrap());
        assert_eq!(fields.unwrap(), vector["fields"], "{name} ({note})");
        assert_eq!(json!(kind.label), vector["label"]);
    }
}

#[test]
fn bad_vectors_are_refused_for_their_one_defect() {
    let all = vectors("bad.json");
    for vector in &all {
        let (name, defect) = (word(vector, "type"), word(vector, "defect"));
        let read = Kind::named(name).read(&bytes(vector, "signed"), &key(vector));
        let reason = read.expect_err(defect);
        assert_eq!(
            reason.class,
            word(vector, "reason"),
            "{name}, {defect}: {}",
            reason.text
        );
        assert!(
            reason.text.contains(word(vector, "says")),
            "{defect}: {}",
            reason.text
        );
    }
    let mut names: Vec<_> = all
        .iter()
        .map(|v| (word(v, "type"), word(v, "defect")))
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len(), "two defects of one name");
}

/// Nobody edits these files by hand, and what writes them still writes the same.
#[test]
fn files_are_as_they_would_be_written() {
    for (name, make) in FILES {
        let same = fs::read_to_string(path(name)).is_ok_and(|old| old == text(&make()));
        assert!(
            same,
            "{name} differs: was a format changed? then regenerate_vectors"
        );
    }
}
