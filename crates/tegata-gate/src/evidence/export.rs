//! The export: a CBOR sequence (RFC 8742) that anybody can read item by item.
//!
//! First the gate's own record, then each admission with its presentation in the chain's order,
//! then second presentations of used tickets, at last the chain's end, so that a file that lost
//! its tail is noticed.

use minicbor::{Decode, Decoder, Encode};
use tegata_party::identity::verified_by_any;
use tegata_protocol::{
    Digest, Malformed, PartyNumber, SeriesId, SignedBytes, Time, Unverified, Verified,
    VerifyingKey, cbor,
    record::PartyRecord,
    ticket::{Admission, Serial},
};

use crate::{
    admission::{Entry, Head, SecondUse, StoreError},
    store::LogReader,
};

/// The most bytes of one item.
const ITEM_LIMIT: usize = 8 * 1024;

/// One item of an export.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Exported {
    /// The gate's signed record: first.
    #[n(0)]
    Gate(#[n(0)] SignedBytes),
    /// A signed [`Admission`] and the signed presentation that it names.
    #[n(1)]
    Admitted(#[n(0)] SignedBytes, #[n(1)] SignedBytes),
    /// Another presentation of a used ticket.
    #[n(2)]
    SecondUse(#[n(0)] ShownAgain),
    /// How many admissions there are, and the digest of the last one's record: last.
    #[n(3)]
    End(#[n(0)] u64, #[n(1)] Digest),
}

/// Another presentation of a used ticket, as the gate read it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ShownAgain {
    /// The issuer.
    #[n(0)]
    pub issuer: PartyNumber,
    /// The series.
    #[n(1)]
    pub series: SeriesId,
    /// The serial.
    #[n(2)]
    pub serial: Serial,
    /// When.
    #[n(3)]
    pub at: Time,
    /// The signed presentation.
    #[n(4)]
    pub presentation: SignedBytes,
}

impl From<SecondUse> for ShownAgain {
    fn from(second: SecondUse) -> Self {
        Self {
            issuer: second.ticket.event.issuer,
            series: second.ticket.event.series,
            serial: second.ticket.serial,
            at: second.at,
            presentation: second.evidence,
        }
    }
}

/// Hands over the log item by item, encoded.
///
/// # Errors
/// What the log or `write` says.
pub fn export<E: From<StoreError>>(
    log: &LogReader,
    record: &SignedBytes,
    mut write: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    write(&cbor::encode(&Exported::Gate(record.clone())))?;
    let mut head = Head::START;
    log.each::<E>(|entry| {
        let damaged = |(row, why)| StoreError::Damaged {
            table: "admission",
            row,
            why,
        };
        let entry: Entry = entry.map_err(damaged)?;
        head = Head {
            row: head.row.saturating_add(1),
            digest: entry.record.digest(),
        };
        write(&cbor::encode(&Exported::Admitted(
            entry.record,
            entry.evidence,
        )))
    })?;
    for second in log.second_uses()? {
        write(&cbor::encode(&Exported::SecondUse(second.into())))?;
    }
    write(&cbor::encode(&Exported::End(head.row, head.digest)))?;
    Ok(head.row)
}

/// Why an export isn't believed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// An item that isn't one.
    #[error("item {item} can't be read: {why}")]
    Malformed {
        /// Its place, from 1.
        item: usize,
        /// What is wrong.
        why: String,
    },
    /// An item that doesn't fit those before it.
    #[error("item {item} doesn't hold: {why}")]
    Bad {
        /// Its place, from 1.
        item: usize,
        /// What is wrong.
        why: String,
    },
    /// It ends too early.
    #[error("its end is missing after item {0}: the file was cut off")]
    CutOff(usize),
}

/// An export whose signatures and chain hold.
#[derive(Debug)]
pub struct Imported {
    /// The gate's record. Whether the register signed it is known only if keys were given.
    pub gate: PartyRecord,
    /// Did a register key verify the gate's record?
    pub registered: bool,
    /// The admissions, in the chain's order, with their presentations.
    pub admissions: Vec<(Verified<Admission>, SignedBytes)>,
    /// Other presentations of used tickets.
    pub second_uses: Vec<ShownAgain>,
}

impl Imported {
    /// The name of the gate.
    #[must_use]
    pub fn name(&self) -> &str {
        let profile = self.gate.profile.as_ref();
        profile.map_or("", |profile| profile.name.as_str())
    }
}

/// Reads an export and verifies its signatures and its chain; and the gate's record by one of the
/// register keys, if any are given.
///
/// # Errors
/// [`ExportError`], naming the item.
pub fn import(bytes: &[u8], registers: &[VerifyingKey]) -> Result<Imported, ExportError> {
    let mut items = Items {
        rest: bytes,
        read: 0,
    };
    let Some(Exported::Gate(record)) = items.next()? else {
        return Err(items.bad("it must be the gate's record"));
    };
    let (gate, registered) = own_record(record, registers).map_err(|why| items.bad(why))?;
    let mut imported = Imported {
        gate,
        registered,
        admissions: Vec::new(),
        second_uses: Vec::new(),
    };
    let mut head = Head::START;
    while let Some(item) = items.next()? {
        match item {
            Exported::Gate(_) => return Err(items.bad("a second gate's record")),
            Exported::Admitted(record, evidence) => {
                let admission = link(record, &evidence, (&imported.gate, head));
                let admission = admission.map_err(|why| items.bad(why))?;
                head = Head {
                    row: head.row.saturating_add(1),
                    digest: admission.digest(),
                };
                imported.admissions.push((admission, evidence));
            }
            Exported::SecondUse(shown) => imported.second_uses.push(shown),
            Exported::End(rows, digest) => {
                let fits = (rows, digest) == (head.row, head.digest) && items.rest.is_empty();
                return if fits {
                    Ok(imported)
                } else {
                    Err(items.bad("it isn't the end of what stands before it"))
                };
            }
        }
    }
    Err(ExportError::CutOff(items.read))
}

/// The gate's record: verified by a register key, if any is known.
fn own_record(
    signed: SignedBytes,
    registers: &[VerifyingKey],
) -> Result<(PartyRecord, bool), String> {
    if registers.is_empty() {
        let record = Unverified::<PartyRecord>::parse(signed).map_err(|e| e.to_string())?;
        return Ok((record.claimed().clone(), false));
    }
    verified_by_any(&signed, registers)
        .map(|record| (record.into_value(), true))
        .map_err(|e| e.to_string())
}

/// The next admission of the chain.
fn link(
    record: SignedBytes,
    evidence: &SignedBytes,
    (gate, head): (&PartyRecord, Head),
) -> Result<Verified<Admission>, String> {
    let admission = Unverified::<Admission>::parse(record).map_err(|e| e.to_string())?;
    let admission = admission.verify(&gate.keys.signing);
    let admission = admission.map_err(|_e| "it isn't signed by the gate".to_owned())?;
    if admission.gate != gate.number || admission.previous != head.digest {
        return Err("it doesn't follow the admission before it".into());
    }
    if evidence.digest() != admission.presentation {
        return Err("its presentation is another".into());
    }
    Ok(admission)
}

/// The items of a CBOR sequence.
struct Items<'a> {
    rest: &'a [u8],
    read: usize,
}

impl Items<'_> {
    fn next(&mut self) -> Result<Option<Exported>, ExportError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.read += 1;
        let malformed = |why: String| ExportError::Malformed {
            item: self.read,
            why,
        };
        let mut decoder = Decoder::new(self.rest);
        decoder.skip().map_err(|e| malformed(e.to_string()))?;
        let (item, rest) = self
            .rest
            .split_at_checked(decoder.position())
            .unwrap_or((self.rest, &[]));
        let item = cbor::decode(item, ITEM_LIMIT);
        let item = item.map_err(|e: Malformed| malformed(e.to_string()))?;
        self.rest = rest;
        Ok(Some(item))
    }

    fn bad(&self, why: impl Into<String>) -> ExportError {
        ExportError::Bad {
            item: self.read.max(1),
            why: why.into(),
        }
    }
}
