//! The shop's keys under its owner's two passwords (M2, M4): a vault as members have it.
//!
//! ```text
//! A   opens: the key that opens what is sealed to the shop, the cover of what customers filled in,
//!     the history of what was sold
//! B   inside A: the key that signs, and what the secrets of series and tickets lie under
//! ```
//! All of them grow from 24 words. A server is given both passwords when it starts (a descriptor or a
//! file that only its user may read); whoever packs orders needs A; the history opens with A alone, without
//! a network. For those who want one password, it opens both.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use minicbor::{Decode, Encode};
use tegata_cli::data::DataDir;
use tegata_keystore::rng;
use tegata_keystore::vault::{
    Cost, FileName, FolderDisk, History, LockedVault, Master, NewVault, OpenVault, Password,
    PasswordForm, Passwords, Record, Words,
};
use tegata_keystore::wrap::WrapKey;
use tegata_orders::Cover;
use tegata_party::keys::{Keys, KeysError, Seeds};
use tegata_protocol::{Amount, Time, TransactionNumber, cbor};
use zeroize::Zeroizing;

/// Is there a vault in the data folder?
#[must_use]
pub fn is_there(dir: &DataDir) -> bool {
    dir.path().join(FileName::Vault.as_str()).exists()
}

/// A vault that A has opened.
#[derive(Debug)]
pub struct Vault(OpenVault);

impl Vault {
    /// Makes a vault whose keys grow from the master.
    ///
    /// # Errors
    /// [`KeysError::Vault`], also when there is one.
    pub fn create(
        dir: &DataDir,
        master: Master,
        passwords: &Passwords,
        cost: Cost,
    ) -> Result<Self, KeysError> {
        let disk = Arc::new(FolderDisk::lock(dir.path())?);
        let new = NewVault {
            master,
            passwords,
            cost,
            state: b"",
        };
        Ok(Self(OpenVault::create(disk, new, &mut rng::system())?))
    }

    /// Opens it to write, too: one process at a time.
    ///
    /// # Errors
    /// [`KeysError::Vault`].
    pub fn open(dir: &DataDir, a: &Password) -> Result<Self, KeysError> {
        let disk = Arc::new(FolderDisk::lock(dir.path())?);
        Ok(Self(LockedVault::find(disk)?.open(a)?))
    }

    /// Opens it to read, beside a shop that runs.
    ///
    /// # Errors
    /// [`KeysError::Vault`].
    pub fn reading(dir: &DataDir, a: &Password) -> Result<Self, KeysError> {
        let disk = Arc::new(FolderDisk::reading(dir.path()));
        Ok(Self(LockedVault::find(disk)?.open(a)?))
    }

    /// One password, or two?
    #[must_use]
    pub fn form(&self) -> PasswordForm {
        self.0.form()
    }

    /// The keys, with B.
    ///
    /// # Errors
    /// [`KeysError::Vault`].
    pub fn keys(&self, b: &Password) -> Result<Keys, KeysError> {
        let opening = *self.0.opening_seed();
        let keys = self.0.with_spending(b, |secrets| {
            secrets.with_store_seed(|store| {
                Keys::grow(&Seeds {
                    signing: *secrets.seed(),
                    opening,
                    store: *store,
                })
            })
        });
        Ok(keys?)
    }

    /// The 24 words, with B.
    ///
    /// # Errors
    /// [`KeysError::Vault`].
    pub fn words(&self, b: &Password) -> Result<Words, KeysError> {
        Ok(self.0.words(b)?)
    }

    /// What lies around the files with the keys over forms and order keys: a key under A.
    #[must_use]
    pub fn cover(&self) -> Arc<dyn Cover> {
        Arc::new(UnderA(WrapKey::new(*self.0.everyday_seed())))
    }

    /// The history of what was sold, verified.
    ///
    /// # Errors
    /// [`KeysError::Vault`], naming the first record that isn't good.
    pub fn history(self) -> Result<Sold, KeysError> {
        let history = self.0.history()?;
        if let Some(torn) = history.torn_end() {
            tracing::warn!("{torn}");
        }
        Ok(Sold(Mutex::new((self.0, history))))
    }
}

struct UnderA(WrapKey);

impl Cover for UnderA {
    fn cover(&self, label: &[u8], bytes: &[u8]) -> Vec<u8> {
        self.0.wrap(label, bytes)
    }

    fn uncover(&self, label: &[u8], covered: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.unwrap(label, covered)
    }
}

/// The kind of the history's records.
const SALE: u8 = 1;

/// A sale whose money came, as the history keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Sale {
    /// The bill's number.
    #[n(0)]
    pub number: TransactionNumber,
    /// When it was entered.
    #[n(1)]
    pub time: Time,
    /// What was paid.
    #[n(2)]
    pub amount: Amount,
    /// What was sold, as it stood on the bill.
    #[n(3)]
    pub what: String,
}

/// The history of a vault, as sales: append-only, chained, readable with A alone.
pub struct Sold(Mutex<(OpenVault, History)>);

impl fmt::Debug for Sold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sold(…)")
    }
}

impl Sold {
    /// All of them, the oldest first.
    ///
    /// # Errors
    /// [`KeysError::Vault`], [`KeysError::Damaged`].
    pub fn all(&self) -> Result<Vec<Sale>, KeysError> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let records = held.1.records()?;
        let sales = records.iter().filter(|record| record.kind == SALE);
        let read = |record: &Record| cbor::decode(&record.body, RECORD_LIMIT);
        sales
            .map(|record| read(record).map_err(|_e| KeysError::Damaged))
            .collect()
    }

    /// Enters one. When this returns, it lasts.
    ///
    /// # Errors
    /// [`KeysError::Vault`].
    pub fn enter(&self, sale: &Sale) -> Result<(), KeysError> {
        let record = Record {
            kind: SALE,
            time: sale.time.secs(),
            body: cbor::encode(sale),
        };
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (vault, history) = &mut *held;
        history.append(&record, &mut rng::system())?;
        if history.len() >= vault.checkpoint().records().saturating_add(UNSEEN) {
            vault.keep_checkpoint(history, &mut rng::system())?;
        }
        Ok(())
    }
}

/// So many of the newest records could be cut off unseen: the vault is written anew only then.
const UNSEEN: u64 = 32;

const RECORD_LIMIT: usize = 4096;
