//! What is checked of a verified message before the book decides: the first reason against it.

use tegata_ledger::Action;
use tegata_protocol::{
    Digest, Role, SignedBytes, Time, Unverified, Verified,
    envelope::{Body, Message, Sealed},
    joining::{Registration, SaltedDetails},
    order::OrderReceipt,
    payment::DELIVERY_LIMIT,
    record::PartyRecord,
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

/// What came with a capture must be what was signed for: a delivery that is sealed to the member, or
/// for goods by post the shop's own receipt of the order. That one isn't sealed: the shop doesn't
/// know who pays, and the receipt names nobody.
pub(super) fn check_delivery(
    delivery: &[u8],
    named: Digest,
    shop: &PartyRecord,
) -> Result<(), Code> {
    let same = Digest::of(delivery) == named;
    let known = || Sealed::parse(delivery).is_ok() || is_order_receipt(delivery, shop);
    if delivery.len() <= DELIVERY_LIMIT && same && known() {
        Ok(())
    } else {
        Err(Code::DeliveryInvalid)
    }
}

/// Is it an order's receipt that this shop signed?
fn is_order_receipt(delivery: &[u8], shop: &PartyRecord) -> bool {
    let receipt = Unverified::<OrderReceipt>::parse(SignedBytes::new(delivery.to_vec()));
    let receipt = receipt.ok().and_then(|r| r.verify(&shop.keys.signing).ok());
    receipt.is_some_and(|r| r.recipient == shop.number)
}
