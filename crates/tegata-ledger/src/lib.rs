//! The book: who owns what, why, and the proof of it.
//!
//! Every verified message becomes a [`Draft`]: what was signed, what it asks of the book (an
//! [`Action`]) and how to answer. One committer thread gathers the drafts that wait, decides them
//! one after the other by pure [rules](decide), writes them in a single durable transaction, signs a
//! [`Head`] over the chain of [`Record`]s and only then answers. So what was acknowledged is on
//! disk, the same message twice has the effect of once, and money is neither made nor lost.
//!
//! Read on in this order: [`Account`] and [`Leg`] (what money is here), [`Action`] and [`decide`]
//! (what may happen to it), [`Record`] (how it is remembered), [`Ledger`] (how it is used), the
//! [`store`] (where it lies) and [`audit`] (how anybody with the public keys checks it all).
//!
//! Convention: what we owe is positive, what we own is negative; in each currency all accounts
//! together are zero after every record.
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

#[macro_use]
mod numbered;
mod account;
mod action;
pub mod audit;
pub mod bench;
mod committer;
mod draft;
mod effect;
mod heads;
mod ledger;
mod record;
mod refusal;
mod rules;
pub mod store;
mod working;

pub use account::{Account, AccountId, AccountKind, Leg};
pub use action::{
    Action, BillKey, Deposit, DepositEntry, HoldOrder, PayOrder, ReleaseReason, StatementKey,
};
pub use draft::{Committed, Decision, Draft, Fault, OutboxItem, Response};
pub use effect::{
    Bill, BillState, Destination, Effect, EntryRecord, Funding, FundingState, Hold, HoldState,
    Statement, SuspenseReason,
};
pub use heads::{Head, HeadSigner, HeadsError, HeadsFile};
pub use ledger::{Ledger, OpenError};
pub use record::{Evidence, EvidenceKind, MessageKey, Position, Record, RecordKind, Verdict};
pub use refusal::Refusal;
pub use rules::{Decided, Outcome, decide};
pub use working::{Changed, Key, KnownMessage, Working};
