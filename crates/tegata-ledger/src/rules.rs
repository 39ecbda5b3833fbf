//! The rules of money: what an action does to the book, or why it may not.
//!
//! Pure: the same book, action and time always give the same decision. The audit relies on it.

use std::collections::BTreeMap;

use tegata_protocol::{
    Amount, CardNumber, Change, Digest, MAX_MINOR, PartyNumber, PaymentId, Time,
};

use crate::{
    Account, AccountId, AccountKind, Action, Bill, BillKey, BillState, Card, Effect, EntryRecord,
    Funding, FundingState, Hold, HoldOrder, HoldState, Key, Leg, PayOrder, Posted, Refusal,
    ReleaseReason, Working,
};

mod cards;
mod deposit;

/// What an accepted action did, for the reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Remembered.
    Noted,
    /// The party is in the register.
    Registered {
        /// Who.
        party: PartyNumber,
    },
    /// The party's record is a newer one.
    Replaced {
        /// Who.
        party: PartyNumber,
    },
    /// Money under this reference will find its member.
    FundingExpected {
        /// The reference.
        reference: String,
    },
    /// The statement is in the book; where each entry went, in the statement's order.
    Deposited {
        /// The entries.
        entries: Vec<EntryRecord>,
        /// How each member's account stands that was credited.
        credited: Vec<(AccountId, Account)>,
    },
    /// The money is set aside.
    Held {
        /// The payment.
        hold: Hold,
        /// The payer's account now.
        payer: Account,
    },
    /// Paid at once.
    Paid {
        /// The payment.
        hold: Hold,
        /// The payer's account now.
        payer: Account,
        /// The payee's account now.
        payee: Account,
    },
    /// The shop has its money.
    Captured {
        /// The payment; its state says how much.
        hold: Hold,
        /// The payer's account now.
        payer: Account,
        /// The payee's account now.
        payee: Account,
    },
    /// The money is free again.
    Released {
        /// The payment; its state says why.
        hold: Hold,
        /// The payer's account now.
        payer: Account,
    },
    /// What the shop may rely on: [`BillState::Closed`] is never accepted again; otherwise the
    /// payment that holds or paid it.
    Bill {
        /// Which bill.
        bill: BillKey,
        /// Its state.
        state: BillState,
    },
    /// A card as it is from now on.
    Card {
        /// Which.
        number: CardNumber,
        /// The card.
        card: Card,
    },
    /// Money was moved to or from a card's account.
    CardMoved {
        /// Which card.
        number: CardNumber,
        /// How much.
        amount: Amount,
        /// The other account now: the prepaid one, or the other card's.
        prepaid: Account,
        /// The card's account now.
        account: Account,
    },
    /// A card's receipt is in the book.
    Receipt {
        /// Which card.
        number: CardNumber,
        /// The card as it is from now on.
        card: Card,
        /// What became of it.
        posted: Posted,
        /// The payment's hold as it is from now on.
        hold: Option<Hold>,
        /// The digest of its bill.
        bill: Option<Digest>,
        /// There was another receipt with this counter.
        copied: bool,
    },
}

/// A decision in favour: the outcome, and what it changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    /// What to tell.
    pub outcome: Outcome,
    /// What moved.
    pub legs: Vec<Leg>,
    /// What else changed.
    pub effects: Vec<Effect>,
}

/// Decides `action` at the time `now` and carries it out on `book`; a refused one changes nothing.
///
/// # Errors
/// [`Refusal`], which is to be recorded as well.
pub fn decide(book: &mut Working, action: &Action, now: Time) -> Result<Decided, Refusal> {
    let mut attempt = Attempt::new(book, now);
    let outcome = attempt.run(action)?;
    let Attempt { legs, effects, .. } = attempt;
    for leg in &legs {
        book.put_account(&leg.account, leg.after());
    }
    for effect in &effects {
        book.apply(effect);
    }
    Ok(Decided {
        outcome,
        legs,
        effects,
    })
}

/// Calls `want` with what deciding `action` needs, as far as can be told from what is in `book`.
/// When those are there, asking again may name more (a capture's accounts stand in its hold).
pub(crate) fn needs(book: &Working, action: &Action, want: &mut impl FnMut(Key)) {
    match action {
        Action::Note | Action::Refuse(_) => {}
        Action::Register { party, .. } | Action::Replace { party, .. } => want(Key::Party(*party)),
        Action::ExpectFunding {
            reference, party, ..
        } => {
            want(Key::Funding(reference.clone()));
            want(Key::Party(*party));
        }
        Action::Deposit(deposit) => deposit::needs(book, deposit, want),
        Action::Hold(HoldOrder { pay, .. }) | Action::Pay(pay) => {
            want(Key::Hold(pay.payment));
            want(Key::Bill(pay.bill));
            want(Key::Account(pay.payer));
            if matches!(action, Action::Pay(_)) {
                want(Key::Account(pay.payee));
            }
        }
        Action::Capture { payment, .. } | Action::Release { payment, .. } => {
            let key = Key::Hold(*payment);
            let known = book.has(&key).then(|| book.hold(payment)).flatten();
            want(key);
            if let Some(hold) = known {
                want(Key::Bill(hold.bill));
                want(Key::Account(hold.payer));
                want(Key::Account(hold.payee));
            }
        }
        Action::CloseBill { bill, .. } => {
            let key = Key::Bill(*bill);
            let known = book.has(&key).then(|| book.bill(bill)).flatten();
            want(key);
            if let Some(BillState::Held(payment)) = known.map(|bill| bill.state) {
                want(Key::Hold(payment));
            }
        }
        Action::Card(action) => cards::needs(book, action, want),
    }
}

/// One action being tried: what it would change, not yet changed.
struct Attempt<'b> {
    book: &'b Working,
    now: Time,
    legs: Vec<Leg>,
    effects: Vec<Effect>,
    accounts: BTreeMap<AccountId, Account>,
}

impl<'b> Attempt<'b> {
    const fn new(book: &'b Working, now: Time) -> Self {
        Self {
            book,
            now,
            legs: Vec::new(),
            effects: Vec::new(),
            accounts: BTreeMap::new(),
        }
    }

    fn run(&mut self, action: &Action) -> Result<Outcome, Refusal> {
        match action {
            Action::Note => Ok(Outcome::Noted),
            Action::Refuse(code) => Err(Refusal::ByCaller(*code)),
            Action::Register { party, record } => self.register(*party, record),
            Action::Replace { party, record } => self.replace(*party, record),
            Action::ExpectFunding {
                reference,
                party,
                amount,
                expires,
            } => self.expect(
                reference,
                Funding {
                    party: *party,
                    amount: *amount,
                    expires: *expires,
                    state: FundingState::Open,
                },
            ),
            Action::Deposit(deposit) => self.deposit(deposit),
            Action::Hold(order) => {
                check_kind(
                    order.pay.payer,
                    order.pay.payer.kind == AccountKind::Prepaid,
                )?;
                self.place(order, HoldState::Open)
            }
            Action::Pay(pay) => self.pay(pay),
            Action::Capture {
                payment,
                payee_party,
                amount,
            } => self.capture(*payment, *payee_party, *amount),
            Action::Release { payment, why } => self.release(*payment, *why),
            Action::CloseBill { bill, bill_digest } => self.close_bill(*bill, *bill_digest),
            Action::Card(action) => self.run_card(action),
        }
    }

    fn register(&mut self, party: PartyNumber, record: &[u8]) -> Result<Outcome, Refusal> {
        if self.book.party(&party).is_some() {
            return Err(Refusal::AlreadyRegistered { party });
        }
        self.effects.push(Effect::Party(party, record.to_vec()));
        Ok(Outcome::Registered { party })
    }

    fn replace(&mut self, party: PartyNumber, record: &[u8]) -> Result<Outcome, Refusal> {
        if self.book.party(&party).is_none() {
            return Err(Refusal::UnknownParty { party });
        }
        self.effects.push(Effect::Party(party, record.to_vec()));
        Ok(Outcome::Replaced { party })
    }

    fn expect(&mut self, reference: &str, funding: Funding) -> Result<Outcome, Refusal> {
        let party = funding.party;
        if self.book.party(&party).is_none() {
            return Err(Refusal::UnknownParty { party });
        }
        let reference = reference.to_owned();
        if self.book.funding(&reference).is_some() {
            return Err(Refusal::ReferenceInUse { reference });
        }
        let outcome = Outcome::FundingExpected {
            reference: reference.clone(),
        };
        self.effects.push(Effect::Funding(reference, funding));
        Ok(outcome)
    }

    /// Sets `pay.amount` aside, if bill and balance allow.
    fn place(&mut self, order: &HoldOrder, state: HoldState) -> Result<Outcome, Refusal> {
        let pay = &order.pay;
        self.check_order(pay)?;
        if order.expires <= self.now {
            return Err(Refusal::HoldExpired {
                payment: pay.payment,
            });
        }
        let payer = self.post(pay.payer, Change::NONE, pay.amount.credit())?;
        let hold = self.new_hold(pay, order.expires, state);
        self.set_bill(pay, BillState::Held(pay.payment));
        Ok(Outcome::Held { hold, payer })
    }

    /// Pays `pay.amount` at once, if bill and balance allow.
    fn pay(&mut self, pay: &PayOrder) -> Result<Outcome, Refusal> {
        check_kind(pay.payer, pay.payer.kind == AccountKind::Prepaid)?;
        self.check_order(pay)?;
        let payer = self.post(pay.payer, pay.amount.debit(), Change::NONE)?;
        let payee = self.post(pay.payee, pay.amount.credit(), Change::NONE)?;
        let hold = self.new_hold(pay, self.now, HoldState::Captured(pay.amount));
        self.set_bill(pay, BillState::Paid(pay.payment));
        Ok(Outcome::Paid { hold, payer, payee })
    }

    fn new_hold(&mut self, pay: &PayOrder, expires: Time, state: HoldState) -> Hold {
        let hold = Hold {
            payment: pay.payment,
            payer: pay.payer,
            payee: pay.payee,
            amount: pay.amount,
            bill: pay.bill,
            placed: self.now,
            expires,
            state,
        };
        self.effects.push(Effect::Hold(hold.clone()));
        hold
    }

    fn set_bill(&mut self, pay: &PayOrder, state: BillState) {
        let digest = pay.bill_digest;
        self.effects
            .push(Effect::Bill(pay.bill, Bill { digest, state }));
    }

    /// What a payment must be whatever the balance: right accounts, a new number, a payable bill.
    fn check_order(&self, pay: &PayOrder) -> Result<(), Refusal> {
        check_kind(pay.payee, pay.payee.kind == AccountKind::Shop)?;
        check_kind(pay.payee, pay.payee.owner == pay.bill.shop.wire())?;
        check_currency(pay.amount, pay.payer)?;
        check_currency(pay.amount, pay.payee)?;
        let payment = pay.payment;
        if self.book.hold(&payment).is_some() {
            return Err(Refusal::PaymentKnown { payment });
        }
        match self.known_bill(pay.bill, pay.bill_digest)? {
            None | Some(BillState::Free) => Ok(()),
            Some(BillState::Closed) => Err(Refusal::BillClosed { bill: pay.bill }),
            Some(BillState::Held(payment)) => Err(Refusal::BillAlreadyHeld {
                bill: pay.bill,
                payment,
            }),
            Some(BillState::Paid(payment)) => Err(Refusal::BillAlreadyPaid {
                bill: pay.bill,
                payment,
            }),
        }
    }

    /// The state of the bill, if it is known, under the same digest.
    fn known_bill(&self, bill: BillKey, digest: Digest) -> Result<Option<BillState>, Refusal> {
        match self.book.bill(&bill) {
            Some(known) if known.digest != digest => Err(Refusal::BillConflicts { bill }),
            known => Ok(known.map(|b| b.state)),
        }
    }

    fn capture(
        &mut self,
        payment: PaymentId,
        party: PartyNumber,
        amount: Amount,
    ) -> Result<Outcome, Refusal> {
        let hold = self.open_hold(payment, Some(party))?;
        if hold.state == HoldState::Awaiting {
            return Err(Refusal::HoldAwaitsCard { payment });
        }
        if self.now >= hold.expires {
            return Err(Refusal::HoldExpired { payment });
        }
        check_currency(amount, hold.payer)?;
        if amount.minor() > hold.amount.minor() {
            return Err(Refusal::AmountAboveHold {
                payment,
                held: hold.amount,
                wanted: amount,
            });
        }
        if amount.is_zero() && !hold.amount.is_zero() {
            return Err(Refusal::AmountZero);
        }
        let payer = self.post(hold.payer, amount.debit(), hold.amount.debit())?;
        let payee = self.post(hold.payee, amount.credit(), Change::NONE)?;
        let hold = self.end_hold(hold, HoldState::Captured(amount), BillState::Paid(payment));
        Ok(Outcome::Captured { hold, payer, payee })
    }

    fn release(&mut self, payment: PaymentId, why: ReleaseReason) -> Result<Outcome, Refusal> {
        let shop = match why {
            ReleaseReason::Voided { by } if by != PartyNumber::CENTRE => Some(by),
            ReleaseReason::Voided { .. } | ReleaseReason::Expired | ReleaseReason::Unpaid => None,
        };
        let hold = self.open_hold(payment, shop)?;
        if why == ReleaseReason::Unpaid && hold.state != HoldState::Awaiting {
            return Err(Refusal::HoldFunded { payment });
        }
        let state = match why {
            ReleaseReason::Expired if self.now < hold.expires => {
                return Err(Refusal::HoldNotExpired { payment });
            }
            ReleaseReason::Expired => HoldState::Expired,
            ReleaseReason::Voided { .. } | ReleaseReason::Unpaid => HoldState::Voided,
        };
        let payer = self.post(hold.payer, Change::NONE, hold.amount.debit())?;
        let hold = self.end_hold(hold, state, BillState::Free);
        Ok(Outcome::Released { hold, payer })
    }

    /// A hold that is open, and this shop's if a shop asks. Another shop learns no more than that
    /// it isn't its own.
    fn open_hold(&self, payment: PaymentId, shop: Option<PartyNumber>) -> Result<Hold, Refusal> {
        let hold = self
            .book
            .hold(&payment)
            .ok_or(Refusal::HoldUnknown { payment })?;
        if let Some(party) = shop.filter(|party| party.wire() != hold.payee.owner) {
            return Err(Refusal::HoldNotYours { payment, party });
        }
        match hold.state {
            HoldState::Open | HoldState::Awaiting => Ok(hold.clone()),
            HoldState::Captured(_) => Err(Refusal::HoldAlreadyCaptured { payment }),
            HoldState::Expired | HoldState::Voided => Err(Refusal::HoldClosed { payment }),
        }
    }

    fn end_hold(&mut self, hold: Hold, state: HoldState, bill_state: BillState) -> Hold {
        if let Some(bill) = self.book.bill(&hold.bill) {
            let state = bill_state;
            self.effects
                .push(Effect::Bill(hold.bill, Bill { state, ..*bill }));
        }
        let hold = Hold { state, ..hold };
        self.effects.push(Effect::Hold(hold.clone()));
        hold
    }

    fn close_bill(&mut self, bill: BillKey, digest: Digest) -> Result<Outcome, Refusal> {
        let state = match self.known_bill(bill, digest)? {
            // Whether the card pays isn't decided yet.
            Some(BillState::Held(payment)) if self.awaits_card(payment) => {
                return Err(Refusal::HoldAwaitsCard { payment });
            }
            None | Some(BillState::Free) => {
                let state = BillState::Closed;
                self.effects
                    .push(Effect::Bill(bill, Bill { digest, state }));
                state
            }
            Some(taken) => taken,
        };
        Ok(Outcome::Bill { bill, state })
    }

    fn awaits_card(&self, payment: PaymentId) -> bool {
        let hold = self.book.hold(&payment);
        hold.is_some_and(|hold| hold.state == HoldState::Awaiting)
    }

    /// Adds a leg, unless the account can't bear it.
    fn post(&mut self, id: AccountId, change: Change, held: Change) -> Result<Account, Refusal> {
        let before = self
            .accounts
            .get(&id)
            .or_else(|| self.book.account(&id))
            .copied()
            .unwrap_or_default();
        let overflow = || Refusal::Overflow { account: id };
        let add = |a: i64, b: Change| {
            a.checked_add(b.minor())
                .filter(|sum| sum.unsigned_abs() <= MAX_MINOR)
                .ok_or_else(overflow)
        };
        let after = Account {
            balance: add(before.balance, change)?,
            held: add(before.held, held)?,
            sequence: before.sequence.checked_add(1).ok_or_else(overflow)?,
        };
        if id.kind.is_limited() && after.available() < 0 {
            return Err(insufficient(id, before, change, held));
        }
        self.legs.push(Leg {
            account: id,
            change,
            held,
            sequence: after.sequence,
            balance: after.balance,
            held_after: after.held,
        });
        self.accounts.insert(id, after);
        Ok(after)
    }
}

/// More was asked for than is available: how much of each.
fn insufficient(id: AccountId, before: Account, change: Change, held: Change) -> Refusal {
    let wanted = held.minor().saturating_sub(change.minor()).unsigned_abs();
    Refusal::InsufficientFunds {
        account: id,
        available: before.available(),
        wanted: Amount::new(wanted, id.currency).unwrap_or(Amount::zero(id.currency)),
    }
}

fn check_kind(account: AccountId, fits: bool) -> Result<(), Refusal> {
    if fits {
        Ok(())
    } else {
        Err(Refusal::WrongAccount { account })
    }
}

fn check_currency(amount: Amount, account: AccountId) -> Result<(), Refusal> {
    if amount.currency() == account.currency {
        Ok(())
    } else {
        Err(Refusal::WrongCurrency { amount, account })
    }
}
