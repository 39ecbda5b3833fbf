//! The settlement centre: register, prepaid accounts, settlement, bank files, audit (M1-M8, M11).
//!
//! It listens on a Unix socket behind the guard and on another for operators. A message comes to the
//! [`desk`], which opens, verifies and counts it ([`rate_limits`]); [`interpret`] says what it asks of the
//! book; the ledger decides and keeps it; [`replies`] says what is answered and who else is told.
//! [`audit`] does the same from the evidence alone. [`people`] keeps applications and personal
//! details apart from all that; the bank's statement files are read by [`tegata_bank`]; [`letter`] makes the letters that
//! bring numbers and codes; [`credit`] keeps card numbers, with keys that nothing else uses; [`ic_card`] signs
//! debit orders for IC cards, whose keys it never sees.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test may stop at the first surprise"
    )
)]

pub mod audit;
pub mod cli;
pub mod credit;
pub mod desk;
pub mod ic_card;
pub mod interpret;
pub mod keys;
pub mod letter;
pub mod operator;
pub mod people;
pub mod programs;
pub mod rate_limits;
pub mod readiness;
mod register;
pub mod replies;
mod rule;
pub mod sealed;
pub mod settings;
pub mod web;

pub use register::LiveRegister;
