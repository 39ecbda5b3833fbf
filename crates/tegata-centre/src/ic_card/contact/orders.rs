//! The orders that take money off a card or put it on.

use tegata_card_service::{JobId, Money, OrderId, Request, Response};
use tegata_protocol::{
    Amount, Digest, PaymentId, Time,
    card::{CardBytes, DebitOrder, Next},
    refusal::Code,
};

use super::{Contact, Job, Stop, Waiting, plan::due, random, send};
use crate::ic_card::{CardKeys, IcCards, book, receipts::order_id};

impl Contact {
    pub(super) fn order_debit(
        &mut self,
        cards: &IcCards,
        server: &mut CardKeys,
        ((payment, read), id): ((PaymentId, bool), JobId),
        balance: Option<u32>,
        now: Time,
    ) -> Result<Next, Stop> {
        // The session may have found out that the card has paid, or never will.
        let standing = self.standing(cards)?;
        if let Some(next) = self.errand_done(cards, server, &standing)? {
            server.call(&Request::Abandon(id))?;
            return Ok(next);
        }
        let hold = due(&standing, payment, now)?.clone();
        let bill = cards.ledger.read(|b| b.bill(&hold.bill)).map_err(book)?;
        let bill = bill.ok_or(Code::IcCardNotDue)?.digest;
        let money = self.money(order_id(payment), hold.amount, bill, now);
        let terminal = hold.bill.shop.wire().to_be_bytes();
        let money = Money { terminal, ..money? };
        self.results.ordered = Some(order_id(payment));
        let response = server.call(&Request::Order(id, money))?;
        let Response::Ordered { counter, send } = response else {
            return self.respond(cards, server, (Job::Pay(payment, read), id), response, now);
        };
        let order = DebitOrder {
            card: self.card,
            payment,
            bill,
            shop: hold.bill.shop,
            amount: hold.amount,
            counter,
            balance: balance.map(|minor| standing.amount(minor)),
            issued: now,
            command: CardBytes(send),
        };
        self.waiting = Waiting::Agreement(Job::Pay(payment, read), id);
        Ok(Next::Agree(cards.sign_order(&order)))
    }

    pub(super) fn order_load(
        &mut self,
        cards: &IcCards,
        server: &mut CardKeys,
        id: JobId,
        now: Time,
    ) -> Result<Next, Stop> {
        let standing = self.standing(cards)?;
        self.results.written = true;
        // No more than it may hold; the rest stays owed to it.
        let room = cards.balance_limit().saturating_sub(standing.card.balance);
        let owed = standing.owed.min(room);
        if owed == 0 {
            server.call(&Request::Abandon(id))?;
            return self.next_job(cards);
        }
        let order = OrderId(random());
        self.results.loaded = owed;
        let owed = standing.amount(owed);
        let money = self.money(order, owed, self.id, now)?;
        self.results.ordered = Some(order);
        let response = server.call(&Request::Order(id, money))?;
        let Response::Ordered { send: bytes, .. } = response else {
            return self.respond(cards, server, (Job::Load, id), response, now);
        };
        self.waiting = Waiting::Bytes(Job::Load, id);
        Ok(send(bytes))
    }

    fn money(&self, id: OrderId, amount: Amount, bill: Digest, now: Time) -> Result<Money, Stop> {
        let minor = u32::try_from(amount.minor()).map_err(|_e| Code::IcCardLimit)?;
        Ok(Money {
            id,
            amount: minor,
            currency: amount.currency().code().to_owned(),
            bill: *bill.as_bytes(),
            terminal: [0; 8],
            time: u32::try_from(now.secs()).unwrap_or(u32::MAX),
        })
    }
}
