//! SIGKILL in the middle of a run of admissions: whoever was told "admitted" never enters again.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use rand_core::Rng as _;
use serde_json::Value;

use crate::{
    process::{Folder, program},
    shop::rng,
};

/// Lets the program check tickets until so many are acknowledged, then kills it.
fn run_and_kill(folder: &Folder, serials: &[u32], after: usize) -> BTreeSet<u32> {
    let mut child = program()
        .args(["check", "--json", "--data"])
        .arg(folder.gate())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: Vec<String> = serials
        .iter()
        .map(|serial| base45::encode(folder.shop.show(*serial)) + "\n")
        .collect();
    // The program is killed while more waits in its input.
    let feeder = std::thread::spawn(move || {
        for line in lines {
            if input.write_all(line.as_bytes()).is_err() {
                return;
            }
        }
    });
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = BTreeSet::new();
    for serial in serials.iter().take(after) {
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        if answer["verdict"] == "admitted" {
            acknowledged.insert(*serial);
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it still managed to say before it died counts too.
    for (line, serial) in answers.zip(serials.iter().skip(after)) {
        let said = serde_json::from_str::<Value>(&line.unwrap());
        if said.is_ok_and(|answer| answer["verdict"] == "admitted") {
            acknowledged.insert(*serial);
        }
    }
    feeder.join().unwrap();
    acknowledged
}

#[test]
fn nobody_acknowledged_before_a_kill_enters_again() {
    let folder = Folder::ready();
    let serials: Vec<u32> = (1..100).filter(|serial| *serial != 13).collect();
    let mut told = BTreeSet::new();
    let mut rng = rng();
    for _ in 0..12 {
        let after = 1 + usize::try_from(rng.next_u32() % 30).unwrap();
        for serial in run_and_kill(&folder, &serials, after) {
            assert!(told.insert(serial), "serial {serial} was admitted twice");
        }
    }
    assert!(!told.is_empty());
    let verified = folder.run("verify-log", &["--json"]).succeeded().json();
    let rows = verified["rows"].as_u64().unwrap();
    let told = u64::try_from(told.len()).unwrap();
    assert!(rows >= told, "{rows} rows, {told} told");
    assert_eq!(verified["tickets_verified"], rows);
}
