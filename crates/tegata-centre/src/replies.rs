//! What the centre answers, and whom else it tells: from the book's decision to unsigned payloads.
//!
//! These run on the committer's thread: they encode and nothing else. The payload goes into the
//! book; it's signed when it's handed out, and since Ed25519 is deterministic the same payload
//! always becomes the same signed reply.

use minicbor::{Decode, Encode};
use tegata_ledger::{
    AccountKind, BillState as BookBillState, CardState, Decision, Destination, Hold, HoldState,
    OutboxItem, Outcome, Position, Posted, Refusal as BookRefusal, Response,
};
use tegata_protocol::{
    Amount, Currency, Digest, MessageId, PartyNumber, Time,
    book::{Done, Imported, StatementImport},
    card::{CardLoaded, CardPaid},
    cbor,
    envelope::{Attachment, Body, Message},
    payload_of,
    payment::{
        BillAnswer, BillState, BookPosition, Captured, Closing, Delivered, HoldClosed, Mode,
        PaidNotice, Receipt,
    },
    prepaid::{PaymentReference, PrepaidCard},
    purchase::Bill,
    refusal::{Code, Refusal},
};

/// The kind of outbox items: a [`Post`].
pub(crate) const POST: u8 = 1;

/// What waits in a mailbox: a payload to be signed when it's fetched, and what somebody sealed.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(crate) struct Post {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) payload: Vec<u8>,
    #[n(1)]
    pub(crate) sealed: Option<Attachment>,
}

/// To whom a reply goes, and which request it answers.
#[derive(Clone, Copy, Debug)]
pub struct Return {
    /// Who asked.
    pub to: PartyNumber,
    /// The digest of the signed request.
    pub answers: Digest,
}

impl Return {
    /// The payload of a reply.
    pub fn payload<B: Body>(self, time: Time, body: B) -> Vec<u8> {
        let answers = Some(self.answers);
        payload(
            self.to,
            derived_id(self.answers, b"reply"),
            time,
            answers,
            body,
        )
    }

    /// The payload of a refusal.
    pub fn refusal(self, time: Time, refusal: Refusal) -> Vec<u8> {
        self.payload(time, refusal)
    }

    fn post<B: Body>(self, to: PartyNumber, time: Time, body: B) -> OutboxItem {
        self.post_with(to, time, body, None)
    }

    fn post_with<B: Body>(
        self,
        to: PartyNumber,
        time: Time,
        body: B,
        sealed: Option<Attachment>,
    ) -> OutboxItem {
        let number = to.wire().to_be_bytes();
        let id = derived_id(self.answers, &number);
        let post = Post {
            payload: payload(to, id, time, None, body),
            sealed,
        };
        OutboxItem {
            to,
            kind: POST,
            bytes: cbor::encode(&post),
        }
    }
}

/// Ids of what the centre says follow from what it answers, so that they're the same each time.
fn derived_id(request: Digest, what: &[u8]) -> MessageId {
    let digest = Digest::of_parts(&[b"tegata centre id v1", request.as_bytes(), what]);
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    MessageId::from_bytes(id)
}

fn payload<B: Body>(
    to: PartyNumber,
    id: MessageId,
    time: Time,
    answers: Option<Digest>,
    body: B,
) -> Vec<u8> {
    let (from, not_after, enc_digest) = (PartyNumber::CENTRE, None, None);
    payload_of(&Message {
        from,
        to,
        id,
        time,
        not_after,
        enc_digest,
        answers,
        body,
    })
}

/// The code by which a party learns why the book said no.
pub fn code_of(refusal: &BookRefusal) -> Code {
    match refusal {
        BookRefusal::ByCaller(number) => by_number(*number),
        BookRefusal::InsufficientFunds { .. } => Code::InsufficientFunds,
        BookRefusal::BillAlreadyPaid { .. }
        | BookRefusal::BillAlreadyHeld { .. }
        | BookRefusal::PaymentKnown { .. } => Code::BillPaid,
        BookRefusal::BillClosed { .. } => Code::BillClosed,
        BookRefusal::BillConflicts { .. } => Code::BillInvalid,
        BookRefusal::HoldUnknown { .. } => Code::HoldUnknown,
        BookRefusal::HoldClosed { .. } | BookRefusal::HoldExpired { .. } => Code::HoldClosed,
        BookRefusal::HoldAlreadyCaptured { .. } => Code::HoldCaptured,
        BookRefusal::HoldNotYours { .. } => Code::HoldNotYours,
        BookRefusal::AmountAboveHold { .. } | BookRefusal::AmountZero => Code::AboveHold,
        BookRefusal::AlreadyRegistered { .. } => Code::AlreadyRegistered,
        BookRefusal::CardUnknown { .. } | BookRefusal::CardNotYours { .. } => Code::IcCardUnknown,
        BookRefusal::CardKnown { .. } => Code::IcCardKnown,
        BookRefusal::CardState { state, .. } => match state {
            CardState::Active => Code::IcCardInUse,
            CardState::Blocked => Code::IcCardBlocked,
            CardState::Lost | CardState::Copied | CardState::Replaced | CardState::Ended => {
                Code::IcCardEnded
            }
        },
        BookRefusal::HoldAwaitsCard { .. } => Code::HoldUnknown,
        BookRefusal::HoldFunded { .. } => Code::IcCardNotDue,
        BookRefusal::StatementImported { .. } => Code::StatementImported,
        BookRefusal::EntryTwice { .. } => Code::StatementInvalid,
        BookRefusal::WrongCurrency { .. } => Code::WrongCurrency,
        // These can't follow from a message that the desk lets through.
        BookRefusal::HoldNotExpired { .. }
        | BookRefusal::UnknownParty { .. }
        | BookRefusal::ReferenceInUse { .. }
        | BookRefusal::WrongAccount { .. }
        | BookRefusal::ReceiptKnown { .. }
        | BookRefusal::ReceiptDiffers { .. }
        | BookRefusal::Overflow { .. } => Code::NotOffered,
    }
}

fn by_number(number: u16) -> Code {
    let found = Code::ALL
        .iter()
        .copied()
        .find(|code| code.number() == number);
    found.unwrap_or(Code::NotOffered)
}

/// A response for any action: a refusal as such, an outcome by `accepted`.
pub(crate) fn respond(
    back: Return,
    decision: &Decision,
    accepted: impl FnOnce(&Outcome) -> Response,
) -> Response {
    match &decision.result {
        Ok(outcome) => accepted(outcome),
        Err(refusal) => {
            Response::reply(back.refusal(decision.time, Refusal::new(code_of(refusal))))
        }
    }
}

/// What an outcome of another kind than asked for is answered with. It can't happen: the book
/// answers each action with its own outcome.
fn foreign(back: Return, time: Time) -> Response {
    Response::reply(back.refusal(time, Refusal::new(Code::NotOffered)))
}

fn at(position: Position) -> BookPosition {
    BookPosition {
        committer: position.committer,
        sequence: position.sequence,
    }
}

/// Minor units of a book account as an amount; below zero can't be on a member's account.
fn amount(minor: i64, currency: Currency) -> Amount {
    let minor = u64::try_from(minor).unwrap_or_default();
    Amount::new(minor, currency).unwrap_or(Amount::zero(currency))
}

/// The reply to a payment, and the shop's notice.
pub(crate) fn payment(back: Return, bill: &Bill, bill_digest: Digest, d: &Decision) -> Response {
    respond(back, d, |outcome| {
        let (hold, payer, mode) = match outcome {
            Outcome::Held { hold, payer } => (hold, payer, Mode::Hold),
            Outcome::Paid { hold, payer, .. } => (hold, payer, Mode::Pay),
            Outcome::Noted
            | Outcome::Registered { .. }
            | Outcome::Replaced { .. }
            | Outcome::FundingExpected { .. }
            | Outcome::Deposited { .. }
            | Outcome::Captured { .. }
            | Outcome::Released { .. }
            | Outcome::Bill { .. }
            | Outcome::Card { .. }
            | Outcome::CardMoved { .. }
            | Outcome::Receipt { .. } => return foreign(back, d.time),
        };
        let (currency, position) = (hold.amount.currency(), at(d.position));
        let hold_expires = (mode == Mode::Hold).then_some(hold.expires);
        let (payment, amount_held) = (hold.payment, hold.amount);
        let receipt = Receipt {
            payment,
            bill: bill_digest,
            mode,
            amount: amount_held,
            balance: amount(payer.balance, currency),
            held: amount(payer.held, currency),
            hold_expires,
            position,
        };
        let notice = PaidNotice {
            payment,
            bill: bill_digest,
            transaction: bill.transaction,
            mode,
            amount: amount_held,
            hold_expires,
            position,
        };
        Response {
            reply: back.payload(d.time, receipt),
            outbox: vec![back.post(bill.shop, d.time, notice)],
        }
    })
}

/// The reply to a payment by card: the money is set aside. The shop learns of it when the card has paid.
pub(crate) fn card_payment(back: Return, bill: Digest, d: &Decision) -> Response {
    respond(back, d, |outcome| {
        let Outcome::Held { hold, payer } = outcome else {
            return foreign(back, d.time);
        };
        let currency = hold.amount.currency();
        let receipt = Receipt {
            payment: hold.payment,
            bill,
            mode: Mode::Hold,
            amount: hold.amount,
            balance: amount(payer.balance, currency),
            held: amount(payer.held, currency),
            hold_expires: Some(hold.expires),
            position: at(d.position),
        };
        Response::reply(back.payload(d.time, receipt))
    })
}

/// The reply to whatever moves money between a member's accounts.
pub(crate) fn card_moved(back: Return, currency: Currency, d: &Decision) -> Response {
    respond(back, d, |outcome| {
        let Outcome::CardMoved {
            number,
            amount: moved,
            prepaid,
            account,
        } = outcome
        else {
            return foreign(back, d.time);
        };
        let loaded = CardLoaded {
            card: *number,
            amount: *moved,
            prepaid: amount(prepaid.balance, currency),
            account: amount(account.balance, currency),
            position: at(d.position),
        };
        Response::reply(back.payload(d.time, loaded))
    })
}

/// Whom a card's receipt concerns: a payment that it made, shop and member; one that it didn't make, the
/// member.
pub(crate) fn card_receipt(back: Return, d: &Decision) -> Response {
    respond(back, d, |outcome| {
        let Outcome::Receipt {
            number,
            card,
            posted,
            hold,
            bill,
            ..
        } = outcome
        else {
            return foreign(back, d.time);
        };
        let outbox = match (posted, hold, bill) {
            (Posted::Funded, Some(hold), Some(bill)) => {
                let notice = PaidNotice {
                    payment: hold.payment,
                    bill: *bill,
                    transaction: hold.bill.transaction,
                    mode: Mode::Hold,
                    amount: hold.amount,
                    hold_expires: Some(hold.expires),
                    position: at(d.position),
                };
                let paid = CardPaid {
                    payment: hold.payment,
                    bill: *bill,
                    card: *number,
                    counter: card.counter,
                    amount: hold.amount,
                    balance: amount(card.balance.into(), card.currency),
                    position: at(d.position),
                };
                vec![
                    back.post(hold.bill.shop, d.time, notice),
                    back.post(card.holder, d.time, paid),
                ]
            }
            (Posted::Voided, Some(hold), _) => given_up(back, (hold, Closing::Voided), d),
            (Posted::Late, Some(hold), _) => given_up(back, (hold, Closing::Expired), d),
            (
                Posted::Funded
                | Posted::Voided
                | Posted::Late
                | Posted::Noted
                | Posted::Paid { .. },
                ..,
            ) => Vec::new(),
        };
        Response {
            reply: back.payload(d.time, Done {}),
            outbox,
        }
    })
}

/// A payment that its card never made is given up: the shop never heard of it.
pub(crate) fn card_void(back: Return, d: &Decision) -> Response {
    respond(back, d, |outcome| {
        let Outcome::Released { hold, .. } = outcome else {
            return foreign(back, d.time);
        };
        Response {
            reply: back.payload(d.time, Done {}),
            outbox: given_up(back, (hold, Closing::Voided), d),
        }
    })
}

/// The index of the card whose account pays, if it's a card's.
fn card_of(hold: &Hold) -> Option<u16> {
    (hold.payer.kind == AccountKind::CardShadow).then_some(hold.payer.part)
}

fn given_up(back: Return, (hold, closing): (&Hold, Closing), d: &Decision) -> Vec<OutboxItem> {
    let closed = HoldClosed {
        payment: hold.payment,
        shop: hold.bill.shop,
        amount: hold.amount,
        closing,
        card: card_of(hold),
    };
    let member = owner(hold.payer.owner);
    let item = member.map(|m| back.post(m, d.time, closed));
    item.into_iter().collect()
}

/// The reply to a capture, and the member's delivery.
pub(crate) fn capture(back: Return, delivery: &[u8], d: &Decision) -> Response {
    respond(back, d, |outcome| {
        let Outcome::Captured { hold, payer, .. } = outcome else {
            return foreign(back, d.time);
        };
        let taken = match hold.state {
            HoldState::Captured(taken) => taken,
            HoldState::Open | HoldState::Awaiting | HoldState::Expired | HoldState::Voided => {
                hold.amount
            }
        };
        let (payment, position) = (hold.payment, at(d.position));
        let delivered = Delivered {
            payment,
            amount: taken,
            balance: amount(payer.balance, taken.currency()),
            delivery: Digest::of(delivery),
            position,
            card: card_of(hold),
        };
        let sealed = Some(Attachment::new(delivery.to_vec()));
        let member = owner(hold.payer.owner);
        let outbox = member.map(|m| back.post_with(m, d.time, delivered, sealed));
        Response {
            reply: back.payload(
                d.time,
                Captured {
                    payment,
                    amount: taken,
                    position,
                },
            ),
            outbox: outbox.into_iter().collect(),
        }
    })
}

fn owner(wire: u64) -> Option<PartyNumber> {
    PartyNumber::from_wire(wire).ok()
}

/// The reply to an inquiry about a bill.
pub(crate) fn inquiry(back: Return, bill: Digest, d: &Decision) -> Response {
    if let Err(BookRefusal::HoldAwaitsCard { .. }) = d.result {
        return Response::reply(back.refusal(d.time, Refusal::new(Code::BillOpen)));
    }
    respond(back, d, |outcome| {
        let Outcome::Bill { state, .. } = outcome else {
            return foreign(back, d.time);
        };
        let state = match state {
            BookBillState::Closed | BookBillState::Free => BillState::ClosedUnpaid,
            BookBillState::Held(payment) => BillState::Held(*payment),
            BookBillState::Paid(payment) => BillState::Paid(*payment),
        };
        Response::reply(back.payload(d.time, BillAnswer { bill, state }))
    })
}

/// The reply to a prepaid request. Who asked for too little or too much is told how much may be
/// loaded.
pub(crate) fn prepaid(
    back: Return,
    reference: PaymentReference,
    (least, most): (Amount, Amount),
    d: &Decision,
) -> Response {
    let out_of_range = |r: &BookRefusal| code_of(r) == Code::AmountOutOfRange;
    if d.result.as_ref().is_err_and(out_of_range) {
        let detail = format!("{least} to {most}");
        let refusal = Refusal::because(Code::AmountOutOfRange, detail);
        return Response::reply(back.refusal(d.time, refusal));
    }
    respond(back, d, |_| {
        Response::reply(back.payload(d.time, reference))
    })
}

/// The reply to a registration, or to anything that has nothing more to say.
pub(crate) fn fixed<B: Body>(back: Return, body: B, d: &Decision) -> Response {
    respond(back, d, |_| Response::reply(back.payload(d.time, body)))
}

/// The reply to a statement's import, and the prepaid cards of those whose money came.
///
/// The book's entries are those of the import, one by one and in its order: that's how a card knows
/// what way its money came. What the member announced doesn't count.
pub(crate) fn import(
    back: Return,
    import: &StatementImport,
    card_seconds: u64,
    d: &Decision,
) -> Response {
    respond(back, d, |outcome| {
        let Outcome::Deposited { entries, credited } = outcome else {
            return foreign(back, d.time);
        };
        let matched = entries
            .iter()
            .map(|e| matches!(e.destination, Destination::Member(_)));
        let imported = Imported {
            matched: matched.collect(),
            position: at(d.position),
        };
        let mut outbox = Vec::new();
        for (entry, signed) in entries.iter().zip(&import.entries) {
            let Destination::Member(member) = entry.destination else {
                continue;
            };
            let account = credited.iter().find(|(id, _)| id.owner == member.wire());
            let currency = entry.amount.currency();
            let card = PrepaidCard {
                number: card_number(d.position.sequence, entry.index),
                value: entry.amount,
                funding: signed.funding,
                reference: entry.reference.clone().unwrap_or_default(),
                statement: import.statement.clone(),
                entry: entry.index,
                expires: d.time.after(card_seconds),
                balance: amount(account.map_or(0, |(_, a)| a.balance), currency),
            };
            let one = Digest::of_parts(&[back.answers.as_bytes(), &entry.index.to_be_bytes()]);
            outbox.push(
                Return {
                    answers: one,
                    ..back
                }
                .post(member, d.time, card),
            );
        }
        Response {
            reply: back.payload(d.time, imported),
            outbox,
        }
    })
}

/// A card's number: record and entry. Entries are fewer than 10,000 in a statement.
fn card_number(sequence: u64, entry: u32) -> u64 {
    sequence
        .saturating_mul(10_000)
        .saturating_add(u64::from(entry))
}

/// What shop and member learn when a hold ends without a capture.
pub(crate) fn closed(back: Return, closing: Closing, d: &Decision) -> Response {
    respond(back, d, |outcome| {
        let Outcome::Released { hold, .. } = outcome else {
            return foreign(back, d.time);
        };
        let Hold {
            payment,
            amount,
            bill,
            ..
        } = hold;
        let closed = HoldClosed {
            payment: *payment,
            shop: bill.shop,
            amount: *amount,
            closing,
            card: None,
        };
        let mut outbox = vec![back.post(bill.shop, d.time, closed.clone())];
        let card = card_of(hold);
        let closed = HoldClosed { card, ..closed };
        outbox.extend(owner(hold.payer.owner).map(|m| back.post(m, d.time, closed)));
        Response {
            reply: back.payload(d.time, Done {}),
            outbox,
        }
    })
}

#[cfg(test)]
mod tests {
    use tegata_protocol::{parse_kept_payload, prepaid::Funding};

    use super::*;

    /// The limits are the centre's own: nobody else can tell them.
    #[test]
    fn who_asks_for_too_much_is_told_how_much_may_be_loaded() {
        let yen = |minor| Amount::new(minor, Currency::JPY).unwrap();
        let reference = PaymentReference {
            reference: "RF18539007547034".to_owned(),
            amount: yen(5),
            funding: Funding::Transfer,
            account: "JP-0001-7654321".to_owned(),
            owner: "Town".to_owned(),
            expires: Time::from_secs(9),
        };
        let back = Return {
            to: PartyNumber::CENTRE,
            answers: Digest::of(b"request"),
        };
        let refused = BookRefusal::ByCaller(Code::AmountOutOfRange.number());
        let decision = Decision {
            position: Position {
                committer: 1,
                sequence: 1,
            },
            time: Time::from_secs(1),
            result: Err(refused),
        };
        let response = prepaid(back, reference, (yen(500), yen(100_000)), &decision);
        let reply = parse_kept_payload::<Message<Refusal>>(&response.reply).unwrap();
        let told = reply.body.to_string();
        assert!(told.contains("(JPY 500 to JPY 100,000)"), "{told}");
    }
}
