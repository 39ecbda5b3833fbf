//! The owner's passwords as commands take them, and the vault that they open.

use tegata_cli::data::DataDir;
use tegata_cli::password::{self, PasswordA, PasswordB};
use tegata_keystore::vault::{Password, PasswordForm, Passwords, Words};
use tegata_party::joining::{JoinError, Kind};
use tegata_party::keys::{Keys, KeysError};
use zeroize::Zeroizing;

use crate::vault::{self, Vault};

/// Password A: what customers filled in, the history.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct OwnerA {
    #[command(flatten)]
    a: PasswordA,
}

impl OwnerA {
    /// Opens the vault to read, beside a shop that runs.
    pub(super) fn reading(&self, dir: &DataDir) -> Result<Vault, JoinError> {
        there(dir)?;
        Ok(Vault::reading(
            dir,
            &typed(&self.a.read().map_err(KeysError::from)?),
        )?)
    }
}

/// Passwords A and B: everything.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Owner {
    #[command(flatten)]
    a: PasswordA,
    #[command(flatten)]
    b: PasswordB,
}

/// What passwords A and B open.
pub(super) struct Unlocked {
    /// The vault.
    pub(super) vault: Vault,
    /// The keys in it.
    pub(super) keys: Keys,
}

impl Owner {
    /// Opens the vault to write, too, and the keys in it.
    pub(super) fn open(&self, dir: &DataDir) -> Result<Unlocked, JoinError> {
        there(dir)?;
        Ok(self.opened(dir, Vault::open)?)
    }

    /// The keys of a vault that is there.
    pub(super) fn keys(&self, dir: &DataDir) -> Result<Keys, KeysError> {
        Ok(self.opened(dir, Vault::reading)?.keys)
    }

    /// Opens the vault and the keys in it, beside a shop that runs.
    pub(super) fn reading(&self, dir: &DataDir) -> Result<Unlocked, JoinError> {
        there(dir)?;
        Ok(self.opened(dir, Vault::reading)?)
    }

    fn opened(
        &self,
        dir: &DataDir,
        open: fn(&DataDir, &Password) -> Result<Vault, KeysError>,
    ) -> Result<Unlocked, KeysError> {
        let a = self.a.read()?;
        let vault = open(dir, &typed(&a))?;
        let keys = vault.keys(&self.b(&vault, &a)?)?;
        Ok(Unlocked { vault, keys })
    }

    /// The 24 words.
    pub(super) fn words(&self, dir: &DataDir) -> Result<Words, JoinError> {
        there(dir)?;
        let a = self.a.read().map_err(KeysError::from)?;
        let vault = Vault::reading(dir, &typed(&a))?;
        Ok(vault.words(&self.b(&vault, &a)?)?)
    }

    /// Password B; of a vault with one password that one, asked for again unless it was given without a
    /// prompt.
    fn b(&self, vault: &Vault, a: &password::Password) -> Result<Password, KeysError> {
        let same = vault.form() == PasswordForm::One && self.a.is_given() && !self.b.is_given();
        if same {
            return Ok(typed(a));
        }
        Ok(typed(&self.b.read()?))
    }

    /// New passwords, and the one that opens the inner layer.
    pub(super) fn choose(&self, one: bool) -> Result<(Passwords, Password), KeysError> {
        let a = self.a.read_new()?;
        if one {
            let passwords = Passwords::one(typed(&a)).map_err(broken_rule)?;
            return Ok((passwords, typed(&a)));
        }
        let b = self.b.read_new()?;
        let passwords = Passwords::two(typed(&a), typed(&b)).map_err(broken_rule)?;
        Ok((passwords, typed(&b)))
    }
}

fn broken_rule(rule: tegata_keystore::vault::PasswordRule) -> KeysError {
    KeysError::Vault(rule.into())
}

fn there(dir: &DataDir) -> Result<(), JoinError> {
    match vault::is_there(dir) {
        true => Ok(()),
        false => Err(JoinError::NotJoined(Kind::SHOP)),
    }
}

fn typed(read: &password::Password) -> Password {
    let text = Zeroizing::new(String::from_utf8_lossy(read.expose()).into_owned());
    Password::typed(&text)
}
