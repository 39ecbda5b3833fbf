//! The encrypted serial (T2) and the keyword's tag (T5), both from one secret of the series.
//!
//! Who holds the [`SeriesSecret`] can check tickets but not make any: they're signed with another
//! key. AES-SIV (RFC 5297) gives each serial one ciphertext, bound to issuer, series and batch key,
//! so a serial can't be moved to another ticket.

use core::fmt;

use aes_siv::{KeyInit, siv::Aes256Siv};
use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    Digest, KeyId, OpeningKey, PartyNumber, SeriesId, Suite, Unopenable, purchase::Keyword,
};

/// A ticket's number within its series. Secret from its holder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Serial(#[n(0)] u32);

impl Serial {
    /// A serial.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A serial under the series' key: 16 bytes of SIV, 4 of ciphertext.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct EncryptedSerial(#[cbor(n(0), with = "minicbor::bytes")] [u8; 20]);

impl EncryptedSerial {
    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// What binds a ticket to its keyword.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct KeywordTag(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

/// The one secret of a series that its gates hold. Not `Clone`, not printable.
///
/// ```compile_fail
/// fn copy(s: &tegata_protocol::ticket::SeriesSecret) -> tegata_protocol::ticket::SeriesSecret { s.clone() }
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SeriesSecret([u8; 32]);

impl SeriesSecret {
    /// A fresh secret.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// From where it was kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What to keep or to seal to a gate.
    pub const fn reveal(&self) -> &[u8; 32] {
        &self.0
    }

    /// The event's opening key: presentations are sealed to its public half.
    pub fn event_key(&self) -> OpeningKey {
        let mut seed = Zeroizing::new([0; 32]);
        self.expand(b"tegata event key v1", seed.as_mut());
        OpeningKey::from_seed(Suite::Compact, &seed)
    }

    /// The key for serials; make it once and use it often.
    pub fn serial_key(&self) -> SerialKey {
        let mut key = Box::new(Zeroizing::new([0; 64]));
        self.expand(b"tegata serial key v1", key.as_mut().as_mut());
        SerialKey(key)
    }

    /// The tag of a keyword for one serial (T5). Takes some 20 ms: guessing shall be slow.
    pub fn keyword_tag(&self, serial: Serial, keyword: &Keyword) -> KeywordTag {
        let mut key = Zeroizing::new([0; 32]);
        self.expand(b"tegata keyword key v1", key.as_mut());
        let salt = Digest::of_parts(&[b"tegata keyword salt v1", &serial.number().to_be_bytes()]);
        let mut stretched = Zeroizing::new([0; 32]);
        #[expect(
            clippy::expect_used,
            reason = "fixed parameters within Argon2's limits"
        )]
        Argon2::new(Algorithm::Argon2id, Version::V0x13, keyword_cost())
            .hash_password_into(keyword.as_bytes(), salt.as_bytes(), stretched.as_mut())
            .expect("Argon2 with fixed parameters");
        let mut tag = [0; 16];
        for (to, from) in tag.iter_mut().zip(tag_bytes(&key, serial, &stretched)) {
            *to = from;
        }
        KeywordTag(tag)
    }

    fn expand(&self, label: &[u8], out: &mut [u8]) {
        #[expect(
            clippy::expect_used,
            reason = "at most 64 bytes, far below HKDF's limit"
        )]
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(label, out)
            .expect("HKDF");
    }
}

/// 19 MiB, two passes: what a gate's computer does in some 20 ms.
fn keyword_cost() -> Params {
    #[expect(
        clippy::expect_used,
        reason = "fixed parameters within Argon2's limits"
    )]
    Params::new(19 * 1024, 2, 1, Some(32)).expect("fixed parameters")
}

fn tag_bytes(key: &[u8; 32], serial: Serial, stretched: &[u8; 32]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC key");
    mac.update(&serial.number().to_be_bytes());
    mac.update(stretched);
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for SeriesSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeriesSecret(…)")
    }
}

impl KeywordTag {
    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Encrypts and decrypts serials, from as many threads as one likes: the cipher's state is made for
/// each serial (two AES key schedules, below a microsecond).
pub struct SerialKey(Box<Zeroizing<[u8; 64]>>);

impl fmt::Debug for SerialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SerialKey(…)")
    }
}

impl SerialKey {
    fn cipher(&self) -> Aes256Siv {
        #[expect(clippy::expect_used, reason = "AES-256-SIV takes 64 bytes")]
        Aes256Siv::new_from_slice(self.0.as_slice()).expect("64 bytes")
    }

    /// Encrypts a serial for one issuer, series and batch key.
    pub fn encrypt(
        &self,
        issuer: PartyNumber,
        series: SeriesId,
        batch: KeyId,
        serial: Serial,
    ) -> EncryptedSerial {
        let [a, b, c] = headers(issuer, series, batch);
        #[expect(
            clippy::expect_used,
            reason = "three headers and four bytes are within SIV's limits"
        )]
        let bytes = self
            .cipher()
            .encrypt([&a[..], &b[..], &c[..]], &serial.number().to_be_bytes())
            .expect("SIV of four bytes");
        EncryptedSerial(bytes.try_into().unwrap_or([0; 20]))
    }

    /// Decrypts a serial, if it belongs to this issuer, series and batch key.
    ///
    /// # Errors
    /// [`Unopenable`].
    pub fn decrypt(
        &self,
        issuer: PartyNumber,
        series: SeriesId,
        batch: KeyId,
        encrypted: &EncryptedSerial,
    ) -> Result<Serial, Unopenable> {
        let [a, b, c] = headers(issuer, series, batch);
        let plain = self
            .cipher()
            .decrypt([&a[..], &b[..], &c[..]], &encrypted.0);
        let plain = plain
            .map_err(|_e| Unopenable)?
            .try_into()
            .map_err(|_e| Unopenable)?;
        Ok(Serial(u32::from_be_bytes(plain)))
    }
}

fn headers(issuer: PartyNumber, series: SeriesId, batch: KeyId) -> [[u8; 8]; 3] {
    [
        issuer.wire().to_be_bytes(),
        u64::from(series.number()).to_be_bytes(),
        *batch.as_bytes(),
    ]
}
