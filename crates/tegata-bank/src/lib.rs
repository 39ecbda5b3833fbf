//! What comes from the bank: statement files, account numbers, payment references.
//!
//! Members fund their prepaid accounts by transfer or deposit (M7 ii, iii). The bank reports it
//! in a statement file; [`camt053::parse_for`] reads one and refuses it as a whole, with line and
//! reason, unless it is of the centre's account and agrees with itself to the last minor unit.
//! Which member an [`Entry`] belongs to is found by its [`PaymentReference`]:
//!
//! ```
//! # use tegata_bank::{camt053, sample, Found};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = sample::GOOD;
//! let file = camt053::parse_for(file.as_bytes(), &sample::ACCOUNT.parse()?)?;
//! let entries = file.statements.iter().flat_map(|s| &s.entries);
//! for entry in entries.filter(|e| e.is_creditable()) {
//!     match entry.references.payment_reference() {
//!         Found::One(reference) => println!("{}: {}", reference, entry.amount),
//!         Found::Nothing | Found::Several(_) => println!("to suspense: {}", entry.amount),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here knows members or writes to the ledger. Bytes come in and values go out: there is no
//! file, socket or clock.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::as_conversions,
        reason = "a test may stop at the first surprise"
    )
)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::as_conversions))]
#![deny(clippy::float_arithmetic)]

pub mod camt053;
mod error;
mod iban;
mod mod97;
mod reference;
pub mod sample;
mod statement;
mod sums;
#[cfg(test)]
mod tests;
mod xml;

pub use error::{StatementError, StatementErrorKind};
pub use iban::{AccountNumber, AccountNumberError, Iban, OtherAccount};
pub use reference::{Found, PaymentReference, ReferenceError, search};
pub use statement::{
    Balance, Content, Entry, EntryKind, EntryStatus, Nature, PersonalText, References, Side,
    Statement, StatementFile, StatementId,
};
