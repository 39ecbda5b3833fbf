//! Who a party is and whom it trusts: its number, its record, the pinned root, the centre.
//!
//! ```text
//! DIR/identity.cbor      what the letter said and what the party says of itself
//! DIR/record.cose        the register's signed record of it
//! DIR/certificates.cbor  the centre's certificates as accepted, the newest first: a party can start
//!                        while the centre is away, and records that an earlier register key signed
//!                        can still be verified
//! ```
//! None of the three is secret.

use std::sync::{Arc, PoisonError, RwLock};

use minicbor::{Decode, Encode};
use tegata_cli::data::DataDir;
use tegata_protocol::record::{
    CentreKeys, Certificate, CertificateError, Certificates, PartyRecord, Profile, Purpose,
};
use tegata_protocol::{
    Digest, Malformed, PartyNumber, SignedBytes, Time, Unverified, Verified, VerifyingKey, cbor,
};

use crate::client::{Callee, Caller, Client};
use crate::error::JoinError;
use crate::keys::Keys;

const IDENTITY: &str = "identity.cbor";
/// The party's own signed record.
pub const RECORD: &str = "record.cose";
const CERTIFICATES: &str = "certificates.cbor";
const LIMIT: usize = 16 * 1024;

/// How many sets of certificates are kept: records that an earlier register key signed stay good.
const KEPT: usize = 8;

/// What a party knows of itself before it's registered.
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

/// A registered party: number, record, keys.
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
    #[must_use]
    pub const fn number(&self) -> PartyNumber {
        self.identity.number
    }

    /// The name in its record.
    #[must_use]
    pub fn name(&self) -> &str {
        self.record.profile.as_ref().map_or("", |p| &p.name)
    }

    /// The address in its record.
    #[must_use]
    pub fn address(&self) -> &str {
        self.record.profile.as_ref().map_or("", |p| &p.address)
    }

    /// The party as one who calls others.
    #[must_use]
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            number: self.identity.number,
            signing: self.keys.signing(),
            opening: self.keys.opening(),
        }
    }
}

/// The record, if the party is registered; verified with one of the register's keys.
///
/// # Errors
/// [`JoinError`].
pub fn read_record(
    dir: &DataDir,
    registers: &[VerifyingKey],
) -> Result<Option<Verified<PartyRecord>>, JoinError> {
    let Some(bytes) = dir.read_optional(RECORD)? else {
        return Ok(None);
    };
    let record = verified_by_any(&SignedBytes::new(bytes), registers);
    record.map(Some).map_err(|e| JoinError::damaged(RECORD, &e))
}

/// A record that one of these register keys signed.
///
/// # Errors
/// [`Malformed`] as the last key tried says it.
pub fn verified_by_any(
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

/// Keeps the record.
///
/// # Errors
/// [`JoinError`].
pub fn write_record(dir: &DataDir, record: &Verified<PartyRecord>) -> Result<(), JoinError> {
    Ok(dir.write_atomic(RECORD, record.signed().as_bytes())?)
}

/// The centre as the party knows it: address and verified keys.
#[derive(Clone, Debug)]
pub struct Centre {
    /// Its address.
    pub address: String,
    /// Its keys.
    pub keys: CentreKeys,
}

impl Centre {
    /// The centre as one who is called.
    #[must_use]
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
                        error = &error as &dyn std::error::Error,
                        "using the centre's certificates as kept"
                    );
                    Ok(Self { address, keys })
                }
                None => Err(error),
            },
        }
    }

    /// Fetches the certificates, verifies them with the pinned root and keeps them before those kept
    /// earlier.
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
        let certificates: Certificates = cbor::decode(&bytes, LIMIT)
            .map_err(|e: Malformed| JoinError::Certificates(e.into()))?;
        let keys = CentreKeys::verify(root, &certificates, now)?;
        let mut kept = accepted(dir)?;
        kept.retain(|earlier| earlier.certificates != certificates);
        kept.insert(
            0,
            Accepted {
                certificates,
                at: now,
            },
        );
        kept.truncate(KEPT);
        dir.write_atomic(CERTIFICATES, &cbor::encode(&kept))?;
        Ok(keys)
    }

    /// The centre's keys by the newest certificates as kept, if there are any: for what must work
    /// without the centre.
    ///
    /// # Errors
    /// [`JoinError`] when the file can't be read, [`JoinError::Certificates`] when they no longer hold.
    pub fn kept(
        dir: &DataDir,
        root: &VerifyingKey,
        now: Time,
    ) -> Result<Option<CentreKeys>, JoinError> {
        let kept = accepted(dir)?;
        let newest = kept.first();
        let verified = newest.map(|kept| CentreKeys::verify(root, &kept.certificates, now));
        Ok(verified.transpose()?)
    }
}

/// The centre as a running party knows it: its keys may be renewed meanwhile.
#[derive(Debug)]
pub struct CurrentCentre {
    dir: DataDir,
    root: VerifyingKey,
    centre: RwLock<Centre>,
}

impl CurrentCentre {
    /// The centre as it stands when the party of this folder starts.
    #[must_use]
    pub fn new(dir: &DataDir, root: VerifyingKey, centre: Centre) -> Self {
        Self {
            dir: dir.clone(),
            root,
            centre: RwLock::new(centre),
        }
    }

    /// The centre as it stands now.
    pub fn get(&self) -> Centre {
        let centre = self.centre.read();
        centre.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the certificates anew.
    ///
    /// # Errors
    /// [`JoinError`]; the keys stay as they were.
    pub fn renew(&self, client: &Client, now: Time) -> Result<(), JoinError> {
        let address = self.get().address;
        let keys = Centre::fetch(&self.dir, client, &address, &self.root, now)?;
        let mut centre = self.centre.write().unwrap_or_else(PoisonError::into_inner);
        *centre = Centre { address, keys };
        Ok(())
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

fn accepted(dir: &DataDir) -> Result<Vec<Accepted>, JoinError> {
    let Some(bytes) = dir.read_optional(CERTIFICATES)? else {
        return Ok(Vec::new());
    };
    cbor::decode(&bytes, KEPT * LIMIT).map_err(|e| JoinError::damaged(CERTIFICATES, &e))
}

/// Every register key that the pinned root has certified, as far as this party knows; the newest first.
///
/// # Errors
/// [`JoinError`].
pub fn register_keys(dir: &DataDir, root: &VerifyingKey) -> Result<Vec<VerifyingKey>, JoinError> {
    let verified = |kept: &Accepted| {
        // As of when they were accepted: what was certified then stays so.
        CentreKeys::verify(root, &kept.certificates, kept.at)
            .map(|centre| centre.register)
            .map_err(|e: CertificateError| JoinError::damaged(CERTIFICATES, &e))
    };
    accepted(dir)?.iter().map(verified).collect()
}

/// The centre's signed certificate for its credit link, as kept, if there's one that holds: with it a
/// card number is sealed past the shop.
#[must_use]
pub fn credit_certificate(dir: &DataDir, root: &VerifyingKey, now: Time) -> Option<SignedBytes> {
    let newest = accepted(dir).ok()?.into_iter().next()?;
    newest.certificates.0.into_iter().find(|signed| {
        let certificate = Unverified::<Certificate>::parse(signed.clone());
        let certificate = certificate.ok().and_then(|c| c.verify(root).ok());
        certificate.is_some_and(|c| c.purpose == Purpose::Credit && c.valid.holds(now))
    })
}
