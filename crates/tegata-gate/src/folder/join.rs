//! Joining (M1, M3): from the slip to the gate's own record.
//!
//! Keys are on the disk before the registration is signed, and the signed registration before it
//! is sent. Whatever breaks, the same command sends the same bytes again, and the centre answers
//! what it answered the first time.

use tegata_party::client::{Callee, Caller, Client, Prepared};
use tegata_protocol::{
    MessageId, Role, SignedBytes, Time, Verified, cbor,
    envelope::Parcel,
    joining::{Claim, Details, Registered, Registration, SaltedDetails, Slip},
    record::{CentreKeys, Certificates, PartyRecord, Profile},
    refusal::{Code, Refusal},
};

use super::{
    Folder, FolderError,
    keys::{Keys, RECORD, damaged},
};

const REGISTRATION: &str = "registration.cbor";

/// The most bytes of a kept registration.
const REGISTRATION_LIMIT: usize = 32 * 1024;

/// What somebody who sets up a gate gives.
#[derive(Debug)]
pub struct Joining {
    /// From the letter.
    pub slip: Slip,
    /// The gate's name, as told to those who come too late.
    pub name: String,
    /// Its web address.
    pub address: String,
}

/// The generator of the operating system.
pub(crate) fn rng() -> rand_core::UnwrapErr<getrandom::SysRng> {
    rand_core::UnwrapErr(getrandom::SysRng)
}

impl Folder {
    /// Joins, or finishes a joining that broke off. Joined already: gives the record again.
    ///
    /// # Errors
    /// [`FolderError`]; [`FolderError::Joined`] when it joined under another name or address.
    pub fn join(
        &self,
        joining: &Joining,
        client: &Client,
        now: Time,
    ) -> Result<Verified<PartyRecord>, FolderError> {
        tegata_party::client::check_address(&joining.address)?;
        let keys = self.keys_for(&joining.slip)?;
        if self.dir.file(RECORD)?.exists() {
            let record = self.own_record(&keys)?;
            return unchanged(record, joining);
        }
        let centre = self.fetch_certificates(&keys, client, now)?;
        let answer = self.register(&keys, joining, client, (&centre, now))?;
        let answer = match answer {
            // Signed too long ago, never received: the keys stay, the message is signed anew.
            Err(refusal) if refusal.code == Code::Untimely => {
                self.register(&keys, joining, client, (&centre, now))?
            }
            other => other,
        };
        let record = answer.map_err(FolderError::Refused)?;
        self.keep_record(&keys, &centre, record)
    }

    /// Has it a record?
    ///
    /// # Errors
    /// [`FolderError::Data`].
    pub fn has_joined(&self) -> Result<bool, FolderError> {
        Ok(self.dir.file(RECORD)?.exists())
    }

    fn keys_for(&self, slip: &Slip) -> Result<Keys, FolderError> {
        if slip.number.role() != Role::Gate {
            return Err(FolderError::NotAGate(slip.number));
        }
        if let Some(keys) = self.keys_if_made()? {
            return if keys.number() == slip.number && *keys.root() == slip.root {
                Ok(keys)
            } else {
                Err(FolderError::OtherSlip {
                    own: keys.number(),
                    slip: slip.number,
                })
            };
        }
        let keys = Keys::generate(slip.number, slip.root, &slip.centre, &mut rng());
        self.keep_keys(&keys)?;
        Ok(keys)
    }

    /// Fetches the centre's certificates, verifies them with the pinned root and keeps them.
    ///
    /// # Errors
    /// [`FolderError::Call`].
    pub fn fetch_certificates(
        &self,
        keys: &Keys,
        client: &Client,
        now: Time,
    ) -> Result<CentreKeys, FolderError> {
        let bytes = client.get(keys.centre(), "/v1/certificates")?;
        let certificates: Certificates = cbor::decode(&bytes, 16 * 1024)
            .map_err(|e| tegata_party::client::CallError::Certificates(e.into()))?;
        let centre = CentreKeys::verify(keys.root(), &certificates, now)
            .map_err(tegata_party::client::CallError::Certificates)?;
        self.keep_certificates(certificates, now)?;
        Ok(centre)
    }

    /// Sends the registration, the kept one if there is one. A refusal is final: what was kept of
    /// it is forgotten.
    fn register(
        &self,
        keys: &Keys,
        joining: &Joining,
        client: &Client,
        (centre, now): (&CentreKeys, Time),
    ) -> Result<Result<SignedBytes, Refusal>, FolderError> {
        let (signing, opening) = (keys.signing(), keys.opening());
        let caller = Caller {
            number: keys.number(),
            signing: &signing,
            opening: &opening,
        };
        let callee = Callee::centre(keys.centre(), centre);
        let prepared = match self.dir.read_optional(REGISTRATION)? {
            Some(kept) => {
                let parcel: Parcel = cbor::decode(&kept, REGISTRATION_LIMIT)
                    .map_err(|e| damaged(REGISTRATION, &e))?;
                Prepared::again(&callee, parcel, &mut rng())
            }
            None => prepare(keys, joining, (caller, &callee), now),
        };
        let prepared = prepared.map_err(FolderError::Profile)?;
        self.dir
            .write_atomic(REGISTRATION, &cbor::encode(prepared.parcel()))?;
        match client
            .call::<Registered>(caller, &callee, &prepared)?
            .accepted()
        {
            Ok(registered) => Ok(Ok(registered.into_value().body.record)),
            Err(refusal) => {
                self.dir.remove(REGISTRATION)?;
                Ok(Err(refusal))
            }
        }
    }

    fn keep_record(
        &self,
        keys: &Keys,
        centre: &CentreKeys,
        signed: SignedBytes,
    ) -> Result<Verified<PartyRecord>, FolderError> {
        let bad = |why: &str| FolderError::BadRecord(why.to_owned());
        let record = PartyRecord::verify(signed, &centre.register);
        let record = record.map_err(|e| bad(&e.to_string()))?;
        if record.number != keys.number() || record.keys != keys.public() {
            return Err(bad("another number or other keys"));
        }
        self.dir.write_atomic(RECORD, record.signed().as_bytes())?;
        self.dir.remove(REGISTRATION)?;
        Ok(record)
    }
}

/// The record that is there already, if it says what was asked for now.
fn unchanged(
    record: Verified<PartyRecord>,
    joining: &Joining,
) -> Result<Verified<PartyRecord>, FolderError> {
    let as_asked = |p: &Profile| p.name == joining.name && p.address == joining.address;
    match &record.profile {
        Some(profile) if !as_asked(profile) => Err(FolderError::Joined {
            number: record.number,
            name: profile.name.clone(),
            address: profile.address.clone(),
        }),
        _ => Ok(record),
    }
}

/// Signs the registration and seals it.
fn prepare(
    keys: &Keys,
    joining: &Joining,
    (caller, callee): (Caller<'_>, &Callee),
    now: Time,
) -> Result<Prepared, tegata_protocol::Malformed> {
    let details = Details {
        name: joining.name.clone(),
        postal: Vec::new(),
        mail: None,
        account: None,
    };
    let details = SaltedDetails::new(details, &mut rng())?;
    let claim = Claim {
        details: details.digest(),
        terms: joining.slip.terms,
        keys: keys.public(),
        profile: Some(Profile {
            name: joining.name.clone(),
            address: joining.address.clone(),
        }),
    };
    let id = MessageId::random(&mut rng());
    let registration = Registration::new(keys.number(), id, claim, None, &joining.slip.code);
    tegata_protocol::envelope::Body::check(&registration)?;
    Prepared::new(
        caller,
        callee,
        (id, now),
        registration,
        Some(details.to_bytes()),
        &mut rng(),
    )
}
