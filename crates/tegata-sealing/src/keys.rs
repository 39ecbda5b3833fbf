//! The service's own keys: one to sign with, one to open with, one to wrap secrets with that lie in
//! the database for a while.
//!
//! They grow from three seeds in `DIR/keys.cbor`. A service must start after a power cut without
//! anybody there, so no password protects that file: the folder's permissions do. None of the three
//! opens an order that was sealed with a shop's own key.

use std::fmt;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use minicbor::{Decode, Encode};
use rand_core::Rng as _;
use tegata_cli::data::{self, DataDir};
use tegata_protocol::record::PartyKeys;
use tegata_protocol::{OpeningKey, SigningKey, Suite, cbor};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::chance;

/// The file in the data folder.
pub const FILE: &str = "keys.cbor";
const FILE_LIMIT: usize = 256;

/// Why the keys can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file can't be read or written.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The file isn't what this program wrote.
    #[error("the key file is damaged: restore {FILE} from a backup")]
    Damaged,
    /// Something wrapped with the keys doesn't unwrap.
    #[error(
        "a secret in the database wasn't wrapped with these keys: keys and database belong to different services, or one of them is damaged"
    )]
    Foreign,
}

/// The service's keys. Not `Clone`, not printable.
///
/// ```compile_fail
/// fn copy(keys: &tegata_sealing::keys::Keys) -> tegata_sealing::keys::Keys { keys.clone() }
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

    /// Signs replies, the log of programs, and the keys that the service makes itself.
    pub const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Opens messages that are sealed to the service.
    pub const fn opening(&self) -> &OpeningKey {
        &self.opening
    }

    /// The public halves.
    pub fn public(&self) -> PartyKeys {
        PartyKeys {
            spending: None,
            signing: self.signing.verifying_key(),
            opening: self.opening.sealing_key().clone(),
        }
    }

    /// Reads the keys; `None` before joining.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn read(dir: &DataDir) -> Result<Option<Self>, KeysError> {
        let Some(bytes) = dir.read_optional(FILE)?.map(Zeroizing::new) else {
            return Ok(None);
        };
        let seeds = cbor::decode(&bytes, FILE_LIMIT).map_err(|_e| KeysError::Damaged)?;
        Ok(Some(Self::grow(seeds)))
    }

    /// Writes the keys.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn write(&self, dir: &DataDir) -> Result<(), KeysError> {
        let bytes = Zeroizing::new(cbor::encode(&self.seeds));
        Ok(dir.write_atomic(FILE, &bytes)?)
    }

    /// Wraps a secret for the database (AES-256-GCM, the random nonce in front); `label` says what
    /// it is, and must be said again.
    pub fn wrap(&self, label: &[u8], secret: &[u8]) -> Vec<u8> {
        let mut nonce = [0; 12];
        chance::system().fill_bytes(&mut nonce);
        let payload = Payload {
            msg: secret,
            aad: label,
        };
        #[expect(clippy::expect_used, reason = "AES-GCM refuses only gigabytes")]
        let sealed = Aes256Gcm::new((&self.seeds.store).into())
            .encrypt(&Nonce::from(nonce), payload)
            .expect("sealing a short secret");
        [&nonce[..], &sealed].concat()
    }

    /// Unwraps a secret from the database.
    ///
    /// # Errors
    /// [`KeysError::Foreign`].
    pub fn unwrap(&self, label: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        let (nonce, sealed) = wrapped
            .split_first_chunk::<12>()
            .ok_or(KeysError::Foreign)?;
        let payload = Payload {
            msg: sealed,
            aad: label,
        };
        let opened = Aes256Gcm::new((&self.seeds.store).into()).decrypt(nonce.into(), payload);
        opened.map(Zeroizing::new).map_err(|_e| KeysError::Foreign)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.signing.verifying_key().id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_secret_opens_only_under_its_label_and_keys() {
        let keys = Keys::generate();
        let wrapped = keys.wrap(b"key 1", b"secret");
        assert_eq!(*keys.unwrap(b"key 1", &wrapped).unwrap(), b"secret");
        assert!(keys.unwrap(b"key 2", &wrapped).is_err());
        assert!(Keys::generate().unwrap(b"key 1", &wrapped).is_err());
        assert!(keys.unwrap(b"key 1", &wrapped[..11]).is_err());
    }
}
