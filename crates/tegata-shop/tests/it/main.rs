//! The shop against a small centre of the tests' own: real HTTP, real cryptography, real database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may"
)]

mod cards;
mod catalogue;
mod centre;
mod check_data;
mod flow;
mod frames;
mod fulfilment;
mod goods;
mod idempotency;
mod joining;
mod looks;
mod orders;
mod oversell;
mod owner;
mod pages;
mod parcels;
mod program;
mod refusals;
mod routes;
mod town;
