//! Numbers that a shop draws.

use rand_core::Rng as _;
use tegata_keystore::rng;
use tegata_protocol::TransactionNumber;

/// A transaction number, each as likely as any other.
#[must_use]
pub fn transaction_number() -> TransactionNumber {
    // 2⁶⁴ isn't a multiple of 10¹²; what is beyond the last whole one is drawn again.
    let whole = u64::MAX - u64::MAX % TransactionNumber::SPAN;
    loop {
        let drawn = rng::system().next_u64();
        if drawn < whole
            && let Ok(number) = TransactionNumber::new(drawn % TransactionNumber::SPAN)
        {
            return number;
        }
    }
}
