//! IC cards.

use std::fmt;

use serde::Serialize;
use tegata_protocol::card::{CardLoaded, CardPaid};

use super::{AmountView, TimeView};
use crate::{ic_card::Agreement, kept::KnownIcCard};

/// A card, as the centre last told of it.
#[derive(Clone, Debug, Serialize)]
pub struct IcCardView {
    card: String,
    balance: AmountView,
    owed: AmountView,
    blocked: bool,
    over: bool,
    as_of: TimeView,
}

impl From<&KnownIcCard> for IcCardView {
    fn from(known: &KnownIcCard) -> Self {
        Self {
            card: known.card.to_string(),
            balance: known.balance.into(),
            owed: known.owed.into(),
            blocked: known.blocked,
            over: known.over.is_some(),
            as_of: known.as_of.into(),
        }
    }
}

impl fmt::Display for IcCardView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.over {
            return write!(f, "Card {}: out of use ({})", self.card, self.as_of);
        }
        let state = if self.blocked { ", blocked" } else { "" };
        write!(f, "Card {}: {} on it{state}", self.card, self.balance)?;
        if self.owed.minor > 0 {
            write!(f, ", {} to be written on it", self.owed)?;
        }
        write!(f, " ({})", self.as_of)
    }
}

/// A payment that a card made.
#[derive(Clone, Debug, Serialize)]
pub struct CardPaidView {
    payment: String,
    card: String,
    amount: AmountView,
    left: AmountView,
    counter: u32,
}

impl From<&CardPaid> for CardPaidView {
    fn from(paid: &CardPaid) -> Self {
        Self {
            payment: paid.payment.to_string(),
            card: paid.card.to_string(),
            amount: paid.amount.into(),
            left: paid.balance.into(),
            counter: paid.counter,
        }
    }
}

impl fmt::Display for CardPaidView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            card, amount, left, ..
        } = self;
        write!(f, "Card {card} paid {amount}; {left} left on it")
    }
}

/// Money that was moved to a card's account.
#[derive(Clone, Debug, Serialize)]
pub struct CardLoadedView {
    card: String,
    amount: AmountView,
    prepaid: AmountView,
    account: AmountView,
}

impl From<&CardLoaded> for CardLoadedView {
    fn from(loaded: &CardLoaded) -> Self {
        Self {
            card: loaded.card.to_string(),
            amount: loaded.amount.into(),
            prepaid: loaded.prepaid.into(),
            account: loaded.account.into(),
        }
    }
}

impl fmt::Display for CardLoadedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} set aside for card {}: it's written on it when it's on a reader next\nPrepaid {}",
            self.amount, self.card, self.prepaid
        )
    }
}

/// What the member is asked before a card is debited.
#[derive(Clone, Debug, Serialize)]
pub struct AgreementView {
    shop: String,
    amount: AmountView,
    balance: Option<AmountView>,
    left: Option<AmountView>,
    card: String,
}

impl From<&Agreement> for AgreementView {
    fn from(agreement: &Agreement) -> Self {
        Self {
            shop: agreement.shop.clone(),
            amount: agreement.order.amount.into(),
            balance: agreement.order.balance.map(AmountView::from),
            left: agreement.left().map(AmountView::from),
            card: agreement.order.card.to_string(),
        }
    }
}

impl fmt::Display for AgreementView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "To {}: {}", self.shop, self.amount)?;
        match (&self.balance, &self.left) {
            (Some(balance), Some(left)) => {
                write!(f, "On the card now: {balance}, afterwards: {left}")
            }
            (Some(balance), None) => write!(f, "On the card now: {balance}, which isn't enough"),
            (None, _) => write!(f, "The card's balance wasn't read"),
        }
    }
}
