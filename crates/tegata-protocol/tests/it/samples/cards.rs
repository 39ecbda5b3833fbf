//! Paying with cards.

use super::*;

pub(super) const CARD: CardNumber = CardNumber::from_bytes([0x5A; 10]);

/// So many bytes that only a card, or the card-key server, can read.
fn bytes(length: usize) -> CardBytes {
    CardBytes(vec![0xC7; length])
}

/// A card's receipt: 100 bytes, which nobody here reads.
pub(super) fn receipt() -> Vec<u8> {
    vec![0xC7; 100]
}

/// The digest of the signed contact that steps and answers name.
fn contact() -> Digest {
    Digest::of(b"the signed contact")
}

fn debit_order(balance: Option<Amount>) -> DebitOrder {
    DebitOrder {
        card: CARD,
        payment: payment_id(),
        bill: town::signing(SHOP).sign(&bill()).digest(),
        shop: town::shop(),
        amount: bill().totals.total,
        counter: 12,
        balance,
        issued: town::NOW,
        command: bytes(85),
    }
}

fn held_ticket() -> SignedBytes {
    town::signing(BATCH).sign(&ticket(Holder::Card([0x5A; 10]), seat()))
}

fn report() -> CardReport {
    CardReport {
        balance: yen(6_721),
        owed: yen(0),
        counter: 12,
        loaded: yen(0),
        paid: None,
        ticket: None,
        blocked: false,
    }
}

fn asked(note: &'static str, errand: Errand) -> Sample {
    let body = CardContact { card: CARD, errand };
    let (member, centre) = (town::member(), PartyNumber::CENTRE);
    noted(
        request("card-contact", EVERYDAY, member, centre, body),
        note,
    )
}

fn answered(note: &'static str, answered: Answered) -> Sample {
    let body = CardAnswer {
        contact: contact(),
        step: 5,
        answered,
    };
    let (member, centre) = (town::member(), PartyNumber::CENTRE);
    noted(request("card-answer", EVERYDAY, member, centre, body), note)
}

fn step(note: &'static str, next: Next) -> Sample {
    let body = CardStep {
        contact: contact(),
        step: 6,
        next,
    };
    let (member, centre) = (town::member(), PartyNumber::CENTRE);
    noted(reply("card-step", RECEIPTS, centre, member, body), note)
}

fn contacts() -> Vec<Sample> {
    vec![
        asked("to be looked at", Errand::Look),
        asked("to pay", Errand::Pay(payment_id(), true)),
        asked(
            "to pay, the balance unread",
            Errand::Pay(payment_id(), false),
        ),
        asked("to put a ticket", Errand::PutTicket(3, held_ticket())),
        asked("to read a ticket", Errand::ReadTicket(15)),
        asked("to empty a slot", Errand::ClearTicket(0)),
        answered("what the card said", Answered::By(bytes(26))),
        answered("nothing came", Answered::Nothing),
        answered("the member declines", Answered::Declined),
    ]
}

fn steps() -> Vec<Sample> {
    let order = town::signing(DEBIT_ORDERS).sign(&debit_order(Some(yen(10_000))));
    let paid = CardReport {
        loaded: yen(500),
        paid: Some(payment_id()),
        ..report()
    };
    let read = CardTicket {
        ticket: held_ticket(),
        punched: true,
    };
    let read = CardReport {
        owed: yen(500),
        ticket: Some(read),
        blocked: true,
        ..report()
    };
    let refusal = Refusal {
        code: Code::IcCardInsufficient,
        detail: Some("card_insufficient".into()),
    };
    vec![
        step("send", Next::Send(bytes(34))),
        step("agree", Next::Agree(order)),
        step("done: looked at", Next::Done(report())),
        step("done: paid", Next::Done(paid)),
        step("done: a ticket was read", Next::Done(read)),
        step("refused", Next::Refused(refusal)),
        step("in doubt", Next::InDoubt),
        document(
            "debit-order",
            "the balance read",
            DEBIT_ORDERS,
            &debit_order(Some(yen(10_000))),
        ),
        document(
            "debit-order",
            "the balance unread",
            DEBIT_ORDERS,
            &debit_order(None),
        ),
    ]
}

fn money() -> Vec<Sample> {
    let (member, centre) = (town::member(), PartyNumber::CENTRE);
    let signed = town::signing(SHOP).sign(&bill());
    let (card, amount, position) = (CARD, bill().totals.total, POSITION);
    let paid = CardPaid {
        payment: payment_id(),
        bill: signed.digest(),
        card,
        counter: 12,
        amount,
        balance: yen(6_721),
        position,
    };
    let payment = CardPayment {
        bill: signed,
        amount,
        card,
    };
    let loaded = CardLoaded {
        card,
        amount: yen(5_000),
        prepaid: yen(5_300),
        account: yen(10_000),
        position,
    };
    let load = CardLoad {
        card,
        amount: yen(5_000),
    };
    vec![
        request("card-payment", EVERYDAY, member, centre, payment),
        notice("card-paid", member, paid),
        request("card-load", SPENDING, member, centre, load),
        reply("card-loaded", RECEIPTS, centre, member, loaded),
    ]
}

fn lives() -> Vec<Sample> {
    let (member, centre) = (town::member(), PartyNumber::CENTRE);
    let change = |note, change| {
        let body = CardRequest { card: CARD, change };
        noted(
            request("card-request", EVERYDAY, member, centre, body),
            note,
        )
    };
    let order = |note, order| {
        let message = plain(operator(), centre, CardOrders::LABEL, CardOrders { order });
        document("card-orders", note, OPERATOR, &message)
    };
    let (card, index) = (CARD, 1);
    let issue = CardOrder::Issue {
        card,
        member,
        index,
    };
    let other = CardNumber::from_bytes([0x5B; 10]);
    vec![
        change("block", Change::Block),
        change("unblock", Change::Unblock),
        change("lost", Change::Lost),
        change("pay out", Change::PayOut),
        order("issue", issue),
        order("replace", CardOrder::Replace(CARD, other)),
        order("end", CardOrder::End(CARD)),
        order("submit", CardOrder::Submit(CardBytes(receipt()))),
    ]
}

pub(super) fn cards() -> Vec<Sample> {
    let mut samples = money();
    samples.extend(contacts());
    samples.extend(steps());
    samples.extend(lives());
    samples
}
