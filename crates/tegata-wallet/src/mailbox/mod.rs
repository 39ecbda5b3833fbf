//! Collecting (M7, T3): what the centre has for this member. Password A alone.
//!
//! The centre signs each item; what a shop sealed for the member travels with it, or its receipt of
//! an order that was made on its page. An item that
//! doesn't verify is set aside and reported, never shown as what it claims to be. Each item counts
//! once, by what it says and not only by its number: an item that comes again changes nothing.
//!
//! What was set aside is looked at again on every visit: a delivery of a shop that this wallet hadn't
//! met, say, is understood once it has.

mod confirmation;
mod delivery;
mod paid_for;

use tegata_party::client::Caller;
use tegata_protocol::{
    Amount, MessageId, PartyNumber, PaymentId, SignedBytes, Time, Unverified, Verified,
    card::CardPaid,
    envelope::{Body, Message},
    payment::{Collect, Delivered, HoldClosed, Item, Mailbox},
    prepaid::PrepaidCard,
};

use crate::{
    entry::{self, Closed, Entry},
    error::WalletError,
    kept::{BillStatus, KeptCard, KeptOrder, KeptTicket, KnownBalance, SetAside},
    sending::payment_of,
    wallet::{Centre, Wallet, rng},
};

/// What a visit to the mailbox brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// New prepaid cards.
    pub cards: Vec<KeptCard>,
    /// New tickets.
    pub tickets: Vec<KeptTicket>,
    /// Orders that shops confirmed.
    pub orders: Vec<KeptOrder>,
    /// Holds that were closed without a delivery.
    pub closed: Vec<Closed>,
    /// Payments that IC cards made.
    pub card_payments: Vec<CardPaid>,
    /// What didn't verify.
    pub aside: Vec<SetAside>,
    /// Items that said nothing new.
    pub known: u64,
}

impl Collected {
    /// Did nothing new come?
    pub const fn is_empty(&self) -> bool {
        let (cards, tickets) = (self.cards.is_empty(), self.tickets.is_empty());
        cards
            && tickets
            && self.orders.is_empty()
            && self.closed.is_empty()
            && self.card_payments.is_empty()
            && self.aside.is_empty()
    }
}

/// What one item changes.
enum Taken {
    /// Something new: entries for the history.
    New(Vec<Entry>),
    /// It was dealt with before.
    Known,
}

impl Wallet {
    /// Fetches all that waits, verifies and stores it.
    ///
    /// # Errors
    /// [`WalletError::Call`]; what was fetched before is kept. [`WalletError::Unsound`] when the
    /// mailbox skips items: something would be lost unseen.
    pub fn collect(&mut self, now: Time) -> Result<Collected, WalletError> {
        self.registered()?;
        let centre = self.centre(now)?;
        let mut collected = Collected::default();
        self.look_again(&centre, &mut collected, now)?;
        loop {
            let page = self.mailbox_page(&centre, now)?;
            let none = page.items.is_empty();
            for item in page.items {
                self.take_item(&item, &centre, &mut collected, now)?;
            }
            if none || !page.more {
                return Ok(collected);
            }
        }
    }

    /// Tries again what lay aside. What is understood now is taken, and lies there no longer.
    fn look_again(
        &mut self,
        centre: &Centre,
        collected: &mut Collected,
        now: Time,
    ) -> Result<(), WalletError> {
        for aside in self.state.aside.clone() {
            let item = Item {
                number: aside.item,
                signed: aside.signed,
                sealed: aside.sealed,
            };
            let understood = self.understand(&item, centre, collected, now);
            let Ok(taken) = understood else { continue };
            self.state.aside.retain(|a| a.item != item.number);
            match taken {
                Taken::New(entries) => self.commit(now, entries)?,
                Taken::Known => self.commit(now, Vec::new())?,
            }
        }
        Ok(())
    }

    fn mailbox_page(&self, centre: &Centre, now: Time) -> Result<Mailbox, WalletError> {
        let after = self.state.cursor;
        let id = MessageId::random(&mut rng());
        let prepared = self.prepare(&centre.callee, id, now, Collect { after })?;
        let (signing, opening) = (self.everyday(), self.opening());
        let caller = Caller {
            number: self.state.number,
            signing: &signing,
            opening: &opening,
        };
        let answer = self.client().call(caller, &centre.callee, &prepared)?;
        let reply: Verified<Message<Mailbox>> =
            answer.accepted().map_err(|refusal| WalletError::Refused {
                by: "the centre".to_owned(),
                what: "visit to the mailbox",
                refusal,
            })?;
        let page = reply.into_value().body;
        let expected = after.saturating_add(1)..;
        let in_order = page
            .items
            .iter()
            .map(|i| i.number)
            .eq(expected.take(page.items.len()));
        if in_order {
            Ok(page)
        } else {
            Err(WalletError::unsound(
                "the mailbox",
                "it skips or repeats items",
            ))
        }
    }

    /// Deals with one item, and writes down that it did.
    fn take_item(
        &mut self,
        item: &Item,
        centre: &Centre,
        collected: &mut Collected,
        now: Time,
    ) -> Result<(), WalletError> {
        let taken = self.understand(item, centre, collected, now);
        self.state.cursor = item.number;
        let entries = match taken {
            Ok(Taken::New(entries)) => entries,
            Ok(Taken::Known) => {
                collected.known += 1;
                Vec::new()
            }
            Err(why) => {
                let aside = SetAside {
                    item: item.number,
                    why: why.clone(),
                    received: now,
                    signed: item.signed.clone(),
                    sealed: item.sealed.clone(),
                };
                self.state.aside.retain(|a| a.item != item.number);
                self.state.aside.push(aside.clone());
                collected.aside.push(aside);
                vec![Entry::SetAside(item.number, why)]
            }
        };
        self.commit(now, entries)
    }

    fn understand(
        &mut self,
        item: &Item,
        centre: &Centre,
        collected: &mut Collected,
        now: Time,
    ) -> Result<Taken, String> {
        let (label, _) = item.signed.label().map_err(|e| e.to_string())?;
        match label {
            PrepaidCard::LABEL => {
                let message = self.read_item(&item.signed, centre)?;
                Ok(self.take_card(item.number, &message, collected, now))
            }
            Delivered::LABEL => {
                let message = self.read_item(&item.signed, centre)?;
                self.take_delivery(item, &message, collected, now)
            }
            HoldClosed::LABEL => {
                let message = self.read_item(&item.signed, centre)?;
                Ok(self.take_closing(item.number, &message, collected))
            }
            CardPaid::LABEL => {
                let message = self.read_item(&item.signed, centre)?;
                Ok(self.take_card_payment(item.number, &message, collected))
            }
            other => Err(format!("a message of type {other}, which no member gets")),
        }
    }

    /// A message of the centre to this member.
    fn read_item<B: Body>(
        &self,
        signed: &SignedBytes,
        centre: &Centre,
    ) -> Result<Verified<Message<B>>, String> {
        let message = Unverified::<Message<B>>::parse(signed.clone()).map_err(|e| e.to_string())?;
        let message = message
            .verify(&centre.keys.receipts)
            .map_err(|_e| "the centre didn't sign it".to_owned())?;
        if message.from != PartyNumber::CENTRE || message.to != self.state.number {
            return Err(format!("it's for {}, not for this member", message.to));
        }
        Ok(message)
    }

    fn take_card(
        &mut self,
        item: u64,
        message: &Verified<Message<PrepaidCard>>,
        collected: &mut Collected,
        now: Time,
    ) -> Taken {
        let card = message.body.clone();
        if self
            .state
            .cards
            .iter()
            .any(|c| c.card.number == card.number)
        {
            return Taken::Known;
        }
        self.state.awaited.retain(|r| r.reference != card.reference);
        self.state.currency = Some(card.value.currency());
        let kept = KeptCard {
            signed: message.signed().clone(),
            card,
            received: now,
        };
        self.learn_balance(Some(kept.card.balance), None, message.time);
        self.state.cards.push(kept.clone());
        collected.cards.push(kept.clone());
        Taken::New(vec![Entry::Loaded(item, kept)])
    }

    fn take_closing(
        &mut self,
        item: u64,
        message: &Message<HoldClosed>,
        collected: &mut Collected,
    ) -> Taken {
        let closed = &message.body;
        let payment = closed.payment;
        // Declined, or given up while the card lay there: it never was a payment.
        let known = self.state.bill_of_payment(payment).is_some();
        if closed.card.is_some() && !known && !self.has_heard_of(payment) {
            return Taken::Known;
        }
        let mut bills = self.state.bills.iter_mut();
        let bill = bills.find(|b| b.payment == Some(payment));
        match bill {
            Some(bill) if bill.status == BillStatus::Closed => return Taken::Known,
            // The card never paid, so the shop was never told: the bill may still be paid.
            Some(bill) if bill.waits_for_card() => {
                (bill.status, bill.payment, bill.card) = (BillStatus::Open, None, None);
                // The receipt that may still be waited for has nothing to say any more.
                self.state.pending.retain(|p| payment_of(p) != payment);
                return Taken::Known;
            }
            Some(bill) => bill.status = BillStatus::Closed,
            None => {}
        }
        if closed.card.is_none() {
            self.learn_balance(None, Some(closed.amount), message.time);
        }
        let closed = Closed {
            payment,
            shop: closed.shop,
            amount: closed.amount,
            closing: closed.closing,
        };
        collected.closed.push(closed.clone());
        Taken::New(vec![Entry::HoldClosed(item, closed)])
    }

    /// Did a card make this payment, as far as the history knows?
    fn has_heard_of(&self, payment: PaymentId) -> bool {
        let paid =
            |e: &Entry| matches!(e, Entry::CardPaid(_, card) if card.paid.payment == payment);
        let history = self.history();
        history.is_ok_and(|entries| entries.iter().any(|dated| paid(&dated.entry)))
    }

    fn take_card_payment(
        &mut self,
        item: u64,
        message: &Message<CardPaid>,
        collected: &mut Collected,
    ) -> Taken {
        let paid = message.body.clone();
        let shop = self.state.bill(paid.bill).and_then(|kept| kept.shop().ok());
        // Another copy of this wallet may have agreed to it: what counts is the bill.
        if let Some(bill) = self.state.bill_mut(paid.bill) {
            if bill.status.is_done() {
                return Taken::Known;
            }
            // What was agreed to since then counts, or is still to be found out: that one must have ended, for
            // a bill is paid once.
            let since = bill.payment.is_some_and(|p| p != paid.payment);
            if !since || matches!(bill.status, BillStatus::Open | BillStatus::Closed) {
                (bill.status, bill.payment) = (BillStatus::Held, Some(paid.payment));
                bill.card = Some(paid.card);
            }
        }
        collected.card_payments.push(paid.clone());
        Taken::New(vec![Entry::CardPaid(item, entry::CardPaid { paid, shop })])
    }

    /// Learns what an item says of the account: what it holds, if it says so, and what is no longer
    /// held. Items come in the book's order, but an answer may have told something newer.
    pub(crate) fn learn_balance(
        &mut self,
        balance: Option<Amount>,
        freed: Option<Amount>,
        as_of: Time,
    ) {
        let known = self.state.balance;
        let Some(balance) = balance.or(known.map(|b| b.balance)) else {
            return;
        };
        if known.is_some_and(|b| b.as_of > as_of) {
            return;
        }
        let zero = Amount::zero(balance.currency());
        let held = known.map_or(zero, |b| b.held);
        let held = held.minus(freed.unwrap_or(zero)).unwrap_or(zero);
        self.state.balance = Some(KnownBalance {
            balance,
            held,
            as_of,
        });
    }
}
