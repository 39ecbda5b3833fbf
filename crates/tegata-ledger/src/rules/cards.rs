//! The rules of cards: whose they are, what is set aside for them, what their receipts change.

use tegata_protocol::{Amount, CardNumber, Change, PartyNumber, PaymentId, Role};

use super::{Attempt, Operation, check_currency};
use crate::{
    Account, AccountId, BillState, Card, CardChanged, CardDeed, CardHold, CardMoved, CardReceipt,
    CardState, ChangeCard, Effect, EmptyCard, Held, Hold, HoldOrder, HoldState, IssueCard, Key,
    LoadCard, PayOrder, Posted, ReceiptPosted, Refusal, Working,
};

fn card_needs(book: &Working, card: CardNumber, want: &mut dyn FnMut(Key)) {
    let key = Key::Card(card);
    let known = book.has(&key).then(|| book.card(&card)).flatten();
    want(key);
    if let Some(card) = known {
        want(Key::Account(card.account()));
        want(Key::Account(AccountId::prepaid(card.holder, card.currency)));
    }
}

/// What posting a receipt needs beside its card.
fn receipt_needs(book: &Working, receipt: &CardReceipt, want: &mut dyn FnMut(Key)) {
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

impl Operation for IssueCard {
    type Outcome = CardChanged;

    fn needs(&self, _: &Working, want: &mut dyn FnMut(Key)) {
        want(Key::Card(self.card));
        want(Key::Party(self.holder));
        want(Key::Account(self.new_card().account()));
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<CardChanged, Refusal> {
        let (number, card) = (self.card, self.new_card());
        let party = card.holder;
        if attempt.book.party(&party).is_none() {
            return Err(Refusal::UnknownParty { party });
        }
        let used = attempt.book.account(&card.account());
        if attempt.book.card(&number).is_some() || used.is_some_and(|a| a.sequence > 0) {
            return Err(Refusal::CardKnown { card: number });
        }
        // A leg of nothing takes the account: no other card gets the same index.
        attempt.post(card.account(), Change::NONE, Change::NONE)?;
        attempt.effects.push(Effect::Card(number, card));
        Ok(CardChanged { number, card })
    }
}

impl IssueCard {
    const fn new_card(&self) -> Card {
        Card {
            holder: self.holder,
            index: self.index,
            currency: self.currency,
            state: CardState::Active,
            counter: 0,
            balance: 0,
        }
    }
}

impl Operation for ChangeCard {
    type Outcome = CardChanged;

    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key)) {
        card_needs(book, self.card, want);
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<CardChanged, Refusal> {
        let (number, state) = (self.card, self.state);
        let card = attempt.card(number, self.holder)?;
        // The same again is done already: whoever wasn't answered asks once more.
        if card.state != state {
            check_not_over(number, &card)?;
        }
        let card = Card { state, ..card };
        attempt.effects.push(Effect::Card(number, card));
        Ok(CardChanged { number, card })
    }
}

impl Operation for LoadCard {
    type Outcome = CardMoved;

    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key)) {
        card_needs(book, self.card, want);
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<CardMoved, Refusal> {
        let (number, amount) = (self.card, self.amount);
        let card = attempt.card(number, Some(self.holder))?;
        check_not_over(number, &card)?;
        check_currency(amount, card.account())?;
        if amount.is_zero() {
            return Err(Refusal::AmountZero);
        }
        let prepaid = AccountId::prepaid(card.holder, card.currency);
        let prepaid = attempt.post(prepaid, amount.debit(), Change::NONE)?;
        let account = attempt.post(card.account(), amount.credit(), Change::NONE)?;
        Ok(CardMoved {
            number,
            amount,
            prepaid,
            account,
        })
    }
}

/// What is available on the card's account is moved; money that is held follows when it's free again.
impl Operation for EmptyCard {
    type Outcome = CardMoved;

    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key)) {
        card_needs(book, self.card, want);
        if let Some(into) = self.into {
            card_needs(book, into, want);
        }
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<CardMoved, Refusal> {
        let number = self.card;
        let card = attempt.card(number, self.holder)?;
        let to = match self.into {
            Some(into) => attempt.replacement(into, &card)?,
            None if !card.state.is_over() => {
                let (card, state) = (number, card.state);
                return Err(Refusal::CardState { card, state });
            }
            None => AccountId::prepaid(card.holder, card.currency),
        };
        let from = card.account();
        let left = attempt.book.account(&from).map_or(0, Account::available);
        let minor = u64::try_from(left).unwrap_or_default();
        let overflow = |_e| Refusal::Overflow { account: from };
        let amount = Amount::new(minor, card.currency).map_err(overflow)?;
        let account = attempt.post(from, amount.debit(), Change::NONE)?;
        let prepaid = attempt.post(to, amount.credit(), Change::NONE)?;
        if self.into.is_some() && card.state != CardState::Replaced {
            let state = CardState::Replaced;
            let effect = Effect::Card(number, Card { state, ..card });
            attempt.effects.push(effect);
        }
        Ok(CardMoved {
            number,
            amount,
            prepaid,
            account,
        })
    }
}

/// Sets money aside that the card will pay: nobody can take it before the card has.
impl Operation for CardHold {
    type Outcome = Held;

    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key)) {
        want(Key::Hold(self.payment));
        want(Key::Bill(self.bill));
        card_needs(book, self.card, want);
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<Held, Refusal> {
        let card = attempt.card(self.card, Some(self.holder))?;
        if card.state != CardState::Active {
            let (card, state) = (self.card, card.state);
            return Err(Refusal::CardState { card, state });
        }
        if self.amount.is_zero() {
            return Err(Refusal::AmountZero);
        }
        let pay = PayOrder {
            payment: self.payment,
            payer: card.account(),
            payee: self.payee,
            amount: self.amount,
            bill: self.bill,
            bill_digest: self.bill_digest,
        };
        let expires = self.expires;
        attempt.place(&HoldOrder { pay, expires }, HoldState::Awaiting)
    }
}

/// Posts a receipt once. A second one for the same counter says that the card was copied: what it paid is
/// paid, and nobody pays with that card any more.
impl Operation for CardReceipt {
    type Outcome = ReceiptPosted;

    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key)) {
        receipt_needs(book, self, want);
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<ReceiptPosted, Refusal> {
        let (number, counter) = (self.card, self.counter);
        let card = attempt.card(number, None)?;
        check_currency(self.amount, card.account())?;
        let known = attempt.book.receipts_at(&(number, counter));
        let mut digests = known.cloned().unwrap_or_default();
        if digests.contains(&self.digest) {
            return Err(Refusal::ReceiptKnown {
                card: number,
                counter,
            });
        }
        let copied = !digests.is_empty();
        let posted = attempt.settle_receipt(self, &card)?;
        let card = after_receipt(card, self, copied);
        digests.push(self.digest);
        attempt.effects.push(Effect::Card(number, card));
        let effect = Effect::Receipt(number, counter, digests);
        attempt.effects.push(effect);
        Ok(ReceiptPosted {
            number,
            card,
            posted,
            copied,
        })
    }
}

const fn check_not_over(number: CardNumber, card: &Card) -> Result<(), Refusal> {
    if card.state.is_over() {
        let (card, state) = (number, card.state);
        return Err(Refusal::CardState { card, state });
    }
    Ok(())
}

impl Attempt<'_> {
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

    /// The account of the card that takes another's place.
    fn replacement(&self, number: CardNumber, old: &Card) -> Result<AccountId, Refusal> {
        let card = self.card(number, Some(old.holder))?;
        check_not_over(number, &card)?;
        if card.account() == old.account() {
            return Err(Refusal::CardKnown { card: number });
        }
        Ok(card.account())
    }

    fn settle_receipt(&mut self, receipt: &CardReceipt, card: &Card) -> Result<Posted, Refusal> {
        let held = match receipt.payment {
            Some(payment) => Some(self.hold_of(payment, receipt, card)?),
            None => None,
        };
        match (receipt.deed, held) {
            (CardDeed::Load, _) | (CardDeed::Void, None) => Ok(Posted::Noted),
            (CardDeed::Debit, None) => {
                let lost = self.pay_offline(receipt, card)?;
                Ok(Posted::Paid { lost })
            }
            (CardDeed::Debit | CardDeed::Void, Some(hold)) if hold.state != HoldState::Awaiting => {
                Ok(Posted::Noted)
            }
            (CardDeed::Debit, Some(hold)) if self.now >= hold.expires => {
                self.post(hold.payer, Change::NONE, hold.amount.debit())?;
                let hold = self.end_hold(hold, HoldState::Expired, BillState::Free);
                Ok(Posted::Late(hold))
            }
            (CardDeed::Debit, Some(hold)) => self.fund(hold),
            (CardDeed::Void, Some(hold)) => {
                self.post(hold.payer, Change::NONE, hold.amount.debit())?;
                let hold = self.end_hold(hold, HoldState::Voided, BillState::Free);
                Ok(Posted::Voided(hold))
            }
        }
    }

    /// The card has paid: the shop may take the money now.
    fn fund(&mut self, hold: Hold) -> Result<Posted, Refusal> {
        let payment = hold.payment;
        let bill = self.book.bill(&hold.bill).map(|bill| bill.digest);
        // A hold and its bill are written by one record; a book that has lost one takes no more of it.
        let bill = bill.ok_or(Refusal::HoldUnknown { payment })?;
        let state = HoldState::Open;
        let hold = Hold { state, ..hold };
        self.effects.push(Effect::Hold(hold.clone()));
        Ok(Posted::Funded { hold, bill })
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
