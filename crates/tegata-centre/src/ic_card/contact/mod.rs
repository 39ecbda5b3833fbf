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

use tegata_card::{command::State as CardPower, session::selected};
use tegata_card_service::{CardKeysRefusal, Done, Fate, JobId, OrderId, Request, Response, Task};
use tegata_ledger::{CardState, HoldState};
use tegata_protocol::{
    CardNumber, Digest, PartyNumber, PaymentId, SignedBytes, Time,
    book::Rule,
    card::{Answered, CardBytes, CardStep, CardTicket, Errand, Next},
    refusal::{Code, Refusal},
};

use super::{CardFault, CardKeys, IcCards, number, refusal_of, stock_fault as stock, unexpected};
use crate::keys::rng;

mod orders;
mod plan;

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
    /// What is owed was written, as far as there's room for it.
    written: bool,
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
    pub(super) fn start(&mut self, cards: &IcCards, now: Time) -> CardStep {
        let next = self.plan_all(cards, now);
        let next = self.settled(cards, next);
        self.step(next)
    }

    /// The step after this answer; `None` if it doesn't answer the last one. The same answer again gets
    /// the same step.
    pub(super) fn answer(
        &mut self,
        cards: &IcCards,
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
        let next = self.advance(cards, answered, now);
        let next = self.settled(cards, next);
        Some(self.step(next))
    }

    /// What is said when it has stopped.
    fn settled(&mut self, cards: &IcCards, next: Result<Next, Stop>) -> Next {
        let stop = match next {
            Ok(next) => return next,
            Err(stop) => stop,
        };
        self.waiting = Waiting::Over;
        // Another session of this contact, or another contact, may have found it out.
        self.results.paid = self.results.paid.or_else(|| self.has_paid(cards));
        if self.results.paid.is_some() {
            // What went wrong came after the receipt: the member has paid, and shall hear so.
            return self.report(cards).map_or(Next::InDoubt, Next::Done);
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

    fn advance(&mut self, cards: &IcCards, answered: &Answered, now: Time) -> Result<Next, Stop> {
        let waiting = std::mem::replace(&mut self.waiting, Waiting::Over);
        match (waiting, answered) {
            (Waiting::Over, _) => Err(Code::IcCardContactOver.into()),
            (Waiting::Agreement(_, id), Answered::Declined) => {
                // The order has left the card-key server, the card hasn't seen it: a session that
                // finds out uses its counter up.
                let mut server = cards.connect()?;
                server.call(&Request::Abandon(id))?;
                self.results.unordered = Some(Code::IcCardDeclined);
                self.plan.clear();
                self.plan.push_back(Job::Undo);
                self.next_job(cards)
            }
            (_, Answered::Declined) => Err(Code::IcCardContactOver.into()),
            (Waiting::Selected(job), Answered::By(bytes)) => {
                self.selected(cards, job, &bytes.0, now)
            }
            (Waiting::Selected(_), Answered::Nothing) => Err(gone()),
            (Waiting::Bytes(job, id) | Waiting::Agreement(job, id), answered) => {
                let bytes = match answered {
                    Answered::By(bytes) => bytes.0.clone(),
                    Answered::Nothing | Answered::Declined => Vec::new(),
                };
                let mut server = cards.connect()?;
                let response = server.call(&Request::Answer(id, bytes))?;
                self.respond(cards, &mut server, (job, id), response, now)
            }
        }
    }

    /// SELECT was answered: is it the card? Then a session is begun. What it says of itself is only a
    /// hint; the session proves it.
    fn selected(
        &mut self,
        cards: &IcCards,
        job: Job,
        answer: &[u8],
        now: Time,
    ) -> Result<Next, Stop> {
        let told = selected(answer).ok_or(Code::IcCardUnproven)?;
        if told.csn.as_bytes() != self.card.as_bytes() {
            return Err(Code::IcCardChanged.into());
        }
        let standing = self.standing(cards)?;
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
        let task = self.task(cards, &job)?;
        let id = JobId(random());
        let mut server = cards.connect()?;
        let response = server.call(&Request::Begin(id, number(self.card), task))?;
        self.respond(cards, &mut server, (job, id), response, now)
    }

    fn task(&self, cards: &IcCards, job: &Job) -> Result<Task, Stop> {
        Ok(match job {
            Job::Personalise => {
                let key = cards.stock.key(self.card).map_err(stock)?;
                Task::Personalise {
                    transport_key: key.ok_or(Code::IcCardUnknown)?,
                    limits: cards.limits(),
                }
            }
            Job::Block => Task::Block,
            Job::Unblock => Task::Unblock,
            Job::Terminate => Task::Terminate,
            Job::Limit => Task::Limit(cards.limits()),
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
        cards: &IcCards,
        server: &mut CardKeys,
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
                cards.catch_up(server, self.card, now)?;
                if purse.limits != cards.limits() && !self.results.limited {
                    // The settings were changed: first the card's limits follow, or it would refuse.
                    server.call(&Request::Abandon(id))?;
                    self.plan.push_front(job);
                    self.plan.push_front(Job::Limit);
                    return self.next_job(cards);
                }
                if matches!(job, Job::Pay(..)) && !self.results.written {
                    // This session may have found out that something is owed: it's written first.
                    let standing = self.standing(cards)?;
                    if standing.owed > 0 && standing.card.state == CardState::Active {
                        server.call(&Request::Abandon(id))?;
                        self.plan.push_front(job);
                        self.plan.push_front(Job::Load);
                        return self.next_job(cards);
                    }
                }
                match &job {
                    Job::Pay(payment, read) => {
                        let (pay, balance) = ((*payment, *read), purse.balance);
                        self.order_debit(cards, server, (pay, id), balance, now)
                    }
                    Job::Load => self.order_load(cards, server, id, now),
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
                cards.catch_up(server, self.card, now)?;
                self.note_settled(cards, &job)?;
                self.waiting = Waiting::Bytes(job, id);
                Ok(send(confirm))
            }
            Response::Done(done) => self.job_done(cards, server, job, done, now),
            Response::Refused(refusal) => self.refused(cards, server, (&job, refusal), now),
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
        cards: &IcCards,
        server: &mut CardKeys,
        (job, refusal): (&Job, CardKeysRefusal),
        now: Time,
    ) -> Result<Next, Stop> {
        if refusal == CardKeysRefusal::RolledBack {
            cards.carry_out(Rule::CardCopied(self.card), now)?;
        }
        if refusal == CardKeysRefusal::Personalised && *job == Job::Personalise {
            self.forget_stock(cards)?;
            return self.plan_all(cards, now);
        }
        if refusal == CardKeysRefusal::NoMoreKeys && *job == Job::ChangeKeys {
            // It keeps those that it has, and everything else goes on.
            tracing::warn!(card = %self.card, "its keys can't be changed again: replace it");
            let done = cards.stock.set_renewal(self.card, false);
            done.map_err(stock)?;
            return self.next_job(cards);
        }
        cards.catch_up(server, self.card, now)?;
        if let Some(order) = self.results.ordered {
            let Response::Found(fate) = server.call(&Request::Find(order))? else {
                return Err(unexpected("an order").into());
            };
            match fate {
                Fate::InDoubt => return Err(Stop::InDoubt),
                Fate::CarriedOut(_) => {
                    self.note_settled(cards, job)?;
                    return self.next_job(cards);
                }
                Fate::Unknown | Fate::NotCarriedOut => {}
            }
        }
        (self.results.ordered, self.results.loaded) = (None, 0);
        Err(Stop::Refused(refusal_of(refusal)))
    }

    fn forget_stock(&self, cards: &IcCards) -> Result<(), Stop> {
        Ok(cards.stock.forget(self.card).map_err(stock)?)
    }

    fn note_settled(&mut self, cards: &IcCards, job: &Job) -> Result<(), Stop> {
        if let Job::Pay(payment, _) = job {
            match plan::hold(cards, *payment)?.map(|hold| hold.state) {
                Some(HoldState::Open | HoldState::Captured(_)) => {
                    self.results.paid = Some(*payment);
                }
                // Nobody can deliver any more: what was taken off is owed to the card.
                Some(HoldState::Expired | HoldState::Voided) => self.plan.push_back(Job::Load),
                // The book doesn't take the receipt: nobody may say that it's paid, or that it isn't.
                Some(HoldState::Awaiting) | None => return Err(Stop::InDoubt),
            }
        }
        self.results.ordered = None;
        Ok(())
    }

    fn job_done(
        &mut self,
        cards: &IcCards,
        server: &mut CardKeys,
        job: Job,
        done: Done,
        now: Time,
    ) -> Result<Next, Stop> {
        cards.catch_up(server, self.card, now)?;
        match job {
            Job::Personalise => {
                self.forget_stock(cards)?;
                // Now it's a card like any other, with whatever is owed to it.
                return self.plan_all(cards, now);
            }
            Job::Terminate => {
                self.forget_stock(cards)?;
                // It was found out on the way: that the card has paid is the better answer.
                let standing = self.standing(cards)?;
                return match self.errand_done(cards, server, &standing) {
                    Ok(Some(paid)) => Ok(paid),
                    Err(Stop::Fault(fault)) => Err(fault.into()),
                    Err(Stop::Refused(why)) if why.code == Code::IcCardUnbooked => {
                        Err(why.code.into())
                    }
                    Ok(None) | Err(Stop::Refused(_) | Stop::InDoubt) => {
                        Err(Code::IcCardEnded.into())
                    }
                };
            }
            Job::Limit => self.results.limited = true,
            Job::ChangeKeys => {
                let done = cards.stock.set_renewal(self.card, false);
                done.map_err(stock)?;
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
        let standing = self.standing(cards)?;
        if matches!(job, Job::Read | Job::Undo)
            && standing.owed > 0
            && standing.card.state == CardState::Active
            && self.results.loaded == 0
        {
            self.plan.push_front(Job::Load);
        }
        self.next_job(cards)
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
