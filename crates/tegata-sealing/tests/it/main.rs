//! The service against a small centre and shops of the tests' own: real HTTP, real cryptography,
//! real database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may"
)]

mod centre;
mod ends;
mod handing;
mod joining;
mod made;
mod pages;
mod program;
mod programs;
mod routes;
mod town;
mod upload;
