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
    link::{Link, LinkError},
    session::{select, selected},
};
use tegata_party::client::{Answer, Caller, Prepared, Stamp};
use tegata_protocol::{
    Amount, CardNumber, Digest, MessageId, PartyNumber, PaymentId, Time, Verified,
    book::Done,
    card::{CardLoad, CardLoaded, CardPayment, CardRequest, Change},
    envelope::{Body, Message},
    payment::{Mode, Receipt},
    refusal::Code,
};

use crate::{
    card_trouble::CardTrouble,
    entry::{self, Entry},
    error::WalletError,
    kept::{BillStatus, CardOrder, Instruction, KeptBill, KnownIcCard, Pending},
    sending::{Replied, Settled, bad_reply, in_doubt, payment_of},
    vault::Password,
    wallet::{Centre, Wallet, rng},
};

mod talk;

pub use talk::{Agreement, CardTalk, Talk};

/// How often the same answer is sent when the centre can't be reached.
const TRIES: u8 = 3;

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

fn reader(error: LinkError) -> CardTrouble {
    match error {
        LinkError::Gone => CardTrouble::NoCard,
        LinkError::Changed => CardTrouble::Changed,
        LinkError::Unusable(_) => CardTrouble::Reader(error.to_string()),
    }
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
        // Nobody means a card that is over without saying so.
        let meant = |c: &&KnownIcCard| !wanted.is_empty() || c.over.is_none();
        let cards = self.state.ic_cards.iter().filter(meant).map(|c| c.card);
        let mut found = cards.filter(|c| c.to_string().starts_with(&wanted));
        match (found.next(), found.next()) {
            (Some(card), None) => Ok(card),
            (None, _) if wanted.is_empty() => Err(CardTrouble::NoneKnown.into()),
            (None, _) => Err(WalletError::NoSuch {
                what: "card",
                wanted,
            }),
            (Some(_), Some(_)) if wanted.is_empty() => Err(CardTrouble::Several.into()),
            (Some(_), Some(_)) => Err(WalletError::Ambiguous {
                what: "card",
                wanted,
            }),
        }
    }

    /// Was it agreed to pay this bill with a card, and does this wallet not know whether that card did?
    pub fn waits_for_card(&self, bill: Digest) -> bool {
        self.state.bill(bill).is_some_and(KeptBill::waits_for_card)
    }

    /// What went wrong about a bill, if it `waited` for its card before: as long as it still does, nobody may
    /// take that for "nothing was paid".
    pub fn about_card(&self, bill: Digest, waited: bool, error: WalletError) -> WalletError {
        // These are said only once no order is out any more.
        let definite = matches!(&error, WalletError::Refused { refusal, .. } if matches!(
            refusal.code,
            Code::IcCardTooLate | Code::IcCardEnded | Code::IcCardBlocked
        ));
        if waited && !definite && self.waits_for_card(bill) {
            let source = Box::new(error);
            return WalletError::CardInDoubt { source };
        }
        error
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
        let waits = kept.filter(|k| k.waits_for_card());
        if waits.is_some_and(|k| k.card != Some(card)) {
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
        let id = MessageId::random(&mut rng());
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
        let stamp = Stamp::random(now, &mut rng());
        let prepared = self.vault.with_spending(b, |secrets| {
            let spending = tegata_protocol::SigningKey::from_seed(secrets.seed());
            let caller = Caller {
                number,
                signing: &spending,
                opening: &opening,
            };
            Prepared::new(caller, &centre.callee, stamp, body, None, &mut rng())
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

    /// Blocks a card, unblocks it, or reports it lost. The same again changes nothing. Pays out what a card has
    /// that is out of use; says how much that was.
    ///
    /// # Errors
    /// [`WalletError::Refused`], [`WalletError::Call`].
    pub fn change_card(
        &mut self,
        card: CardNumber,
        change: Change,
        now: Time,
    ) -> Result<Option<CardLoaded>, WalletError> {
        let body = CardRequest { card, change };
        if change == Change::PayOut {
            let reply = self.ask_about_card::<_, CardLoaded>(body, now)?;
            let loaded = reply.body.clone();
            self.card_is_over(card, now);
            self.learn_balance(Some(loaded.prepaid), None, reply.time);
            let entry = Entry::CardLoaded(entry::CardLoaded {
                loaded: loaded.clone(),
                paid_out: true,
            });
            let moved = !loaded.amount.is_zero();
            let entries = moved.then_some(entry).into_iter().collect();
            self.commit(now, entries)?;
            return Ok(Some(loaded));
        }
        let done = self.ask_about_card::<_, Done>(body, now);
        // The centre may have ended it, and this wallet hears so only now.
        let ended = matches!(&done, Err(WalletError::Refused { refusal, .. })
            if refusal.code == Code::IcCardEnded);
        if ended || (done.is_ok() && change == Change::Lost) {
            self.card_is_over(card, now);
        }
        if ended {
            self.commit(now, Vec::new())?;
        }
        done?;
        let mut known = self.state.ic_cards.iter_mut();
        if let Some(known) = known.find(|c| c.card == card) {
            known.blocked = change != Change::Unblock;
        }
        self.commit(now, Vec::new())?;
        Ok(None)
    }

    /// A question that may come again, signed anew.
    fn ask_about_card<B: Body, R: Body>(
        &mut self,
        body: B,
        now: Time,
    ) -> Result<Verified<Message<R>>, WalletError> {
        self.registered()?;
        let centre = self.centre(now)?;
        let id = MessageId::random(&mut rng());
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
                    prepared = Prepared::again(&centre.callee, parcel, &mut rng())?;
                }
                other => break other?,
            }
        };
        match answer {
            Answer::Accepted { reply, .. } => Ok(reply),
            Answer::Refused(refusal) => Err(WalletError::card_refused(refusal.into_value().body)),
        }
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
