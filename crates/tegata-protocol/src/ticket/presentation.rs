//! Showing a ticket (T7): signed by its holder for this moment, sealed to the event.
//!
//! Not an [envelope](crate::envelope): the holder can't know which gate will read it, and each byte
//! counts. It fits a QR code of version 16 at level M as base45 text: 437 bytes.

use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

use super::{Holder, SeriesRecord, Ticket};
use crate::{
    Document, Forged, KeyId, Malformed, OpeningKey, SeriesId, SignedBytes, SigningKey, Time,
    Unopenable, Unverified, Verified, cbor, purchase::Keyword,
};

/// The most bytes of a sealed presentation: a QR code of version 16, level M, in base45.
pub const PRESENTATION_LIMIT: usize = 437;

/// HPKE's `info` for presentations.
const INFO: &[u8] = b"tegata presentation v1";

/// A ticket shown at a moment. A positional array, signed with the holder's key; of bearer and card
/// tickets the signature is by a key of the moment and proves nothing: keyword or card do.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct Presentation {
    /// The signed [`Ticket`].
    #[n(0)]
    pub ticket: SignedBytes,
    /// The series that it's shown for.
    #[n(1)]
    pub event: SeriesId,
    /// When.
    #[n(2)]
    pub time: Time,
    /// The gate's challenge, where it shows one.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub nonce: Option<[u8; 8]>,
    /// The keyword, where the ticket has one.
    #[n(4)]
    pub keyword: Option<Keyword>,
}

impl Document for Presentation {
    const LABEL: u16 = 63;
    const LIMIT: usize = 600;

    fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

impl Presentation {
    /// Signs with the holder's key and seals to the event.
    ///
    /// # Errors
    /// [`Malformed`] when it's too long for a QR code (a long keyword), or the series' event key is
    /// of no use.
    pub fn seal(
        &self,
        holder: &SigningKey,
        series: &SeriesRecord,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, Malformed> {
        let signed = holder.sign_unnamed(self);
        let sealer = series.event_key.begin(INFO, rng)?;
        let (key, enc) = (series.event_key.id(), sealer.enc().to_vec());
        let aad = [key.as_bytes(), enc.as_slice()].concat();
        let (ciphertext, _) = sealer.finish(&aad, signed.as_bytes());
        let sealed = cbor::encode(&SealedPresentation {
            key,
            enc,
            ciphertext,
        });
        if sealed.len() > PRESENTATION_LIMIT {
            let why = format!(
                "{} bytes, at most {PRESENTATION_LIMIT} fit the code",
                sealed.len()
            );
            return Err(Malformed::field("presentation", why));
        }
        Ok(sealed)
    }

    /// The ticket that a kept presentation shows, if the holder named in it has signed: evidence
    /// that only the holder's key can have made. Of bearer and card tickets nobody can say that.
    pub fn signed_by_holder(kept: &SignedBytes) -> Option<SignedBytes> {
        let shown = Unverified::<Self>::parse(kept.clone()).ok()?;
        let ticket = Unverified::<Ticket>::parse(shown.claimed().ticket.clone()).ok()?;
        let shown = Self::verify(shown, ticket.claimed()).ok()?;
        Some(shown.into_value().ticket)
    }

    /// Was it signed by the holder that the ticket names? Cards and bearers don't sign.
    pub(super) fn verify(
        unverified: Unverified<Self>,
        ticket: &Ticket,
    ) -> Result<Verified<Self>, Forged> {
        match &ticket.holder {
            Holder::Key(key) => unverified.verify(&key.0),
            Holder::Card(_) | Holder::Bearer => Err(Forged),
        }
    }
}

/// A sealed presentation: which event key, encapsulated key, ciphertext.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct SealedPresentation {
    /// The event key's id.
    #[n(0)]
    pub key: KeyId,
    #[cbor(n(1), with = "minicbor::bytes")]
    enc: Vec<u8>,
    #[cbor(n(2), with = "minicbor::bytes")]
    ciphertext: Vec<u8>,
}

impl SealedPresentation {
    /// Reads what was scanned.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        cbor::decode(bytes, PRESENTATION_LIMIT)
    }

    /// Opens it with the event's key.
    ///
    /// # Errors
    /// [`Unopenable`].
    pub fn open(&self, key: &OpeningKey) -> Result<Unverified<Presentation>, Unopenable> {
        let aad = [self.key.as_bytes(), self.enc.as_slice()].concat();
        let (plaintext, _) = key.open(INFO, &self.enc, &aad, &self.ciphertext)?;
        Unverified::parse(SignedBytes::new(plaintext.to_vec())).map_err(|_e| Unopenable)
    }
}
