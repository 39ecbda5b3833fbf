//! Joining (M1-M3): from the letter's line to a registered party.
//!
//! ```text
//! begin     identity.cbor: number, root, centre, terms as the letter has them
//! keys      made, and on the disk before anything is signed with them
//! fetch     the centre's certificates, verified with the pinned root
//! sign      registration.cbor, before it's sent
//! send      the register's answer: record.cose, and registration.cbor goes
//! ```
//! Whatever breaks, the same command goes on where it stopped: the same registration is sent again and
//! gets the same answer. `registration.cbor` holds the owner's address and account; that's why it
//! goes.

use std::sync::Arc;

use tegata_cli::clock;
use tegata_cli::data::DataDir;
use tegata_cli::exit::Failure;
use tegata_keystore::rng;
use tegata_protocol::envelope::{Body as _, Parcel, SEALED_LIMIT};
use tegata_protocol::joining::{
    Claim, Details, Registered as Reply, Registration, SaltedDetails, Slip,
};
use tegata_protocol::record::{PartyRecord, Profile};
use tegata_protocol::refusal::Code;
use tegata_protocol::{MessageId, Time, Verified, VerifyingKey, cbor};

use crate::client::{self, Answer, Caller, Client, Prepared, Stamp};
pub use crate::error::{JoinError, Kind};
use crate::identity::{
    Centre, Identity, RECORD, Registered, read_record, register_keys, write_record,
};
use crate::keys::{Keys, KeysError};
use crate::terms::ConsentArgs;

const PENDING: &str = "registration.cbor";

/// What its owner says of the party.
#[derive(Clone, Debug)]
pub struct Application {
    /// Name, as others see it.
    pub name: String,
    /// Web address, as others reach it.
    pub address: String,
    /// Postal address lines.
    pub postal: Vec<String>,
    /// Account for payouts.
    pub account: Option<String>,
}

impl Application {
    fn profile(&self) -> Profile {
        Profile {
            name: self.name.clone(),
            address: self.address.trim().trim_end_matches('/').to_owned(),
        }
    }
}

/// Where and as what a party joins.
#[derive(Clone, Copy, Debug)]
pub struct Joining<'a> {
    /// Its folder, whose lock the caller holds.
    pub dir: &'a DataDir,
    /// What it is.
    pub kind: Kind,
    /// From its letter.
    pub slip: &'a Slip,
    /// What its owner says of it.
    pub application: &'a Application,
}

/// A party that has joined by a command.
#[derive(Debug)]
pub struct Joined {
    /// The party.
    pub party: Registered,
    /// Had it joined before?
    pub again: bool,
}

impl Joining<'_> {
    /// Joins: registers with the keys that `keys` opens or makes, and keeps the record. Done before:
    /// gives the record again. Nothing is made, and no password asked for, when the letter isn't for
    /// this folder.
    ///
    /// # Errors
    /// [`JoinError`]. After one of the network the same call goes on where it stopped.
    pub fn join(
        &self,
        client: &Client,
        keys: impl FnOnce() -> Result<Keys, KeysError>,
        now: Time,
    ) -> Result<Registered, JoinError> {
        self.check()?;
        let identity = self.begin()?;
        let keys = Arc::new(keys()?);
        // Joined before, nobody is asked.
        let registers = register_keys(self.dir, &identity.root)?;
        let record = match read_record(self.dir, &registers)? {
            Some(record) => self.unchanged(record)?,
            None => {
                let centre = Centre::find(self.dir, client, &identity, None, now)?;
                let register = Register {
                    joining: self,
                    client,
                    identity: &identity,
                    keys: &keys,
                    centre: &centre,
                };
                let record = register.register(now)?;
                write_record(self.dir, &record)?;
                self.dir.remove(PENDING)?;
                record
            }
        };
        Ok(Registered {
            identity,
            record,
            keys,
        })
    }

    /// Joins as a command does: asks the owner for consent first, unless it was given before.
    ///
    /// # Errors
    /// [`Failure`], ready to be shown.
    pub fn run(
        &self,
        consent: &ConsentArgs,
        keys: impl FnOnce() -> Result<Keys, KeysError>,
    ) -> Result<Joined, Failure> {
        let (client, now) = (Client::default(), Time::from_secs(clock::now()));
        let again = has_joined(self.dir).map_err(JoinError::into_failure)?;
        if self.needs_consent().map_err(JoinError::into_failure)? {
            consent.ask(&client, self.slip)?;
        }
        let party = self.join(&client, keys, now);
        let party = party.map_err(JoinError::into_failure)?;
        Ok(Joined { party, again })
    }

    /// Must the owner be asked first whether the terms are agreed to? Once agreed to, they are for good:
    /// the identity that names them is the first thing to be kept.
    ///
    /// # Errors
    /// [`JoinError`], when the letter isn't for this folder.
    pub fn needs_consent(&self) -> Result<bool, JoinError> {
        self.check()?;
        let known = Identity::read(self.dir)?;
        Ok(known.is_none_or(|identity| identity.terms != self.slip.terms))
    }

    fn check(&self) -> Result<(), JoinError> {
        if self.slip.number.role() != self.kind.role {
            return Err(JoinError::OtherRole {
                kind: self.kind,
                number: self.slip.number,
            });
        }
        Ok(client::check_address(&self.application.address)?)
    }

    /// The identity as begun before, or a new one from the letter.
    fn begin(&self) -> Result<Identity, JoinError> {
        if let Some(identity) = Identity::read(self.dir)? {
            if identity.number != self.slip.number || identity.root != self.slip.root {
                return Err(JoinError::OtherNumber {
                    kind: self.kind,
                    number: identity.number,
                });
            }
            if identity.terms == self.slip.terms || has_joined(self.dir)? {
                return Ok(identity);
            }
            // A newer letter: what was signed for the older one's terms isn't sent any more.
            self.dir.remove(PENDING)?;
        }
        let identity = Identity {
            number: self.slip.number,
            centre: self.slip.centre.trim_end_matches('/').to_owned(),
            root: self.slip.root,
            terms: self.slip.terms,
            profile: self.application.profile(),
        };
        identity.write(self.dir)?;
        Ok(identity)
    }

    /// The record that is there already, if it says what is asked for now.
    fn unchanged(&self, record: Verified<PartyRecord>) -> Result<Verified<PartyRecord>, JoinError> {
        match &record.profile {
            Some(profile) if *profile != self.application.profile() => Err(JoinError::Joined {
                kind: self.kind,
                number: record.number,
                name: profile.name.clone(),
                address: profile.address.clone(),
            }),
            _ => Ok(record),
        }
    }
}

/// Has the party of this folder a record?
///
/// # Errors
/// [`JoinError::Data`].
pub fn has_joined(dir: &DataDir) -> Result<bool, JoinError> {
    Ok(dir.read_optional(RECORD)?.is_some())
}

/// Opens a party that has joined: identity, record as one of `registers` signed it, and keys, which
/// must be the record's. Keys are asked for last, and with them passwords.
///
/// # Errors
/// [`JoinError`].
pub fn open(
    dir: &DataDir,
    kind: Kind,
    registers: &[VerifyingKey],
    keys: impl FnOnce() -> Result<Keys, KeysError>,
) -> Result<Registered, JoinError> {
    let identity = Identity::read(dir)?.ok_or(JoinError::NotJoined(kind))?;
    let record = read_record(dir, registers)?.ok_or(JoinError::NotJoined(kind))?;
    let keys = Arc::new(keys()?);
    if record.number != identity.number || record.keys != keys.public() {
        return Err(JoinError::ForeignRecord(kind));
    }
    Ok(Registered {
        identity,
        record,
        keys,
    })
}

/// Opens a party that has joined, with the centre as `find` finds it: the record must hold under the
/// register key of now.
///
/// # Errors
/// [`JoinError`].
pub fn open_with_centre(
    dir: &DataDir,
    kind: Kind,
    find: impl FnOnce(&Identity) -> Result<Centre, JoinError>,
    keys: impl FnOnce() -> Result<Keys, KeysError>,
) -> Result<(Registered, Centre), JoinError> {
    let identity = Identity::read(dir)?.ok_or(JoinError::NotJoined(kind))?;
    let centre = find(&identity)?;
    let registered = open(dir, kind, &[centre.keys.register], keys)?;
    Ok((registered, centre))
}

/// A registration on its way to the register.
struct Register<'a> {
    joining: &'a Joining<'a>,
    client: &'a Client,
    identity: &'a Identity,
    keys: &'a Keys,
    centre: &'a Centre,
}

impl Register<'_> {
    fn caller(&self) -> Caller<'_> {
        Caller {
            number: self.identity.number,
            signing: self.keys.signing(),
            opening: self.keys.opening(),
        }
    }

    /// Sends the registration that waits, or a new one; one that took too long on its way for the
    /// register to look at is signed anew, once.
    fn register(&self, now: Time) -> Result<Verified<PartyRecord>, JoinError> {
        let prepared = match self.joining.dir.read_optional(PENDING)? {
            Some(bytes) => {
                let parcel = cbor::decode(&bytes, SEALED_LIMIT);
                let parcel: Parcel = parcel.map_err(|e| JoinError::damaged(PENDING, &e))?;
                Prepared::again(&self.centre.callee(), parcel, &mut rng::system())?
            }
            None => self.sign_and_keep(now)?,
        };
        match self.send(&prepared) {
            Err(JoinError::Refused(refusal)) if refusal.code == Code::Untimely => {
                let anew = self.sign_and_keep(now)?;
                self.settle(self.send(&anew))
            }
            other => self.settle(other),
        }
    }

    fn sign_and_keep(&self, now: Time) -> Result<Prepared, JoinError> {
        let prepared = self.sign(now)?;
        let bytes = cbor::encode(prepared.parcel());
        self.joining.dir.write_atomic(PENDING, &bytes)?;
        Ok(prepared)
    }

    /// A refusal is final: what was refused needn't be kept.
    fn settle<T>(&self, result: Result<T, JoinError>) -> Result<T, JoinError> {
        if let Err(JoinError::Refused(_)) = result {
            self.joining.dir.remove(PENDING)?;
        }
        result
    }

    fn sign(&self, now: Time) -> Result<Prepared, JoinError> {
        let mut rng = rng::system();
        let application = self.joining.application;
        let details = Details {
            name: application.name.clone(),
            postal: application.postal.clone(),
            mail: None,
            account: application.account.clone(),
        };
        let details = SaltedDetails::new(details, &mut rng)?;
        let claim = Claim {
            details: details.digest(),
            terms: self.identity.terms,
            keys: self.keys.public(),
            profile: Some(self.identity.profile.clone()),
        };
        let id = MessageId::random(&mut rng);
        let code = &self.joining.slip.code;
        let body = Registration::new(self.identity.number, id, claim, None, code);
        body.check()?;
        let (stamp, attachment) = (Stamp { id, time: now }, Some(details.to_bytes()));
        let callee = self.centre.callee();
        let prepared = Prepared::new(self.caller(), &callee, stamp, body, attachment, &mut rng);
        Ok(prepared?)
    }

    fn send(&self, prepared: &Prepared) -> Result<Verified<PartyRecord>, JoinError> {
        let callee = self.centre.callee();
        let answer = self.client.call(self.caller(), &callee, prepared);
        let answer: Answer<Reply> = answer.map_err(JoinError::Unanswered)?;
        let reply = answer.accepted()?.into_value().body;
        let foreign = JoinError::ForeignRecord(self.joining.kind);
        match PartyRecord::verify(reply.record, &self.centre.keys.register) {
            Ok(record)
                if record.number == self.identity.number && record.keys == self.keys.public() =>
            {
                Ok(record)
            }
            Ok(_) | Err(_) => Err(foreign),
        }
    }
}
