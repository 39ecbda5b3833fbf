//! The IC card's protocol, both ends (`spec/cards.md` has it to the byte).
//!
//! [`applet`] is the program on the card, over a memory of pages ([`chip`]); [`session`] the end that
//! holds a card's keys ([`keys`]) and believes only what comes under a MAC ([`scp03`]); [`receipt`]
//! what a card says it did. [`link`] is a way from one to the other: in this process, through
//! a process that has a reader ([`helper`]; `tegata-card-reader` is that process), or to a card of
//! software in a reader of software ([`vpcd`], its memory in a file: [`image`]).
//!
//! Everything but the edges ([`helper`], [`vpcd`], [`image`]) is pure: bytes, times and randomness are arguments. Start with [`session`], then [`applet`].
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
pub mod image;
pub mod keys;
pub mod link;
pub mod receipt;
pub mod scp03;
pub mod session;
pub mod vpcd;
