//! The data folder: everything that a party owns stands in one folder of its own.
//!
//! The folder is made readable for its owner only, and carries a file `PARTY` that says whose
//! folder it is, so that a shop can't be started on a wallet's folder by mistake. Whoever
//! writes holds the folder's lock, so that two processes can't do so at once. Files
//! are replaced atomically: after a crash there is the old file or the new one, never half.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::code::Exit;

const MARKER: &str = "PARTY";
const LOCK: &str = "lock";
const UNFINISHED: &str = ".new";

/// The command-line argument `--data`; flatten it into a program's arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct DataArgs {
    /// The folder that holds everything this party owns (made when missing)
    #[arg(long, value_name = "DIR", env = "TEGATA_DATA")]
    pub data: PathBuf,
}

/// What kind of party a folder belongs to, and the version of its layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    name: &'static str,
    layout: u32,
}

impl Party {
    /// `Party::new("tegata-shop", 1)`: the program's name and the folder's layout.
    #[must_use]
    pub const fn new(name: &'static str, layout: u32) -> Self {
        Self { name, layout }
    }
}

/// Why a data folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("can't {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The folder isn't a data folder at all, and isn't empty.
    #[error("{} isn't a data folder of {wanted}: it has files but no file {MARKER}", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// The party that was to use it.
        wanted: &'static str,
    },
    /// The folder belongs to another kind of party.
    #[error("{} belongs to {found}, not to {wanted}", path.display())]
    OtherParty {
        /// The folder.
        path: PathBuf,
        /// The party that was to use it.
        wanted: &'static str,
        /// The party that owns it.
        found: String,
    },
    /// The folder was written by a newer program.
    #[error(
        "{} has layout {found} of {wanted}, this program knows {known}", path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// The party.
        wanted: &'static str,
        /// The folder's layout.
        found: u32,
        /// The newest layout that this program knows.
        known: u32,
    },
    /// The marker can't be read.
    #[error("{} is damaged: it says {found:?}", path.display())]
    Marker {
        /// The marker file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// The folder isn't there, and wasn't to be made.
    #[error("there is no data folder {}", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// Another process uses the folder.
    #[error("{} is in use by {}", path.display(), holder(*pid))]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The other process, if it could be learnt.
        pid: Option<u32>,
    },
    /// A file name that leaves the folder, or is none.
    #[error("{name:?} isn't a file name within the data folder")]
    Name {
        /// The name.
        name: PathBuf,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

impl Error {
    /// The operating system refused `action` on `path`.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// The code that a program ends with.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Marker { .. } => Exit::Damaged,
            Self::Io { .. } | Self::Locked { .. } => Exit::Refused,
            Self::Foreign { .. }
            | Self::OtherParty { .. }
            | Self::Newer { .. }
            | Self::Missing { .. }
            | Self::Name { .. } => Exit::Usage,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        match self {
            Self::Foreign { .. } | Self::OtherParty { .. } => {
                Some("give another folder with --data; a new one is made when missing".into())
            }
            Self::Newer { .. } => Some("use the newer program; nothing was changed".into()),
            Self::Locked { .. } => {
                Some("stop the other process first, or give another folder with --data".into())
            }
            Self::Marker { .. } => Some("restore the folder from a backup".into()),
            Self::Missing { .. } => Some("check --data".into()),
            Self::Io { .. } | Self::Name { .. } => None,
        }
    }
}

/// A party's data folder.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
    layout: u32,
}

/// The right to change a data folder, or some file in it; held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// How far an atomic write has come. See [`DataDir::write_watched`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The new file is there, empty.
    Created,
    /// Half of it has been written.
    HalfWritten,
    /// All of it has been written, perhaps only into the system's memory.
    Written,
    /// It's on the disk.
    Synced,
    /// It has taken the old one's place.
    Renamed,
    /// That too is on the disk.
    FolderSynced,
}

impl Step {
    /// All steps in their order.
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::HalfWritten,
        Self::Written,
        Self::Synced,
        Self::Renamed,
        Self::FolderSynced,
    ];
}

impl DataDir {
    /// Opens a party's folder, making it if it's missing or empty.
    ///
    /// # Errors
    /// If it belongs to somebody else, is of a newer layout, or can't be read.
    pub fn open(path: &Path, party: Party) -> Result<Self, Error> {
        if !path.is_dir() {
            make_dir(path)?;
        }
        if !path.join(MARKER).exists() {
            adopt(path, party)?;
        }
        Self::open_existing(path, party)
    }

    /// Opens a party's folder that must be there already.
    ///
    /// # Errors
    /// If it isn't there, belongs to somebody else, is of a newer layout, or can't be read.
    pub fn open_existing(path: &Path, party: Party) -> Result<Self, Error> {
        if !path.is_dir() {
            return Err(Error::Missing {
                path: path.to_owned(),
            });
        }
        let layout = read_marker(path, party)?;
        close_to_others(path)?;
        Ok(Self {
            path: path.to_owned(),
            layout,
        })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The layout that the folder was made with: at most the party's own.
    #[must_use]
    pub const fn layout(&self) -> u32 {
        self.layout
    }

    /// Where a file of that name stands, whether it exists or not.
    ///
    /// # Errors
    /// [`Error::Name`] if the name would leave the folder.
    pub fn file(&self, name: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let name = name.as_ref();
        let plain = name
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !plain || name.as_os_str().is_empty() {
            return Err(Error::Name {
                name: name.to_owned(),
            });
        }
        Ok(self.path.join(name))
    }

    /// Takes the right to change the folder, and clears away what a crash left half-written.
    ///
    /// # Errors
    /// [`Error::Locked`] with the other process' number if somebody else has it.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.path.join(LOCK);
        let mut file = private_file()
            .truncate(false)
            .read(true)
            .open(&path)
            .map_err(|source| Error::io("open", &path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&path)
                    .ok()
                    .and_then(|text| text.trim().parse().ok());
                return Err(Error::Locked {
                    path: self.path.clone(),
                    pid,
                });
            }
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path, source)),
        }
        let write_pid = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        write_pid.map_err(|source| Error::io("write", &path, source))?;
        self.clear_unfinished();
        Ok(Lock { _file: file })
    }

    /// Waits until no other thread and no other process holds the lock of this name, and takes it: for a file
    /// that a server and its commands both replace, while the server has the folder's own lock.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn wait_alone(&self, name: impl AsRef<Path>) -> Result<Lock, Error> {
        let path = self.file(name)?;
        let file = private_file().truncate(false).read(true).open(&path);
        let file = file.map_err(|source| Error::io("open", &path, source))?;
        let locked = file.lock();
        locked.map_err(|source| Error::io("lock", &path, source))?;
        Ok(Lock { _file: file })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it isn't there or can't be read.
    pub fn read(&self, name: impl AsRef<Path>) -> Result<Vec<u8>, Error> {
        let path = self.file(name)?;
        fs::read(&path).map_err(|source| Error::io("read", &path, source))
    }

    /// Reads a file that may be missing.
    ///
    /// # Errors
    /// If it's there and can't be read.
    pub fn read_optional(&self, name: impl AsRef<Path>) -> Result<Option<Vec<u8>>, Error> {
        match self.read(name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces a file, or makes it: readable for the owner only, and on the disk when this
    /// returns. Folders in its name are made as needed.
    ///
    /// # Errors
    /// If the system refuses; then the old file is as it was.
    pub fn write_atomic(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
        self.write_watched(name, bytes, |_| Ok(()))
    }

    /// As [`Self::write_atomic`], and calls `at` after every step. An error from `at` ends the
    /// write right there and leaves what a crash at that moment would leave: it's how tests cut
    /// a write at each of its boundaries.
    ///
    /// # Errors
    /// If the system, or `at`, refuses.
    pub fn write_watched(
        &self,
        name: impl AsRef<Path>,
        bytes: &[u8],
        mut at: impl FnMut(Step) -> io::Result<()>,
    ) -> Result<(), Error> {
        let path = self.file(name)?;
        let folder = path.parent().unwrap_or(&self.path);
        make_dir(folder)?;
        let unfinished = unfinished_name(&path);
        let mut write = || -> io::Result<()> {
            let mut file = private_file().create_new(true).open(&unfinished)?;
            at(Step::Created)?;
            let (first, second) = bytes.split_at(bytes.len() / 2);
            file.write_all(first)?;
            at(Step::HalfWritten)?;
            file.write_all(second)?;
            at(Step::Written)?;
            file.sync_all()?;
            at(Step::Synced)?;
            fs::rename(&unfinished, &path)?;
            at(Step::Renamed)?;
            File::open(folder)?.sync_all()?;
            at(Step::FolderSynced)
        };
        write().map_err(|source| Error::io("write", &path, source))
    }

    /// Adds bytes to the end of a file, made if missing; on the disk when this returns. A crash
    /// may leave a part of `bytes` at the end: give them a length or a checksum.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn append(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
        let path = self.file(name)?;
        let folder = path.parent().unwrap_or(&self.path);
        make_dir(folder)?;
        let new = !path.exists();
        let append = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            if new {
                File::open(folder)?.sync_all()
            } else {
                Ok(())
            }
        };
        append().map_err(|source| Error::io("add to", &path, source))
    }

    /// Removes a file; one that isn't there is no error.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn remove(&self, name: impl AsRef<Path>) -> Result<(), Error> {
        let path = self.file(name)?;
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove", &path, source))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Best effort: what stays is only litter.
    fn clear_unfinished(&self) {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') && name.ends_with(UNFINISHED) {
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}

/// Makes a folder with its parents, readable for the owner only.
///
/// # Errors
/// If the system refuses.
pub fn make_dir(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| Error::io("make the folder", path, source))
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

/// A name beside the file that no other writer uses.
fn unfinished_name(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(
        ".{name}.{}.{number}{UNFINISHED}",
        std::process::id()
    ))
}

/// Marks an empty folder as the party's. Only an empty one, or one in which nothing but its
/// settings have been laid ready: a mistyped `--data ~` must not turn a home into a shop.
fn adopt(path: &Path, party: Party) -> Result<(), Error> {
    let entries = fs::read_dir(path).map_err(|source| Error::io("read", path, source))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let settings = Path::new(&name)
            .extension()
            .is_some_and(|end| end == "toml");
        let unfinished = name.to_string_lossy().starts_with(".PARTY.");
        if !settings && !unfinished {
            return Err(Error::Foreign {
                path: path.to_owned(),
                wanted: party.name,
            });
        }
    }
    let dir = DataDir {
        path: path.to_owned(),
        layout: party.layout,
    };
    dir.write_atomic(
        MARKER,
        format!("{} {}\n", party.name, party.layout).as_bytes(),
    )
}

fn read_marker(path: &Path, party: Party) -> Result<u32, Error> {
    let marker = path.join(MARKER);
    let text = match fs::read_to_string(&marker) {
        Ok(text) => text,
        Err(source) if source.kind() == ErrorKind::NotFound => {
            return Err(Error::Foreign {
                path: path.to_owned(),
                wanted: party.name,
            });
        }
        Err(source) => return Err(Error::io("read", &marker, source)),
    };
    let damaged = || Error::Marker {
        path: marker.clone(),
        found: text.clone(),
    };
    let (name, layout) = text.trim_end().split_once(' ').ok_or_else(damaged)?;
    if name != party.name {
        let (path, found) = (path.to_owned(), name.to_owned());
        return Err(Error::OtherParty {
            path,
            wanted: party.name,
            found,
        });
    }
    let found = layout.parse::<u32>().ok().ok_or_else(damaged)?;
    if found > party.layout {
        let (path, known) = (path.to_owned(), party.layout);
        return Err(Error::Newer {
            path,
            wanted: party.name,
            found,
            known,
        });
    }
    Ok(found)
}

/// A folder that somebody made beforehand is often readable for all.
fn close_to_others(path: &Path) -> Result<(), Error> {
    let mode = fs::metadata(path).map(|meta| meta.permissions().mode());
    let mode = mode.map_err(|source| Error::io("read", path, source))?;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))
        .map_err(|source| Error::io("close to others", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: Party = Party::new("tegata-shop", 1);

    fn folder() -> (tempfile::TempDir, DataDir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&temp.path().join("shop"), SHOP).unwrap();
        (temp, dir)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_folder_is_private_and_marked() {
        let (_temp, dir) = folder();
        assert_eq!(mode(dir.path()), 0o700);
        assert_eq!(dir.read("PARTY").unwrap(), b"tegata-shop 1\n");
        dir.write_atomic("keys/sign", b"secret").unwrap();
        assert_eq!(mode(&dir.file("keys/sign").unwrap()), 0o600);
        assert_eq!(mode(&dir.file("keys").unwrap()), 0o700);
    }

    #[test]
    fn a_folder_open_to_others_is_closed() {
        let (_temp, dir) = folder();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        DataDir::open(dir.path(), SHOP).unwrap();
        assert_eq!(mode(dir.path()), 0o700);
    }

    #[test]
    fn another_partys_folder_is_refused() {
        let (_temp, dir) = folder();
        let refused = DataDir::open(dir.path(), Party::new("tegata-wallet", 1)).unwrap_err();
        assert!(matches!(refused, Error::OtherParty { .. }), "{refused}");
        let refused = DataDir::open(dir.path(), Party::new("tegata-shop", 0)).unwrap_err();
        assert!(
            matches!(
                refused,
                Error::Newer {
                    found: 1,
                    known: 0,
                    ..
                }
            ),
            "{refused}"
        );
        assert_eq!(
            DataDir::open(dir.path(), Party::new("tegata-shop", 2))
                .unwrap()
                .layout(),
            1
        );
        fs::write(dir.path().join("PARTY"), "tegata-shop one\n").unwrap();
        let refused = DataDir::open(dir.path(), SHOP).unwrap_err();
        assert_eq!(refused.exit(), Exit::Damaged);
    }

    #[test]
    fn a_folder_with_files_of_others_isnt_adopted_but_one_with_settings_is() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("shop.toml"), "").unwrap();
        fs::write(temp.path().join("letter.txt"), "dear").unwrap();
        let refused = DataDir::open(temp.path(), SHOP).unwrap_err();
        assert!(matches!(refused, Error::Foreign { .. }), "{refused}");
        fs::remove_file(temp.path().join("letter.txt")).unwrap();
        DataDir::open(temp.path(), SHOP).unwrap();
        let missing = DataDir::open_existing(&temp.path().join("no"), SHOP).unwrap_err();
        assert!(matches!(missing, Error::Missing { .. }), "{missing}");
    }

    #[test]
    fn the_second_to_lock_is_told_who_holds_it() {
        let (_temp, dir) = folder();
        let first = dir.lock().unwrap();
        match dir.lock() {
            Err(Error::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(first);
        dir.lock().unwrap();
    }

    #[test]
    fn a_write_cut_at_any_step_leaves_the_old_file_or_the_new_one() {
        for cut in Step::ALL {
            let (_temp, dir) = folder();
            dir.write_atomic("vault", b"old vault").unwrap();
            let cut_off = |step| match step == cut {
                true => Err(io::Error::other("cut")),
                false => Ok(()),
            };
            dir.write_watched("vault", b"new vault", cut_off)
                .unwrap_err();
            let renamed = matches!(cut, Step::Renamed | Step::FolderSynced);
            let expected: &[u8] = if renamed { b"new vault" } else { b"old vault" };
            assert_eq!(dir.read("vault").unwrap(), expected, "{cut:?}");
            let _lock = dir.lock().unwrap();
            let names = fs::read_dir(dir.path())
                .unwrap()
                .map(|e| e.unwrap().file_name());
            assert_eq!(
                names.count(),
                3,
                "PARTY, lock, vault and no litter after {cut:?}"
            );
        }
    }

    #[test]
    fn a_file_is_replaced_by_another_and_never_overwritten() {
        use std::os::unix::fs::MetadataExt as _;
        let (_temp, dir) = folder();
        let mut numbers = Vec::new();
        for text in ["one", "two"] {
            dir.write_atomic("vault", text.as_bytes()).unwrap();
            numbers.push(fs::metadata(dir.file("vault").unwrap()).unwrap().ino());
        }
        assert_ne!(numbers[0], numbers[1]);
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            2,
            "PARTY and vault"
        );
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let (_temp, dir) = folder();
        for name in ["", "..", "../x", "a/../../x", "/etc/passwd", "./x"] {
            assert!(
                matches!(dir.write_atomic(name, b""), Err(Error::Name { .. })),
                "{name:?}"
            );
        }
    }

    #[test]
    fn appending_keeps_what_is_there() {
        let (_temp, dir) = folder();
        dir.append("history", b"one,").unwrap();
        dir.append("history", b"two").unwrap();
        assert_eq!(dir.read("history").unwrap(), b"one,two");
        dir.remove("history").unwrap();
        dir.remove("history").unwrap();
        assert_eq!(dir.read_optional("history").unwrap(), None);
    }
}
