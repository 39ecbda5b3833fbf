//! What is to be done with a card in a contact, and what it has come to.

use tegata_card::session::select;
use tegata_card_service::{Fate, Request, Response};
use tegata_ledger::{CardState, Hold, HoldState};
use tegata_protocol::{
    PaymentId, Time,
    book::Rule,
    card::{CardReport, Errand, Next},
    refusal::Code,
};

use super::{Contact, Job, Stop, Waiting, send};
use crate::ic_card::{
    CardKeys, IcCards, book, number,
    receipts::{Standing, order_id},
    stock_fault as stock, unexpected,
};

/// A payment isn't ordered of the card when its hold has less than this left, in seconds: member and
/// shop need time after it.
const TIME_TO_PAY: u64 = 120;

impl Contact {
    /// Looks at book and card-key server, and decides what is to be done with the card.
    pub(super) fn plan_all(&mut self, cards: &IcCards, now: Time) -> Result<Next, Stop> {
        let standing = self.standing(cards)?;
        let mut server = cards.connect()?;
        let Response::Card(known) = server.call(&Request::Card(number(self.card)))? else {
            return Err(unexpected("a card").into());
        };
        // A card whose key is still in stock hasn't been put into use, or not to its end.
        let new = cards.stock.key(self.card).map_err(stock)?;
        if known.is_none() || (new.is_some() && !standing.card.state.is_over()) {
            return self.plan_first(standing.card.state);
        }
        cards.catch_up(&mut server, self.card, now)?;
        let in_doubt = known.as_ref().is_some_and(|known| known.in_doubt.is_some());
        if known.is_some_and(|known| known.denied) && !standing.card.state.is_over() {
            // It found a copy, or was told of a loss, and the book hasn't heard of it.
            cards.carry_out(Rule::CardCopied(self.card), now)?;
        }
        let standing = self.standing(cards)?;
        let settled = self.errand_done(cards, &mut server, &standing);
        if standing.card.state.is_over() {
            cards.deny(self.card)?;
            if let Ok(Some(paid)) = settled {
                return Ok(paid);
            }
            self.plan.push_back(Job::Terminate);
            return self.next_job(cards);
        }
        if let Some(next) = settled? {
            return Ok(next);
        }
        let renews = cards.stock.renews(self.card).map_err(stock)?;
        if renews && standing.card.state == CardState::Active {
            self.plan.push_back(Job::ChangeKeys);
        }
        self.plan_errand(&standing, in_doubt, now)?;
        self.next_job(cards)
    }

    fn plan_first(&mut self, state: CardState) -> Result<Next, Stop> {
        if state.is_over() {
            return Err(Code::IcCardEnded.into());
        }
        self.plan.push_back(Job::Personalise);
        self.select()
    }

    fn plan_errand(&mut self, standing: &Standing, in_doubt: bool, now: Time) -> Result<(), Stop> {
        if standing.owed > 0 && standing.card.state == CardState::Active {
            self.plan.push_back(Job::Load);
        }
        let job = match &self.errand {
            Errand::Look => Job::Read,
            Errand::Pay(payment, read) => match due(standing, *payment, now) {
                Ok(_) => Job::Pay(*payment, *read),
                // No new order; but what became of the one that is out comes first.
                Err(code) if in_doubt => {
                    self.results.unordered = Some(code);
                    Job::Read
                }
                Err(code) => return Err(code.into()),
            },
            Errand::PutTicket(slot, ticket) => Job::Put(*slot, ticket.clone()),
            Errand::ReadTicket(slot) => Job::ReadTicket(*slot),
            Errand::ClearTicket(slot) => Job::Clear(*slot),
        };
        self.plan.push_back(job);
        Ok(())
    }

    pub(super) fn standing(&self, cards: &IcCards) -> Result<Standing, Stop> {
        let standing = cards.standing(self.card)?;
        let standing = standing.filter(|s| s.card.holder == self.member);
        standing.ok_or(Code::IcCardUnknown.into())
    }

    /// If the errand is a payment whose receipt is in the book, or that is given up, the card needn't be
    /// asked.
    pub(super) fn errand_done(
        &mut self,
        cards: &IcCards,
        server: &mut CardKeys,
        standing: &Standing,
    ) -> Result<Option<Next>, Stop> {
        let Errand::Pay(payment, _) = self.errand else {
            return Ok(None);
        };
        let Some(hold) = hold(cards, payment)? else {
            return unbooked(server, payment);
        };
        if hold.payer != standing.card.account() {
            return Err(Code::IcCardChanged.into());
        }
        match hold.state {
            HoldState::Awaiting => Ok(None),
            HoldState::Open | HoldState::Captured(_) => {
                self.results.paid = Some(payment);
                self.results.ordered = None;
                self.waiting = Waiting::Over;
                Ok(Some(Next::Done(self.report(cards)?)))
            }
            HoldState::Expired | HoldState::Voided => Err(Code::IcCardNotDue.into()),
        }
    }

    /// Has the payment of this errand been made, whatever else went wrong?
    pub(super) fn has_paid(&self, cards: &IcCards) -> Option<PaymentId> {
        let Errand::Pay(payment, _) = self.errand else {
            return None;
        };
        let standing = self.standing(cards).ok()?;
        let hold = hold(cards, payment).ok()??;
        let paid = matches!(hold.state, HoldState::Open | HoldState::Captured(_));
        (paid && hold.payer == standing.card.account()).then_some(payment)
    }

    /// Begins the next job, or ends the contact.
    pub(super) fn next_job(&mut self, cards: &IcCards) -> Result<Next, Stop> {
        if !self.plan.is_empty() {
            return self.select();
        }
        self.waiting = Waiting::Over;
        if let (Some(code), Errand::Pay(payment, _)) = (self.results.unordered, &self.errand) {
            let payment = *payment;
            match hold(cards, payment)?.map(|hold| hold.state) {
                // Whoever says no after the card has paid, has paid.
                Some(HoldState::Open | HoldState::Captured(_)) => {
                    self.results.paid = Some(payment);
                }
                Some(HoldState::Expired | HoldState::Voided) if code != Code::IcCardDeclined => {
                    return Err(Code::IcCardNotDue.into());
                }
                Some(HoldState::Awaiting | HoldState::Expired | HoldState::Voided) => {
                    return Err(code.into());
                }
                None => {
                    unbooked(&mut cards.connect()?, payment)?;
                    return Err(Stop::InDoubt);
                }
            }
        }
        Ok(Next::Done(self.report(cards)?))
    }

    fn select(&mut self) -> Result<Next, Stop> {
        let job = self.plan.pop_front().ok_or(Code::IcCardContactOver)?;
        self.waiting = Waiting::Selected(job);
        Ok(send(select()))
    }

    pub(super) fn report(&self, cards: &IcCards) -> Result<CardReport, Stop> {
        let standing = self.standing(cards)?;
        Ok(CardReport {
            balance: standing.amount(standing.card.balance),
            owed: standing.amount(standing.owed),
            counter: standing.card.counter,
            loaded: standing.amount(self.results.loaded),
            paid: self.results.paid,
            ticket: self.results.ticket.clone(),
            blocked: standing.card.state == CardState::Blocked || self.results.blocked,
        })
    }
}

pub(super) fn hold(cards: &IcCards, payment: PaymentId) -> Result<Option<Hold>, Stop> {
    let hold = cards.ledger.read(|b| b.hold(&payment));
    Ok(hold.map_err(book)?)
}

/// A payment that the book doesn't know: it was restored from an older copy, perhaps. If the card has made
/// it all the same, nobody may agree to it anew. Nothing, if the card is to be asked.
fn unbooked(server: &mut CardKeys, payment: PaymentId) -> Result<Option<Next>, Stop> {
    let asked = Request::Find(order_id(payment));
    let Response::Found(fate) = server.call(&asked)? else {
        return Err(unexpected("an order").into());
    };
    match fate {
        Fate::CarriedOut(_) => Err(Code::IcCardUnbooked.into()),
        Fate::InDoubt => Ok(None),
        Fate::Unknown | Fate::NotCarriedOut => Err(Code::IcCardNotDue.into()),
    }
}

/// The payment that waits for the card, if there's time enough left for it.
pub(super) fn due(standing: &Standing, payment: PaymentId, now: Time) -> Result<&Hold, Code> {
    if standing.card.state == CardState::Blocked {
        return Err(Code::IcCardBlocked);
    }
    // Reported lost, say, since the contact began.
    if standing.card.state.is_over() {
        return Err(Code::IcCardEnded);
    }
    let hold = standing.awaiting.iter().find(|h| h.payment == payment);
    let hold = hold.ok_or(Code::IcCardNotDue)?;
    if now.after(TIME_TO_PAY) < hold.expires {
        Ok(hold)
    } else {
        Err(Code::IcCardTooLate)
    }
}
