//! Rules of the centre's own: what it says when nobody asked, signed by it and recorded like anybody's
//! message. A hold's time is over; an operator is appointed; what a card did by the card-key server's word.

use tegata_card::receipt::{Kind, Receipt};
use tegata_ledger::{
    CardDeed, CardReceipt, CardState, ChangeCard, Draft, EvidenceKind, MessageKey, Posted,
    ReceiptPosted, Register, Release, ReleaseReason, Released, Response, alternatives,
    store::StoredRecord,
};
use tegata_protocol::{
    Amount, CardNumber, Currency, Digest, MessageId, PartyNumber, PaymentId, Role, SignedBytes,
    SigningKey, Time, Unverified,
    book::{Done, Rule},
    card::CardPaid,
    envelope::{Body as _, Message},
    payment::{Closing, HoldClosed, Mode, PaidNotice},
    record::PartyRecord,
    refusal::{Code, Refusal},
};

use super::{
    Entry, Live, Past, Proof, Proven,
    holds::{closed_for_member, closed_for_shop},
    live::evidence,
    proof::verified_by,
};
use crate::{
    keys::{OperationalKeys, rng},
    reply::{Recorded, ReplyTo, amount, code_of},
};

pub(super) const ENTRY: Entry = Entry {
    label: Rule::LABEL,
    says: &[
        Done::LABEL,
        HoldClosed::LABEL,
        PaidNotice::LABEL,
        CardPaid::LABEL,
    ],
    live: Live::Own,
    proof: Some(Proof {
        kind: EvidenceKind::Centre,
        prove,
    }),
};

alternatives! {
    /// What a rule asks.
    pub(crate) enum Order -> Outcome {
        Expire(Release),
        Appoint(Register),
        Post(CardReceipt),
        Void(Release),
        Copied(ChangeCard),
    }
}

/// Signs a rule, for the book to decide about: the register's key signs appointments, the receipts key all
/// else.
///
/// # Errors
/// As [`read`].
pub(crate) fn draft(
    rule: Rule,
    keys: &OperationalKeys,
    currency: Currency,
    now: Time,
) -> Result<Draft, Code> {
    let key = match &rule {
        Rule::Appoint(_) => &keys.register,
        Rule::ExpireHold(_) | Rule::CardReceipt(..) | Rule::CardVoid(_) | Rule::CardCopied(_) => {
            &keys.receipts
        }
    };
    draft_signed(rule, key, currency, now)
}

/// The same with the key that signs this rule.
///
/// # Errors
/// As [`read`].
pub(crate) fn draft_signed(
    rule: Rule,
    key: &SigningKey,
    currency: Currency,
    now: Time,
) -> Result<Draft, Code> {
    let order = read(&rule, currency)?;
    let (id, from) = (MessageId::random(&mut rng()), PartyNumber::CENTRE);
    let (not_after, enc_digest, answers) = (None, None, None);
    let signed = key.sign(&Message {
        from,
        to: from,
        id,
        time: now,
        not_after,
        enc_digest,
        answers,
        body: rule,
    });
    let to = ReplyTo {
        party: from,
        answers: signed.digest(),
    };
    let evidence = evidence(EvidenceKind::Centre, &signed, None);
    let key = MessageKey { party: from, id };
    Ok(Draft::new(
        key,
        evidence,
        order,
        now,
        move |decision| match &decision.result {
            Ok(outcome) => reply(to.recorded(decision.position, decision.time), outcome),
            Err(refusal) => {
                let refusal = Refusal::new(code_of(refusal));
                Response::reply(to.refusal(decision.time, refusal))
            }
        },
    ))
}

/// What a rule asks of the book.
///
/// # Errors
/// [`Code::KeyRefused`] for an appointment of nobody, [`Code::IcCardRefuses`] for bytes that are no
/// receipt, or one of another payment.
fn read(rule: &Rule, currency: Currency) -> Result<Order, Code> {
    Ok(match rule {
        Rule::ExpireHold(payment) => Order::Expire(Release {
            payment: *payment,
            why: ReleaseReason::Expired,
        }),
        Rule::Appoint(signed) => {
            let record = Unverified::<PartyRecord>::parse(signed.clone());
            let party = record.map_err(|_e| Code::KeyRefused)?.claimed().number;
            let record = signed.as_bytes().to_vec();
            Order::Appoint(Register { party, record })
        }
        Rule::CardReceipt(bytes, payment) => {
            let receipt = receipt(bytes, *payment, currency).ok_or(Code::IcCardRefuses)?;
            // The order that the card carried out has the beginning of its payment's number.
            if payment.is_some_and(|payment| !is_of(bytes, payment)) {
                return Err(Code::IcCardRefuses);
            }
            Order::Post(receipt)
        }
        Rule::CardVoid(payment) => Order::Void(Release {
            payment: *payment,
            why: ReleaseReason::Unpaid,
        }),
        Rule::CardCopied(card) => Order::Copied(ChangeCard {
            card: *card,
            holder: None,
            state: CardState::Copied,
        }),
    })
}

/// A receipt of a card's, as the book takes it.
fn receipt(bytes: &[u8], payment: Option<PaymentId>, currency: Currency) -> Option<CardReceipt> {
    let receipt = Receipt::parse(bytes)?;
    let done = &receipt.transaction;
    let deed = match receipt.kind {
        Kind::Debit => CardDeed::Debit,
        Kind::Load | Kind::Refund => CardDeed::Load,
        Kind::Void => CardDeed::Void,
    };
    let terminal = PartyNumber::from_wire(u64::from_be_bytes(done.terminal)).ok();
    Some(CardReceipt {
        card: CardNumber::from_bytes(*receipt.csn.as_bytes()),
        counter: done.counter,
        digest: Digest::of(bytes),
        deed,
        amount: Amount::new(done.amount.into(), currency).ok()?,
        balance: receipt.balance,
        payment,
        terminal: terminal.filter(|party| party.role() == Role::Shop),
    })
}

/// Did the card carry out this payment's order? An order's number is the beginning of its payment's.
fn is_of(receipt: &[u8], payment: PaymentId) -> bool {
    let number = Receipt::parse(receipt).map(|receipt| receipt.transaction.id);
    number.is_some_and(|number| payment.digest().as_bytes().starts_with(&number))
}

/// Nobody waits for the reply; who is concerned finds it in the mailbox.
fn reply(record: Recorded, outcome: &Outcome) -> Response {
    let outbox = match outcome {
        Outcome::Expire(Released { hold, .. }) => {
            let mut outbox = vec![closed_for_shop(record, hold, Closing::Expired)];
            outbox.extend(closed_for_member(record, hold, Closing::Expired));
            outbox
        }
        // The shop never heard of it.
        Outcome::Void(Released { hold, .. }) => {
            Vec::from_iter(closed_for_member(record, hold, Closing::Voided))
        }
        Outcome::Post(posted) => posted_items(record, posted),
        Outcome::Appoint(_) | Outcome::Copied(_) => Vec::new(),
    };
    Response {
        reply: record.reply(Done {}),
        outbox,
    }
}

/// Whom a card's receipt concerns: a payment that it made, shop and member; one that it didn't make, the
/// member.
fn posted_items(record: Recorded, receipt: &ReceiptPosted) -> Vec<tegata_ledger::OutboxItem> {
    let card = &receipt.card;
    match &receipt.posted {
        Posted::Funded { hold, bill } => {
            let notice = PaidNotice {
                payment: hold.payment,
                bill: *bill,
                transaction: hold.bill.transaction,
                mode: Mode::Hold,
                amount: hold.amount,
                hold_expires: Some(hold.expires),
                position: record.position,
            };
            let paid = CardPaid {
                payment: hold.payment,
                bill: *bill,
                card: receipt.number,
                counter: card.counter,
                amount: hold.amount,
                balance: amount(card.balance.into(), card.currency),
                position: record.position,
            };
            vec![
                record.post(hold.bill.shop, notice),
                record.post(card.holder, paid),
            ]
        }
        Posted::Voided(hold) => Vec::from_iter(closed_for_member(record, hold, Closing::Voided)),
        Posted::Late(hold) => Vec::from_iter(closed_for_member(record, hold, Closing::Expired)),
        Posted::Noted | Posted::Paid { .. } => Vec::new(),
    }
}

fn prove(past: &Past<'_>, stored: &StoredRecord, signed: SignedBytes) -> Result<Proven, String> {
    let message = verified_by::<Rule>(&stored.record, signed, |rule| match rule {
        Rule::Appoint(_) => past.keys.register,
        Rule::ExpireHold(_) | Rule::CardReceipt(..) | Rule::CardVoid(_) | Rule::CardCopied(_) => {
            past.keys.receipts
        }
    })?;
    let entered = match &message.body {
        Rule::Appoint(operator) => {
            let operator = past.read_record(operator.clone())?;
            if operator.number.role() != Role::Centre {
                return Err(format!("{} isn't an operator's number", operator.number));
            }
            Some(operator)
        }
        Rule::ExpireHold(_) | Rule::CardReceipt(..) | Rule::CardVoid(_) | Rule::CardCopied(_) => {
            None
        }
    };
    let order = read(&message.body, past.currency).map_err(|code| code.to_string())?;
    Ok(Proven {
        action: order.into(),
        entered,
    })
}
