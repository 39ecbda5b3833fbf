//! What each of our programs does alike.
//!
//! A party's program (guard, centre, shop, wallet, gate) starts the same way: it reads its
//! command line, opens the folder that holds all it owns ([`data`]), reads its settings
//! ([`config`]), asks for passwords ([`password`]), starts its log ([`logs`]), and ends with a code
//! and a sentence that says what happened and what to do next ([`exit`]). What servers share beside
//! this is in `tegata-http`. This crate is that plumbing and nothing else: it knows no message, no
//! key and no money.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

pub mod clock;
mod code;
pub mod command;
pub mod config;
pub mod data;
pub mod exit;
pub mod logs;
pub mod password;
pub mod progress;
pub mod worker;
