//! An operator's orders about IC cards: issue, replace, end, hand in a receipt.

use tegata_card_service::{Request, Response as CardKeysResponse};
use tegata_ledger::{CardState, ChangeCard, EmptyCard, IssueCard, Note, Response, alternatives};
use tegata_protocol::{
    Currency, Time, Verified,
    book::Done,
    card::{CardLoaded, CardOrder, CardOrders},
    envelope::{Body as _, Message},
    refusal::Code,
};

use super::{Authenticated, Exchange, Sender, Stop, View, card_load::card_loaded};
use crate::{centre::Centre, ic_card::IcCards, reply::Recorded};

alternatives! {
    /// What an order asks.
    pub(crate) enum Order -> Ordered {
        Issue(IssueCard),
        Replace(EmptyCard),
        End(ChangeCard),
        Submit(Note),
    }
}

/// An order, in the centre's currency.
pub(super) struct Ordering {
    currency: Currency,
}

impl Exchange for Ordering {
    type Body = CardOrders;
    type Operation = Order;
    type Found = ();

    const SENDER: Sender = Sender::OPERATOR;
    const SAYS: &'static [u16] = &[Done::LABEL, CardLoaded::LABEL];

    /// A receipt isn't booked by the operator's word: the card-key server has to know it.
    fn read(message: &Verified<Message<CardOrders>>, view: &View<'_>) -> Result<(Order, ()), Code> {
        let order = match &message.body.order {
            CardOrder::Issue {
                card,
                member,
                index,
            } => Order::Issue(IssueCard {
                card: *card,
                holder: *member,
                index: *index,
                currency: view.currency,
            }),
            CardOrder::Replace(card, into) => Order::Replace(EmptyCard {
                card: *card,
                holder: None,
                into: Some(*into),
            }),
            CardOrder::End(card) => Order::End(ChangeCard {
                card: *card,
                holder: None,
                state: CardState::Ended,
            }),
            CardOrder::Submit(_) => Order::Submit(Note),
        };
        Ok((order, ()))
    }

    fn ask(
        centre: &Centre,
        request: &Authenticated<CardOrders>,
        now: Time,
    ) -> Result<(Self, Order), Stop> {
        let cards = centre.cards.as_ref().ok_or(Code::NotOffered)?;
        if let CardOrder::Submit(receipt) = &request.message.body.order {
            submit(cards, &receipt.0, now)?;
        }
        let (order, ()) = Self::read(&request.message, &centre.view(now))?;
        let currency = centre.settings.currency;
        Ok((Self { currency }, order))
    }

    fn reply(&self, record: Recorded, outcome: &Ordered) -> Response {
        Response::reply(match outcome {
            Ordered::Replace(moved) => record.reply(card_loaded(record, moved, self.currency)),
            Ordered::Issue(_) | Ordered::End(_) | Ordered::Submit(_) => record.reply(Done {}),
        })
    }

    fn done(body: &CardOrders, centre: &Centre) {
        match (&body.order, &centre.cards) {
            (CardOrder::Replace(card, _) | CardOrder::End(card), Some(cards)) => {
                cards.deny_soon(*card);
            }
            (CardOrder::Replace(..) | CardOrder::End(_), None)
            | (CardOrder::Issue { .. } | CardOrder::Submit(_), _) => {}
        }
    }
}

/// Has the card-key server verify a receipt, and posts it.
fn submit(cards: &IcCards, receipt: &[u8], now: Time) -> Result<(), Stop> {
    let response = cards.ask(&Request::Submit(receipt.to_vec()));
    let CardKeysResponse::Kept { copy_of, .. } = response.map_err(Stop::fault)? else {
        return Err(Code::IcCardUnproven.into());
    };
    if let Some(first) = copy_of {
        // The book may not have the first one yet, by which this one is a second.
        cards.post_new(&first, now).map_err(Stop::fault)?;
    }
    match cards.submit(receipt, now).map_err(Stop::fault)? {
        true => Ok(()),
        false => Err(Code::IcCardRefuses.into()),
    }
}
