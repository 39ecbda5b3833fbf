//! A shop: it sells tickets against bills that the centre settles.
//!
//! Its owner writes a [`catalogue`]: a TOML file with offers, quotas and prices. A member's sealed
//! request (T1) is answered with a bill or a refusal ([`counter`]); the quota is held from that
//! moment on, in one durable transaction of the shop's own database ([`store`]), so that nothing is
//! ever sold twice. The thread of [`fulfilment`] waits at the centre's mailbox: when it hears that the money is
//! held, it makes the tickets, seals them to the member and hands them over with the capture; only
//! the centre, once the capture is committed, lets them out. Gates get signed and sealed
//! [`check_data`] (T8). Goods that go by post are ordered at the [`pages`] and come as sealed
//! [`orders`].
//!
//! Who holds what: the shop has its signing key (bills, series records, deliveries), its opening
//! key, and for each series a secret and a batch key ([`keys`], [`series`]). It never holds a
//! member's key, and no money.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

pub mod card_interface;
pub mod catalogue;
pub mod check_data;
pub mod cli;
pub mod counter;
pub mod fulfilment;
pub mod listing;
pub mod numbers;
pub mod orders;
pub mod pages;
pub mod rate_limits;
pub mod seating;
pub mod series;
pub mod server;
pub mod settings;
pub mod shop;
pub mod store;
pub mod vault;
