//! The vault's write and the history's are two: what a crash between them leaves.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tegata_cli::data::DataDir;
use tegata_wallet::{
    Wallet,
    entry::Entry,
    vault::{Disk, FileName, FolderDisk, VaultError},
    wallet::Access,
};

use crate::{
    story::joined,
    town::{Town, now},
    vault::{A, pw},
};

/// A crash between the vault's write and the history's neither loses nor doubles an entry.
#[test]
fn entries_that_a_crash_kept_back_are_written_on_opening() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    drop(joined(&town, folder.path()));
    town.money_comes(500, "RF18539007547034");
    let (disk, dir) = BadDisk::of(folder.path());
    let mut wallet = Wallet::open_on(disk.clone(), dir, &pw(A)).unwrap();
    disk.fails.store(true, Ordering::SeqCst);
    wallet.collect(now()).unwrap_err();
    drop(wallet);
    drop(disk);
    let looking = Wallet::open(folder.path(), Access::Reading, &pw(A)).unwrap();
    let entries = looking.history().unwrap();
    assert!(
        matches!(entries[1].entry, Entry::Loaded(..)),
        "shown before it's written"
    );
    for _ in 0..2 {
        let mut wallet = Wallet::open(folder.path(), Access::Writing, &pw(A)).unwrap();
        assert_eq!(wallet.history().unwrap(), entries);
        assert_eq!(wallet.collect(now()).unwrap(), Default::default());
    }
}

/// A disk on which the history can't be written.
#[derive(Debug)]
struct BadDisk {
    good: FolderDisk,
    fails: AtomicBool,
}

impl BadDisk {
    /// A process that another test has just begun may hold copies of our files for a moment.
    fn lock(folder: &Path) -> FolderDisk {
        loop {
            match FolderDisk::lock(folder) {
                Err(VaultError::InUse) => std::thread::yield_now(),
                other => return other.unwrap(),
            }
        }
    }

    fn of(folder: &Path) -> (Arc<Self>, DataDir) {
        let disk = Self {
            good: Self::lock(folder),
            fails: AtomicBool::new(false),
        };
        let dir = DataDir::open_existing(folder, tegata_wallet::wallet::PARTY).unwrap();
        (Arc::new(disk), dir)
    }
}

impl Disk for BadDisk {
    fn read(&self, file: FileName) -> io::Result<Option<Vec<u8>>> {
        self.good.read(file)
    }
    fn length(&self, file: FileName) -> io::Result<Option<u64>> {
        self.good.length(file)
    }
    fn write(&self, file: FileName, bytes: &[u8]) -> io::Result<()> {
        self.good.write(file, bytes)
    }
    fn append(&self, file: FileName, bytes: &[u8]) -> io::Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the power is gone"));
        }
        self.good.append(file, bytes)
    }
    fn cut(&self, file: FileName, length: u64) -> io::Result<()> {
        self.good.cut(file, length)
    }
    fn sync(&self, file: FileName) -> io::Result<()> {
        self.good.sync(file)
    }
    fn rename(&self, from: FileName, to: FileName) -> io::Result<()> {
        self.good.rename(from, to)
    }
    fn sync_folder(&self) -> io::Result<()> {
        self.good.sync_folder()
    }
}
