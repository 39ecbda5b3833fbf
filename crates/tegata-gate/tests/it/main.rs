//! The gate from end to end: real tickets, a real log, and the program itself as a process.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop at the first surprise"
)]

mod card;
mod centre;
mod door;
mod evidence;
mod foreign;
mod joining;
mod keyword;
mod kill;
mod loading;
mod malformed;
mod once;
mod page;
mod process;
mod refusals;
mod shop;
mod story;
#[path = "../../../tegata-card-keys/tests/it/world.rs"]
#[allow(dead_code, reason = "shared with the card-key server's own tests")]
mod world;
