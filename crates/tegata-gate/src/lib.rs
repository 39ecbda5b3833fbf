//! A gate: checks tickets offline, admits each serial once, keeps the evidence (T7, T8).
//!
//! A gate knows three things: its own keys, the *check data* that shops hand it as sealed files
//! (which tickets exist, how to read their serials), and its *log* of admissions. With these it
//! decides alone; no network is needed at the door.
//!
//! ```text
//! scanned text → Gate: open, verify, decrypt the serial     on the caller's thread, on all cores
//!              → committer: used before? sign a log entry   one thread, many entries a transaction
//!              → SQLite, durable                            before anybody is told "admitted"
//!              → Verdict
//! ```
//!
//! A card on a reader takes the place of the scanned text ([`card`]): there the card-key server is asked.
//!
//! Start with [`Gate`], then [`admission`] (once means once, whatever breaks), then [`folder`]
//! (joining, loading check data). [`evidence`] is what remains afterwards: a chain of signed
//! entries that can be checked, exported, and compared with another gate's.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

pub mod admission;
pub mod card;
pub mod cli;
mod event;
pub mod evidence;
pub mod folder;
mod gate;
mod open;
mod page;
pub mod running;
pub mod serve;
pub mod settings;
pub mod store;
mod tries;
mod verdict;
pub mod words;

pub use event::{Event, EventId, EventName, UnusableCheckData};
pub use gate::{AskKeys, ChoiceError, Gate, Identity, Pending, Tapped, scanned};
pub use open::OpenError;
pub use verdict::{Admitted, Circumstance, Closed, FirstUse, KeywordFailure, Refused, Verdict};
