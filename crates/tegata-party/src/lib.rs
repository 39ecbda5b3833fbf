//! A registered party: everybody but the centre who has a number, keys of their own and the
//! register's signed record of both.
//!
//! [`client`] is how a party speaks to the others.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

pub mod client;
