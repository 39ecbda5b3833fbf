//! IC cards (K1-K9): what the member's computer does between the centre and a card on its reader.
//!
//! ```text
//! quote = bill? consent 1 ─▶ CardPayment (everyday key) ─▶ receipt: the money waits for the card
//! begin: CardContact ─▶ Send ⇄ card …                      the balance is read
//!        ◀─ Agree(debit order): signed by the centre? this card, this payment, this bill, this amount?
//! answer(yes): VIEW to the card, then the order's bytes ⇄ card … ─▶ Done
//! answer(no):  nothing of the order reaches the card
//! ```
//! The bytes that pass are encrypted, and nobody here can read them. What the member sees is what counts,
//! because the card takes off what VIEW says or nothing; so VIEW is sent from here and from nowhere else,
//! and bytes of the centre's that would be one are refused.

use tegata_card::{
    command::View,
    link::{Link, LinkError},
    session::{select, selected},
};
use tegata_client::{Answer, Caller, Prepared};
use tegata_program::exit::Exit;
use tegata_protocol::{
    Amount, CardNumber, Digest, MessageId, PartyNumber, PaymentId, Time, Verified,
    book::Done,
    card::{
        Answered, CardAnswer, CardBytes, CardContact, CardLoad, CardLoaded, CardPayment,
        CardReport, CardRequest, CardStep, Change, DebitOrder, Errand, Next,
    },
    envelope::{Body, Message},
    payment::{Mode, Receipt},
    refusal::{Code, Refusal},
};

use crate::{
    entry::{self, Entry},
    error::WalletError,
    sending::{Replied, Settled, bad_reply, in_doubt, payment_of},
    state::{BillStatus, CardOrder, Instruction, KnownIcCard, Pending, verified},
    vault::Password,
    wallet::{Centre, Wallet, chance},
};

/// How far a debit order's time may be off, in seconds.
const FRESH_SECONDS: u64 = 300;

/// How old an order may be when the member agrees to it, in seconds. The card-key server forgets one that
/// nobody has answered for 120 (docs/card-keys.md); a debit after that is in doubt for sure.
const ANSWER_SECONDS: u64 = 100;

/// How often the same answer is sent when the centre can't be reached.
const TRIES: u8 = 3;

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
    /// The member was asked.
    asked: bool,
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
            asked: false,
            talk: Talk::InDoubt,
        }
    }
}

/// Something about a card that the centre has nothing to do with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardTrouble {
    /// No card lies there, or it was taken away.
    #[error("no card lies on the reader, or it was taken away")]
    NoCard,
    /// Another card came in between.
    #[error("another card lies on the reader now")]
    Changed,
    /// The reader, or the program that has it, can't be used.
    #[error("{0}")]
    Reader(String),
    /// Something else lies on the reader.
    #[error("what lies on the reader isn't a card of this kind")]
    NotOurs,
    /// The centre's order isn't what was agreed to.
    #[error(
        "the centre's order to the card differs from the bill: {0}. Nothing of it reached the card"
    )]
    OrderDiffers(&'static str),
    /// The member took too long.
    #[error("the question waited too long for its answer. Nothing of the order reached the card")]
    Late,
    /// The centre wanted to tell the card what only the member's computer may.
    #[error("the centre sent a command that isn't for it to send; the card didn't get it")]
    Command,
    /// No card is known here.
    #[error("no card has been on this wallet's readers yet")]
    NoneKnown,
}

impl CardTrouble {
    /// A stable code.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NoCard => "no_card",
            Self::Changed => "card_changed",
            Self::Reader(_) => "card_reader",
            Self::NotOurs => "card_foreign",
            Self::OrderDiffers(_) => "card_order_differs",
            Self::Late => "card_late",
            Self::Command => "card_command",
            Self::NoneKnown => "no_card_known",
        }
    }

    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::NoCard | Self::Changed | Self::Reader(_) => Exit::Unreachable,
            Self::NotOurs | Self::OrderDiffers(_) | Self::Late | Self::Command => Exit::Refused,
            Self::NoneKnown => Exit::Usage,
        }
    }

    pub(crate) const fn next(&self) -> Option<&'static str> {
        match self {
            Self::NoCard | Self::Changed | Self::Reader(_) => Some(
                "put one card on the reader and try again; `tegata-card readers` lists readers and \
                 cards",
            ),
            Self::NotOurs => Some("put the card there that the centre gave you"),
            Self::OrderDiffers(_) | Self::Command => {
                Some("nothing was paid: tell the centre, and pay another way")
            }
            Self::Late => Some("pay again, and answer within a minute and a half"),
            Self::NoneKnown => {
                Some("run `tegata-wallet card show` once with the card on the reader")
            }
        }
    }
}

/// Which card lies on the reader. What it says of itself proves nothing.
///
/// # Errors
/// [`CardTrouble`].
pub fn card_on(link: &mut dyn Link) -> Result<CardNumber, CardTrouble> {
    link.reset().map_err(reader)?;
    let answer = link.transmit(&select()).map_err(reader)?;
    let told = selected(&answer).ok_or(CardTrouble::NotOurs)?;
    Ok(CardNumber::from_bytes(*told.csn.as_bytes()))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else it may be, its text tells"
)]
fn reader(error: LinkError) -> CardTrouble {
    match error {
        LinkError::Gone => CardTrouble::NoCard,
        LinkError::Changed => CardTrouble::Changed,
        other => CardTrouble::Reader(other.to_string()),
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

impl Wallet {
    /// The cards that this wallet has met.
    pub fn ic_cards(&self) -> &[KnownIcCard] {
        &self.state.ic_cards
    }

    /// The card whose number begins so; the only one, if nothing is said.
    ///
    /// # Errors
    /// [`WalletError::NoSuch`], [`WalletError::Ambiguous`], [`CardTrouble::NoneKnown`].
    pub fn find_ic_card(&self, wanted: Option<&str>) -> Result<CardNumber, WalletError> {
        let wanted = wanted.unwrap_or_default().trim().to_ascii_lowercase();
        // A number in full needn't be known here: a lost card may have been another machine's.
        if let Some(card) = CardNumber::from_hex(&wanted) {
            return Ok(card);
        }
        let cards = self.state.ic_cards.iter().map(|c| c.card);
        let mut found = cards.filter(|c| c.to_string().starts_with(&wanted));
        match (found.next(), found.next()) {
            (Some(card), None) => Ok(card),
            (None, _) if wanted.is_empty() => Err(CardTrouble::NoneKnown.into()),
            (None, _) => Err(WalletError::NoSuch {
                what: "card",
                wanted,
            }),
            (Some(_), Some(_)) => Err(WalletError::Ambiguous {
                what: "card",
                wanted,
            }),
        }
    }

    /// Agrees to pay a bill with this card (K3): the member has seen it. The money waits for the card
    /// from here on. A bill that waits already is left as it is.
    ///
    /// # Errors
    /// [`WalletError::NotPayable`], [`WalletError::Refused`], [`WalletError::InDoubt`];
    /// [`CardTrouble::Changed`] if another card is to pay it, and may have.
    pub fn agree_by_card(
        &mut self,
        bill: Digest,
        card: CardNumber,
        now: Time,
    ) -> Result<PaymentId, WalletError> {
        let kept = self.state.bill(bill);
        let waits = kept.filter(|k| matches!(k.status, BillStatus::AtCard | BillStatus::InDoubt));
        if waits
            .and_then(|k| k.card)
            .is_some_and(|first| first != card)
        {
            return Err(CardTrouble::Changed.into());
        }
        if let Some(payment) = kept
            .filter(|k| k.status == BillStatus::AtCard)
            .and_then(|k| k.payment)
        {
            return Ok(payment);
        }
        if self.is_in_doubt(bill) {
            self.pay_again(bill, now)?;
            let kept = self.state.bill(bill);
            if kept.is_some_and(|k| k.status != BillStatus::AtCard) {
                // It was another instruction: that one paid, and this says so.
                self.payable(bill, Mode::Hold, now)?;
            }
        } else {
            let order = self.payable(bill, Mode::Hold, now)?;
            self.send_agreement(
                CardOrder {
                    bill,
                    amount: order.amount,
                    card,
                },
                now,
            )?;
        }
        let kept = self.state.bill(bill);
        kept.and_then(|k| k.payment).ok_or(WalletError::NoSuch {
            what: "bill",
            wanted: bill.to_string(),
        })
    }

    fn send_agreement(&mut self, order: CardOrder, now: Time) -> Result<Settled, WalletError> {
        self.registered()?;
        let kept = self.state.bill(order.bill);
        let bill = kept.map(|k| k.signed.clone()).ok_or(WalletError::NoSuch {
            what: "bill",
            wanted: order.bill.to_string(),
        })?;
        let body = CardPayment {
            bill,
            amount: order.amount,
            card: order.card,
        };
        body.check()?;
        let centre = self.centre(now)?;
        let id = MessageId::random(&mut chance());
        let prepared = self.prepare(&centre.callee, id, now, body)?;
        if let Some(kept) = self.state.bill_mut(order.bill) {
            kept.status = BillStatus::InDoubt;
            kept.payment = Some(PaymentId::new(prepared.digest()));
            kept.card = Some(order.card);
        }
        let what = Instruction::PayByCard(order);
        let digest = self.keep_pending(&prepared, PartyNumber::CENTRE, what, now)?;
        self.settle(digest, Some(prepared), now)
    }

    /// The centre's receipt for an agreement: is it of this payment?
    pub(crate) fn take_card_receipt(
        &mut self,
        pending: &Pending,
        order: CardOrder,
        (reply, attachment): Replied<Receipt>,
        centre: &Centre,
        now: Time,
    ) -> Result<Settled, WalletError> {
        let receipt = reply.body.clone();
        let ours = receipt.payment == payment_of(pending)
            && receipt.bill == order.bill
            && receipt.amount == order.amount
            && receipt.mode == Mode::Hold;
        if !ours {
            let why = "the receipt is of another payment".to_owned();
            return Err(in_doubt(pending, bad_reply(&self.state.centre, why)));
        }
        let head = attachment.map(tegata_protocol::SignedBytes::new);
        self.keep_head(head, &receipt, centre)?;
        self.drop_pending(pending);
        if let Some(kept) = self.state.bill_mut(order.bill) {
            kept.receipt = Some(reply.signed().clone());
            // The card's own completion may have come first, when the receipt was long in doubt.
            if kept.status == BillStatus::InDoubt {
                kept.status = BillStatus::AtCard;
            }
        }
        self.commit(now, Vec::new())?;
        Ok(Settled::AtCard(order.bill))
    }

    /// Moves prepaid money to a card's account; it's written on the card at its next contact. Takes
    /// password B.
    ///
    /// # Errors
    /// [`WalletError::Refused`], [`WalletError::InDoubt`], [`WalletError::Vault`].
    pub fn load_card(
        &mut self,
        card: CardNumber,
        amount: Amount,
        b: &Password,
        now: Time,
    ) -> Result<CardLoaded, WalletError> {
        self.registered()?;
        let loads = |p: &&Pending| p.what == Instruction::LoadCard(card);
        let earlier = self.state.pending.iter().find(loads);
        if let Some(earlier) = earlier.map(Pending::digest) {
            // One is in doubt: whether it counted comes first, or the money would move twice.
            return loaded(self.settle(earlier, None, now)?);
        }
        let centre = self.centre(now)?;
        let body = CardLoad { card, amount };
        body.check()?;
        let (opening, number) = (self.opening(), self.state.number);
        let stamp = (MessageId::random(&mut chance()), now);
        let prepared = self.vault.with_spending(b, |secrets| {
            let spending = tegata_protocol::SigningKey::from_seed(secrets.seed());
            let caller = Caller {
                number,
                signing: &spending,
                opening: &opening,
            };
            Prepared::new(caller, &centre.callee, stamp, body, None, &mut chance())
        })??;
        let what = Instruction::LoadCard(card);
        let digest = self.keep_pending(&prepared, PartyNumber::CENTRE, what, now)?;
        loaded(self.settle(digest, Some(prepared), now)?)
    }

    pub(crate) fn take_card_load(
        &mut self,
        pending: &Pending,
        card: CardNumber,
        reply: &Verified<Message<CardLoaded>>,
        now: Time,
    ) -> Result<Settled, WalletError> {
        let loaded = reply.body.clone();
        if loaded.card != card {
            let why = "it's of another card".to_owned();
            return Err(in_doubt(pending, bad_reply(&self.state.centre, why)));
        }
        self.drop_pending(pending);
        let entry = Entry::CardLoaded(entry::CardLoaded {
            loaded: loaded.clone(),
            paid_out: false,
        });
        self.learn_balance(Some(loaded.prepaid), None, reply.time);
        self.commit(now, vec![entry])?;
        Ok(Settled::CardLoaded(loaded))
    }

    /// Blocks a card, unblocks it, or reports it lost. The same again changes nothing.
    ///
    /// # Errors
    /// [`WalletError::Refused`], [`WalletError::Call`].
    pub fn change_card(
        &mut self,
        card: CardNumber,
        change: Change,
        now: Time,
    ) -> Result<(), WalletError> {
        let body = CardRequest { card, change };
        if change == Change::PayOut {
            let reply = self.ask_about_card::<_, CardLoaded>(body, now)?;
            let entry = Entry::CardLoaded(entry::CardLoaded {
                loaded: reply.body.clone(),
                paid_out: true,
            });
            self.learn_balance(Some(reply.body.prepaid), None, reply.time);
            return self.commit(now, vec![entry]);
        }
        self.ask_about_card::<_, Done>(body, now)?;
        let mut known = self.state.ic_cards.iter_mut();
        if let Some(known) = known.find(|c| c.card == card) {
            known.blocked = change != Change::Unblock;
        }
        self.commit(now, Vec::new())
    }

    /// A question that may come again, signed anew.
    fn ask_about_card<B: Body, R: Body>(
        &mut self,
        body: B,
        now: Time,
    ) -> Result<Verified<Message<R>>, WalletError> {
        self.registered()?;
        let centre = self.centre(now)?;
        let id = MessageId::random(&mut chance());
        let prepared = self.prepare(&centre.callee, id, now, body)?;
        self.call_about_card(&centre, prepared)
    }

    /// Sends it, and again the same bytes if nobody answers: a card lies there and waits.
    fn call_about_card<R: Body>(
        &self,
        centre: &Centre,
        prepared: Prepared,
    ) -> Result<Verified<Message<R>>, WalletError> {
        let (signing, opening) = (self.everyday(), self.opening());
        let caller = Caller {
            number: self.state.number,
            signing: &signing,
            opening: &opening,
        };
        let mut prepared = prepared;
        let mut tries = 1;
        let answer = loop {
            match self.client().call::<R>(caller, &centre.callee, &prepared) {
                Err(_) if tries < TRIES => {
                    tries += 1;
                    let parcel = prepared.parcel().clone();
                    prepared = Prepared::again(&centre.callee, parcel, &mut chance())?;
                }
                other => break other?,
            }
        };
        match answer {
            Answer::Accepted { reply, .. } => Ok(reply),
            Answer::Refused(refusal) => Err(WalletError::Refused {
                by: "the centre".to_owned(),
                what: "card",
                refusal: refusal.into_value().body,
            }),
        }
    }

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
            Errand::Look
            | Errand::PutTicket(..)
            | Errand::ReadTicket(_)
            | Errand::ClearTicket(_) => None,
        };
        self.registered()?;
        let centre = self.centre(now)?;
        let id = MessageId::random(&mut chance());
        let prepared = self.prepare(&centre.callee, id, now, CardContact { card, errand })?;
        let contact = prepared.digest();
        let step: CardStep = self.call_about_card(&centre, prepared)?.into_value().body;
        let mut talk = CardTalk {
            card,
            contact,
            step: 0,
            bill,
            asked: false,
            talk: Talk::InDoubt,
        };
        self.relay(&mut talk, link, (step, &centre), now)?;
        Ok(talk)
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
        let late = agreed && now > order.issued.after(ANSWER_SECONDS);
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
        let id = MessageId::random(&mut chance());
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
                        talk.asked = true;
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
        signed: &tegata_protocol::SignedBytes,
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
        let waits = |b: &BillStatus| matches!(b, BillStatus::AtCard | BillStatus::InDoubt);
        if let Some(bill) = bill.filter(|b| waits(&b.status)) {
            bill.status = BillStatus::Held;
        }
    }

    /// A payment that the centre gave up may be made again.
    fn learn_refusal(&mut self, talk: &CardTalk, code: Code, now: Time) -> Result<(), WalletError> {
        let ended = matches!(
            code,
            Code::IcCardDeclined | Code::IcCardNotDue | Code::IcCardNotAsShown
        );
        // Before the question these are about what was to be written on the card, not about the payment.
        let unmet = matches!(code, Code::IcCardInsufficient | Code::IcCardLimit);
        let given_up = ended || (unmet && talk.asked);
        let bill = talk.bill.filter(|_| given_up).map(|order| order.bill);
        let kept = bill.and_then(|bill| self.state.bill_mut(bill));
        if let Some(kept) = kept.filter(|k| k.status == BillStatus::AtCard) {
            (kept.status, kept.payment, kept.card) = (BillStatus::Open, None, None);
            return self.commit(now, Vec::new());
        }
        Ok(())
    }
}

fn loaded(settled: Settled) -> Result<CardLoaded, WalletError> {
    match settled {
        Settled::CardLoaded(loaded) => Ok(loaded),
        Settled::Registered
        | Settled::Reference(_)
        | Settled::Bill(_)
        | Settled::Paid(_)
        | Settled::Answered
        | Settled::AtCard(_) => Err(WalletError::unsound("the answer", "it's of another kind")),
    }
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
