//! Where randomness comes in: the operating system's.

use getrandom::SysRng;
use rand_core::{Rng as _, UnwrapErr};

/// The operating system's random numbers. A system without any stops the program: nothing that is
/// done here would be safe there.
pub(crate) const fn system() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// So many random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    system().fill_bytes(&mut bytes);
    bytes
}
