//! The centre's front process (row M11: the guard).
//!
//! Everything that comes from outside reaches the centre through here. The guard is a process
//! of its own, so that a flaw in parsing what strangers send doesn't stand beside the centre's
//! keys and books: it holds no key but the one for TLS, opens no database, knows no message.
//! What it does is turn away what can't be meant well or would cost too much (wrong host,
//! method, size, rate), and pass all else on to the centre's Unix socket, bytes unchanged.
//!
//! - [`settings`]: `guard.toml`, environment, flags
//! - [`forward`]: one request to the centre and the answer back
//! - [`answers`]: what the guard itself says, when it must
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

pub mod answers;
pub mod forward;
pub mod settings;

mod guard;

pub use guard::{Guard, Patience};
