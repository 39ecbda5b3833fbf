//! Keys grow from a seed: the system's randomness, strokes mixed in, 24 words out and in (M5).

use std::sync::Arc;

use tegata_keystore::vault::{
    Disk, FEWEST_POINTS, Master, NewVault, OpenVault, Passwords, Record, Strokes, StrokesError,
    VaultError, WordsError,
};

use crate::model_disk::ModelDisk;
use crate::{A, B, cheap, make, open, pw, test_rng, two};

fn strokes(first: i32) -> Strokes {
    Strokes::parse(&drawing(first, FEWEST_POINTS as i32)).unwrap()
}

fn drawing(first: i32, points: i32) -> String {
    (0..points)
        .map(|i| format!("{} {} {}\n", first + i, i * i % 97, i * 16))
        .collect()
}

/// The words of a vault made from this master: all that can be seen of it.
fn words_of(master: Master) -> String {
    let disk: Arc<dyn Disk> = Arc::new(ModelDisk::default());
    let new = NewVault {
        master,
        passwords: &two(),
        cost: cheap(),
        state: b"",
    };
    let vault = OpenVault::create(disk, new, &mut test_rng(99)).unwrap();
    vault.words(&pw(B)).unwrap().as_phrase().to_owned()
}

#[test]
fn strokes_and_the_system_both_enter() {
    let words = |system, drawn: Option<i32>| {
        let drawn = drawn.map(strokes);
        words_of(Master::generate(&mut test_rng(system), drawn.as_ref()))
    };
    let all = [
        words(1, Some(10)),
        words(2, Some(10)),
        words(1, Some(11)),
        words(1, None),
        words(2, None),
    ];
    let different: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(words(1, Some(10)), all[0]);
}

#[test]
fn too_few_strokes_are_refused_with_the_reason() {
    let few = Strokes::parse(&drawing(0, 63)).unwrap_err();
    assert_eq!(few, StrokesError::TooFew { points: 63 });
    assert!(few.to_string().contains("63 points, 64 are the least"));
    assert_eq!(Strokes::parse(&drawing(0, 64)).unwrap().points(), 64);
    let resting: String = (0..1000).map(|t| format!("5 5 {t}\n")).collect();
    let one = Strokes::parse(&resting).unwrap_err();
    assert_eq!(one, StrokesError::TooFew { points: 1 });
}

#[test]
fn a_wrong_line_of_strokes_is_named() {
    for (line, expected) in [
        ("1 2", StrokesError::Line { line: 3 }),
        ("1 2 3 4", StrokesError::Line { line: 3 }),
        ("1 2.5 3", StrokesError::Line { line: 3 }),
        ("1 2 -3", StrokesError::Line { line: 3 }),
        ("1 2 49", StrokesError::Backwards { line: 3 }),
    ] {
        let text = format!("# drawn with a mouse\n1 1 50\n{line}\n");
        assert_eq!(Strokes::parse(&text).unwrap_err(), expected, "{line}");
    }
}

#[test]
fn words_go_out_with_b_and_come_in_again() {
    let disk: Arc<dyn Disk> = Arc::new(ModelDisk::default());
    let vault = make(&disk, &two(), b"", &mut test_rng(1)).unwrap();
    assert!(vault.words(&pw(A)).is_err());
    let words = vault.words(&pw(B)).unwrap();
    assert_eq!(words.iter().count(), 24);
    let typed: String = words
        .iter()
        .enumerate()
        .map(|(i, word)| format!("{}. {}\n", i + 1, word.to_uppercase()))
        .collect();
    let elsewhere: Arc<dyn Disk> = Arc::new(ModelDisk::default());
    let new = NewVault {
        master: Master::from_words(&typed).unwrap(),
        passwords: &Passwords::one(pw("quite another password")).unwrap(),
        cost: cheap(),
        state: b"",
    };
    let restored = OpenVault::create(elsewhere, new, &mut test_rng(2)).unwrap();
    assert_eq!(restored.everyday_seed(), vault.everyday_seed());
    assert_eq!(restored.opening_seed(), vault.opening_seed());
    assert_eq!(restored.holder_seed(), vault.holder_seed());
    let seeds = |vault: &OpenVault, b: &str| {
        let inner = vault.with_spending(&pw(b), |s| (*s.seed(), s.with_holder_seed(|h| *h)));
        inner.unwrap()
    };
    assert_eq!(seeds(&restored, "quite another password"), seeds(&vault, B));
}

#[test]
fn a_restored_vault_reads_the_history_that_is_there() {
    let model = Arc::new(ModelDisk::default());
    let disk: Arc<dyn Disk> = model.clone();
    let mut rng = test_rng(1);
    let vault = make(&disk, &two(), b"", &mut rng).unwrap();
    let record = Record {
        kind: 1,
        time: 2,
        body: b"bought a ticket".to_vec(),
    };
    let mut history = vault.history().unwrap();
    history.append(&record, &mut rng).unwrap();
    let words = vault.words(&pw(B)).unwrap();
    let mut files = model.files();
    files.remove(&tegata_keystore::vault::FileName::Vault);
    let disk: Arc<dyn Disk> = Arc::new(ModelDisk::holding(&files));
    let stranger = make(&disk, &two(), b"", &mut test_rng(3));
    assert!(matches!(stranger, Err(VaultError::HistoryInTheWay)));
    let new = NewVault {
        master: Master::from_words(words.as_phrase()).unwrap(),
        passwords: &two(),
        cost: cheap(),
        state: b"",
    };
    OpenVault::create(Arc::clone(&disk), new, &mut rng).unwrap();
    let records = open(&disk, A).unwrap().history().unwrap().records();
    assert_eq!(records.unwrap(), [record]);
}

const PHRASE: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
    abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
    abandon abandon abandon art";

#[test]
fn the_words_are_bip_39s() {
    assert_eq!(words_of(Master::from_words(PHRASE).unwrap()), PHRASE);
}

#[test]
fn a_mistyped_word_is_named_with_the_nearest() {
    for (typed, meant) in [
        ("abandn", "abandon"),
        ("abadnon", "abandon"),
        ("zooo", "zoo"),
        ("recieve", "receive"),
        ("tomorow", "tomorrow"),
    ] {
        let text = PHRASE.replacen("abandon", typed, 1);
        let error = Master::from_words(&format!("abandon {text}")).unwrap_err();
        let (position, nearest) = (2, meant);
        assert_eq!(error, WordsError::Unknown { position, nearest }, "{typed}");
    }
}

#[test]
fn words_that_dont_belong_together_are_said() {
    let swapped = PHRASE.replace("art", "arrow");
    let error = Master::from_words(&swapped).unwrap_err();
    assert_eq!(error, WordsError::Checksum);
    let short = PHRASE.replace("abandon art", "art");
    let error = Master::from_words(&short).unwrap_err();
    assert_eq!(error, WordsError::Count { count: 23 });
    let empty = Master::from_words("").unwrap_err();
    assert_eq!(empty, WordsError::Count { count: 0 });
}
