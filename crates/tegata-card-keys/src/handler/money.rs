//! Debit, load, refund.
//!
//! Boundaries, each one transaction, each before anybody is told:
//!
//! 1. the order is kept as in doubt, then `Ordered`;
//! 2. the verified receipt is kept and the order is done, then `Settled`; or the card's authentic
//!    refusal ends it, then `Refused`;
//! 3. the card said that it heard of the receipt, then `Done`.
//!
//! Between 1 and 2 the next job finds out; between 2 and 3 it only confirms.

use tegata_card::command::AMOUNT_LIMIT;
use tegata_card::receipt::{Kind, Transaction};
use tegata_card::session::{Order, Reply, Said, Session};
use tegata_card_service::{CardKeysRefusal, Money, Response};

use super::plan::Plan;
use super::{Asked, Desk, Flow, Job, Stage, Turn, balance_after, purse_told, refusal, refused};
use crate::store::{CardRecord, CardState, MoneyOrder, OrderState, Reason, StoreError};

impl Desk<'_> {
    /// The purse may be used: what may be ordered.
    pub(super) fn money_opened(&mut self, job: &Job, session: Session) -> Turn {
        let purse = match &job.purse {
            Some(purse) => purse.clone(),
            None => purse_told(&self.card(job.csn)?, None),
        };
        let resolved = job.resolved.clone();
        let response = Response::Opened { resolved, purse };
        Ok(Flow::Wait(response, Stage::Ready(session)))
    }

    /// The money.
    pub(super) fn order(&mut self, job: &mut Job, stage: Stage, money: &Money) -> Turn {
        let (mut session, kind) = match (stage, &job.plan) {
            (Stage::Ready(session), Plan::Money { kind, .. }) => (session, *kind),
            (stage, _) => return Ok(Flow::End(stage.given_up(CardKeysRefusal::OutOfTurn))),
        };
        let card = self.card(job.csn)?;
        if let Some(why) = self.objection(&card, money)? {
            return refused(why);
        }
        let order = MoneyOrder {
            csn: job.csn,
            kind,
            transaction: Transaction {
                id: money.id.0,
                amount: money.amount,
                counter: card.counter.saturating_add(1),
                bill: money.bill,
                terminal: money.terminal,
                time: money.time,
            },
            state: OrderState::Pending,
        };
        let what = match kind {
            Kind::Debit => Order::Debit(order.transaction),
            Kind::Load => Order::Load(order.transaction),
            Kind::Refund | Kind::Void => Order::Refund(order.transaction),
        };
        let Ok(send) = session.order(&what) else {
            return refused(CardKeysRefusal::WrongRequest);
        };
        // Durable before the bytes leave: whoever holds them can have the card carry them out.
        let now = self.now;
        self.store.write(|tables| tables.give_order(&order, now))?;
        let counter = order.transaction.counter;
        tracing::info!(card = %job.csn, counter, ?kind, "an order is given");
        let stage = Stage::Asked(session, Asked::Money(order));
        Ok(Flow::Wait(Response::Ordered { counter, send }, stage))
    }

    fn objection(
        &self,
        card: &CardRecord,
        money: &Money,
    ) -> Result<Option<CardKeysRefusal>, StoreError> {
        Ok(if self.store.read().order(money.id.0)?.is_some() {
            Some(CardKeysRefusal::OrderKnown)
        } else if card.denied {
            Some(CardKeysRefusal::Denied)
        } else if card.state == CardState::Blocked {
            Some(CardKeysRefusal::Blocked)
        } else if !(1..=AMOUNT_LIMIT).contains(&money.amount) {
            Some(CardKeysRefusal::WrongAmount)
        } else if money.currency.as_bytes() != card.limits.currency {
            Some(CardKeysRefusal::WrongCurrency)
        } else if card.counter == u32::MAX {
            Some(CardKeysRefusal::Worn)
        } else {
            None
        })
    }

    /// What the card said to the money, under its MAC.
    pub(super) fn money_told(
        &mut self,
        job: &Job,
        session: Session,
        order: &MoneyOrder,
        said: Said,
    ) -> Turn {
        match said {
            Said::Done(Reply::Receipt(receipt)) => self.receipt_came(job, session, order, receipt),
            Said::Refused(status) => {
                let why = refusal(status);
                // Authentic, so it wasn't carried out; and the session's chain of MACs has moved
                // on, so the same bytes can't be used again. The counter is free.
                let look = why == CardKeysRefusal::WrongCounter;
                self.store.write(|tables| {
                    tables.end_order(order.transaction.id, OrderState::Refused)?;
                    tables.change_card(job.csn, |card| card.look = look)
                })?;
                refused(why)
            }
            Said::Done(_) | Said::AlreadyPunched(_) => Ok(Flow::End(Response::InDoubt)),
        }
    }

    fn receipt_came(
        &mut self,
        job: &Job,
        mut session: Session,
        order: &MoneyOrder,
        came: tegata_card::receipt::Receipt,
    ) -> Turn {
        let card = self.card(job.csn)?;
        let strange = |reason| (reason, Response::InDoubt);
        let verified = self.verified(came);
        let (reason, response) = match verified {
            None => strange(Reason::ReceiptForged),
            Some(_) if !order.is_met_by(&came) => strange(Reason::OrderDiffers),
            Some(_) if balance_after(card.balance, &came) != Some(came.balance) => {
                strange(Reason::BalanceDiffers)
            }
            Some(receipt) => {
                let confirm = Order::Confirm(order.transaction.id);
                let Ok(send) = session.order(&confirm) else {
                    return Ok(Flow::End(Response::InDoubt));
                };
                self.store.write(|tables| {
                    tables.keep_receipt(&receipt)?;
                    tables.end_order(order.transaction.id, OrderState::Done)?;
                    tables.change_card(job.csn, |card| {
                        card.counter = came.transaction.counter;
                        card.balance = came.balance;
                    })
                })?;
                tracing::info!(card = %job.csn, counter = came.transaction.counter, "settled");
                let receipt = came.to_bytes();
                let stage = Stage::Asked(session, Asked::Settled);
                return Ok(Flow::Wait(Response::Settled { receipt, send }, stage));
            }
        };
        self.denied(job.csn, reason, (None, Some(&came)), response)
    }

    /// The card knows that its receipt arrived.
    pub(super) fn settled(&mut self, job: &Job) -> Turn {
        self.store
            .write(|tables| tables.change_card(job.csn, |card| card.look = false))?;
        Ok(Flow::End(Response::Done(Default::default())))
    }
}
