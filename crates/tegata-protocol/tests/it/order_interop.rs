//! HPKE libraries in another language open what we seal and seal what we open; the program that
//! browsers run seals what we open, under Node's WebCrypto.
//!
//! Needs Node, and in `TEGATA_NODE_MODULES` the packages of `xtask/node`: `cargo xtask test` sees
//! to both.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tegata_protocol::{
    Suite, Unverified, Verified,
    order::{Binding, KeyKind, OpeningHalf, OrderKey, Part, Scheme, cart_digest, program},
};

use crate::{
    cbor_tree::{from_hex, to_hex},
    pages,
    samples::{self, ORDER, ORDER_SEED, SHOP, order_key},
    town,
};

/// Which library is asked, for which suite.
const LIBRARIES: [(&str, Suite); 3] = [
    ("core", Suite::Compact),
    ("hpke", Suite::Compact),
    ("core", Suite::Standard),
];

/// What the script answers to each job.
fn answers(jobs: &[Value]) -> Vec<Value> {
    std::env::var_os("TEGATA_NODE_MODULES")
        .expect("TEGATA_NODE_MODULES isn't set; run `cargo xtask test`");
    let mut node = Command::new("node");
    node.arg(pages::spec("tools/seal_orders.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = node.spawn().expect("Node starts");
    let mut input = child.stdin.take().unwrap();
    input.write_all(json!(jobs).to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), jobs.len());
    answers
}

fn answered(answer: &Value, job: &str) -> Vec<u8> {
    let bytes = answer["bytes"].as_str();
    from_hex(bytes.unwrap_or_else(|| panic!("{job}: {answer}")))
}

/// A key, the half that opens, and what an order is bound to.
struct Town {
    key: Verified<OrderKey>,
    half: OpeningHalf,
    binding: Binding,
}

fn town_of(scheme: Scheme, suite: Suite) -> Town {
    let shop = town::signing(SHOP);
    let signed = shop.sign(&order_key(scheme, suite));
    let key = Unverified::parse(signed)
        .unwrap()
        .verify(&shop.verifying_key())
        .unwrap();
    let half = OpeningHalf::of(&key, &[ORDER_SEED; 32]).unwrap();
    let binding = Binding::new(&key, ORDER, cart_digest(&samples::cart_lines()));
    Town { key, half, binding }
}

impl Town {
    /// The key's bytes, as libraries and the program take them.
    fn bytes(&self) -> Vec<u8> {
        match &self.key.part {
            Part::Shared(secret) => secret.expose().to_vec(),
            Part::Public(key) => key.as_bytes().to_vec(),
        }
    }

    /// The suite's number; 0 for a shared key.
    fn number(&self) -> u8 {
        match self.key.part.suite() {
            None => 0,
            Some(Suite::Compact) => 1,
            Some(Suite::Standard) => 2,
        }
    }

    fn info(&self) -> String {
        to_hex(&self.binding.info())
    }
}

fn plain() -> Scheme {
    "order-public-0".parse().unwrap()
}

fn forms() -> [Vec<u8>; 3] {
    let sample = samples::order_form().to_bytes().to_vec();
    [vec![], sample, vec![7; 60_000]]
}

/// RFC 9180, by others.
#[test]
#[ignore = "needs TEGATA_NODE_MODULES: run cargo xtask test"]
fn strangers_libraries_open_what_we_seal() {
    let (mut jobs, mut wanted) = (Vec::new(), Vec::new());
    for (library, suite) in LIBRARIES {
        let town = town_of(plain(), suite);
        for form in forms() {
            let seal = |rng: &mut _| town.key.part.seal(plain(), &town.binding, &form, None, rng);
            let sealed = seal(&mut town::rng()).unwrap();
            let mut changed = sealed.clone();
            *changed.last_mut().unwrap() ^= 1;
            for (sealed, opens) in [(sealed, Some(form)), (changed, None)] {
                jobs.push(json!({
                    "do": "open", "library": library, "suite": town.number(),
                    "seed": to_hex(&[ORDER_SEED; 32]), "info": town.info(), "sealed": to_hex(&sealed),
                }));
                wanted.push(opens);
            }
        }
    }
    for ((job, answer), wanted) in jobs.iter().zip(answers(&jobs)).zip(wanted) {
        let opened = answer["bytes"].as_str().map(from_hex);
        assert_eq!(opened, wanted, "{}: {answer}", job["library"]);
    }
}

#[test]
#[ignore = "needs TEGATA_NODE_MODULES: run cargo xtask test"]
fn we_open_what_strangers_libraries_seal() {
    let mut jobs = Vec::new();
    for (library, suite) in LIBRARIES {
        let town = town_of(plain(), suite);
        for form in forms() {
            jobs.push(json!({
                "do": "seal", "library": library, "suite": town.number(),
                "key": to_hex(&town.bytes()), "info": town.info(), "form": to_hex(&form),
            }));
        }
    }
    let all = LIBRARIES
        .iter()
        .flat_map(|(name, suite)| forms().map(|form| (*name, *suite, form)));
    for ((library, suite, form), answer) in all.zip(answers(&jobs)) {
        let town = town_of(plain(), suite);
        let sealed = answered(&answer, library);
        let opened = town.half.open(plain(), &town.binding, &sealed);
        assert_eq!(*opened.unwrap(), form, "{library} {suite:?}");
    }
}

/// A run of the program in a browser's place: what it is given.
struct Run {
    scheme: Scheme,
    typed: &'static str,
    form: Vec<u8>,
}

impl Run {
    fn job(&self) -> Value {
        let town = town_of(self.scheme, Suite::Compact);
        json!({ "do": "program", "program": program(), "job": {
            "suite": town.number(),
            "key": to_hex(&town.bytes()),
            "info": town.info(),
            "layers": self.scheme.layers(),
            "typed": self.typed,
            "form": to_hex(&self.form),
        }})
    }
}

fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for kind in [KeyKind::Shared, KeyKind::Public] {
        for layers in 0..=3 {
            let scheme = Scheme::new(Scheme::DEFAULT.scope(), kind, layers).unwrap();
            for typed in ["", "winter in Kyoto", "十二文字にはまだ足りない"] {
                let forms = if typed.is_empty() {
                    forms().to_vec()
                } else {
                    vec![forms()[1].clone()]
                };
                runs.extend(forms.into_iter().map(|form| Run {
                    scheme,
                    typed,
                    form,
                }));
            }
        }
    }
    runs
}

/// The program's sealings open in Rust: both suites that Node has, every depth, random and typed-in
/// keys. None opens for another order, and no two are alike.
#[test]
#[ignore = "needs TEGATA_NODE_MODULES: run cargo xtask test"]
fn what_the_program_seals_opens() {
    let runs = runs();
    let jobs: Vec<Value> = runs.iter().map(Run::job).collect();
    let twice = [jobs.clone(), jobs].concat();
    let answers = answers(&twice);
    let (first, second) = answers.split_at(runs.len());
    for ((run, one), other) in runs.iter().zip(first).zip(second) {
        let town = town_of(run.scheme, Suite::Compact);
        let (name, sealed) = (run.scheme.to_string(), answered(one, "program"));
        let opened = town.half.open(run.scheme, &town.binding, &sealed);
        assert_eq!(*opened.unwrap(), run.form, "{name} {:?}", run.typed);
        assert_ne!(sealed, answered(other, "program"), "{name}");
        let elsewhere = Binding::new(&town.key, ORDER, cart_digest(&[]));
        assert!(town.half.open(run.scheme, &elsewhere, &sealed).is_err());
        let overhead = 48 + 48 * usize::from(run.scheme.layers());
        assert_eq!(sealed.len(), run.form.len() + overhead, "{name}");
    }
}

/// A program that does one thing otherwise seals nothing that opens.
#[test]
#[ignore = "needs TEGATA_NODE_MODULES: run cargo xtask test"]
fn a_changed_program_seals_nothing_that_opens() {
    let run = |kind| Run {
        scheme: Scheme::new(Scheme::DEFAULT.scope(), kind, 1).unwrap(),
        typed: "",
        form: b"form".to_vec(),
    };
    for kind in [KeyKind::Shared, KeyKind::Public] {
        let run = run(kind);
        let town = town_of(run.scheme, Suite::Compact);
        for (from, to) in [
            ("eae_prk", "eae_prq"),
            ("base_nonce", "base-nonce"),
            ("'info_hash', info", "'info_hash', ''"),
            ("'shared_secret', bytes(enc", "'shared_secret', bytes(none"),
            ("new Uint8Array(12)", "new Uint8Array(13)"),
            (", data), sealed)", ", data), random(9))"),
        ] {
            let changed = program().replace(from, to);
            assert_ne!(changed, program(), "{from}");
            let mut job = run.job();
            job["program"] = json!(changed);
            let sealed = answered(&answers(&[job])[0], from);
            let opened = town.half.open(run.scheme, &town.binding, &sealed);
            assert!(opened.is_err(), "{from}");
        }
    }
}

/// What can't be sealed gives a name, never half a sealing.
#[test]
#[ignore = "needs TEGATA_NODE_MODULES: run cargo xtask test"]
fn the_program_names_what_went_wrong() {
    let run = Run {
        scheme: Scheme::DEFAULT,
        typed: "",
        form: b"form".to_vec(),
    };
    let bent = |field: &str, value: Value| {
        let mut job = run.job();
        job["job"][field] = value;
        job
    };
    let jobs = [
        bent("key", json!(to_hex(&[1; 31]))),
        bent("key", json!(to_hex(&[0; 32]))),
        bent("suite", json!(7)),
    ];
    for (job, answer) in jobs.iter().zip(answers(&jobs)) {
        let name = answer["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        assert!(name.ends_with("Error"), "{name}: {}", job["job"]["suite"]);
    }
}
