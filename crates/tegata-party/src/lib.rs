//! A registered party: everybody but the centre who has a number, keys of their own and the
//! register's signed record of both.
//!
//! [`letter`] reads the letter, as text or as a picture ([`picture`]), [`terms`] asks for consent, [`joining`] leads
//! from the letter to the record, [`identity`] is what a party knows of itself and of
//! the centre, [`keys`] what it signs and opens with, and [`client`] how it speaks to others. Shops,
//! gates and sealing services are parties; members have all this in their wallet, whose vault it lies in.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

pub mod answering;
pub mod client;
mod error;
pub mod identity;
pub mod joining;
pub mod keys;
pub mod letter;
pub mod picture;
pub mod terms;
