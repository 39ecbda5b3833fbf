//! Joining (M2, M3): from the letter's line to a registered shop.
//!
//! What is signed is written down before it's sent (`DIR/registration.cbor`), so that a shop that
//! lost its connection or its power sends the same registration again and gets the same answer.
//! The file holds the owner's address and account; it's removed once the register has answered.

use std::sync::Arc;

use tegata_cli::data::{self, DataDir};
use tegata_cli::password::Password;
use tegata_party::client::{Answer, CallError, Callee, Caller, Client, Prepared};
use tegata_protocol::envelope::{Parcel, SEALED_LIMIT};
use tegata_protocol::joining::{
    ActivationCode, Claim, Details, Registered as Reply, Registration, SaltedDetails, Slip,
};
use tegata_protocol::record::{CertificateError, PartyKeys, PartyRecord, Profile};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{Malformed, MessageId, PartyNumber, Role, Time, Verified, cbor};

use crate::chance;
use crate::identity::{Centre, Identity, Registered, read_record, write_record};
use crate::keys::{self, Keys, KeysError};

const PENDING: &str = "registration.cbor";

/// Why a shop isn't registered.
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
    #[error("the letter's number {0} isn't a shop's")]
    NotAShop(PartyNumber),
    /// The folder has another number.
    #[error("this folder is the shop {0}'s; give another one with --data")]
    OtherNumber(PartyNumber),
    /// Joined already, and not as asked for now.
    #[error("this shop joined before, as {name} ({number}) at {address}; nothing was changed")]
    Joined {
        /// Its number.
        number: PartyNumber,
        /// The name in its record.
        name: String,
        /// The address in its record.
        address: String,
    },
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
    #[error("the register's record isn't of this shop's number and keys; ask the centre")]
    ForeignRecord,
    /// Not joined yet.
    #[error("this shop hasn't joined yet: run `tegata-shop join` with the line of its letter")]
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

/// What its owner says of the shop.
#[derive(Clone, Debug)]
pub struct Application {
    /// Name, as members see it.
    pub name: String,
    /// Web address, as members reach it.
    pub address: String,
    /// Postal address lines.
    pub postal: Vec<String>,
    /// Account for payouts.
    pub account: Option<String>,
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
    password: Option<&Password>,
    now: Time,
) -> Result<Registered, JoinError> {
    if slip.number.role() != Role::Shop {
        return Err(JoinError::NotAShop(slip.number));
    }
    tegata_party::client::check_address(&application.address)?;
    let identity = begin(dir, slip, application)?;
    let keys = Arc::new(keys_of(dir, password)?);
    let centre = Centre::find(dir, client, &identity, None, now)?;
    if let Some(record) = read_record(dir, &centre.keys.register)? {
        unchanged(&record, application)?;
        return Ok(Registered {
            identity,
            record,
            keys,
        });
    }
    let caller = Caller {
        number: identity.number,
        signing: keys.signing(),
        opening: keys.opening(),
    };
    let record = register(
        dir,
        client,
        &Desk {
            caller,
            centre: &centre,
        },
        &Form {
            identity: &identity,
            application,
            code: &slip.code,
        },
        now,
    )?;
    write_record(dir, &record)?;
    dir.remove(PENDING)?;
    Ok(Registered {
        identity,
        record,
        keys,
    })
}

/// Has the shop of this folder a record?
///
/// # Errors
/// [`JoinError::Data`].
pub fn has_joined(dir: &DataDir) -> Result<bool, JoinError> {
    Ok(dir.read_optional(crate::identity::RECORD)?.is_some())
}

/// Does the record that is there already say what is asked for now?
fn unchanged(record: &PartyRecord, application: &Application) -> Result<(), JoinError> {
    let asked = profile_of(application);
    match &record.profile {
        Some(profile) if *profile != asked => Err(JoinError::Joined {
            number: record.number,
            name: profile.name.clone(),
            address: profile.address.clone(),
        }),
        _ => Ok(()),
    }
}

fn profile_of(application: &Application) -> Profile {
    Profile {
        name: application.name.clone(),
        address: application.address.trim().trim_end_matches('/').to_owned(),
    }
}

/// Opens a shop that has joined.
///
/// # Errors
/// [`JoinError`].
pub fn open(
    dir: &DataDir,
    centre: &Centre,
    password: impl FnOnce() -> Result<Password, KeysError>,
) -> Result<Registered, JoinError> {
    let identity = Identity::read(dir)?.ok_or(JoinError::NotJoined)?;
    let record = read_record(dir, &centre.keys.register)?.ok_or(JoinError::NotJoined)?;
    let keys = Arc::new(Keys::read(dir, password)?);
    if record.number != identity.number || record.keys.signing != keys.signing().verifying_key() {
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
    let profile = profile_of(application);
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
        profile,
    };
    identity.write(dir)?;
    Ok(identity)
}

fn keys_of(dir: &DataDir, password: Option<&Password>) -> Result<Keys, JoinError> {
    if dir.read_optional(keys::FILE)?.is_some() {
        let copy =
            password.map(|p| Password::new(String::from_utf8_lossy(p.expose()).into_owned()));
        return Ok(Keys::read(dir, || copy.ok_or(KeysError::Sealed))?);
    }
    let keys = Keys::generate();
    keys.write(dir, password)?;
    Ok(keys)
}

struct Desk<'a> {
    caller: Caller<'a>,
    centre: &'a Centre,
}

struct Form<'a> {
    identity: &'a Identity,
    application: &'a Application,
    code: &'a ActivationCode,
}

/// Sends the registration that waits, or a new one; a waiting one that has become too old for the
/// register to look at is signed anew.
fn register(
    dir: &DataDir,
    client: &Client,
    desk: &Desk<'_>,
    form: &Form<'_>,
    now: Time,
) -> Result<Verified<PartyRecord>, JoinError> {
    let callee = desk.centre.callee();
    if let Some(bytes) = dir.read_optional(PENDING)? {
        let parcel = cbor::decode(&bytes, SEALED_LIMIT);
        let parcel: Parcel = parcel.map_err(|e| JoinError::damaged(PENDING, &e))?;
        let prepared = Prepared::again(&callee, parcel, &mut chance::system())?;
        match send(client, desk, &callee, &prepared) {
            Err(JoinError::Refused(refusal)) if refusal.code == Code::Untimely => {}
            other => return settle(dir, other),
        }
    }
    let prepared = sign(desk.caller, &callee, form, now)?;
    dir.write_atomic(PENDING, &cbor::encode(prepared.parcel()))?;
    settle(dir, send(client, desk, &callee, &prepared))
}

/// A refusal is final: what was refused needn't be kept.
fn settle<T>(dir: &DataDir, result: Result<T, JoinError>) -> Result<T, JoinError> {
    if let Err(JoinError::Refused(_)) = result {
        dir.remove(PENDING)?;
    }
    result
}

fn sign(
    caller: Caller<'_>,
    callee: &Callee,
    form: &Form<'_>,
    now: Time,
) -> Result<Prepared, JoinError> {
    let mut rng = chance::system();
    let details = Details {
        name: form.application.name.clone(),
        postal: form.application.postal.clone(),
        mail: None,
        account: form.application.account.clone(),
    };
    let details = SaltedDetails::new(details, &mut rng)?;
    let claim = Claim {
        details: details.digest(),
        terms: form.identity.terms,
        keys: PartyKeys {
            spending: None,
            signing: caller.signing.verifying_key(),
            opening: caller.opening.sealing_key().clone(),
        },
        profile: Some(form.identity.profile.clone()),
    };
    let id = MessageId::random(&mut rng);
    let body = Registration::new(caller.number, id, claim, None, form.code);
    let attachment = Some(details.to_bytes());
    Ok(Prepared::new(
        caller,
        callee,
        (id, now),
        body,
        attachment,
        &mut rng,
    )?)
}

fn send(
    client: &Client,
    desk: &Desk<'_>,
    callee: &Callee,
    prepared: &Prepared,
) -> Result<Verified<PartyRecord>, JoinError> {
    let answer: Answer<Reply> = client.call(desk.caller, callee, prepared)?;
    let reply = answer.accepted()?.into_value().body;
    let record = PartyRecord::verify(reply.record, &desk.centre.keys.register);
    let record = record.map_err(|_e| JoinError::ForeignRecord)?;
    let own = record.number == desk.caller.number
        && record.keys.signing == desk.caller.signing.verifying_key()
        && record.keys.opening == *desk.caller.opening.sealing_key();
    if own {
        Ok(record)
    } else {
        Err(JoinError::ForeignRecord)
    }
}
