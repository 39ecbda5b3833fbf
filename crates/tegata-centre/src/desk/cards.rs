//! Sealed card numbers that shops pass on: to the credit link, and its answer into the book. What
//! the book keeps is the message as it came; no number stands in it, nor in the answer.

use tegata_ledger::{Action, Decision, MessageKey, Response};
use tegata_protocol::{
    ReplyKey, Role, Time,
    envelope::Parcel,
    order::{CardKept, CreditCardForm},
    refusal::{Code, Refusal},
};

use super::{Desk, Heard, Step, Then, Unheard, draft, order, signing};
use crate::{
    credit::CreditError,
    interpret,
    replies::{self, Return},
};

/// What came of a card form, before the book has it.
enum Judged {
    Kept(CardKept),
    Refused(Refusal),
    /// The message is in the book already: it gets its old answer, whatever is drafted.
    Known,
}

impl Desk {
    pub(super) fn card(&self, parcel: Parcel, reply: ReplyKey, now: Time) -> Result<Step, Unheard> {
        let heard = self.known::<CreditCardForm>(parcel, signing, now)?;
        let back = heard.back(reply);
        let mut judged = Judged::Known;
        let action = order(&heard, Role::Shop, now, || {
            judged = self.judge(&heard, now)?;
            Ok(match &judged {
                Judged::Refused(refusal) => Err(refusal.code),
                Judged::Kept(_) | Judged::Known => Ok(Action::Note),
            })
        })?;
        let to = back.to;
        let draft = draft(&heard.message, None, action, now, move |d| {
            answer(to, &judged, d)
        });
        Ok(Step::Draft(Box::new(draft), back, Then::Nothing))
    }

    fn judge(&self, heard: &Heard<CreditCardForm>, now: Time) -> Result<Judged, Unheard> {
        let refused = |code| Ok(Judged::Refused(Refusal::new(code)));
        let Some(link) = &self.credit else {
            return refused(Code::NotOffered);
        };
        let (party, id) = (heard.message.from, heard.message.id);
        let known =
            |book: &mut dyn tegata_ledger::store::Reader| book.reply_of(&MessageKey { party, id });
        if self.ledger.read(known).map_err(Unheard::fault)?.is_some() {
            return Ok(Judged::Known);
        }
        let token = match interpret::card(&heard.message, &self.register) {
            Ok(token) => token,
            Err(code) => return refused(code),
        };
        let kept = match link.keep(party, &token, &heard.message.body.sealed, now) {
            Ok(kept) => kept,
            Err(fault @ (CreditError::Store(_) | CreditError::Damaged(_))) => {
                return Err(Unheard::fault(fault));
            }
            Err(why) => {
                let refusal = Refusal::because(Code::CardRefused, why.to_string());
                return Ok(Judged::Refused(refusal));
            }
        };
        tracing::info!(%party, reference = kept.reference, "a card is kept");
        Ok(Judged::Kept(kept))
    }

    /// Deletes cards that were kept for as long as cards are kept.
    pub fn delete_old_cards(&self, now: Time) {
        let Some(link) = &self.credit else { return };
        match link.delete_before(now.before(self.house.credit_keep_seconds)) {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "old cards are deleted"),
            Err(e) => tracing::error!(
                error = &e as &dyn std::error::Error,
                "old cards can't be deleted"
            ),
        }
    }
}

fn answer(to: Return, judged: &Judged, d: &Decision) -> Response {
    match judged {
        Judged::Kept(kept) => replies::fixed(to, kept.clone(), d),
        Judged::Refused(refusal) if d.result.is_err() => {
            Response::reply(to.refusal(d.time, refusal.clone()))
        }
        Judged::Refused(_) | Judged::Known => replies::fixed(to, tegata_protocol::book::Done {}, d),
    }
}
