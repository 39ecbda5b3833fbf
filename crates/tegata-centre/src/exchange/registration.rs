//! A party registers (M1): its claim, vouched for by the activation code from its letter, becomes a record
//! that the register signs. Of its own kind: the sender isn't in the register yet.

use tegata_ledger::{Draft, EvidenceKind, MessageKey, Register, Response, store::StoredRecord};
use tegata_protocol::{
    ReplyKey, Role, SignedBytes, Time, Unverified, Verified,
    envelope::{Body as _, Message, Parcel},
    joining::{Registered, Registration, SaltedDetails},
    record::{PartyRecord, Status},
    refusal::{Code, Refusal},
};

use super::{
    After, Answer, Entry, Live, Past, Proof, Proven, Rejected, Step, Stop,
    authenticate::{check_recipient, check_time},
    live::{Route, evidence, refusal_draft},
    proof::verified_by,
};
use crate::{
    centre::Centre,
    keys::{lasting, sign_record},
    people::Invitation,
    rate_limits::Cost,
    reply::{ReplyTo, code_of},
};

pub(super) const ENTRY: Entry = Entry {
    label: Registration::LABEL,
    says: &[Registered::LABEL],
    live: Live::Party(take),
    proof: Some(Proof {
        kind: EvidenceKind::Party,
        prove,
    }),
};

/// How long a party's record holds: ten years. Records aren't renewed yet, and money must stay within
/// reach.
const RECORD_SECONDS: u64 = 10 * 365 * 86_400;

fn take(centre: &Centre, parcel: Parcel, reply: ReplyKey, now: Time) -> Result<Answer, Rejected> {
    let attached = parcel.attached();
    let details = attached.and_then(|bytes| SaltedDetails::parse(bytes).ok());
    let message = Unverified::<Message<Registration>>::parse(parcel.signed);
    let message = message.map_err(Rejected::because)?;
    let key = message.claimed().body.claim.keys.signing;
    let message = message.verify(&key).map_err(Rejected::because)?;
    check_recipient(&message)?;
    let claim = &message.body.claim;
    let details = details.filter(|d| d.digest() == claim.details);
    let invited = centre.people.invitation(message.from);
    let invited = invited.map_err(Rejected::fault)?;
    let vouched = |invited: &Invitation| message.body.vouched_by(message.from, &invited.key);
    let Some(invited) = invited.filter(vouched) else {
        // A stranger may have written this: it's answered, but leaves no trace in the book.
        let untimely = check_time(&message, now).err();
        let refusal = Refusal::new(untimely.unwrap_or(Code::ActivationRefused));
        let route = Route::new(&message, reply, &claim.keys.opening, Cost::Free);
        let step = Step::Reply(route.to.refusal(now, refusal));
        return Ok(Answer { step, route });
    };
    let known = centre.register.recall(message.from);
    let known = known.map_err(Rejected::fault)?;
    let cost = centre.count(&message, now)?;
    let route = Route::new(&message, reply, &claim.keys.opening, cost);
    let verdict = match known {
        None => check_claim(&message, &invited, details.as_ref(), now),
        Some(_) => check_time(&message, now).and(Err(Code::AlreadyRegistered)),
    };
    let record = new_record(&message, now);
    let draft = Box::new(draft(centre, &message, &record, verdict, now));
    // A repetition finds what a crash, or a fault here, kept the first time from keeping.
    let accepted = move |centre: &Centre, committed: &tegata_ledger::Committed| {
        let entered = centre.people.enter(record.number, details.as_ref());
        if !committed.known {
            centre.register.enter(record);
        }
        entered.map_err(Stop::fault)
    };
    let after = After {
        with_head: false,
        accepted: Box::new(accepted),
    };
    let step = Step::Draft(draft, after);
    Ok(Answer { step, route })
}

fn draft(
    centre: &Centre,
    message: &Verified<Message<Registration>>,
    record: &PartyRecord,
    verdict: Result<(), Code>,
    now: Time,
) -> Draft {
    let key = MessageKey {
        party: message.from,
        id: message.id,
    };
    let to = ReplyTo::sender(message);
    let evidence = evidence(EvidenceKind::Party, message.signed(), None);
    if let Err(code) = verdict {
        return refusal_draft(key, evidence, to, Refusal::new(code), now);
    }
    let signed = sign_record(&centre.keys, record);
    let register = Register {
        party: record.number,
        record: signed.as_bytes().to_vec(),
    };
    Draft::new(key, evidence, register, now, move |decision| {
        let time = decision.time;
        Response::reply(match &decision.result {
            Ok(_) => {
                let record = signed.clone();
                to.payload(time, Registered { record })
            }
            Err(refusal) => to.refusal(time, Refusal::new(code_of(refusal))),
        })
    })
}

fn new_record(message: &Verified<Message<Registration>>, now: Time) -> PartyRecord {
    let claim = &message.body.claim;
    PartyRecord {
        number: message.from,
        keys: claim.keys.clone(),
        profile: claim.profile.clone(),
        valid: lasting(now, RECORD_SECONDS),
        status: Status::Active,
    }
}

/// What must hold of a claim that its activation code vouches for, by a number not yet registered.
/// `details` are those that came with it, if they're the ones that were signed for.
fn check_claim(
    message: &Verified<Message<Registration>>,
    invited: &Invitation,
    details: Option<&SaltedDetails>,
    now: Time,
) -> Result<(), Code> {
    let claim = &message.body.claim;
    check_time(message, now)?;
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

/// The record that the register signed stands in the reply; it must be of the claimed keys.
fn prove(past: &Past<'_>, stored: &StoredRecord, signed: SignedBytes) -> Result<Proven, String> {
    let key = |registration: &Registration| registration.claim.keys.signing;
    let message = verified_by::<Registration>(&stored.record, signed, key)?;
    if !message.body.possesses_spending(message.from, message.id) {
        return Err("the spending key isn't proven".to_owned());
    }
    let reply = stored.reply.as_ref().ok_or("the reply is missing")?;
    let reply = tegata_protocol::parse_kept_payload::<Message<Registered>>(reply);
    let record = reply.map_err(|e| e.to_string())?.body.record;
    let bytes = record.as_bytes().to_vec();
    let record = past.read_record(record)?;
    let claim = &message.body.claim;
    if record.number != message.from || record.keys != claim.keys || record.profile != claim.profile
    {
        return Err("the register's record isn't what was claimed".to_owned());
    }
    let register = Register {
        party: message.from,
        record: bytes,
    };
    Ok(Proven {
        action: register.into(),
        entered: Some(record),
    })
}
