//! A party's keys: one to sign with, one to open with, and what its database's secrets lie under.
//!
//! They grow from seeds ([`Seeds`]), which lie where the party's kind has them: in a key file that the
//! folder's permissions protect ([`KeyFile`]: gates and sealing services, which must start after a power
//! cut without anybody there), or in a vault under two passwords (shops).

use std::fmt;

use minicbor::{Decode, Encode};
use tegata_cli::data::{self, DataDir};
use tegata_keystore::{
    rng,
    vault::{VaultError, WordsError},
    wrap::WrapKey,
};
use tegata_protocol::record::PartyKeys;
use tegata_protocol::{Digest, OpeningKey, SigningKey, Suite, cbor};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The key file in the data folder.
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
    /// The vault doesn't open.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The 24 words aren't such words.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// A password couldn't be read.
    #[error("the keys lie under a password, and it can't be read")]
    Password(#[from] tegata_cli::password::Error),
    /// Something wrapped with the keys doesn't unwrap.
    #[error(
        "a secret in the database wasn't wrapped with these keys: keys and database belong to \
         different parties, or one of them is damaged"
    )]
    Foreign,
}

/// What a party's keys grow from. Erased from memory when dropped.
///
/// ```compile_fail
/// fn copy(seeds: &tegata_party::keys::Seeds) -> tegata_party::keys::Seeds { seeds.clone() }
/// ```
#[derive(Zeroize, ZeroizeOnDrop, Encode, Decode)]
#[cbor(array)]
pub struct Seeds {
    /// Of the key that signs.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub signing: [u8; 32],
    /// Of the key that opens what is sealed to the party.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub opening: [u8; 32],
    /// Of what the database's secrets lie under.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub store: [u8; 32],
}

impl fmt::Debug for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seeds(…)")
    }
}

impl Seeds {
    /// From the system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self {
            signing: rng::bytes(),
            opening: rng::bytes(),
            store: rng::bytes(),
        }
    }
}

/// A party's keys. Not `Clone`, not printable.
///
/// ```compile_fail
/// fn copy(keys: &tegata_party::keys::Keys) -> tegata_party::keys::Keys { keys.clone() }
/// ```
pub struct Keys {
    signing: SigningKey,
    opening: OpeningKey,
    store: Zeroizing<[u8; 32]>,
    wrapping: WrapKey,
}

impl Keys {
    /// The keys that grow from these seeds.
    #[must_use]
    pub fn grow(seeds: &Seeds) -> Self {
        Self {
            signing: SigningKey::from_seed(&seeds.signing),
            opening: OpeningKey::from_seed(Suite::Standard, &seeds.opening),
            store: Zeroizing::new(seeds.store),
            wrapping: WrapKey::new(seeds.store),
        }
    }

    /// Signs what the party says: requests and replies, a shop's bills, a gate's log.
    #[must_use]
    pub const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Opens what is sealed to the party.
    #[must_use]
    pub const fn opening(&self) -> &OpeningKey {
        &self.opening
    }

    /// The public halves, as they stand in the party's record.
    #[must_use]
    pub fn public(&self) -> PartyKeys {
        PartyKeys {
            spending: None,
            signing: self.signing.verifying_key(),
            opening: self.opening.sealing_key().clone(),
        }
    }

    /// What follows from a secret of the party's and `what`, and from nothing else: 32 bytes that
    /// nobody can guess.
    #[must_use]
    pub fn derive(&self, label: &[u8], what: &[u8]) -> Digest {
        Digest::of_parts(&[b"tegata party derived v1", &*self.store, label, what])
    }

    /// Wraps a secret for the database; `label` says what it is, and must be said again.
    #[must_use]
    pub fn wrap(&self, label: &[u8], secret: &[u8]) -> Vec<u8> {
        self.wrapping.wrap(label, secret)
    }

    /// Unwraps a secret from the database.
    ///
    /// # Errors
    /// [`KeysError::Foreign`].
    pub fn unwrap(&self, label: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        self.wrapping
            .unwrap(label, wrapped)
            .ok_or(KeysError::Foreign)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.signing.verifying_key().id())
    }
}

/// Seeds in clear, in `DIR/keys.cbor`, which only its owner can read.
#[derive(Debug)]
pub struct KeyFile;

impl KeyFile {
    /// The keys; `None` before joining.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn read(dir: &DataDir) -> Result<Option<Keys>, KeysError> {
        match dir.read_optional(FILE)?.map(Zeroizing::new) {
            Some(_) => Self::open(dir).map(Some),
            None => Ok(None),
        }
    }

    /// The keys of a party that has joined.
    ///
    /// # Errors
    /// [`KeysError`], also when the file is missing.
    pub fn open(dir: &DataDir) -> Result<Keys, KeysError> {
        let bytes = Zeroizing::new(dir.read(FILE)?);
        let seeds: Seeds = cbor::decode(&bytes, FILE_LIMIT).map_err(|_e| KeysError::Damaged)?;
        Ok(Keys::grow(&seeds))
    }

    /// The keys as they are, or new ones, which are on the disk when this returns.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn open_or_make(dir: &DataDir) -> Result<Keys, KeysError> {
        if let Some(keys) = Self::read(dir)? {
            return Ok(keys);
        }
        let seeds = Seeds::random();
        dir.write_atomic(FILE, &Zeroizing::new(cbor::encode(&seeds)))?;
        Ok(Keys::grow(&seeds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tegata_cli::data::Party;

    #[test]
    fn keys_are_made_once_and_found_again() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::open(temp.path(), Party::new("tegata-gate", 1)).unwrap();
        assert!(KeyFile::read(&dir).unwrap().is_none());
        let made = KeyFile::open_or_make(&dir).unwrap();
        let again = KeyFile::open_or_make(&dir).unwrap();
        assert_eq!(made.public(), again.public());
        dir.write_atomic(FILE, b"other bytes").unwrap();
        assert!(matches!(
            KeyFile::open_or_make(&dir),
            Err(KeysError::Damaged)
        ));
    }

    #[test]
    fn a_wrapped_secret_opens_only_under_its_label_and_keys() {
        let keys = Keys::grow(&Seeds::random());
        let wrapped = keys.wrap(b"series 1", b"secret");
        assert_eq!(*keys.unwrap(b"series 1", &wrapped).unwrap(), b"secret");
        assert!(keys.unwrap(b"series 2", &wrapped).is_err());
        let others = Keys::grow(&Seeds::random());
        assert!(others.unwrap(b"series 1", &wrapped).is_err());
    }
}
