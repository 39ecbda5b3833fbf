//! Somebody who can write the log's file gives it a trigger that swallows admissions: one ticket
//! would be let in again and again, and the log would look whole.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tegata_gate::store::{FILE, LogReader, SqliteStore};
use tegata_gate::{Closed, Verdict, evidence};

use tegata_protocol::{Digest, refusal::Code};
use tegata_store_attacks::{
    foreign_parts_are_noticed_while_open, foreign_parts_are_refused, stranger,
};

use crate::{
    centre::gate_number,
    door::{Place, check, check_later, log_key, show_later},
    process::{Folder, program},
    shop::SHOP,
};

const LOST: &str = "CREATE TRIGGER lost BEFORE INSERT ON admission BEGIN SELECT RAISE(IGNORE); END";

fn meddle(file: &Path, sql: &str) {
    stranger(file).execute_batch(sql).unwrap();
}

#[test]
fn every_foreign_part_is_refused() {
    foreign_parts_are_refused(FILE, |folder| {
        SqliteStore::open(&folder.join(FILE))?;
        Ok(())
    });
}

#[test]
fn who_only_reads_the_log_refuses_them_too() {
    foreign_parts_are_refused(FILE, |folder| {
        let file = folder.join(FILE);
        if !file.exists() {
            SqliteStore::open(&file)?;
        }
        LogReader::open(&file)?;
        Ok(())
    });
}

#[test]
fn what_is_added_while_the_gate_is_open_is_noticed() {
    let place = Place::new();
    let mut store = place.store();
    foreign_parts_are_noticed_while_open(&place.file(), |n| {
        Ok(store.note_edition(SHOP.event(), u64::from(n) + 1, Digest::of(b"edition"))?)
    });
}

#[test]
fn a_running_gate_admits_nobody_while_its_log_swallows_admissions() {
    let place = Place::new();
    let gate = place.gate();
    assert!(check(&gate, &SHOP.show(40)).admits());
    meddle(&place.file(), LOST);
    for millis in [0, 5000, 10_000] {
        let verdict = check_later(&gate, &show_later(SHOP, 41, millis / 1000), millis);
        assert!(
            matches!(verdict, Verdict::Closed(Closed::LogFailed)),
            "{verdict:?}"
        );
    }
    assert_eq!(place_rows(&place), 1);
    // Whoever wasn't admitted isn't used up, and is admitted once when the log is good again.
    meddle(&place.file(), "DROP TRIGGER lost");
    assert!(check(&gate, &SHOP.show(41)).admits());
    let again = check_later(&gate, &show_later(SHOP, 41, 5), 5000);
    assert_eq!(again.code(), Some(Code::AlreadyUsed));
    let signer = (gate_number(), &log_key());
    let verified = evidence::verify(&place.log(), signer, &gate.events()).unwrap();
    assert_eq!(verified.head.row, 2);
}

fn place_rows(place: &Place) -> i64 {
    let count = "SELECT count(*) FROM admission";
    let log = stranger(&place.file());
    log.query_row(count, [], |row| row.get(0)).unwrap()
}

#[test]
fn the_program_admits_nobody_and_verify_log_names_the_trigger() {
    let folder = Folder::ready();
    let log = folder.gate().join(FILE);
    assert_eq!(folder.check(&folder.shop.show(40))["verdict"], "admitted");
    meddle(&log, LOST);
    let shown = base45::encode(folder.shop.show(41));
    for _ in 0..2 {
        let refused = folder.run("check", &["--json", "--text", &shown]).ended(4);
        assert!(!refused.out().contains("admitted"), "{}", refused.out());
    }
    let verified = folder.run("verify-log", &[]).ended(4);
    assert!(
        verified.err().contains("trigger \"lost\" on \"admission\""),
        "{}",
        verified.err()
    );
    for command in ["log", "status"] {
        folder.run(command, &[]).ended(4);
    }
    meddle(&log, "DROP TRIGGER lost");
    assert_eq!(folder.check(&folder.shop.show(41))["verdict"], "admitted");
    let verified = folder.run("verify-log", &["--json"]).succeeded().json();
    assert_eq!(verified["rows"], 2);
}

/// The trigger comes while the program has the log open.
#[test]
fn the_running_program_admits_nobody_either() {
    let folder = Folder::ready();
    let mut child = program()
        .args(["check", "--json", "--data"])
        .arg(folder.gate())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut show = |serial| -> Value {
        let text = base45::encode(folder.shop.show(serial)) + "\n";
        input.write_all(text.as_bytes()).unwrap();
        serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap()
    };
    assert_eq!(show(40)["verdict"], "admitted");
    meddle(&folder.gate().join(FILE), LOST);
    for serial in [41, 41, 42] {
        let answer = show(serial);
        assert_eq!(answer["verdict"], "closed", "{answer}");
    }
    drop(input);
    child.wait().unwrap();
    let verified = folder.run("verify-log", &[]).ended(4);
    assert!(verified.err().contains("lost"), "{}", verified.err());
}
