//! The rules of cards: whose they are, what is set aside for them, what their receipts change.

use tegata_protocol::{Amount, CardNumber, Change, Currency, PartyNumber, PaymentId, Role};

use super::{Attempt, Outcome, check_currency};
use crate::{
    Account, AccountId, AccountKind, BillState, Card, CardAction, CardDeed, CardHold, CardReceipt,
    CardState, Effect, Hold, HoldOrder, HoldState, Key, PayOrder, Posted, Refusal, Working,
};

/// What deciding about a card needs, as far as can be told from what is in `book`.
pub(super) fn needs(book: &Working, action: &CardAction, want: &mut impl FnMut(Key)) {
    match action {
        CardAction::Issue {
            card,
            holder,
            index,
            currency,
        } => {
            want(Key::Card(*card));
            want(Key::Party(*holder));
            want(Key::Account(AccountId {
                part: *index,
                ..AccountId::new(AccountKind::CardShadow, holder.wire(), *currency)
            }));
        }
        CardAction::Change { card, .. } | CardAction::Load { card, .. } => {
            card_needs(book, *card, want);
        }
        CardAction::Empty { card, into, .. } => {
            card_needs(book, *card, want);
            if let Some(into) = into {
                card_needs(book, *into, want);
            }
        }
        CardAction::Hold(order) => {
            want(Key::Hold(order.payment));
            want(Key::Bill(order.bill));
            card_needs(book, order.card, want);
        }
        CardAction::Post(receipt) => receipt_needs(book, receipt, want),
    }
}

fn card_needs(book: &Working, card: CardNumber, want: &mut impl FnMut(Key)) {
    let key = Key::Card(card);
    let known = book.has(&key).then(|| book.card(&card)).flatten();
    want(key);
    if let Some(card) = known {
        want(Key::Account(card.account()));
        want(Key::Account(AccountId::prepaid(card.holder, card.currency)));
    }
}

/// What posting a receipt needs beside its card.
fn receipt_needs(book: &Working, receipt: &CardReceipt, want: &mut impl FnMut(Key)) {
    card_needs(book, receipt.card, want);
    want(Key::Receipt(receipt.card, receipt.counter));
    let currency = receipt.amount.currency();
    want(Key::Account(AccountId::card_loss(currency)));
    if let Some(shop) = receipt.terminal {
        want(Key::Account(AccountId::shop(shop, currency)));
        want(Key::Party(shop));
    }
    if let Some(payment) = receipt.payment {
        let key = Key::Hold(payment);
        let known = book.has(&key).then(|| book.hold(&payment)).flatten();
        want(key);
        if let Some(hold) = known {
            want(Key::Bill(hold.bill));
            want(Key::Account(hold.payer));
        }
    }
}

impl Attempt<'_> {
    /// Decides about a card.
    pub(super) fn run_card(&mut self, action: &CardAction) -> Result<Outcome, Refusal> {
        match action {
            CardAction::Issue {
                card,
                holder,
                index,
                currency,
            } => self.issue_card(*card, *holder, *index, *currency),
            CardAction::Change {
                card,
                holder,
                state,
            } => self.change_card(*card, *holder, *state),
            CardAction::Load {
                card,
                holder,
                amount,
            } => self.load_card(*card, *holder, *amount),
            CardAction::Empty { card, holder, into } => self.empty_card(*card, *holder, *into),
            CardAction::Hold(order) => self.hold_by_card(order),
            CardAction::Post(receipt) => self.post_receipt(receipt),
        }
    }

    fn card(&self, number: CardNumber, holder: Option<PartyNumber>) -> Result<Card, Refusal> {
        let card = self.book.card(&number);
        let card = *card.ok_or(Refusal::CardUnknown { card: number })?;
        match holder {
            Some(party) if party != card.holder => Err(Refusal::CardNotYours {
                card: number,
                party,
            }),
            Some(_) | None => Ok(card),
        }
    }

    fn issue_card(
        &mut self,
        number: CardNumber,
        holder: PartyNumber,
        index: u16,
        currency: Currency,
    ) -> Result<Outcome, Refusal> {
        if self.book.party(&holder).is_none() {
            return Err(Refusal::UnknownParty { party: holder });
        }
        let card = Card {
            holder,
            index,
            currency,
            state: CardState::Active,
            counter: 0,
            balance: 0,
        };
        let used = self.book.account(&card.account());
        if self.book.card(&number).is_some() || used.is_some_and(|a| a.sequence > 0) {
            return Err(Refusal::CardKnown { card: number });
        }
        // A leg of nothing takes the account: no other card gets the same index.
        self.post(card.account(), Change::NONE, Change::NONE)?;
        self.effects.push(Effect::Card(number, card));
        Ok(Outcome::Card { number, card })
    }

    fn change_card(
        &mut self,
        number: CardNumber,
        holder: Option<PartyNumber>,
        state: CardState,
    ) -> Result<Outcome, Refusal> {
        let card = self.card(number, holder)?;
        // The same again is done already: whoever wasn't answered asks once more.
        if card.state.is_over() && card.state != state {
            let (card, state) = (number, card.state);
            return Err(Refusal::CardState { card, state });
        }
        let card = Card { state, ..card };
        self.effects.push(Effect::Card(number, card));
        Ok(Outcome::Card { number, card })
    }

    fn load_card(
        &mut self,
        number: CardNumber,
        holder: PartyNumber,
        amount: Amount,
    ) -> Result<Outcome, Refusal> {
        let card = self.card(number, Some(holder))?;
        if card.state.is_over() {
            let (card, state) = (number, card.state);
            return Err(Refusal::CardState { card, state });
        }
        check_currency(amount, card.account())?;
        if amount.is_zero() {
            return Err(Refusal::AmountZero);
        }
        let prepaid = AccountId::prepaid(card.holder, card.currency);
        let prepaid = self.post(prepaid, amount.debit(), Change::NONE)?;
        let account = self.post(card.account(), amount.credit(), Change::NONE)?;
        Ok(Outcome::CardMoved {
            number,
            amount,
            prepaid,
            account,
        })
    }

    /// What is available on the card's account; money that is held follows when it's free again.
    fn empty_card(
        &mut self,
        number: CardNumber,
        holder: Option<PartyNumber>,
        into: Option<CardNumber>,
    ) -> Result<Outcome, Refusal> {
        let card = self.card(number, holder)?;
        let to = match into {
            Some(into) => self.replacement(into, &card)?,
            None if !card.state.is_over() => {
                let (card, state) = (number, card.state);
                return Err(Refusal::CardState { card, state });
            }
            None => AccountId::prepaid(card.holder, card.currency),
        };
        let from = card.account();
        let left = self.book.account(&from).map_or(0, Account::available);
        let minor = u64::try_from(left).unwrap_or_default();
        let overflow = |_e| Refusal::Overflow { account: from };
        let amount = Amount::new(minor, card.currency).map_err(overflow)?;
        let account = self.post(from, amount.debit(), Change::NONE)?;
        let prepaid = self.post(to, amount.credit(), Change::NONE)?;
        if into.is_some() && card.state != CardState::Replaced {
            let state = CardState::Replaced;
            self.effects
                .push(Effect::Card(number, Card { state, ..card }));
        }
        Ok(Outcome::CardMoved {
            number,
            amount,
            prepaid,
            account,
        })
    }

    /// The account of the card that takes another's place.
    fn replacement(&self, number: CardNumber, old: &Card) -> Result<AccountId, Refusal> {
        let card = self.card(number, Some(old.holder))?;
        if card.state.is_over() {
            let (card, state) = (number, card.state);
            return Err(Refusal::CardState { card, state });
        }
        if card.account() == old.account() {
            return Err(Refusal::CardKnown { card: number });
        }
        Ok(card.account())
    }

    /// Sets money aside that the card will pay: nobody can take it before the card has.
    fn hold_by_card(&mut self, order: &CardHold) -> Result<Outcome, Refusal> {
        let card = self.card(order.card, Some(order.holder))?;
        if card.state != CardState::Active {
            let (card, state) = (order.card, card.state);
            return Err(Refusal::CardState { card, state });
        }
        if order.amount.is_zero() {
            return Err(Refusal::AmountZero);
        }
        let pay = PayOrder {
            payment: order.payment,
            payer: card.account(),
            payee: order.payee,
            amount: order.amount,
            bill: order.bill,
            bill_digest: order.bill_digest,
        };
        let expires = order.expires;
        self.place(&HoldOrder { pay, expires }, HoldState::Awaiting)
    }

    /// Posts a receipt once. A second one for the same counter says that the card was copied: what
    /// it paid is paid, and nobody pays with that card any more.
    fn post_receipt(&mut self, receipt: &CardReceipt) -> Result<Outcome, Refusal> {
        let (number, counter) = (receipt.card, receipt.counter);
        let card = self.card(number, None)?;
        check_currency(receipt.amount, card.account())?;
        let mut digests = self
            .book
            .receipts_at(&(number, counter))
            .cloned()
            .unwrap_or_default();
        if digests.contains(&receipt.digest) {
            return Err(Refusal::ReceiptKnown {
                card: number,
                counter,
            });
        }
        let copied = !digests.is_empty();
        let (posted, hold) = self.settle_receipt(receipt, &card)?;
        let card = after_receipt(card, receipt, copied);
        digests.push(receipt.digest);
        self.effects.push(Effect::Card(number, card));
        self.effects.push(Effect::Receipt(number, counter, digests));
        let bill = hold.as_ref().and_then(|h| self.book.bill(&h.bill));
        Ok(Outcome::Receipt {
            number,
            card,
            posted,
            bill: bill.map(|b| b.digest),
            hold,
            copied,
        })
    }

    fn settle_receipt(
        &mut self,
        receipt: &CardReceipt,
        card: &Card,
    ) -> Result<(Posted, Option<Hold>), Refusal> {
        let held = match receipt.payment {
            Some(payment) => Some(self.hold_of(payment, receipt, card)?),
            None => None,
        };
        match (receipt.deed, held) {
            (CardDeed::Load, held) => Ok((Posted::Noted, held)),
            (CardDeed::Void, None) => Ok((Posted::Noted, None)),
            (CardDeed::Debit, None) => {
                let lost = self.pay_offline(receipt, card)?;
                Ok((Posted::Paid { lost }, None))
            }
            (CardDeed::Debit | CardDeed::Void, Some(hold)) if hold.state != HoldState::Awaiting => {
                Ok((Posted::Noted, Some(hold)))
            }
            (CardDeed::Debit, Some(hold)) if self.now >= hold.expires => {
                self.post(hold.payer, Change::NONE, hold.amount.debit())?;
                let hold = self.end_hold(hold, HoldState::Expired, BillState::Free);
                Ok((Posted::Late, Some(hold)))
            }
            (CardDeed::Debit, Some(hold)) => {
                let state = HoldState::Open;
                let hold = Hold { state, ..hold };
                self.effects.push(Effect::Hold(hold.clone()));
                Ok((Posted::Funded, Some(hold)))
            }
            (CardDeed::Void, Some(hold)) => {
                self.post(hold.payer, Change::NONE, hold.amount.debit())?;
                let hold = self.end_hold(hold, HoldState::Voided, BillState::Free);
                Ok((Posted::Voided, Some(hold)))
            }
        }
    }

    /// The payment that the receipt is said to be of: the same card's, and of the same amount.
    fn hold_of(
        &self,
        payment: PaymentId,
        receipt: &CardReceipt,
        card: &Card,
    ) -> Result<Hold, Refusal> {
        let hold = self.book.hold(&payment);
        let hold = hold.ok_or(Refusal::HoldUnknown { payment })?;
        let same = receipt.deed != CardDeed::Debit || hold.amount == receipt.amount;
        if hold.payer != card.account() || !same {
            return Err(Refusal::ReceiptDiffers {
                card: receipt.card,
                counter: receipt.counter,
            });
        }
        Ok(hold.clone())
    }

    /// A debit that nobody had set money aside for: the shop is paid, by the card's account as far as
    /// that goes. Says how much was lost.
    fn pay_offline(&mut self, receipt: &CardReceipt, card: &Card) -> Result<Amount, Refusal> {
        let differs = Refusal::ReceiptDiffers {
            card: receipt.card,
            counter: receipt.counter,
        };
        let shop = receipt.terminal.filter(|t| t.role() == Role::Shop);
        let shop = shop.filter(|shop| self.book.party(shop).is_some());
        let shop = shop.ok_or(differs)?;
        let (amount, currency) = (receipt.amount, card.currency);
        let account = self.book.account(&card.account());
        let available = account.copied().unwrap_or_default().available();
        let there = u64::try_from(available).unwrap_or_default();
        let taken = amount.minor().min(there);
        let overflow = |_e| Refusal::Overflow {
            account: card.account(),
        };
        let taken = Amount::new(taken, currency).map_err(overflow)?;
        let lost = amount.minor().saturating_sub(taken.minor());
        let lost = Amount::new(lost, currency).map_err(overflow)?;
        self.post(
            AccountId::shop(shop, currency),
            amount.credit(),
            Change::NONE,
        )?;
        self.post(card.account(), taken.debit(), Change::NONE)?;
        if !lost.is_zero() {
            self.post(AccountId::card_loss(currency), lost.debit(), Change::NONE)?;
        }
        Ok(lost)
    }
}

/// What the book knows of a card after this receipt of it.
fn after_receipt(card: Card, receipt: &CardReceipt, copied: bool) -> Card {
    if copied {
        let state = if card.state.is_over() {
            card.state
        } else {
            CardState::Copied
        };
        return Card { state, ..card };
    }
    if receipt.counter <= card.counter {
        return card;
    }
    Card {
        counter: receipt.counter,
        balance: receipt.balance,
        ..card
    }
}
