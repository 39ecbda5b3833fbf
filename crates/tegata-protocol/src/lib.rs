//! Everything that Tegata's parties say to each other, and how they know whom to believe.
//!
//! Members, shops, gates and the centre trust each other only as far as a signature reaches. This
//! crate holds the vocabulary ([`Amount`], [`PartyNumber`], [`Digest`] …), the signed and sealed
//! envelope that carries every message ([`envelope`]), and one module for each exchange. It is
//! pure: bytes, time and randomness come in as arguments; it opens no socket, no file, no clock.
//!
//! Start with [`envelope`], then follow a purchase: [`joining`], [`prepaid`], [`purchase`],
//! [`payment`], [`ticket`]; sealed web orders are in [`order`],
//! IC cards in [`card`].
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        reason = "a test may stop at the first surprise"
    )
)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]
#![deny(clippy::float_arithmetic)]

pub mod book;
pub mod card;
pub mod cbor;
mod digest;
pub mod envelope;
pub mod joining;
mod malformed;
mod money;
mod number;
pub mod order;
pub mod payment;
pub mod prepaid;
pub mod purchase;
pub mod record;
pub mod refusal;
mod seal;
mod sign;
pub mod ticket;
mod time;
mod xwing;

pub use digest::{CardNumber, Digest, KeyId, MessageId, PaymentId};
pub use malformed::Malformed;
pub use money::{Amount, ArithmeticError, Change, Currency, MAX_MINOR};
pub use number::{PartyNumber, Role, SeriesId, TransactionNumber};
pub use seal::{OpeningKey, ReplyKey, Sealer, SealingKey, Suite, Unopenable};
pub use sign::{
    Document, Forged, SIGNED_LIMIT, SignedBytes, SigningKey, Unverified, Verified, VerifyingKey,
    digest_of, parse_kept_payload, payload_of,
};
pub use time::{CLOCK_WINDOW, Time, Validity};
