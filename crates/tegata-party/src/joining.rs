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

use tegata_cli::data::{self, DataDir};
use tegata_cli::exit::{Exit, Failure};
use tegata_keystore::rng;
use tegata_protocol::envelope::{Body as _, Parcel, SEALED_LIMIT};
use tegata_protocol::joining::{
    Claim, Details, Registered as Reply, Registration, SaltedDetails, Slip,
};
use tegata_protocol::record::{CertificateError, PartyRecord, Profile};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{
    Malformed, MessageId, PartyNumber, Role, Time, Verified, VerifyingKey, cbor,
};

use crate::client::{self, Answer, CallError, Caller, Client, Prepared};
use crate::identity::{
    Centre, Identity, RECORD, Registered, read_record, register_keys, write_record,
};
use crate::keys::{Keys, KeysError};

const PENDING: &str = "registration.cbor";

/// What kind of party joins, and how its messages name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    /// The role that its number must have.
    pub role: Role,
    /// As in "this shop joined before".
    pub noun: &'static str,
    /// As in "run `tegata-shop join`".
    pub program: &'static str,
}

impl Kind {
    /// A shop.
    pub const SHOP: Self = Self {
        role: Role::Shop,
        noun: "shop",
        program: "tegata-shop",
    };
    /// A gate.
    pub const GATE: Self = Self {
        role: Role::Gate,
        noun: "gate",
        program: "tegata-gate",
    };
    /// A sealing service.
    pub const SEALING: Self = Self {
        role: Role::Sealing,
        noun: "sealing service",
        program: "tegata-sealing",
    };
}

/// Why a party isn't registered.
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
    #[error("the letter's number {number} isn't a {}'s", kind.noun)]
    OtherRole {
        /// What joins.
        kind: Kind,
        /// The letter's number.
        number: PartyNumber,
    },
    /// The folder has another number.
    #[error("this folder is the {} {number}'s; give another one with --data", kind.noun)]
    OtherNumber {
        /// What joins.
        kind: Kind,
        /// The folder's number.
        number: PartyNumber,
    },
    /// Joined already, and not as asked for now.
    #[error("this {} joined before, as {name} ({number}) at {address}; nothing was changed", kind.noun)]
    Joined {
        /// What joins.
        kind: Kind,
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
    #[error("the register's record isn't of this {}'s number and keys; ask the centre", .0.noun)]
    ForeignRecord(Kind),
    /// Not joined yet.
    #[error("this {} hasn't joined yet: run `{} join` with the line of its letter", .0.noun, .0.program)]
    NotJoined(Kind),
}

impl JoinError {
    /// A file that isn't what this program wrote.
    pub fn damaged(file: &'static str, why: &impl ToString) -> Self {
        Self::Damaged {
            file,
            why: why.to_string(),
        }
    }

    /// How a program ends: code, what happened, what to do next.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let (exit, next) = self.advice();
        // These bring code and advice of their own.
        if let Self::Data(error) | Self::Keys(KeysError::Data(error)) = self {
            return error.into();
        }
        if let Self::Keys(KeysError::Password(error)) = self {
            return error.into();
        }
        let failure = Failure::from(self);
        let failure = match exit {
            Some(exit) => failure.with_exit(exit),
            None => failure,
        };
        next.into_iter().fold(failure, Failure::next)
    }

    /// The code that a program ends with, and what to do next, where the error itself doesn't say.
    const fn advice(&self) -> (Option<Exit>, Option<&'static str>) {
        match self {
            Self::Call(CallError::Unreachable { .. } | CallError::Busy { .. }) => (
                Some(Exit::Unreachable),
                Some("run the same command again later; it goes on where it stopped"),
            ),
            Self::Call(CallError::Address(_)) => (Some(Exit::Usage), None),
            Self::Call(CallError::Fault { .. }) => (
                Some(Exit::Unreachable),
                Some("run the same command again: what was signed is kept, and counts once"),
            ),
            Self::Call(CallError::BadReply { .. }) => (
                Some(Exit::Refused),
                Some("run the same command again: what was signed is kept, and counts once"),
            ),
            Self::Damaged { .. } | Self::Keys(KeysError::Damaged | KeysError::Foreign) => {
                (Some(Exit::Damaged), None)
            }
            Self::Input(_) | Self::OtherRole { .. } => (
                Some(Exit::Usage),
                Some("compare with the letter, and give the line whole"),
            ),
            Self::Joined { .. } => (
                Some(Exit::Refused),
                Some(
                    "a record can't be changed: for another name or address, ask the centre for a \
                     new letter and join in another folder",
                ),
            ),
            Self::OtherNumber { .. } | Self::NotJoined(_) => (Some(Exit::Usage), None),
            Self::Call(_) => (Some(Exit::Refused), None),
            Self::Data(_)
            | Self::Keys(_)
            | Self::Certificates(_)
            | Self::Refused(_)
            | Self::ForeignRecord(_) => (None, None),
        }
    }
}

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
        let (head, attachment) = ((id, now), Some(details.to_bytes()));
        let callee = self.centre.callee();
        let prepared = Prepared::new(self.caller(), &callee, head, body, attachment, &mut rng);
        Ok(prepared?)
    }

    fn send(&self, prepared: &Prepared) -> Result<Verified<PartyRecord>, JoinError> {
        let callee = self.centre.callee();
        let answer: Answer<Reply> = self.client.call(self.caller(), &callee, prepared)?;
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
