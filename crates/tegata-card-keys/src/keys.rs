//! The three master keys, and the file that keeps them under a password.
//!
//! ```text
//! "tegata-card-keys" ‖ 01 ‖ salt(16) ‖ AES-256-GCM(debit ‖ admin ‖ receipt)(112) ‖ SHA-256 of all
//! that (32)
//! ```
//! The cipher's key comes from the password by Argon2id (64 MiB, three rounds); what stands before
//! the ciphertext is authenticated with it. The digest only tells a damaged file from a wrong
//! password.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tegata_card::keys::{MasterKey, Role};
use tegata_cli::password::Password;
use tegata_keystore::{stretch::stretch, wrap::WrapKey};
use zeroize::Zeroizing;

/// The file's name in the data folder.
pub const FILE: &str = "master-keys.sealed";

const MAGIC: &[u8; 16] = b"tegata-card-keys";
const VERSION: u8 = 1;
const SALT: usize = 16;
const HEAD: usize = MAGIC.len() + 1 + SALT;
const SEALED: usize = 3 * 32 + 16;
const DIGEST: usize = 32;

/// The master keys of the three roles. Erased from memory when dropped.
///
/// ```compile_fail
/// fn copy(keys: &tegata_card_keys::keys::MasterKeys) -> tegata_card_keys::keys::MasterKeys {
///     keys.clone()
/// }
/// ```
///
/// ```compile_fail
/// fn show(keys: &tegata_card_keys::keys::MasterKeys) {
///     println!("{keys}");
/// }
/// ```
pub struct MasterKeys {
    debit: MasterKey,
    admin: MasterKey,
    receipt: MasterKey,
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKeys(…)")
    }
}

impl MasterKeys {
    /// The keys with these bytes, debit, admin and receipt, which are best random.
    #[must_use]
    pub fn new(debit: [u8; 32], admin: [u8; 32], receipt: [u8; 32]) -> Self {
        Self {
            debit: MasterKey::new(Role::Debit, debit),
            admin: MasterKey::new(Role::Admin, admin),
            receipt: MasterKey::new(Role::Receipt, receipt),
        }
    }

    /// The key of a role; cards' transport keys have none.
    #[must_use]
    pub const fn of(&self, role: Role) -> Option<&MasterKey> {
        match role {
            Role::Transport => None,
            Role::Debit => Some(&self.debit),
            Role::Admin => Some(&self.admin),
            Role::Receipt => Some(&self.receipt),
        }
    }
}

/// Why the key file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There's one already.
    #[error("{} exists already; keys that cards have grown from are never replaced", .0.display())]
    Exists(PathBuf),
    /// The operating system refused.
    #[error("can't use the key file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others may read or write it.
    #[error("others can use the key file {} (mode {mode:03o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It isn't whole.
    #[error("the key file {} is damaged", .0.display())]
    Damaged(PathBuf),
    /// A newer program wrote it.
    #[error("the key file has version {0}, this program knows {VERSION}")]
    Newer(u8),
    /// The password isn't the file's.
    #[error("the password doesn't open the key file")]
    WrongPassword,
    /// The derivation failed, for want of memory for example.
    #[error("the password can't be used: {0}")]
    Derivation(String),
}

impl KeyFileError {
    /// What to do next.
    #[must_use]
    pub fn next(&self) -> &'static str {
        match self {
            Self::Exists(_) => "choose another folder, or use the keys that are there",
            Self::Io { .. } => "look at the file and its folder",
            Self::Exposed { .. } => "find out who has read it, then chmod 600",
            Self::Damaged(_) => "restore it from a backup",
            Self::Newer(_) => "use the newer program",
            Self::WrongPassword => "try again",
            Self::Derivation(_) => "free 64 MiB of memory and try again",
        }
    }
}

/// Seals keys under a password into a new file, readable for its owner only. Salt: 16 random bytes.
///
/// # Errors
/// [`KeyFileError`]; a file that exists is never replaced.
pub fn create(
    path: &Path,
    keys: &MasterKeys,
    password: &Password,
    salt: [u8; 16],
) -> Result<(), KeyFileError> {
    let bytes = sealed(keys, password, salt)?;
    let failed = |source| KeyFileError::Io {
        path: path.to_owned(),
        source,
    };
    // A hard link never replaces what is there, and puts the whole file in its place at once.
    let half = path.with_extension("unready");
    match fs::remove_file(&half) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(failed(e)),
    }
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(&half);
    let mut file = opened.map_err(failed)?;
    file.write_all(&bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let linked = fs::hard_link(&half, path);
    fs::remove_file(&half).map_err(failed)?;
    match linked {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            return Err(KeyFileError::Exists(path.to_owned()));
        }
        other => other.map_err(failed)?,
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let folder = fs::File::open(folder).map_err(failed)?;
    folder.sync_all().map_err(failed)
}

fn sealed(
    keys: &MasterKeys,
    password: &Password,
    salt: [u8; SALT],
) -> Result<Vec<u8>, KeyFileError> {
    let mut plain = Zeroizing::new(Vec::with_capacity(3 * 32));
    for key in [&keys.debit, &keys.admin, &keys.receipt] {
        plain.extend_from_slice(key.expose());
    }
    let mut bytes = [MAGIC.as_slice(), &[VERSION], &salt].concat();
    // The salt is fresh for each file, and so is the key: it seals this alone.
    let sealed = stretched(password, &salt)?.seal_once(&bytes, &plain);
    bytes.extend_from_slice(&sealed);
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    Ok(bytes)
}

/// Opens the key file.
///
/// # Errors
/// [`KeyFileError`].
pub fn open(path: &Path, password: &Password) -> Result<MasterKeys, KeyFileError> {
    let failed = |source| KeyFileError::Io {
        path: path.to_owned(),
        source,
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(KeyFileError::Exposed { path, mode });
    }
    let bytes = fs::read(path).map_err(failed)?;
    let sealed = SealedKeys::parse(path, &bytes)?;
    let plain = stretched(password, &sealed.salt)?.open_once(&sealed.head(), &sealed.sealed);
    let plain = plain.ok_or(KeyFileError::WrongPassword)?;
    let (keys, _) = plain.as_chunks::<32>();
    match keys {
        [debit, admin, receipt] => Ok(MasterKeys::new(*debit, *admin, *receipt)),
        _ => Err(KeyFileError::Damaged(path.to_owned())),
    }
}

/// What stands in a key file, before any password opens it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedKeys {
    salt: [u8; SALT],
    sealed: [u8; SEALED],
}

impl SealedKeys {
    /// Reads a key file's bytes; `path` is only named in the error.
    ///
    /// # Errors
    /// [`KeyFileError::Damaged`], [`KeyFileError::Newer`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, KeyFileError> {
        let damaged = || KeyFileError::Damaged(path.to_owned());
        match bytes.strip_prefix(MAGIC).and_then(<[u8]>::first) {
            Some(&VERSION) => {}
            Some(&newer) if newer > VERSION => return Err(KeyFileError::Newer(newer)),
            Some(_) | None => return Err(damaged()),
        }
        let (body, digest) = bytes.split_last_chunk::<DIGEST>().ok_or_else(damaged)?;
        if Sha256::digest(body).as_slice() != digest {
            return Err(damaged());
        }
        let (head, sealed) = body.split_at_checked(HEAD).ok_or_else(damaged)?;
        let sealed = <[u8; SEALED]>::try_from(sealed).map_err(|_e| damaged())?;
        let salt = *head.last_chunk::<SALT>().ok_or_else(damaged)?;
        Ok(Self { salt, sealed })
    }

    /// What stands before the ciphertext and is authenticated with it.
    fn head(&self) -> Vec<u8> {
        [MAGIC.as_slice(), &[VERSION], &self.salt].concat()
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.sealed);
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }
}

fn stretched(password: &Password, salt: &[u8; SALT]) -> Result<WrapKey, KeyFileError> {
    stretch(password.expose(), salt).map_err(|e| KeyFileError::Derivation(e.to_string()))
}
