//! The guard as a real process, before a centre that is no more than a socket with answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may"
)]

mod forwarding;
mod limits;
mod stopping;
mod tls;
mod town;
