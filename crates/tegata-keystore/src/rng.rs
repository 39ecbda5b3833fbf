//! The system's random numbers, for the edges of programs: below them randomness is a parameter.

use getrandom::SysRng;
use rand_core::{Rng as _, UnwrapErr};
use zeroize::Zeroizing;

/// The operating system's generator. Where it gives nothing, the program ends: without randomness no key
/// and no nonce can be made.
#[must_use]
pub fn system() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// So many random bytes.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    system().fill_bytes(&mut bytes);
    bytes
}

/// A random secret of 32 bytes.
#[must_use]
pub fn secret() -> Zeroizing<[u8; 32]> {
    let mut secret = Zeroizing::new([0; 32]);
    system().fill_bytes(secret.as_mut());
    secret
}
