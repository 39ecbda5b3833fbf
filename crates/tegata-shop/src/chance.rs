//! Where randomness comes in: the operating system's.

use getrandom::SysRng;
use rand_core::{Rng as _, UnwrapErr};
use tegata_protocol::TransactionNumber;

/// The operating system's random numbers. A system without any stops the program: nothing that
/// a shop does would be safe there.
pub type Chance = UnwrapErr<SysRng>;

/// The operating system's random numbers.
pub const fn system() -> Chance {
    UnwrapErr(SysRng)
}

/// A transaction number, each as likely as any other.
pub fn transaction_number() -> TransactionNumber {
    // 2⁶⁴ isn't a multiple of 10¹²; what is beyond the last whole one is drawn again.
    let whole = u64::MAX - u64::MAX % TransactionNumber::SPAN;
    loop {
        let drawn = system().next_u64();
        if drawn < whole
            && let Ok(number) = TransactionNumber::new(drawn % TransactionNumber::SPAN)
        {
            return number;
        }
    }
}
