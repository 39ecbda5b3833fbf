//! A wallet opened with password A: vault, state and history together.
//!
//! Every change goes through [`Wallet::commit`]: state and history entries are written down before
//! anybody is told. What spends needs password B as well, and happens in
//! [`paying`](crate::paying) only.

use std::{path::Path, sync::Arc, time::Duration};

use getrandom::SysRng;
use rand_core::{CryptoRng, UnwrapErr};
use tegata_cli::data::{DataDir, Party};
use tegata_party::client::{Callee, Caller, Client, Prepared, Stamp};
use tegata_protocol::{
    Digest, MessageId, OpeningKey, PartyNumber, SigningKey, Suite, Time, cbor,
    envelope::Body,
    record::{CentreKeys, CertificateError, Certificates},
};

use crate::{
    entry::Dated,
    entry::Entry,
    error::{SHORTEST_ID, WalletError},
    state::{Outbox, State},
    vault::{
        Disk, FolderDisk, History, LockedVault, OpenVault, Password, PasswordForm, Passwords,
        VaultError, Words,
    },
};

/// Whose folder it is.
pub const PARTY: Party = Party::new("tegata-wallet", 1);

/// How long a call waits in all when the other party asks for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The system's randomness.
pub(crate) fn rng() -> impl CryptoRng {
    UnwrapErr(SysRng)
}

/// May the wallet be written?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look only, beside whoever writes.
    Reading,
    /// Read and write; nobody else may.
    Writing,
}

/// Takes the folder, if need be at the tenth try.
fn lock(folder: &Path) -> Result<FolderDisk, VaultError> {
    for _ in 0..9 {
        match FolderDisk::lock(folder) {
            Err(VaultError::InUse) => std::thread::park_timeout(Duration::from_millis(50)),
            other => return other,
        }
    }
    FolderDisk::lock(folder)
}

/// A wallet opened with password A. Nothing in it can spend.
#[derive(Debug)]
pub struct Wallet {
    pub(crate) vault: OpenVault,
    pub(crate) history: History,
    pub(crate) state: State,
    pub(crate) folder: DataDir,
    client: Client,
}

/// The centre as its verified certificates show it.
#[derive(Debug)]
pub(crate) struct Centre {
    pub(crate) keys: CentreKeys,
    pub(crate) callee: Callee,
}

/// Whether the wallet in this folder has one password or two.
///
/// # Errors
/// [`WalletError::Vault`] when there is none.
pub fn password_form(folder: &Path) -> Result<PasswordForm, WalletError> {
    Ok(LockedVault::find(Arc::new(FolderDisk::reading(folder)))?.form()?)
}

impl Wallet {
    /// Opens the wallet in this folder. Waits half a second for another program that is about to
    /// end.
    ///
    /// # Errors
    /// [`WalletError::Vault`]: no vault, in use, wrong password A, damaged.
    pub fn open(folder: &Path, access: Access, a: &Password) -> Result<Self, WalletError> {
        if !folder.join("vault.tegata").exists() {
            return Err(VaultError::NoVault.into());
        }
        let dir = DataDir::open_existing(folder, PARTY)?;
        match access {
            Access::Reading => {
                let disk = Arc::new(FolderDisk::reading(folder));
                Self::assemble(LockedVault::find(disk)?.open(a)?, dir)
            }
            Access::Writing => Self::open_on(Arc::new(lock(folder)?), dir, a),
        }
    }

    /// Opens the wallet on a disk for writing, and writes to the history what a crash kept from it.
    ///
    /// # Errors
    /// As [`Wallet::open`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: DataDir, a: &Password) -> Result<Self, WalletError> {
        let mut wallet = Self::assemble(LockedVault::find(disk)?.open(a)?, dir)?;
        wallet.flush()?;
        Ok(wallet)
    }

    /// A wallet around an open vault.
    pub(crate) fn assemble(vault: OpenVault, folder: DataDir) -> Result<Self, WalletError> {
        let state = State::parse(vault.state()).map_err(WalletError::State)?;
        Ok(Self {
            history: vault.history()?,
            vault,
            state,
            folder,
            client: Client::default().patient(PATIENCE),
        })
    }

    /// Uses another HTTP client (one that waits less long).
    #[must_use]
    pub fn with_client(mut self, client: Client) -> Self {
        self.client = client;
        self
    }

    /// What the wallet remembers.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// One password or two?
    pub fn form(&self) -> PasswordForm {
        self.vault.form()
    }

    /// The whole history, oldest first; entries that wait for the file included.
    ///
    /// # Errors
    /// [`WalletError::Vault`] when it's damaged, [`WalletError::State`] for an entry of a newer
    /// program.
    pub fn history(&self) -> Result<Vec<Dated>, WalletError> {
        let records = self.history.records()?;
        let parsed: Result<Vec<_>, _> = records.iter().map(Dated::parse).collect();
        let mut entries = parsed.map_err(WalletError::State)?;
        entries.extend(self.unwritten().iter().cloned());
        Ok(entries)
    }

    fn unwritten(&self) -> &[Dated] {
        let outbox = &self.state.outbox;
        let written = self.history.len().saturating_sub(outbox.after);
        let written = usize::try_from(written).unwrap_or(usize::MAX);
        outbox.entries.get(written..).unwrap_or_default()
    }
}

/// Writing down.
impl Wallet {
    /// The centre has another address now. Whoever answers there must have the pinned root's
    /// certificates.
    ///
    /// # Errors
    /// [`WalletError::Vault`].
    pub fn centre_moved(&mut self, address: &str, now: Time) -> Result<(), WalletError> {
        address
            .trim_end_matches('/')
            .clone_into(&mut self.state.centre);
        self.commit(now, Vec::new())
    }

    /// Writes the state, then the entries that belong to it. When this returns, both last; after a
    /// crash in between the entries are written by the next [`Wallet::open`].
    pub(crate) fn commit(&mut self, now: Time, entries: Vec<Entry>) -> Result<(), WalletError> {
        self.state.tidy(now);
        self.state.outbox = Outbox {
            after: self.history.len(),
            entries: dated(now, entries),
        };
        self.vault.set_state(&self.state.to_bytes(), &mut rng())?;
        self.flush()
    }

    /// Writes to the history what a crash kept from it.
    fn flush(&mut self) -> Result<(), WalletError> {
        let waiting: Vec<Dated> = self.unwritten().to_vec();
        for entry in &waiting {
            self.history.append(&entry.to_record(), &mut rng())?;
        }
        if !waiting.is_empty() {
            self.vault.keep_checkpoint(&self.history, &mut rng())?;
        }
        Ok(())
    }
}

fn dated(time: Time, entries: Vec<Entry>) -> Vec<Dated> {
    let entries = entries.into_iter();
    entries.map(|entry| Dated { time, entry }).collect()
}

/// Keys under A, and calls signed with them.
impl Wallet {
    /// The everyday key: requests and inquiries.
    pub(crate) fn everyday(&self) -> SigningKey {
        SigningKey::from_seed(self.vault.everyday_seed())
    }

    /// The opening key: what is sealed to this member.
    pub(crate) fn opening(&self) -> OpeningKey {
        OpeningKey::from_seed(Suite::Standard, self.vault.opening_seed())
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// The centre's address and the pinned root.
    pub(crate) fn home(&self) -> (String, tegata_protocol::VerifyingKey) {
        (self.state.centre.clone(), self.state.root)
    }

    /// Fetches the centre's certificates, verifies them with the pinned root and keeps them.
    pub(crate) fn centre(&mut self, now: Time) -> Result<Centre, WalletError> {
        let bytes = self.client.get(&self.state.centre, "/v1/certificates")?;
        let certificates: Certificates = cbor::decode(&bytes, 16 * 1024)
            .map_err(|e| WalletError::unsound("the centre's certificates", e))?;
        let keys =
            CentreKeys::verify(&self.state.root, &certificates, now).map_err(|e| match e {
                CertificateError::ClockBehind { .. } => WalletError::ClockBehind(e),
                CertificateError::Malformed(_)
                | CertificateError::Forged
                | CertificateError::Missing(_) => {
                    WalletError::unsound("the centre's certificates", e)
                }
            })?;
        self.state.certificates = Some(certificates);
        let callee = Callee::centre(&self.state.centre, &keys);
        Ok(Centre { keys, callee })
    }

    /// Signs a body with the everyday key and seals it; nothing is sent.
    pub(crate) fn prepare<B: Body>(
        &self,
        callee: &Callee,
        id: MessageId,
        now: Time,
        body: B,
    ) -> Result<Prepared, WalletError> {
        let (signing, opening) = (self.everyday(), self.opening());
        let caller = Caller {
            number: self.state.number,
            signing: &signing,
            opening: &opening,
        };
        let (stamp, rng) = (Stamp { id, time: now }, &mut rng());
        Ok(Prepared::new(caller, callee, stamp, body, None, rng)?)
    }

    /// A name for a party: a shop's own, or the number.
    pub(crate) fn name_of(&self, party: PartyNumber) -> String {
        if party == PartyNumber::CENTRE {
            return "the centre".to_owned();
        }
        let known = self.state.shop(party);
        known.map_or_else(|| party.to_string(), |s| s.name.clone())
    }
}

/// Finds the one thing whose id begins with `wanted` (at least [`SHORTEST_ID`] digits).
pub(crate) fn find_by_id(
    what: &'static str,
    wanted: &str,
    ids: impl Iterator<Item = Digest>,
) -> Result<Digest, WalletError> {
    let prefix = wanted.trim().to_ascii_lowercase();
    if prefix.len() < SHORTEST_ID {
        let wanted = wanted.to_owned();
        return Err(WalletError::ShortId { what, wanted });
    }
    let mut found = ids.filter(|id| id.to_string().starts_with(&prefix));
    let wanted = wanted.to_owned();
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(WalletError::NoSuch { what, wanted }),
        (Some(_), Some(_)) => Err(WalletError::Ambiguous { what, wanted }),
    }
}

/// Words and passwords.
impl Wallet {
    /// The 24 words that restore the keys. Takes password B.
    ///
    /// # Errors
    /// [`WalletError::Vault`] with layer B for the wrong password.
    pub fn words(&self, b: &Password) -> Result<Words, WalletError> {
        Ok(self.vault.words(b)?)
    }

    /// Changes password A.
    ///
    /// # Errors
    /// [`WalletError::Vault`]; then the old one stands.
    pub fn change_a(&mut self, new: &Password) -> Result<(), WalletError> {
        Ok(self.vault.change_a(new, &mut rng())?)
    }

    /// Changes password B.
    ///
    /// # Errors
    /// [`WalletError::Vault`]; then the old one stands.
    pub fn change_b(&mut self, old: &Password, new: &Password) -> Result<(), WalletError> {
        Ok(self.vault.change_b(old, new, &mut rng())?)
    }

    /// Changes the one password of a wallet that has no other.
    ///
    /// # Errors
    /// [`WalletError::Vault`]; then the old one stands.
    pub fn change_only(&mut self, old: &Password, new: &Passwords) -> Result<(), WalletError> {
        if self.form() == PasswordForm::Two {
            let form = PasswordForm::Two;
            return Err(VaultError::Form { form }.into());
        }
        Ok(self.vault.change_passwords(old, new, &mut rng())?)
    }
}
