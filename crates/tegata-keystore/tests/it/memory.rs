//! The spending key isn't in memory before B was given, or after it was used.
//!
//! A child of this test binary opens a vault and searches all of its own writable memory, as
//! `/proc/self/mem` shows it. It knows what to search for only in a masked form, so that it
//! doesn't find the question itself. Any eight bytes in a row count as found.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use ed25519_dalek::{Signer, SigningKey};
use tegata_keystore::vault::{
    Cost, Disk, FolderDisk, Layer, LockedVault, Master, NewVault, OpenVault, SpendingSecrets,
    VaultError,
};

use crate::{A, B, open, pw, test_rng, two};

const FOLDER: &str = "TEGATA_TEST_MEMORY_FOLDER";
const NEEDLES: &str = "TEGATA_TEST_MEMORY_NEEDLES";
const MASK: u8 = 0x5a;
const NEW_B: &str = "another for spending";
/// The vault's randomness; the child makes the same vault again with it.
const SEED: u64 = 77;

#[test]
fn the_spending_key_is_in_memory_only_while_it_is_used() {
    let parent = tempfile::tempdir().unwrap();
    let vault = create(&parent.path().join("made before"));
    let needles = masked_needles(&vault);
    drop(vault);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::in_the_child", "--nocapture"])
        .args(["--test-threads", "1"])
        .env(FOLDER, parent.path())
        .env(NEEDLES, needles)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    println!("{said}{}", String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success());
    assert!(
        said.contains("searched to the end"),
        "the child did nothing"
    );
}

fn create(folder: &Path) -> OpenVault {
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::lock(folder).unwrap());
    let mut rng = test_rng(SEED);
    let new = NewVault {
        master: Master::generate(&mut rng, None),
        passwords: &two(),
        cost: Cost::STANDARD,
        state: b"",
    };
    OpenVault::create(disk, new, &mut rng).unwrap()
}

/// The spending seed, its key's scalar, the holder seed under B, the master and the words, none of them in clear.
fn masked_needles(vault: &OpenVault) -> String {
    let (seed, scalar, holder) = vault
        .with_spending(&pw(B), |secrets| {
            let scalar = SigningKey::from_bytes(secrets.seed()).to_scalar_bytes();
            let holder = secrets.with_holder_seed(|holder| *holder);
            (*secrets.seed(), scalar, holder)
        })
        .unwrap();
    let words = vault.words(&pw(B)).unwrap();
    let master = bip39::Mnemonic::parse_in_normalized(bip39::Language::English, words.as_phrase());
    let phrase = &words.as_phrase().as_bytes()[..32];
    let master = master.unwrap().to_entropy();
    [&seed, &scalar, &holder, &master[..], phrase]
        .concat()
        .iter()
        .map(|byte| format!("{:02x}", byte ^ MASK))
        .collect()
}

/// Does nothing unless the test above started it.
#[test]
fn in_the_child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let search = Search::new(&std::env::var(NEEDLES).unwrap());
    let folder = Path::new(&folder);
    let before = folder.join("made before");

    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::lock(&before).unwrap());
    let mut vault = open(&disk, A).unwrap();
    search.expect_nothing("after A, before B");

    let wrong = vault.with_spending(&pw(A), |_| ());
    let layer = Layer::B;
    assert!(matches!(wrong, Err(VaultError::WrongPassword { layer: l }) if l == layer));
    search.expect_nothing("after a wrong B");

    let seen = vault.with_spending(&pw(B), |_| search.count()[0]).unwrap();
    assert!(seen > 0, "the search doesn't see the seed");
    search.expect_nothing("after the search saw the seed");

    // No search inside these: it would overwrite what they leave.
    vault.with_spending(&pw(B), |_| ()).unwrap();
    search.expect_nothing("after B was given for nothing");
    vault.with_spending(&pw(B), |s| sign(s.seed())).unwrap();
    search.expect_nothing("after spending");
    let with_holder = |s: &SpendingSecrets| s.with_holder_seed(sign);
    vault.with_spending(&pw(B), with_holder).unwrap();
    search.expect_nothing("after a ticket under B was shown");

    vault.with_spending(&pw(B), |s| careless(s.seed())).unwrap();
    search.expect_nothing("after careless use");

    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        vault.with_spending(&pw(B), |secrets| {
            sign(secrets.seed());
            panic!("in the middle of spending");
        })
    }));
    assert!(panicked.is_err());
    search.expect_nothing("after a panic while spending");

    let words = vault.words(&pw(B)).unwrap();
    assert!(search.count()[4] > 0, "the search doesn't see the words");
    drop(words);
    search.expect_nothing("after the words were shown");

    let mut rng = test_rng(5);
    vault
        .set_spending_state(&pw(B), b"limits", &mut rng)
        .unwrap();
    search.expect_nothing("after the state under B was changed");
    vault.change_b(&pw(B), &pw(NEW_B), &mut rng).unwrap();
    search.expect_nothing("after B was changed");
    vault
        .change_passwords(&pw(NEW_B), &two(), &mut rng)
        .unwrap();
    search.expect_nothing("after all passwords were changed");

    // The same randomness makes the same vault.
    let made = create(&folder.join("made here"));
    assert_eq!(made.everyday_seed(), vault.everyday_seed());
    search.expect_nothing("after a vault was made");
    drop(LockedVault::find(disk));
    println!("searched to the end");
}

#[inline(never)]
fn sign(seed: &[u8; 32]) {
    let signature = SigningKey::from_bytes(seed).sign(b"pay 500 yen");
    assert_ne!(signature.to_bytes(), [0; 64]);
}

/// Leaves copies on the stack, which only the wiping of the stack can take away.
#[inline(never)]
fn careless(seed: &[u8; 32]) {
    let copies = std::hint::black_box([*seed; 64]);
    std::hint::black_box(&copies);
}

const PIECE: usize = 8;
const CHUNK: usize = 64 * 1024;

/// A search for needles of 32 bytes each, all masked.
struct Search {
    needles: Vec<u8>,
    begins: [bool; 256],
}

impl Search {
    fn new(hex: &str) -> Self {
        let needles: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
            .collect();
        let mut begins = [false; 256];
        for piece in needles.chunks(PIECE) {
            begins[usize::from(piece[0] ^ MASK)] = true;
        }
        Self { needles, begins }
    }

    fn expect_nothing(&self, when: &str) {
        let count = self.count();
        println!("{when}: seed, scalar, holder, master, words found {count:?} times");
        assert!(count.iter().all(|c| *c == 0), "{when}: {count:?}");
    }

    /// How often pieces of each needle are found.
    fn count(&self) -> Vec<usize> {
        let mut count = vec![0; self.needles.len() / 32];
        let memory = File::open("/proc/self/mem").unwrap();
        let mut buffer = vec![0; CHUNK + PIECE];
        for (from, to) in writable() {
            for at in (from..to).step_by(CHUNK) {
                // Wiped each time, lest an earlier finding be found in the buffer.
                buffer.fill(0);
                let length = (to - at).min(buffer.len() as u64) as usize;
                if memory.read_at(&mut buffer[..length], at).is_ok() {
                    self.count_in(&buffer, &mut count);
                }
            }
        }
        buffer.fill(0);
        count
    }

    fn count_in(&self, bytes: &[u8], count: &mut [usize]) {
        for window in bytes.windows(PIECE) {
            if !self.begins[usize::from(window[0])] {
                continue;
            }
            for (i, piece) in self.needles.chunks(PIECE).enumerate() {
                if window.iter().zip(piece).all(|(w, p)| w ^ MASK == *p) {
                    count[i * PIECE / 32] += 1;
                }
            }
        }
    }
}

/// The writable regions of this process.
fn writable() -> Vec<(u64, u64)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let region = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        rest.starts_with("rw").then_some((hex(from)?, hex(to)?))
    };
    maps.lines().filter_map(region).collect()
}
