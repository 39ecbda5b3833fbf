//! The public log of programs: every text that was ever handed out, chained and signed.
//!
//! No browser can know whether it is sent the program that others are sent; the log lets anybody
//! compare. Each entry holds the digest of the signed entry before it. The newest entry's digest
//! also stands in `DIR/program-log.head`, outside the database, so that rows cut off at the end are
//! noticed as well.

use tegata_cli::data::{self, DataDir};
use tegata_protocol::order::ProgramEntry;
use tegata_protocol::{Digest, SigningKey, Time, Unverified, VerifyingKey};

use crate::store::{LogRow, Store, StoreError};

/// The file that names the newest entry.
pub const HEAD: &str = "program-log.head";
/// The most bytes of a program.
pub const TEXT_LIMIT: usize = 64 * 1024;

/// Why a program can't be published, or the log isn't good.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data folder.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// Not a text that could be a program.
    #[error("a program has 1 to {TEXT_LIMIT} bytes, this one has {0}")]
    Length(usize),
    /// A row isn't as it was written.
    #[error("row {row} of the log is damaged: {why}")]
    Damaged {
        /// Which row, counted from 1.
        row: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// The log doesn't hold the entry that was its newest once.
    #[error("the log's end is missing: {HEAD} names an entry that isn't there")]
    Cut,
}

/// Publishes a program, unless it's in the log already. Gives its digest, and whether it's new.
/// A log that isn't whole gets no further rows: they would hide what is missing.
///
/// # Errors
/// [`LogError`].
pub fn publish(
    store: &Store,
    dir: &DataDir,
    key: &SigningKey,
    text: &str,
    now: Time,
) -> Result<(Digest, bool), LogError> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    if text.is_empty() || text.len() > TEXT_LIMIT {
        return Err(LogError::Length(text.len()));
    }
    check(store, dir, &key.verifying_key())?;
    let digest = Digest::of(text.as_bytes());
    if store.read(|tables| tables.program(digest))?.is_some() {
        return Ok((digest, false));
    }
    let (last, previous) = store
        .read(|tables| tables.log_head())?
        .unwrap_or((0, Digest::from_bytes([0; 32])));
    let entry = ProgramEntry {
        sequence: last.saturating_add(1),
        previous,
        program: digest,
        length,
        published: now,
    };
    let row = LogRow {
        sequence: entry.sequence,
        digest,
        text: text.to_owned(),
        entry: key.sign(&entry),
    };
    let head = row.entry.digest();
    // Another process that published meanwhile took the number: the insert fails, nothing is lost.
    store.write(move |tables| tables.append_program(&row))?;
    dir.write_atomic(HEAD, format!("{head}\n").as_bytes())?;
    tracing::info!(%digest, "a program was published");
    Ok((digest, true))
}

/// Checks the whole log: numbers, chain, signatures, texts, and that none is missing at the end.
///
/// # Errors
/// [`LogError`] with the first row that isn't as it was written.
pub fn check(
    store: &Store,
    dir: &DataDir,
    key: &VerifyingKey,
) -> Result<Vec<ProgramEntry>, LogError> {
    let rows = store.read(|tables| tables.log())?;
    let mut previous = Digest::from_bytes([0; 32]);
    let mut digests = Vec::new();
    let mut entries = Vec::new();
    for (row, number) in rows.iter().zip(1..) {
        let damaged = |why| LogError::Damaged { row: number, why };
        let entry = verified(row, key).map_err(damaged)?;
        if entry.sequence != number || row.sequence != number {
            return Err(damaged("it isn't the next number"));
        }
        if entry.previous != previous {
            return Err(damaged("it doesn't follow the entry before"));
        }
        previous = row.entry.digest();
        digests.push(previous);
        entries.push(entry);
    }
    let head = dir.read_optional(HEAD)?.unwrap_or_default();
    let head = Digest::from_hex(String::from_utf8_lossy(&head).trim());
    match head {
        // A first row whose head wasn't written before the power went.
        None if entries.len() <= 1 => Ok(entries),
        Some(head) if digests.contains(&head) => Ok(entries),
        None | Some(_) => Err(LogError::Cut),
    }
}

/// A row's entry, if it's signed and fits the text.
fn verified(row: &LogRow, key: &VerifyingKey) -> Result<ProgramEntry, &'static str> {
    let entry = Unverified::<ProgramEntry>::parse(row.entry.clone());
    let entry = entry.map_err(|_e| "its entry can't be read")?;
    let entry = entry
        .verify(key)
        .map_err(|_e| "its entry isn't signed by this service")?;
    let text = Digest::of(row.text.as_bytes());
    if entry.program != text || row.digest != text {
        return Err("the text isn't the one that was published");
    }
    if u32::try_from(row.text.len()).ok() != Some(entry.length) {
        return Err("the text has another length");
    }
    Ok(entry.into_value())
}
