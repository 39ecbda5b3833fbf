//! The card-key server (K4, K10): holds the cards' three master keys, opens sessions with cards, and
//! knows what each card did. It has no signing key, and knows neither member nor book.
//!
//! ```text
//! application server ── Request ──▶ serve ──▶ handler ──▶ store      orders, receipts, evidence
//!        ▲                                     │
//!        └────────────── Response ◀────────────┴── master keys ──▶ a key for this card
//! ```
//! What it's asked and what it answers stands in [`tegata_card_service`]; [`handler`] decides, without
//! clock or network; [`store`] keeps what must survive a crash; [`keys`] keeps the master keys under
//! a password; [`serve`] listens.
//!
//! Architecture invariant: no key of a card leaves this process except wrapped for that card, and
//! none stands in the store, in a log or in a response.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

pub mod cli;
pub mod handler;
pub mod keys;
pub mod serve;
pub mod settings;
pub mod store;
