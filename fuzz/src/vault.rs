//! A vault's files, and what its secrets grow from.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use rand_core::{TryCryptoRng, TryRng};
use tegata_keystore::vault::{
    Cost, Disk, FileName, LockedVault, Master, NewVault, OpenVault, Password, Passwords, Record,
    Strokes, StrokesError, VaultError,
};
use tegata_protocol::Digest;

/// Bytes of a history before its first record.
const HEAD: usize = 64;

type Files = BTreeMap<FileName, Vec<u8>>;

/// A folder in memory.
#[derive(Debug, Default)]
struct Folder(Mutex<Files>);

impl Folder {
    fn holding(files: Files) -> Arc<Self> {
        Arc::new(Self(Mutex::new(files)))
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().expect("nobody panicked with it")
    }

    fn change(&self, file: FileName, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut files = self.files();
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        change(files.get_mut(&file).ok_or_else(missing)?);
        Ok(())
    }
}

impl Disk for Folder {
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
        self.change(file, |held| held.extend_from_slice(bytes))
    }

    fn cut(&self, file: FileName, length: u64) -> io::Result<()> {
        self.change(file, |held| {
            held.truncate(usize::try_from(length).expect("a small file"))
        })
    }

    fn sync(&self, _: FileName) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: FileName, to: FileName) -> io::Result<()> {
        let mut files = self.files();
        let bytes = files.remove(&from);
        files.extend(bytes.map(|bytes| (to, bytes)));
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Numbers that are the same in each run.
struct Counting(u8);

impl TryRng for Counting {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            self.0 = self.0.wrapping_mul(5).wrapping_add(3);
            *byte = self.0;
        }
        Ok(())
    }
}

impl TryCryptoRng for Counting {}

/// A vault whose passwords cost nothing, with three entries in its history.
static MADE: LazyLock<Files> = LazyLock::new(|| {
    let disk = Folder::holding(Files::new());
    let mut rng = Counting(1);
    let one = Passwords::one(password()).expect("a good password");
    let new = NewVault {
        master: Master::generate(&mut rng, None),
        passwords: &one,
        cost: Cost::new(8, 1, 1).expect("the least"),
        state: b"state",
    };
    let vault = OpenVault::create(disk.clone(), new, &mut rng).expect("an empty folder");
    let mut history = vault.history().expect("a new history");
    for kind in 1..=3 {
        let body = vec![kind; 40];
        let record = Record {
            kind,
            time: 9,
            body,
        };
        history
            .append(&record, &mut rng)
            .expect("a folder in memory");
    }
    let files = disk.files().clone();
    files
});

fn password() -> Password {
    Password::typed("for every day")
}

/// The vault's file; it ends in a digest, which is put behind the input. What it says in clear is read
/// before any password is asked for.
pub fn vault(bytes: &[u8]) {
    let digest = Digest::of(bytes);
    for file in [bytes.to_vec(), [bytes, digest.as_bytes()].concat()] {
        let files = Files::from([(FileName::Vault, file)]);
        match LockedVault::find(Folder::holding(files)) {
            Ok(found) => drop(found.form().expect("it was checked")),
            Err(
                VaultError::Damaged { .. }
                | VaultError::NewerVersion { .. }
                | VaultError::Cost { .. },
            ) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// What stands in a history behind its head. A record that is read was one of ours, in its place; a torn
/// end can be written over.
pub fn history(bytes: &[u8]) {
    let mut files = MADE.clone();
    let held = files.get_mut(&FileName::History).expect("it was made");
    held.truncate(HEAD);
    held.extend_from_slice(bytes);
    let vault = LockedVault::find(Folder::holding(files)).expect("our own vault");
    let vault = vault.open(&password()).expect("our own password");
    let Ok(mut history) = vault.history() else {
        return;
    };
    let records = history.records().expect("it was opened");
    assert!(records.len() <= 3, "a record that nobody wrote");
    for (record, kind) in records.iter().zip(1..) {
        assert!(record.kind == kind && record.body == [kind; 40]);
    }
    let record = Record {
        kind: 7,
        time: 10,
        body: b"the next".to_vec(),
    };
    history
        .append(&record, &mut Counting(9))
        .expect("a folder in memory");
    let again = vault.history().expect("it was written to");
    assert_eq!(again.len(), records.len() as u64 + 1);
    assert_eq!(
        again.records().expect("it was opened").last(),
        Some(&record)
    );
}

/// The 24 words as somebody types them, and strokes as somebody draws them.
pub fn seed(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    if Master::from_words(text).is_ok() {
        let words = text.split_whitespace();
        let alphabetic = |word: &&str| word.bytes().all(|b| b.is_ascii_alphabetic());
        assert_eq!(words.filter(alphabetic).count(), 24);
    }
    let lines = text.lines().count();
    match Strokes::parse(text) {
        Ok(strokes) => assert!(strokes.points() <= lines),
        Err(StrokesError::Line { line } | StrokesError::Backwards { line }) => {
            assert!((1..=lines).contains(&line));
        }
        Err(StrokesError::TooFew { .. } | StrokesError::TooMany) => {}
    }
}

/// A vault's file without its digest, for a seed.
pub(crate) fn file() -> Vec<u8> {
    let file = &MADE[&FileName::Vault];
    file[..file.len() - 32].to_vec()
}

/// What stands in a history of three records behind its head, for a seed.
pub(crate) fn behind_the_head() -> Vec<u8> {
    MADE[&FileName::History][HEAD..].to_vec()
}
