//! Opens the gate of a folder.

use crate::{
    admission::StoreError,
    folder::{Folder, FolderError},
    gate::{Gate, Identity},
};

/// A gate can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl Gate {
    /// Opens the gate of a folder, with all its events, none of them chosen yet. Whoever opens it
    /// holds the folder's lock.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(folder: &Folder) -> Result<Self, OpenError> {
        let registered = folder.registered()?;
        let store = folder.store()?;
        let events = folder.events(&registered, &store)?;
        let name = registered.record.profile.as_ref().map(|p| p.name.clone());
        let identity = Identity {
            number: registered.number(),
            name: name.unwrap_or_else(|| registered.number().to_string()),
            keys: registered.keys,
        };
        Ok(Self::new(identity, events, store)?)
    }
}
