//! Secrets that leave nothing behind.
//!
//! A secret lives on the heap in one place, is wiped when dropped, and is only lent out. That
//! isn't enough: ciphers and hashes put blocks of it on the stack, where they stay until something
//! else happens to overwrite them. So whatever handles the spending secrets runs inside
//! [`leaving_nothing`], which wipes the stack below it afterwards.

use std::fmt;
use std::hint::black_box;

use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// 32 secret bytes, in one place.
pub(super) struct Secret32(Box<Zeroizing<[u8; 32]>>);

impl Secret32 {
    pub(super) fn zeroed() -> Self {
        Self(Box::new(Zeroizing::new([0; 32])))
    }

    pub(super) fn random(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Self::zeroed();
        rng.fill_bytes(secret.as_mut());
        secret
    }

    /// Copies the bytes; the caller answers for the original.
    pub(super) fn copied(bytes: &[u8; 32]) -> Self {
        let mut secret = Self::zeroed();
        secret.as_mut().copy_from_slice(bytes);
        secret
    }

    /// HKDF-SHA256 with the salt and the purpose.
    pub(super) fn derived(salt: Option<&[u8]>, from: &[u8], purpose: &[u8]) -> Self {
        let mut secret = Self::zeroed();
        expand(&Hkdf::new(salt, from), purpose, secret.as_mut());
        secret
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn as_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

impl fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret32(…)")
    }
}

/// HKDF's second step, for outputs that are always short enough.
pub(super) fn expand(hkdf: &Hkdf<Sha256>, purpose: &[u8], out: &mut [u8; 32]) {
    #[expect(clippy::expect_used, reason = "32 bytes are fewer than 255 × 32")]
    hkdf.expand(purpose, out).expect("32 bytes of output");
}

/// Runs `work`, then wipes the part of the stack that it used, also when it panics.
///
/// What `work` returns must not be secret itself.
#[inline(never)]
pub(super) fn leaving_nothing<T>(work: impl FnOnce() -> T) -> T {
    let _wipe = WipeOnDrop;
    apart(work)
}

struct WipeOnDrop;

impl Drop for WipeOnDrop {
    fn drop(&mut self) {
        wipe_stack();
    }
}

/// Keeps the work's frame below the wiping one's caller.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// Deeper than anything that handles a secret goes: signing and Argon2 need a tenth of it.
const WIPED: usize = 256 * 1024;

#[inline(never)]
fn wipe_stack() {
    let mut below = [0u8; WIPED];
    black_box(&mut below).as_mut_slice().zeroize();
    black_box(&below);
}
