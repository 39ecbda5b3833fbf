//! The shop against a small centre of the tests' own: real HTTP, real cryptography, real database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may"
)]

mod centre;
mod courier;
mod flow;
mod idempotency;
mod oversell;
mod refusals;
mod town;
