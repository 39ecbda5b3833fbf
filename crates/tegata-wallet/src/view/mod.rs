//! What the wallet shows: one shape for `--json`, one rendering for people.
//!
//! Amounts are `{"currency":"JPY","minor":5000,"text":"JPY 5,000"}`, times seconds since 1970 with
//! their text, ids lower-case hexadecimal.

mod account;
mod bill;
mod catalogue;
mod history;
mod ic_card;
mod order;
mod status;
mod ticket;

use std::fmt;

use serde::Serialize;
use tegata_protocol::{Amount, Digest, Time, prepaid::Funding, refusal::Refusal};

pub use account::{BalanceView, CardView, ReferenceView};
pub use bill::{BillView, LineView, PaidView, TaxView, percent};
pub use catalogue::text as catalogue_text;
pub use history::{EntryView, history_csv};
pub use ic_card::{AgreementView, CardLoadedView, CardPaidView, IcCardView};
pub use order::OrderView;
pub use status::{AsideView, ClosedView, CollectedView, PendingView, StatusView};
pub use ticket::TicketView;

/// An amount.
#[derive(Clone, Debug, Serialize)]
pub struct AmountView {
    currency: String,
    minor: u64,
    text: String,
}

impl From<Amount> for AmountView {
    fn from(amount: Amount) -> Self {
        Self {
            currency: amount.currency().to_string(),
            minor: amount.minor(),
            text: amount.to_string(),
        }
    }
}

impl fmt::Display for AmountView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// A moment.
#[derive(Clone, Debug, Serialize)]
pub struct TimeView {
    unix: u64,
    text: String,
}

impl From<Time> for TimeView {
    fn from(time: Time) -> Self {
        Self {
            unix: time.secs(),
            text: time.to_string(),
        }
    }
}

impl fmt::Display for TimeView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Enough of an id to type.
pub fn short(id: Digest) -> String {
    id.to_string().chars().take(10).collect()
}

/// The word for a way of funding.
pub const fn funding_word(funding: Funding) -> &'static str {
    match funding {
        Funding::Credit => "credit",
        Funding::Transfer => "transfer",
        Funding::Deposit => "deposit",
        Funding::Cash => "cash",
    }
}

/// A refusal.
#[derive(Clone, Debug, Serialize)]
pub struct RefusalView {
    by: String,
    what: &'static str,
    code: u16,
    word: &'static str,
    text: &'static str,
    detail: Option<String>,
}

impl RefusalView {
    /// Of a signed refusal.
    pub fn new(by: &str, what: &'static str, refusal: &Refusal) -> Self {
        Self {
            by: by.to_owned(),
            what,
            code: refusal.code.number(),
            word: refusal.code.word(),
            text: refusal.code.text(),
            detail: refusal.detail.clone(),
        }
    }
}
