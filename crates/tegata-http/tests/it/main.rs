//! Serving, and folders shared by processes, as their users meet them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may"
)]

mod serving;
mod sockets;
