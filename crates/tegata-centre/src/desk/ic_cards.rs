//! Messages about IC cards: what changes the book is drafted here, a contact with a card goes to the
//! application server in [`ic_card`](crate::ic_card).

use std::sync::Arc;

use tegata_card_service::{Request, Response};
use tegata_ledger::{Action, Draft, EvidenceKind, MessageKey};
use tegata_protocol::{
    Amount, CardNumber, PartyNumber, ReplyKey, Role, Time, Verified,
    book::Done,
    card::{
        CardAnswer, CardContact, CardLoad, CardOrder, CardOrders, CardPayment, CardRequest,
        CardStep, Change,
    },
    envelope::{Message, Parcel},
    refusal::{Code, Refusal},
};

use super::{Desk, Heard, Step, Then, Unheard, Work, draft, evidence, may_send, order, signing};
use crate::{
    ic_card::{CardDesk, CardFault},
    interpret,
    operator::OrderError,
    replies::{self, Return},
};

impl Desk {
    /// A member agrees to pay a bill with a card (K3).
    pub(super) fn card_payment(
        &self,
        parcel: Parcel,
        reply: ReplyKey,
        now: Time,
    ) -> Result<Step, Unheard> {
        let heard = self.known::<CardPayment>(parcel, signing, now)?;
        let back = heard.back(reply);
        let mut bill = None;
        let action = order(&heard, Role::Member, now, || {
            if self.cards.is_none() {
                return Ok(Err(Code::NotOffered));
            }
            if self.is_over_debit_limit(heard.message.body.amount) {
                return Ok(Err(Code::IcCardLimit));
            }
            Ok(
                interpret::card_payment(&heard.message, &self.register, now).map(
                    |(verified, action)| {
                        bill = Some(verified.digest());
                        action
                    },
                ),
            )
        })?;
        let to = back.to;
        // Without a verified bill the action is a refusal, whose reply names none.
        let bill = bill.unwrap_or(heard.message.digest());
        let draft = draft(&heard.message, None, action, now, move |d| {
            replies::card_payment(to, bill, d)
        });
        Ok(Step::Draft(Box::new(draft), back, Then::SendHead))
    }

    /// Prepaid money for a card: the one message about cards that the spending key signs.
    pub(super) fn card_load(
        &self,
        parcel: Parcel,
        reply: ReplyKey,
        now: Time,
    ) -> Result<Step, Unheard> {
        let heard = self.known::<CardLoad>(parcel, |record| record.keys.spending, now)?;
        let back = heard.back(reply);
        let action = order(&heard, Role::Member, now, || {
            let Some(cards) = &self.cards else {
                return Ok(Err(Code::NotOffered));
            };
            let body = &heard.message.body;
            let whose = (body.card, heard.message.from);
            let fits = holds_more(cards, whose, body.amount).map_err(fault)?;
            Ok(match fits {
                true => Ok(interpret::card_load(&heard.message)),
                false => Err(Code::IcCardLimit),
            })
        })?;
        let (to, currency) = (back.to, self.house.currency);
        let draft = draft(&heard.message, None, action, now, move |d| {
            replies::card_moved(to, currency, d)
        });
        Ok(Step::Draft(Box::new(draft), back, Then::Nothing))
    }

    /// What a member asks for a card without it.
    pub(super) fn card_request(
        &self,
        parcel: Parcel,
        reply: ReplyKey,
        now: Time,
    ) -> Result<Step, Unheard> {
        let heard = self.known::<CardRequest>(parcel, signing, now)?;
        let back = heard.back(reply);
        let action = order(&heard, Role::Member, now, || {
            Ok(match self.cards {
                Some(_) => Ok(interpret::card_request(&heard.message)),
                None => Err(Code::NotOffered),
            })
        })?;
        let (to, currency, change) = (back.to, self.house.currency, heard.message.body.change);
        let card = heard.message.body.card;
        let draft = draft(&heard.message, None, action, now, move |d| match change {
            Change::PayOut => replies::card_moved(to, currency, d),
            Change::Block | Change::Unblock | Change::Lost => replies::fixed(to, Done {}, d),
        });
        let then = match change {
            Change::Lost => Then::Deny(card),
            Change::Block | Change::Unblock | Change::PayOut => Then::Nothing,
        };
        Ok(Step::Draft(Box::new(draft), back, then))
    }

    /// A card lies on a member's reader.
    pub(super) fn card_contact(
        &self,
        parcel: Parcel,
        reply: ReplyKey,
        now: Time,
    ) -> Result<Step, Unheard> {
        let heard = self.known::<CardContact>(parcel, signing, now)?;
        let whose = (heard.message.digest(), heard.message.from);
        let CardContact { card, errand } = heard.message.body.clone();
        self.work(&heard, reply, now, move |cards| {
            cards.begin(whose, card, errand, now)
        })
    }

    /// What the card said, or the member.
    pub(super) fn card_answer(
        &self,
        parcel: Parcel,
        reply: ReplyKey,
        now: Time,
    ) -> Result<Step, Unheard> {
        let heard = self.known::<CardAnswer>(parcel, signing, now)?;
        let CardAnswer {
            contact,
            step,
            answered,
        } = heard.message.body.clone();
        let whose = (contact, heard.message.from);
        self.work(&heard, reply, now, move |cards| {
            cards.go_on(whose, (step, &answered), now)
        })
    }

    /// Asks the card-key server off the threads that serve everybody.
    fn work<B: tegata_protocol::envelope::Body>(
        &self,
        heard: &Heard<B>,
        reply: ReplyKey,
        now: Time,
        ask: impl FnOnce(&CardDesk) -> CardStep + Send + 'static,
    ) -> Result<Step, Unheard> {
        let back = heard.back(reply);
        let refused = match (may_send(heard, Role::Member, now), &self.cards) {
            (Err(code), _) => code,
            (Ok(()), None) => Code::NotOffered,
            (Ok(()), Some(cards)) => {
                let (cards, to) = (Arc::clone(cards), back.to);
                let work: Work = Box::new(move || to.payload(now, ask(&cards)));
                return Ok(Step::Work(work, back));
            }
        };
        let refusal = back.to.refusal(now, Refusal::new(refused));
        Ok(Step::Answer(refusal, back))
    }

    fn is_over_debit_limit(&self, amount: Amount) -> bool {
        let limit = self.house.cards.as_ref().map_or(0, |cards| cards.debit);
        amount.minor() > u64::from(limit)
    }

    /// Tells the card-key server of a card that is over. If it can't be told now, [`Self::deny_waiting`] does so
    /// once it's back, and so does the next start: until then a gate would believe that card.
    pub(super) fn deny_card(&self, card: CardNumber) {
        let Some(cards) = &self.cards else { return };
        let cards = Arc::clone(cards);
        let deny = move || {
            if let Err(error) = cards.deny(card) {
                tracing::error!(%card, %error, "the card-key server couldn't be told that a card is over; tried again every ten seconds");
            }
        };
        // The member's answer doesn't wait for it.
        std::thread::spawn(deny);
    }

    /// Tells the card-key server again of every card that is over: it may have been away when it was told.
    pub fn deny_cards(&self) {
        let Some(cards) = &self.cards else { return };
        if let Err(error) = cards.deny_all() {
            tracing::warn!(%error, "cards that are over can't be denied now; tried again in an hour");
        }
    }

    /// Tells the card-key server of those cards that it couldn't be told of.
    pub fn deny_waiting(&self) {
        let Some(cards) = &self.cards else { return };
        if let Err(error) = cards.deny_again() {
            tracing::warn!(%error, "cards that are over still can't be denied");
        }
    }

    /// Takes an operator's order about cards.
    pub(crate) fn card_order(
        &self,
        message: &Verified<Message<CardOrders>>,
        refused: Option<Code>,
        now: Time,
    ) -> Result<Draft, OrderError> {
        let cards = self.cards.as_ref();
        let action = match (refused, cards, &message.body.order) {
            (Some(code), ..) => Action::Refuse(code.number()),
            (None, None, _) => Action::Refuse(Code::NotOffered.number()),
            (None, Some(cards), CardOrder::Submit(receipt)) => {
                match submit(cards, &receipt.0, now).map_err(order_fault)? {
                    Ok(()) => Action::Note,
                    Err(code) => Action::Refuse(code.number()),
                }
            }
            (None, Some(_), _) => interpret::card_order(message, self.house.currency),
        };
        let key = MessageKey {
            party: message.from,
            id: message.id,
        };
        let back = Return {
            to: message.from,
            answers: message.digest(),
        };
        let evidence = evidence(EvidenceKind::Operator, message.signed(), None);
        let (currency, order) = (self.house.currency, message.body.order.clone());
        Ok(Draft::new(
            key,
            evidence,
            action,
            now,
            move |d| match &order {
                CardOrder::Replace(..) => replies::card_moved(back, currency, d),
                CardOrder::Issue { .. } | CardOrder::End(_) | CardOrder::Submit(_) => {
                    replies::fixed(back, Done {}, d)
                }
            },
        ))
    }

    /// What is to be done about an operator's order once it's in the book.
    pub(crate) fn card_ordered(&self, order: &CardOrder) {
        match order {
            CardOrder::Replace(card, _) | CardOrder::End(card) => self.deny_card(*card),
            CardOrder::Issue { .. } | CardOrder::Submit(_) => {}
        }
    }
}

/// Would the card's account still fit on the card?
fn holds_more(
    cards: &CardDesk,
    (card, member): (CardNumber, PartyNumber),
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

fn fault(fault: CardFault) -> Unheard {
    Unheard::fault(fault)
}

fn order_fault(fault: CardFault) -> OrderError {
    OrderError::Fault(Box::new(fault))
}

/// Has the card-key server verify a receipt, and posts it.
fn submit(cards: &CardDesk, receipt: &[u8], now: Time) -> Result<Result<(), Code>, CardFault> {
    let response = cards.ask(&Request::Submit(receipt.to_vec()))?;
    let Response::Kept { copy_of, .. } = response else {
        return Ok(Err(Code::IcCardUnproven));
    };
    if let Some(first) = copy_of {
        // The book may not have the first one yet, by which this one is a second.
        cards.post_new(&first, now)?;
    }
    if cards.submit(receipt, now)? {
        Ok(Ok(()))
    } else {
        Ok(Err(Code::IcCardRefuses))
    }
}
