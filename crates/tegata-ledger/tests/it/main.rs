//! Tests of the book as its users see it: the handle, the store behind it, the audit, the rules.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod audit_bites;
mod battery;
mod cards;
mod committer;
mod faults;
mod foreign;
mod kill;
mod naive;
mod properties;
mod rules;
mod town;
