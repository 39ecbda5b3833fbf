//! What was inside an order, kept encrypted under the operator's order key until it's no longer
//! needed.
//!
//! The order key lies in a file of its own, which *does* belong into backups: without it no order
//! can be read. The operator may replace it ([`OrderKeys::rotate`]): every form is encrypted anew,
//! and the old key destroyed. Copies made before still have it; who replaces the key because one was
//! stolen destroys old backups too.
//!
//! Erasing one order's form (O7 at the shop) overwrites its bytes in the database file at once
//! ([`erase`]) and, once [`scrub`] has run, they are in its write-ahead log no longer either. In
//! backups they stay, encrypted, until the order key that they lie under is destroyed.

use std::path::Path;
use std::sync::Arc;

use tegata_cli::data::DataDir;
use tegata_protocol::Time;
use tegata_protocol::order::{OrderForm, OrderId};
use tegata_store::Connection;
use zeroize::Zeroizing;

use crate::ring::{Ring, Unwrapped};
use crate::store::{self, Secret};
use crate::{Cover, FormsError, Host};

/// The file in the data folder.
pub const FILE: &str = "order-keys.cbor";

/// How many forms one transaction encrypts anew.
const BATCH: u32 = 100;

/// The order key and, while it's being replaced, the next.
#[derive(Debug)]
pub struct OrderKeys {
    ring: Ring,
}

/// How far replacing the order key has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Forms under the new key.
    pub done: u64,
    /// All forms.
    pub total: u64,
}

impl OrderKeys {
    /// Opens the file in a data folder whose lock the caller holds, or makes the first key. Others may
    /// only [`Self::read`] it meanwhile.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn open(dir: &DataDir, cover: Arc<dyn Cover>, now: Time) -> Result<Self, FormsError> {
        let ring = Ring::open(dir, FILE, cover, now)?;
        Ok(Self { ring })
    }

    /// Reads the file without the lock, for a short look; `None` when there's none yet.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn read(dir: &DataDir, cover: Arc<dyn Cover>) -> Result<Option<Self>, FormsError> {
        let ring = Ring::read(dir, FILE, cover)?;
        Ok(ring.map(|ring| Self { ring }))
    }

    /// Keeps what was inside an order, inside the host's transaction.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn keep(
        &self,
        connection: &Connection,
        order: OrderId,
        form: &OrderForm,
    ) -> Result<(), FormsError> {
        store::in_transaction(connection)?;
        store::must_overwrite(connection)?;
        let secret = self.wrap(order, &form.to_bytes());
        store::keep_form(connection, order, &secret)
    }

    /// What was inside an order; `None` if it was erased or never kept.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn form(
        &self,
        connection: &Connection,
        order: OrderId,
    ) -> Result<Option<OrderForm>, FormsError> {
        // The key may be replaced between reading and decrypting: then the row is read again.
        for _ in 0..3 {
            let Some(secret) = store::form(connection, order)? else {
                return Ok(None);
            };
            if let Some(plain) = self.reopen(order, &secret)? {
                let form = OrderForm::parse(&plain);
                return form.map(Some).map_err(|e| FormsError::damaged(WHAT, e));
            }
        }
        Err(key_gone())
    }

    /// Is the key being replaced? After a crash [`Self::rotate`] must be called again.
    pub fn is_rotating(&self) -> bool {
        self.ring.is_turning()
    }

    /// When the key in force was made.
    pub fn made(&self) -> Time {
        self.ring.made()
    }

    /// Replaces the key: encrypts every form anew, a hundred in a transaction, and destroys the old
    /// key. Goes on where a crash stopped it.
    ///
    /// # Errors
    /// [`FormsError`]; the next call goes on.
    pub fn rotate(
        self: &Arc<Self>,
        host: &impl Host,
        now: Time,
        mut progress: impl FnMut(Progress),
    ) -> Result<(), FormsError> {
        self.ring.begin(now, &mut |_| Ok(()))?;
        loop {
            let keys = Arc::clone(self);
            let done = host.write(move |connection| keys.rewrap(connection))?;
            progress(done);
            if done.done == done.total {
                break;
            }
        }
        // No form can have come under the old key since: new ones go under the next.
        self.ring.finish(&mut |_| Ok(()))
    }

    /// Encrypts a batch anew.
    fn rewrap(&self, connection: &Connection) -> Result<Progress, FormsError> {
        store::in_transaction(connection)?;
        store::must_overwrite(connection)?;
        let newest = self.ring.newest();
        for (order, secret) in store::forms_elsewhere(connection, &newest, BATCH)? {
            let plain = self.reopen(order, &secret)?.ok_or_else(key_gone)?;
            store::keep_form(connection, order, &self.wrap(order, &plain))?;
        }
        let (total, done) = store::count_forms(connection, &newest)?;
        Ok(Progress { done, total })
    }

    fn wrap(&self, order: OrderId, plain: &[u8]) -> Secret {
        let wrapped = self.ring.wrap(&label(order), plain);
        Secret {
            slot: wrapped.slot.to_vec(),
            bytes: wrapped.bytes,
        }
    }

    fn reopen(
        &self,
        order: OrderId,
        secret: &Secret,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, FormsError> {
        match self.ring.unwrap(&secret.slot, &label(order), &secret.bytes) {
            Unwrapped::Plain(plain) => Ok(Some(plain)),
            Unwrapped::KeyGone => Ok(None),
            Unwrapped::Damaged => Err(FormsError::damaged(WHAT, "it doesn't open with its key")),
        }
    }
}

const WHAT: &str = "an order's form";

fn key_gone() -> FormsError {
    let why = format!("{FILE} has no key for it; it belongs with an older or newer database");
    FormsError::damaged(WHAT, why)
}

fn label(order: OrderId) -> Vec<u8> {
    [b"tegata order form v1 ".as_slice(), order.as_bytes()].concat()
}

/// Erases what was inside an order, inside the host's transaction: the receipt stays. Call [`scrub`]
/// afterwards. Was there anything?
///
/// # Errors
/// [`FormsError`].
pub fn erase(connection: &Connection, order: OrderId) -> Result<bool, FormsError> {
    store::in_transaction(connection)?;
    store::must_overwrite(connection)?;
    store::erase_form(connection, order)
}

/// Takes what was erased out of the write-ahead log too: outside of any transaction, on any
/// connection that may write. `false` if somebody is still reading an older state: call it again.
///
/// # Errors
/// [`FormsError`].
pub fn scrub(connection: &Connection) -> Result<bool, FormsError> {
    store::empty_log(connection)
}

/// As [`scrub`], on a connection of its own: for a host whose connections are always in a
/// transaction, or read-only.
///
/// # Errors
/// [`FormsError`].
pub fn scrub_file(database: &Path) -> Result<bool, FormsError> {
    Ok(tegata_store::empty_log(database)?)
}
