//! Money: the account, references, prepaid cards.

use std::fmt;

use serde::Serialize;
use tegata_protocol::prepaid::PaymentReference;

use super::{AmountView, TimeView, funding_word};
use crate::kept::{KeptCard, KnownBalance};

/// Where to pay in.
#[derive(Clone, Debug, Serialize)]
pub struct ReferenceView {
    pub(super) reference: String,
    amount: AmountView,
    funding: &'static str,
    account: String,
    owner: String,
    expires: TimeView,
}

impl From<PaymentReference> for ReferenceView {
    fn from(r: PaymentReference) -> Self {
        Self {
            reference: r.reference,
            amount: r.amount.into(),
            funding: funding_word(r.funding),
            account: r.account,
            owner: r.owner,
            expires: r.expires.into(),
        }
    }
}

impl fmt::Display for ReferenceView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<String> = self
            .reference
            .as_bytes()
            .chunks(4)
            .map(|c| String::from_utf8_lossy(c).into_owned())
            .collect();
        writeln!(f, "Pay in         {}", self.amount)?;
        writeln!(f, "to account     {} ({})", self.account, self.owner)?;
        writeln!(f, "with reference {}", groups.join(" "))?;
        write!(
            f,
            "until          {}; only this reference finds the way to you",
            self.expires
        )
    }
}

/// What the account holds.
#[derive(Clone, Debug, Serialize)]
pub struct BalanceView {
    balance: AmountView,
    held: AmountView,
    available: AmountView,
    as_of: TimeView,
}

impl BalanceView {
    /// Available, held, balance, as of: for a page.
    pub fn cells(&self) -> [String; 4] {
        [
            self.available.to_string(),
            self.held.to_string(),
            self.balance.to_string(),
            self.as_of.to_string(),
        ]
    }
}

impl From<KnownBalance> for BalanceView {
    fn from(b: KnownBalance) -> Self {
        Self {
            available: b.available().into(),
            balance: b.balance.into(),
            held: b.held.into(),
            as_of: b.as_of.into(),
        }
    }
}

impl fmt::Display for BalanceView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Balance    {:>20}", self.balance)?;
        writeln!(f, "held       {:>20}", self.held)?;
        writeln!(f, "available  {:>20}", self.available)?;
        write!(f, "as of {}", self.as_of)
    }
}

/// A prepaid card.
#[derive(Clone, Debug, Serialize)]
pub struct CardView {
    /// Its number.
    #[serde(rename = "card")]
    pub number: u64,
    /// What came in.
    pub value: AmountView,
    funding: &'static str,
    /// The reference it was paid under.
    pub reference: String,
    /// Until when it may be spent.
    pub expires: TimeView,
    /// In the account with it.
    pub balance: AmountView,
}

impl From<&KeptCard> for CardView {
    fn from(kept: &KeptCard) -> Self {
        let card = &kept.card;
        Self {
            number: card.number,
            value: card.value.into(),
            funding: funding_word(card.funding),
            reference: card.reference.clone(),
            expires: card.expires.into(),
            balance: card.balance.into(),
        }
    }
}

impl fmt::Display for CardView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Card {}: {} came in under {}; balance {}, to be spent until {}",
            self.number, self.value, self.reference, self.balance, self.expires
        )
    }
}
