//! The recipient's end of sealed orders (O1-O13): what a shop, or the centre for its application
//! form, does with them.
//!
//! ```text
//! key supply ── makes keys, uploads ──▶ sealing service ──▶ browser
//!    │ hourly: epoch                                           │ SealedOrder
//!    ▼                                                         ▼
//! keys (secret halves under the epoch key) ──▶ open ──▶ consume ──▶ kept (under the order key)
//! ```
//! - [`keys`] makes keys and keeps their secret halves, encrypted under the key of the current
//!   [`epoch`], which lies in a file outside the database and is destroyed every hour.
//! - [`token`] makes the recipient's word that it waits for an order.
//! - [`open`] opens a sealed order, once: using up its key and the host's own rows (a sale, a quota)
//!   are one transaction of the host's database.
//! - [`kept`] keeps what was inside, encrypted under a key that the operator can replace.
//! - [`key_supply`] does what must be done with the sealing service, by network or by files.
//!
//! All tables stand in the host's own SQLite file ([`SCHEMA`]); all functions take its connection.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

use tegata_protocol::{PartyNumber, SigningKey};

pub mod cover;
pub mod epoch;
mod error;
mod host;
pub mod kept;
pub mod key_supply;
pub mod keys;
pub mod open;
mod ring;
pub mod settings;
mod store;
pub mod token;
mod watch;

pub use cover::{Bare, Cover};
pub use epoch::Epochs;
pub use error::{FormsError, OpenError};
pub use host::Host;
pub use kept::OrderKeys;
pub use key_supply::KeySupply;
pub use settings::{Rules, Settings, SettingsError};
pub use store::SCHEMA;
pub use watch::Fallbacks;

/// Who opens: a shop or the centre, and the key that signs its tokens, order keys and receipts.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// Its number.
    pub number: PartyNumber,
    /// A shop's bill key; the centre's receipts key.
    pub signing: &'a SigningKey,
}
