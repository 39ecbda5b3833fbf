//! The IC card's protocol, both ends.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::float_arithmetic
    )
)]

pub mod apdu;
pub mod applet;
mod bytes;
pub mod chip;
pub mod command;
mod crypto;
pub mod house;
pub mod keys;
pub mod link;
pub mod receipt;
pub mod scp03;
pub mod session;
