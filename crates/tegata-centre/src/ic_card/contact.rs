//! One contact with a card: what is done with it while it lies on a member's reader.
//!
//! A contact is a list of jobs, each a session of the card with the card-key server:
//!
//! ```text
//! plan: [Personalise | Terminate | Block | Unblock] [Load what is owed] the errand's own job
//!
//! of each job:  SELECT ─▶ Begin ─▶ Send ⇄ By(answer) … ─▶ Done
//!   that moves money:        … ─▶ Opened ─▶ catch up ─▶ Order ─▶ Send | Agree
//!                                ─▶ Settled: catch up (posted, shop and member told) ─▶ Send(CONFIRM) ─▶ Done
//! ```
//! Before each order the book has caught up, so nothing is ordered twice. An order that the card-key
//! server has given away is in doubt until its receipt, its void or its refusal is in the book; this
//! struct may be lost at any point.

use std::collections::VecDeque;

use tegata_card::{
    command::State as CardPower,
    house::{Done, Fate, HouseRefusal, JobId, Money, OrderId, Request, Response, Task},
    session::{select, selected},
};
use tegata_ledger::{CardState, Hold, HoldState};
use tegata_protocol::{
    Amount, CardNumber, Digest, PartyNumber, PaymentId, SignedBytes, Time,
    book::Rule,
    card::{Answered, CardBytes, CardReport, CardStep, CardTicket, DebitOrder, Errand, Next},
    refusal::{Code, Refusal},
};

use super::{
    CardDesk, CardFault, House, number,
    papers::{Standing, order_id},
    refusal_of, unexpected,
};
use crate::keys::rng;

/// A payment isn't ordered of the card when its hold has less than this left, in seconds: member and
/// shop need time after it.
const TIME_TO_PAY: u64 = 120;

/// What is done in one session with the card.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Job {
    Personalise,
    Block,
    Unblock,
    Terminate,
    /// The limits of the settings, where the card still has others.
    Limit,
    /// The next version of each key.
    ChangeKeys,
    Load,
    /// And may the balance be read before (K5)?
    Pay(PaymentId, bool),
    /// After the member has declined: find out, so that the counter is used up and the money free.
    Undo,
    Read,
    Put(u8, SignedBytes),
    ReadTicket(u8),
    Clear(u8),
}

/// What the contact waits for.
enum Waiting {
    /// The answer to SELECT.
    Selected(Job),
    /// The answer to bytes of the card-key server's.
    Bytes(Job, JobId),
    /// The member's word, and the card's answer to the order's bytes.
    Agreement(Job, JobId),
    /// Nothing any more.
    Over,
}

/// What it has come to so far.
#[derive(Default)]
struct Results {
    loaded: u32,
    paid: Option<PaymentId>,
    ticket: Option<CardTicket>,
    /// Why the payment isn't ordered; told if the card turns out not to have made it before.
    unordered: Option<Code>,
    /// The card was told the limits of the settings.
    limited: bool,
    /// An order of this contact has left, and nobody knows yet what the card did.
    ordered: Option<OrderId>,
    blocked: bool,
}

/// A contact with a card.
pub(super) struct Contact {
    id: Digest,
    member: PartyNumber,
    pub(super) touched: Time,
    card: CardNumber,
    errand: Errand,
    step: u32,
    last: Next,
    answered: Option<Answered>,
    plan: VecDeque<Job>,
    waiting: Waiting,
    results: Results,
}

/// How a contact ends before its time.
enum Stop {
    Refused(Refusal),
    InDoubt,
    Fault(CardFault),
}

impl From<CardFault> for Stop {
    fn from(fault: CardFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Code> for Stop {
    fn from(code: Code) -> Self {
        Self::Refused(Refusal::new(code))
    }
}

impl Contact {
    pub(super) fn new(
        (id, member): (Digest, PartyNumber),
        card: CardNumber,
        errand: Errand,
        now: Time,
    ) -> Self {
        Self {
            id,
            member,
            touched: now,
            card,
            errand,
            step: 0,
            last: Next::InDoubt,
            answered: None,
            plan: VecDeque::new(),
            waiting: Waiting::Over,
            results: Results::default(),
        }
    }

    pub(super) fn last_step(&self) -> CardStep {
        CardStep {
            contact: self.id,
            step: self.step,
            next: self.last.clone(),
        }
    }

    fn step(&mut self, next: Next) -> CardStep {
        self.step = self.step.saturating_add(1);
        self.last = next;
        self.last_step()
    }

    /// The first step.
    pub(super) fn start(&mut self, desk: &CardDesk, now: Time) -> CardStep {
        let next = self.plan_all(desk, now);
        let next = self.settled(desk, next);
        self.step(next)
    }

    /// The step after this answer; `None` if it doesn't answer the last one. The same answer again gets
    /// the same step.
    pub(super) fn answer(
        &mut self,
        desk: &CardDesk,
        step: u32,
        answered: &Answered,
        now: Time,
    ) -> Option<CardStep> {
        if step.saturating_add(1) == self.step && self.answered.as_ref() == Some(answered) {
            return Some(self.last_step());
        }
        if step != self.step {
            return None;
        }
        self.touched = now;
        self.answered = Some(answered.clone());
        let next = self.advance(desk, answered, now);
        let next = self.settled(desk, next);
        Some(self.step(next))
    }

    /// What is said when it has stopped.
    fn settled(&mut self, desk: &CardDesk, next: Result<Next, Stop>) -> Next {
        let stop = match next {
            Ok(next) => return next,
            Err(stop) => stop,
        };
        self.waiting = Waiting::Over;
        if self.results.paid.is_some() {
            // What went wrong came after the receipt: the member has paid, and shall hear so.
            return self.report(desk).map_or(Next::InDoubt, Next::Done);
        }
        match stop {
            Stop::InDoubt => Next::InDoubt,
            Stop::Fault(fault) => {
                tracing::error!(card = %self.card, error = %fault, "a contact with a card ends");
                if self.results.ordered.is_some() {
                    Next::InDoubt
                } else {
                    Next::Refused(Refusal::new(Code::IcCardService))
                }
            }
            // Whatever came in between, nobody knows what the card did about the order.
            Stop::Refused(_) if self.results.ordered.is_some() => Next::InDoubt,
            Stop::Refused(refusal) => Next::Refused(refusal),
        }
    }

    /// Looks at book and card-key server, and decides what is to be done with the card.
    fn plan_all(&mut self, desk: &CardDesk, now: Time) -> Result<Next, Stop> {
        let standing = self.standing(desk)?;
        let mut house = desk.connect()?;
        let Response::Card(known) = house.call(&Request::Card(number(self.card)))? else {
            return Err(unexpected("a card").into());
        };
        // A card whose key is still in stock hasn't been put into use, or not to its end.
        let new = desk.stock.key(self.card);
        let new = new.map_err(|e| super::book(format!("the stock: {e:?}")))?;
        if known.is_none() || new.is_some() {
            return self.plan_first(standing.card.state);
        }
        desk.catch_up(&mut house, self.card, now)?;
        let in_doubt = known.as_ref().is_some_and(|known| known.in_doubt.is_some());
        if known.is_some_and(|known| known.denied) && !standing.card.state.is_over() {
            // It found a copy, or was told of a loss, and the book hasn't heard of it.
            desk.carry_out(Rule::CardCopied(self.card), now)?;
        }
        let standing = self.standing(desk)?;
        if standing.card.state.is_over() {
            desk.deny(self.card)?;
            self.plan.push_back(Job::Terminate);
            return self.next_job(desk);
        }
        if let Some(next) = self.errand_done(desk, &standing)? {
            return Ok(next);
        }
        let renews = desk.stock.renews(self.card);
        let stock = |e| super::book(format!("the stock: {e:?}"));
        if renews.map_err(stock)? && standing.card.state == CardState::Active {
            self.plan.push_back(Job::ChangeKeys);
        }
        self.plan_errand(&standing, in_doubt, now)?;
        self.next_job(desk)
    }

    fn plan_first(&mut self, state: CardState) -> Result<Next, Stop> {
        if state.is_over() {
            return Err(Code::IcCardEnded.into());
        }
        self.plan.push_back(Job::Personalise);
        self.select()
    }

    fn plan_errand(&mut self, standing: &Standing, in_doubt: bool, now: Time) -> Result<(), Stop> {
        if standing.owed > 0 && standing.card.state == CardState::Active {
            self.plan.push_back(Job::Load);
        }
        let job = match &self.errand {
            Errand::Look => Job::Read,
            Errand::Pay(payment, read) => match due(standing, *payment, now) {
                Ok(_) => Job::Pay(*payment, *read),
                // No new order; but what became of the one that is out comes first.
                Err(code) if in_doubt => {
                    self.results.unordered = Some(code);
                    Job::Read
                }
                Err(code) => return Err(code.into()),
            },
            Errand::PutTicket(slot, ticket) => Job::Put(*slot, ticket.clone()),
            Errand::ReadTicket(slot) => Job::ReadTicket(*slot),
            Errand::ClearTicket(slot) => Job::Clear(*slot),
        };
        self.plan.push_back(job);
        Ok(())
    }

    fn standing(&self, desk: &CardDesk) -> Result<Standing, Stop> {
        let standing = desk.standing(self.card)?;
        let standing = standing.filter(|s| s.card.holder == self.member);
        standing.ok_or(Code::IcCardUnknown.into())
    }

    /// If the errand is a payment whose receipt is in the book, or that is given up, the card needn't be
    /// asked.
    fn errand_done(&mut self, desk: &CardDesk, standing: &Standing) -> Result<Option<Next>, Stop> {
        let Errand::Pay(payment, _) = self.errand else {
            return Ok(None);
        };
        let hold = self.hold(desk, payment)?;
        if hold.payer != standing.card.account() {
            return Err(Code::IcCardChanged.into());
        }
        match hold.state {
            HoldState::Awaiting => Ok(None),
            HoldState::Open | HoldState::Captured(_) => {
                self.results.paid = Some(payment);
                self.results.ordered = None;
                self.waiting = Waiting::Over;
                Ok(Some(Next::Done(self.report(desk)?)))
            }
            HoldState::Expired | HoldState::Voided => Err(Code::IcCardNotDue.into()),
        }
    }

    fn hold(&self, desk: &CardDesk, payment: PaymentId) -> Result<Hold, Stop> {
        let hold = desk.ledger.read(|b| b.hold(&payment));
        let hold = hold.map_err(super::book)?;
        hold.ok_or(Code::IcCardNotDue.into())
    }

    /// Begins the next job, or ends the contact.
    fn next_job(&mut self, desk: &CardDesk) -> Result<Next, Stop> {
        if !self.plan.is_empty() {
            return self.select();
        }
        self.waiting = Waiting::Over;
        if let (Some(code), Errand::Pay(payment, _)) = (self.results.unordered, &self.errand) {
            match self.hold(desk, *payment)?.state {
                // Whoever says no after the card has paid, has paid.
                HoldState::Open | HoldState::Captured(_) => self.results.paid = Some(*payment),
                HoldState::Expired | HoldState::Voided if code != Code::IcCardDeclined => {
                    return Err(Code::IcCardNotDue.into());
                }
                HoldState::Awaiting | HoldState::Expired | HoldState::Voided => {
                    return Err(code.into());
                }
            }
        }
        Ok(Next::Done(self.report(desk)?))
    }

    fn select(&mut self) -> Result<Next, Stop> {
        let job = self.plan.pop_front().ok_or(Code::IcCardContactOver)?;
        self.waiting = Waiting::Selected(job);
        Ok(send(select()))
    }

    fn report(&self, desk: &CardDesk) -> Result<CardReport, Stop> {
        let standing = self.standing(desk)?;
        Ok(CardReport {
            balance: standing.amount(standing.card.balance),
            owed: standing.amount(standing.owed),
            counter: standing.card.counter,
            loaded: standing.amount(self.results.loaded),
            paid: self.results.paid,
            ticket: self.results.ticket.clone(),
            blocked: standing.card.state == CardState::Blocked || self.results.blocked,
        })
    }

    fn advance(&mut self, desk: &CardDesk, answered: &Answered, now: Time) -> Result<Next, Stop> {
        let waiting = std::mem::replace(&mut self.waiting, Waiting::Over);
        match (waiting, answered) {
            (Waiting::Over, _) => Err(Code::IcCardContactOver.into()),
            (Waiting::Agreement(_, id), Answered::Declined) => {
                // The order has left the card-key server, the card hasn't seen it: a session that
                // finds out uses its counter up.
                let mut house = desk.connect()?;
                house.call(&Request::Abandon(id))?;
                self.results.unordered = Some(Code::IcCardDeclined);
                self.plan.clear();
                self.plan.push_back(Job::Undo);
                self.next_job(desk)
            }
            (_, Answered::Declined) => Err(Code::IcCardContactOver.into()),
            (Waiting::Selected(job), Answered::By(bytes)) => {
                self.selected(desk, job, &bytes.0, now)
            }
            (Waiting::Selected(_), Answered::Nothing) => Err(gone()),
            (Waiting::Bytes(job, id) | Waiting::Agreement(job, id), answered) => {
                let bytes = match answered {
                    Answered::By(bytes) => bytes.0.clone(),
                    Answered::Nothing | Answered::Declined => Vec::new(),
                };
                let mut house = desk.connect()?;
                let response = house.call(&Request::Answer(id, bytes))?;
                self.respond(desk, &mut house, (job, id), response, now)
            }
        }
    }

    /// SELECT was answered: is it the card? Then a session is begun. What it says of itself is only a
    /// hint; the session proves it.
    fn selected(
        &mut self,
        desk: &CardDesk,
        job: Job,
        answer: &[u8],
        now: Time,
    ) -> Result<Next, Stop> {
        let told = selected(answer).ok_or(Code::IcCardUnproven)?;
        if told.csn.as_bytes() != self.card.as_bytes() {
            return Err(Code::IcCardChanged.into());
        }
        let standing = self.standing(desk)?;
        let job = match (told.state, standing.card.state) {
            (CardPower::Active, CardState::Blocked) if job != Job::Terminate => {
                self.plan.push_front(job);
                Job::Block
            }
            (CardPower::Blocked, CardState::Active) if job != Job::Terminate => {
                self.plan.push_front(job);
                Job::Unblock
            }
            (CardPower::Blocked, CardState::Blocked) => {
                self.results.blocked = true;
                job
            }
            (CardPower::Terminated, _) => return Err(Code::IcCardEnded.into()),
            (CardPower::Blank | CardPower::Active | CardPower::Blocked, _) => job,
        };
        if standing.card.state == CardState::Blocked && matches!(job, Job::Load | Job::Pay(..)) {
            return Err(Code::IcCardBlocked.into());
        }
        let task = self.task(desk, &job)?;
        let id = JobId(random());
        let mut house = desk.connect()?;
        let response = house.call(&Request::Begin(id, number(self.card), task))?;
        self.respond(desk, &mut house, (job, id), response, now)
    }

    fn task(&self, desk: &CardDesk, job: &Job) -> Result<Task, Stop> {
        Ok(match job {
            Job::Personalise => {
                let key = desk.stock.key(self.card);
                let key = key.map_err(|e| super::book(format!("the stock: {e:?}")))?;
                Task::Personalise {
                    transport_key: key.ok_or(Code::IcCardUnknown)?,
                    limits: desk.limits(),
                }
            }
            Job::Block => Task::Block,
            Job::Unblock => Task::Unblock,
            Job::Terminate => Task::Terminate,
            Job::Limit => Task::Limit(desk.limits()),
            Job::ChangeKeys => Task::ChangeKeys,
            Job::Load => Task::Load,
            Job::Pay(_, read) => Task::Debit { read: *read },
            Job::Undo | Job::Read => Task::Read,
            Job::Put(slot, ticket) => Task::PutTicket {
                slot: *slot,
                ticket: ticket.as_bytes().to_vec(),
            },
            Job::ReadTicket(slot) => Task::ReadTicket { slot: *slot },
            Job::Clear(slot) => Task::PutTicket {
                slot: *slot,
                ticket: Vec::new(),
            },
        })
    }

    fn respond(
        &mut self,
        desk: &CardDesk,
        house: &mut House,
        (job, id): (Job, JobId),
        response: Response,
        now: Time,
    ) -> Result<Next, Stop> {
        match response {
            Response::Send(bytes) => {
                self.waiting = Waiting::Bytes(job, id);
                Ok(send(bytes))
            }
            Response::Opened { purse, .. } => {
                desk.catch_up(house, self.card, now)?;
                if purse.limits != desk.limits() && !self.results.limited {
                    // The settings were changed: first the card's limits follow, or it would refuse.
                    house.call(&Request::Abandon(id))?;
                    self.plan.push_front(job);
                    self.plan.push_front(Job::Limit);
                    return self.next_job(desk);
                }
                match &job {
                    Job::Pay(payment, read) => {
                        let (pay, balance) = ((*payment, *read), purse.balance);
                        self.order_debit(desk, house, (pay, id), balance, now)
                    }
                    Job::Load => self.order_load(desk, house, id, now),
                    Job::Personalise
                    | Job::Block
                    | Job::Unblock
                    | Job::Terminate
                    | Job::Limit
                    | Job::ChangeKeys
                    | Job::Undo
                    | Job::Read
                    | Job::Put(..)
                    | Job::ReadTicket(_)
                    | Job::Clear(_) => Err(CardFault::Service("it opened a purse".into()).into()),
                }
            }
            Response::Settled {
                receipt: _,
                send: confirm,
            } => {
                desk.catch_up(house, self.card, now)?;
                self.note_settled(desk, &job)?;
                self.waiting = Waiting::Bytes(job, id);
                Ok(send(confirm))
            }
            Response::Done(done) => self.job_done(desk, house, job, done, now),
            Response::Refused(refusal) => self.refused(desk, house, (&job, refusal), now),
            Response::InDoubt if self.results.ordered.is_some() => Err(Stop::InDoubt),
            Response::InDoubt => Err(gone()),
            Response::Ordered { .. }
            | Response::Card(_)
            | Response::Checked(_)
            | Response::Kept { .. }
            | Response::Receipts(_)
            | Response::Found(_)
            | Response::Fault => Err(unexpected("a session").into()),
        }
    }

    /// The card-key server refuses, by itself or in the card's name. While an order is out that needn't
    /// be the last word about it.
    fn refused(
        &mut self,
        desk: &CardDesk,
        house: &mut House,
        (job, refusal): (&Job, HouseRefusal),
        now: Time,
    ) -> Result<Next, Stop> {
        if refusal == HouseRefusal::RolledBack {
            desk.carry_out(Rule::CardCopied(self.card), now)?;
        }
        if refusal == HouseRefusal::Personalised && *job == Job::Personalise {
            self.forget_stock(desk)?;
            return self.plan_all(desk, now);
        }
        desk.catch_up(house, self.card, now)?;
        if let Some(order) = self.results.ordered {
            let Response::Found(fate) = house.call(&Request::Find(order))? else {
                return Err(unexpected("an order").into());
            };
            match fate {
                Fate::InDoubt => return Err(Stop::InDoubt),
                Fate::CarriedOut(_) => {
                    self.note_settled(desk, job)?;
                    return self.next_job(desk);
                }
                Fate::Unknown | Fate::NotCarriedOut => {}
            }
        }
        (self.results.ordered, self.results.loaded) = (None, 0);
        Err(Stop::Refused(refusal_of(refusal)))
    }

    fn forget_stock(&self, desk: &CardDesk) -> Result<(), Stop> {
        let forgotten = desk.stock.forget(self.card);
        let fault = |e| super::book(format!("the stock: {e:?}"));
        forgotten.map_err(fault).map_err(Stop::from)
    }

    fn note_settled(&mut self, desk: &CardDesk, job: &Job) -> Result<(), Stop> {
        self.results.ordered = None;
        if let Job::Pay(payment, _) = job {
            let hold = self.hold(desk, *payment)?;
            // Nobody can deliver any more: what was taken off is owed to the card.
            if matches!(hold.state, HoldState::Expired | HoldState::Voided) {
                self.plan.push_back(Job::Load);
                return Ok(());
            }
            self.results.paid = Some(*payment);
        }
        Ok(())
    }

    fn job_done(
        &mut self,
        desk: &CardDesk,
        house: &mut House,
        job: Job,
        done: Done,
        now: Time,
    ) -> Result<Next, Stop> {
        desk.catch_up(house, self.card, now)?;
        match job {
            Job::Personalise => {
                self.forget_stock(desk)?;
                // Now it's a card like any other, with whatever is owed to it.
                return self.plan_all(desk, now);
            }
            Job::Terminate => {
                // It was found out on the way: that the card has paid is the better answer.
                let standing = self.standing(desk)?;
                return match self.errand_done(desk, &standing) {
                    Ok(Some(paid)) => Ok(paid),
                    Err(Stop::Fault(fault)) => Err(fault.into()),
                    Ok(None) | Err(Stop::Refused(_) | Stop::InDoubt) => {
                        Err(Code::IcCardEnded.into())
                    }
                };
            }
            Job::Limit => self.results.limited = true,
            Job::ChangeKeys => {
                let done = desk.stock.set_renewal(self.card, false);
                done.map_err(|e| super::book(format!("the stock: {e:?}")))?;
            }
            Job::Unblock => self.results.blocked = false,
            Job::Block => self.results.blocked = true,
            Job::ReadTicket(_) => {
                let told = done.ticket.ok_or(Code::IcCardTicket)?;
                self.results.ticket = Some(CardTicket {
                    ticket: SignedBytes::new(told.ticket),
                    punched: told.punched,
                });
            }
            Job::Undo => self.results.ordered = None,
            Job::Load | Job::Pay(..) | Job::Read | Job::Put(..) | Job::Clear(_) => {}
        }
        // A doubt of before may just have been cleared up, and money may be owed.
        let standing = self.standing(desk)?;
        if matches!(job, Job::Read | Job::Undo)
            && standing.owed > 0
            && standing.card.state == CardState::Active
            && self.results.loaded == 0
        {
            self.plan.push_front(Job::Load);
        }
        self.next_job(desk)
    }

    fn order_debit(
        &mut self,
        desk: &CardDesk,
        house: &mut House,
        ((payment, read), id): ((PaymentId, bool), JobId),
        balance: Option<u32>,
        now: Time,
    ) -> Result<Next, Stop> {
        // The session may have found out that the card has paid, or never will.
        let standing = self.standing(desk)?;
        if let Some(next) = self.errand_done(desk, &standing)? {
            house.call(&Request::Abandon(id))?;
            return Ok(next);
        }
        let hold = due(&standing, payment, now)?.clone();
        let bill = desk
            .ledger
            .read(|b| b.bill(&hold.bill))
            .map_err(super::book)?;
        let bill = bill.ok_or(Code::IcCardNotDue)?.digest;
        let money = self.money(order_id(payment), hold.amount, bill, now);
        let terminal = hold.bill.shop.wire().to_be_bytes();
        let money = Money { terminal, ..money? };
        self.results.ordered = Some(order_id(payment));
        let response = house.call(&Request::Order(id, money))?;
        let Response::Ordered { counter, send } = response else {
            return self.respond(desk, house, (Job::Pay(payment, read), id), response, now);
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
        Ok(Next::Agree(desk.sign_order(&order)))
    }

    fn order_load(
        &mut self,
        desk: &CardDesk,
        house: &mut House,
        id: JobId,
        now: Time,
    ) -> Result<Next, Stop> {
        let standing = self.standing(desk)?;
        // No more than it may hold; the rest stays owed to it.
        let room = desk.balance_limit().saturating_sub(standing.card.balance);
        let owed = standing.owed.min(room);
        if owed == 0 {
            house.call(&Request::Abandon(id))?;
            return self.next_job(desk);
        }
        let order = OrderId(random());
        self.results.loaded = owed;
        let owed = standing.amount(owed);
        let money = self.money(order, owed, self.id, now)?;
        self.results.ordered = Some(order);
        let response = house.call(&Request::Order(id, money))?;
        let Response::Ordered { send: bytes, .. } = response else {
            return self.respond(desk, house, (Job::Load, id), response, now);
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

/// The payment that waits for the card, if there's time enough left for it.
fn due(standing: &Standing, payment: PaymentId, now: Time) -> Result<&Hold, Code> {
    if standing.card.state == CardState::Blocked {
        return Err(Code::IcCardBlocked);
    }
    // Reported lost, say, since the contact began.
    if standing.card.state.is_over() {
        return Err(Code::IcCardEnded);
    }
    let hold = standing.awaiting.iter().find(|h| h.payment == payment);
    let hold = hold.ok_or(Code::IcCardNotDue)?;
    if now.after(TIME_TO_PAY) < hold.expires {
        Ok(hold)
    } else {
        Err(Code::IcCardTooLate)
    }
}

fn send(bytes: Vec<u8>) -> Next {
    Next::Send(CardBytes(bytes))
}

/// The card was pulled out, or its answers don't hold; no order was out.
fn gone() -> Stop {
    let detail = "the card's answer didn't arrive, or isn't the card's";
    Stop::Refused(Refusal::because(Code::IcCardContactOver, detail))
}

fn random() -> [u8; 16] {
    use rand_core::Rng as _;
    let mut bytes = [0; 16];
    rng().fill_bytes(&mut bytes);
    bytes
}
