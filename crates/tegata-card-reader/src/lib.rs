//! `tegata-card`: a card made of software for people to try, what is in the readers, and a reader for
//! programs that must not link the system's card library.
//!
//! [`cli`] is the program. With the feature `pcsc`, `reader` finds cards through the system's card
//! service, and `service` starts one of its own for tests and benches. Only this crate links the
//! system's library, so only this crate is compiled anew where that feature is on.
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
#[cfg(feature = "pcsc")]
pub mod reader;
#[cfg(feature = "pcsc")]
pub mod service;
