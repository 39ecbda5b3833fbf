//! Why a party isn't registered, in the words of its kind.

use tegata_cli::data;
use tegata_cli::exit::{Exit, Failure};
use tegata_protocol::record::CertificateError;
use tegata_protocol::refusal::Refusal;
use tegata_protocol::{Malformed, PartyNumber, Role};

use crate::client::CallError;
use crate::keys::KeysError;

/// After a registration that may have arrived.
const KEPT: &str = "run the same command again: what was signed is kept, and counts once";

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
    /// The same, to the registration, which was signed and kept.
    #[error(transparent)]
    Unanswered(CallError),
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
        Failure::from(self).advised(exit, next)
    }

    /// The code that a program ends with, and what to do next, where the error itself doesn't say.
    const fn advice(&self) -> (Option<Exit>, Option<&'static str>) {
        match self {
            Self::Certificates(CertificateError::ClockBehind { .. })
            | Self::Call(CallError::Certificates(CertificateError::ClockBehind { .. })) => (
                Some(Exit::Refused),
                Some("run the same command again once the clock is right"),
            ),
            Self::Call(CallError::Unreachable { .. } | CallError::Busy { .. })
            | Self::Unanswered(CallError::Unreachable { .. } | CallError::Busy { .. }) => (
                Some(Exit::Unreachable),
                Some("run the same command again later; it goes on where it stopped"),
            ),
            Self::Call(CallError::Address(_)) | Self::Unanswered(CallError::Address(_)) => {
                (Some(Exit::Usage), None)
            }
            Self::Unanswered(CallError::Fault { .. }) => (Some(Exit::Unreachable), Some(KEPT)),
            Self::Unanswered(CallError::BadReply { .. }) => (Some(Exit::Refused), Some(KEPT)),
            // Only asked for: nothing was signed, nothing is kept.
            Self::Call(CallError::Fault { .. }) => (
                Some(Exit::Unreachable),
                Some("check the address, and run the same command again later"),
            ),
            Self::Call(CallError::BadReply { .. }) => (
                Some(Exit::Refused),
                Some("check the address, and run the same command again later"),
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
            Self::Call(_) | Self::Unanswered(_) => (Some(Exit::Refused), None),
            Self::Data(_)
            | Self::Keys(_)
            | Self::Certificates(_)
            | Self::Refused(_)
            | Self::ForeignRecord(_) => (None, None),
        }
    }
}
