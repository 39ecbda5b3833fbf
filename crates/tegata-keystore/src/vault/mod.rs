//! The vault: what a member owns, on disk under two passwords (M4).
//!
//! Two layers, one inside the other. Password A opens the outer one: everyday seeds, the history's
//! key, the application's state. Password B opens the inner one, which can't even be seen before A
//! was given: the master (the 24 words) and the spending seed. The types say so:
//!
//! ```text
//! LockedVault --open(A)--> OpenVault --with_spending(B, |secrets| …)--> what the closure returns
//! ```
//! An [`OpenVault`] has no way to the spending seed; [`SpendingSecrets`] live only inside the
//! closure and are wiped after it, with the stack that was used. For those who want one password,
//! it opens both layers, and spending still asks for it.
//!
//! ```no_run
//! use std::sync::Arc;
//! use tegata_keystore::vault::{
//!     Cost, FolderDisk, LockedVault, Master, NewVault, OpenVault, Password, Passwords,
//! };
//! # fn sign(seed: &[u8; 32]) -> [u8; 64] { [0; 64] }
//! # fn main() -> Result<(), tegata_keystore::vault::VaultError> {
//! let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
//! let (a, b) = (Password::typed("for every day"), Password::typed("for spending"));
//! let disk = Arc::new(FolderDisk::lock("wallet")?);
//! let new = NewVault {
//!     master: Master::generate(&mut rng, None),
//!     passwords: &Passwords::two(a, b)?,
//!     cost: Cost::STANDARD,
//!     state: b"",
//! };
//! OpenVault::create(disk.clone(), new, &mut rng)?;
//!
//! let vault = LockedVault::find(disk)?.open(&Password::typed("for every day"))?;
//! let b = Password::typed("for spending");
//! let signature = vault.with_spending(&b, |secrets| sign(secrets.seed()))?;
//! # Ok(())
//! # }
//! ```
//! What would reach the spending seed otherwise doesn't compile:
//! ```compile_fail,E0599
//! fn spend(vault: &tegata_keystore::vault::OpenVault) {
//!     let seed = vault.seed();
//! }
//! ```
//!
//! Start reading at [`OpenVault`]; then `seal` (one layer), `file` (the bytes), `disk`
//! (what survives a power cut) and `history`. Randomness and the disk are parameters.
//!
//! **What it doesn't do.** Somebody who can write to the folder can put an old vault back, as
//! somebody with a backup does. A changed password doesn't reach copies made before: they still
//! open with the old one. Whoever reads the memory of the process while the closure runs, or keeps
//! what is typed, has everything.

mod disk;
mod error;
mod file;
mod file_name;
mod history;
mod password;
mod seal;
mod secret;
mod seed;
mod spending;
mod strokes;
mod words;

use std::fmt;
use std::sync::Arc;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use disk::{Disk, FolderDisk};
pub use error::{Damage, VaultError};
pub use file::LONGEST_STATE;
pub use file_name::FileName;
pub use history::{Checkpoint, History, LONGEST_RECORD, Record, TornEnd};
pub use password::{
    LONGEST_PASSWORD, Password, PasswordForm, PasswordRule, Passwords, SHORTEST_PASSWORD,
};
pub use seal::Cost;
pub use seed::Master;
pub use spending::SpendingSecrets;
pub use strokes::{FEWEST_POINTS, MOST_POINTS, Strokes, StrokesError};
pub use words::{Words, WordsError};

use disk::{failed, replace};
use file::{Identity, Inner, Outer, VaultFile};
use history::Found;
use seal::{LayerKey, Sealed};
use secret::leaving_nothing;
use seed::Purpose;

/// One of the two layers, and so one of the two passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// The outer layer: everyday things.
    A,
    /// The inner layer: spending.
    B,
}

impl Layer {
    fn code(self) -> u8 {
        match self {
            Self::A => 1,
            Self::B => 2,
        }
    }

    fn purpose(self) -> &'static str {
        match self {
            Self::A => "the vault stays closed; type the password that opens your wallet again",
            Self::B => "nothing was spent or shown; type the password for spending again",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// A vault that was found and read, and is closed.
pub struct LockedVault {
    disk: Arc<dyn Disk>,
    file: VaultFile,
    digest: FileDigest,
}

/// Shows whether the file on the disk is still the one that was read.
type FileDigest = [u8; 32];

impl LockedVault {
    /// Reads the vault's file.
    ///
    /// # Errors
    /// [`VaultError::NoVault`], [`VaultError::Damaged`], [`VaultError::NewerVersion`],
    /// [`VaultError::Disk`].
    pub fn find(disk: Arc<dyn Disk>) -> Result<Self, VaultError> {
        let bytes = disk
            .read(FileName::Vault)
            .map_err(failed("read", FileName::Vault))?
            .ok_or(VaultError::NoVault)?;
        Ok(Self {
            file: VaultFile::decode(&bytes)?,
            digest: Sha256::digest(&bytes).into(),
            disk,
        })
    }

    /// Whether it has one password or two.
    ///
    /// # Errors
    /// [`VaultError::Damaged`].
    pub fn form(&self) -> Result<PasswordForm, VaultError> {
        Ok(self.file.identity()?.form)
    }

    /// Opens the outer layer with password A (or the only one).
    ///
    /// # Errors
    /// [`VaultError::WrongPassword`] with layer A: find the vault again to try another.
    /// [`VaultError::Damaged`], [`VaultError::Stretching`].
    pub fn open(self, a: &Password) -> Result<OpenVault, VaultError> {
        let identity = self.file.identity()?;
        let sealed = self.file.outer();
        let key = sealed.key(a)?;
        let outer = Outer::decode(&sealed.open(identity.place(Layer::A), &key)?)?;
        Ok(OpenVault {
            disk: self.disk,
            identity,
            key,
            outer,
            ours: vec![self.digest],
        })
    }
}

impl fmt::Debug for LockedVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockedVault(…)")
    }
}

/// What a new vault is made from.
pub struct NewVault<'a> {
    /// From [`Master::generate`], or [`Master::from_words`] to restore.
    pub master: Master,
    /// Its passwords.
    pub passwords: &'a Passwords,
    /// [`Cost::STANDARD`], outside of tests.
    pub cost: Cost,
    /// The application's first state under A.
    pub state: &'a [u8],
}

/// A vault opened by password A: everyday things, and nothing that spends.
pub struct OpenVault {
    disk: Arc<dyn Disk>,
    identity: Identity,
    key: LayerKey,
    outer: Outer,
    /// What may stand on the disk by our own doing: the last good write, and any that failed since.
    ours: Vec<FileDigest>,
}

impl fmt::Debug for NewVault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewVault(…)")
    }
}

impl fmt::Debug for OpenVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenVault(…)")
    }
}

/// Making.
impl OpenVault {
    /// Makes a vault, or restores one when the master came from words.
    ///
    /// A history of the same master that is here already is kept. Afterwards the spending secrets
    /// are gone from memory.
    ///
    /// # Errors
    /// [`VaultError::AlreadyThere`], [`VaultError::HistoryInTheWay`], [`VaultError::Disk`].
    pub fn create(
        disk: Arc<dyn Disk>,
        new: NewVault<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, VaultError> {
        check_state(new.state)?;
        let there = disk
            .length(FileName::Vault)
            .map_err(failed("read", FileName::Vault))?;
        if there.is_some() {
            return Err(VaultError::AlreadyThere);
        }
        leaving_nothing(|| Self::make(disk, new, rng))
    }

    fn make(
        disk: Arc<dyn Disk>,
        new: NewVault<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, VaultError> {
        let mut vault = [0; 16];
        rng.fill_bytes(&mut vault);
        let identity = Identity {
            vault,
            form: new.passwords.form(),
        };
        let history = new.master.derive(Purpose::History);
        // The history comes first: without the vault beside it, it is nothing yet.
        let checkpoint = match history::find(&*disk, &history)? {
            Found::Nothing => history::begin(&*disk, &history, rng)?,
            Found::Ours(end) => end,
            Found::Others => return Err(VaultError::HistoryInTheWay),
        };
        let outer = Outer {
            everyday: new.master.derive(Purpose::Everyday),
            opening: new.master.derive(Purpose::Opening),
            holder: new.master.derive(Purpose::Holder),
            history,
            checkpoint,
            state: Zeroizing::new(new.state.to_vec()),
            inner: new_inner(identity, new.master, new.passwords.b(), new.cost, rng)?,
        };
        let mut made = Self {
            disk,
            identity,
            key: LayerKey::fresh(new.passwords.a(), new.cost, rng)?,
            outer,
            ours: Vec::new(),
        };
        made.write(rng)?;
        Ok(made)
    }

    /// Whether it has one password or two.
    pub fn form(&self) -> PasswordForm {
        self.identity.form
    }
}

fn new_inner(
    identity: Identity,
    master: Master,
    b: &Password,
    cost: Cost,
    rng: &mut impl CryptoRng,
) -> Result<Sealed, VaultError> {
    let key = LayerKey::fresh(b, cost, rng)?;
    let inner = Inner {
        spending: master.derive(Purpose::Spending),
        master,
        state: Zeroizing::default(),
    };
    Ok(seal_inner(identity, &key, &inner, rng))
}

fn seal_inner(
    identity: Identity,
    key: &LayerKey,
    inner: &Inner,
    rng: &mut impl CryptoRng,
) -> Sealed {
    Sealed::seal(identity.place(Layer::B), key, inner.encode(), rng)
}

/// What password A is enough for.
impl OpenVault {
    /// The seed of the everyday key, which signs requests and inquiries.
    pub fn everyday_seed(&self) -> &[u8; 32] {
        self.outer.everyday.as_bytes()
    }

    /// The seed of the opening key, which opens what is sealed to this member.
    pub fn opening_seed(&self) -> &[u8; 32] {
        self.outer.opening.as_bytes()
    }

    /// The seed from which holder keys of tickets grow that are shown with A alone.
    pub fn holder_seed(&self) -> &[u8; 32] {
        self.outer.holder.as_bytes()
    }

    /// The application's state: cards, tickets, what waits to be sent (M3).
    pub fn state(&self) -> &[u8] {
        &self.outer.state
    }

    /// Replaces the application's state. When this returns, it lasts.
    ///
    /// # Errors
    /// [`VaultError::TooLarge`], [`VaultError::ChangedElsewhere`]; [`VaultError::Disk`], after
    /// which the old state stands.
    pub fn set_state(&mut self, state: &[u8], rng: &mut impl CryptoRng) -> Result<(), VaultError> {
        check_state(state)?;
        let new = Zeroizing::new(state.to_vec());
        let old = std::mem::replace(&mut self.outer.state, new);
        self.write(rng).inspect_err(|_| self.outer.state = old)
    }

    /// Opens the history and verifies all of it.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] with the first record that isn't good, [`VaultError::Disk`].
    pub fn history(&self) -> Result<History, VaultError> {
        History::open(
            Arc::clone(&self.disk),
            &self.outer.history,
            self.outer.checkpoint,
        )
    }

    /// Remembers where the history ends: its records up to here can't be cut off unseen.
    ///
    /// # Errors
    /// As [`set_state`](Self::set_state).
    pub fn keep_checkpoint(
        &mut self,
        history: &History,
        rng: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        self.move_checkpoint(history.checkpoint(), rng)
    }

    /// The checkpoint that the vault remembers.
    pub fn checkpoint(&self) -> Checkpoint {
        self.outer.checkpoint
    }

    /// Sets a damaged history aside (as `history.tegata.aside`) and begins an empty one.
    ///
    /// # Errors
    /// [`VaultError::AsideInTheWay`], and as [`set_state`](Self::set_state). A cut in the middle may leave the new history beside the
    /// old checkpoint; then [`history`](Self::history) says so, and this can be done again.
    pub fn begin_new_history(&mut self, rng: &mut impl CryptoRng) -> Result<(), VaultError> {
        history::set_aside(&*self.disk)?;
        let start = history::begin(&*self.disk, &self.outer.history, rng)?;
        self.move_checkpoint(start, rng)
    }

    fn move_checkpoint(
        &mut self,
        to: Checkpoint,
        rng: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        let old = std::mem::replace(&mut self.outer.checkpoint, to);
        self.write(rng).inspect_err(|_| self.outer.checkpoint = old)
    }

    /// Changes password A, where there are two.
    ///
    /// # Errors
    /// [`VaultError::Form`], [`VaultError::Password`] (too short, or the same as B), and as
    /// [`set_state`](Self::set_state), after which the old password stands.
    pub fn change_a(&mut self, new: &Password, rng: &mut impl CryptoRng) -> Result<(), VaultError> {
        self.expect_two()?;
        new.check_new()?;
        if self.outer.inner.is_under(&self.outer.inner.key(new)?) {
            return Err(PasswordRule::Same.into());
        }
        let key = LayerKey::fresh(new, self.key.cost(), rng)?;
        let old = std::mem::replace(&mut self.key, key);
        self.write(rng).inspect_err(|_| self.key = old)
    }

    fn expect_two(&self) -> Result<(), VaultError> {
        match self.identity.form {
            PasswordForm::Two => Ok(()),
            form @ PasswordForm::One => Err(VaultError::Form { form }),
        }
    }
}

/// What password B is needed for.
impl OpenVault {
    /// Opens the inner layer, lends its secrets to `work`, and wipes them.
    ///
    /// What `work` returns must not be secret; what it puts on the heap it has to wipe itself.
    ///
    /// # Errors
    /// [`VaultError::WrongPassword`] with layer B, [`VaultError::Damaged`],
    /// [`VaultError::Stretching`].
    pub fn with_spending<T>(
        &self,
        b: &Password,
        work: impl FnOnce(&SpendingSecrets) -> T,
    ) -> Result<T, VaultError> {
        self.with_inner(b, |_, inner| Ok(work(&SpendingSecrets::new(inner))))
    }

    /// The 24 words that restore this vault's keys.
    ///
    /// # Errors
    /// As [`with_spending`](Self::with_spending).
    pub fn words(&self, b: &Password) -> Result<Words, VaultError> {
        self.with_inner(b, |_, inner| Ok(inner.master.words()))
    }

    /// Replaces the application's state under B.
    ///
    /// # Errors
    /// As [`with_spending`](Self::with_spending) and [`set_state`](Self::set_state).
    pub fn set_spending_state(
        &mut self,
        b: &Password,
        state: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        check_state(state)?;
        let sealed = self.with_inner(b, |key, mut inner| {
            inner.state = Zeroizing::new(state.to_vec());
            Ok(seal_inner(self.identity, key, &inner, rng))
        })?;
        self.replace_inner(sealed, rng)
    }

    /// Changes password B, where there are two.
    ///
    /// # Errors
    /// [`VaultError::Form`], [`VaultError::Password`] (too short, or the same as A),
    /// [`VaultError::WrongPassword`] for the old one, and as [`set_state`](Self::set_state).
    pub fn change_b(
        &mut self,
        old: &Password,
        new: &Password,
        rng: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        self.expect_two()?;
        new.check_new()?;
        if self.key.is_from(new)? {
            return Err(PasswordRule::Same.into());
        }
        let sealed = self.with_inner(old, |key, inner| {
            let key = LayerKey::fresh(new, key.cost(), rng)?;
            Ok(seal_inner(self.identity, &key, &inner, rng))
        })?;
        self.replace_inner(sealed, rng)
    }

    /// Changes all passwords at once, and the form: from one to two, or from two to one.
    ///
    /// `b` is the password for spending as it is now (the only one, in the one-password form).
    ///
    /// # Errors
    /// [`VaultError::WrongPassword`] for layer B, and as [`set_state`](Self::set_state).
    pub fn change_passwords(
        &mut self,
        b: &Password,
        new: &Passwords,
        rng: &mut impl CryptoRng,
    ) -> Result<(), VaultError> {
        let identity = Identity {
            form: new.form(),
            ..self.identity
        };
        let inner = self.with_inner(b, |key, inner| {
            let key = LayerKey::fresh(new.b(), key.cost(), rng)?;
            Ok(seal_inner(identity, &key, &inner, rng))
        })?;
        let key = LayerKey::fresh(new.a(), self.key.cost(), rng)?;
        let old_inner = std::mem::replace(&mut self.outer.inner, inner);
        let old_key = std::mem::replace(&mut self.key, key);
        let old_identity = std::mem::replace(&mut self.identity, identity);
        self.write(rng).inspect_err(|_| {
            self.outer.inner = old_inner;
            self.key = old_key;
            self.identity = old_identity;
        })
    }

    /// The only place where the inner layer is opened.
    fn with_inner<T>(
        &self,
        b: &Password,
        work: impl FnOnce(&LayerKey, Inner) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        leaving_nothing(|| {
            let sealed = &self.outer.inner;
            let key = sealed.key(b)?;
            let inner = Inner::decode(&sealed.open(self.identity.place(Layer::B), &key)?)?;
            work(&key, inner)
        })
    }

    fn replace_inner(&mut self, inner: Sealed, rng: &mut impl CryptoRng) -> Result<(), VaultError> {
        let old = std::mem::replace(&mut self.outer.inner, inner);
        self.write(rng).inspect_err(|_| self.outer.inner = old)
    }
}

/// Writing.
impl OpenVault {
    /// Writes the vault in place of the one on the disk, which must still be ours.
    fn write(&mut self, rng: &mut impl CryptoRng) -> Result<(), VaultError> {
        self.check_unchanged()?;
        let bytes = VaultFile::new(self.identity, &self.key, &self.outer, rng).encode();
        let digest = Sha256::digest(&bytes).into();
        // If a step fails, the new contents may stand on the disk all the same.
        self.ours.push(digest);
        replace(&*self.disk, FileName::VaultDraft, FileName::Vault, &bytes)?;
        self.ours = vec![digest];
        Ok(())
    }

    fn check_unchanged(&self) -> Result<(), VaultError> {
        let there = self
            .disk
            .read(FileName::Vault)
            .map_err(failed("read", FileName::Vault))?;
        let unchanged = match there {
            Some(bytes) => self.ours.contains(&Sha256::digest(&bytes).into()),
            None => self.ours.is_empty(),
        };
        if unchanged {
            return Ok(());
        }
        Err(VaultError::ChangedElsewhere {
            file: FileName::Vault,
        })
    }
}

fn check_state(state: &[u8]) -> Result<(), VaultError> {
    if state.len() <= LONGEST_STATE {
        return Ok(());
    }
    Err(VaultError::TooLarge {
        what: "the wallet's state",
        length: state.len(),
        limit: LONGEST_STATE,
    })
}
