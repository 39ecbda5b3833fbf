//! Sealed forms in a real browser: every scheme, every attack. Chromium fills in the form of a shop
//! that this test plays, with the real frames and the real program; what arrives is opened in Rust.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "tests may"
)]

mod attacks;
mod browser;
mod looks;
mod schemes;
mod town;
