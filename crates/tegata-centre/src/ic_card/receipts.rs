//! Brings the book up to date with what cards did: the card-key server's receipts, each posted once.
//!
//! It doesn't matter what got lost before: a centre that was killed between a card's debit and its
//! posting finds the receipt here the next time, and posts it then.

use std::{
    collections::HashSet,
    sync::{MutexGuard, PoisonError},
};

use tegata_card::receipt::Receipt;
use tegata_card_service::{Fate, OrderId, Request, Response};
use tegata_ledger::{Card, Committed, Fault, Hold, HoldState, Verdict};
use tegata_protocol::{Amount, CardNumber, Digest, PaymentId, Time, book::Rule};

use super::{CardFault, CardKeys, IcCards, book, number, unexpected};
use crate::exchange::rule;

/// The order's number on the card: the beginning of the payment's.
pub(crate) fn order_id(payment: PaymentId) -> OrderId {
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(payment.digest().as_bytes()) {
        *to = *from;
    }
    OrderId(id)
}

/// How a card stands in the book.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) card: Card,
    /// What is still to be written on it, in minor units.
    pub(crate) owed: u32,
    /// Payments that wait for it.
    pub(crate) awaiting: Vec<Hold>,
}

impl Standing {
    pub(crate) fn amount(&self, minor: u32) -> Amount {
        let currency = self.card.currency;
        Amount::new(minor.into(), currency).unwrap_or(Amount::zero(currency))
    }
}

impl IcCards {
    /// How a card stands in the book; `None` if it wasn't issued.
    pub(crate) fn standing(&self, number: CardNumber) -> Result<Option<Standing>, CardFault> {
        let Some(card) = self.ledger.read(|b| b.card(&number)).map_err(book)? else {
            return Ok(None);
        };
        let id = card.account();
        let account = self.ledger.read(|b| b.account(&id)).map_err(book)?;
        let holds = self.ledger.read(|b| b.holds_of(&id)).map_err(book)?;
        let waits = |hold: &Hold| hold.state == HoldState::Awaiting;
        let awaiting: Vec<Hold> = holds.into_iter().filter(waits).collect();
        // On the card is what is available, and what waits for it to be taken off.
        let waiting: i64 = awaiting.iter().map(|h| h.amount.credit().minor()).sum();
        let available = account.unwrap_or_default().available();
        let should = available.saturating_add(waiting);
        let owed = should.saturating_sub(i64::from(card.balance));
        // What a card that is over still holds, its account has given to another.
        if owed < 0 && !card.state.is_over() {
            tracing::error!(card = %number, owed, "a card holds more than its account");
        }
        Ok(Some(Standing {
            card,
            owed: u32::try_from(owed.max(0)).unwrap_or(u32::MAX),
            awaiting,
        }))
    }

    /// Posts every receipt of a card that the book doesn't have, and gives up payments of which the
    /// card-key server knows that the card never made them.
    pub(super) fn catch_up(
        &self,
        server: &mut CardKeys,
        card: CardNumber,
        now: Time,
    ) -> Result<(), CardFault> {
        let Some(standing) = self.standing(card)? else {
            return Ok(());
        };
        let mut after = standing.card.counter;
        loop {
            let asked = Request::Receipts(number(card), after);
            let Response::Receipts(receipts) = server.call(&asked)? else {
                return Err(unexpected("receipts"));
            };
            let mut last = after;
            for receipt in &receipts {
                last = last.max(self.post_new(&receipt.0, now)?);
            }
            if last <= after {
                break;
            }
            after = last;
        }
        match self.standing(card)? {
            Some(standing) => self.give_up(server, &standing, now),
            None => Ok(()),
        }
    }

    fn give_up(
        &self,
        server: &mut CardKeys,
        standing: &Standing,
        now: Time,
    ) -> Result<(), CardFault> {
        for hold in &standing.awaiting {
            let asked = Request::Find(order_id(hold.payment));
            let Response::Found(fate) = server.call(&asked)? else {
                return Err(unexpected("an order"));
            };
            match fate {
                Fate::NotCarriedOut => {
                    self.carry_out(Rule::CardVoid(hold.payment), now)?;
                }
                Fate::CarriedOut(receipt) => drop(self.post_new(&receipt, now)?),
                Fate::Unknown | Fate::InDoubt => {}
            }
        }
        Ok(())
    }

    fn refused(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Posts a receipt that the card-key server has verified. One that the book has changes nothing. Says
    /// whether the book took it.
    pub(crate) fn post(&self, bytes: &[u8], now: Time) -> Result<bool, CardFault> {
        let receipt = Receipt::parse(bytes);
        let receipt = receipt.ok_or_else(|| book("a receipt can't be read"))?;
        let payment = self.payment_of(&receipt)?;
        self.carry_out(Rule::CardReceipt(bytes.to_vec(), payment), now)
    }

    /// Posts a receipt, unless the book has it: asking again is no record. Gives its counter.
    pub(crate) fn post_new(&self, bytes: &[u8], now: Time) -> Result<u32, CardFault> {
        let receipt = Receipt::parse(bytes);
        let receipt = receipt.ok_or_else(|| book("a receipt can't be read"))?;
        let card = CardNumber::from_bytes(*receipt.csn.as_bytes());
        let (counter, digest) = (receipt.transaction.counter, Digest::of(bytes));
        let settled = self.has(card, counter, digest)? || self.refused().contains(&digest);
        // Another thread may have posted it meanwhile.
        if !settled && !self.post(bytes, now)? && !self.has(card, counter, digest)? {
            tracing::error!(%card, counter, "the book doesn't take this receipt: look into it");
            self.refused().insert(digest);
        }
        Ok(counter)
    }

    /// Posts a receipt that came by another way. Says whether the book has it now.
    pub(crate) fn submit(&self, bytes: &[u8], now: Time) -> Result<bool, CardFault> {
        // What was refused may be taken now: its card or shop is known since, say.
        self.refused().remove(&Digest::of(bytes));
        self.post_new(bytes, now)?;
        Ok(!self.refused().contains(&Digest::of(bytes)))
    }

    /// Does the book have the receipt?
    fn has(&self, card: CardNumber, counter: u32, digest: Digest) -> Result<bool, CardFault> {
        // The key before it, so that the first one that follows is it, if it's there.
        let before = (card, counter.saturating_sub(1));
        let found = self.ledger.read(|b| b.receipts(Some(&before), 1));
        let found = found.map_err(book)?;
        let mut found = found.iter();
        Ok(found.any(|(key, digests)| *key == (card, counter) && digests.contains(&digest)))
    }

    /// The payment whose number begins as the order's id does.
    fn payment_of(&self, receipt: &Receipt) -> Result<Option<PaymentId>, CardFault> {
        let id = receipt.transaction.id;
        let mut first = [0; 32];
        for (to, from) in first.iter_mut().zip(id) {
            *to = from;
        }
        let before = PaymentId::new(Digest::from_bytes(first));
        let found = self.ledger.read(|b| b.holds(Some(&before), 1));
        let found = found.map_err(book)?.pop().map(|hold| hold.payment);
        Ok(found.filter(|payment| order_id(*payment).0 == id))
    }

    /// Carries out a rule that rests on the card-key server's word. What the book refuses was done
    /// before, by another thread or before a crash; it's told in the log. Says whether the book took it.
    pub(crate) fn carry_out(&self, rule: Rule, now: Time) -> Result<bool, CardFault> {
        let draft = rule::draft_signed(rule, &self.receipts, self.currency, now).map_err(book)?;
        let committed: Committed = self
            .ledger
            .submit_and_wait(draft)
            .map_err(|e: Fault| book(e))?;
        match committed.verdict {
            Verdict::Refused(code) => {
                tracing::warn!(
                    code,
                    "what a card did was refused by the book, or known to it"
                );
                Ok(false)
            }
            Verdict::Accepted => Ok(true),
        }
    }
}
