//! A whole town on one machine: guard, centre, shop, gate and two wallets, each a process of its
//! own with its own data folder and keys, playing the story of a purchase.
//!
//! [`processes`] starts and ends the programs, [`recorder`] stands between them and keeps what
//! travels, [`town`] sets the parties up, [`story`] plays, [`map`] shows the way to their pages.
//! Nothing here is simulated: what the parties do, their own programs do. [`bench`] measures the
//! same programs.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

pub mod bench;
pub mod browser;
mod card;
mod card_service;
pub mod map;
pub mod processes;
pub mod recorder;
pub mod sealed;
pub mod story;
pub mod town;
