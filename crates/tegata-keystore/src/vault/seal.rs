//! One layer of the vault: bytes sealed under a password.
//!
//! The password is stretched by Argon2id (RFC 9106) with a salt of its own. Each write takes a
//! fresh 32-byte salt, from which HKDF derives a fresh AES-256-GCM key and a commitment to it. The
//! commitment is compared before anything is decrypted: it distinguishes a wrong password from altered
//! contents, and no ciphertext opens under two passwords. The whole header is associated data, so
//! a layer can't be moved to another vault, place or password form.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use hkdf::Hkdf;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::secret::{Secret32, expand};
use super::{Damage, Layer, Password, PasswordForm, VaultError};

/// What it costs to try one password: Argon2id's memory, passes and lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Cost {
    #[n(0)]
    memory_kib: u32,
    #[n(1)]
    passes: u32,
    #[n(2)]
    lanes: u32,
}

impl Cost {
    /// What vaults are made with: 64 MiB, three passes, one lane; about a tenth of a second.
    pub const STANDARD: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };

    /// Another cost. Cheaper ones are for tests.
    ///
    /// # Errors
    /// [`VaultError::Cost`] outside 8 KiB per lane to 256 MiB, 1 to 16 passes, 1 to 4 lanes: a
    /// file that asks for more would stop the machine rather than open.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, VaultError> {
        let cost = Self {
            memory_kib,
            passes,
            lanes,
        };
        cost.check()?;
        Ok(cost)
    }

    fn check(self) -> Result<(), VaultError> {
        let lanes_fit = (1..=4).contains(&self.lanes);
        let passes_fit = (1..=16).contains(&self.passes);
        let least = self.lanes.saturating_mul(8);
        if lanes_fit && passes_fit && (least..=256 * 1024).contains(&self.memory_kib) {
            return Ok(());
        }
        Err(VaultError::Cost {
            memory_kib: self.memory_kib,
            passes: self.passes,
            lanes: self.lanes,
        })
    }
}

/// How a password becomes a key: in the header, in clear.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Stretching {
    #[n(0)]
    cost: Cost,
    #[cbor(n(1), with = "minicbor::bytes")]
    salt: [u8; 16],
}

/// A password, stretched. With it a layer can be written again without asking for the password.
#[derive(Debug)]
pub(super) struct LayerKey {
    stretching: Stretching,
    stretched: Secret32,
}

impl LayerKey {
    /// For a new layer, with a new salt.
    pub(super) fn fresh(
        password: &Password,
        cost: Cost,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, VaultError> {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        Self::stretch(password, &Stretching { cost, salt })
    }

    /// For a layer that exists.
    pub(super) fn stretch(
        password: &Password,
        stretching: &Stretching,
    ) -> Result<Self, VaultError> {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = stretching.cost;
        let params = argon2::Params::new(memory_kib, passes, lanes, Some(32))
            .map_err(VaultError::Stretching)?;
        let argon2 =
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let mut stretched = Secret32::zeroed();
        argon2
            .hash_password_into(password.as_bytes(), &stretching.salt, stretched.as_mut())
            .map_err(VaultError::Stretching)?;
        Ok(Self {
            stretching: stretching.clone(),
            stretched,
        })
    }

    /// Whether `password` is the one that this came from.
    pub(super) fn is_from(&self, password: &Password) -> Result<bool, VaultError> {
        let other = Self::stretch(password, &self.stretching)?;
        let same = self.stretched.as_bytes().ct_eq(other.stretched.as_bytes());
        Ok(same.into())
    }

    pub(super) fn cost(&self) -> Cost {
        self.stretching.cost
    }

    fn for_write(&self, write_salt: &[u8; 32]) -> WriteKey {
        let hkdf = Hkdf::new(Some(write_salt), self.stretched.as_bytes());
        let mut key = Secret32::zeroed();
        expand(&hkdf, b"tegata vault key v1", key.as_mut());
        let mut commitment = [0; 32];
        expand(&hkdf, b"tegata vault commitment v1", &mut commitment);
        WriteKey { key, commitment }
    }
}

/// The key of one write, never used for another: so its nonce may be zero.
struct WriteKey {
    key: Secret32,
    commitment: [u8; 32],
}

impl WriteKey {
    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(self.key.as_bytes().into())
    }
}

/// Where a sealed layer belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) vault: [u8; 16],
    pub(super) form: PasswordForm,
    pub(super) layer: Layer,
}

/// A sealed layer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Sealed {
    #[n(0)]
    stretching: Stretching,
    #[cbor(n(1), with = "minicbor::bytes")]
    write_salt: [u8; 32],
    #[cbor(n(2), with = "minicbor::bytes")]
    commitment: [u8; 32],
    #[cbor(n(3), with = "minicbor::bytes")]
    ciphertext: Vec<u8>,
}

impl Sealed {
    /// Seals `plain`, which needs room for the tag of 16 bytes lest it be moved in clear.
    pub(super) fn seal(
        place: Place,
        key: &LayerKey,
        mut plain: Zeroizing<Vec<u8>>,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let mut write_salt = [0; 32];
        rng.fill_bytes(&mut write_salt);
        let write_key = key.for_write(&write_salt);
        let mut sealed = Self {
            stretching: key.stretching.clone(),
            write_salt,
            commitment: write_key.commitment,
            ciphertext: Vec::new(),
        };
        #[expect(clippy::expect_used, reason = "contents are far below 64 GiB")]
        write_key
            .cipher()
            .encrypt_in_place(&Nonce::default(), &sealed.header(place), &mut *plain)
            .expect("sealing a layer");
        sealed.ciphertext = std::mem::take(&mut *plain);
        sealed
    }

    /// Stretches the password for this layer.
    pub(super) fn key(&self, password: &Password) -> Result<LayerKey, VaultError> {
        LayerKey::stretch(password, &self.stretching)
    }

    /// Whether the key is this layer's.
    pub(super) fn is_under(&self, key: &LayerKey) -> bool {
        self.commits_to(&key.for_write(&self.write_salt))
    }

    /// Opens the layer.
    pub(super) fn open(
        &self,
        place: Place,
        key: &LayerKey,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let write_key = key.for_write(&self.write_salt);
        if !self.commits_to(&write_key) {
            return Err(VaultError::WrongPassword { layer: place.layer });
        }
        let mut contents = Zeroizing::new(self.ciphertext.clone());
        write_key
            .cipher()
            .decrypt_in_place(&Nonce::default(), &self.header(place), &mut *contents)
            .map_err(|aes_gcm::Error| Damage::Layer(place.layer))?;
        Ok(contents)
    }

    /// Refuses costs that this program would never have written.
    pub(super) fn check(&self) -> Result<(), VaultError> {
        self.stretching.cost.check()
    }

    fn commits_to(&self, write_key: &WriteKey) -> bool {
        self.commitment.ct_eq(&write_key.commitment).into()
    }

    /// All that stands in clear, each part of a fixed length.
    fn header(&self, place: Place) -> Vec<u8> {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = self.stretching.cost;
        let mut header = b"tegata vault layer v1".to_vec();
        header.extend(place.vault);
        header.push(place.form.code());
        header.push(place.layer.code());
        header.extend(memory_kib.to_be_bytes());
        header.extend(passes.to_be_bytes());
        header.extend(lanes.to_be_bytes());
        header.extend(self.stretching.salt);
        header.extend(self.write_salt);
        header.extend(self.commitment);
        header
    }
}
