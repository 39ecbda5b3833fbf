//! A talk between a card on the reader and the centre (K5-K8): bytes pass through here, and the member is
//! asked before the card is told to pay.

use tegata_card::{command::View, link::Link};
use tegata_protocol::{
    Amount, CardNumber, Digest, MessageId, PaymentId, SignedBytes, Time, Verified,
    card::{
        Answered, CardAnswer, CardBytes, CardContact, CardReport, CardStep, DebitOrder, Errand,
        Next,
    },
    refusal::{Code, Refusal},
};

use super::{CardTrouble, card_on};
use crate::{
    error::WalletError,
    kept::{BillStatus, CardOrder, Holding, KnownIcCard, verified},
    wallet::{Centre, Wallet, rng},
};

/// How far a debit order's time may be off, in seconds.
const FRESH_SECONDS: u64 = 300;

/// How long the member may take to answer, in seconds by this machine's own clock. The card-key server forgets
/// an order that nobody has answered for 120 (docs/card-keys.md); a debit after that is in doubt for sure.
const ANSWER_SECONDS: u64 = 100;

/// What the member is asked at the second question (K7).
#[derive(Clone, Debug)]
pub struct Agreement {
    /// The centre's order, verified and compared.
    pub order: DebitOrder,
    /// The shop's name.
    pub shop: String,
}

impl Agreement {
    /// What will be on the card afterwards, if its balance was read.
    pub fn left(&self) -> Option<Amount> {
        self.order
            .balance
            .and_then(|b| b.minus(self.order.amount).ok())
    }
}

/// Where a talk with a card stands.
#[derive(Clone, Debug)]
pub enum Talk {
    /// The member is asked.
    Asking(Box<Agreement>),
    /// It came to this.
    Done(CardReport),
    /// The centre, or the card, said no; nothing changed.
    Refused(Refusal),
    /// Nobody can say yet. The next contact finds out.
    InDoubt,
}

/// A talk between a card and the centre that waits for the member.
#[derive(Debug)]
pub struct CardTalk {
    /// Which card.
    pub card: CardNumber,
    contact: Digest,
    step: u32,
    bill: Option<CardOrder>,
    /// The member was asked, in a contact that began then.
    asked: Option<Time>,
    /// Where it stands.
    pub talk: Talk,
}

#[cfg(test)]
impl CardTalk {
    /// A talk in which nothing was said.
    pub(crate) fn silent() -> Self {
        Self {
            card: CardNumber::from_bytes([0; 10]),
            contact: Digest::of(b""),
            step: 0,
            bill: None,
            asked: None,
            talk: Talk::InDoubt,
        }
    }
}

impl Wallet {
    /// Lays a card on: whatever the centre does with it, until it's done or the member is asked.
    ///
    /// # Errors
    /// [`WalletError::Card`], [`WalletError::Call`]: begin again, what was in doubt is found out then.
    pub fn card_begin(
        &mut self,
        link: &mut dyn Link,
        errand: Errand,
        now: Time,
    ) -> Result<CardTalk, WalletError> {
        let card = card_on(link)?;
        let bill = match &errand {
            Errand::Pay(payment, _) => self.card_order(*payment, card)?,
            Errand::PutTicket(_, ticket) if self.is_anothers(ticket, card) => {
                return Err(CardTrouble::OtherHolder.into());
            }
            Errand::Look
            | Errand::PutTicket(..)
            | Errand::ReadTicket(_)
            | Errand::ClearTicket(_) => None,
        };
        self.registered()?;
        let centre = self.centre(now)?;
        let id = MessageId::random(&mut rng());
        let prepared = self.prepare(&centre.callee, id, now, CardContact { card, errand })?;
        let contact = prepared.digest();
        let step: CardStep = self.call_about_card(&centre, prepared)?.into_value().body;
        let mut talk = CardTalk {
            card,
            contact,
            step: 0,
            bill,
            asked: None,
            talk: Talk::InDoubt,
        };
        self.relay(&mut talk, link, (step, &centre), now)?;
        Ok(talk)
    }

    /// Is it a ticket of this wallet's that wasn't bought for this card?
    fn is_anothers(&self, ticket: &SignedBytes, card: CardNumber) -> bool {
        let id = ticket.digest();
        let kept = self.state.tickets.iter().find(|kept| kept.digest() == id);
        kept.is_some_and(|kept| kept.holding != Holding::Card(card))
    }

    /// What the bill of a payment says, to compare the centre's order with.
    fn card_order(
        &self,
        payment: PaymentId,
        card: CardNumber,
    ) -> Result<Option<CardOrder>, WalletError> {
        let kept = self.state.bill_of_payment(payment);
        let kept = kept.ok_or(WalletError::NoSuch {
            what: "bill of payment",
            wanted: payment.to_string(),
        })?;
        let bill = self.bill(kept)?;
        Ok(Some(CardOrder {
            bill: kept.digest(),
            amount: bill.totals.total,
            card,
        }))
    }

    /// The member's answer to the second question (K7).
    ///
    /// # Errors
    /// As [`Wallet::card_begin`].
    pub fn card_answer(
        &mut self,
        talk: &mut CardTalk,
        link: &mut dyn Link,
        agreed: bool,
        now: Time,
    ) -> Result<(), WalletError> {
        let Talk::Asking(agreement) = &talk.talk else {
            return Ok(());
        };
        let order = agreement.order.clone();
        let late = agreed
            && talk
                .asked
                .is_some_and(|asked| now > asked.after(ANSWER_SECONDS));
        let told = if agreed && !late {
            show_and_debit(link, &order)
        } else {
            None
        };
        let failed = agreed && told.is_none();
        let ordered = told.is_some();
        let answered = told.unwrap_or(Answered::Declined);
        let carried = self.centre(now).and_then(|centre| {
            let step = self.say(talk, answered, &centre, now)?;
            self.relay(talk, link, (step, &centre), now)
        });
        match carried {
            // The card may have taken it off: whatever failed since, nobody may say that it didn't.
            Err(_) if ordered => talk.talk = Talk::InDoubt,
            carried => carried?,
        }
        if late && matches!(talk.talk, Talk::Refused(_)) {
            return Err(CardTrouble::Late.into());
        }
        if failed && matches!(talk.talk, Talk::Refused(_)) {
            // The member didn't decline: the card didn't take what was shown.
            return Err(CardTrouble::NoCard.into());
        }
        Ok(())
    }

    fn say(
        &self,
        talk: &CardTalk,
        answered: Answered,
        centre: &Centre,
        now: Time,
    ) -> Result<CardStep, WalletError> {
        let body = CardAnswer {
            contact: talk.contact,
            step: talk.step,
            answered,
        };
        let id = MessageId::random(&mut rng());
        let prepared = self.prepare(&centre.callee, id, now, body)?;
        Ok(self.call_about_card(centre, prepared)?.into_value().body)
    }

    /// Carries bytes until the centre has no more, or something for the member.
    fn relay(
        &mut self,
        talk: &mut CardTalk,
        link: &mut dyn Link,
        (first, centre): (CardStep, &Centre),
        now: Time,
    ) -> Result<(), WalletError> {
        let mut step = first;
        loop {
            if step.contact != talk.contact {
                return Err(WalletError::unsound(
                    "the centre's step",
                    "it's of another contact",
                ));
            }
            talk.step = step.step;
            talk.talk = match step.next {
                Next::Send(bytes) => {
                    if !is_for_the_card(&bytes.0) {
                        return Err(CardTrouble::Command.into());
                    }
                    let answered = transmit(link, &bytes.0);
                    step = self.say(talk, answered, centre, now)?;
                    continue;
                }
                Next::Agree(signed) => match self.check_order(talk, &signed, centre, now) {
                    Ok(agreement) => {
                        talk.asked = Some(now);
                        Talk::Asking(Box::new(agreement))
                    }
                    Err(why) => {
                        // The card sees nothing of it, and the centre learns that it isn't wanted.
                        drop(self.say(talk, Answered::Declined, centre, now));
                        return Err(CardTrouble::OrderDiffers(why).into());
                    }
                },
                Next::Done(report) => {
                    self.learn_card(talk, &report, now)?;
                    Talk::Done(report)
                }
                Next::Refused(refusal) => {
                    self.learn_refusal(talk, refusal.code, now)?;
                    Talk::Refused(refusal)
                }
                Next::InDoubt => Talk::InDoubt,
            };
            return Ok(());
        }
    }

    /// Is it the centre's order, for this card, this payment, this bill and this amount (K6, K7)?
    fn check_order(
        &self,
        talk: &CardTalk,
        signed: &SignedBytes,
        centre: &Centre,
        now: Time,
    ) -> Result<Agreement, &'static str> {
        let key = centre.keys.debit_orders;
        let key = key.ok_or("the centre has no key for such orders")?;
        let order: Verified<DebitOrder> =
            verified(signed, &key, "debit order").map_err(|_e| "the centre didn't sign it")?;
        let agreed = talk.bill.ok_or("nothing was to be paid")?;
        let kept = self.state.bill(agreed.bill);
        let kept = kept.ok_or("its bill isn't known here")?;
        if order.card != talk.card {
            return Err("it's for another card");
        }
        if Some(order.payment) != kept.payment {
            return Err("it's of another payment");
        }
        if order.bill != agreed.bill {
            return Err("it's of another bill");
        }
        if kept.shop().ok() != Some(order.shop) {
            return Err("it's for another shop");
        }
        if order.amount != agreed.amount {
            return Err("the amount isn't the bill's");
        }
        if !order.issued.within(FRESH_SECONDS, now) {
            return Err("its time is off");
        }
        if !is_for_the_card(&order.command.0) {
            return Err("its command isn't one for a session");
        }
        let shop = self.name_of(order.shop);
        Ok(Agreement {
            order: order.into_value(),
            shop,
        })
    }

    fn learn_card(
        &mut self,
        talk: &CardTalk,
        report: &CardReport,
        now: Time,
    ) -> Result<(), WalletError> {
        let known = KnownIcCard {
            card: talk.card,
            balance: report.balance,
            owed: report.owed,
            blocked: report.blocked,
            as_of: now,
            over: None,
        };
        self.state.ic_cards.retain(|c| c.card != talk.card);
        self.state.ic_cards.push(known);
        if let Some(paid) = report.paid {
            self.card_has_paid(paid);
        }
        self.commit(now, Vec::new())
    }

    /// The card has paid: the shop is to deliver.
    pub(crate) fn card_has_paid(&mut self, payment: PaymentId) {
        let mut bills = self.state.bills.iter_mut();
        let bill = bills.find(|b| b.payment == Some(payment));
        if let Some(bill) = bill.filter(|b| b.waits_for_card()) {
            bill.status = BillStatus::Held;
        }
    }

    /// The centre says that a card is out of use.
    pub(super) fn card_is_over(&mut self, card: CardNumber, now: Time) {
        let mut known = self.state.ic_cards.iter_mut();
        if let Some(known) = known.find(|c| c.card == card) {
            known.over = known.over.or(Some(now));
        }
    }

    /// A payment that the centre gave up may be made again; one that the card made, and the book forgot, never.
    fn learn_refusal(&mut self, talk: &CardTalk, code: Code, now: Time) -> Result<(), WalletError> {
        if let (Code::IcCardUnbooked, Some(order)) = (code, talk.bill) {
            let kept = self.state.bill_mut(order.bill);
            if let Some(kept) = kept.filter(|k| k.waits_for_card()) {
                kept.status = BillStatus::Held;
            }
            return self.commit(now, Vec::new());
        }
        if code == Code::IcCardEnded {
            self.card_is_over(talk.card, now);
            self.commit(now, Vec::new())?;
        }
        let ended = matches!(
            code,
            Code::IcCardDeclined | Code::IcCardNotDue | Code::IcCardNotAsShown
        );
        // Before the question these are about what was to be written on the card, not about the payment.
        let unmet = matches!(code, Code::IcCardInsufficient | Code::IcCardLimit);
        let given_up = ended || (unmet && talk.asked.is_some());
        let bill = talk.bill.filter(|_| given_up).map(|order| order.bill);
        let kept = bill.and_then(|bill| self.state.bill_mut(bill));
        if let Some(kept) = kept.filter(|k| k.status == BillStatus::AtCard) {
            (kept.status, kept.payment, kept.card) = (BillStatus::Open, None, None);
            return self.commit(now, Vec::new());
        }
        Ok(())
    }
}

/// Commands that the centre may have carried: SELECT of our application, the opening of a session, and
/// what is under a session's protection. VIEW is clear, and ours alone.
fn is_for_the_card(command: &[u8]) -> bool {
    matches!(
        command,
        [0x00, 0xa4, 0x04, 0x00, ..] | [0x80, 0x50, ..] | [0x84, _, _, _, ..]
    )
}

fn transmit(link: &mut dyn Link, command: &[u8]) -> Answered {
    match link.transmit(command) {
        Ok(answer) if !answer.is_empty() => Answered::By(CardBytes(answer)),
        Ok(_) | Err(_) => Answered::Nothing,
    }
}

/// VIEW tells the card what the member saw; then the order. If the card doesn't take VIEW, it doesn't get
/// the order.
fn show_and_debit(link: &mut dyn Link, order: &DebitOrder) -> Option<Answered> {
    let view = View {
        amount: u32::try_from(order.amount.minor()).ok()?,
        counter: order.counter,
        bill: *order.bill.as_bytes(),
    };
    match link.transmit(&view.command()) {
        Ok(answer) if answer == [0x90, 0x00] => Some(transmit(link, &order.command.0)),
        Ok(_) | Err(_) => None,
    }
}
