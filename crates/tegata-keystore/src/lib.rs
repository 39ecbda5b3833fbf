//! Keys at rest: what every program of ours does to keep a secret on a disk.
//!
//! [`wrap`] puts a secret under a key, [`stretch`](mod@stretch) makes a key of a password, [`vault`] keeps a party's
//! keys under two passwords, with a history that opens offline, and grows them from 24 words. [`rng`]
//! is the one place where the system's randomness is asked for.
//!
//! It knows no message and no money, and opens no socket.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

mod cbor;
pub mod rng;
pub mod stretch;
pub mod vault;
pub mod wrap;
