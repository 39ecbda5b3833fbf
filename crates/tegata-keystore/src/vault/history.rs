//! The history: an append-only file of sealed records, `history.tegata` (M4).
//!
//! ```text
//! "TEGATA-HISTORY" 14 bytes, version 2 bytes, file id 16 bytes, tag 32 bytes
//! then per record:
//! length 4 bytes, check 4 bytes, nonce 12 bytes, sealed { kind, time, body }, tag 16 bytes
//! ```
//! Every file has a key of its own, derived from the vault's history key and the file id. Nonces
//! are random rather than counted: a record that was torn by a power cut is written anew at the
//! same place, and a copy put back later continues from an older place; counting would use a nonce
//! twice. What a counter would have given comes from the chain: each record's associated data are
//! its number and the digest of all bytes before it, so a record that was altered, moved, taken
//! out or brought from another file doesn't open, and none after it does.
//!
//! Appending doesn't touch the vault. So nothing distinguishes a file whose *end* was cut off from one that
//! never was longer, except a [`Checkpoint`] that the vault keeps: what it counts can't be cut off
//! unseen, what came after it can. A wallet takes one whenever it writes the vault anyway.
//!
//! A power cut can tear only the last record, and only before its writer learnt that it lasts.
//! A torn end is reported when the history is opened and cut off before the next record is
//! written. Damage with whole records behind it is no torn end, and is refused; a last record that
//! was altered can't be distinguished from a torn one, but is missed if a checkpoint counts it.

use std::fmt;
use std::sync::Arc;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::disk::{failed, replace};
use super::secret::Secret32;
use super::{Damage, Disk, FileName, VaultError};

const MAGIC: &[u8; 14] = b"TEGATA-HISTORY";
const VERSION: u16 = 1;
const FILE_ID: usize = 16;
const HEADER: usize = 14 + 2 + FILE_ID + 32;

const FRAME: usize = 8;
const NONCE: usize = 12;
const TAG: usize = 16;
/// Kind and time.
const FIXED: usize = 9;
/// What a record takes beside its body.
const OVERHEAD: usize = FRAME + NONCE + FIXED + TAG;

/// Most bytes of one record's body.
pub const LONGEST_RECORD: usize = 256 * 1024;

/// One entry. What kinds there are and what a body means is the application's affair.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub kind: u8,
    /// When it happened, in the application's unit (seconds since 1970 by custom).
    pub time: u64,
    /// The contents.
    pub body: Vec<u8>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("kind", &self.kind)
            .field("time", &self.time)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// A point of the history: how many records, and the digest of all bytes up to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Checkpoint {
    #[n(0)]
    records: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    chain: [u8; 32],
}

impl Checkpoint {
    /// How many records it covers.
    pub fn records(&self) -> u64 {
        self.records
    }

    fn step(self, frame: &[u8]) -> Self {
        let hash = Sha256::new_with_prefix(self.chain).chain_update(frame);
        Self {
            records: self.records + 1,
            chain: hash.finalize().into(),
        }
    }
}

/// The end of the file that a power cut left in pieces. No record that was reported as written is
/// in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornEnd {
    /// How many good records stand before it.
    pub records: u64,
    /// How many bytes are dropped.
    pub bytes: u64,
}

impl fmt::Display for TornEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the last write to the history was interrupted; its {} bytes are dropped, the {} \
             records before it are whole",
            self.bytes, self.records
        )
    }
}

/// An opened history: every record in it was verified.
pub struct History {
    disk: Arc<dyn Disk>,
    keys: Keys,
    header: [u8; HEADER],
    end: Place,
    torn: Option<TornEnd>,
    /// The bytes after `end` on the disk aren't known: cut them off before writing.
    ragged: bool,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({} records)", self.len())
    }
}

/// How far the good records go.
#[derive(Debug, Clone, Copy)]
struct Place {
    point: Checkpoint,
    offset: usize,
}

impl History {
    /// Opens the history, checks every record and the vault's checkpoint.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        key: &Secret32,
        checkpoint: Checkpoint,
    ) -> Result<Self, VaultError> {
        let bytes = load(&*disk)?;
        let (header, keys) = read_header(&bytes, key)?;
        let mut seen = checkpoint.records == 0 && checkpoint.chain == start(&header).chain;
        let mut reader = Reader::new(&keys, &header, &bytes);
        while reader.next()?.is_some() {
            seen |= reader.place.point == checkpoint;
        }
        let end = reader.place;
        if end.point.records < checkpoint.records {
            return Err(Damage::HistoryShort {
                found: end.point.records,
                expected: checkpoint.records,
            }
            .into());
        }
        if !seen {
            return Err(Damage::History("isn't the one that the vault remembers").into());
        }
        let torn = torn_end(end, bytes.len());
        Ok(Self {
            disk,
            keys,
            header,
            end,
            torn,
            ragged: torn.is_some(),
        })
    }

    /// How many records there are.
    pub fn len(&self) -> u64 {
        self.end.point.records
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a power cut tore off, if this was found on opening.
    pub fn torn_end(&self) -> Option<TornEnd> {
        self.torn
    }

    /// Where the history ends now, for [`OpenVault::keep_checkpoint`].
    ///
    /// [`OpenVault::keep_checkpoint`]: super::OpenVault::keep_checkpoint
    pub fn checkpoint(&self) -> Checkpoint {
        self.end.point
    }

    /// All records, oldest first, read from the disk.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when the file isn't what it was, [`VaultError::Disk`].
    pub fn records(&self) -> Result<Vec<Record>, VaultError> {
        let mut records = Vec::new();
        self.each(|record| records.push(record))?;
        Ok(records)
    }

    /// Hands over one record after the other, oldest first: for histories that are long.
    ///
    /// # Errors
    /// As [`records`](Self::records); what was handed over before is good.
    pub fn each(&self, mut take: impl FnMut(Record)) -> Result<(), VaultError> {
        let bytes = load(&*self.disk)?;
        let known = bytes.get(..self.end.offset).ok_or(Damage::HistoryShort {
            found: 0,
            expected: self.len(),
        })?;
        if !known.starts_with(&self.header) {
            return Err(changed());
        }
        let mut reader = Reader::new(&self.keys, &self.header, known);
        while let Some(record) = reader.next()? {
            take(record);
        }
        if reader.place.point != self.end.point {
            return Err(changed());
        }
        Ok(())
    }

    /// Writes a record at the end. When this returns, it lasts.
    ///
    /// # Errors
    /// [`VaultError::TooLarge`]; [`VaultError::ChangedElsewhere`] when the file grew meanwhile;
    /// [`VaultError::Disk`], after which the record counts as not written: append it again.
    pub fn append(&mut self, record: &Record, rng: &mut impl CryptoRng) -> Result<(), VaultError> {
        if record.body.len() > LONGEST_RECORD {
            return Err(VaultError::TooLarge {
                what: "a record of the history",
                length: record.body.len(),
                limit: LONGEST_RECORD,
            });
        }
        self.make_even()?;
        let frame = self.keys.seal(self.end.point, record, rng);
        if let Err(error) = self.write_through(&frame) {
            // What wasn't synced can be read for now, and would be taken for written when the
            // history is opened again before the power goes. So it is cut off, now or later.
            self.ragged = true;
            self.ragged = self.make_even().is_err();
            return Err(error);
        }
        self.end = Place {
            point: self.end.point.step(&frame),
            offset: self.end.offset + frame.len(),
        };
        Ok(())
    }

    fn write_through(&self, frame: &[u8]) -> Result<(), VaultError> {
        self.disk
            .append(FileName::History, frame)
            .map_err(failed("write to", FileName::History))?;
        self.disk
            .sync(FileName::History)
            .map_err(failed("sync", FileName::History))
    }

    /// Leaves nothing after the last good record.
    fn make_even(&mut self) -> Result<(), VaultError> {
        let length = self
            .disk
            .length(FileName::History)
            .map_err(failed("read", FileName::History))?;
        let good = self.end.offset as u64;
        if !self.ragged {
            return if length == Some(good) {
                Ok(())
            } else {
                Err(changed())
            };
        }
        self.disk
            .cut(FileName::History, good)
            .map_err(failed("repair", FileName::History))?;
        self.disk
            .sync(FileName::History)
            .map_err(failed("sync", FileName::History))?;
        self.ragged = false;
        Ok(())
    }
}

fn changed() -> VaultError {
    VaultError::ChangedElsewhere {
        file: FileName::History,
    }
}

fn load(disk: &dyn Disk) -> Result<Vec<u8>, VaultError> {
    disk.read(FileName::History)
        .map_err(failed("read", FileName::History))?
        .ok_or_else(|| Damage::History("is missing").into())
}

fn torn_end(end: Place, length: usize) -> Option<TornEnd> {
    (end.offset < length).then(|| TornEnd {
        records: end.point.records,
        bytes: (length - end.offset) as u64,
    })
}

/// Makes an empty history under the key, in place of whatever stands there.
pub(super) fn begin(
    disk: &dyn Disk,
    key: &Secret32,
    rng: &mut impl CryptoRng,
) -> Result<Checkpoint, VaultError> {
    let header = new_header(key, rng);
    replace(disk, FileName::HistoryDraft, FileName::History, &header)?;
    Ok(start(&header))
}

/// Sets the history aside, if there are records in it, and never over an earlier one.
pub(super) fn set_aside(disk: &dyn Disk) -> Result<(), VaultError> {
    let length = |file| disk.length(file).map_err(failed("read", file));
    if length(FileName::History)?.is_none_or(|l| l <= HEADER as u64) {
        return Ok(());
    }
    if length(FileName::HistoryAside)?.is_some() {
        return Err(VaultError::AsideInTheWay);
    }
    disk.rename(FileName::History, FileName::HistoryAside)
        .map_err(failed("set aside", FileName::History))
}

/// Where a history stands that nobody has opened yet.
pub(super) enum Found {
    /// There is none, or one without any record.
    Nothing,
    /// It opens under the key; its end is here.
    Ours(Checkpoint),
    /// Somebody else's records.
    Others,
}

/// Looks at what stands in the history's place before a vault is made beside it.
pub(super) fn find(disk: &dyn Disk, key: &Secret32) -> Result<Found, VaultError> {
    let bytes = disk
        .read(FileName::History)
        .map_err(failed("read", FileName::History))?;
    let Some(bytes) = bytes.filter(|b| b.len() > HEADER) else {
        return Ok(Found::Nothing);
    };
    let Ok((header, keys)) = read_header(&bytes, key) else {
        return Ok(Found::Others);
    };
    let mut reader = Reader::new(&keys, &header, &bytes);
    while reader.next()?.is_some() {}
    Ok(Found::Ours(reader.place.point))
}

fn new_header(key: &Secret32, rng: &mut impl CryptoRng) -> [u8; HEADER] {
    let mut id = [0; FILE_ID];
    rng.fill_bytes(&mut id);
    let mut header = [0; HEADER];
    header[..14].copy_from_slice(MAGIC);
    header[14..16].copy_from_slice(&VERSION.to_be_bytes());
    header[16..32].copy_from_slice(&id);
    header[32..].copy_from_slice(header_tag(key, &id).as_bytes());
    header
}

/// Shows that the file belongs to the vault, even while it holds no record.
fn header_tag(key: &Secret32, id: &[u8]) -> Secret32 {
    Secret32::derived(Some(id), key.as_bytes(), b"tegata history header v1")
}

fn read_header(bytes: &[u8], key: &Secret32) -> Result<([u8; HEADER], Keys), VaultError> {
    let header = bytes
        .first_chunk::<HEADER>()
        .ok_or(Damage::History("is cut short"))?;
    if !header.starts_with(MAGIC) {
        return Err(Damage::History("doesn't begin as a history does").into());
    }
    let found = u16::from_be_bytes([header[14], header[15]]);
    if found > VERSION {
        return Err(VaultError::NewerVersion {
            file: FileName::History,
            found,
        });
    }
    let id = &header[16..32];
    let ours: bool = header_tag(key, id).as_bytes().ct_eq(&header[32..]).into();
    if found != VERSION || !ours {
        return Err(Damage::History("belongs to another vault, or its start was altered").into());
    }
    Ok((*header, Keys::new(key, id)))
}

/// Before the first record.
fn start(header: &[u8; HEADER]) -> Checkpoint {
    Checkpoint {
        records: 0,
        chain: Sha256::digest(header).into(),
    }
}

/// What seals the records of one file.
struct Keys {
    cipher: Aes256Gcm,
}

impl Keys {
    fn new(key: &Secret32, file_id: &[u8]) -> Self {
        let key = Secret32::derived(Some(file_id), key.as_bytes(), b"tegata history file v1");
        Self {
            cipher: Aes256Gcm::new(key.as_bytes().into()),
        }
    }

    /// One record's bytes, frame and all.
    fn seal(&self, before: Checkpoint, record: &Record, rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let length = NONCE + FIXED + record.body.len() + TAG;
        let mut frame = Vec::with_capacity(FRAME + length);
        frame.extend(frame_head(before, length));
        frame.extend(nonce);
        let plain = frame.len();
        frame.push(record.kind);
        frame.extend(record.time.to_be_bytes());
        frame.extend(&record.body);
        #[expect(clippy::expect_used, reason = "a record is far below 64 GiB")]
        let tag = self
            .cipher
            .encrypt_inout_detached(
                &Nonce::from(nonce),
                &associated(before),
                (&mut frame[plain..]).into(),
            )
            .expect("sealing a record");
        frame.extend(tag);
        frame
    }

    /// Opens what [`seal`](Self::seal) made, without its frame.
    fn open(&self, before: Checkpoint, sealed: &[u8]) -> Option<Record> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let mut plain = sealed.to_vec();
        self.cipher
            .decrypt_in_place(&Nonce::from(*nonce), &associated(before), &mut plain)
            .ok()?;
        let (fixed, body) = plain.split_first_chunk::<FIXED>()?;
        let (kind, time) = fixed.split_first()?;
        Some(Record {
            kind: *kind,
            time: time.iter().fold(0, |t, b| t << 8 | u64::from(*b)),
            body: body.to_vec(),
        })
    }
}

fn associated(before: Checkpoint) -> [u8; 40] {
    let mut data = [0; 40];
    data[..8].copy_from_slice(&before.records.to_be_bytes());
    data[8..].copy_from_slice(&before.chain);
    data
}

/// The length, and a check that distinguishes a damaged length from a torn record.
fn frame_head(before: Checkpoint, length: usize) -> [u8; FRAME] {
    #[expect(clippy::expect_used, reason = "records are bounded far below 4 GiB")]
    let length = u32::try_from(length)
        .expect("a record's length")
        .to_be_bytes();
    let check = Sha256::new_with_prefix(b"tegata history frame v1")
        .chain_update(associated(before))
        .chain_update(length)
        .finalize();
    let mut head = [0; FRAME];
    head[..4].copy_from_slice(&length);
    head[4..].copy_from_slice(&check[..4]);
    head
}

/// Goes from record to record.
struct Reader<'a> {
    keys: &'a Keys,
    bytes: &'a [u8],
    place: Place,
}

impl<'a> Reader<'a> {
    fn new(keys: &'a Keys, header: &[u8; HEADER], bytes: &'a [u8]) -> Self {
        let place = Place {
            point: start(header),
            offset: HEADER,
        };
        Self { keys, bytes, place }
    }

    /// The next record, or none at the end, be it even or torn.
    fn next(&mut self) -> Result<Option<Record>, VaultError> {
        let rest = self.bytes.get(self.place.offset..).unwrap_or_default();
        let point = self.place.point;
        let Some(frame) = whole_frame(point, rest) else {
            return end_or_damage(point, rest);
        };
        let Some(record) = self.keys.open(point, &frame[FRAME..]) else {
            return end_or_damage(point, rest);
        };
        self.place = Place {
            point: point.step(frame),
            offset: self.place.offset + frame.len(),
        };
        Ok(Some(record))
    }
}

/// The next record's bytes, if its head is good and all of it is there.
fn whole_frame(before: Checkpoint, rest: &[u8]) -> Option<&[u8]> {
    rest.get(..FRAME + claimed_length(before, rest)?)
}

/// The length that a good head claims.
fn claimed_length(before: Checkpoint, rest: &[u8]) -> Option<usize> {
    let head = rest.first_chunk::<FRAME>()?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let fits = length <= OVERHEAD - FRAME + LONGEST_RECORD;
    (fits && frame_head(before, length) == *head).then_some(length)
}

/// Whether a cut while one record was being appended can have left `rest`, as an end to go on from.
fn end_or_damage(before: Checkpoint, rest: &[u8]) -> Result<Option<Record>, VaultError> {
    let torn = match rest.first_chunk::<FRAME>() {
        None => true,
        Some(head) => match claimed_length(before, rest) {
            Some(length) => FRAME + length >= rest.len(),
            None => is_torn_head(before, head, &rest[FRAME..]),
        },
    };
    if torn {
        return Ok(None);
    }
    Err(Damage::Record(before.records).into())
}

/// Whether a cut can have left this head: a file grows before its bytes come, and those that didn't
/// come are zero. Either the length itself didn't come; or the file has its final length, then the
/// head is known but for the zeros; or all is zero from somewhere within the head on.
fn is_torn_head(before: Checkpoint, head: &[u8; FRAME], sealed: &[u8]) -> bool {
    if sealed.len() > OVERHEAD - FRAME + LONGEST_RECORD {
        return false;
    }
    let whole = frame_head(before, sealed.len());
    let known = head.iter().zip(whole).all(|(h, w)| *h == w || *h == 0);
    let no_length = head.starts_with(&[0; 4]);
    no_length || known || head[FRAME - 1] == 0 && sealed.iter().all(|b| *b == 0)
}
