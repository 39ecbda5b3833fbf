//! Encryption at rest: AES-256-GCM under a random nonce, which stands in front; and what a host may
//! put around the key files.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroizing;

use crate::chance;

/// Encrypts `plain`; `aad` says what it is, and must be said again.
pub(crate) fn wrap(key: &[u8; 32], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce: [u8; 12] = chance::bytes();
    let payload = Payload { msg: plain, aad };
    #[expect(clippy::expect_used, reason = "AES-GCM refuses only gigabytes")]
    let sealed = Aes256Gcm::new(key.into())
        .encrypt(&Nonce::from(nonce), payload)
        .expect("encrypting in memory");
    [&nonce[..], &sealed].concat()
}

/// Decrypts what [`wrap`] made; `None` for another key, another `aad`, or changed bytes.
pub(crate) fn unwrap(key: &[u8; 32], aad: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = wrapped.split_first_chunk::<12>()?;
    let payload = Payload { msg: sealed, aad };
    let plain = Aes256Gcm::new(key.into()).decrypt(&Nonce::from(*nonce), payload);
    plain.ok().map(Zeroizing::new)
}

/// What a host puts around the files that hold epoch keys and order keys: encryption under a key of
/// its own, which may be under a password.
pub trait Cover: Send + Sync {
    /// Encrypts a file's bytes; `label` says which file.
    fn cover(&self, label: &[u8], bytes: &[u8]) -> Vec<u8>;

    /// Decrypts them again; `None` when they weren't covered so.
    fn uncover(&self, label: &[u8], covered: &[u8]) -> Option<Zeroizing<Vec<u8>>>;
}

/// No cover: the files are as safe as the folder that they lie in.
#[derive(Clone, Copy, Debug)]
pub struct Bare;

impl Cover for Bare {
    fn cover(&self, _label: &[u8], bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    fn uncover(&self, _label: &[u8], covered: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        Some(Zeroizing::new(covered.to_vec()))
    }
}
