//! Who this shop is and whom it trusts: its number, its record, the pinned root, the centre.
//!
//! `DIR/identity.cbor` holds what the letter said and what the shop says of itself; `DIR/record.cbor`
//! the register's signed record; `DIR/certificates.cbor` the centre's certificates as last fetched,
//! so that a shop can start while the centre is away. None of the three is secret.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use tegata_cli::data::DataDir;
use tegata_party::client::{Callee, Caller, Client};
use tegata_protocol::record::{
    CentreKeys, Certificate, Certificates, PartyRecord, Profile, Purpose,
};
use tegata_protocol::{
    Digest, Malformed, PartyNumber, SignedBytes, Time, Unverified, Verified, VerifyingKey, cbor,
};

use crate::joining::JoinError;
use crate::keys::Keys;
use crate::shop::cause;

const IDENTITY: &str = "identity.cbor";
pub(crate) const RECORD: &str = "record.cbor";
const CERTIFICATES: &str = "certificates.cbor";
const LIMIT: usize = 16 * 1024;

/// What a shop knows of itself before it's registered.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Identity {
    /// Its number.
    #[n(0)]
    pub number: PartyNumber,
    /// The centre's web address.
    #[n(1)]
    pub centre: String,
    /// The root's key, pinned from the letter.
    #[n(2)]
    pub root: VerifyingKey,
    /// The terms that were agreed to.
    #[n(3)]
    pub terms: Digest,
    /// Name and address that it shows.
    #[n(4)]
    pub profile: Profile,
}

impl Identity {
    /// Reads it; `None` before joining.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn read(dir: &DataDir) -> Result<Option<Self>, JoinError> {
        let Some(bytes) = dir.read_optional(IDENTITY)? else {
            return Ok(None);
        };
        let identity = cbor::decode(&bytes, LIMIT);
        identity
            .map(Some)
            .map_err(|e| JoinError::damaged(IDENTITY, &e))
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn write(&self, dir: &DataDir) -> Result<(), JoinError> {
        Ok(dir.write_atomic(IDENTITY, &cbor::encode(self))?)
    }
}

/// A registered shop: number, record, keys.
#[derive(Debug)]
pub struct Registered {
    /// What it knows of itself.
    pub identity: Identity,
    /// The register's signed record of it.
    pub record: Verified<PartyRecord>,
    /// Its keys.
    pub keys: Arc<Keys>,
}

impl Registered {
    /// Its number.
    pub const fn number(&self) -> PartyNumber {
        self.identity.number
    }

    /// The name in its record.
    pub fn name(&self) -> &str {
        self.record.profile.as_ref().map_or("", |p| p.name.as_str())
    }

    /// The address in its record.
    pub fn address(&self) -> &str {
        self.record
            .profile
            .as_ref()
            .map_or("", |p| p.address.as_str())
    }

    /// The shop as a caller of the centre.
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            number: self.identity.number,
            signing: self.keys.signing(),
            opening: self.keys.opening(),
        }
    }
}

/// The record, if the shop is registered; verified with the register's key.
///
/// # Errors
/// [`JoinError`].
pub fn read_record(
    dir: &DataDir,
    register: &VerifyingKey,
) -> Result<Option<Verified<PartyRecord>>, JoinError> {
    let Some(bytes) = dir.read_optional(RECORD)? else {
        return Ok(None);
    };
    let record = PartyRecord::verify(SignedBytes::new(bytes), register);
    record.map(Some).map_err(|e| JoinError::damaged(RECORD, &e))
}

/// Keeps the record.
///
/// # Errors
/// [`JoinError`].
pub fn write_record(dir: &DataDir, record: &Verified<PartyRecord>) -> Result<(), JoinError> {
    Ok(dir.write_atomic(RECORD, record.signed().as_bytes())?)
}

/// The centre as the shop knows it: address and verified keys.
#[derive(Clone, Debug)]
pub struct Centre {
    /// Its address.
    pub address: String,
    /// Its keys.
    pub keys: CentreKeys,
}

impl Centre {
    /// The centre as one who is called.
    pub fn callee(&self) -> Callee {
        Callee::centre(&self.address, &self.keys)
    }

    /// The centre's keys: fetched and kept if it answers, else as kept.
    ///
    /// # Errors
    /// [`JoinError`] when neither gives any.
    pub fn find(
        dir: &DataDir,
        client: &Client,
        identity: &Identity,
        address: Option<&str>,
        now: Time,
    ) -> Result<Self, JoinError> {
        let address = address.unwrap_or(&identity.centre).to_owned();
        match Self::fetch(dir, client, &address, &identity.root, now) {
            Ok(keys) => Ok(Self { address, keys }),
            Err(error) => match Self::kept(dir, &identity.root, now)? {
                Some(keys) => {
                    tracing::warn!(
                        error = cause(&error),
                        "using the centre's certificates as kept"
                    );
                    Ok(Self { address, keys })
                }
                None => Err(error),
            },
        }
    }

    /// Fetches the certificates, verifies them with the pinned root and keeps them.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn fetch(
        dir: &DataDir,
        client: &Client,
        address: &str,
        root: &VerifyingKey,
        now: Time,
    ) -> Result<CentreKeys, JoinError> {
        let bytes = client.get(address, "/v1/certificates")?;
        let keys = verify(&bytes, root, now)?;
        dir.write_atomic(CERTIFICATES, &bytes)?;
        Ok(keys)
    }

    /// The certificates as kept, if they still hold.
    ///
    /// # Errors
    /// [`JoinError`] when the file can't be read.
    pub fn kept(
        dir: &DataDir,
        root: &VerifyingKey,
        now: Time,
    ) -> Result<Option<CentreKeys>, JoinError> {
        let Some(bytes) = dir.read_optional(CERTIFICATES)? else {
            return Ok(None);
        };
        verify(&bytes, root, now).map(Some)
    }
}

/// The centre's signed certificate for its credit link, as kept, if there's one that holds: with it a
/// card number is sealed past the shop.
pub fn credit_certificate(dir: &DataDir, root: &VerifyingKey, now: Time) -> Option<SignedBytes> {
    let bytes = dir.read_optional(CERTIFICATES).ok()??;
    let certificates: Certificates = cbor::decode(&bytes, LIMIT).ok()?;
    certificates.0.into_iter().find(|signed| {
        let certificate = Unverified::<Certificate>::parse(signed.clone());
        let certificate = certificate.ok().and_then(|c| c.verify(root).ok());
        certificate.is_some_and(|c| c.purpose == Purpose::Credit && c.valid.holds(now))
    })
}

fn verify(bytes: &[u8], root: &VerifyingKey, now: Time) -> Result<CentreKeys, JoinError> {
    let certificates = cbor::decode::<Certificates>(bytes, LIMIT);
    let certificates = certificates.map_err(|e: Malformed| JoinError::Certificates(e.into()))?;
    CentreKeys::verify(root, &certificates, now).map_err(JoinError::Certificates)
}
