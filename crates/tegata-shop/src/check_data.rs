//! Check data (T8): what a gate needs to check a series offline, signed by the shop and sealed to
//! that one gate.
//!
//! The issued list holds every serial that was ever given out; those of void or cancelled tickets
//! stand in the cancelled list as well. Each edition has a higher number than the one before.

use roaring::RoaringBitmap;
use tegata_protocol::envelope::{Body as _, Envelope, Parcel};
use tegata_protocol::record::PartyRecord;
use tegata_protocol::ticket::{CheckData, SerialSet};
use tegata_protocol::{Malformed, MessageId, Role, SeriesId, Time, Verified};

use crate::series::SeriesKeys;
use crate::store::{Store, StoreError};
use tegata_keystore::rng;
use tegata_party::identity::Registered;
use tegata_party::keys::KeysError;

/// Why there's no check data.
#[derive(Debug, thiserror::Error)]
pub enum CheckDataError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The wrapped secrets.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The gate's record or key.
    #[error("the gate's record or key can't be used")]
    Gate(#[from] Malformed),
    /// Not a gate, or not active.
    #[error("{0}")]
    NotAGate(String),
    /// The series was never in the catalogue.
    #[error("series {0} was never in this shop's catalogue")]
    SeriesUnknown(SeriesId),
    /// The lists are longer than a gate takes.
    #[error("the check data have {0} bytes; a gate takes at most {most}", most = CheckData::LIMIT)]
    TooLong(usize),
    /// The lists couldn't be written.
    #[error("the lists of serials can't be written")]
    List(#[from] std::io::Error),
}

/// Sealed check data, and what stands in it.
#[derive(Clone, Debug)]
pub struct Edition {
    /// The sealed bytes, for the gate.
    pub sealed: Vec<u8>,
    /// The edition's number.
    pub edition: u64,
    /// How many serials were issued.
    pub issued: u64,
    /// How many of them are cancelled.
    pub cancelled: u64,
    /// Not to be used after this.
    pub until: Time,
}

/// Makes the next edition of a series' check data for a gate.
///
/// # Errors
/// [`CheckDataError`].
pub fn make(
    store: &Store,
    shop: &Registered,
    series: SeriesId,
    gate: &Verified<PartyRecord>,
    now: Time,
    hours: u32,
) -> Result<Edition, CheckDataError> {
    if gate.number.role() != Role::Gate || !gate.is_active(now) {
        let why = format!("{} isn't an active gate", gate.number);
        return Err(CheckDataError::NotAGate(why));
    }
    // One transaction, so that no two editions of different content have the same number.
    let (row, edition, tickets) = store.write(move |tables| {
        let row = tables.series(series)?;
        let row = row.ok_or(CheckDataError::SeriesUnknown(series))?;
        let edition = tables.next_edition(series)?;
        Ok::<_, CheckDataError>((row, edition, tables.tickets(series)?))
    })?;
    let keys = SeriesKeys::unwrap(&shop.keys, &row)?;
    let all = tickets.iter().map(|(serial, _)| serial.number());
    let issued: RoaringBitmap = all.collect();
    let void = tickets.iter().filter(|(_, cancelled)| *cancelled);
    let cancelled: RoaringBitmap = void.map(|(serial, _)| serial.number()).collect();
    let until = now.after(u64::from(hours).saturating_mul(3600));
    let (issued_set, cancelled_set) = (set_of(&issued)?, set_of(&cancelled)?);
    let body = CheckData::new(
        row.record,
        &keys.secret,
        issued_set,
        cancelled_set,
        edition,
        now,
        until,
    );
    Ok(Edition {
        sealed: seal(shop, gate, now, body)?,
        edition,
        issued: issued.len(),
        cancelled: cancelled.len(),
        until,
    })
}

/// A bitmap in roaring's portable format, runs packed.
fn set_of(bitmap: &RoaringBitmap) -> Result<SerialSet, std::io::Error> {
    let mut packed = bitmap.clone();
    packed.optimize();
    let mut bytes = Vec::with_capacity(packed.serialized_size());
    packed.serialize_into(&mut bytes)?;
    Ok(SerialSet(bytes))
}

fn seal(
    shop: &Registered,
    gate: &Verified<PartyRecord>,
    now: Time,
    body: CheckData,
) -> Result<Vec<u8>, CheckDataError> {
    let mut rng = rng::system();
    let envelope = Envelope::to(gate.number, &gate.keys.opening, &mut rng)?;
    let id = MessageId::random(&mut rng);
    let signed = envelope.sign(shop.keys.signing(), shop.number(), id, now, body);
    let length = signed.as_bytes().len();
    if length > CheckData::LIMIT {
        return Err(CheckDataError::TooLong(length));
    }
    Ok(envelope.seal(&Parcel::new(signed)).0.to_bytes())
}
