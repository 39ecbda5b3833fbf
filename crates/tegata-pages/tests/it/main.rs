//! The kit as its users meet it: whole pages, and pictures read back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may"
)]

mod contrast;
mod gallery;
mod qr;
