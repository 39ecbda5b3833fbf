//! The way of a message through the centre: opened, handed to its exchange, put into the book, answered.
//!
//! Nothing is believed before it's verified, nothing answered before it's durable. A message that can't be
//! opened, parsed or verified gets one answer, whatever was wrong with it; only the log knows.

use std::error::Error;

use tegata_cli::{data::DataDir, exit::Failure};
use tegata_ledger::{Committed, Draft, Fault, Verdict};
use tegata_protocol::{
    PartyNumber, Time,
    envelope::{Parcel, Sealed},
    refusal::{Code, Refusal},
};
use tokio::sync::oneshot;

use crate::{
    centre::Centre,
    exchange::{After, Answer, EXCHANGES, Live, Rejected, Route, Step, Stop},
    rate_limits::Cost,
};

/// What a message gets.
#[derive(Debug)]
pub enum Answered {
    /// A sealed reply: accepted or refused, nobody on the way sees which.
    Reply(Vec<u8>),
    /// It can't be opened, read or verified; one answer for all of it.
    Unreadable,
    /// Too much at once.
    Busy,
    /// Too many messages of this party: it may send the same one again after so many seconds.
    TooFast(u64),
    /// Our fault; the same message may be sent again.
    Fault,
}

impl Centre {
    /// Opens the centre in `dir`: its keys, register, book and people. The first operator, whose
    /// public key `tegata-centre init` left there, is entered in the register if that's still to be
    /// done: only who holds the book open writes into it.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open(dir: &DataDir, now: Time) -> Result<Self, Failure> {
        let centre = Self::open_parts(dir, now)?;
        centre.appoint_pending(dir, now)?;
        Ok(centre)
    }

    /// Takes a sealed message and gives the answer.
    pub async fn accept(&self, bytes: &[u8], now: Time) -> Answered {
        let Answer { step, route } = match self.open_message(bytes, now) {
            Ok(answer) => answer,
            Err(rejected) => return answer_rejected(&rejected),
        };
        match step {
            Step::Reply(payload) => self.answer(payload, None, &route),
            Step::Work(work) => match tokio::task::spawn_blocking(work).await {
                Ok(payload) => self.answer(payload, None, &route),
                Err(_) => Answered::Fault,
            },
            Step::Draft(draft, after) => self.commit(*draft, &route, after, now).await,
        }
    }

    /// Opens a message and hands it to its exchange.
    fn open_message(&self, bytes: &[u8], now: Time) -> Result<Answer, Rejected> {
        let sealed = Sealed::parse(bytes).map_err(Rejected::because)?;
        if sealed.to != PartyNumber::CENTRE {
            return Err(Rejected::because("it's addressed to somebody else"));
        }
        let opened = sealed.open(&self.keys.opening);
        let (parcel, reply) = opened.map_err(Rejected::because)?;
        let (label, _) = parcel.signed.label().map_err(Rejected::because)?;
        let of_party = EXCHANGES.iter().find_map(|entry| match entry.live {
            Live::Party(take) if entry.label == label => Some(take),
            Live::Party(_) | Live::Operator(_) | Live::Own => None,
        });
        match of_party {
            Some(take) => take(self, parcel, reply, now),
            None => Err(Rejected::because(format!(
                "type {label} isn't for a centre"
            ))),
        }
    }

    async fn commit(&self, draft: Draft, route: &Route, after: After, now: Time) -> Answered {
        let (done, waiting) = oneshot::channel();
        self.ledger.submit(draft, move |result| {
            // Whoever asked may have hung up; the book doesn't mind.
            drop(done.send(result));
        });
        match waiting.await {
            Ok(Ok(committed)) => self.committed(&committed, route, after),
            Ok(Err(Fault::Conflict { key, position })) => {
                tracing::warn!(party = %key.party, %position, "a message id was used twice");
                let refusal = Refusal::new(Code::IdReused);
                self.answer(route.to.refusal(now, refusal), None, route)
            }
            Ok(Err(Fault::Busy)) => Answered::Busy,
            Ok(Err(fault)) => {
                tracing::error!(error = &fault as &dyn Error, "a message wasn't booked");
                Answered::Fault
            }
            Err(_) => Answered::Fault,
        }
    }

    fn committed(&self, committed: &Committed, route: &Route, after: After) -> Answered {
        if committed.known && route.cost == Cost::Counted {
            self.rate_limits.give_back(route.to.party);
        }
        if matches!(committed.verdict, Verdict::Accepted)
            && let Err(Stop::Fault(why)) = (after.accepted)(self, committed)
        {
            let error = &*why as &dyn Error;
            tracing::error!(error, "what an accepted message asks for wasn't done");
            return Answered::Fault;
        }
        let head = after.with_head.then(|| committed.head.to_vec());
        self.answer(committed.reply.to_vec(), head, route)
    }

    /// Signs a payload and seals it for the way back.
    fn answer(&self, payload: Vec<u8>, attachment: Option<Vec<u8>>, route: &Route) -> Answered {
        let Some(signed) = self.sign_kept(payload) else {
            tracing::error!("the book holds a reply that the centre never gives; run the audit");
            return Answered::Fault;
        };
        let parcel = match attachment {
            Some(bytes) => Parcel::with(signed, bytes),
            None => Parcel::new(signed),
        };
        match route.seal(&parcel) {
            Ok(reply) => Answered::Reply(reply.to_bytes()),
            Err(e) => {
                tracing::error!(error = %e, "a reply can't be sealed");
                Answered::Fault
            }
        }
    }
}

fn answer_rejected(rejected: &Rejected) -> Answered {
    match rejected {
        Rejected::Unreadable(why) => {
            tracing::info!(%why, "a message that can't be read");
            Answered::Unreadable
        }
        Rejected::Fault(why) => {
            tracing::error!(error = &**why as &dyn Error, "a message couldn't be judged");
            Answered::Fault
        }
        Rejected::TooFast(party, seconds) => {
            tracing::info!(%party, "a party sends too fast");
            Answered::TooFast(*seconds)
        }
    }
}
