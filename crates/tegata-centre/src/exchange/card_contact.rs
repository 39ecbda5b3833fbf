//! An IC card lies on a member's reader (K10): what the card said is passed on to the card-key server, and
//! what that says goes back. Nothing of it is in the book but what a [`rule`](super::rule) enters.

use std::sync::Arc;

use tegata_protocol::{
    ReplyKey, Role, Time,
    card::{CardAnswer, CardContact, CardStep},
    envelope::{Body, Parcel},
    refusal::{Code, Refusal},
};

use super::{Answer, Authenticated, Entry, Live, Rejected, Sender, Step, live::Route};
use crate::{centre::Centre, ic_card::IcCards};

pub(super) const CONTACT: Entry = Entry {
    label: CardContact::LABEL,
    says: &[CardStep::LABEL],
    live: Live::Party(begin),
    proof: None,
};

pub(super) const ANSWER: Entry = Entry {
    label: CardAnswer::LABEL,
    says: &[CardStep::LABEL],
    live: Live::Party(go_on),
    proof: None,
};

/// A card lies on a reader.
fn begin(centre: &Centre, parcel: Parcel, reply: ReplyKey, now: Time) -> Result<Answer, Rejected> {
    let request = centre.authenticate::<CardContact>(parcel, Sender::MEMBER.key, now)?;
    let whose = (request.message.digest(), request.message.from);
    let CardContact { card, errand } = request.message.body.clone();
    let ask = move |cards: &IcCards| cards.begin(whose, card, errand, now);
    Ok(work(centre, &request, reply, now, ask))
}

/// What the card said, or the member.
fn go_on(centre: &Centre, parcel: Parcel, reply: ReplyKey, now: Time) -> Result<Answer, Rejected> {
    let request = centre.authenticate::<CardAnswer>(parcel, Sender::MEMBER.key, now)?;
    let CardAnswer {
        contact,
        step,
        answered,
    } = request.message.body.clone();
    let whose = (contact, request.message.from);
    let ask = move |cards: &IcCards| cards.go_on(whose, (step, &answered), now);
    Ok(work(centre, &request, reply, now, ask))
}

/// Asks the card-key server off the threads that serve everybody.
fn work<B: Body>(
    centre: &Centre,
    request: &Authenticated<B>,
    reply: ReplyKey,
    now: Time,
    ask: impl FnOnce(&IcCards) -> CardStep + Send + 'static,
) -> Answer {
    let opening = &request.record.keys.opening;
    let route = Route::new(&request.message, reply, opening, request.cost);
    let to = route.to;
    let may = request.may_send(Some(Role::Member), now);
    let step = match may.and(centre.cards.as_ref().ok_or(Code::NotOffered)) {
        Ok(cards) => {
            let cards = Arc::clone(cards);
            Step::Work(Box::new(move || to.payload(now, ask(&cards))))
        }
        Err(code) => Step::Reply(to.refusal(now, Refusal::new(code))),
    };
    Answer { step, route }
}
