//! Where randomness comes in: the operating system's.

use getrandom::SysRng;
use rand_core::UnwrapErr;

/// The operating system's random numbers. A system without any stops the program: nothing that
/// a sealing service does would be safe there.
pub type Chance = UnwrapErr<SysRng>;

/// The operating system's random numbers.
pub const fn system() -> Chance {
    UnwrapErr(SysRng)
}
