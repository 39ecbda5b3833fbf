//! The gate's data folder: keys, record, certificates, check data.
//!
//! ```text
//! DIR/keys.cbor          the gate's secret keys
//! DIR/identity.cbor      its number, the pinned root, the centre's address
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
use tegata_party::{
    client::Client,
    identity::{Centre, Identity, Registered, register_keys},
    joining::{self, JoinError, Kind},
    keys::KeyFile,
};
use tegata_protocol::{
    Time, VerifyingKey,
    record::{CentreKeys, CertificateError},
};

pub use answer::LoadAnswer;
pub use check_data::{LoadError, Loaded};

use crate::{
    admission::StoreError,
    store::{self, LogReader, SqliteStore},
};

mod answer;
mod check_data;

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
    /// Identity, record, keys or certificates; joining.
    #[error(transparent)]
    Join(#[from] JoinError),
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
}

impl FolderError {
    /// How the program ends: code, what happened, what to do next.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let (exit, next) = match &self {
            Self::Store(store) if store.is_damage() => {
                (Exit::Damaged, Some("restore the folder from a backup"))
            }
            Self::Store(_) => (Exit::Refused, None),
            Self::CheckData { source, .. } => (Exit::Damaged, Some(source.next_of_kept())),
            Self::Damaged { .. } => (Exit::Damaged, Some("restore the folder from a backup")),
            Self::Data(_) | Self::Join(_) => (Exit::Refused, None),
        };
        let failure = match self {
            Self::Data(error) => return error.into(),
            Self::Join(error @ JoinError::NotJoined(_)) => {
                let next = "tegata-gate join --slip-file FILE --name NAME --address URL";
                return error.into_failure().next(next);
            }
            Self::Join(error) => return error.into_failure(),
            other @ (Self::Store(_) | Self::Damaged { .. } | Self::CheckData { .. }) => {
                Failure::new(exit, chain(&other))
            }
        };
        next.into_iter().fold(failure, Failure::next)
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
            self.registered()?;
            drop(self.store()?);
        }
        Ok(LogReader::open(&path)?)
    }

    /// The gate that has joined: number, record, keys. Its record is verified with any register key
    /// that the pinned root has certified, since a door opens without the centre.
    ///
    /// # Errors
    /// [`FolderError::Join`].
    pub fn registered(&self) -> Result<Registered, FolderError> {
        let identity = self.identity()?;
        let registers = register_keys(&self.dir, &identity.root)?;
        let keys = || KeyFile::open(&self.dir);
        Ok(joining::open(&self.dir, Kind::GATE, &registers, keys)?)
    }

    fn identity(&self) -> Result<Identity, FolderError> {
        let identity = Identity::read(&self.dir)?;
        Ok(identity.ok_or(JoinError::NotJoined(Kind::GATE))?)
    }

    /// Fetches the centre's certificates, verifies them with the pinned root and keeps them.
    ///
    /// # Errors
    /// [`FolderError::Join`].
    pub fn fetch_certificates(
        &self,
        client: &Client,
        now: Time,
    ) -> Result<CentreKeys, FolderError> {
        let Identity { centre, root, .. } = self.identity()?;
        Ok(Centre::fetch(&self.dir, client, &centre, &root, now)?)
    }

    /// Every register key that the pinned root has certified, as far as this gate knows; the newest
    /// first.
    ///
    /// # Errors
    /// [`FolderError::Join`], also when none is known.
    pub fn register_keys(&self) -> Result<Vec<VerifyingKey>, FolderError> {
        let keys = register_keys(&self.dir, &self.identity()?.root)?;
        match keys.is_empty() {
            true => Err(JoinError::NotJoined(Kind::GATE).into()),
            false => Ok(keys),
        }
    }

    /// The register key that the newest kept certificates certify for `now`; certificates that don't
    /// hold are the inner error.
    fn register_key_at(
        &self,
        now: Time,
    ) -> Result<Result<VerifyingKey, CertificateError>, FolderError> {
        match Centre::kept(&self.dir, &self.identity()?.root, now) {
            Ok(Some(centre)) => Ok(Ok(centre.register)),
            Ok(None) => Err(JoinError::NotJoined(Kind::GATE).into()),
            Err(JoinError::Certificates(error)) => Ok(Err(error)),
            Err(error) => Err(error.into()),
        }
    }
}

fn damaged(file: &str, why: &impl std::fmt::Display) -> FolderError {
    FolderError::Damaged {
        file: file.to_owned(),
        why: why.to_string(),
    }
}
