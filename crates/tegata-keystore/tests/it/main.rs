//! The vault: rows M3 (kept under A), M4, M5.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests may"
)]

mod layers;
#[cfg(target_os = "linux")]
mod memory;
mod model_disk;
mod power;
mod records;
mod rng;
mod seeds;

use std::sync::Arc;

use rng::{TestRng, test_rng};
use tegata_keystore::vault::{
    Cost, Disk, LockedVault, Master, NewVault, OpenVault, Password, Passwords, VaultError,
};

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

pub(crate) fn make(
    disk: &Arc<dyn Disk>,
    passwords: &Passwords,
    state: &[u8],
    rng: &mut TestRng,
) -> Result<OpenVault, VaultError> {
    let new = NewVault {
        master: Master::generate(rng, None),
        passwords,
        cost: cheap(),
        state,
    };
    OpenVault::create(Arc::clone(disk), new, rng)
}

pub(crate) fn open(disk: &Arc<dyn Disk>, a: &str) -> Result<OpenVault, VaultError> {
    LockedVault::find(Arc::clone(disk))?.open(&pw(a))
}
