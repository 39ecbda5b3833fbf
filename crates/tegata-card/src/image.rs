//! A card's memory in a file, for cards made of software.
//!
//! The file begins with a page that says what it is; page `n` of the memory is the file's page
//! `n + 1`. It holds the card's keys, so only its owner may read it, and only one process at a
//! time may have it open. Each page is on the disk before a write returns.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::chip::{Hardware, PAGE, Page, PowerCut};

const MAGIC: &[u8; 20] = b"Tegata card's image\n";
const VERSION: u32 = 1;
/// The owner reads and writes, nobody else does either.
const PRIVATE: u32 = 0o600;

/// Why an image can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The system refused something.
    #[error("can't {action} the card's image {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The image.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is something else. It was left as it is.
    #[error("{} isn't the image of a card", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The image was made by a newer program. It was left as it is.
    #[error("the card's image {} has version {found}, this program knows {VERSION}", path.display())]
    Newer {
        /// The image.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Another process uses it.
    #[error("the card's image {} is in use by another process", path.display())]
    Locked {
        /// The image.
        path: PathBuf,
    },
}

/// A card's memory in a file. See the module's description.
///
/// When the system refuses to read or write, the card has lost its power for good: every access
/// from then on is a [`PowerCut`], and [`fault`](Self::fault) tells why.
#[derive(Debug)]
pub struct FileMemory {
    file: File,
    path: PathBuf,
    fault: Option<io::Error>,
}

impl FileMemory {
    /// Opens an image that is there.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(|source| refused("open", path, source))?;
        check_header(&file, path)?;
        lock(&file, path)?;
        let private = file.set_permissions(Permissions::from_mode(PRIVATE));
        private.map_err(|source| refused("close to others", path, source))?;
        Ok(Self::new(file, path))
    }

    /// Makes an image and has `manufacture` fill it. It takes its place only when that is done,
    /// so a crash leaves no half-made card; a file that is there already is never replaced.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn create(
        path: &Path,
        manufacture: impl FnOnce(&mut Self) -> Result<(), PowerCut>,
    ) -> Result<Self, ImageError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let unfinished = PathBuf::from(name);
        let mut memory = Self::begin(&unfinished)?;
        let made = manufacture(&mut memory);
        let finished = made
            .map_err(|PowerCut| memory.fault.take())
            .map_err(|fault| fault.unwrap_or_else(|| io::Error::other("the power was cut")))
            .and_then(|()| put_in_place(&memory.file, &unfinished, path));
        finished.map_err(|source| refused("make", path, source))?;
        memory.path = path.to_owned();
        Ok(memory)
    }

    /// What the system refused, if it did.
    #[must_use]
    pub const fn fault(&self) -> Option<&io::Error> {
        self.fault.as_ref()
    }

    /// Where the image is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn new(file: File, path: &Path) -> Self {
        Self {
            file,
            path: path.to_owned(),
            fault: None,
        }
    }

    /// An image with nothing but its header. What a crash left half-made is begun anew, unless
    /// somebody is at work on it.
    fn begin(path: &Path) -> Result<Self, ImageError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(PRIVATE).open(path);
        let file = file.map_err(|source| refused("make", path, source))?;
        lock(&file, path)?;
        let begun = file
            .set_permissions(Permissions::from_mode(PRIVATE))
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.write_all_at(&header(), 0));
        begun.map_err(|source| refused("write", path, source))?;
        Ok(Self::new(file, path))
    }

    fn access<T>(&mut self, access: impl FnOnce(&File) -> io::Result<T>) -> Result<T, PowerCut> {
        if self.fault.is_some() {
            return Err(PowerCut);
        }
        access(&self.file).map_err(|fault| {
            self.fault = Some(fault);
            PowerCut
        })
    }
}

impl Hardware for FileMemory {
    fn read(&mut self, page: usize) -> Result<Page, PowerCut> {
        self.access(|file| read_page(file, offset(page)?))
    }

    fn write(&mut self, page: usize, contents: &Page) -> Result<(), PowerCut> {
        self.access(|file| {
            file.write_all_at(contents, offset(page)?)?;
            file.sync_data()
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the pause itself is what the card is asked for; there's no event to wait for"
    )]
    fn pause(&mut self, milliseconds: u16) {
        std::thread::sleep(Duration::from_millis(milliseconds.into()));
    }
}

fn refused(action: &'static str, path: &Path, source: io::Error) -> ImageError {
    ImageError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

fn lock(file: &File, path: &Path) -> Result<(), ImageError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(ImageError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(refused("lock", path, source)),
    }
}

fn put_in_place(file: &File, unfinished: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    // A link, because renaming would replace what is there.
    fs::hard_link(unfinished, path)?;
    fs::remove_file(unfinished)?;
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn header() -> Page {
    let mut page = [0; PAGE];
    let said = MAGIC.iter().copied().chain(VERSION.to_be_bytes());
    for (place, byte) in page.iter_mut().zip(said) {
        *place = byte;
    }
    page
}

fn check_header(file: &File, path: &Path) -> Result<(), ImageError> {
    let page = read_page(file, 0).map_err(|source| refused("read", path, source))?;
    let version = page.strip_prefix(MAGIC).and_then(<[u8]>::first_chunk::<4>);
    match version.map(|version| u32::from_be_bytes(*version)) {
        Some(VERSION) => Ok(()),
        Some(found) if found > VERSION => Err(ImageError::Newer {
            path: path.to_owned(),
            found,
        }),
        Some(_) | None => Err(ImageError::Foreign {
            path: path.to_owned(),
        }),
    }
}

/// Where a page of the memory stands in the file, behind the header.
fn offset(page: usize) -> io::Result<u64> {
    let offset = page
        .checked_add(1)
        .and_then(|page| page.checked_mul(PAGE))
        .and_then(|offset| u64::try_from(offset).ok());
    offset.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

/// What was never written is all zeros.
fn read_page(file: &File, offset: u64) -> io::Result<Page> {
    let mut page = [0; PAGE];
    let mut rest = page.as_mut_slice();
    let mut offset = offset;
    while !rest.is_empty() {
        match file.read_at(rest, offset) {
            Ok(0) => break,
            Ok(count) => {
                rest = rest.get_mut(count..).unwrap_or_default();
                offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card.image");
        (folder, path)
    }

    fn blank(path: &Path) -> FileMemory {
        FileMemory::create(path, |_| Ok(())).unwrap()
    }

    #[test]
    fn pages_are_there_when_the_image_is_opened_again() {
        let (_folder, path) = place();
        let made = FileMemory::create(&path, |memory| memory.write(3, &[7; PAGE]));
        made.unwrap().write(0, &[1; PAGE]).unwrap();
        let mut memory = FileMemory::open(&path).unwrap();
        assert_eq!(memory.read(0).unwrap(), [1; PAGE]);
        assert_eq!(memory.read(2).unwrap(), [0; PAGE]);
        assert_eq!(memory.read(3).unwrap(), [7; PAGE]);
        assert_eq!(memory.read(1000).unwrap(), [0; PAGE]);
    }

    #[test]
    fn only_the_owner_may_read_an_image() {
        let (_folder, path) = place();
        drop(blank(&path));
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), PRIVATE);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        drop(FileMemory::open(&path).unwrap());
        assert_eq!(mode(), PRIVATE);
    }

    #[test]
    fn one_process_at_a_time_has_it() {
        let (_folder, path) = place();
        let memory = blank(&path);
        let error = FileMemory::open(&path).unwrap_err();
        assert!(matches!(error, ImageError::Locked { .. }), "{error}");
        drop(memory);
        FileMemory::open(&path).unwrap();
    }

    #[test]
    fn foreign_files_and_newer_images_are_left_alone() {
        let (_folder, path) = place();
        for text in ["", "Dear diary,", "Tegata card's image\n"] {
            fs::write(&path, text).unwrap();
            let error = FileMemory::open(&path).unwrap_err();
            assert!(
                matches!(error, ImageError::Foreign { .. }),
                "{text}: {error}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, b"Tegata card's image\n\0\0\0\x02").unwrap();
        let error = FileMemory::open(&path).unwrap_err();
        assert!(
            matches!(error, ImageError::Newer { found: 2, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_there_is_never_replaced() {
        let (_folder, path) = place();
        fs::write(&path, "Dear diary,").unwrap();
        FileMemory::create(&path, |_| Ok(())).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "Dear diary,");
    }

    #[test]
    fn a_card_that_was_left_half_made_is_made_anew() {
        let (_folder, path) = place();
        let half = FileMemory::create(&path, |memory| {
            memory.write(5, &[5; PAGE])?;
            Err(PowerCut)
        });
        half.unwrap_err();
        assert!(!path.exists());
        assert_eq!(blank(&path).read(5).unwrap(), [0; PAGE]);
    }

    #[test]
    fn after_a_refusal_the_power_stays_away() {
        let (_folder, path) = place();
        let mut memory = blank(&path);
        memory.write(usize::MAX, &[0; PAGE]).unwrap_err();
        assert!(memory.fault().is_some());
        assert_eq!(memory.read(0), Err(PowerCut));
    }
}
