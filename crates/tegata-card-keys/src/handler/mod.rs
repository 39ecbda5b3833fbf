//! What the application server asks is decided here, without clock, chance or network: a request,
//! the time and a source of challenges go in, a response comes out.
//!
//! A [`Handler`] has the master keys, the store and the jobs that are open. A job is one session with
//! one card; it lives in memory only. What must survive a crash stands in the store before anybody
//! is told: an order before its bytes leave, a receipt before it's called settled. After a crash at
//! any point the next job of that card reads the purse and finds out (`finding.rs`).
//!
//! ```text
//! clients.rs   who may ask what
//! opening.rs   INITIALIZE UPDATE, EXTERNAL AUTHENTICATE
//! finding.rs   READ PURSE, READ LOG, CONFIRM, VOID: what became of an order in doubt
//! money.rs     DEBIT, LOAD, CONFIRM
//! tasks.rs     state, limits, keys, tickets
//! personal.rs  a blank card's first keys
//! receipts.rs    without a session: receipts (check, submit, list), orders' fates; deny, card
//! ```

mod clients;
mod finding;
mod money;
mod opening;
mod personal;
mod plan;
mod receipts;
mod tasks;

use std::collections::BTreeMap;

use tegata_card::apdu::Status;
use tegata_card::keys::{Csn, Role};
use tegata_card::receipt::{Receipt, ReceiptKey, VerifiedReceipt};
use tegata_card::session::{Opening, Order, Reply, Said, Session};
use tegata_card_service::{
    CardKeysRefusal, CardLimits, Done, JobId, PurseTold, Request, Resolved, Response,
};

use crate::keys::MasterKeys;
use crate::store::{CardRecord, CardState, Evidence, MoneyOrder, Reason, Store, StoreError};
pub use clients::Client;
use plan::Plan;

/// Where sixteen random bytes for each session come from.
pub type Challenges<'c> = &'c mut dyn FnMut() -> [u8; 16];

/// How long a gate must leave a card alone that the application server is busy with, in seconds. Numbers of
/// cards are no secret: a stolen gate could else break off every payment.
const GATE_YIELDS: u64 = 15;

/// How much is kept open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The most jobs at once; gates may have half of them.
    pub jobs: usize,
    /// A job that nobody asked about for so many seconds is over.
    pub idle: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            jobs: 256,
            idle: 120,
        }
    }
}

/// The card-key server without its sockets.
#[derive(Debug)]
pub struct Handler {
    keys: MasterKeys,
    store: Store,
    bounds: Bounds,
    jobs: BTreeMap<JobId, Job>,
}

/// A session with a card.
#[derive(Debug)]
struct Job {
    csn: Csn,
    /// Who began it; nobody else may go on with it.
    client: Client,
    plan: Plan,
    stage: Stage,
    resolved: Option<Resolved>,
    purse: Option<PurseTold>,
    /// Was its session's number looked at?
    numbered: bool,
    touched: u64,
}

/// What comes next.
#[derive(Debug)]
enum Stage {
    /// INITIALIZE UPDATE's answer.
    Opening(Opening, Door),
    /// EXTERNAL AUTHENTICATE's answer.
    Proving(Session),
    /// The answer to something that was ordered in the session.
    Asked(Session, Asked),
    /// The money.
    Ready(Session),
    /// Nothing: somebody is at it.
    Taken,
}

/// Which key a session is being opened with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Door {
    Transport,
    Next(Role),
    Current(Role),
}

/// What a session was asked last.
#[derive(Debug)]
enum Asked {
    Purse,
    Log(finding::Looking),
    Confirm,
    Void(MoneyOrder),
    Money(MoneyOrder),
    /// CONFIRM, after the receipt is kept.
    Settled,
    State,
    Limits,
    Key(Role),
    FirstKey(Role),
    Activate,
    PutTicket(u8),
    ReadTicket(Option<tasks::Head>),
    Punch(Vec<u8>),
}

/// How a turn ends.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, and it's taken apart at once"
)]
enum Flow {
    /// The job goes on.
    Wait(Response, Stage),
    /// The job is over.
    End(Response),
}

type Turn = Result<Flow, StoreError>;

fn refused(why: CardKeysRefusal) -> Turn {
    Ok(Flow::End(Response::Refused(why)))
}

/// All that a turn needs beside its job.
struct Desk<'d> {
    keys: &'d MasterKeys,
    store: &'d mut Store,
    now: u64,
    challenges: Challenges<'d>,
}

impl Handler {
    /// A handler with no job open.
    #[must_use]
    pub const fn new(keys: MasterKeys, store: Store, bounds: Bounds) -> Self {
        Self {
            keys,
            store,
            bounds,
            jobs: BTreeMap::new(),
        }
    }

    /// The store, for those who list what's in it.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Answers a request of `client` at `now`, seconds since 1970.
    pub fn answer(
        &mut self,
        client: Client,
        request: Request,
        now: u64,
        challenges: Challenges<'_>,
    ) -> Response {
        let idle = self.bounds.idle;
        self.jobs
            .retain(|_, job| now.saturating_sub(job.touched) <= idle);
        if !client.may_ask(&request) {
            tracing::warn!(?client, "refused: this client may not ask that");
            return Response::Refused(CardKeysRefusal::NotPermitted);
        }
        // To another client a job is unknown, and stays as it is.
        if let Some(id) = clients::job_of(&request)
            && self.jobs.get(&id).is_some_and(|job| job.client != client)
        {
            return Response::Refused(CardKeysRefusal::JobUnknown);
        }
        let answered = self.answer_permitted(client, request, now, challenges);
        answered.unwrap_or_else(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a request couldn't be answered"
            );
            Response::Fault
        })
    }

    fn answer_permitted(
        &mut self,
        client: Client,
        request: Request,
        now: u64,
        challenges: Challenges<'_>,
    ) -> Result<Response, StoreError> {
        match request {
            Request::Begin(id, card, task) => {
                let csn = Csn::new(card.0);
                tracing::info!(card = %csn, task = task.name(), ?client, "a job begins");
                if client == Client::Gate && !self.gate_may_begin(csn, now) {
                    return Ok(Response::Fault);
                }
                // One job per card: once another session is opened, this one's bytes are dead.
                self.jobs
                    .retain(|other, job| *other != id && job.csn != csn);
                if self.jobs.len() >= self.bounds.jobs {
                    tracing::warn!(jobs = self.jobs.len(), "no room for another job");
                    return Ok(Response::Fault);
                }
                let begun = self.desk(now, challenges).begin(client, csn, task);
                begun.map(|(job, flow)| self.after(id, job, flow))
            }
            Request::Answer(id, bytes) => self.turn(id, now, challenges, |desk, job, stage| {
                desk.hear(job, stage, &bytes)
            }),
            Request::Order(id, money) => self.turn(id, now, challenges, |desk, job, stage| {
                desk.order(job, stage, &money)
            }),
            Request::Abandon(id) => Ok(match self.jobs.remove(&id) {
                Some(job) => job.stage.given_up(CardKeysRefusal::JobUnknown),
                None => Response::Refused(CardKeysRefusal::JobUnknown),
            }),
            Request::Check(bytes) => self.desk(now, challenges).check(&bytes),
            Request::Card(card) => {
                let known = self.desk(now, challenges).known(Csn::new(card.0));
                known.map(Response::Card)
            }
            Request::Deny(card) => {
                let csn = Csn::new(card.0);
                self.jobs.retain(|_, job| job.csn != csn);
                self.desk(now, challenges).deny(csn)
            }
            Request::Submit(bytes) => self.desk(now, challenges).submit(&bytes),
            Request::Receipts(card, above) => {
                let csn = Csn::new(card.0);
                self.desk(now, challenges).receipts(csn, above)
            }
            Request::Find(id) => self.desk(now, challenges).find(id),
        }
    }

    /// A gate ends no job that the application server is busy with or has an order out in, and leaves
    /// room for others.
    fn gate_may_begin(&self, csn: Csn, now: u64) -> bool {
        let busy = |job: &Job| {
            let ordered = matches!(job.stage, Stage::Asked(_, Asked::Money(_)));
            ordered || now.saturating_sub(job.touched) <= GATE_YIELDS
        };
        let mut others = self.jobs.values();
        if others.any(|job| job.csn == csn && job.client == Client::Application && busy(job)) {
            tracing::warn!(card = %csn, "a gate has to wait: the application server is at it");
            return false;
        }
        // The one that this one ends doesn't count.
        let of_gates = |job: &&Job| job.client == Client::Gate && job.csn != csn;
        let gates = self.jobs.values().filter(of_gates);
        let room = gates.count() < self.bounds.jobs.div_ceil(2);
        if !room {
            tracing::warn!("no room for another job of a gate's");
        }
        room
    }

    const fn desk<'d>(&'d mut self, now: u64, challenges: Challenges<'d>) -> Desk<'d> {
        Desk {
            keys: &self.keys,
            store: &mut self.store,
            now,
            challenges,
        }
    }

    /// Takes a job out, lets it go on, and puts it back if it isn't over. If the store fails, the
    /// job is over; the next one finds out.
    fn turn(
        &mut self,
        id: JobId,
        now: u64,
        challenges: Challenges<'_>,
        go_on: impl FnOnce(&mut Desk<'_>, &mut Job, Stage) -> Turn,
    ) -> Result<Response, StoreError> {
        let Some(mut job) = self.jobs.remove(&id) else {
            return Ok(Response::Refused(CardKeysRefusal::JobUnknown));
        };
        let stage = std::mem::replace(&mut job.stage, Stage::Taken);
        job.touched = now;
        let flow = go_on(&mut self.desk(now, challenges), &mut job, stage)?;
        Ok(self.after(id, job, flow))
    }

    fn after(&mut self, id: JobId, mut job: Job, flow: Flow) -> Response {
        match flow {
            Flow::Wait(response, stage) => {
                job.stage = stage;
                self.jobs.insert(id, job);
                response
            }
            Flow::End(response) => response,
        }
    }
}

impl Stage {
    /// What is left to say when a job ends before its time. With money on its way it's in doubt.
    const fn given_up(&self, otherwise: CardKeysRefusal) -> Response {
        match self {
            Self::Asked(_, Asked::Money(_)) => Response::InDoubt,
            Self::Opening(..)
            | Self::Proving(_)
            | Self::Asked(..)
            | Self::Ready(_)
            | Self::Taken => Response::Refused(otherwise),
        }
    }
}

impl Job {
    fn done(&self) -> Done {
        match self.client {
            Client::Application => Done {
                resolved: self.resolved.clone(),
                purse: self.purse.clone(),
                ..Done::default()
            },
            // What is on a purse and what was paid is no gate's business. The application server
            // can ask for receipts and orders' fates at any time.
            Client::Gate => Done::default(),
        }
    }
}

/// Sends an order in the session.
fn ask(mut session: Session, order: &Order, asked: Asked) -> Turn {
    match session.order(order) {
        Ok(bytes) => Ok(Flow::Wait(
            Response::Send(bytes),
            Stage::Asked(session, asked),
        )),
        Err(_unsendable) => refused(CardKeysRefusal::WrongRequest),
    }
}

impl Desk<'_> {
    /// What the card answered.
    fn hear(&mut self, job: &mut Job, stage: Stage, answer: &[u8]) -> Turn {
        let (session, asked) = match stage {
            Stage::Opening(opening, door) => return self.shaken(job, opening, door, answer),
            Stage::Proving(session) => return self.proven(job, session, answer),
            Stage::Ready(_) | Stage::Taken => return refused(CardKeysRefusal::OutOfTurn),
            Stage::Asked(session, asked) => (session, asked),
        };
        match session.answer(answer) {
            Ok((session, said)) => match self.number_behind(job, &session)? {
                None => self.told(job, session, asked, said),
                Some(number) => self.copied(job, &asked, &said, number),
            },
            Err(doubt) => {
                tracing::info!(card = %job.csn, status = ?doubt.0, "the card's answer isn't authentic");
                // Once the receipt is kept, that's what counts; the next job confirms again.
                Ok(Flow::End(if matches!(asked, Asked::Settled) {
                    Response::Done(Done::default())
                } else {
                    Response::InDoubt
                }))
            }
        }
    }

    /// What the card said under its MAC.
    fn told(&mut self, job: &mut Job, session: Session, asked: Asked, said: Said) -> Turn {
        match (asked, said) {
            (Asked::Money(order), said) => self.money_told(job, session, &order, said),
            (Asked::Log(looking), Said::Refused(_)) => self.log_missing(job, &looking),
            (Asked::Settled, Said::Refused(_)) => Ok(Flow::End(Response::Done(Done::default()))),
            (_, Said::Refused(status)) => refused(refusal(status)),
            (Asked::Punch(_), Said::AlreadyPunched(_)) => refused(CardKeysRefusal::Punched),
            (Asked::Purse, Said::Done(Reply::Purse(purse))) => self.looked(job, session, purse),
            (Asked::Log(looking), Said::Done(Reply::Receipt(receipt))) => {
                self.logged(job, session, looking, receipt)
            }
            (Asked::Confirm, Said::Done(Reply::Done)) => self.confirmed(job, session),
            (Asked::Void(order), Said::Done(Reply::Receipt(receipt))) => {
                self.voided(job, session, &order, receipt)
            }
            (Asked::Settled, Said::Done(Reply::Done)) => self.settled(job),
            (Asked::State, Said::Done(Reply::Done)) => self.state_set(job),
            (Asked::Limits, Said::Done(Reply::Done)) => self.limits_set(job),
            (Asked::Key(role), Said::Done(Reply::Done)) => self.key_put(job, session, role),
            (Asked::FirstKey(role), Said::Done(Reply::Done)) => {
                self.first_key_put(job, session, role)
            }
            (Asked::Activate, Said::Done(Reply::Done)) => self.activated(job),
            (Asked::PutTicket(part), Said::Done(Reply::Done)) => {
                tasks::ticket_put(job, session, part)
            }
            (Asked::ReadTicket(head), Said::Done(Reply::Ticket { head: told, bytes })) => {
                tasks::ticket_read(job, session, head, (told, bytes))
            }
            (Asked::Punch(ticket), Said::Done(Reply::Punched(punched))) => {
                self.punched(job, &punched, ticket)
            }
            // The session gives each order's own kind of reply or none.
            (_, Said::Done(_) | Said::AlreadyPunched(_)) => Ok(Flow::End(Response::InDoubt)),
        }
    }

    /// Denies a card that can't be what it was, keeps why, and ends the job with `response`.
    fn denied(
        &mut self,
        csn: Csn,
        reason: Reason,
        (known, came): (Option<&Receipt>, Option<&Receipt>),
        response: Response,
    ) -> Turn {
        let bytes = |receipt: Option<&Receipt>| receipt.map(Receipt::to_bytes).unwrap_or_default();
        self.denied_by(csn, reason, (bytes(known), bytes(came)), response)
    }

    /// The same, with what was known and what came as bytes.
    fn denied_by(
        &mut self,
        csn: Csn,
        reason: Reason,
        (known, came): (Vec<u8>, Vec<u8>),
        response: Response,
    ) -> Turn {
        tracing::error!(card = %csn, reason = reason.code(), "denied: copied, or set back");
        let evidence = Evidence {
            csn,
            found: self.now,
            reason: reason.code().to_owned(),
            known,
            came,
        };
        self.store.write(|tables| tables.deny_with(&evidence))?;
        Ok(Flow::End(response))
    }

    /// The receipt, if its card made it.
    fn verified(&self, receipt: Receipt) -> Option<VerifiedReceipt> {
        let master = self.keys.of(Role::Receipt)?;
        let key = master.card_key(receipt.csn, receipt.version.number())?;
        ReceiptKey::new(&key)?.verify(receipt).ok()
    }

    fn card(&self, csn: Csn) -> Result<CardRecord, StoreError> {
        self.store.read().known_card(csn)
    }
}

/// A card's record as a purse.
fn purse_told(card: &CardRecord, balance: Option<u32>) -> PurseTold {
    PurseTold {
        balance,
        counter: card.counter.saturating_add(1),
        limits: limits_told(card),
        blocked: card.state == CardState::Blocked,
    }
}

fn limits_told(card: &CardRecord) -> CardLimits {
    CardLimits {
        currency: String::from_utf8_lossy(&card.limits.currency).into_owned(),
        balance: card.limits.balance,
        debit: card.limits.debit,
        offline: card.limits.offline,
    }
}

/// The balance after a receipt's transaction, from the one before.
fn balance_after(before: u32, receipt: &Receipt) -> Option<u32> {
    use tegata_card::receipt::Kind;
    match receipt.kind {
        Kind::Debit => before.checked_sub(receipt.transaction.amount),
        Kind::Load | Kind::Refund => before.checked_add(receipt.transaction.amount),
        Kind::Void => Some(before),
    }
}

/// What an authentic refusal means.
fn refusal(status: Status) -> CardKeysRefusal {
    match status {
        Status::BLOCKED => CardKeysRefusal::Blocked,
        Status::INSUFFICIENT => CardKeysRefusal::Insufficient,
        Status::OVER_DEBIT_LIMIT | Status::OVER_OFFLINE_LIMIT => CardKeysRefusal::OverDebitLimit,
        Status::WRONG_COUNTER | Status::UNRATIFIED => CardKeysRefusal::WrongCounter,
        Status::NOT_AS_VIEWED => CardKeysRefusal::NotAsViewed,
        Status::OVER_BALANCE_LIMIT => CardKeysRefusal::OverBalanceLimit,
        Status::PUNCHED => CardKeysRefusal::Punched,
        Status::NO_TICKET => CardKeysRefusal::NoTicket,
        Status::SLOT_IN_USE => CardKeysRefusal::SlotInUse,
        Status::WRONG_AMOUNT => CardKeysRefusal::WrongAmount,
        _ => CardKeysRefusal::WrongRequest,
    }
}
