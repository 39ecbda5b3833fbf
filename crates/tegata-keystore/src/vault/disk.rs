//! The few things that a vault does to a disk, as a trait.
//!
//! A vault must outlive a power cut at any moment, so its steps on the disk are few, named and
//! separate: write, sync, rename, sync the folder. [`FolderDisk`] is the real one, under an
//! advisory lock; the tests have another that cuts the power at every step and shows every state
//! that the cut may leave.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{FileName, VaultError};

/// A folder on a disk, by its elementary steps.
///
/// No step but the two syncs promises that anything survives a power cut, and a step that failed
/// may have been done in part.
pub trait Disk: fmt::Debug + Send + Sync {
    /// The whole file, or none.
    ///
    /// # Errors
    /// The system's.
    fn read(&self, file: FileName) -> io::Result<Option<Vec<u8>>>;

    /// The length of the file in bytes, or none.
    ///
    /// # Errors
    /// The system's.
    fn length(&self, file: FileName) -> io::Result<Option<u64>>;

    /// Makes the file, or empties it, and writes `bytes`.
    ///
    /// # Errors
    /// The system's; the file may hold a part.
    fn write(&self, file: FileName, bytes: &[u8]) -> io::Result<()>;

    /// Writes `bytes` at the end of a file that exists.
    ///
    /// # Errors
    /// The system's; a part may have been written.
    fn append(&self, file: FileName, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file down to `length` bytes.
    ///
    /// # Errors
    /// The system's.
    fn cut(&self, file: FileName, length: u64) -> io::Result<()>;

    /// Makes the file's contents last through a power cut.
    ///
    /// # Errors
    /// The system's; nothing is known about what lasts, then.
    fn sync(&self, file: FileName) -> io::Result<()>;

    /// Gives `from` the name `to`, in place of what had that name: at once, never in part.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: FileName, to: FileName) -> io::Result<()>;

    /// Makes the names in the folder last through a power cut.
    ///
    /// # Errors
    /// The system's.
    fn sync_folder(&self) -> io::Result<()>;
}

/// Replaces `target` by `bytes` so that a cut at any moment leaves the old or the new contents.
pub(super) fn replace(
    disk: &dyn Disk,
    draft: FileName,
    target: FileName,
    bytes: &[u8],
) -> Result<(), VaultError> {
    disk.write(draft, bytes).map_err(failed("write", draft))?;
    disk.sync(draft).map_err(failed("sync", draft))?;
    disk.rename(draft, target)
        .map_err(failed("put in place", target))?;
    disk.sync_folder()
        .map_err(failed("sync the folder of", target))
}

/// Names the step and the file in an error.
pub(super) fn failed(doing: &'static str, file: FileName) -> impl FnOnce(io::Error) -> VaultError {
    move |source| {
        if source.kind() == io::ErrorKind::ReadOnlyFilesystem {
            return VaultError::ReadOnly;
        }
        VaultError::Disk {
            doing,
            file,
            source,
        }
    }
}

/// A real folder.
#[derive(Debug)]
pub struct FolderDisk {
    folder: PathBuf,
    /// Held for as long as this lives; the system frees it when the process ends, however it ends.
    lock: Option<File>,
}

const LOCK_FILE: &str = "lock.tegata";

impl FolderDisk {
    /// Takes the folder for writing; makes it if it isn't there.
    ///
    /// # Errors
    /// [`VaultError::InUse`] while another process (or another value in this one) has it;
    /// [`VaultError::Disk`] when the folder can't be used.
    pub fn lock(folder: impl Into<PathBuf>) -> Result<Self, VaultError> {
        let folder = folder.into();
        let blame = |doing| failed(doing, FileName::Vault);
        make_private_folder(&folder).map_err(blame("make the folder for"))?;
        let lock = private_file()
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(LOCK_FILE))
            .map_err(blame("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                folder,
                lock: Some(lock),
            }),
            Err(TryLockError::WouldBlock) => Err(VaultError::InUse),
            Err(TryLockError::Error(source)) => Err(blame("lock")(source)),
        }
    }

    /// Takes the folder for reading, beside whoever writes. Every write is refused.
    pub fn reading(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            lock: None,
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, file: FileName) -> PathBuf {
        self.folder.join(file.as_str())
    }

    fn for_writing(&self, file: FileName) -> io::Result<PathBuf> {
        match self.lock {
            Some(_) => Ok(self.path(file)),
            None => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        }
    }
}

impl Disk for FolderDisk {
    fn read(&self, file: FileName) -> io::Result<Option<Vec<u8>>> {
        none_if_missing(fs::read(self.path(file)))
    }

    fn length(&self, file: FileName) -> io::Result<Option<u64>> {
        none_if_missing(fs::metadata(self.path(file)).map(|m| m.len()))
    }

    fn write(&self, file: FileName, bytes: &[u8]) -> io::Result<()> {
        private_file()
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.for_writing(file)?)?
            .write_all(bytes)
    }

    fn append(&self, file: FileName, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new()
            .append(true)
            .open(self.for_writing(file)?)?
            .write_all(bytes)
    }

    fn cut(&self, file: FileName, length: u64) -> io::Result<()> {
        OpenOptions::new()
            .write(true)
            .open(self.for_writing(file)?)?
            .set_len(length)
    }

    fn sync(&self, file: FileName) -> io::Result<()> {
        OpenOptions::new()
            .write(true)
            .open(self.for_writing(file)?)?
            .sync_all()
    }

    fn rename(&self, from: FileName, to: FileName) -> io::Result<()> {
        fs::rename(self.for_writing(from)?, self.for_writing(to)?)
    }

    fn sync_folder(&self) -> io::Result<()> {
        // Only Unix lets a folder be opened and synced; elsewhere the rename itself is durable.
        if cfg!(unix) {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }
}

fn none_if_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Files that nobody but their owner may read.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
