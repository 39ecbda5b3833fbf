//! What the signed record of an offer's series says.

use std::ops::Range;

use tegata_protocol::ticket::{SeriesRecord, SeriesSecret};
use tegata_protocol::{
    Document as _, Malformed, PartyNumber, Role, SealingKey, SigningKey, VerifyingKey,
};

use super::Offer;

impl Offer {
    /// The record of this offer's series: the catalogue's texts, and the public halves of the series'
    /// keys.
    pub(crate) fn record(
        &self,
        issuer: PartyNumber,
        batch: VerifyingKey,
        event_key: SealingKey,
    ) -> SeriesRecord {
        SeriesRecord {
            issuer,
            series: self.series,
            kind: self.kind.word().to_owned(),
            title: self.title.clone(),
            place: self.place.clone(),
            valid: self.valid,
            names: self.kind.names().to_vec(),
            rules: self.rules.clone(),
            batches: vec![batch],
            event_key,
        }
    }
}

/// An offer, and where in the catalogue's text its own texts stand.
pub(super) struct Placed {
    pub(super) offer: Offer,
    pub(super) title: Range<usize>,
    pub(super) place: Range<usize>,
    pub(super) names: Range<usize>,
    pub(super) rules: Range<usize>,
}

/// Checks, with keys made up for it, that an offer's texts fit a series record. A record that fits
/// leaves room for four tickets in a delivery (a test holds the longest one against the limit).
pub(super) fn check_texts(placed: &Placed) -> Result<(), (Range<usize>, String)> {
    let shop = PartyNumber::new(Role::Shop, 0);
    let shop = shop.map_err(|e| (placed.title.clone(), e.to_string()))?;
    let (secret, batch) = (
        SeriesSecret::from_bytes([0; 32]),
        SigningKey::from_seed(&[0; 32]),
    );
    let event_key = secret.event_key().sealing_key().clone();
    let record = placed.offer.record(shop, batch.verifying_key(), event_key);
    if let Err(e) = record.check() {
        let field = if let Malformed::Field { field, .. } = &e {
            *field
        } else {
            "title"
        };
        let span = match field {
            "place" => &placed.place,
            "name" | "names" => &placed.names,
            "rules" => &placed.rules,
            _ => &placed.title,
        };
        return Err((span.clone(), e.to_string()));
    }
    let signed = batch.sign(&record);
    let over = signed.as_bytes().len().saturating_sub(SeriesRecord::LIMIT);
    if over > 0 {
        let what = format!("title, place, names and rules are {over} bytes too long together");
        return Err((placed.title.clone(), what));
    }
    Ok(())
}
