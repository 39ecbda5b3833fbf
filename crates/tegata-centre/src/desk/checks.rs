//! What is checked of a verified message before the book decides: the first reason against it.

use tegata_ledger::Action;
use tegata_protocol::{
    Digest, Role, Time, Verified,
    envelope::{Body, Message, Sealed},
    joining::{Registration, SaltedDetails},
    payment::DELIVERY_LIMIT,
    refusal::Code,
};

use super::{Heard, Unheard};
use crate::people::Invitation;

/// What must hold of a claim that its activation code vouches for, by a number not yet registered.
/// `details` are those that came with it, if they're the ones that were signed for.
pub(super) fn check_claim(
    message: &Verified<Message<Registration>>,
    invited: &Invitation,
    details: Option<&SaltedDetails>,
    now: Time,
) -> Result<(), Code> {
    let claim = &message.body.claim;
    timely(message, now)?;
    if now > invited.expires {
        return Err(Code::ActivationExpired);
    }
    if claim.terms != invited.terms {
        return Err(Code::TermsDiffer);
    }
    if details.is_none() {
        return Err(Code::DetailsDiffer);
    }
    let possessed = message.body.possesses_spending(message.from, message.id);
    let profile = matches!(message.from.role(), Role::Shop | Role::Gate | Role::Sealing);
    let sound = claim.keys.check(message.from.role()).is_ok();
    if !possessed || !sound || profile != claim.profile.is_some() {
        return Err(Code::KeyRefused);
    }
    Ok(())
}

/// The action of a message, or the first reason against it that doesn't need the book.
pub(super) fn order<B: Body>(
    heard: &Heard<B>,
    role: Role,
    now: Time,
    action: impl FnOnce() -> Result<Result<Action, Code>, Unheard>,
) -> Result<Action, Unheard> {
    let decided = match may_send(heard, role, now) {
        Ok(()) => action()?,
        Err(code) => Err(code),
    };
    Ok(decided.unwrap_or_else(|code| Action::Refuse(code.number())))
}

pub(super) fn may_send<B: Body>(heard: &Heard<B>, role: Role, now: Time) -> Result<(), Code> {
    may_act(heard, now)?;
    if heard.message.from.role() == role {
        Ok(())
    } else {
        Err(Code::WrongRole)
    }
}

pub(super) fn may_act<B: Body>(heard: &Heard<B>, now: Time) -> Result<(), Code> {
    timely(&heard.message, now)?;
    if heard.record.is_active(now) {
        Ok(())
    } else {
        Err(Code::NotActive)
    }
}

pub(super) fn timely<B: Body>(message: &Message<B>, now: Time) -> Result<(), Code> {
    message.check_time(now).map_err(|_e| Code::Untimely)
}

/// The delivery that came with a capture must be the sealed one that was signed for.
pub(super) fn check_delivery(delivery: &[u8], named: Digest) -> Result<(), Code> {
    let same = Digest::of(delivery) == named;
    if delivery.len() <= DELIVERY_LIMIT && same && Sealed::parse(delivery).is_ok() {
        Ok(())
    } else {
        Err(Code::DeliveryInvalid)
    }
}
