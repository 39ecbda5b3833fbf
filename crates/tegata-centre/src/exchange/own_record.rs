//! A party asks for its record by its signing key: it may have lost everything else, its number included.
//! Of its own kind: the message is from nobody. It's verified under the key that it names before that key is
//! looked for, so nobody learns about a key that isn't theirs.

use tegata_protocol::{
    PartyNumber, ReplyKey, Time, Unverified,
    envelope::{Body as _, Message, Parcel},
    joining::{RecordInquiry, Registered},
    refusal::{Code, Refusal},
};

use super::{Answer, Entry, Live, Rejected, Step, authenticate::check_time, live::Route};
use crate::{centre::Centre, rate_limits::Cost};

pub(super) const ENTRY: Entry = Entry {
    label: RecordInquiry::LABEL,
    says: &[Registered::LABEL],
    live: Live::Party(take),
    proof: None,
};

fn take(centre: &Centre, parcel: Parcel, reply: ReplyKey, now: Time) -> Result<Answer, Rejected> {
    let message = Unverified::<Message<RecordInquiry>>::parse(parcel.signed);
    let message = message.map_err(Rejected::because)?;
    let key = message.claimed().body.key;
    let message = message.verify(&key).map_err(Rejected::because)?;
    if (message.from, message.to) != (PartyNumber::NOBODY, PartyNumber::CENTRE) {
        let why = "an inquiry about a record is from nobody to us";
        return Err(Rejected::because(why));
    }
    let record = centre.register.owner_of(&key).map_err(Rejected::fault)?;
    let record = record.ok_or_else(|| Rejected::because("no record has the named key"))?;
    let party = record.number;
    let counted = centre.rate_limits.count(party, now);
    counted.map_err(|seconds| Rejected::TooFast(party, seconds))?;
    let route = Route::new(&message, reply, &record.keys.opening, Cost::Free);
    let refused = match check_time(&message, now) {
        Ok(()) if !record.is_active(now) => Some(Code::NotActive),
        other => other.err(),
    };
    let payload = match refused {
        Some(code) => route.to.refusal(now, Refusal::new(code)),
        None => {
            let record = record.signed().clone();
            route.to.payload(now, Registered { record })
        }
    };
    let step = Step::Reply(payload);
    Ok(Answer { step, route })
}
