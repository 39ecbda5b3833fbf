//! The gate's data folder: keys, record, certificates, check data.
//!
//! ```text
//! DIR/keys.cbor          the gate's secret keys, the pinned root, the centre's address
//! DIR/registration.cbor  the signed registration, until the centre has answered it
//! DIR/certificates.cbor  the centre's certificates, so that records can be verified offline
//! DIR/record.cose        the gate's own record: shops need it to seal check data
//! DIR/shops/NUMBER.cose  shops' records
//! DIR/check/NUMBER-SERIES.sealed   check data, as they came: sealed to this gate
//! DIR/gate.sqlite        the log
//! ```

use std::path::Path;

use tegata_cli::{
    data::{self, DataDir, Lock, Party},
    exit::{Exit, Failure},
};
use tegata_party::client::CallError;
use tegata_protocol::{Malformed, PartyNumber, refusal::Refusal};

pub use answer::LoadAnswer;
pub use check_data::{LoadError, Loaded};
pub use join::Joining;
pub use keys::Keys;
pub(crate) use keys::verified_by_any;

use crate::{
    admission::StoreError,
    gate::{Gate, Identity, OpenError},
    store::{self, LogReader, SqliteStore},
};

mod answer;
mod check_data;
mod join;
mod keys;

/// Whose folder it is.
pub const PARTY: Party = Party::new("tegata-gate", 1);

/// A gate's data folder.
#[derive(Debug)]
pub struct Folder {
    dir: DataDir,
}

/// The gate's folder doesn't give what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder or a file in it.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No keys or no record yet.
    #[error("this gate hasn't joined yet")]
    NotJoined,
    /// A file that isn't what it was.
    #[error("{file} is damaged: {why}")]
    Damaged {
        /// Its name in the folder.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// Check data that were accepted once can't be used any more.
    #[error("{file} can't be used: {source}")]
    CheckData {
        /// Its name in the folder.
        file: String,
        /// Why not.
        source: Box<LoadError>,
    },
    /// Another number than the one that this folder was made for.
    #[error("this folder belongs to gate {own}, the slip is for {slip}")]
    OtherSlip {
        /// The folder's.
        own: PartyNumber,
        /// The slip's.
        slip: PartyNumber,
    },
    /// Joined already, and not as asked for now.
    #[error("this gate joined before, as {name} ({number}) at {address}; nothing was changed")]
    Joined {
        /// Its number.
        number: PartyNumber,
        /// The name in its record.
        name: String,
        /// The address in its record.
        address: String,
    },
    /// A slip for somebody else.
    #[error("the slip is for {0}, which isn't a gate's number")]
    NotAGate(PartyNumber),
    /// A name or an address that no record takes.
    #[error(transparent)]
    Profile(Malformed),
    /// The centre wasn't reached.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The centre refuses.
    #[error("the centre refuses the registration: {0}")]
    Refused(Refusal),
    /// The centre sends another record than asked for.
    #[error("the centre's record isn't for this gate's keys: {0}")]
    BadRecord(String),
}

impl FolderError {
    /// How the program ends: code, what happened, what to do next.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let next = match &self {
            Self::Store(store) if store.is_damage() => "restore the folder from a backup",
            Self::NotJoined => "tegata-gate join --slip-file FILE --name NAME --address URL",
            Self::CheckData { source, .. } => source.next_of_kept(),
            Self::Damaged { .. } => "restore the folder from a backup",
            Self::OtherSlip { .. } | Self::NotAGate(_) => {
                "check the slip, or give another folder with --data"
            }
            Self::Joined { .. } => {
                "a record can't be changed: for another name or address, ask the centre for a new \
                 letter and join in another folder"
            }
            Self::Profile(_) => "check --name and --address",
            Self::Call(CallError::Certificates(_)) | Self::BadRecord(_) => "ask the centre",
            Self::Call(CallError::Address(_)) => "nothing was sent: correct the address",
            Self::Call(_) => "run the same command again: what was signed is kept",
            Self::Data(_) | Self::Store(_) | Self::Refused(_) => "",
        };
        let failure = Failure::new(self.exit(), chain(&self));
        if let Self::Data(error) = self {
            return Failure::from(error);
        }
        if next.is_empty() {
            failure
        } else {
            failure.next(next)
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Data(error) => error.exit(),
            Self::Store(store) if store.is_damage() => Exit::Damaged,
            Self::Damaged { .. } | Self::CheckData { .. } => Exit::Damaged,
            Self::NotJoined
            | Self::OtherSlip { .. }
            | Self::NotAGate(_)
            | Self::Profile(_)
            | Self::Call(CallError::Address(_)) => Exit::Usage,
            Self::Store(_)
            | Self::Joined { .. }
            | Self::Refused(_)
            | Self::BadRecord(_)
            | Self::Call(CallError::Certificates(_)) => Exit::Refused,
            Self::Call(_) => Exit::Unreachable,
        }
    }
}

/// The error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

impl Folder {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// [`FolderError::Data`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        Ok(Self {
            dir: DataDir::open(path, PARTY)?,
        })
    }

    /// Opens a folder that must be there.
    ///
    /// # Errors
    /// [`FolderError::Data`].
    pub fn open_existing(path: &Path) -> Result<Self, FolderError> {
        Ok(Self {
            dir: DataDir::open_existing(path, PARTY)?,
        })
    }

    /// The folder as the system sees it.
    #[must_use]
    pub const fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// Takes the right to change it.
    ///
    /// # Errors
    /// [`FolderError::Data`] when another process has it.
    pub fn lock(&self) -> Result<Lock, FolderError> {
        Ok(self.dir.lock()?)
    }

    /// Opens the log to write it.
    ///
    /// # Errors
    /// [`FolderError::Store`].
    pub fn store(&self) -> Result<SqliteStore, FolderError> {
        Ok(SqliteStore::open(&self.dir.file(store::FILE)?)?)
    }

    /// Opens the log to read it.
    ///
    /// # Errors
    /// [`FolderError::Store`].
    pub fn log(&self) -> Result<LogReader, FolderError> {
        let path = self.dir.file(store::FILE)?;
        if !path.exists() {
            // A gate that has joined and admitted nobody has an empty log.
            self.keys()?;
            drop(self.store()?);
        }
        Ok(LogReader::open(&path)?)
    }
}

impl Gate {
    /// Opens the gate of a folder, with all its events, none of them chosen yet. Whoever opens it
    /// holds the folder's lock.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(folder: &Folder) -> Result<Self, OpenError> {
        let keys = folder.keys()?;
        let record = folder.own_record(&keys)?;
        let store = folder.store()?;
        let events = folder.events(&keys, &store)?;
        let name = record.profile.as_ref().map(|p| p.name.clone());
        let identity = Identity {
            number: keys.number(),
            name: name.unwrap_or_else(|| keys.number().to_string()),
            key: keys.signing(),
        };
        Ok(Self::new(identity, events, store)?)
    }
}
