//! Signed chain heads, kept in files beside the database.
//!
//! A head says: at this time the chain of this committer had this many records, and the last one's
//! hash was this. Since the hash covers all records before it, whoever holds a signed head notices
//! if any of them is changed or missing later, the last one too. `heads/<committer>.heads` is a
//! CBOR sequence of byte strings, each a signed head as [`HeadSigner`] made it. The file is only
//! appended to and needs no fsync: the database is durable first, and what a crash cuts off is made
//! again on the next start.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use minicbor::{Decode, Encode};
use tegata_protocol::{Digest, Time, cbor};

use crate::{Position, Record, store::Tip};

/// How a chain stood after its latest record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Head {
    /// Whose chain.
    #[n(0)]
    pub committer: u16,
    /// How many records it had.
    #[n(1)]
    pub sequence: u64,
    /// The last record's hash.
    #[n(2)]
    pub hash: Digest,
    /// The last record's time.
    #[n(3)]
    pub time: Time,
}

impl Head {
    /// The head of a chain that ends at `tip`.
    pub(crate) fn of(committer: u16, tip: Option<Tip>) -> Self {
        Self {
            committer,
            sequence: tip.map_or(0, |t| t.position.sequence),
            hash: tip.map_or(Record::GENESIS, |t| t.hash),
            time: tip.map_or(Time::from_secs(0), |t| t.time),
        }
    }

    /// The place of the record that it names.
    pub const fn position(&self) -> Position {
        Position::new(self.committer, self.sequence)
    }

    /// The encoding that is to be signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads [`Head::to_bytes`].
    ///
    /// # Errors
    /// [`Malformed`](tegata_protocol::Malformed) when it isn't one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, tegata_protocol::Malformed> {
        cbor::decode(bytes, 128)
    }
}

/// Signs heads, and reads back what it signed. The centre's receipts key does this.
pub trait HeadSigner: Send {
    /// The signed form of a head.
    fn sign(&self, head: &Head) -> Vec<u8>;

    /// Verifies a signed head and reads it.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    fn read(&self, signed: &[u8]) -> Result<Head, String>;
}

/// Why the file of heads can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HeadsError {
    /// The file or its folder failed.
    #[error("the file of signed heads {path} can't be used")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process holds it.
    #[error("another process is writing {path}; only one centre may run on this data")]
    InUse {
        /// Which file.
        path: PathBuf,
    },
}

/// A committer's file of signed heads, open for appending; other processes are kept out.
#[derive(Debug)]
pub struct HeadsFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole heads: where the next one goes.
    whole: u64,
}

/// A head that was being written when the power failed leaves no more than this.
const TORN: u64 = 1024;
/// No signed head is as long as this.
const LONGEST_HEAD: u64 = 4096;

impl HeadsFile {
    /// Where the heads of a committer lie in the folder `heads`.
    pub fn path_in(heads: &Path, committer: u16) -> PathBuf {
        heads.join(format!("{committer}.heads"))
    }

    /// Opens (or makes) the file, cuts off a torn end, and returns the last whole head as well.
    ///
    /// # Errors
    /// [`HeadsError`].
    pub fn open(heads: &Path, committer: u16) -> Result<(Self, Option<Vec<u8>>), HeadsError> {
        let path = Self::path_in(heads, committer);
        let failed = |source| HeadsError::Io {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(heads).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(HeadsError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let (whole, last) = scan(&mut file).map_err(failed)?;
        keep_aside(&mut file, whole, &path).map_err(failed)?;
        file.set_len(whole).map_err(failed)?;
        file.seek(SeekFrom::Start(whole)).map_err(failed)?;
        Ok((Self { path, file, whole }, last))
    }

    /// Appends a signed head.
    ///
    /// # Errors
    /// [`HeadsError::Io`].
    pub fn append(&mut self, signed: &[u8]) -> Result<(), HeadsError> {
        let entry = cbor::encode(&minicbor::bytes::ByteVec::from(signed.to_vec()));
        let written = self.file.write_all(&entry);
        if written.is_ok() {
            let length = u64::try_from(entry.len()).unwrap_or(0);
            self.whole = self.whole.saturating_add(length);
        }
        written
            .or_else(|e| self.cut().and(Err(e)))
            .map_err(|source| HeadsError::Io {
                path: self.path.clone(),
                source,
            })
    }

    /// Waits until the file is on the disk.
    ///
    /// # Errors
    /// [`HeadsError::Io`].
    pub fn sync(&self) -> Result<(), HeadsError> {
        let folder = self.path.parent().map_or(Ok(()), sync_folder);
        self.file
            .sync_all()
            .and(folder)
            .map_err(|source| HeadsError::Io {
                path: self.path.clone(),
                source,
            })
    }

    /// Cuts off what a failed append left, so that the next one doesn't stand behind it.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.whole)?;
        self.file.seek(SeekFrom::Start(self.whole)).map(|_| ())
    }
}

impl Drop for HeadsFile {
    /// Lets go of the lock at once: a process that is just being started may hold a copy of the
    /// descriptor a moment longer. Closing does the same for all others, so a failure is harmless.
    fn drop(&mut self) {
        if let Err(e) = self.file.unlock() {
            tracing::debug!(error = %e, "the file of heads couldn't be unlocked");
        }
    }
}

/// Makes a file's name durable, where folders can be opened (not on Windows).
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

/// Every signed head of a file, one after the other; a torn end is left out.
///
/// # Errors
/// [`HeadsError::Io`] when the file can't be opened; reading errors come out of the iterator.
pub(crate) fn read_all(
    heads: &Path,
    committer: u16,
) -> Result<impl Iterator<Item = io::Result<Vec<u8>>>, HeadsError> {
    let path = HeadsFile::path_in(heads, committer);
    match File::open(&path) {
        Ok(file) => Ok(Some(Entries::new(file)).into_iter().flatten()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(source) => Err(HeadsError::Io { path, source }),
    }
}

/// How many bytes stand behind the last whole head, more than a torn end would leave; 0 otherwise.
pub(crate) fn unreadable(heads: &Path, committer: u16) -> Result<u64, HeadsError> {
    let path = HeadsFile::path_in(heads, committer);
    let count = || {
        let mut file = File::open(&path)?;
        let (whole, _) = scan(&mut file)?;
        Ok(file.metadata()?.len().saturating_sub(whole))
    };
    let left = count().map_err(|source| HeadsError::Io {
        path: path.clone(),
        source,
    })?;
    Ok(if left > TORN { left } else { 0 })
}

/// Copies what can't be read to a file beside, if it's more than a torn end: signed heads may stand
/// behind a damaged byte, and they're proofs.
fn keep_aside(file: &mut File, whole: u64, path: &Path) -> io::Result<()> {
    let left = file.metadata()?.len().saturating_sub(whole);
    if left <= TORN {
        return Ok(());
    }
    file.seek(SeekFrom::Start(whole))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let aside = path.with_extension("heads.damaged");
    let mut kept = OpenOptions::new().create(true).append(true).open(&aside)?;
    kept.write_all(&bytes)?;
    kept.sync_all()?;
    tracing::error!(bytes = left, kept = %aside.display(), "signed heads can't be read; run the audit");
    Ok(())
}

/// How many bytes of whole heads there are, and the last of them.
fn scan(file: &mut File) -> io::Result<(u64, Option<Vec<u8>>)> {
    let mut entries = Entries::new(file);
    let mut last = None;
    for entry in entries.by_ref() {
        last = Some(entry?);
    }
    Ok((entries.whole, last))
}

/// Reads a CBOR sequence of byte strings.
struct Entries<R> {
    input: io::BufReader<R>,
    /// Bytes of whole entries so far.
    whole: u64,
}

impl<R: Read> Entries<R> {
    fn new(input: R) -> Self {
        Self {
            input: io::BufReader::new(input),
            whole: 0,
        }
    }

    /// The next entry and its length in the file; `None` at the end or where the file is torn.
    fn read_entry(&mut self) -> io::Result<Option<(Vec<u8>, u64)>> {
        let Some([first]) = self.read_array::<1>()? else {
            return Ok(None);
        };
        let (header, length) = match first {
            0x40..=0x57 => (1, u64::from(first & 0x1F)),
            0x58 => match self.read_array::<1>()? {
                Some(b) => (2, u64::from(u8::from_be_bytes(b))),
                None => return Ok(None),
            },
            0x59 => match self.read_array::<2>()? {
                Some(b) => (3, u64::from(u16::from_be_bytes(b))),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        if length > LONGEST_HEAD {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.input.by_ref().take(length).read_to_end(&mut bytes)?;
        let complete = u64::try_from(bytes.len()) == Ok(length);
        Ok(complete.then(|| (bytes, length.saturating_add(header))))
    }

    fn read_array<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl<R: Read> Iterator for Entries<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read_entry() {
            Ok(Some((bytes, length))) => {
                self.whole = self.whole.saturating_add(length);
                Some(Ok(bytes))
            }
            Ok(None) => None,
            Err(e) => Some(Err(e)),
        }
    }
}
