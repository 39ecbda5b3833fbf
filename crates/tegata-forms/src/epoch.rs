//! Epochs: the key under which the secret halves of order keys lie in the database lives for an
//! hour, in a file of its own, and is then destroyed.
//!
//! A database forgets badly: what was deleted stays in free pages, in the write-ahead log, in copies
//! and backups. So a secret half is only ever written under the epoch key. When an order has been
//! opened its secret half isn't carried into the next epoch, and from that epoch's beginning nobody
//! can have it back: neither from the database, its log, nor a copy of the whole folder made later.
//!
//! ```text
//! begin    epochs.cbor = {A, B}; new secrets go under B
//! rewrap   one transaction of the host: every living secret from A to B
//! finish   epochs.cbor = {B}; A is overwritten and gone
//! ```
//! [`Epochs::turn`] does the three. A crash between any two of them, or inside one, leaves a state
//! from which the next `turn` goes on. The file must be left out of backups: a backup that has it
//! has the key. A database restored without it has keys that open nothing; they are struck out, and
//! customers who got one of them are asked to order again with a fresh program.
//!
//! What a program can't promise: see the module on which this stands (`ring`), about copying file
//! systems, flash disks and snapshots.

use std::io;
use std::sync::Arc;

use rusqlite::Connection;
use tegata_program::data::DataDir;
use tegata_protocol::Time;
use zeroize::Zeroizing;

use crate::ring::{Cut, Ring, Unwrapped};
use crate::store::{self, Secret};
use crate::{Cover, FormsError, Host, keys};

/// The file in the data folder; never in a backup.
pub const FILE: &str = "epochs.cbor";

const UPLOAD: &[u8] = b"tegata order upload v1";

/// The keys of the current epoch and, while it ends, of the next.
#[derive(Debug)]
pub struct Epochs {
    ring: Ring,
}

/// What [`Epochs::rewrap`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// Secrets carried into the next epoch.
    pub carried: u64,
    /// Secrets whose epoch key is lost, struck out.
    pub lost: u64,
}

impl Epochs {
    /// Opens the file in a data folder whose lock the caller holds, or begins the first epoch.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn open(dir: &DataDir, cover: Arc<dyn Cover>, now: Time) -> Result<Self, FormsError> {
        let ring = Ring::open(dir, FILE, cover, now)?;
        Ok(Self { ring })
    }

    /// Has the epoch lasted for `seconds`, or does it end already?
    pub fn is_due(&self, now: Time, seconds: u64) -> bool {
        self.ring.is_turning() || self.ring.made().after(seconds) <= now
    }

    /// Ends the epoch, or goes on where a crash stopped it.
    ///
    /// # Errors
    /// [`FormsError`]; the next call goes on.
    pub fn turn(self: &Arc<Self>, host: &impl Host, now: Time) -> Result<Moved, FormsError> {
        self.begin(now)?;
        let epochs = Arc::clone(self);
        let moved = host.write(move |connection| epochs.rewrap(connection, now))?;
        host.read(|connection| self.finish(connection))?;
        Ok(moved)
    }

    /// Makes the next epoch's key; what is new goes under it from now on.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn begin(&self, now: Time) -> Result<(), FormsError> {
        self.begin_watched(now, &mut |_| Ok(()))
    }

    /// Carries every living secret into the next epoch, inside the host's transaction.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn rewrap(&self, connection: &Connection, now: Time) -> Result<Moved, FormsError> {
        store::in_transaction(connection)?;
        store::expire_keys(connection, now)?;
        let (newest, mut moved) = (self.ring.newest(), Moved::default());
        for (id, secret) in store::keys_elsewhere(connection, &newest)? {
            let aad = keys::label(id);
            match self.reopen(&secret, &aad)? {
                Some(plain) => {
                    let wrapped = self.ring.wrap(&aad, &plain);
                    store::move_key(connection, id, &wrapped.slot, &wrapped.bytes)?;
                    moved.carried = moved.carried.saturating_add(1);
                }
                None => {
                    store::expire_key(connection, id)?;
                    moved.lost = moved.lost.saturating_add(1);
                }
            }
        }
        self.rewrap_upload(connection, &newest)?;
        Ok(moved)
    }

    fn rewrap_upload(&self, connection: &Connection, newest: &[u8]) -> Result<(), FormsError> {
        let Some(upload) = store::pending_upload(connection)? else {
            return Ok(());
        };
        if upload.slot == newest {
            return Ok(());
        }
        match self.reopen(&upload, UPLOAD)? {
            Some(plain) => store::move_upload(connection, &self.wrap_upload(&plain)),
            None => store::end_upload(connection, store::Uploaded::Again),
        }
    }

    /// Destroys the key of the epoch that ends, if nothing lies under it any more. The change that
    /// [`Self::rewrap`] made must be durable.
    ///
    /// # Errors
    /// [`FormsError::StillUsed`] when something does.
    pub fn finish(&self, connection: &Connection) -> Result<(), FormsError> {
        self.finish_watched(connection, &mut |_| Ok(()))
    }

    pub(crate) fn begin_watched(
        &self,
        now: Time,
        watch: &mut dyn FnMut(Cut) -> io::Result<()>,
    ) -> Result<(), FormsError> {
        self.ring.begin(now, watch)
    }

    pub(crate) fn finish_watched(
        &self,
        connection: &Connection,
        watch: &mut dyn FnMut(Cut) -> io::Result<()>,
    ) -> Result<(), FormsError> {
        let newest = self.ring.newest();
        let left = store::keys_elsewhere(connection, &newest)?.len();
        let upload = store::pending_upload(connection)?;
        let left = left.saturating_add(usize::from(upload.is_some_and(|u| u.slot != newest)));
        match u64::try_from(left) {
            Ok(0) => self.ring.finish(watch),
            left => Err(FormsError::StillUsed(left.unwrap_or(u64::MAX))),
        }
    }

    /// Encrypts a secret under the newest epoch's key. Call it inside the transaction that stores
    /// it: then no epoch can end in between.
    pub(crate) fn wrap(&self, aad: &[u8], plain: &[u8]) -> Secret {
        let wrapped = self.ring.wrap(aad, plain);
        Secret {
            slot: wrapped.slot.to_vec(),
            bytes: wrapped.bytes,
        }
    }

    /// Decrypts; `None` when its epoch is over.
    pub(crate) fn reopen(
        &self,
        secret: &Secret,
        aad: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, FormsError> {
        match self.ring.unwrap(&secret.slot, aad, &secret.bytes) {
            Unwrapped::Plain(plain) => Ok(Some(plain)),
            Unwrapped::KeyGone => Ok(None),
            Unwrapped::Damaged => Err(FormsError::damaged(
                "the secret of an order key",
                "it doesn't open with its epoch's key",
            )),
        }
    }

    pub(crate) fn wrap_upload(&self, plain: &[u8]) -> Secret {
        self.wrap(UPLOAD, plain)
    }

    pub(crate) fn reopen_upload(
        &self,
        upload: &Secret,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, FormsError> {
        self.reopen(upload, UPLOAD)
    }
}
