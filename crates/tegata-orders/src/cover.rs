//! What a host may put around the key files, and how rows are encrypted under their keys.

use tegata_keystore::wrap::WrapKey;
use zeroize::Zeroizing;

/// Encrypts `plain`; `aad` says what it is, and must be said again.
pub(crate) fn wrap(key: &[u8; 32], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    WrapKey::new(*key).wrap(aad, plain)
}

/// Decrypts what [`wrap`] made; `None` for another key, another `aad`, or changed bytes.
pub(crate) fn unwrap(key: &[u8; 32], aad: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    WrapKey::new(*key).unwrap(aad, wrapped)
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
