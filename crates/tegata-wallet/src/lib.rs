//! The member's side: vault, history, tickets, local page.
//!
//! A [`Wallet`] is opened with password A and can do everything for every day: ask, order, collect,
//! show. What spends takes password B as well, each time, and nothing of it stays in memory. Start
//! with [`wallet`] (vault, state and history together) and [`sending`] (what happens to a signed
//! message until its answer has come); then follow a purchase: [`joining`], [`prepaid`],
//! [`buying`], [`paying`], [`mailbox`], [`tickets`]; what was ordered on a shop's page begins in
//! [`web_bill`]; IC cards are in [`ic_card`], their readers in [`card_reader`]. [`cli`] is the program.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

pub mod buying;
pub mod card_reader;
mod card_trouble;
pub mod cli;
pub mod entry;
mod error;
pub mod ic_card;
pub mod joining;
pub mod kept;
pub mod mailbox;
pub mod page;
pub mod paying;
pub mod prepaid;
pub mod restoring;
pub mod sending;
mod speech;
pub mod state;
pub mod tickets;
pub mod view;
pub mod wallet;
pub mod web_bill;

pub use card_trouble::CardTrouble;
pub use error::{Unfit, Unpayable, WalletError};
pub use wallet::Wallet;

pub use tegata_keystore::vault;
