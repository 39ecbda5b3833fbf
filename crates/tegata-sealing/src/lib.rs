//! A sealing service (O1-O13): whoever orders at a shop's page gets a key from here, and the
//! program that seals the order with it.
//!
//! ```text
//! shop ── StockUpload: keys, signed ──▶ handler ──▶ store        keys wait in stock
//! browser ── CartToken, signed by the shop ──▶ handing ──▶ key and program, at once
//! shop ── KeysWanted ──▶ handler ──▶ keys that the service made, where a shop wants that
//! ```
//! Shops upload batches of signed one-time keys ([`handler`]); for each order one is taken out of stock
//! in one durable transaction ([`handing`], [`store`]) and never given to another. The texts of all
//! programs ever handed out stand in a public, chained and signed log ([`programs`]).
//!
//! Who holds what: the service has a signing key and an opening key of its own ([`keys`]). By
//! default it holds public halves of order keys only, made and signed by the shop, and can open no
//! order. Settings whose names begin with `danger_` change that, for those who want the variants in
//! which the service is trusted. It never sees a ledger, money or an order.
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
pub mod handing;
pub mod handler;
pub mod key_expiry;
pub mod packing;
pub mod pages;
pub mod programs;
pub mod server;
pub mod service;
pub mod settings;
pub mod store;
