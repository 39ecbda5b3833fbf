//! What the running centre does with any exchange: authenticate, ask, draft; or answer an inquiry at once.

use std::sync::Arc;

use tegata_ledger::{Committed, Draft, Evidence, EvidenceKind, MessageKey, Refuse, Response};
use tegata_protocol::{
    ReplyKey, Role, SealingKey, SignedBytes, Time, Unverified, Verified,
    envelope::{Message, Parcel, Reply, Sealed},
    refusal::Refusal,
};

use super::{
    Authenticated, Exchange, Inquiry, Rejected, Sender, Stop, authenticate::check_recipient,
};
use crate::{centre::Centre, keys::rng, operator::OrderError, rate_limits::Cost, reply::ReplyTo};

/// What is to happen with a party's message.
pub(crate) enum Step {
    /// Into the book, and afterwards whatever else is to be done.
    Draft(Box<Draft>, After),
    /// Nothing changes: this payload is the answer.
    Reply(Vec<u8>),
    /// Somebody else is asked first, who may take his time: what gives the payload, off the threads that
    /// serve everybody.
    Work(Box<dyn FnOnce() -> Vec<u8> + Send>),
}

/// A step, and the way back of its answer.
pub(crate) struct Answer {
    pub(crate) step: Step,
    pub(crate) route: Route,
}

/// What remains to be done once a draft is durable.
pub(crate) struct After {
    /// The signed head goes with the reply.
    pub(crate) with_head: bool,
    /// Is called if the message was accepted, the first time or a time before.
    pub(crate) accepted: Accepted,
}

/// What is done for an accepted message, and may fail.
pub(crate) type Accepted = Box<dyn FnOnce(&Centre, &Committed) -> Result<(), Stop> + Send>;

/// The way back to whoever sent a message.
pub(crate) struct Route {
    pub(crate) to: ReplyTo,
    /// The key of the request's own sealing, if the request was signed for it.
    exported: Option<ReplyKey>,
    opening: SealingKey,
    /// What the request cost its sender.
    pub(crate) cost: Cost,
}

impl Route {
    pub(super) fn new<B>(
        message: &Verified<Message<B>>,
        reply: ReplyKey,
        opening: &SealingKey,
        cost: Cost,
    ) -> Self {
        let own = message.enc_digest == Some(reply.enc_digest());
        Self {
            to: ReplyTo::sender(message),
            exported: own.then_some(reply),
            opening: opening.clone(),
            cost,
        }
    }

    /// Seals an answer so that only the sender reads it.
    ///
    /// # Errors
    /// When the answer is larger than a message may be.
    pub(crate) fn seal(&self, parcel: &Parcel) -> Result<Reply, tegata_protocol::Malformed> {
        match &self.exported {
            Some(key) => Ok(Reply::exported(key, parcel, &mut rng())),
            None => {
                let sealed = Sealed::seal(self.to.party, &self.opening, parcel, &mut rng())?;
                Ok(Reply::Sealed(sealed))
            }
        }
    }
}

/// An operator's order that is ready for the book.
pub(crate) struct Ordered {
    pub(crate) draft: Draft,
    pub(crate) after: After,
}

/// Takes a party's message that the book keeps.
pub(super) fn take<X: Exchange>(
    centre: &Centre,
    parcel: Parcel,
    reply: ReplyKey,
    now: Time,
) -> Result<Answer, Rejected> {
    let request = centre.authenticate::<X::Body>(parcel, X::SENDER.key, now)?;
    let opening = &request.record.keys.opening;
    let route = Route::new(&request.message, reply, opening, request.cost);
    let (draft, after) = draft::<X>(centre, request, now).map_err(Rejected::Fault)?;
    let step = Step::Draft(Box::new(draft), after);
    Ok(Answer { step, route })
}

/// Takes an operator's order.
pub(super) fn order<X: Exchange>(
    centre: &Centre,
    parcel: Parcel,
    now: Time,
) -> Result<Ordered, OrderError> {
    let request = authenticate_operator(centre, parcel)?;
    let (draft, after) = draft::<X>(centre, request, now).map_err(OrderError::Fault)?;
    Ok(Ordered { draft, after })
}

fn authenticate_operator<B: tegata_protocol::envelope::Body>(
    centre: &Centre,
    parcel: Parcel,
) -> Result<Authenticated<B>, OrderError> {
    let unreadable = |e: &dyn std::fmt::Display| OrderError::Unreadable(e.to_string());
    let attachment = parcel.attached().unwrap_or_default().to_vec();
    let message = Unverified::<Message<B>>::parse(parcel.signed).map_err(|e| unreadable(&e))?;
    let from = message.claimed().from;
    let record = centre.register.recall(from);
    let record = record.map_err(|e| OrderError::Fault(Box::new(e)))?;
    let record = record.filter(|_| from.role() == Role::Centre);
    let record = record.ok_or_else(|| unreadable(&format!("{from} isn't an operator")))?;
    let verified = message.verify(&record.keys.signing);
    let message = verified.map_err(|e| unreadable(&e))?;
    check_recipient(&message).map_err(|e| unreadable(&e))?;
    Ok(Authenticated {
        message,
        record,
        attachment,
        cost: Cost::Free,
    })
}

/// A draft of what the message asks, or of its refusal. An error is ours: nothing is decided.
fn draft<X: Exchange>(
    centre: &Centre,
    request: Authenticated<X::Body>,
    now: Time,
) -> Result<(Draft, After), Box<dyn std::error::Error + Send + Sync>> {
    let asked = match request.may_send(Some(X::SENDER.role), now) {
        Ok(()) => X::ask(centre, &request, now),
        Err(code) => Err(code.into()),
    };
    let message = &request.message;
    let to = ReplyTo::sender(message);
    let key = MessageKey {
        party: message.from,
        id: message.id,
    };
    let kept = X::attached(&message.body).map(|_| request.attachment);
    let evidence = evidence(X::SENDER.evidence_kind(), message.signed(), kept);
    let draft =
        match asked {
            Ok((exchange, operation)) => Draft::new(
                key,
                evidence,
                operation,
                now,
                move |decision| match &decision.result {
                    Ok(outcome) => {
                        exchange.reply(to.recorded(decision.position, decision.time), outcome)
                    }
                    Err(refusal) => Response::reply(to.refusal(decision.time, X::refused(refusal))),
                },
            ),
            Err(Stop::Refused(refusal)) => refusal_draft(key, evidence, to, refusal, now),
            Err(Stop::Fault(why)) => return Err(why),
        };
    let after = After {
        with_head: X::WITH_HEAD,
        accepted: Box::new(move |centre, _| {
            X::done(&request.message.body, centre);
            Ok(())
        }),
    };
    Ok((draft, after))
}

/// A draft of a refusal that needs no book: remembered, so that the same message gets the same answer.
pub(super) fn refusal_draft(
    key: MessageKey,
    evidence: Evidence,
    to: ReplyTo,
    refusal: Refusal,
    now: Time,
) -> Draft {
    let refuse = Refuse(refusal.code.number());
    Draft::new(key, evidence, refuse, now, move |decision| {
        Response::reply(to.refusal(decision.time, refusal.clone()))
    })
}

/// Answers a message that changes nothing.
pub(super) fn inquire<Q: Inquiry>(
    centre: &Centre,
    parcel: Parcel,
    reply: ReplyKey,
    now: Time,
) -> Result<Answer, Rejected> {
    let request = centre.authenticate::<Q::Body>(parcel, Sender::MEMBER.key, now)?;
    let opening = &request.record.keys.opening;
    let route = Route::new(&request.message, reply, opening, request.cost);
    let answered = match request.may_send(Q::ROLE, now) {
        Ok(()) => Q::answer(centre, &request.message),
        Err(code) => Err(code.into()),
    };
    let payload = match answered {
        Ok(body) => route.to.payload(now, body),
        Err(Stop::Refused(refusal)) => route.to.refusal(now, refusal),
        Err(Stop::Fault(why)) => return Err(Rejected::Fault(why)),
    };
    let step = Step::Reply(payload);
    Ok(Answer { step, route })
}

pub(crate) fn evidence(
    kind: EvidenceKind,
    signed: &SignedBytes,
    attachment: Option<Vec<u8>>,
) -> Evidence {
    Evidence {
        kind,
        bytes: Arc::from(signed.as_bytes()),
        attachment,
    }
}
