//! The shop's keys: one to sign with, one to open with, one to wrap the database's secrets with.
//!
//! They grow from three seeds in `DIR/keys.cbor`, which only its owner can read. A shop's server
//! starts by itself after a power cut, so the file is plain by default; with a password it is
//! sealed (Argon2id, AES-256-GCM) and the server asks for it at each start.

use std::fmt;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use minicbor::{Decode, Encode};
use rand_core::Rng as _;
use tegata_cli::data::{self, DataDir};
use tegata_cli::password::{self, Password};
use tegata_protocol::{Digest, OpeningKey, SigningKey, Suite, cbor};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::chance;

/// The file in the data folder.
pub const FILE: &str = "keys.cbor";
const FILE_LIMIT: usize = 1024;
const LABEL: &[u8] = b"tegata shop keys v1";

/// Why the keys can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file can't be read or written.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The file isn't what this program wrote.
    #[error("the key file is damaged: restore {FILE} from a backup")]
    Damaged,
    /// It's sealed, and no password was given.
    #[error("the key file is sealed: give its password with --password-file or --password-fd")]
    Sealed,
    /// It's sealed, and its password couldn't be read.
    #[error("the key file is sealed, and its password can't be read")]
    Password(#[from] password::Error),
    /// The password doesn't open it.
    #[error("the password doesn't open the key file")]
    WrongPassword,
    /// Something wrapped with the keys doesn't unwrap.
    #[error(
        "a secret in the database wasn't wrapped with these keys: keys and database belong to different shops, or one of them is damaged"
    )]
    Foreign,
}

/// The shop's keys. Not `Clone`, not printable.
///
/// ```compile_fail
/// fn copy(keys: &tegata_shop::keys::Keys) -> tegata_shop::keys::Keys { keys.clone() }
/// ```
pub struct Keys {
    seeds: Seeds,
    signing: SigningKey,
    opening: OpeningKey,
}

#[derive(Zeroize, ZeroizeOnDrop, Encode, Decode)]
#[cbor(array)]
struct Seeds {
    #[cbor(n(0), with = "minicbor::bytes")]
    signing: [u8; 32],
    #[cbor(n(1), with = "minicbor::bytes")]
    opening: [u8; 32],
    #[cbor(n(2), with = "minicbor::bytes")]
    store: [u8; 32],
}

/// The file: sealed seeds, or plain ones.
#[derive(Encode, Decode)]
enum File {
    #[n(0)]
    Plain(#[n(0)] Seeds),
    #[n(1)]
    Sealed(
        #[cbor(n(0), with = "minicbor::bytes")] [u8; 16],
        #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>,
    ),
}

impl Keys {
    /// New keys from fresh randomness.
    pub fn generate() -> Self {
        let fresh = || {
            let mut seed = [0; 32];
            chance::system().fill_bytes(&mut seed);
            seed
        };
        Self::grow(Seeds {
            signing: fresh(),
            opening: fresh(),
            store: fresh(),
        })
    }

    fn grow(seeds: Seeds) -> Self {
        Self {
            signing: SigningKey::from_seed(&seeds.signing),
            opening: OpeningKey::from_seed(Suite::Standard, &seeds.opening),
            seeds,
        }
    }

    /// Signs bills, series records, replies and deliveries.
    pub const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Opens what is sealed to the shop.
    pub const fn opening(&self) -> &OpeningKey {
        &self.opening
    }

    /// Reads the keys; `password` is asked for only if they're sealed.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn read(
        dir: &DataDir,
        password: impl FnOnce() -> Result<Password, KeysError>,
    ) -> Result<Self, KeysError> {
        let bytes = Zeroizing::new(dir.read(FILE)?);
        let file = cbor::decode(&bytes, FILE_LIMIT).map_err(|_e| KeysError::Damaged)?;
        match file {
            File::Plain(seeds) => Ok(Self::grow(seeds)),
            File::Sealed(salt, sealed) => {
                let key = stretch(&password()?, &salt)?;
                let plain = unwrap(&key, LABEL, &sealed).ok_or(KeysError::WrongPassword)?;
                let seeds = cbor::decode(&plain, FILE_LIMIT).map_err(|_e| KeysError::Damaged)?;
                Ok(Self::grow(seeds))
            }
        }
    }

    /// Writes the keys, sealed if there's a password.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn write(&self, dir: &DataDir, password: Option<&Password>) -> Result<(), KeysError> {
        let copy = Zeroizing::new(cbor::encode(&self.seeds));
        let file = match password {
            None => cbor::decode(&copy, FILE_LIMIT).map(File::Plain),
            Some(password) => {
                let mut salt = [0; 16];
                chance::system().fill_bytes(&mut salt);
                let key = stretch(password, &salt)?;
                Ok(File::Sealed(salt, wrap(&key, LABEL, &copy)))
            }
        };
        let bytes = Zeroizing::new(cbor::encode(&file.map_err(|_e| KeysError::Damaged)?));
        Ok(dir.write_atomic(FILE, &bytes)?)
    }

    /// What follows from a secret of the shop's and `what`, and from nothing else. 32 bytes that
    /// nobody can guess.
    pub fn derive(&self, label: &[u8], what: &[u8]) -> Digest {
        Digest::of_parts(&[b"tegata shop derived v1", &self.seeds.store, label, what])
    }

    /// Wraps a secret for the database; `label` says what it is, and must be said again.
    pub fn wrap(&self, label: &[u8], secret: &[u8]) -> Vec<u8> {
        wrap(&self.seeds.store, label, secret)
    }

    /// Unwraps a secret from the database.
    ///
    /// # Errors
    /// [`KeysError::Foreign`].
    pub fn unwrap(&self, label: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        unwrap(&self.seeds.store, label, wrapped).ok_or(KeysError::Foreign)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.signing.verifying_key().id())
    }
}

/// Argon2id, 64 MiB, three passes.
fn stretch(password: &Password, salt: &[u8; 16]) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let damaged = |_e: argon2::Error| KeysError::Damaged;
    let cost = Params::new(64 * 1024, 3, 1, Some(32)).map_err(damaged)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, cost)
        .hash_password_into(password.expose(), salt, key.as_mut())
        .map_err(damaged)?;
    Ok(key)
}

/// AES-256-GCM under a random nonce, which stands in front.
fn wrap(key: &[u8; 32], label: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut nonce = [0; 12];
    chance::system().fill_bytes(&mut nonce);
    let payload = Payload {
        msg: plain,
        aad: label,
    };
    #[expect(clippy::expect_used, reason = "AES-GCM refuses only gigabytes")]
    let sealed = Aes256Gcm::new(key.into())
        .encrypt(&Nonce::from(nonce), payload)
        .expect("sealing a short secret");
    [&nonce[..], &sealed].concat()
}

fn unwrap(key: &[u8; 32], label: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = wrapped.split_first_chunk::<12>()?;
    let payload = Payload {
        msg: sealed,
        aad: label,
    };
    let plain = Aes256Gcm::new(key.into()).decrypt(&Nonce::from(*nonce), payload);
    plain.ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tegata_cli::data::Party;

    #[test]
    fn sealed_keys_need_their_password() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::open(temp.path(), Party::new("tegata-shop", 1)).unwrap();
        let keys = Keys::generate();
        let password = || Ok(Password::new("open sesame".into()));
        keys.write(&dir, Some(&password().unwrap())).unwrap();
        let again = Keys::read(&dir, password).unwrap();
        assert_eq!(
            again.signing().verifying_key(),
            keys.signing().verifying_key()
        );
        let wrong = Keys::read(&dir, || Ok(Password::new("open barley".into())));
        assert!(matches!(wrong, Err(KeysError::WrongPassword)));
        let none = Keys::read(&dir, || Err(KeysError::Sealed));
        assert!(matches!(none, Err(KeysError::Sealed)));
        let bytes = dir.read(FILE).unwrap();
        let seed = keys.seeds.signing;
        assert!(!bytes.windows(32).any(|window| window == seed));
    }

    #[test]
    fn a_wrapped_secret_opens_only_under_its_label_and_keys() {
        let keys = Keys::generate();
        let wrapped = keys.wrap(b"series 1", b"secret");
        assert_eq!(*keys.unwrap(b"series 1", &wrapped).unwrap(), b"secret");
        assert!(keys.unwrap(b"series 2", &wrapped).is_err());
        assert!(Keys::generate().unwrap(b"series 1", &wrapped).is_err());
        assert!(keys.unwrap(b"series 1", &wrapped[..11]).is_err());
    }
}
