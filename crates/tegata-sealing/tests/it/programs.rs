//! The public log of programs: chained, signed, and every change is noticed.

use rusqlite::Connection;
use tegata_protocol::order::{ProgramEntry, program, program_digest};
use tegata_protocol::{Digest, SignedBytes, SigningKey, Unverified, cbor};
use tegata_sealing::programs::{self, LogError};

use crate::town::{Open, Town, agent};

fn publish(open: &Open, text: &str) -> (Digest, bool) {
    let service = &open.service;
    let (store, dir) = (service.store(), service.dir());
    let key = service.registered().keys.signing();
    programs::publish(store, dir, key, text, service.now()).unwrap()
}

fn check(open: &Open) -> Result<Vec<ProgramEntry>, LogError> {
    let service = &open.service;
    let key = service.registered().keys.signing().verifying_key();
    programs::check(service.store(), service.dir(), &key)
}

fn get(open: &Open, path: &str) -> (u16, Vec<u8>) {
    let url = format!("{}{path}", open.address);
    let mut response = agent().get(&url).call().unwrap();
    let status = response.status().as_u16();
    (status, response.body_mut().read_to_vec().unwrap())
}

#[test]
fn the_own_program_is_published_by_itself_and_once() {
    let town = Town::new();
    let open = town.open();
    open.service.publish_own_program().unwrap();
    open.kill();
    let open = town.open();
    let entries = check(&open).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].program, program_digest());
    let (status, text) = get(&open, &format!("/v1/programs/{}", program_digest()));
    assert_eq!((status, text.as_slice()), (200, program().as_bytes()));
    for unknown in [Digest::of(b"x").to_string(), "x".to_owned()] {
        assert_eq!(get(&open, &format!("/v1/programs/{unknown}")).0, 404);
    }
}

#[test]
fn anybody_can_follow_the_chain() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let (digest, new) = publish(&open, "onmessage = 1");
    assert!(new && !publish(&open, "onmessage = 1").1);
    let (_, bytes) = get(&open, "/v1/log");
    let entries: Vec<SignedBytes> = cbor::decode(&bytes, bytes.len()).unwrap();
    let own = open.service.registered().record.keys.signing;
    let mut previous = Digest::from_bytes([0; 32]);
    for (entry, number) in entries.iter().zip(1..) {
        let entry = Unverified::<ProgramEntry>::parse(entry.clone()).unwrap();
        let entry = entry.verify(&own).unwrap();
        assert_eq!((entry.sequence, entry.previous), (number, previous));
        previous = entry.digest();
    }
    assert_eq!(entries.len(), 2);
    assert_eq!(shop.stock(&open).program, digest, "new keys should name it");
    // Keys that name the earlier program still get that.
    let keys = [
        shop.make_as(|_| {}),
        shop.make_as(|key| key.program = digest),
    ];
    shop.upload(&open, &keys).unwrap();
    assert_eq!(open.ask(&shop.token()).unwrap().program, program());
    assert_eq!(open.ask(&shop.token()).unwrap().program, "onmessage = 1");
}

#[test]
fn every_change_of_a_row_is_noticed() {
    let other = SigningKey::from_seed(&[8; 32]);
    let forged = other.sign(&ProgramEntry {
        sequence: 2,
        previous: Digest::from_bytes([0; 32]),
        program: Digest::of(b"two"),
        length: 3,
        published: tegata_protocol::Time::from_secs(1),
    });
    let set = |columns: String| format!("UPDATE program SET {columns} WHERE sequence = 2");
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let changes = [
        ("a text", set("text = 'tow'".to_owned())),
        (
            "text and digest",
            set(format!("text = 'tow', digest = x'{}'", Digest::of(b"tow"))),
        ),
        (
            "a forged entry",
            set(format!("entry = x'{}'", hex(forged.as_bytes()))),
        ),
        ("nonsense", set("entry = x'00'".to_owned())),
        (
            "a row is taken out",
            "DELETE FROM program WHERE sequence = 2".to_owned(),
        ),
        (
            "taken out and renumbered",
            "DELETE FROM program WHERE sequence = 2;
             UPDATE program SET sequence = 2 WHERE sequence = 3"
                .to_owned(),
        ),
        (
            "exchanged",
            "UPDATE program SET sequence = 9 WHERE sequence = 2;
             UPDATE program SET sequence = 2 WHERE sequence = 3;
             UPDATE program SET sequence = 3 WHERE sequence = 9"
                .to_owned(),
        ),
        (
            "cut off at the end",
            "DELETE FROM program WHERE sequence = 3".to_owned(),
        ),
        ("all of it", "DELETE FROM program".to_owned()),
    ];
    for (what, change) in changes {
        let town = Town::new();
        let open = town.open();
        publish(&open, "two");
        publish(&open, "three");
        assert_eq!(check(&open).unwrap().len(), 3);
        let file = town.folder.path().join("sealing.db");
        let connection = Connection::open(file).unwrap();
        connection.execute_batch(&change).unwrap();
        let error = check(&open).unwrap_err();
        let noticed = matches!(error, LogError::Damaged { .. } | LogError::Cut);
        assert!(noticed, "{what}: {error}");
        let (status, page) = get(&open, "/log");
        let page = String::from_utf8(page).unwrap();
        assert_eq!(status, 200);
        // Nothing is added to it: a new row would hide the gap.
        let again = open.service.publish_own_program();
        assert!(again.is_err(), "{what}");
        assert!(page.contains("log_damaged"), "{what}");
    }
}

/// The power goes after the row was written, and before the head was.
#[test]
fn a_head_that_wasnt_written_is_no_damage() {
    let town = Town::new();
    let open = town.open();
    let head = town.folder.path().join(programs::HEAD);
    let old = std::fs::read(&head).unwrap();
    publish(&open, "two");
    std::fs::write(&head, old).unwrap();
    publish(&open, "three");
    assert_eq!(check(&open).unwrap().len(), 3);
    std::fs::remove_file(&head).unwrap();
    assert!(matches!(check(&open), Err(LogError::Cut)));
    let fresh = Town::new();
    let open = fresh.open();
    std::fs::remove_file(fresh.folder.path().join(programs::HEAD)).unwrap();
    publish(&open, "two");
    assert_eq!(check(&open).unwrap().len(), 2);
}

/// The service itself can't tell two stories either.
#[test]
fn own_entries_that_dont_follow_are_noticed() {
    let town = Town::new();
    let open = town.open();
    publish(&open, "two");
    let service = &open.service;
    let key = service.registered().keys.signing();
    let rows = service.store().read(|tables| tables.log()).unwrap();
    let fits = ProgramEntry {
        sequence: 2,
        previous: rows[0].entry.digest(),
        program: Digest::of(b"two"),
        length: 3,
        published: service.now(),
    };
    let wrong = [
        ProgramEntry {
            sequence: 3,
            ..fits.clone()
        },
        ProgramEntry {
            previous: Digest::of(b"x"),
            ..fits.clone()
        },
        ProgramEntry { length: 4, ..fits },
    ];
    let file = town.folder.path().join("sealing.db");
    let connection = Connection::open(file).unwrap();
    for entry in wrong {
        let signed = key.sign(&entry);
        let sql = "UPDATE program SET entry = ?1 WHERE sequence = 2";
        connection.execute(sql, [signed.as_bytes()]).unwrap();
        let head = town.folder.path().join(programs::HEAD);
        std::fs::write(head, signed.digest().to_string()).unwrap();
        let error = check(&open).unwrap_err();
        assert!(
            matches!(error, LogError::Damaged { row: 2, .. }),
            "{entry:?}: {error}"
        );
    }
}

#[test]
fn a_program_has_a_length() {
    let town = Town::new();
    let open = town.open();
    let service = &open.service;
    let key = service.registered().keys.signing();
    for text in [String::new(), "x".repeat(programs::TEXT_LIMIT + 1)] {
        let now = service.now();
        let result = programs::publish(service.store(), service.dir(), key, &text, now);
        assert!(matches!(result, Err(LogError::Length(_))));
    }
    assert_eq!(check(&open).unwrap().len(), 1);
}
