//! Tickets.

use std::fmt;

use serde::Serialize;

use super::TimeView;
use crate::{
    error::WalletError,
    kept::{Holding, KeptTicket},
    wallet::Wallet,
};

/// A ticket.
#[derive(Clone, Debug, Serialize)]
pub struct TicketView {
    /// The id: SHA-256 of the signed ticket.
    pub ticket: String,
    /// The event.
    pub title: String,
    /// Where.
    pub place: String,
    kind: &'static str,
    /// What it's good for.
    pub contents: String,
    rules: Option<String>,
    shop: String,
    shop_name: String,
    series: u32,
    valid_from: TimeView,
    valid_until: TimeView,
    holder: &'static str,
    /// The card that it's on.
    pub card: Option<String>,
    /// Does it want a keyword?
    pub keyword: bool,
}

impl TicketView {
    /// The first and the first moment after it may be used, and who may: for a page.
    pub fn particulars(&self) -> [(&'static str, String); 5] {
        [
            ("place", self.place.clone()),
            ("contents", self.contents.clone()),
            ("valid_from", self.valid_from.to_string()),
            ("valid_until", self.valid_until.to_string()),
            ("shop", self.shop_name.clone()),
        ]
    }

    /// Does showing it take password B?
    pub fn needs_b(&self) -> bool {
        self.holder == holding_word(Holding::Spending)
    }
}

const fn holding_word(holding: Holding) -> &'static str {
    match holding {
        Holding::Everyday => "key_a",
        Holding::Spending => "key_b",
        Holding::Bearer => "bearer",
        Holding::Card(_) => "card",
    }
}

fn card(holding: Holding) -> Option<String> {
    match holding {
        Holding::Card(card) => Some(card.to_string()),
        Holding::Everyday | Holding::Spending | Holding::Bearer => None,
    }
}

impl fmt::Display for TicketView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id: String = self.ticket.chars().take(10).collect();
        writeln!(f, "{id}  {} — {}", self.title, self.place)?;
        writeln!(f, "            {}", self.contents)?;
        write!(
            f,
            "            from {} until {}; {}{}",
            self.valid_from,
            self.valid_until,
            match (&self.card, self.holder) {
                (Some(card), _) => format!("on card {card}"),
                (None, "key_b") => "shown with passwords A and B".to_owned(),
                (None, "bearer") => "for whoever carries it".to_owned(),
                (None, _) => "shown with password A".to_owned(),
            },
            if self.keyword {
                ", with its keyword"
            } else {
                ""
            }
        )
    }
}

impl Wallet {
    /// Every ticket, oldest first.
    ///
    /// # Errors
    /// [`WalletError::State`] when one isn't what it was.
    pub fn view_tickets(&self) -> Result<Vec<TicketView>, WalletError> {
        self.state
            .tickets
            .iter()
            .map(|t| self.view_ticket(t))
            .collect()
    }

    /// A ticket, verified again.
    ///
    /// # Errors
    /// [`WalletError::State`] when it isn't what it was.
    pub fn view_ticket(&self, kept: &KeptTicket) -> Result<TicketView, WalletError> {
        let (series, ticket) = self.open_ticket(kept)?;
        Ok(TicketView {
            ticket: kept.digest().to_string(),
            title: series.title.clone(),
            place: series.place.clone(),
            kind: ticket.contents.kind(),
            contents: series.describe(&ticket.contents),
            rules: series.rules.clone(),
            shop: kept.shop.to_string(),
            shop_name: self.name_of(kept.shop),
            series: series.series.number(),
            valid_from: ticket.valid.from().into(),
            valid_until: ticket.valid.until().into(),
            holder: holding_word(kept.holding),
            card: card(kept.holding),
            keyword: ticket.keyword.is_some(),
        })
    }
}
