//! Sending what was signed, and understanding the answer.
//!
//! Whatever asks somebody to act is written down as [`Pending`] before it's sent. An answer that
//! verifies settles it, for good; anything else (nobody there, a broken connection, an answer that
//! can't be believed) leaves it in doubt, and it's sent again, the same signed bytes under a fresh
//! seal: the other side answers what it answered the first time.

use tegata_party::client::{Answer, CallError, Callee, Caller, Prepared};
use tegata_protocol::{
    Digest, PartyNumber, PaymentId, SignedBytes, Time, Verified,
    card::CardLoaded,
    envelope::{Body, Message},
    joining::Registered,
    payment::Receipt,
    prepaid::PaymentReference,
    purchase::Offer,
    record::PartyRecord,
    refusal::{Code, Refusal},
};

use crate::{
    entry::{Entry, Joined, Refused},
    error::WalletError,
    kept::{BillStatus, Instruction, KeptBill, Pending},
    wallet::{Centre, Wallet, find_by_id, rng},
};

/// How long after its bill's end a payment may be given up: a day.
const GRACE_SECONDS: u64 = 86_400;

/// How a pending message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The member stands in the register.
    Registered,
    /// Where to pay in.
    Reference(PaymentReference),
    /// A bill came; this is its digest.
    Bill(Digest),
    /// The bill of this digest is held for or paid.
    Paid(Digest),
    /// A question was answered with a bill nobody asked for.
    Answered,
    /// The money for the bill of this digest waits for the card.
    AtCard(Digest),
    /// Money was moved to a card's account.
    CardLoaded(tegata_protocol::card::CardLoaded),
}

/// A verified reply, and what came beside it.
pub(crate) type Replied<R> = (Verified<Message<R>>, Option<Vec<u8>>);

impl Wallet {
    /// Sends everything that is pending, oldest first, and gives how each ended.
    ///
    /// # Errors
    /// None by itself; each message has its own.
    pub fn send_pending(&mut self, now: Time) -> Vec<(Pending, Result<Settled, WalletError>)> {
        let waiting = self.state.pending.clone();
        let each = waiting.into_iter();
        each.map(|p| {
            let settled = self.settle(p.digest(), None, now);
            (p, settled)
        })
        .collect()
    }

    /// Gives up a pending message that nobody will answer any more.
    ///
    /// # Errors
    /// [`WalletError::NoSuch`]; [`WalletError::MayCount`] for a payment whose bill isn't long over, and
    /// for the load of an IC card: the centre may have it.
    pub fn forget(&mut self, wanted: &str, now: Time) -> Result<Pending, WalletError> {
        let ids = self.state.pending.iter().map(Pending::digest);
        let digest = find_by_id("pending message", wanted, ids)?;
        let found = self.state.pending.iter().find(|p| p.digest() == digest);
        let pending = found.cloned().ok_or_else(|| WalletError::NoSuch {
            what: "pending message",
            wanted: wanted.to_owned(),
        })?;
        let paid = match &pending.what {
            Instruction::Pay(order) => Some(order.bill),
            Instruction::PayByCard(order) => Some(order.bill),
            // Sent again it gets the answer that it got; a second one would move the money twice.
            Instruction::LoadCard(_) => return Err(WalletError::MayCount),
            Instruction::Register
            | Instruction::Load
            | Instruction::Order(_)
            | Instruction::Inquire => None,
        };
        if let Some(bill) = paid {
            let kept = self.state.bill(bill);
            let bill = kept.map(|k| self.bill(k)).transpose()?;
            if bill.is_some_and(|b| b.expires.after(GRACE_SECONDS) > now) {
                return Err(WalletError::MayCount);
            }
        }
        self.drop_pending(&pending);
        self.commit(now, Vec::new())?;
        Ok(pending)
    }

    /// Writes down what was signed. Only then may it be sent.
    pub(crate) fn keep_pending(
        &mut self,
        prepared: &Prepared,
        to: PartyNumber,
        what: Instruction,
        now: Time,
    ) -> Result<Digest, WalletError> {
        self.state.pending.push(Pending {
            parcel: prepared.parcel().clone(),
            to,
            made: now,
            what,
        });
        self.commit(now, Vec::new())?;
        Ok(prepared.digest())
    }

    /// Sends a pending message (as `prepared`, or sealed anew) and deals with the answer.
    pub(crate) fn settle(
        &mut self,
        digest: Digest,
        prepared: Option<Prepared>,
        now: Time,
    ) -> Result<Settled, WalletError> {
        let found = self.state.pending.iter().find(|p| p.digest() == digest);
        let pending = found.cloned().ok_or_else(|| WalletError::NoSuch {
            what: "pending message",
            wanted: digest.to_string(),
        })?;
        let (centre, callee) = self.recipient(&pending, now)?;
        let prepared = match prepared {
            Some(prepared) => prepared,
            None => Prepared::again(&callee, pending.parcel.clone(), &mut rng())?,
        };
        match &pending.what {
            Instruction::Register => {
                let reply = self.ask::<Registered>(&pending, &callee, &prepared, now)?;
                self.take_record(&pending, reply.0, centre.as_ref(), now)
            }
            Instruction::Load => {
                let reply = self.ask::<PaymentReference>(&pending, &callee, &prepared, now)?;
                self.take_reference(&pending, reply.0, now)
            }
            Instruction::Order(order) => {
                let reply = self.ask::<Offer>(&pending, &callee, &prepared, now)?;
                self.take_offer(&pending, order, &reply.0.body, now)
            }
            Instruction::Pay(order) => {
                let reply = self.ask::<Receipt>(&pending, &callee, &prepared, now)?;
                let centre = centre.ok_or(WalletError::NotRegistered)?;
                self.take_receipt(&pending, *order, reply, &centre, now)
            }
            Instruction::PayByCard(order) => {
                let reply = self.ask::<Receipt>(&pending, &callee, &prepared, now)?;
                let centre = centre.ok_or(WalletError::NotRegistered)?;
                self.take_card_receipt(&pending, *order, reply, &centre, now)
            }
            Instruction::LoadCard(card) => {
                let reply = self.ask::<CardLoaded>(&pending, &callee, &prepared, now)?;
                self.take_card_load(&pending, *card, &reply.0, now)
            }
            Instruction::Inquire => {
                self.ask::<Offer>(&pending, &callee, &prepared, now)?;
                self.drop_pending(&pending);
                self.commit(now, Vec::new())?;
                Ok(Settled::Answered)
            }
        }
    }

    /// Who is to get a pending message.
    fn recipient(
        &mut self,
        pending: &Pending,
        now: Time,
    ) -> Result<(Option<Centre>, Callee), WalletError> {
        if pending.to == PartyNumber::CENTRE {
            let centre = self.centre(now).map_err(|e| in_doubt(pending, e))?;
            let callee = centre.callee.clone();
            return Ok((Some(centre), callee));
        }
        let shop = self.state.shop(pending.to).ok_or(WalletError::NoSuch {
            what: "shop",
            wanted: pending.to.to_string(),
        })?;
        Ok((None, shop.callee()))
    }

    /// Sends, and gives the reply with its attachment. A refusal ends the matter.
    fn ask<R: Body>(
        &mut self,
        pending: &Pending,
        callee: &Callee,
        prepared: &Prepared,
        now: Time,
    ) -> Result<Replied<R>, WalletError> {
        let (signing, opening) = (self.everyday(), self.opening());
        let caller = Caller {
            number: self.state.number,
            signing: &signing,
            opening: &opening,
        };
        let answer = self.client().call::<R>(caller, callee, prepared);
        match answer.map_err(|e| in_doubt(pending, e.into()))? {
            Answer::Accepted { reply, attachment } => Ok((reply, attachment)),
            Answer::Refused(refusal) => {
                Err(self.take_refusal(pending, refusal.into_value().body, now)?)
            }
        }
    }

    /// A signed refusal is final: nothing was done, and the message will never count.
    fn take_refusal(
        &mut self,
        pending: &Pending,
        refusal: Refusal,
        now: Time,
    ) -> Result<WalletError, WalletError> {
        self.drop_pending(pending);
        match &pending.what {
            Instruction::Pay(order) => self.reopen((order.bill, payment_of(pending)), refusal.code),
            Instruction::PayByCard(order) => {
                self.reopen((order.bill, payment_of(pending)), refusal.code);
            }
            Instruction::Register
            | Instruction::Load
            | Instruction::Order(_)
            | Instruction::Inquire
            | Instruction::LoadCard(_) => {}
        }
        let entry = Entry::Refused(Refused {
            by: pending.to,
            what: pending.what.word().to_owned(),
            code: refusal.code,
            detail: refusal.detail.clone(),
        });
        self.commit(now, vec![entry])?;
        Ok(WalletError::Refused {
            by: self.name_of(pending.to),
            what: pending.what.word(),
            refusal,
        })
    }

    /// A bill whose instruction was refused can be paid again, unless the bill itself is the reason.
    fn reopen(&mut self, (bill, payment): (Digest, PaymentId), code: Code) {
        let dead = matches!(
            code,
            Code::BillInvalid | Code::BillExpired | Code::BillClosed | Code::BillPaid
        );
        // Paid by another copy of this wallet, and delivered: the refusal says nothing new.
        // So does it if a card paid it meanwhile.
        let waits = |b: &&mut KeptBill| !b.status.is_done() && b.payment == Some(payment);
        if let Some(bill) = self.state.bill_mut(bill).filter(waits) {
            bill.status = if dead {
                BillStatus::Closed
            } else {
                BillStatus::Open
            };
            (bill.payment, bill.card) = (None, None);
        }
    }

    pub(crate) fn drop_pending(&mut self, pending: &Pending) {
        let digest = pending.digest();
        self.state.pending.retain(|p| p.digest() != digest);
    }

    /// The register's answer: is it really our record?
    fn take_record(
        &mut self,
        pending: &Pending,
        reply: Verified<Message<Registered>>,
        centre: Option<&Centre>,
        now: Time,
    ) -> Result<Settled, WalletError> {
        let centre = centre.ok_or(WalletError::NotRegistered)?;
        let signed = reply.into_value().body.record;
        self.check_own_record(&signed, centre, now)
            .map_err(|why| in_doubt(pending, bad_reply(&self.state.centre, why)))?;
        self.drop_pending(pending);
        self.state.record = Some(signed.clone());
        let joined = Joined {
            number: self.state.number,
            centre: self.state.centre.clone(),
            root: self.state.root,
            record: signed,
        };
        self.commit(now, vec![Entry::Joined(joined)])?;
        Ok(Settled::Registered)
    }

    fn check_own_record(
        &self,
        signed: &SignedBytes,
        centre: &Centre,
        now: Time,
    ) -> Result<(), String> {
        let record = PartyRecord::verify(signed.clone(), &centre.keys.register)
            .map_err(|e| format!("the record it sent: {e}"))?;
        let ours = record.number == self.state.number
            && record.keys.signing == self.everyday().verifying_key()
            && record.keys.opening == *self.opening().sealing_key();
        if !ours {
            return Err("the record it sent is of another member or other keys".to_owned());
        }
        if !record.is_active(now) {
            return Err("the record it sent isn't in force".to_owned());
        }
        Ok(())
    }

    fn take_reference(
        &mut self,
        pending: &Pending,
        reply: Verified<Message<PaymentReference>>,
        now: Time,
    ) -> Result<Settled, WalletError> {
        let reference = reply.into_value().body;
        self.drop_pending(pending);
        self.state.currency = Some(reference.amount.currency());
        self.state.awaited.retain(|r| now < r.expires);
        self.state.awaited.push(reference.clone());
        self.commit(now, vec![Entry::LoadAsked(reference.clone())])?;
        Ok(Settled::Reference(reference))
    }
}

/// The instruction stays pending, whatever the reason.
pub(crate) fn in_doubt(pending: &Pending, error: WalletError) -> WalletError {
    let WalletError::Call(source) = error else {
        return error;
    };
    WalletError::InDoubt {
        what: pending.what.word(),
        source: Box::new(source),
    }
}

pub(crate) fn bad_reply(address: &str, why: String) -> WalletError {
    WalletError::Call(CallError::BadReply {
        address: address.to_owned(),
        why,
    })
}

/// The payment that a pending instruction is.
pub(crate) fn payment_of(pending: &Pending) -> PaymentId {
    PaymentId::new(pending.digest())
}
