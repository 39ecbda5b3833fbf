//! What a verified message asks of the book: the one place that turns evidence into an action.
//!
//! The centre decides by it when a message comes in, and the audit decides by it again, years
//! later, from the evidence alone. So it's pure, and knows no more than the evidence, the time of
//! the record and the register as it stood.

use tegata_bank::PaymentReference;
use tegata_card::receipt::{Kind, Receipt};
use tegata_ledger::{
    AccountId, Action, BillKey, CardAction, CardDeed, CardHold, CardReceipt, CardState, Deposit,
    DepositEntry, HoldOrder, PayOrder, ReleaseReason, StatementKey,
};
use tegata_protocol::{
    Amount, CardNumber, Currency, Digest, PartyNumber, PaymentId, Role, Time, Unverified, Verified,
    book::{Rule, StatementImport},
    card::{CardLoad, CardOrder, CardOrders, CardPayment, CardRequest, Change},
    envelope::Message,
    order::{CartToken, CreditCardForm},
    payment::{BillInquiry, Capture, HOLD_SECONDS, Mode, Payment},
    prepaid::PrepaidRequest,
    purchase::{Bill, DeliveryKind},
    record::{PartyRecord, Status},
    refusal::Code,
};

/// How long a payment reference is watched for: 90 days.
pub(crate) const REFERENCE_SECONDS: u64 = 90 * 86_400;

/// The register, as far as a message needs it.
pub trait Register {
    /// A party's latest record.
    fn party(&self, number: PartyNumber) -> Option<std::sync::Arc<PartyRecord>>;
}

/// The reference for a prepaid request: it follows from the request's digest, so that the audit
/// finds the same one.
pub fn reference_for(request: Digest) -> PaymentReference {
    let mut number = [0; 8];
    for (to, from) in number.iter_mut().zip(request.as_bytes()) {
        *to = *from;
    }
    PaymentReference::from_number(u64::from_be_bytes(number))
}

/// A prepaid request: money is expected under a reference (M7).
pub fn prepaid(message: &Verified<Message<PrepaidRequest>>, now: Time) -> Action {
    Action::ExpectFunding {
        reference: reference_for(message.digest()).as_str().to_owned(),
        party: message.from,
        amount: Some(message.body.amount),
        expires: now.after(REFERENCE_SECONDS),
    }
}

/// A bill that a registered shop signed.
///
/// # Errors
/// [`Code::BillInvalid`].
pub fn bill_of(
    signed: &tegata_protocol::SignedBytes,
    register: &impl Register,
) -> Result<Verified<Bill>, Code> {
    let invalid = Code::BillInvalid;
    let bill = Unverified::<Bill>::parse(signed.clone()).map_err(|_e| invalid)?;
    let shop = register.party(bill.claimed().shop).ok_or(invalid)?;
    bill.verify(&shop.keys.signing).map_err(|_e| invalid)
}

/// A payment instruction (M8): hold or pay a bill's total.
///
/// # Errors
/// The first [`Code`] that holds of bill invalid, bill differs, bill expired.
pub fn payment(
    message: &Verified<Message<Payment>>,
    register: &impl Register,
    now: Time,
) -> Result<(Verified<Bill>, Action), Code> {
    let bill = payable(&message.body.bill, message.body.amount, register, now)?;
    // Tickets come with the capture of a hold; money paid at once would buy nothing.
    if message.body.mode == Mode::Pay && bill.delivery == DeliveryKind::Tickets {
        return Err(Code::BillDiffers);
    }
    let currency = bill.totals.total.currency();
    let order = PayOrder {
        payment: PaymentId::new(message.digest()),
        payer: AccountId::prepaid(message.from, currency),
        payee: AccountId::shop(bill.shop, currency),
        amount: bill.totals.total,
        bill: bill_key(&bill),
        bill_digest: bill.digest(),
    };
    let action = match message.body.mode {
        Mode::Hold => Action::Hold(HoldOrder {
            pay: order,
            expires: now.after(HOLD_SECONDS),
        }),
        Mode::Pay => Action::Pay(order),
    };
    Ok((bill, action))
}

/// A bill that a shop in force signed, over what the member agreed to, and not yet expired.
fn payable(
    signed: &tegata_protocol::SignedBytes,
    amount: Amount,
    register: &impl Register,
    now: Time,
) -> Result<Verified<Bill>, Code> {
    let bill = bill_of(signed, register)?;
    let shop = register.party(bill.shop).ok_or(Code::BillInvalid)?;
    if shop.status != Status::Active || !shop.valid.holds(now) {
        return Err(Code::BillInvalid);
    }
    if amount != bill.totals.total {
        return Err(Code::BillDiffers);
    }
    if now >= bill.expires {
        return Err(Code::BillExpired);
    }
    Ok(bill)
}

/// The book's key of a bill.
pub fn bill_key(bill: &Bill) -> BillKey {
    BillKey {
        shop: bill.shop,
        transaction: bill.transaction,
    }
}

/// A capture (T11).
pub fn capture(message: &Verified<Message<Capture>>) -> Action {
    Action::Capture {
        payment: message.body.payment,
        payee_party: message.from,
        amount: message.body.amount,
    }
}

/// A shop asks about its own bill after its expiry.
///
/// # Errors
/// [`Code::BillInvalid`] for another's, [`Code::BillOpen`] before the expiry.
pub fn inquiry(
    message: &Verified<Message<BillInquiry>>,
    register: &impl Register,
    now: Time,
) -> Result<Action, Code> {
    let bill = bill_of(&message.body.bill, register)?;
    if bill.shop != message.from {
        return Err(Code::BillInvalid);
    }
    if now < bill.expires {
        return Err(Code::BillOpen);
    }
    Ok(Action::CloseBill {
        bill: bill_key(&bill),
        bill_digest: bill.digest(),
    })
}

/// A shop passes a sealed card on: the token must be its own. What is sealed, the evidence can't show.
///
/// # Errors
/// [`Code::CardRefused`].
pub fn card(
    message: &Verified<Message<CreditCardForm>>,
    register: &impl Register,
) -> Result<Verified<CartToken>, Code> {
    let refused = Code::CardRefused;
    let token = Unverified::<CartToken>::parse(message.body.token.clone());
    let token = token.map_err(|_e| refused)?;
    if token.claimed().recipient != message.from {
        return Err(refused);
    }
    let shop = register.party(message.from).ok_or(refused)?;
    token.verify(&shop.keys.signing).map_err(|_e| refused)
}

/// A bank statement's import (M7 ii, iii).
pub fn import(message: &Verified<Message<StatementImport>>, currency: Currency) -> Action {
    let body = &message.body;
    let entries = body.entries.iter().map(|e| DepositEntry {
        index: e.index,
        amount: e.amount,
        reference: e.reference.clone(),
    });
    Action::Deposit(Deposit {
        bank: AccountId::bank(1, currency),
        statement: StatementKey {
            account: body.account.clone(),
            id: body.statement.clone(),
        },
        entries: entries.collect(),
    })
}

/// A member agrees to pay a bill with a card (K3): the money is set aside, and waits for the card.
///
/// # Errors
/// As [`payment`].
pub fn card_payment(
    message: &Verified<Message<CardPayment>>,
    register: &impl Register,
    now: Time,
) -> Result<(Verified<Bill>, Action), Code> {
    let body = &message.body;
    let bill = payable(&body.bill, body.amount, register, now)?;
    let currency = bill.totals.total.currency();
    let action = CardAction::Hold(CardHold {
        card: body.card,
        holder: message.from,
        payment: PaymentId::new(message.digest()),
        payee: AccountId::shop(bill.shop, currency),
        amount: bill.totals.total,
        bill: bill_key(&bill),
        bill_digest: bill.digest(),
        expires: now.after(HOLD_SECONDS),
    });
    Ok((bill, Action::Card(action)))
}

/// Prepaid money for a card.
pub fn card_load(message: &Verified<Message<CardLoad>>) -> Action {
    Action::Card(CardAction::Load {
        card: message.body.card,
        holder: message.from,
        amount: message.body.amount,
    })
}

/// What a member asks for a card without it.
pub fn card_request(message: &Verified<Message<CardRequest>>) -> Action {
    let (card, holder) = (message.body.card, Some(message.from));
    let state = match message.body.change {
        Change::Block => CardState::Blocked,
        Change::Unblock => CardState::Active,
        Change::Lost => CardState::Lost,
        Change::PayOut => {
            let into = None;
            return Action::Card(CardAction::Empty { card, holder, into });
        }
    };
    Action::Card(CardAction::Change {
        card,
        holder,
        state,
    })
}

/// What an operator orders about cards. A receipt isn't booked by the operator's word: the card-key
/// server has to know it.
pub fn card_order(message: &Verified<Message<CardOrders>>, currency: Currency) -> Action {
    let action = match &message.body.order {
        CardOrder::Issue {
            card,
            member,
            index,
        } => CardAction::Issue {
            card: *card,
            holder: *member,
            index: *index,
            currency,
        },
        CardOrder::Replace(card, into) => CardAction::Empty {
            card: *card,
            holder: None,
            into: Some(*into),
        },
        CardOrder::End(card) => CardAction::Change {
            card: *card,
            holder: None,
            state: CardState::Ended,
        },
        CardOrder::Submit(_) => return Action::Note,
    };
    Action::Card(action)
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

/// A rule of the centre's own.
///
/// # Errors
/// [`Code::KeyRefused`] for an appointment of nobody, [`Code::IcCardRefuses`] for bytes that are no
/// receipt, or one of another payment.
pub fn rule(rule: &Rule, currency: Currency) -> Result<Action, Code> {
    match rule {
        Rule::ExpireHold(payment) => Ok(Action::Release {
            payment: *payment,
            why: ReleaseReason::Expired,
        }),
        Rule::Appoint(signed) => {
            let record = Unverified::<PartyRecord>::parse(signed.clone());
            let party = record.map_err(|_e| Code::KeyRefused)?.claimed().number;
            Ok(Action::Register {
                party,
                record: signed.as_bytes().to_vec(),
            })
        }
        Rule::CardReceipt(bytes, payment) => {
            let receipt = receipt(bytes, *payment, currency).ok_or(Code::IcCardRefuses)?;
            // The order that the card carried out has the beginning of its payment's number.
            if payment.is_some_and(|payment| !is_of(bytes, payment)) {
                return Err(Code::IcCardRefuses);
            }
            Ok(Action::Card(CardAction::Post(receipt)))
        }
        Rule::CardVoid(payment) => Ok(Action::Release {
            payment: *payment,
            why: ReleaseReason::Unpaid,
        }),
        Rule::CardCopied(card) => Ok(Action::Card(CardAction::Change {
            card: *card,
            holder: None,
            state: CardState::Copied,
        })),
    }
}
