//! The log as evidence: every change is noticed and named; two gates find what both admitted.

use rusqlite::{Connection, params};
use tegata_gate::evidence;
use tegata_protocol::{PartyNumber, Role, SignedBytes};

use crate::{
    centre::{Centre, Mood, gate_number},
    door::{self, Place, check, check_later, log_key, show_later},
    process::Folder,
    shop::SHOP,
};

/// Five admissions and a second use.
fn place() -> Place {
    let place = Place::new();
    let gate = place.gate();
    for serial in 1..6 {
        assert!(check(&gate, &SHOP.show(serial)).admits());
    }
    assert!(!check_later(&gate, &show_later(SHOP, 3, 9), 9000).admits());
    place
}

fn problem(place: &Place) -> Option<String> {
    let events = [SHOP.loaded(&SHOP.check_data(1)).into()];
    let verified = evidence::verify(&place.log(), (gate_number(), &log_key()), &events);
    verified.err().map(|problem| problem.to_string())
}

#[test]
fn every_changed_column_is_named_by_its_row() {
    let place = place();
    assert_eq!(problem(&place), None);
    let connection = Connection::open(place.file()).unwrap();
    let columns = [
        "issuer",
        "series",
        "serial",
        "presentation",
        "at",
        "evidence",
        "record",
    ];
    for column in columns {
        let change = if matches!(column, "presentation" | "evidence" | "record") {
            let flipped: Vec<u8> = connection
                .query_row(
                    &format!("SELECT {column} FROM admission WHERE row = 3"),
                    [],
                    |r| r.get(0),
                )
                .map(|mut bytes: Vec<u8>| {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                    bytes
                })
                .unwrap();
            rusqlite::types::Value::Blob(flipped)
        } else {
            rusqlite::types::Value::Integer(77)
        };
        let before: rusqlite::types::Value = connection
            .query_row(
                &format!("SELECT {column} FROM admission WHERE row = 3"),
                [],
                |r| r.get(0),
            )
            .unwrap();
        let update = format!("UPDATE admission SET {column} = $1 WHERE row = 3");
        connection.execute(&update, params![change]).unwrap();
        let problem = problem(&place);
        assert!(
            problem
                .as_deref()
                .is_some_and(|p| p.starts_with("row 3 of the log")),
            "{column}: {problem:?}"
        );
        connection.execute(&update, params![before]).unwrap();
    }
    assert_eq!(problem(&place), None);
}

#[test]
fn a_missing_swapped_or_foreign_row_is_named() {
    let change = |statement: &str| {
        let place = place();
        let connection = Connection::open(place.file()).unwrap();
        connection.execute_batch(statement).unwrap();
        problem(&place).unwrap()
    };
    let missing = change("DELETE FROM admission WHERE row = 2");
    assert!(
        missing.contains("row 3") && missing.contains("row 2 is missing"),
        "{missing}"
    );
    let renumbered = change(
        "DELETE FROM admission WHERE row = 2;
         UPDATE admission SET row = row - 1 WHERE row > 2;",
    );
    assert!(
        renumbered.contains("row 2") && renumbered.contains("follow"),
        "{renumbered}"
    );
    let swapped = change(
        "UPDATE admission SET row = 99 WHERE row = 2;
         UPDATE admission SET row = 2 WHERE row = 3;
         UPDATE admission SET row = 3 WHERE row = 99;",
    );
    assert!(swapped.contains("row 2"), "{swapped}");
    let second = change("UPDATE second_use SET serial = 4");
    assert!(second.contains("second presentation 1"), "{second}");
    let first = change("DELETE FROM admission WHERE row = 1");
    assert!(first.contains("row 1 is missing"), "{first}");
}

#[test]
fn an_export_holds_and_every_change_of_it_is_noticed() {
    let place = place();
    let bytes = exported(&place);
    let imported = evidence::import(&bytes, &[]).unwrap();
    assert_eq!(imported.admissions.len(), 5);
    assert_eq!(imported.second_uses.len(), 1);
    assert!(
        evidence::import(&bytes, &[log_key()]).is_err(),
        "not the register's key"
    );
    for length in (0..bytes.len()).step_by(11) {
        assert!(
            evidence::import(&bytes[..length], &[]).is_err(),
            "{length} bytes"
        );
    }
    let record = imported.admissions[2].0.signed().as_bytes();
    let at = find(&bytes, record);
    for place in (at..at + record.len()).step_by(5) {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        assert!(evidence::import(&changed, &[]).is_err(), "byte {place}");
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> usize {
    let mut windows = haystack.windows(needle.len());
    windows.position(|window| window == needle).unwrap()
}

/// An export of a log of the test's own gate.
fn exported(place: &Place) -> Vec<u8> {
    exported_as(place, gate_number())
}

fn exported_as(place: &Place, number: PartyNumber) -> Vec<u8> {
    let mut record = SHOP.record();
    record.number = number;
    record.keys.signing = log_key();
    let record: SignedBytes = crate::centre::register_key().sign(&record);
    let mut bytes = Vec::new();
    evidence::export(&place.log(), &record, |item| {
        bytes.extend_from_slice(item);
        Ok::<(), tegata_gate::admission::StoreError>(())
    })
    .unwrap();
    bytes
}

/// Two gates that couldn't reach each other: each admitted serial 3 in good faith.
#[test]
fn two_gates_find_what_both_admitted() {
    let (north, south) = (place(), Place::new());
    let other = PartyNumber::new(Role::Gate, 6).unwrap();
    let gate = tegata_gate::Gate::new(
        door::identity(other),
        vec![SHOP.loaded(&SHOP.check_data(1))],
        south.store(),
    )
    .unwrap();
    gate.choose(&[]).unwrap();
    for serial in [7, 3, 8] {
        assert!(check_later(&gate, &show_later(SHOP, serial, 20), 20_000).admits());
    }
    let [a, b] = [exported(&north), exported_as(&south, other)];
    let read = |bytes: &[u8]| evidence::import(bytes, &[]).unwrap();
    let doubles = evidence::merge(&[read(&a), read(&b)]);
    assert_eq!(doubles.len(), 1);
    assert_eq!(doubles[0].ticket.serial.number(), 3);
    let sides = &doubles[0].sides;
    assert_eq!((sides[0].gate, sides[0].row), (gate_number(), 3));
    assert_eq!((sides[1].gate, sides[1].row), (other, 2));
    assert!(doubles[0].accuses_the_holder());
    assert_eq!(
        evidence::merge(&[read(&b), read(&a)]),
        doubles,
        "merging commutes"
    );
    assert_eq!(
        evidence::merge(&[read(&a), read(&a)]),
        [],
        "one export twice is no double use"
    );
}

/// The same by the program, with a code that somebody copied from a screen.
#[test]
fn the_program_exports_verifies_and_compares() {
    let (north, south) = (Folder::ready(), Folder::ready());
    let shown = north.shop.show(41);
    assert_eq!(north.check(&shown)["verdict"], "admitted");
    assert_eq!(north.check(&north.shop.show(42))["verdict"], "admitted");
    assert_eq!(south.check(&shown)["verdict"], "admitted");
    let export = |folder: &Folder| {
        let file = folder.path().join("day.cbor").to_str().unwrap().to_owned();
        folder.run("export", &["--json", &file]).succeeded();
        folder.run("export", &[&file]).ended(2);
        file
    };
    let (a, b) = (export(&north), export(&south));
    let merged = north.run("merge", &["--json", &a, &b]).ended(1).json();
    let double = &merged["double_uses"][0];
    assert_eq!(
        (&double["serial"], &double["accuses_the_holder"]),
        (&41.into(), &false.into())
    );
    assert_eq!(double["admissions"].as_array().unwrap().len(), 2);
    assert_eq!(merged["exports"][0]["registered"], true);
    let text = north.run("compare", &[&a, &b]).ended(1);
    assert!(text.out().contains("this accuses nobody"), "{}", text.out());

    let rows = north.run("log", &["--json"]).succeeded().out();
    assert_eq!(rows.lines().count(), 2);
    assert!(
        rows.contains("\"good_for\":\"Stalls, row 12, seat 30\""),
        "{rows}"
    );
    let csv = north.run("log", &["--csv"]).succeeded().out();
    assert_eq!(csv.lines().count(), 3);

    // Cutting the last row off leaves a good chain; the earlier export shows it.
    north.run("verify-log", &["--export", &a]).succeeded();
    let connection = Connection::open(north.gate().join("gate.sqlite")).unwrap();
    connection
        .execute("DELETE FROM admission WHERE row = 2", [])
        .unwrap();
    drop(connection);
    north.run("verify-log", &[]).succeeded();
    let cut = north
        .run("verify-log", &["--json", "--export", &a])
        .ended(4);
    assert_eq!(cut.json()["bad_row"], 2);
}

#[test]
fn the_program_names_the_tampered_row() {
    let folder = Folder::empty();
    folder.join(&Centre::start(Mood::Kind));
    folder.load(&folder.shop, 1);
    for serial in [1, 2, 3] {
        folder.check(&folder.shop.show(serial));
    }
    let connection = Connection::open(folder.gate().join("gate.sqlite")).unwrap();
    let tamper = "UPDATE admission SET at = at + 1 WHERE row = 2";
    connection.execute(tamper, []).unwrap();
    drop(connection);
    let verified = folder.run("verify-log", &["--json"]).ended(4);
    assert_eq!(verified.json()["bad_row"], 2);
    assert!(verified.err().contains("row 2"), "{}", verified.err());
}
