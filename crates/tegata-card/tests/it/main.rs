//! The card's tests: what a card does for whom, and what it is after its power failed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::map_err_ignore,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop at the first surprise"
)]

mod desk;
mod life;
mod memory;
mod model;
mod refusals;
mod tear;
mod vectors;
