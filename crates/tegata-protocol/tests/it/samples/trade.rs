//! Buying and paying.

use super::*;

pub(super) fn line(
    text: &str,
    quantity: u32,
    price: u64,
    rate: u16,
    tax_mode: TaxMode,
    discount: u64,
) -> Line {
    Line {
        text: text.into(),
        quantity,
        unit_price: yen(price),
        tax_rate: TaxRate::new(rate).unwrap(),
        tax_mode,
        discount: yen(discount),
    }
}

pub(crate) fn bill() -> Bill {
    let lines = vec![
        line(
            "Evening concert, stalls",
            2,
            1_100,
            1_000,
            TaxMode::Included,
            0,
        ),
        line("Lunch box", 3, 333, 800, TaxMode::Added, 9),
    ];
    let (tip, rounding) = (yen(10), Rounding::Down);
    Bill {
        shop: town::shop(),
        transaction: TransactionNumber::new(483_122_075_560).unwrap(),
        request: Some(Digest::of(b"the signed request")),
        totals: compute_totals(&lines, tip, rounding).unwrap(),
        lines,
        tip,
        rounding,
        tax_number: Some("T1234567890123".into()),
        issued: town::NOW,
        expires: town::NOW.after(900),
        delivery: DeliveryKind::Tickets,
        interface: None,
    }
}

pub(super) fn seat() -> Contents {
    Contents::Admission(Seat {
        section: 1,
        row: 0,
        seat: 0,
    })
}

pub(crate) fn purchase_request(wish: Wish) -> Sample {
    let record = record(town::member(), member_keys(), None);
    let record = town::signing(REGISTER).sign(&record);
    let body = PurchaseRequest { record, wish };
    request(
        "purchase-request",
        EVERYDAY,
        town::member(),
        town::shop(),
        body,
    )
}

pub(crate) fn reservation() -> Wish {
    Wish::Reservation(Reservation {
        series: SeriesId::new(1),
        contents: seat(),
        holders: vec![town::holder(&town::signing(HOLDER)), Holder::Bearer],
        keyword: Some(Keyword::new("sakura99").unwrap()),
    })
}

pub(super) fn series_record() -> SeriesRecord {
    let event_key = town::secret().event_key().sealing_key().clone();
    SeriesRecord {
        rules: Some("No re-entry.".into()),
        ..town::series(1, &town::signing(BATCH), event_key).into_value()
    }
}

pub(super) fn purchase() -> Vec<Sample> {
    let shop = town::signing(SHOP);
    let (bill, series) = (shop.sign(&bill()), shop.sign(&series_record()));
    let wish = Wish::Inquiry("Is the hall heated?".into());
    let delivery = Delivery {
        bill: bill.digest(),
        tickets: vec![town::signing(BATCH).sign(&ticket(Holder::Bearer, seat()))],
        series: series.clone(),
        request: Some(MessageId::from_bytes([0xA7; 16])),
    };
    vec![
        noted(purchase_request(reservation()), "a reservation"),
        noted(purchase_request(wish), "an inquiry"),
        Sample {
            kind: "bill",
            note: "",
            seed: SHOP,
            signed: bill.clone(),
        },
        Sample {
            kind: "bill",
            note: "with a guide through a payment by card",
            seed: SHOP,
            signed: shop.sign(&Bill {
                request: None,
                delivery: DeliveryKind::Post,
                interface: Some(Digest::of(b"the guide's script")),
                ..self::bill()
            }),
        },
        reply(
            "offer",
            SHOP,
            town::shop(),
            town::member(),
            Offer { bill, series },
        ),
        request("delivery", SHOP, town::shop(), town::member(), delivery),
    ]
}

pub(super) fn payment_id() -> PaymentId {
    PaymentId::new(Digest::of(b"the signed payment"))
}

pub(super) const POSITION: BookPosition = BookPosition {
    committer: 0,
    sequence: 1234,
};

#[expect(clippy::too_many_lines, reason = "a list, one entry after the other")]
pub(super) fn payment() -> Vec<Sample> {
    let (member, centre, shop) = (town::member(), PartyNumber::CENTRE, town::shop());
    let signed = town::signing(SHOP).sign(&bill());
    let (digest, amount, mode) = (signed.digest(), bill().totals.total, Mode::Hold);
    let hold_expires = Some(town::NOW.after(1800));
    let (payment, position) = (payment_id(), POSITION);
    let receipt = Receipt {
        payment,
        bill: digest,
        mode,
        amount,
        balance: yen(10_300),
        held: amount,
        hold_expires,
        position,
    };
    let paid = PaidNotice {
        payment,
        bill: digest,
        transaction: bill().transaction,
        mode,
        amount,
        hold_expires,
        position,
    };
    let now = Receipt {
        mode: Mode::Pay,
        hold_expires: None,
        held: yen(0),
        ..receipt.clone()
    };
    let delivery = Digest::of(b"the sealed delivery");
    vec![
        request(
            "payment",
            SPENDING,
            member,
            centre,
            Payment {
                bill: signed.clone(),
                amount,
                mode,
            },
        ),
        noted(
            reply("receipt", RECEIPTS, centre, member, receipt),
            "of a hold",
        ),
        noted(
            reply("receipt", RECEIPTS, centre, member, now),
            "of a payment at once",
        ),
        notice("paid-notice", shop, paid),
        request(
            "capture",
            SHOP,
            shop,
            centre,
            Capture {
                payment,
                amount,
                delivery,
            },
        ),
        reply(
            "captured",
            RECEIPTS,
            centre,
            shop,
            Captured {
                payment,
                amount,
                position,
            },
        ),
        request(
            "bill-inquiry",
            SHOP,
            shop,
            centre,
            BillInquiry { bill: signed },
        ),
    ]
}

fn closed(note: &'static str, closing: Closing, card: Option<u16>) -> Sample {
    let body = HoldClosed {
        payment: payment_id(),
        shop: town::shop(),
        amount: yen(2_200),
        closing,
        card,
    };
    noted(notice("hold-closed", town::member(), body), note)
}

pub(super) fn mailbox() -> Vec<Sample> {
    let (member, centre, shop) = (town::member(), PartyNumber::CENTRE, town::shop());
    let (payment, position, amount) = (payment_id(), POSITION, yen(2_200));
    let bill = Digest::of(b"the signed bill");
    let answer = |note, state| {
        noted(
            reply(
                "bill-answer",
                RECEIPTS,
                centre,
                shop,
                BillAnswer { bill, state },
            ),
            note,
        )
    };
    let delivery = Digest::of(b"the sealed delivery");
    let delivered = Delivered {
        payment,
        amount,
        balance: yen(8_100),
        delivery,
        position,
        card: None,
    };
    let by_card = Delivered {
        card: Some(2),
        ..delivered.clone()
    };
    let by_card = noted(notice("delivered", member, by_card), "by card");
    let delivered = notice("delivered", member, delivered);
    let closing = closed("expired", Closing::Expired, None);
    let sealed: Attachment = minicbor::decode(&[0x43, 1, 2, 3]).unwrap();
    let items = vec![
        Item {
            number: 4,
            signed: delivered.signed.clone(),
            sealed: Some(sealed),
        },
        Item {
            number: 5,
            signed: closing.signed.clone(),
            sealed: None,
        },
    ];
    vec![
        answer("closed unpaid", BillState::ClosedUnpaid),
        answer("held", BillState::Held(payment)),
        answer("paid", BillState::Paid(payment)),
        closing,
        closed("voided", Closing::Voided, None),
        closed("voided, a card's", Closing::Voided, Some(2)),
        by_card,
        delivered,
        request("collect", EVERYDAY, member, centre, Collect { after: 3 }),
        reply(
            "mailbox",
            RECEIPTS,
            centre,
            member,
            Mailbox { items, more: false },
        ),
    ]
}
