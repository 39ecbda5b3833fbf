//! What a member asks for an IC card without it: block it, free it, report it lost, have its money back.

use tegata_ledger::{CardState, ChangeCard, EmptyCard, Response, alternatives};
use tegata_protocol::{
    Currency, Time, Verified,
    book::Done,
    card::{CardLoaded, CardRequest, Change},
    envelope::{Body as _, Message},
    refusal::Code,
};

use super::{Authenticated, Exchange, Sender, Stop, View, card_load::card_loaded};
use crate::{centre::Centre, reply::Recorded};

alternatives! {
    /// What a request asks.
    pub(crate) enum Order -> Ordered {
        Change(ChangeCard),
        PayOut(EmptyCard),
    }
}

/// A request, in the centre's currency.
pub(super) struct Requesting {
    currency: Currency,
}

impl Exchange for Requesting {
    type Body = CardRequest;
    type Operation = Order;
    type Found = ();

    const SENDER: Sender = Sender::MEMBER;
    const SAYS: &'static [u16] = &[Done::LABEL, CardLoaded::LABEL];

    fn read(message: &Verified<Message<CardRequest>>, _: &View<'_>) -> Result<(Order, ()), Code> {
        let (card, holder) = (message.body.card, Some(message.from));
        let state = match message.body.change {
            Change::Block => CardState::Blocked,
            Change::Unblock => CardState::Active,
            Change::Lost => CardState::Lost,
            Change::PayOut => {
                let into = None;
                let empty = EmptyCard { card, holder, into };
                return Ok((Order::PayOut(empty), ()));
            }
        };
        let change = ChangeCard {
            card,
            holder,
            state,
        };
        Ok((Order::Change(change), ()))
    }

    fn ask(
        centre: &Centre,
        request: &Authenticated<CardRequest>,
        now: Time,
    ) -> Result<(Self, Order), Stop> {
        if centre.cards.is_none() {
            return Err(Code::NotOffered.into());
        }
        let (order, ()) = Self::read(&request.message, &centre.view(now))?;
        let currency = centre.settings.currency;
        Ok((Self { currency }, order))
    }

    fn reply(&self, record: Recorded, outcome: &Ordered) -> Response {
        Response::reply(match outcome {
            Ordered::Change(_) => record.reply(Done {}),
            Ordered::PayOut(moved) => record.reply(card_loaded(record, moved, self.currency)),
        })
    }

    fn done(body: &CardRequest, centre: &Centre) {
        match (body.change, &centre.cards) {
            (Change::Lost, Some(cards)) => cards.deny_soon(body.card),
            (Change::Lost | Change::Block | Change::Unblock | Change::PayOut, _) => {}
        }
    }
}
