//! A shop passes on the number of a credit card that its customer's browser sealed to the centre: to the
//! credit link, and its answer into the book. What the book keeps is the message as it came; no number
//! stands in it, nor in the answer.

use tegata_ledger::{MessageKey, Note, Noted, Response};
use tegata_protocol::{
    Time, Unverified, Verified,
    envelope::{Body as _, Message},
    order::{CardKept, CartToken, CreditCardForm},
    refusal::Code,
};

use super::{Authenticated, Exchange, Sender, Stop, View};
use crate::{centre::Centre, credit::CreditError, reply::Recorded};

/// A card that is kept.
pub(super) struct Keeping {
    kept: CardKept,
}

impl Exchange for Keeping {
    type Body = CreditCardForm;
    type Operation = Note;
    type Found = Verified<CartToken>;

    const SENDER: Sender = Sender::SHOP;
    const SAYS: &'static [u16] = &[CardKept::LABEL];

    /// The order's token must be the shop's own. What is sealed, the evidence can't show.
    fn read(
        message: &Verified<Message<CreditCardForm>>,
        view: &View<'_>,
    ) -> Result<(Note, Verified<CartToken>), Code> {
        let refused = Code::CardRefused;
        let token = Unverified::<CartToken>::parse(message.body.token.clone());
        let token = token.map_err(|_e| refused)?;
        if token.claimed().recipient != message.from {
            return Err(refused);
        }
        let shop = view.register.party(message.from).ok_or(refused)?;
        let token = token.verify(&shop.keys.signing).map_err(|_e| refused)?;
        Ok((Note, token))
    }

    fn ask(
        centre: &Centre,
        request: &Authenticated<CreditCardForm>,
        now: Time,
    ) -> Result<(Self, Note), Stop> {
        let link = centre.credit.as_ref().ok_or(Code::NotOffered)?;
        let message = &request.message;
        let (party, id) = (message.from, message.id);
        let known = centre
            .ledger
            .read(|book| book.reply_of(&MessageKey { party, id }));
        if known.map_err(Stop::fault)?.is_some() {
            // It isn't kept a second time. Whoever sends the same bytes again gets the first answer from
            // the book, whatever is said here; other bytes under the same id are refused there as well.
            return Err(Code::IdReused.into());
        }
        let (note, token) = Self::read(message, &centre.view(now))?;
        let kept = link.keep(party, &token, &message.body.sealed, now);
        let kept = kept.map_err(|why| match why {
            fault @ (CreditError::Store(_) | CreditError::Damaged(_)) => Stop::fault(fault),
            why @ (CreditError::Unopenable
            | CreditError::Unusable(_)
            | CreditError::Differs
            | CreditError::Deleted) => Stop::because(Code::CardRefused, why.to_string()),
        })?;
        tracing::info!(%party, reference = kept.reference, "a card is kept");
        Ok((Self { kept }, note))
    }

    fn reply(&self, record: Recorded, _: &Noted) -> Response {
        Response::reply(record.reply(self.kept.clone()))
    }
}
