//! The history: appended under A, and every tampering but one is found.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tegata_keystore::vault::{
    Damage, Disk, FileName, History, LONGEST_RECORD, OpenVault, Record, VaultError,
};

use crate::model_disk::ModelDisk;
use crate::{A, TestRng, make, open, test_rng, two};

fn record(kind: u8, length: usize) -> Record {
    Record {
        kind,
        time: 1_700_000_000 + u64::from(kind),
        body: vec![kind; length],
    }
}

fn vault(rng: &mut TestRng) -> (Arc<dyn Disk>, OpenVault) {
    let disk: Arc<dyn Disk> = Arc::new(ModelDisk::default());
    let vault = make(&disk, &two(), b"", rng).unwrap();
    (disk, vault)
}

/// A history of `count` records and where each ends.
fn filled(vault: &OpenVault, disk: &Arc<dyn Disk>, count: u8, rng: &mut TestRng) -> Vec<usize> {
    let mut history = vault.history().unwrap();
    let mut ends = vec![bytes(disk).len()];
    for kind in 0..count {
        let length = 300 * usize::from(kind);
        history.append(&record(kind, length), rng).unwrap();
        ends.push(bytes(disk).len());
    }
    ends
}

fn bytes(disk: &Arc<dyn Disk>) -> Vec<u8> {
    disk.read(FileName::History).unwrap().unwrap()
}

fn with_bytes(vault: &OpenVault, disk: &Arc<dyn Disk>, new: &[u8]) -> Result<History, VaultError> {
    disk.write(FileName::History, new).unwrap();
    vault.history()
}

#[test]
fn records_come_back_in_order() {
    let mut rng = test_rng(1);
    let (disk, vault) = vault(&mut rng);
    assert!(vault.history().unwrap().is_empty());
    filled(&vault, &disk, 20, &mut rng);
    let history = open(&disk, A).unwrap().history().unwrap();
    let expected: Vec<_> = (0..20).map(|k| record(k, 300 * usize::from(k))).collect();
    assert_eq!(history.records().unwrap(), expected);
    assert_eq!(history.torn_end(), None);
}

#[test]
fn altered_moved_taken_out_doubled_or_foreign_records_are_found() {
    let mut rng = test_rng(1);
    let (disk, vault) = vault(&mut rng);
    let ends = filled(&vault, &disk, 5, &mut rng);
    let good = bytes(&disk);
    let part = |i: usize| &good[ends[i]..ends[i + 1]];
    let header = &good[..ends[0]];
    let foreign = {
        let mut rng = test_rng(2);
        let (disk, vault) = self::vault(&mut rng);
        filled(&vault, &disk, 5, &mut rng);
        bytes(&disk)
    };
    let of = |parts: &[&[u8]]| parts.concat();
    for (what, first_bad, forged) in [
        (
            "taken out",
            1,
            of(&[header, part(0), part(2), part(3), part(4)]),
        ),
        (
            "moved",
            1,
            of(&[header, part(0), part(2), part(1), part(3), part(4)]),
        ),
        (
            "doubled",
            2,
            of(&[header, part(0), part(1), part(1), part(2), part(3)]),
        ),
        (
            "from another file",
            1,
            of(&[
                header,
                part(0),
                &foreign[ends[1]..ends[2]],
                part(2),
                part(3),
            ]),
        ),
        (
            "the first taken out",
            0,
            of(&[header, part(1), part(2), part(3)]),
        ),
    ] {
        let result = with_bytes(&vault, &disk, &forged);
        let expected = Damage::Record(first_bad);
        assert!(
            matches!(&result, Err(VaultError::Damaged { what }) if *what == expected),
            "{what}: {result:?}"
        );
    }
    let result = with_bytes(&vault, &disk, &foreign);
    assert!(
        matches!(result, Err(VaultError::Damaged { .. })),
        "{result:?}"
    );
}

#[test]
fn a_flipped_bit_before_the_last_record_is_found() {
    let mut rng = test_rng(1);
    let (disk, vault) = vault(&mut rng);
    let ends = filled(&vault, &disk, 4, &mut rng);
    let good = bytes(&disk);
    for at in 0..ends[3] {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let result = with_bytes(&vault, &disk, &bad);
        let found = matches!(
            result,
            Err(VaultError::Damaged { .. } | VaultError::NewerVersion { .. })
        );
        assert!(found, "byte {at}: {result:?}");
    }
    with_bytes(&vault, &disk, &good).unwrap();
}

#[test]
fn an_end_cut_off_is_found_up_to_the_checkpoint() {
    let mut rng = test_rng(1);
    let (disk, mut vault) = vault(&mut rng);
    let ends = filled(&vault, &disk, 3, &mut rng);
    vault
        .keep_checkpoint(&vault.history().unwrap(), &mut rng)
        .unwrap();
    assert_eq!(vault.checkpoint().records(), 3);
    let mut history = vault.history().unwrap();
    history.append(&record(3, 10), &mut rng).unwrap();
    let good = bytes(&disk);
    let vault = open(&disk, A).unwrap();
    // After the checkpoint nobody can tell; this is the one limit, and it is documented.
    let cut = with_bytes(&vault, &disk, &good[..ends[3]]).unwrap();
    assert_eq!((cut.len(), cut.torn_end()), (3, None));
    for end in &ends[..3] {
        let result = with_bytes(&vault, &disk, &good[..*end]);
        let short = matches!(
            &result,
            Err(VaultError::Damaged {
                what: Damage::HistoryShort { expected: 3, .. }
            })
        );
        assert!(short, "{result:?}");
    }
}

#[test]
fn a_history_that_went_another_way_is_found() {
    let mut rng = test_rng(1);
    let model = Arc::new(ModelDisk::default());
    let disk: Arc<dyn Disk> = model.clone();
    let mut vault = make(&disk, &two(), b"", &mut rng).unwrap();
    filled(&vault, &disk, 2, &mut rng);
    let past = model.files();
    let mut history = vault.history().unwrap();
    history.append(&record(3, 3), &mut rng).unwrap();
    vault.keep_checkpoint(&history, &mut rng).unwrap();
    // An old copy of all, continued: as long as the real one, and every record is good.
    let copy: Arc<dyn Disk> = Arc::new(ModelDisk::holding(&past));
    let mut other = open(&copy, A).unwrap().history().unwrap();
    other.append(&record(9, 3), &mut rng).unwrap();
    let result = with_bytes(&vault, &disk, &bytes(&copy));
    let expected = Damage::History("isn't the one that the vault remembers");
    assert!(
        matches!(&result, Err(VaultError::Damaged { what }) if *what == expected),
        "{result:?}"
    );
}

#[test]
fn a_record_from_a_copy_that_went_another_way_is_found() {
    let mut rng = test_rng(1);
    let model = Arc::new(ModelDisk::default());
    let disk: Arc<dyn Disk> = model.clone();
    let vault = make(&disk, &two(), b"", &mut rng).unwrap();
    filled(&vault, &disk, 1, &mut rng);
    let past = model.files();
    let copy: Arc<dyn Disk> = Arc::new(ModelDisk::holding(&past));
    let ends = |disk: &Arc<dyn Disk>, kinds: [u8; 3], rng: &mut TestRng| {
        let mut history = open(disk, A).unwrap().history().unwrap();
        let append = |kind| {
            history.append(&record(kind, 50), rng).unwrap();
            bytes(disk).len()
        };
        kinds.map(append)
    };
    let [_, second, third] = ends(&disk, [1, 2, 3], &mut rng);
    ends(&copy, [4, 5, 6], &mut rng);
    let (mut spliced, other) = (bytes(&disk), bytes(&copy));
    // The same file id, key, place and length: only what came before it differs.
    spliced[second..third].copy_from_slice(&other[second..third]);
    spliced.extend([0; 100]);
    let result = with_bytes(&vault, &disk, &spliced);
    let expected = Damage::Record(3);
    assert!(
        matches!(&result, Err(VaultError::Damaged { what }) if *what == expected),
        "{result:?}"
    );
}

#[test]
fn the_file_shows_neither_contents_nor_equal_records() {
    let mut rng = test_rng(1);
    let (disk, vault) = vault(&mut rng);
    let mut history = vault.history().unwrap();
    for _ in 0..2 {
        history.append(&record(0x41, 64), &mut rng).unwrap();
    }
    let bytes = bytes(&disk);
    assert!(!bytes.windows(8).any(|w| w == [0x41; 8]));
    let half = bytes.len() - (bytes.len() - 64) / 2;
    assert_ne!(bytes[64..half], bytes[half..]);
}

#[test]
fn a_second_writer_is_noticed() {
    let mut rng = test_rng(1);
    let (_disk, vault) = vault(&mut rng);
    let (mut one, mut other) = (vault.history().unwrap(), vault.history().unwrap());
    one.append(&record(1, 1), &mut rng).unwrap();
    let result = other.append(&record(2, 2), &mut rng);
    let expected = matches!(result, Err(VaultError::ChangedElsewhere { .. }));
    assert!(expected, "{result:?}");
    assert_eq!(vault.history().unwrap().len(), 1);
}

#[test]
fn sizes_are_bounded() {
    let mut rng = test_rng(1);
    let (_disk, vault) = vault(&mut rng);
    let mut history = vault.history().unwrap();
    let result = history.append(&record(1, LONGEST_RECORD + 1), &mut rng);
    assert!(
        matches!(result, Err(VaultError::TooLarge { .. })),
        "{result:?}"
    );
    history
        .append(&record(1, LONGEST_RECORD), &mut rng)
        .unwrap();
    history.append(&record(2, 0), &mut rng).unwrap();
    assert_eq!(vault.history().unwrap().records().unwrap().len(), 2);
}

#[test]
fn a_damaged_history_is_set_aside_and_spending_goes_on() {
    let mut rng = test_rng(1);
    let (disk, mut vault) = vault(&mut rng);
    filled(&vault, &disk, 3, &mut rng);
    let mut bad = bytes(&disk);
    bad[70] ^= 1;
    with_bytes(&vault, &disk, &bad).unwrap_err();
    vault.begin_new_history(&mut rng).unwrap();
    let mut vault = open(&disk, A).unwrap();
    let mut history = vault.history().unwrap();
    assert!(history.is_empty());
    history.append(&record(1, 1), &mut rng).unwrap();
    assert_eq!(disk.read(FileName::HistoryAside).unwrap().unwrap(), bad);
    let again = vault.begin_new_history(&mut rng);
    assert!(matches!(again, Err(VaultError::AsideInTheWay)), "{again:?}");
}

/// Files in memory and nothing else: what is measured is the reading.
#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<FileName, Vec<u8>>>);

impl Memory {
    fn files(&self) -> MutexGuard<'_, BTreeMap<FileName, Vec<u8>>> {
        self.0.lock().unwrap()
    }
}

impl Disk for Memory {
    fn read(&self, file: FileName) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files().get(&file).cloned())
    }

    fn length(&self, file: FileName) -> io::Result<Option<u64>> {
        Ok(self.files().get(&file).map(|bytes| bytes.len() as u64))
    }

    fn write(&self, file: FileName, bytes: &[u8]) -> io::Result<()> {
        self.files().insert(file, bytes.to_vec());
        Ok(())
    }

    fn append(&self, file: FileName, bytes: &[u8]) -> io::Result<()> {
        self.files().get_mut(&file).unwrap().extend(bytes);
        Ok(())
    }

    fn cut(&self, file: FileName, length: u64) -> io::Result<()> {
        self.files()
            .get_mut(&file)
            .unwrap()
            .truncate(length as usize);
        Ok(())
    }

    fn sync(&self, _: FileName) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: FileName, to: FileName) -> io::Result<()> {
        let mut files = self.files();
        let bytes = files.remove(&from).unwrap();
        files.insert(to, bytes);
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it prints how long it took")]
fn a_hundred_thousand_records_are_read() {
    let mut rng = test_rng(1);
    let disk: Arc<dyn Disk> = Arc::new(Memory::default());
    let vault = make(&disk, &two(), b"", &mut rng).unwrap();
    let mut history = vault.history().unwrap();
    for i in 0..100_000_u32 {
        history.append(&record(i as u8, 200), &mut rng).unwrap();
    }
    println!("{} bytes", bytes(&disk).len());
    let begun = Instant::now();
    let history = vault.history().unwrap();
    println!("100,000 records verified in {:?}", begun.elapsed());
    let begun = Instant::now();
    let mut count = 0_u32;
    history.each(|_| count += 1).unwrap();
    println!("100,000 records read in {:?}", begun.elapsed());
    assert_eq!(count, 100_000);
}
