//! Check data (T8): what a gate takes from a shop, and what it doesn't.

use serde_json::Value;
use tegata_protocol::{
    PartyNumber, Role,
    ticket::{CHECK_DATA_LIMIT, CheckData},
};

use crate::{
    centre::{Centre, Mood, gate_number, register_key},
    process::{Folder, other_opening},
    shop::{SHOP, Shop, key, serials},
};

fn joined() -> Folder {
    let folder = Folder::empty();
    folder.join(&Centre::start(Mood::Kind));
    folder
}

/// Loads a file; gives the reason why it wasn't, or `loaded`.
fn load(folder: &Folder, bytes: &[u8]) -> String {
    let file = folder.file("some.sealed", bytes);
    let answer: Value = folder.try_load(&file, &folder.shop).json();
    match answer["loaded"].as_bool().unwrap() {
        true => "loaded".into(),
        false => answer["reason"].as_str().unwrap().to_owned(),
    }
}

fn sealed(folder: &Folder, data: CheckData) -> Vec<u8> {
    let record = folder.record();
    folder
        .shop
        .sealed(data, record.number, &record.keys.opening)
}

#[test]
fn what_was_loaded_is_said() {
    let folder = joined();
    let loaded = folder.load(&folder.shop, 3);
    assert_eq!(loaded["event"]["title"], "Concert 1");
    assert_eq!(
        (&loaded["edition"], &loaded["issued"]),
        (&3.into(), &98.into())
    );
    let status = folder.run("status", &["--json"]).succeeded().json();
    assert_eq!(status["events"][0]["edition"], 3);
    assert_eq!(status["events"][0]["usable"], true);
    assert_eq!(status["name"], "North gate");
}

/// A large series: its lists alone are longer than a message on the wire may be.
#[test]
fn two_hundred_thousand_scattered_serials_are_loaded() {
    let folder = joined();
    let sold = serials((0..200_000).map(|n| n * 3 + 1));
    assert!(sold.0.len() > 64 * 1024, "{} bytes", sold.0.len());
    let file = folder.file(
        "large",
        &sealed(&folder, folder.shop.check_data_of(sold, 1)),
    );
    let loaded = folder.try_load(&file, &folder.shop).succeeded().json();
    assert_eq!(loaded["issued"], 199_999, "one of them is cancelled");
    let large = folder.file("larger", &vec![0; CHECK_DATA_LIMIT + 1]);
    let refused = folder.try_load(&large, &folder.shop).ended(2);
    assert!(refused.err().contains("1048576"), "{}", refused.err());
}

/// A ticket cancelled in edition 2 stays cancelled, whatever file is slipped in.
#[test]
fn editions_never_fall() {
    let folder = joined();
    let [one, two] = [1, 2].map(|edition| sealed(&folder, folder.shop.check_data(edition)));
    assert_eq!(load(&folder, &one), "loaded");
    assert_eq!(load(&folder, &two), "loaded");
    assert_eq!(load(&folder, &one), "older_edition");
    assert_eq!(
        load(&folder, &two),
        "loaded",
        "the same again changes nothing"
    );
    let other_two = folder.shop.check_data_of(serials(1..200), 2);
    assert_eq!(load(&folder, &sealed(&folder, other_two)), "other_edition");
    let status = folder.run("status", &["--json"]).succeeded().json();
    assert_eq!(status["events"][0]["edition"], 2);

    // Neither by replacing the kept file.
    let kept = folder
        .gate()
        .join(format!("check/{}-1.sealed", SHOP.party()));
    assert_eq!(
        std::fs::read(&kept).unwrap(),
        two,
        "the sealed file is what is kept"
    );
    std::fs::write(&kept, &one).unwrap();
    let ended = folder.run("check", &["--text", "A"]).ended(4);
    assert!(
        ended.err().contains("edition 2 was loaded before"),
        "{}",
        ended.err()
    );
}

#[test]
fn each_bad_file_has_its_reason_and_changes_nothing() {
    let folder = joined();
    let (shop, gate) = (folder.shop, gate_number());
    let record = folder.record();
    let opening = &record.keys.opening;
    let good = sealed(&folder, shop.check_data(1));
    let other = PartyNumber::new(Role::Gate, 6).unwrap();
    let by = |signer: &_, ends| shop.sealed_by(signer, shop.check_data(1), ends, opening);
    let stranger = other_opening().sealing_key().clone();
    let old = CheckData::new(
        shop.signing().sign(&shop.series_record()),
        &shop.secret(),
        serials([1]),
        serials([]),
        1,
        shop.now.before(60),
        shop.now,
    );
    let foreign_series = CheckData::new(
        key(66).sign(&shop.series_record()),
        &shop.secret(),
        serials([1]),
        serials([]),
        1,
        shop.now,
        shop.now.after(60),
    );
    let mut secret = shop.check_data(1);
    secret = CheckData::new(
        secret.series.clone(),
        &Shop { series: 2, ..SHOP }.secret(),
        serials([1]),
        serials([]),
        1,
        shop.now,
        shop.now.after(60),
    );
    let junk = tegata_protocol::ticket::SerialSet(vec![1, 2, 3]);
    let bad = [
        (b"hello".to_vec(), "malformed"),
        (good[..good.len() / 2].to_vec(), "malformed"),
        (by(&shop.signing(), (gate, other)), "for_another_gate"),
        (by(&shop.signing(), (other, gate)), "for_another_gate"),
        (by(&key(66), (gate, gate)), "forged"),
        (
            shop.sealed(shop.check_data(1), gate, &stranger),
            "unopenable",
        ),
        (changed(&good), "unopenable"),
        (sealed(&folder, old), "too_old"),
        (sealed(&folder, foreign_series), "unusable"),
        (sealed(&folder, secret), "unusable"),
        (sealed(&folder, shop.check_data_of(junk, 1)), "unusable"),
    ];
    for (bytes, reason) in bad {
        assert_eq!(load(&folder, &bytes), reason);
    }
    assert!(!folder.gate().join("check").exists(), "nothing was kept");
    assert_eq!(load(&folder, &good), "loaded");
}

fn changed(good: &[u8]) -> Vec<u8> {
    let mut changed = good.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    changed
}

#[test]
fn the_shops_record_must_be_the_registers() {
    let folder = joined();
    let file = folder.check_data(&folder.shop, 1);
    let file = file.to_str().unwrap();
    let reason = |arguments: &[&str]| {
        let answer = folder.run("load", &[&["--json", file][..], arguments].concat());
        answer.json()["reason"].clone()
    };
    assert_eq!(reason(&[]), "no_shop_record");
    let forged = key(66).sign(&folder.shop.record());
    let forged = folder.file("forged.cose", forged.as_bytes());
    assert_eq!(
        reason(&["--shop-record", forged.to_str().unwrap()]),
        "shop_record"
    );
    let other = Shop {
        number: 8,
        ..folder.shop
    };
    let other = folder.shop_record(&other);
    assert_eq!(
        reason(&["--shop-record", other.to_str().unwrap()]),
        "shop_record"
    );
    let mut suspended = folder.shop.record();
    suspended.status = tegata_protocol::record::Status::Suspended;
    let suspended = register_key().sign(&suspended);
    let suspended = folder.file("suspended.cose", suspended.as_bytes());
    assert_eq!(
        reason(&["--shop-record", suspended.to_str().unwrap()]),
        "shop_record"
    );
    let good = folder.shop_record(&folder.shop);
    assert_eq!(
        reason(&["--shop-record", good.to_str().unwrap()]),
        Value::Null
    );
    // Known from now on.
    assert_eq!(reason(&[]), Value::Null);
}

#[test]
fn with_several_events_one_must_be_chosen() {
    let folder = Folder::ready();
    let second = Shop {
        series: 2,
        ..folder.shop
    };
    folder.load(&second, 1);
    let shown = base45::encode(second.show(41));
    let check = |arguments: &[&str]| {
        folder.run(
            "check",
            &[&["--json", "--text", &shown][..], arguments].concat(),
        )
    };
    let ended = check(&[]).ended(2);
    assert!(ended.err().contains("--event"), "{}", ended.err());
    assert_eq!(
        check(&["--event", "1"]).ended(1).json()["reason"],
        "wrong_event"
    );
    check(&["--event", "3"]).ended(2);
    folder.file("gate/gate.toml", b"events = [1]\n");
    assert_eq!(check(&[]).ended(1).json()["reason"], "wrong_event");
    assert_eq!(
        check(&["--event", "2"]).ended(0).json()["verdict"],
        "admitted"
    );
    folder.file("gate/gate.toml", b"evnts = [1]\n");
    let ended = check(&[]).ended(2);
    assert!(ended.err().contains("gate.toml:1:1"), "{}", ended.err());
}

#[test]
fn a_damaged_file_of_check_data_is_named() {
    let folder = Folder::ready();
    let kept = folder
        .gate()
        .join(format!("check/{}-1.sealed", SHOP.party()));
    let bytes = std::fs::read(&kept).unwrap();
    std::fs::write(&kept, changed(&bytes)).unwrap();
    let ended = folder.run("check", &["--text", "A"]).ended(4);
    assert!(ended.err().contains(".sealed"), "{}", ended.err());
    // No secret of the series lies in clear on the disk.
    let secret = *folder.shop.secret().reveal();
    for file in walk(&folder.gate()) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "{}", file.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Without its log every used ticket would count as unused: the gate says so and stays closed.
#[test]
fn a_log_that_was_removed_or_put_back_is_noticed() {
    let folder = Folder::ready();
    let log = folder.gate().join("gate.sqlite");
    let first = std::fs::read(&log).unwrap();
    folder.load(&folder.shop, 2);
    for put_back in [None, Some(first), Some(b"not a database at all".to_vec())] {
        for file in ["gate.sqlite", "gate.sqlite-wal", "gate.sqlite-shm"] {
            std::fs::remove_file(folder.gate().join(file)).ok();
        }
        if let Some(bytes) = &put_back {
            std::fs::write(&log, bytes).unwrap();
        }
        let ended = folder.run("check", &["--text", "A"]).ended(4);
        assert!(ended.err().contains("next:"), "{}", ended.err());
    }
    std::fs::remove_file(&log).unwrap();
    folder.load(&folder.shop, 2);
    assert_eq!(folder.check(&folder.shop.show(41))["verdict"], "admitted");
}

/// Wherever the power goes: the edition that the log knows is in use, and nobody is alarmed.
#[test]
fn a_power_cut_while_loading_is_no_alarm() {
    let folder = Folder::ready();
    let name = |ending| {
        folder
            .gate()
            .join(format!("check/{}-1.{ending}", SHOP.party()))
    };
    let (kept, loading) = (name("sealed"), name("loading"));
    let edition = || {
        let status = folder.run("status", &["--json"]).succeeded().json();
        assert!(!loading.exists());
        status["events"][0]["edition"].clone()
    };
    // Cut before the log knew the second edition.
    let two = sealed(&folder, folder.shop.check_data(2));
    std::fs::write(&loading, &two).unwrap();
    assert_eq!(edition(), 1);
    let one = std::fs::read(&kept).unwrap();
    // Cut after the log knew it.
    assert_eq!(load(&folder, &two), "loaded");
    std::fs::rename(&kept, &loading).unwrap();
    std::fs::write(&kept, &one).unwrap();
    assert_eq!(edition(), 2);
    assert_eq!(std::fs::read(&kept).unwrap(), two);
    // At an event's first loading there's nothing of before.
    std::fs::rename(&kept, &loading).unwrap();
    assert_eq!(edition(), 2);
    // Torn, it was never loaded.
    std::fs::write(&loading, &two[..two.len() / 2]).unwrap();
    assert_eq!(edition(), 2);
}

/// A year later: the centre's certificates have ended, the register has another key. What the old
/// key signed stays good, and the gate fetches the new certificates by itself.
#[test]
fn a_new_register_key_is_fetched_and_old_records_stay_good() {
    let folder = Folder::empty();
    let centre = Centre::start(Mood::Kind);
    folder.join(&centre);
    folder.load(&folder.shop, 1);
    let gate = folder.record();
    let later = Shop {
        now: folder.shop.now.after(2 * 86_400),
        ..folder.shop
    };
    let neighbour = Shop {
        number: 8,
        series: 2,
        ..later
    };
    let sealed = neighbour.sealed(neighbour.check_data(1), gate.number, &gate.keys.opening);
    let record = crate::centre::renewed_register_key().sign(&neighbour.record());
    let own = tegata_gate::folder::Folder::open_existing(&folder.gate()).unwrap();
    let load = |record: Option<&[u8]>| {
        let client = tegata_party::client::Client::default();
        let loaded = own.load_renewing((&sealed, record), &client, later.now);
        loaded.map(drop).map_err(|error| error.word())
    };
    assert_eq!(
        load(Some(record.as_bytes())),
        Err("folder"),
        "these certificates have ended"
    );
    centre.set(Mood::Renewed);
    let stale = register_key().sign(&neighbour.record());
    assert_eq!(
        load(Some(stale.as_bytes())),
        Err("shop_record"),
        "signed by the key of before"
    );
    assert_eq!(load(Some(record.as_bytes())), Ok(()));
    let status = folder.run("status", &["--json"]).succeeded().json();
    assert_eq!(status["events"].as_array().unwrap().len(), 2);
    assert_eq!(load(None), Ok(()));
}

/// A gate whose clock fell back stands before its certificates' beginning: they haven't ended.
#[test]
fn a_clock_that_is_behind_is_named_and_no_certificates_are_fetched() {
    let folder = Folder::empty();
    let centre = Centre::start(Mood::Kind);
    folder.join(&centre);
    let gate = folder.record();
    let data = folder.shop.check_data(1);
    let sealed = folder.shop.sealed(data, gate.number, &gate.keys.opening);
    let record = register_key().sign(&folder.shop.record());
    let own = tegata_gate::folder::Folder::open_existing(&folder.gate()).unwrap();
    let client = tegata_party::client::Client::default();
    // Whoever asks this centre for new certificates finds a false one.
    centre.set(Mood::False);
    let load = |now| own.load_renewing((&sealed, Some(record.as_bytes())), &client, now);
    let behind = load(folder.shop.now.before(86_400)).unwrap_err();
    assert_eq!(behind.word(), "clock_behind");
    let failure = behind.into_failure();
    assert_eq!(failure.exit().code(), 1);
    let text = failure.to_string();
    for part in [
        "this machine's clock says",
        "load again once the clock is right",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    load(folder.shop.now).unwrap();
}
