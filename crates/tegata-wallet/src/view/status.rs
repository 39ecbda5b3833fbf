//! Where the wallet stands, and what a visit to the mailbox brought.

use std::fmt;

use serde::Serialize;
use tegata_protocol::{Time, payment::Closing};

use super::{
    AmountView, BalanceView, BillView, CardPaidView, CardView, OrderView, ReferenceView,
    TicketView, TimeView,
};
use crate::{
    entry::Closed,
    error::WalletError,
    kept::{Pending, SetAside},
    mailbox::Collected,
    vault::PasswordForm,
    wallet::Wallet,
};

/// What was set aside.
#[derive(Clone, Debug, Serialize)]
pub struct AsideView {
    item: u64,
    why: String,
    received: TimeView,
}

impl From<&SetAside> for AsideView {
    fn from(aside: &SetAside) -> Self {
        Self {
            item: aside.item,
            why: aside.why.clone(),
            received: aside.received.into(),
        }
    }
}

impl fmt::Display for AsideView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Item {} can't be verified and was set aside: {}",
            self.item, self.why
        )
    }
}

/// A hold that was closed.
#[derive(Clone, Debug, Serialize)]
pub struct ClosedView {
    payment: String,
    shop: String,
    amount: AmountView,
    why: &'static str,
}

impl From<&Closed> for ClosedView {
    fn from(closed: &Closed) -> Self {
        Self {
            payment: closed.payment.to_string(),
            shop: closed.shop.to_string(),
            amount: closed.amount.into(),
            why: match closed.closing {
                Closing::Expired => "expired",
                Closing::Voided => "voided",
            },
        }
    }
}

impl fmt::Display for ClosedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Hold {} of {} was closed ({}): {} is available again",
            self.payment.get(..10).unwrap_or_default(),
            self.shop,
            self.why,
            self.amount
        )
    }
}

/// What a visit to the mailbox brought.
#[derive(Clone, Debug, Serialize)]
pub struct CollectedView {
    cards: Vec<CardView>,
    tickets: Vec<TicketView>,
    orders: Vec<OrderView>,
    closed: Vec<ClosedView>,
    card_payments: Vec<CardPaidView>,
    aside: Vec<AsideView>,
    known: u64,
}

impl fmt::Display for CollectedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = self.cards.iter().map(ToString::to_string).collect();
        lines.extend(self.tickets.iter().map(|t| format!("Ticket {t}")));
        lines.extend(self.orders.iter().map(ToString::to_string));
        lines.extend(self.closed.iter().map(ToString::to_string));
        lines.extend(self.card_payments.iter().map(ToString::to_string));
        lines.extend(self.aside.iter().map(ToString::to_string));
        if lines.is_empty() {
            lines.push("Nothing new.".to_owned());
        }
        f.write_str(&lines.join("\n"))
    }
}

/// What has no answer yet.
#[derive(Clone, Debug, Serialize)]
pub struct PendingView {
    what: &'static str,
    digest: String,
    to: String,
    made: TimeView,
}

impl From<&Pending> for PendingView {
    fn from(pending: &Pending) -> Self {
        Self {
            what: pending.what.word(),
            digest: pending.digest().to_string(),
            to: pending.to.to_string(),
            made: pending.made.into(),
        }
    }
}

impl fmt::Display for PendingView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}, signed {}", self.what, self.to, self.made)
    }
}

/// Where the wallet stands.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    number: String,
    registered: bool,
    centre: String,
    passwords: u8,
    balance: Option<BalanceView>,
    open_bills: Vec<BillView>,
    pending: Vec<PendingView>,
    awaited: Vec<ReferenceView>,
    tickets: usize,
    orders: usize,
    cards: usize,
    aside: Vec<AsideView>,
    history_entries: usize,
    heads_contradict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_repair: Option<String>,
}

impl StatusView {
    /// Is it in the register?
    pub const fn registered(&self) -> bool {
        self.registered
    }
}

impl fmt::Display for StatusView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.registered {
            "registered"
        } else {
            "not registered yet"
        };
        writeln!(f, "Member {} at {}, {state}", self.number, self.centre)?;
        let form = if self.passwords == 1 {
            "one password"
        } else {
            "passwords A and B"
        };
        writeln!(
            f,
            "{} ticket(s), {} order(s), {} card(s), {} entries of history, {form}",
            self.tickets, self.orders, self.cards, self.history_entries
        )?;
        if let Some(balance) = &self.balance {
            writeln!(f, "{balance}")?;
        }
        let mut more = |title: &str, lines: Vec<String>| {
            lines.iter().try_for_each(|l| writeln!(f, "{title}: {l}"))
        };
        more(
            "Pending",
            self.pending.iter().map(ToString::to_string).collect(),
        )?;
        more(
            "Awaited",
            self.awaited.iter().map(|a| a.reference.clone()).collect(),
        )?;
        let bill = |b: &BillView| {
            let id = b.bill.get(..10).unwrap_or_default();
            format!("{id} {} {}, until {}", b.title, b.total, b.expires)
        };
        more("Bill", self.open_bills.iter().map(bill).collect())?;
        more(
            "Set aside",
            self.aside.iter().map(ToString::to_string).collect(),
        )?;
        if self.heads_contradict {
            writeln!(
                f,
                "ALARM: two signed heads of the centre's book contradict each other: the book was \
                 changed. Keep heads.cbor as evidence, and tell the centre."
            )?;
        }
        if let Some(repair) = &self.history_repair {
            writeln!(f, "History: {repair}")?;
        }
        write!(
            f,
            "All of it is on your own disk; nobody else has the keys."
        )
    }
}

impl Wallet {
    /// What a visit to the mailbox brought.
    ///
    /// # Errors
    /// As [`Wallet::view_ticket`].
    pub fn view_collected(&self, collected: &Collected) -> Result<CollectedView, WalletError> {
        let tickets = collected.tickets.iter().map(|t| self.view_ticket(t));
        let orders = collected.orders.iter().map(|o| self.view_order(o));
        Ok(CollectedView {
            cards: collected.cards.iter().map(CardView::from).collect(),
            tickets: tickets.collect::<Result<_, _>>()?,
            orders: orders.collect::<Result<_, _>>()?,
            closed: collected.closed.iter().map(ClosedView::from).collect(),
            card_payments: collected
                .card_payments
                .iter()
                .map(CardPaidView::from)
                .collect(),
            aside: collected.aside.iter().map(AsideView::from).collect(),
            known: collected.known,
        })
    }

    /// Where the wallet stands.
    ///
    /// # Errors
    /// As [`Wallet::history`] and [`Wallet::view_bill`].
    pub fn view_status(&self, now: Time) -> Result<StatusView, WalletError> {
        let awaited = self.state.awaited.iter().filter(|r| now < r.expires);
        Ok(StatusView {
            number: self.state.number.to_string(),
            registered: self.state.record.is_some(),
            centre: self.state.centre.clone(),
            passwords: match self.form() {
                PasswordForm::One => 1,
                PasswordForm::Two => 2,
            },
            balance: self.state.balance.map(Into::into),
            open_bills: self.view_open_bills(now)?,
            pending: self.state.pending.iter().map(PendingView::from).collect(),
            awaited: awaited.cloned().map(Into::into).collect(),
            tickets: self.state.tickets.len(),
            orders: self.state.orders.len(),
            cards: self.state.cards.len(),
            aside: self.state.aside.iter().map(AsideView::from).collect(),
            history_entries: self.history()?.len(),
            heads_contradict: self.heads_contradict()?,
            history_repair: self.history.torn_end().map(|t| t.to_string()),
        })
    }
}
