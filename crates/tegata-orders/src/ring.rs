//! A file that holds the secret key in force and, while it's being replaced, the next one.
//!
//! ```text
//! {A} ── begin ──▶ {A, B} ── all that lay under A is put under B ──▶ {A, B} ── finish ──▶ {B}
//! ```
//! From `begin` on, whatever is new is put under B; A still opens what isn't there yet. A crash at
//! any moment leaves one of the three; whoever starts again goes on from there. Whoever opens a ring
//! to change it holds the data folder's lock.
//!
//! `finish` destroys A. The file with A in it is given a second name, replaced, overwritten through
//! that second name, and removed; the second name is there so that a crash in between can be made
//! good. That is as far as a program can go: a file system that copies on write, a flash disk that
//! moves blocks, a snapshot or a backup of the folder may still have the old bytes. So the file must
//! be left out of backups, and a disk that is given away should have been encrypted as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use minicbor::{Decode, Encode};
use tegata_cli::data::{DataDir, Step};
use tegata_protocol::{Time, cbor};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{FormsError, cover, cover::Cover};
use tegata_keystore::rng;

const LIMIT: usize = 1024;

/// Which of a ring's keys: random, so that a key made after a restored backup is never taken for
/// the one that was lost.
pub(crate) type SlotId = [u8; 8];

#[derive(Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(array)]
struct Slot {
    #[cbor(n(0), with = "minicbor::bytes")]
    id: [u8; 8],
    #[cbor(n(1), with = "minicbor::bytes")]
    key: [u8; 32],
    #[zeroize(skip)]
    #[n(2)]
    made: Time,
}

impl Slot {
    fn new(made: Time) -> Self {
        let (id, key) = (rng::bytes(), rng::bytes());
        Self { id, key, made }
    }

    const fn copy(&self) -> Self {
        Self {
            id: self.id,
            key: self.key,
            made: self.made,
        }
    }
}

#[derive(Encode, Decode, ZeroizeOnDrop)]
#[cbor(array)]
struct Held {
    #[n(0)]
    current: Slot,
    #[n(1)]
    next: Option<Slot>,
}

impl Held {
    fn newest(&self) -> &Slot {
        self.next.as_ref().unwrap_or(&self.current)
    }

    fn find(&self, id: &[u8]) -> Option<&Slot> {
        let slots = [Some(&self.current), self.next.as_ref()];
        slots.into_iter().flatten().find(|slot| slot.id == id)
    }
}

/// How far the replacing of the file has come: what tests cut at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// The old file has its second name.
    Linked,
    /// A step of writing the new file.
    File(Step),
    /// The old file's bytes are overwritten.
    Overwritten,
    /// Its second name is gone.
    Removed,
}

/// Called after each step; an error ends the work there, as a crash would.
type Watch<'a> = &'a mut dyn FnMut(Cut) -> io::Result<()>;

/// Something that was encrypted, and under which key.
#[derive(Debug)]
pub(crate) struct Wrapped {
    pub(crate) slot: SlotId,
    pub(crate) bytes: Vec<u8>,
}

/// What came of decrypting.
pub(crate) enum Unwrapped {
    Plain(Zeroizing<Vec<u8>>),
    /// The key isn't in this ring: destroyed, or lost with its file.
    KeyGone,
    /// The key is here and it doesn't open: damaged, or another row's.
    Damaged,
}

pub(crate) struct Ring {
    dir: DataDir,
    file: &'static str,
    cover: Arc<dyn Cover>,
    held: RwLock<Held>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({})", self.file)
    }
}

impl Ring {
    /// Opens the file, or makes it with a new key; clears away what a crash left.
    pub(crate) fn open(
        dir: &DataDir,
        file: &'static str,
        cover: Arc<dyn Cover>,
        now: Time,
    ) -> Result<Self, FormsError> {
        sweep(dir, file)?;
        if let Some(ring) = Self::read(dir, file, Arc::clone(&cover))? {
            return Ok(ring);
        }
        let held = Held {
            current: Slot::new(now),
            next: None,
        };
        let ring = Self {
            dir: dir.clone(),
            file,
            cover,
            held: RwLock::new(held),
        };
        dir.write_atomic(file, &ring.to_bytes(&ring.held()))?;
        Ok(ring)
    }

    /// Reads the file, if it's there, without changing anything.
    pub(crate) fn read(
        dir: &DataDir,
        file: &'static str,
        cover: Arc<dyn Cover>,
    ) -> Result<Option<Self>, FormsError> {
        let Some(bytes) = dir.read_optional(file)?.map(Zeroizing::new) else {
            return Ok(None);
        };
        let plain = cover.uncover(file.as_bytes(), &bytes);
        let plain = plain.ok_or_else(|| FormsError::damaged(file, "it has another key's cover"))?;
        let held = cbor::decode(&plain, LIMIT).map_err(|e| FormsError::damaged(file, e))?;
        Ok(Some(Self {
            dir: dir.clone(),
            file,
            cover,
            held: RwLock::new(held),
        }))
    }

    fn held(&self) -> std::sync::RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn to_bytes(&self, held: &Held) -> Zeroizing<Vec<u8>> {
        let plain = Zeroizing::new(cbor::encode(held));
        Zeroizing::new(self.cover.cover(self.file.as_bytes(), &plain))
    }

    /// When the key in force was made.
    pub(crate) fn made(&self) -> Time {
        self.held().current.made
    }

    /// Is the key being replaced?
    pub(crate) fn is_turning(&self) -> bool {
        self.held().next.is_some()
    }

    /// The newest key: what is under it needn't be put under another now.
    pub(crate) fn newest(&self) -> SlotId {
        self.held().newest().id
    }

    /// Encrypts under the newest key.
    pub(crate) fn wrap(&self, aad: &[u8], plain: &[u8]) -> Wrapped {
        let held = self.held();
        let slot = held.newest();
        Wrapped {
            slot: slot.id,
            bytes: cover::wrap(&slot.key, aad, plain),
        }
    }

    /// Decrypts under the key that it was encrypted under.
    pub(crate) fn unwrap(&self, slot: &[u8], aad: &[u8], wrapped: &[u8]) -> Unwrapped {
        let held = self.held();
        let Some(slot) = held.find(slot) else {
            return Unwrapped::KeyGone;
        };
        match cover::unwrap(&slot.key, aad, wrapped) {
            Some(plain) => Unwrapped::Plain(plain),
            None => Unwrapped::Damaged,
        }
    }

    /// Makes the next key, unless there's one already.
    pub(crate) fn begin(&self, now: Time, watch: Watch<'_>) -> Result<(), FormsError> {
        if self.is_turning() {
            return Ok(());
        }
        let held = Held {
            current: self.held().current.copy(),
            next: Some(Slot::new(now)),
        };
        self.replace(held, watch)
    }

    /// Destroys the key before the next one. Nothing may lie under it any more.
    pub(crate) fn finish(&self, watch: Watch<'_>) -> Result<(), FormsError> {
        let next = self.held().next.as_ref().map(Slot::copy);
        let Some(current) = next else {
            return Ok(());
        };
        let held = Held {
            current,
            next: None,
        };
        self.replace(held, watch)
    }

    fn replace(&self, held: Held, watch: Watch<'_>) -> Result<(), FormsError> {
        sweep(&self.dir, self.file)?;
        let (old, second) = (self.dir.file(self.file)?, self.dir.file(second(self.file))?);
        // Where there are no second names, the open file is overwritten all the same.
        drop(fs::hard_link(&old, &second));
        let mut file = OpenOptions::new()
            .write(true)
            .open(&old)
            .map_err(io_error(&old))?;
        watch(Cut::Linked).map_err(io_error(&old))?;
        let bytes = self.to_bytes(&held);
        self.dir
            .write_watched(self.file, &bytes, |step| watch(Cut::File(step)))?;
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        overwrite(&mut file).map_err(io_error(&second))?;
        watch(Cut::Overwritten).map_err(io_error(&second))?;
        self.dir.remove(self::second(self.file))?;
        watch(Cut::Removed).map_err(io_error(&old))
    }
}

/// The old file's second name.
fn second(file: &str) -> String {
    format!(".{file}.old")
}

/// Overwrites and removes drafts and second names that a crash left. If the second name still is
/// the file in force (the crash came before it was replaced), only the name goes.
fn sweep(dir: &DataDir, file: &str) -> Result<(), FormsError> {
    let (in_force, litter) = (dir.file(file)?, format!(".{file}."));
    let entries = fs::read_dir(dir.path()).map_err(io_error(dir.path()))?;
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(&litter) {
            continue;
        }
        let path = entry.path();
        if !is_same(&path, &in_force) {
            let opened = OpenOptions::new().write(true).open(&path);
            opened
                .and_then(|mut file| overwrite(&mut file))
                .map_err(io_error(&path))?;
        }
        fs::remove_file(&path).map_err(io_error(&path))?;
    }
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => one.dev() == other.dev() && one.ino() == other.ino(),
        _ => false,
    }
}

fn overwrite(file: &mut File) -> io::Result<()> {
    let length = usize::try_from(file.metadata()?.len());
    let length = length.map_err(|_e| io::Error::from(ErrorKind::FileTooLarge))?;
    file.write_all(&vec![0; length])?;
    file.sync_all()
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> FormsError {
    let path = PathBuf::from(path);
    move |source| FormsError::File { path, source }
}
