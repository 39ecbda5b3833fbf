//! The passwords of the tests' wallets.

use tegata_wallet::vault::{Cost, Password, Passwords};

pub(crate) const A: &str = "password for every day";
pub(crate) const B: &str = "password for spending";

pub(crate) fn pw(text: &str) -> Password {
    Password::typed(text)
}

pub(crate) fn two() -> Passwords {
    Passwords::two(pw(A), pw(B)).unwrap()
}

/// Argon2 at its cheapest: these tests open hundreds of vaults.
pub(crate) fn cheap() -> Cost {
    Cost::new(8, 1, 1).unwrap()
}
