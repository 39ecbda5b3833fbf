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
//!
//! ```
//! use tegata_ledger::{
//!     Draft, Evidence, EvidenceKind, Head, HeadSigner, Ledger, MessageKey, Note, Response,
//!     store::SqliteStore,
//! };
//! use tegata_protocol::{MessageId, PartyNumber, Time};
//!
//! /// The centre signs with its receipts key; here a head stands for itself.
//! struct Unsigned;
//!
//! impl HeadSigner for Unsigned {
//!     fn sign(&self, head: &Head) -> Vec<u8> {
//!         head.to_bytes()
//!     }
//!     fn read(&self, signed: &[u8]) -> Result<Head, String> {
//!         Head::from_bytes(signed).map_err(|e| e.to_string())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let store = SqliteStore::open(&folder.join("ledger.sqlite"))?;
//! let ledger = Ledger::open(store, 0, Box::new(Unsigned), &folder.join("heads"))?;
//! let key = MessageKey {
//!     party: PartyNumber::CENTRE,
//!     id: MessageId::from_bytes([7; 16]),
//! };
//! let evidence = Evidence {
//!     kind: EvidenceKind::Operator,
//!     bytes: b"signed: the doors open at nine".as_slice().into(),
//!     attachment: None,
//! };
//! let now = Time::from_secs(1_795_253_400);
//! let draft = Draft::new(key, evidence, Note, now, |decision| {
//!     Response::reply(format!("noted as record {}", decision.position).into_bytes())
//! });
//! let committed = ledger.submit_and_wait(draft)?;
//! assert_eq!(&committed.reply[..], b"noted as record 0:1");
//! let again = ledger.read(|reader| reader.reply_of(&key))?;
//! assert_eq!(again.map(|stored| stored.reply), Some(committed.reply.to_vec()));
//! # Ok(())
//! # }
//! ```
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
mod card;
mod committer;
mod draft;
mod effect;
mod heads;
mod ledger;
mod naming;
mod outcome;
mod record;
mod refusal;
mod rules;
pub mod store;
mod working;

pub use account::{Account, AccountId, AccountKind, Leg};
pub use action::{
    Action, Capture, ChangeCard, CloseBill, Deposit, DepositEntry, EmptyCard, ExpectFunding,
    HoldOrder, IssueCard, LoadCard, Note, PayOrder, Refuse, Register, Release, ReleaseReason,
    Replace,
};
pub use card::{Card, CardDeed, CardHold, CardReceipt, CardState};
pub use draft::{Committed, Decision, Draft, Fault, Response};
pub use effect::{
    Bill, BillState, Destination, Effect, EntryRecord, Funding, FundingState, Hold, HoldState,
    Statement, SuspenseReason,
};
pub use heads::{Head, HeadSigner, HeadsError, HeadsFile};
pub use ledger::{Ledger, OpenError};
pub use naming::{BillKey, StatementKey};
pub use outcome::{
    BillFound, Captured, CardChanged, CardMoved, Deposited, FundingExpected, Held, Noted, Paid,
    Posted, ReceiptPosted, Registered, Released,
};
pub use record::{
    Evidence, EvidenceKind, MessageKey, OutboxItem, Position, Record, RecordKind, Verdict,
};
pub use refusal::Refusal;
pub use rules::{Attempt, Decided, Operation, Outcome, decide};
pub use working::{Changed, Key, KnownMessage, Working};
