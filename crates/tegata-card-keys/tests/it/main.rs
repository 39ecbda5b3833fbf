//! The card-key server against the real applet.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may"
)]

mod gates;
mod key_file;
mod losses;
mod program;
mod receipts;
mod refusals;
mod tasks;
mod world;
