//! What the two servers answer, message by message.

use super::*;

pub(super) fn centre_message(
    book: &mut Book,
    label: u16,
    parcel: &Parcel,
) -> Result<Parcel, &'static str> {
    let own = (PartyNumber::CENTRE, receipts());
    if label == Registration::LABEL {
        let key = claimed::<Registration>(parcel).body.claim.keys.signing;
        return Ok(once(book, parcel, &key, own, enter));
    }
    if label == RecordInquiry::LABEL {
        let key = claimed::<RecordInquiry>(parcel).body.key;
        let known = book.members.values().any(|k| k.signing == key);
        known.then_some(()).ok_or("a key in no record")?;
        return Ok(once(book, parcel, &key, own, tell_record));
    }
    if let Some(reply) = cards::card_message(book, label, parcel) {
        return Ok(reply);
    }
    let keys = book.members.get(&member()).cloned().ok_or("a stranger")?;
    Ok(match label {
        PrepaidRequest::LABEL => once(book, parcel, &keys.signing, own, refer),
        BalanceInquiry::LABEL => once(book, parcel, &keys.signing, own, tell_balance),
        Collect::LABEL => once(book, parcel, &keys.signing, own, hand_out),
        Payment::LABEL => once(book, parcel, &keys.spending.unwrap(), own, hold),
        _ => return Err("unknown type"),
    })
}

type Done<R> = Result<(R, Option<Vec<u8>>), Refusal>;

pub(super) fn enter(book: &mut Book, message: &Message<Registration>) -> Done<Registered> {
    let code: ActivationCode = CODE.parse().unwrap();
    let body = &message.body;
    if !body.vouched_by(message.from, &code.key()) {
        return Err(Refusal::new(Code::ActivationRefused));
    }
    assert!(body.possesses_spending(message.from, message.id));
    if book.members.contains_key(&message.from) {
        return Err(Refusal::new(Code::AlreadyRegistered));
    }
    let keys = body.claim.keys.clone();
    book.members.insert(message.from, keys.clone());
    let record = record(message.from, keys, None);
    Ok((Registered { record }, None))
}

fn tell_record(book: &mut Book, message: &Message<RecordInquiry>) -> Done<Registered> {
    assert_eq!(message.from, PartyNumber::NOBODY);
    let found = book.members.iter();
    let mut found = found.filter(|(_, keys)| keys.signing == message.body.key);
    let (number, keys) = found.next().unwrap();
    let mut keys = keys.clone();
    if book.mischief == Mischief::OtherSpending {
        keys.spending = Some(signing(93).verifying_key());
    }
    let record = record(*number, keys, None);
    let record = match book.mischief {
        Mischief::ForgedRecord => signing(92).sign_kept_payload(record.payload().unwrap()),
        _ => record,
    };
    Ok((Registered { record }, None))
}

pub(super) fn refer(_: &mut Book, message: &Message<PrepaidRequest>) -> Done<PaymentReference> {
    let reference = PaymentReference {
        reference: "RF18539007547034".into(),
        amount: message.body.amount,
        funding: message.body.funding,
        account: "DE02120300000000202051".into(),
        owner: "Town centre".into(),
        expires: now().after(86_400),
    };
    Ok((reference, None))
}

pub(super) fn tell_balance(book: &mut Book, _: &Message<BalanceInquiry>) -> Done<Balance> {
    let balance = Balance {
        balance: yen(book.balance),
        held: yen(book.held),
    };
    Ok((balance, None))
}

pub(super) fn hand_out(book: &mut Book, message: &Message<Collect>) -> Done<Mailbox> {
    let after = message.body.after + u64::from(book.mischief == Mischief::SkipItem);
    let items: Vec<Item> = book
        .mailbox
        .iter()
        .filter(|i| i.number > after)
        .take(2)
        .cloned()
        .collect();
    let more = items
        .last()
        .is_some_and(|last| book.mailbox.iter().any(|i| i.number > last.number));
    Ok((Mailbox { items, more }, None))
}

pub(super) fn hold(book: &mut Book, message: &Message<Payment>) -> Done<Receipt> {
    let bill = Unverified::<Bill>::parse(message.body.bill.clone()).unwrap();
    let bill = bill.verify(&shop_key().verifying_key()).unwrap();
    assert_eq!(bill.totals.total, message.body.amount);
    if book.mischief == Mischief::NoFunds {
        return Err(Refusal::new(Code::InsufficientFunds));
    }
    let paid = |(p, b): &(PaymentId, Digest)| *b == bill.digest() && !book.is_given_up(p);
    if book.payments.iter().any(paid) {
        return Err(Refusal::new(Code::BillPaid));
    }
    let payment = PaymentId::new(book.current.unwrap());
    book.payments.push((payment, bill.digest()));
    book.held += bill.totals.total.minor();
    let mut amount = bill.totals.total;
    if book.mischief == Mischief::OtherReceipt {
        amount = yen(1);
    }
    let receipt = Receipt {
        payment,
        bill: bill.digest(),
        mode: message.body.mode,
        amount,
        balance: yen(book.balance),
        held: yen(book.held),
        hold_expires: Some(now().after(1800)),
        position: position(7),
    };
    let head = receipts().sign(&ChainHead {
        committer: 1,
        sequence: 9,
        hash: match book.mischief {
            Mischief::OtherHead => Digest::of(b"another chain"),
            _ => Digest::of(b"chain"),
        },
        time: now(),
    });
    Ok((receipt, Some(head.into_bytes())))
}

pub(super) fn shop_message(
    book: &mut Book,
    _: u16,
    parcel: &Parcel,
) -> Result<Parcel, &'static str> {
    let own = (shop(), shop_key());
    let request = claimed::<PurchaseRequest>(parcel);
    let record = PartyRecord::verify(request.body.record, &register().verifying_key()).unwrap();
    let digest = parcel.signed.digest();
    Ok(once(book, parcel, &record.keys.signing, own, |book, m| {
        offer(book, m, digest, &record.keys)
    }))
}

pub(super) fn offer(
    book: &mut Book,
    message: &Message<PurchaseRequest>,
    request: Digest,
    keys: &PartyKeys,
) -> Done<Offer> {
    let Wish::Reservation(reservation) = &message.body.wish else {
        return Err(Refusal::new(Code::NotAReservation));
    };
    if book.mischief == Mischief::SoldOut {
        return Err(Refusal::because(Code::SoldOut, "see you next year"));
    }
    book.transactions += 1;
    let request = match book.mischief {
        Mischief::OtherRequest => Digest::of(b"another"),
        _ => request,
    };
    let bill = bill(book.transactions, request, reservation.holders.len());
    let signed = match book.mischief {
        Mischief::ForgedBill => signing(94).sign(&bill),
        Mischief::ChangedAmount => {
            let mut changed = bill;
            changed.totals.total = yen(1);
            shop_key().sign(&changed)
        }
        _ => shop_key().sign(&bill),
    };
    let kept = (request, message.id, reservation.clone(), keys.clone());
    book.orders.insert(signed.digest(), kept);
    let series = shop_key().sign(&series());
    Ok((
        Offer {
            bill: signed,
            series,
        },
        None,
    ))
}

pub(super) fn bill(transaction: u64, request: Digest, quantity: usize) -> Bill {
    let lines = vec![Line {
        text: "Evening concert, stalls".into(),
        quantity: u32::try_from(quantity).unwrap(),
        unit_price: yen(PRICE),
        tax_rate: TaxRate::new(1000).unwrap(),
        tax_mode: TaxMode::Included,
        discount: yen(0),
    }];
    Bill {
        shop: shop(),
        transaction: TransactionNumber::new(transaction).unwrap(),
        request: Some(request),
        totals: compute_totals(&lines, yen(0), Rounding::Down).unwrap(),
        lines,
        tip: yen(0),
        rounding: Rounding::Down,
        tax_number: Some("T1234567890123".into()),
        issued: now(),
        expires: now().after(600),
        delivery: DeliveryKind::Tickets,
        interface: None,
    }
}
