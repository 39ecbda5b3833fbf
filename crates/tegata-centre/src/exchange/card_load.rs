//! A member moves prepaid money to an IC card: the one message about cards that the spending key signs.

use tegata_ledger::{CardMoved, LoadCard, Response};
use tegata_protocol::{
    Amount, CardNumber, Currency, PartyNumber, Time, Verified,
    card::{CardLoad, CardLoaded},
    envelope::{Body as _, Message},
    refusal::Code,
};

use super::{Authenticated, Exchange, Sender, Stop, View};
use crate::{
    centre::Centre,
    ic_card::{CardFault, IcCards},
    reply::{Recorded, amount},
};

/// A load, in the centre's currency.
pub(super) struct Loading {
    currency: Currency,
}

impl Exchange for Loading {
    type Body = CardLoad;
    type Operation = LoadCard;
    type Found = ();

    const SENDER: Sender = Sender::MEMBER_SPENDING;
    const SAYS: &'static [u16] = &[CardLoaded::LABEL];

    fn read(message: &Verified<Message<CardLoad>>, _: &View<'_>) -> Result<(LoadCard, ()), Code> {
        let load = LoadCard {
            card: message.body.card,
            holder: message.from,
            amount: message.body.amount,
        };
        Ok((load, ()))
    }

    fn ask(
        centre: &Centre,
        request: &Authenticated<CardLoad>,
        now: Time,
    ) -> Result<(Self, LoadCard), Stop> {
        let cards = centre.cards.as_ref().ok_or(Code::NotOffered)?;
        let (load, ()) = Self::read(&request.message, &centre.view(now))?;
        let fits = holds_more(cards, load.card, load.holder, load.amount);
        if !fits.map_err(Stop::fault)? {
            return Err(Code::IcCardLimit.into());
        }
        let currency = centre.settings.currency;
        Ok((Self { currency }, load))
    }

    fn reply(&self, record: Recorded, moved: &CardMoved) -> Response {
        Response::reply(record.reply(card_loaded(record, moved, self.currency)))
    }
}

/// What a member reads of money that was moved between accounts.
pub(super) fn card_loaded(record: Recorded, moved: &CardMoved, currency: Currency) -> CardLoaded {
    CardLoaded {
        card: moved.number,
        amount: moved.amount,
        prepaid: amount(moved.prepaid.balance, currency),
        account: amount(moved.account.balance, currency),
        position: record.position,
    }
}

/// Would the card's account still fit on the card?
fn holds_more(
    cards: &IcCards,
    card: CardNumber,
    member: PartyNumber,
    amount: Amount,
) -> Result<bool, CardFault> {
    let standing = cards.standing(card)?;
    let Some(standing) = standing.filter(|s| s.card.holder == member) else {
        // The book refuses it, and says nothing of what somebody else's card holds.
        return Ok(true);
    };
    let sum = u64::from(standing.card.balance)
        .saturating_add(standing.owed.into())
        .saturating_add(amount.minor());
    Ok(sum <= cards.balance_limit().into())
}
