//! The IC card's protocol, both ends (`spec/cards.md` has it to the byte).
//!
//! [`applet`] is the program on the card, over a memory of pages ([`chip`]); [`session`] the end that
//! holds a card's keys ([`keys`]) and believes only what comes under a MAC ([`scp03`]); [`receipt`]
//! what a card says it did. [`link`] is a way from one to the other: in this process, through
//! a reader (feature `pcsc`), through a process that has the reader ([`helper`]), or to a card of
//! software in a reader of software ([`vpcd`], its memory in a file: [`image`]). [`house`] is what
//! application server and card-key server say.
//!
//! Everything but the edges (`reader`, `helper`, `service`, `vpcd`, `image`, [`house::client`]) is pure:
//! bytes, times and randomness are arguments. Start with [`session`], then [`applet`].
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::float_arithmetic
    )
)]

pub mod apdu;
pub mod applet;
mod bytes;
pub mod chip;
pub mod command;
mod crypto;
pub mod helper;
pub mod house;
pub mod image;
pub mod keys;
pub mod link;
#[cfg(feature = "pcsc")]
pub mod reader;
pub mod receipt;
pub mod scp03;
#[cfg(feature = "pcsc")]
pub mod service;
pub mod session;
pub mod vpcd;
