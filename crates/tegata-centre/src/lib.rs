//! The settlement centre: register, prepaid accounts, settlement, bank files, audit (M1-M8, M11).
//!
//! It listens on a Unix socket behind the guard and on another for operators. `handler` opens a message and
//! hands it to its exchange (`exchange/`), which verifies and counts it ([`rate_limits`]), says what it asks
//! of the book, and what is answered and sent to whom; the ledger decides and keeps it. [`audit`] asks the
//! same exchanges from the evidence alone. [`people`] keeps applications and personal details apart from all
//! that; the bank's statement files are read by [`tegata_bank`]; [`letter`] makes the letters that bring
//! numbers and codes; [`credit`] keeps card numbers, with keys that nothing else uses; [`ic_card`] signs debit
//! orders for IC cards, whose keys it never sees.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test may stop at the first surprise"
    )
)]

mod applications;
pub mod audit;
mod centre;
pub mod certify;
mod chores;
pub mod cli;
pub mod credit;
mod exchange;
mod handler;
pub mod heads;
pub mod ic_card;
pub mod keys;
pub mod letter;
pub mod operator;
mod operator_api;
pub mod people;
pub mod programs;
pub mod rate_limits;
pub mod readiness;
mod register;
mod reply;
pub mod sealed;
pub mod settings;
pub mod web;

pub use centre::Centre;
pub use handler::Answered;
pub use register::LiveRegister;
