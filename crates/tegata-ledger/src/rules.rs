//! The rules of money: what an action does to the book, or why it may not.
//!
//! Pure: the same book, action and time always give the same decision. The audit relies on it.

use std::{collections::BTreeMap, convert::Infallible};

use tegata_protocol::{Amount, Change, Digest, MAX_MINOR, PartyNumber, PaymentId, Time};

use crate::{
    Account, AccountId, AccountKind, Action, Bill, BillFound, BillKey, BillState, Capture,
    Captured, CardChanged, CardMoved, CloseBill, Deposited, Effect, ExpectFunding, Funding,
    FundingExpected, FundingState, Held, Hold, HoldOrder, HoldState, Key, Leg, Note, Noted, Paid,
    PayOrder, ReceiptPosted, Refusal, Refuse, Register, Registered, Release, ReleaseReason,
    Released, Replace, Working,
};

mod cards;
mod deposit;

/// Something the book can be asked. Its outcome is of its own type, so that whoever asks for a payment is
/// answered with a payment's outcome, and can't be with another's.
///
/// What the rules are is decided here alone: an [`Attempt`] can't be had, nor used, elsewhere. Others may
/// put operations together, see [`alternatives`](crate::alternatives).
pub trait Operation: Clone + Into<Action> + Send + 'static {
    /// What comes of it if it's accepted.
    type Outcome;

    /// Calls `want` with what deciding needs, as far as it follows from what is in `book`. When those are
    /// there, asking again may name more (a capture's accounts stand in its hold).
    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key));

    /// Tries it.
    ///
    /// # Errors
    /// Why the book refuses it.
    fn run(&self, attempt: &mut Attempt<'_>) -> Result<Self::Outcome, Refusal>;
}

/// Whatever comes of an [`Action`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Of a note.
    Noted(Noted),
    /// Of a registration.
    Registered(Registered),
    /// Of a newer record.
    Replaced(Registered),
    /// Of a reference that is watched for.
    FundingExpected(FundingExpected),
    /// Of a statement.
    Deposited(Deposited),
    /// Of a payment that is held.
    Held(Held),
    /// Of a payment at once.
    Paid(Paid),
    /// Of a capture.
    Captured(Captured),
    /// Of a release.
    Released(Released),
    /// Of a bill's closing.
    Bill(BillFound),
    /// Of a card's issue or change.
    Card(CardChanged),
    /// Of money moved to or from a card.
    CardMoved(CardMoved),
    /// Of a card's receipt.
    Receipt(ReceiptPosted),
}

/// Makes one operation of several, of which a message may ask for either: an enum of operations, an enum
/// of their outcomes, and the operation that leads from one to the other.
///
/// ```
/// use tegata_ledger::{Action, ChangeCard, EmptyCard, RecordKind, alternatives};
///
/// alternatives! {
///     /// What a member asks for a card.
///     pub enum Asked -> Got {
///         Empty(EmptyCard),
///         Change(ChangeCard),
///     }
/// }
/// # let card = tegata_protocol::CardNumber::from_bytes([7; 10]);
/// let asked = Asked::Empty(EmptyCard { card, holder: None, into: None });
/// assert_eq!(Action::from(asked).kind(), RecordKind::EmptyCard);
/// ```
#[macro_export]
macro_rules! alternatives {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $asked:ident -> $outcome:ident {
            $($name:ident($operation:ty)),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug)]
        $visibility enum $asked {
            $(#[doc = concat!("[`", stringify!($operation), "`].")] $name($operation),)*
        }

        #[doc = concat!("What comes of [`", stringify!($asked), "`].")]
        #[derive(Clone, Debug)]
        $visibility enum $outcome {
            $(
                #[doc = concat!("Of [`", stringify!($asked), "::", stringify!($name), "`].")]
                $name(<$operation as $crate::Operation>::Outcome),
            )*
        }

        impl From<$asked> for $crate::Action {
            fn from(asked: $asked) -> Self {
                match asked {
                    $($asked::$name(operation) => operation.into(),)*
                }
            }
        }

        impl $crate::Operation for $asked {
            type Outcome = $outcome;

            fn needs(&self, book: &$crate::Working, want: &mut dyn FnMut($crate::Key)) {
                match self {
                    $(Self::$name(operation) => operation.needs(book, want),)*
                }
            }

            fn run(
                &self,
                attempt: &mut $crate::Attempt<'_>,
            ) -> ::std::result::Result<$outcome, $crate::Refusal> {
                match self {
                    $(Self::$name(operation) => operation.run(attempt).map($outcome::$name),)*
                }
            }
        }
    };
}

/// A decision in favour: the outcome, and what it changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided<O = Outcome> {
    /// What came of it.
    pub outcome: O,
    /// What moved.
    pub legs: Vec<Leg>,
    /// What else changed.
    pub effects: Vec<Effect>,
}

/// Decides `operation` at the time `now` and carries it out on `book`; a refused one changes nothing.
///
/// # Errors
/// [`Refusal`], which is to be recorded as well.
pub fn decide<O: Operation>(
    book: &mut Working,
    operation: &O,
    now: Time,
) -> Result<Decided<O::Outcome>, Refusal> {
    let mut attempt = Attempt::new(book, now);
    let outcome = operation.run(&mut attempt)?;
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

impl Operation for Action {
    type Outcome = Outcome;

    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key)) {
        match self {
            Self::Note(o) => o.needs(book, want),
            Self::Refuse(o) => o.needs(book, want),
            Self::Register(o) => o.needs(book, want),
            Self::Replace(o) => o.needs(book, want),
            Self::ExpectFunding(o) => o.needs(book, want),
            Self::Deposit(o) => o.needs(book, want),
            Self::Hold(o) => o.needs(book, want),
            Self::Pay(o) => o.needs(book, want),
            Self::Capture(o) => o.needs(book, want),
            Self::Release(o) => o.needs(book, want),
            Self::CloseBill(o) => o.needs(book, want),
            Self::IssueCard(o) => o.needs(book, want),
            Self::ChangeCard(o) => o.needs(book, want),
            Self::LoadCard(o) => o.needs(book, want),
            Self::EmptyCard(o) => o.needs(book, want),
            Self::HoldByCard(o) => o.needs(book, want),
            Self::PostReceipt(o) => o.needs(book, want),
        }
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<Outcome, Refusal> {
        match self {
            Self::Note(o) => o.run(attempt).map(Outcome::Noted),
            Self::Refuse(o) => o.run(attempt).map(|never| match never {}),
            Self::Register(o) => o.run(attempt).map(Outcome::Registered),
            Self::Replace(o) => o.run(attempt).map(Outcome::Replaced),
            Self::ExpectFunding(o) => o.run(attempt).map(Outcome::FundingExpected),
            Self::Deposit(o) => o.run(attempt).map(Outcome::Deposited),
            Self::Hold(o) => o.run(attempt).map(Outcome::Held),
            Self::Pay(o) => o.run(attempt).map(Outcome::Paid),
            Self::Capture(o) => o.run(attempt).map(Outcome::Captured),
            Self::Release(o) => o.run(attempt).map(Outcome::Released),
            Self::CloseBill(o) => o.run(attempt).map(Outcome::Bill),
            Self::IssueCard(o) => o.run(attempt).map(Outcome::Card),
            Self::ChangeCard(o) => o.run(attempt).map(Outcome::Card),
            Self::LoadCard(o) => o.run(attempt).map(Outcome::CardMoved),
            Self::EmptyCard(o) => o.run(attempt).map(Outcome::CardMoved),
            Self::HoldByCard(o) => o.run(attempt).map(Outcome::Held),
            Self::PostReceipt(o) => o.run(attempt).map(Outcome::Receipt),
        }
    }
}

/// What may have been refused before it reached the book.
impl<O: Operation> Operation for Result<O, Refuse> {
    type Outcome = O::Outcome;

    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key)) {
        if let Ok(operation) = self {
            operation.needs(book, want);
        }
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<O::Outcome, Refusal> {
        match self {
            Ok(operation) => operation.run(attempt),
            Err(refuse) => refuse.run(attempt).map(|never| match never {}),
        }
    }
}

impl Operation for Note {
    type Outcome = Noted;

    fn needs(&self, _: &Working, _: &mut dyn FnMut(Key)) {}

    fn run(&self, _: &mut Attempt<'_>) -> Result<Noted, Refusal> {
        Ok(Noted)
    }
}

impl Operation for Refuse {
    type Outcome = Infallible;

    fn needs(&self, _: &Working, _: &mut dyn FnMut(Key)) {}

    fn run(&self, _: &mut Attempt<'_>) -> Result<Infallible, Refusal> {
        Err(Refusal::ByCaller(self.0))
    }
}

impl Operation for Register {
    type Outcome = Registered;

    fn needs(&self, _: &Working, want: &mut dyn FnMut(Key)) {
        want(Key::Party(self.party));
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<Registered, Refusal> {
        let party = self.party;
        if attempt.book.party(&party).is_some() {
            return Err(Refusal::AlreadyRegistered { party });
        }
        let effect = Effect::Party(party, self.record.clone());
        attempt.effects.push(effect);
        Ok(Registered { party })
    }
}

impl Operation for Replace {
    type Outcome = Registered;

    fn needs(&self, _: &Working, want: &mut dyn FnMut(Key)) {
        want(Key::Party(self.party));
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<Registered, Refusal> {
        let party = self.party;
        if attempt.book.party(&party).is_none() {
            return Err(Refusal::UnknownParty { party });
        }
        let effect = Effect::Party(party, self.record.clone());
        attempt.effects.push(effect);
        Ok(Registered { party })
    }
}

impl Operation for ExpectFunding {
    type Outcome = FundingExpected;

    fn needs(&self, _: &Working, want: &mut dyn FnMut(Key)) {
        want(Key::Funding(self.reference.clone()));
        want(Key::Party(self.party));
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<FundingExpected, Refusal> {
        let (party, reference) = (self.party, self.reference.clone());
        if attempt.book.party(&party).is_none() {
            return Err(Refusal::UnknownParty { party });
        }
        if attempt.book.funding(&reference).is_some() {
            return Err(Refusal::ReferenceInUse { reference });
        }
        let funding = Funding {
            party,
            amount: self.amount,
            expires: self.expires,
            state: FundingState::Open,
        };
        let effect = Effect::Funding(reference.clone(), funding);
        attempt.effects.push(effect);
        Ok(FundingExpected { reference })
    }
}

impl Operation for HoldOrder {
    type Outcome = Held;

    fn needs(&self, _: &Working, want: &mut dyn FnMut(Key)) {
        want(Key::Hold(self.pay.payment));
        want(Key::Bill(self.pay.bill));
        want(Key::Account(self.pay.payer));
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<Held, Refusal> {
        let payer = self.pay.payer;
        check_kind(payer, payer.kind == AccountKind::Prepaid)?;
        attempt.place(self, HoldState::Open)
    }
}

/// Pays at once, if bill and balance allow.
impl Operation for PayOrder {
    type Outcome = Paid;

    fn needs(&self, _: &Working, want: &mut dyn FnMut(Key)) {
        want(Key::Hold(self.payment));
        want(Key::Bill(self.bill));
        want(Key::Account(self.payer));
        want(Key::Account(self.payee));
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<Paid, Refusal> {
        check_kind(self.payer, self.payer.kind == AccountKind::Prepaid)?;
        attempt.check_order(self)?;
        let payer = attempt.post(self.payer, self.amount.debit(), Change::NONE)?;
        let payee = attempt.post(self.payee, self.amount.credit(), Change::NONE)?;
        let hold = attempt.new_hold(self, attempt.now, HoldState::Captured(self.amount));
        attempt.set_bill(self, BillState::Paid(self.payment));
        Ok(Paid { hold, payer, payee })
    }
}

impl Operation for Capture {
    type Outcome = Captured;

    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key)) {
        hold_needs(book, self.payment, want);
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<Captured, Refusal> {
        let (payment, taken) = (self.payment, self.amount);
        let hold = attempt.open_hold(payment, Some(self.payee_party))?;
        if hold.state == HoldState::Awaiting {
            return Err(Refusal::HoldAwaitsCard { payment });
        }
        if attempt.now >= hold.expires {
            return Err(Refusal::HoldExpired { payment });
        }
        check_currency(taken, hold.payer)?;
        if taken.minor() > hold.amount.minor() {
            return Err(Refusal::AmountAboveHold {
                payment,
                held: hold.amount,
                wanted: taken,
            });
        }
        if taken.is_zero() && !hold.amount.is_zero() {
            return Err(Refusal::AmountZero);
        }
        let payer = attempt.post(hold.payer, taken.debit(), hold.amount.debit())?;
        let payee = attempt.post(hold.payee, taken.credit(), Change::NONE)?;
        let hold = attempt.end_hold(hold, HoldState::Captured(taken), BillState::Paid(payment));
        Ok(Captured {
            hold,
            taken,
            payer,
            payee,
        })
    }
}

impl Operation for Release {
    type Outcome = Released;

    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key)) {
        hold_needs(book, self.payment, want);
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<Released, Refusal> {
        let (payment, why) = (self.payment, self.why);
        let shop = match why {
            ReleaseReason::Voided { by } if by != PartyNumber::CENTRE => Some(by),
            ReleaseReason::Voided { .. } | ReleaseReason::Expired | ReleaseReason::Unpaid => None,
        };
        let hold = attempt.open_hold(payment, shop)?;
        if why == ReleaseReason::Unpaid && hold.state != HoldState::Awaiting {
            return Err(Refusal::HoldFunded { payment });
        }
        let state = match why {
            ReleaseReason::Expired if attempt.now < hold.expires => {
                return Err(Refusal::HoldNotExpired { payment });
            }
            ReleaseReason::Expired => HoldState::Expired,
            ReleaseReason::Voided { .. } | ReleaseReason::Unpaid => HoldState::Voided,
        };
        let payer = attempt.post(hold.payer, Change::NONE, hold.amount.debit())?;
        let hold = attempt.end_hold(hold, state, BillState::Free);
        Ok(Released { hold, payer })
    }
}

impl Operation for CloseBill {
    type Outcome = BillFound;

    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key)) {
        let key = Key::Bill(self.bill);
        let known = book.has(&key).then(|| book.bill(&self.bill)).flatten();
        want(key);
        if let Some(BillState::Held(payment)) = known.map(|bill| bill.state) {
            want(Key::Hold(payment));
        }
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<BillFound, Refusal> {
        let (bill, digest) = (self.bill, self.bill_digest);
        let state = match attempt.known_bill(bill, digest)? {
            // Whether the card pays isn't decided yet.
            Some(BillState::Held(payment)) if attempt.awaits_card(payment) => {
                return Err(Refusal::HoldAwaitsCard { payment });
            }
            None | Some(BillState::Free) => {
                let state = BillState::Closed;
                let effect = Effect::Bill(bill, Bill { digest, state });
                attempt.effects.push(effect);
                state
            }
            Some(taken) => taken,
        };
        Ok(BillFound { bill, state })
    }
}

/// A hold, and what ending it touches.
fn hold_needs(book: &Working, payment: PaymentId, want: &mut dyn FnMut(Key)) {
    let key = Key::Hold(payment);
    let known = book.has(&key).then(|| book.hold(&payment)).flatten();
    want(key);
    if let Some(hold) = known {
        want(Key::Bill(hold.bill));
        want(Key::Account(hold.payer));
        want(Key::Account(hold.payee));
    }
}

/// One operation being tried: what it would change, not yet changed.
#[derive(Debug)]
pub struct Attempt<'b> {
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

    /// Sets `pay.amount` aside, if bill and balance allow.
    fn place(&mut self, order: &HoldOrder, state: HoldState) -> Result<Held, Refusal> {
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
        Ok(Held { hold, payer })
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
