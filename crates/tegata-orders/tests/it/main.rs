//! The recipient's end as its host uses it: with a database file, a data folder and threads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may"
)]

mod forgetting;
mod key_supply;
mod opening;
mod recipient;
mod service;
