//! Secrets at rest under a key: AES-256-GCM, bound to a label that says what they are.
//!
//! Two ways. [`WrapKey::wrap`] takes a fresh random nonce, which stands in front of the ciphertext: one
//! key wraps many secrets (at most 2^32, NIST SP 800-38D §8.3). [`WrapKey::seal_once`] takes the nonce
//! zero, for a key that seals one thing in its life.

use std::fmt;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::rng;

const NONCE: usize = 12;

/// A key of 32 bytes that wraps secrets. Erased from memory when dropped.
///
/// ```compile_fail
/// fn copy(key: &tegata_keystore::wrap::WrapKey) -> tegata_keystore::wrap::WrapKey {
///     key.clone()
/// }
/// ```
///
/// ```compile_fail
/// fn show(key: &tegata_keystore::wrap::WrapKey) {
///     println!("{key}");
/// }
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct WrapKey([u8; 32]);

impl fmt::Debug for WrapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrapKey(…)")
    }
}

impl WrapKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Wraps `plain` under a random nonce, which stands in front. `label` says what it is, and must be
    /// said again.
    #[must_use]
    pub fn wrap(&self, label: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = rng::bytes();
        [nonce.as_slice(), &self.encrypt(nonce, label, plain)].concat()
    }

    /// Unwraps what [`wrap`](Self::wrap) made; `None` for another key, another label or changed bytes.
    #[must_use]
    pub fn unwrap(&self, label: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE>()?;
        self.decrypt(*nonce, label, sealed)
    }

    /// Seals `plain` under the nonce zero: this key must never seal anything else.
    #[must_use]
    pub fn seal_once(&self, label: &[u8], plain: &[u8]) -> Vec<u8> {
        self.encrypt([0; NONCE], label, plain)
    }

    /// Opens what [`seal_once`](Self::seal_once) made; `None` for another key, another label or changed
    /// bytes.
    #[must_use]
    pub fn open_once(&self, label: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.decrypt([0; NONCE], label, sealed)
    }

    fn encrypt(&self, nonce: [u8; NONCE], label: &[u8], plain: &[u8]) -> Vec<u8> {
        let payload = Payload {
            msg: plain,
            aad: label,
        };
        #[expect(
            clippy::expect_used,
            reason = "AES-GCM refuses only messages of gigabytes"
        )]
        Aes256Gcm::new((&self.0).into())
            .encrypt(&Nonce::from(nonce), payload)
            .expect("encrypting in memory")
    }

    fn decrypt(
        &self,
        nonce: [u8; NONCE],
        label: &[u8],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload {
            msg: sealed,
            aad: label,
        };
        let plain = Aes256Gcm::new((&self.0).into()).decrypt(&Nonce::from(nonce), payload);
        plain.ok().map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_secret_opens_only_under_its_label_and_key() {
        let key = WrapKey::new([1; 32]);
        let wrapped = key.wrap(b"series 1", b"secret");
        assert_eq!(*key.unwrap(b"series 1", &wrapped).unwrap(), b"secret");
        assert!(key.unwrap(b"series 2", &wrapped).is_none());
        assert!(
            WrapKey::new([2; 32])
                .unwrap(b"series 1", &wrapped)
                .is_none()
        );
        assert!(key.unwrap(b"series 1", &wrapped[..11]).is_none());
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert!(key.unwrap(b"series 1", &changed).is_none(), "byte {at}");
        }
    }

    #[test]
    fn the_same_secret_is_wrapped_otherwise_each_time() {
        let key = WrapKey::new([1; 32]);
        assert_ne!(key.wrap(b"", b"secret"), key.wrap(b"", b"secret"));
    }

    #[test]
    fn what_is_sealed_once_stands_without_a_nonce() {
        let key = WrapKey::new([1; 32]);
        let sealed = key.seal_once(b"file", b"secret");
        assert_eq!(sealed.len(), b"secret".len() + 16);
        assert_eq!(*key.open_once(b"file", &sealed).unwrap(), b"secret");
        assert!(key.open_once(b"other", &sealed).is_none());
        assert!(key.unwrap(b"file", &sealed).is_none());
    }
}
