//! Joining (M2, M3): from the letter's line to a registered service.
//!
//! What is signed is written down before it's sent (`DIR/registration.cbor`), so that a service that
//! lost its connection or its power sends the same registration again and gets the same answer.
//! The file holds the operator's address; it's removed once the register has answered.

use std::sync::Arc;

use tegata_cli::data::{self, DataDir};
use tegata_party::client::{Answer, CallError, Callee, Caller, Client, Prepared};
use tegata_protocol::envelope::{Parcel, SEALED_LIMIT};
use tegata_protocol::joining::{
    ActivationCode, Claim, Details, Registered as Reply, Registration, SaltedDetails, Slip,
};
use tegata_protocol::record::{CertificateError, PartyRecord, Profile};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{Malformed, MessageId, PartyNumber, Role, Time, Verified, cbor};

use crate::chance;
use crate::identity::{Centre, Identity, Registered, read_record, write_record};
use crate::keys::{Keys, KeysError};

const PENDING: &str = "registration.cbor";

/// Why a service isn't registered.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The data folder.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A file isn't what this program wrote.
    #[error("{file} is damaged: {why}. Restore it from a backup")]
    Damaged {
        /// Which file.
        file: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Something that was typed doesn't fit.
    #[error(transparent)]
    Input(#[from] Malformed),
    /// The letter is for somebody else.
    #[error("the letter's number {0} isn't a sealing service's")]
    NotASealingService(PartyNumber),
    /// The folder has another number.
    #[error("this folder is the sealing service {0}'s; give another one with --data")]
    OtherNumber(PartyNumber),
    /// The centre's certificates don't hold.
    #[error("the centre's certificates don't hold")]
    Certificates(#[from] CertificateError),
    /// No answer, or none to be trusted.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The register said no.
    #[error("the register refused")]
    Refused(#[from] Refusal),
    /// The register answered with a record that isn't ours.
    #[error("the register's record isn't of this service's number and keys; ask the centre")]
    ForeignRecord,
    /// Not joined yet.
    #[error(
        "this sealing service hasn't joined yet: run `tegata-sealing join` with the line of its letter"
    )]
    NotJoined,
}

impl JoinError {
    pub(crate) fn damaged(file: &'static str, why: &impl ToString) -> Self {
        Self::Damaged {
            file,
            why: why.to_string(),
        }
    }
}

/// What its operator says of the service.
#[derive(Clone, Debug)]
pub struct Application {
    /// Name, as shops and their customers see it.
    pub name: String,
    /// Web address, as browsers reach it.
    pub address: String,
    /// Postal address lines.
    pub postal: Vec<String>,
}

/// Joins: makes keys, registers, keeps the record. Done before: gives the record again.
///
/// # Errors
/// [`JoinError`]. After one of the network the same command goes on where it stopped.
pub fn join(
    dir: &DataDir,
    client: &Client,
    slip: &Slip,
    application: &Application,
    now: Time,
) -> Result<Registered, JoinError> {
    if slip.number.role() != Role::Sealing {
        return Err(JoinError::NotASealingService(slip.number));
    }
    let identity = begin(dir, slip, application)?;
    let keys = Arc::new(keys_of(dir)?);
    let centre = Centre::find(dir, client, &identity, None, now)?;
    let kept = read_record(dir, &centre.keys.register)?;
    let record = match kept {
        Some(record) => record,
        None => {
            let desk = Desk {
                dir,
                client,
                identity: &identity,
                keys: &keys,
                centre: &centre,
            };
            let record = desk.register(application, &slip.code, now)?;
            write_record(dir, &record)?;
            dir.remove(PENDING)?;
            record
        }
    };
    Ok(Registered {
        identity,
        record,
        keys,
    })
}

/// Opens a service that has joined.
///
/// # Errors
/// [`JoinError`].
pub fn open(dir: &DataDir, centre: &Centre) -> Result<Registered, JoinError> {
    let identity = Identity::read(dir)?.ok_or(JoinError::NotJoined)?;
    let record = read_record(dir, &centre.keys.register)?.ok_or(JoinError::NotJoined)?;
    let keys = Arc::new(Keys::read(dir)?.ok_or(JoinError::NotJoined)?);
    if record.number != identity.number || record.keys != keys.public() {
        return Err(JoinError::ForeignRecord);
    }
    Ok(Registered {
        identity,
        record,
        keys,
    })
}

/// The identity as begun before, or a new one from the letter.
fn begin(dir: &DataDir, slip: &Slip, application: &Application) -> Result<Identity, JoinError> {
    if let Some(identity) = Identity::read(dir)? {
        return match identity.number == slip.number && identity.root == slip.root {
            true => Ok(identity),
            false => Err(JoinError::OtherNumber(identity.number)),
        };
    }
    let identity = Identity {
        number: slip.number,
        centre: slip.centre.clone(),
        root: slip.root,
        terms: slip.terms,
        profile: Profile {
            name: application.name.clone(),
            address: application.address.trim_end_matches('/').to_owned(),
        },
    };
    identity.write(dir)?;
    Ok(identity)
}

fn keys_of(dir: &DataDir) -> Result<Keys, JoinError> {
    if let Some(keys) = Keys::read(dir)? {
        return Ok(keys);
    }
    let keys = Keys::generate();
    keys.write(dir)?;
    Ok(keys)
}

/// Where the registration is written.
struct Desk<'a> {
    dir: &'a DataDir,
    client: &'a Client,
    identity: &'a Identity,
    keys: &'a Keys,
    centre: &'a Centre,
}

impl Desk<'_> {
    const fn caller(&self) -> Caller<'_> {
        Caller {
            number: self.identity.number,
            signing: self.keys.signing(),
            opening: self.keys.opening(),
        }
    }

    /// Sends the registration that waits, or a new one; a waiting one that has become too old for
    /// the register to look at is signed anew.
    fn register(
        &self,
        application: &Application,
        code: &ActivationCode,
        now: Time,
    ) -> Result<Verified<PartyRecord>, JoinError> {
        let callee = self.centre.callee();
        if let Some(bytes) = self.dir.read_optional(PENDING)? {
            let parcel = cbor::decode(&bytes, SEALED_LIMIT);
            let parcel: Parcel = parcel.map_err(|e| JoinError::damaged(PENDING, &e))?;
            let prepared = Prepared::again(&callee, parcel, &mut chance::system())?;
            match self.send(&callee, &prepared) {
                Err(JoinError::Refused(refusal)) if refusal.code == Code::Untimely => {}
                other => return self.settle(other),
            }
        }
        let prepared = self.sign(&callee, application, code, now)?;
        let parcel = cbor::encode(prepared.parcel());
        self.dir.write_atomic(PENDING, &parcel)?;
        self.settle(self.send(&callee, &prepared))
    }

    /// A refusal is final: what was refused needn't be kept.
    fn settle<T>(&self, result: Result<T, JoinError>) -> Result<T, JoinError> {
        if let Err(JoinError::Refused(_)) = result {
            self.dir.remove(PENDING)?;
        }
        result
    }

    fn sign(
        &self,
        callee: &Callee,
        application: &Application,
        code: &ActivationCode,
        now: Time,
    ) -> Result<Prepared, JoinError> {
        let mut rng = chance::system();
        let details = Details {
            name: application.name.clone(),
            postal: application.postal.clone(),
            mail: None,
            account: None,
        };
        let details = SaltedDetails::new(details, &mut rng)?;
        let claim = Claim {
            details: details.digest(),
            terms: self.identity.terms,
            keys: self.keys.public(),
            profile: Some(self.identity.profile.clone()),
        };
        let id = MessageId::random(&mut rng);
        let body = Registration::new(self.identity.number, id, claim, None, code);
        let (head, attachment) = ((id, now), Some(details.to_bytes()));
        let prepared = Prepared::new(self.caller(), callee, head, body, attachment, &mut rng);
        Ok(prepared?)
    }

    fn send(
        &self,
        callee: &Callee,
        prepared: &Prepared,
    ) -> Result<Verified<PartyRecord>, JoinError> {
        let answer: Answer<Reply> = self.client.call(self.caller(), callee, prepared)?;
        let reply = answer.accepted()?.into_value().body;
        let record = PartyRecord::verify(reply.record, &self.centre.keys.register);
        let record = record.map_err(|_e| JoinError::ForeignRecord)?;
        match record.number == self.identity.number && record.keys == self.keys.public() {
            true => Ok(record),
            false => Err(JoinError::ForeignRecord),
        }
    }
}
