//! The gate from end to end: real tickets, a real log, and the program itself as a process.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod centre;
mod door;
mod evidence;
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
