//! The gate's secret keys and what it trusts: made once, at joining.

use std::fmt;

use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use tegata_protocol::{
    Malformed, OpeningKey, PartyNumber, SignedBytes, SigningKey, Suite, Time, Verified,
    VerifyingKey, cbor,
    record::{CentreKeys, CertificateError, Certificates, PartyKeys, PartyRecord},
};
use zeroize::Zeroize;

use super::{Folder, FolderError};

const KEYS: &str = "keys.cbor";
const CERTIFICATES: &str = "certificates.cbor";
/// The gate's own signed record.
pub(super) const RECORD: &str = "record.cose";

/// What the gate keeps to itself, and the root that it pins. A door must open after a power cut
/// without anybody there, so no password protects this file: the folder's permissions do.
#[derive(Encode, Decode)]
#[cbor(map)]
pub struct Keys {
    #[n(0)]
    number: PartyNumber,
    #[cbor(n(1), with = "minicbor::bytes")]
    signing_seed: [u8; 32],
    #[cbor(n(2), with = "minicbor::bytes")]
    opening_seed: [u8; 32],
    #[n(3)]
    root: VerifyingKey,
    #[n(4)]
    centre: String,
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.signing_seed.zeroize();
        self.opening_seed.zeroize();
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys(of {})", self.number)
    }
}

impl Keys {
    /// Fresh keys for a number.
    pub(super) fn generate(
        number: PartyNumber,
        root: VerifyingKey,
        centre: &str,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let (mut signing_seed, mut opening_seed) = ([0; 32], [0; 32]);
        rng.fill_bytes(&mut signing_seed);
        rng.fill_bytes(&mut opening_seed);
        Self {
            number,
            signing_seed,
            opening_seed,
            root,
            centre: centre.trim_end_matches('/').to_owned(),
        }
    }

    /// The gate's number.
    #[must_use]
    pub const fn number(&self) -> PartyNumber {
        self.number
    }

    /// The centre's address.
    #[must_use]
    pub fn centre(&self) -> &str {
        &self.centre
    }

    /// The pinned root.
    #[must_use]
    pub const fn root(&self) -> &VerifyingKey {
        &self.root
    }

    /// The log key.
    #[must_use]
    pub fn signing(&self) -> SigningKey {
        SigningKey::from_seed(&self.signing_seed)
    }

    /// What is sealed to the gate opens with it.
    #[must_use]
    pub fn opening(&self) -> OpeningKey {
        OpeningKey::from_seed(Suite::Standard, &self.opening_seed)
    }

    /// The public halves.
    #[must_use]
    pub fn public(&self) -> PartyKeys {
        PartyKeys {
            spending: None,
            signing: self.signing().verifying_key(),
            opening: self.opening().sealing_key().clone(),
        }
    }
}

/// The centre's certificates, and when they were found to hold.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Accepted {
    #[n(0)]
    certificates: Certificates,
    #[n(1)]
    at: Time,
}

/// How many sets of certificates are kept: records that an earlier register key signed stay good.
const KEPT: usize = 8;

impl Folder {
    /// The gate's keys.
    ///
    /// # Errors
    /// [`FolderError::NotJoined`], or a damaged file.
    pub fn keys(&self) -> Result<Keys, FolderError> {
        self.keys_if_made()?.ok_or(FolderError::NotJoined)
    }

    pub(super) fn keys_if_made(&self) -> Result<Option<Keys>, FolderError> {
        let bytes = self.dir.read_optional(KEYS)?;
        let keys = bytes.map(|mut bytes| {
            let keys = cbor::decode(&bytes, 4096).map_err(|e| damaged(KEYS, &e));
            bytes.zeroize();
            keys
        });
        keys.transpose()
    }

    pub(super) fn keep_keys(&self, keys: &Keys) -> Result<(), FolderError> {
        let mut bytes = cbor::encode(keys);
        let written = self.dir.write_atomic(KEYS, &bytes);
        bytes.zeroize();
        Ok(written?)
    }

    /// Keeps certificates that hold now, before those kept earlier.
    pub(super) fn keep_certificates(
        &self,
        certificates: Certificates,
        at: Time,
    ) -> Result<(), FolderError> {
        let mut kept = self.certificates()?;
        kept.retain(|earlier| earlier.certificates != certificates);
        kept.insert(0, Accepted { certificates, at });
        kept.truncate(KEPT);
        Ok(self.dir.write_atomic(CERTIFICATES, &cbor::encode(&kept))?)
    }

    /// The kept certificates, the newest first.
    fn certificates(&self) -> Result<Vec<Accepted>, FolderError> {
        let Some(bytes) = self.dir.read_optional(CERTIFICATES)? else {
            return Ok(Vec::new());
        };
        cbor::decode(&bytes, KEPT * 16 * 1024).map_err(|e| damaged(CERTIFICATES, &e))
    }

    /// Every register key that the pinned root has certified, as far as this gate knows; the newest
    /// first.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn register_keys(&self, keys: &Keys) -> Result<Vec<VerifyingKey>, FolderError> {
        let kept = self.certificates()?;
        let verified = kept.iter().map(|accepted| {
            CentreKeys::verify(&keys.root, &accepted.certificates, accepted.at)
                .map(|centre| centre.register)
                .map_err(|e| damaged(CERTIFICATES, &e))
        });
        let verified: Vec<VerifyingKey> = verified.collect::<Result<_, _>>()?;
        if verified.is_empty() {
            return Err(FolderError::NotJoined);
        }
        Ok(verified)
    }

    /// The register key that the newest kept certificates certify for `now`.
    ///
    /// # Errors
    /// [`FolderError`]; certificates that have ended are the inner error.
    pub(super) fn register_key_at(
        &self,
        keys: &Keys,
        now: Time,
    ) -> Result<Result<VerifyingKey, CertificateError>, FolderError> {
        let kept = self.certificates()?;
        let newest = kept.first().ok_or(FolderError::NotJoined)?;
        let centre = CentreKeys::verify(&keys.root, &newest.certificates, now);
        Ok(centre.map(|centre| centre.register))
    }

    /// The gate's own record.
    ///
    /// # Errors
    /// [`FolderError::NotJoined`], or a damaged file.
    pub fn own_record(&self, keys: &Keys) -> Result<Verified<PartyRecord>, FolderError> {
        let bytes = self.dir.read_optional(RECORD)?;
        let bytes = bytes.ok_or(FolderError::NotJoined)?;
        verified_by_any(&SignedBytes::new(bytes), &self.register_keys(keys)?)
            .map_err(|e| damaged(RECORD, &e))
    }
}

/// A record that one of these register keys signed.
pub(crate) fn verified_by_any(
    signed: &SignedBytes,
    registers: &[VerifyingKey],
) -> Result<Verified<PartyRecord>, Malformed> {
    let mut refused = Malformed::field("record", "no register key is known");
    for register in registers {
        match PartyRecord::verify(signed.clone(), register) {
            Ok(record) => return Ok(record),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

pub(super) fn damaged(file: &str, why: &impl fmt::Display) -> FolderError {
    FolderError::Damaged {
        file: file.to_owned(),
        why: why.to_string(),
    }
}
