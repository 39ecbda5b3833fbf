//! A series' own keys and its signed record.
//!
//! The first time that a series stands in the catalogue, the shop draws its secret (serials, the
//! event's opening key, keywords: what its gates need) and a batch key (what signs its tickets: only
//! the shop has it). Both are kept wrapped in the database, never in the catalogue. The signed
//! record carries the public halves with the catalogue's texts, and is signed anew only when it
//! would say something else.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use rand_core::Rng as _;
use tegata_protocol::ticket::{SeriesRecord, SeriesSecret};
use tegata_protocol::{PartyNumber, SeriesId, SignedBytes, SigningKey, cbor, payload_of};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::catalogue::{Catalogue, Offer};
use crate::store::{SeriesRow, Store, StoreError};
use tegata_keystore::rng;
use tegata_party::keys::{Keys, KeysError};

/// Why a catalogue can't be put on sale.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The wrapped secrets.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A number was used for another kind before.
    #[error(
        "series {series} was sold as {known} before and can't become {found}: give the new offer a number of its own"
    )]
    OtherKind {
        /// Which series.
        series: SeriesId,
        /// What it was.
        known: String,
        /// What it would be.
        found: &'static str,
    },
}

/// A series' secret keys, unwrapped.
#[derive(Debug)]
pub struct SeriesKeys {
    /// What its gates need.
    pub secret: SeriesSecret,
    /// What signs its tickets.
    pub batch: SigningKey,
}

#[derive(Zeroize, ZeroizeOnDrop, Encode, Decode)]
#[cbor(array)]
struct Secrets {
    #[cbor(n(0), with = "minicbor::bytes")]
    secret: [u8; 32],
    #[cbor(n(1), with = "minicbor::bytes")]
    batch: [u8; 32],
}

impl SeriesKeys {
    fn of(secrets: &Secrets) -> Self {
        Self {
            secret: SeriesSecret::from_bytes(secrets.secret),
            batch: SigningKey::from_seed(&secrets.batch),
        }
    }

    /// Unwraps a series' keys.
    ///
    /// # Errors
    /// [`KeysError`] when they were wrapped by another shop.
    pub fn unwrap(keys: &Keys, row: &SeriesRow) -> Result<Self, KeysError> {
        let plain = keys.unwrap(&label(row.series), &row.secrets)?;
        let secrets = cbor::decode(&plain, 128).map_err(|_e| KeysError::Foreign)?;
        Ok(Self::of(&secrets))
    }

    fn record(&self, shop: PartyNumber, offer: &Offer) -> SeriesRecord {
        let event_key = self.secret.event_key().sealing_key().clone();
        offer.record(shop, self.batch.verifying_key(), event_key)
    }
}

fn label(series: SeriesId) -> Vec<u8> {
    format!("series {series}").into_bytes()
}

/// Makes sure that every series of a catalogue has keys and a record that says what the catalogue
/// says.
///
/// # Errors
/// [`SeriesError`]; nothing has changed then.
pub fn prepare(
    store: &Store,
    keys: &Arc<Keys>,
    shop: PartyNumber,
    catalogue: &Arc<Catalogue>,
) -> Result<(), SeriesError> {
    let (keys, catalogue) = (Arc::clone(keys), Arc::clone(catalogue));
    store.write(move |tables| {
        for offer in catalogue.offers() {
            match tables.series(offer.series)? {
                None => tables.add_series(&new_row(&keys, shop, offer))?,
                Some(row) => {
                    if let Some(record) = renewed(&keys, shop, offer, &row)? {
                        tables.replace_record(offer.series, &record)?;
                    }
                }
            }
        }
        Ok(())
    })
}

fn new_row(keys: &Keys, shop: PartyNumber, offer: &Offer) -> SeriesRow {
    let mut secrets = Secrets {
        secret: [0; 32],
        batch: [0; 32],
    };
    rng::system().fill_bytes(&mut secrets.secret);
    rng::system().fill_bytes(&mut secrets.batch);
    let plain = Zeroizing::new(cbor::encode(&secrets));
    SeriesRow {
        series: offer.series,
        kind: offer.kind.word().to_owned(),
        secrets: keys.wrap(&label(offer.series), &plain),
        record: keys
            .signing()
            .sign(&SeriesKeys::of(&secrets).record(shop, offer)),
    }
}

/// The record signed anew, if the texts have changed.
fn renewed(
    keys: &Keys,
    shop: PartyNumber,
    offer: &Offer,
    row: &SeriesRow,
) -> Result<Option<SignedBytes>, SeriesError> {
    if row.kind != offer.kind.word() {
        return Err(SeriesError::OtherKind {
            series: offer.series,
            known: row.kind.clone(),
            found: offer.kind.word(),
        });
    }
    let record = SeriesKeys::unwrap(keys, row)?.record(shop, offer);
    let same = row
        .record
        .payload()
        .is_ok_and(|kept| kept == payload_of(&record));
    Ok((!same).then(|| keys.signing().sign(&record)))
}
