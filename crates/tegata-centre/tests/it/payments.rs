//! Paying (M6, M8, T11): from hold to delivery, and every way in which a hold ends.

use tegata_protocol::{
    Digest, PaymentId, SignedBytes, Unverified, Verified,
    envelope::{Body, Message, Sealed},
    payment::{
        BillAnswer, BillInquiry, BillState, Closing, Delivered, HOLD_SECONDS, HoldClosed, Item,
        Mode, PaidNotice,
    },
    purchase::DeliveryKind,
    refusal::Code,
};

use crate::town::{Town, delivery, own, payment, yen};

/// What the centre says in a mailbox item.
fn said<B: Body>(town: &Town, item: &Item) -> Verified<Message<B>> {
    let message = Unverified::<Message<B>>::parse(item.signed.clone()).unwrap();
    message.verify(&town.public.keys.receipts).unwrap()
}

#[test]
fn a_held_payment_is_captured_and_the_delivery_arrives_byte_for_byte() {
    let town = Town::new();
    let (member, shop) = (town.member(5000), town.shop());
    let bill = town.bill(&shop, 1800, town.now);
    let receipt = town.pay(&member, &bill, Mode::Hold, town.now).unwrap();
    assert_eq!(
        (receipt.amount, receipt.balance, receipt.held),
        (yen(1800), yen(5000), yen(1800))
    );
    assert_eq!(receipt.hold_expires, Some(town.now.after(HOLD_SECONDS)));
    let notices = town.collect(&shop, 0, town.now);
    let notice = said::<PaidNotice>(&town, &notices.items[0]);
    assert_eq!(
        (notice.to, notice.body.payment),
        (shop.number, receipt.payment)
    );
    assert_eq!(
        (notice.body.bill, notice.body.mode),
        (bill.digest(), Mode::Hold)
    );
    let sealed = delivery(&shop, &member, "two seats");
    let captured = town.capture(&shop, (receipt.payment, 1800), &sealed, town.now.after(60));
    assert_eq!(captured.unwrap().amount, yen(1800));
    let mail = town.collect(&member, 1, town.now.after(60));
    assert_eq!(
        (mail.items.len(), mail.items[0].number),
        (1, 2),
        "a card came before it"
    );
    let delivered = said::<Delivered>(&town, &mail.items[0]);
    assert_eq!(delivered.body.delivery, Digest::of(&sealed));
    assert_eq!(
        (delivered.body.amount, delivered.body.balance),
        (yen(1800), yen(3200))
    );
    let arrived = mail.items[0].sealed.as_ref().unwrap().as_bytes();
    assert_eq!(arrived, sealed);
    let (parcel, _) = Sealed::parse(arrived)
        .unwrap()
        .open(&member.opening)
        .unwrap();
    assert_eq!(parcel.attached(), Some(&b"two seats"[..]));
    assert_eq!(
        (town.balance(&member).balance, town.balance(&member).held),
        (3200, 0)
    );
    assert_eq!(town.balance(&shop).balance, 1800);
    town.assert_clean();
}

#[test]
fn what_a_capture_leaves_of_its_hold_is_free_again() {
    let town = Town::new();
    let (member, shop) = (town.member(2000), town.shop());
    let bill = town.bill(&shop, 1500, town.now);
    let payment = town
        .pay(&member, &bill, Mode::Hold, town.now)
        .unwrap()
        .payment;
    let sealed = delivery(&shop, &member, "one of two");
    let captured = town
        .capture(&shop, (payment, 600), &sealed, town.now)
        .unwrap();
    assert_eq!(captured.amount, yen(600));
    assert_eq!(
        (town.balance(&member).balance, town.balance(&member).held),
        (1400, 0)
    );
    assert_eq!(town.balance(&shop).balance, 600);
    let rest = town.capture(&shop, (payment, 900), &sealed, town.now);
    assert_eq!(rest.unwrap_err(), Code::HoldCaptured, "the rest is gone");
    assert_eq!(
        town.pay(&member, &bill, Mode::Hold, town.now).unwrap_err(),
        Code::BillPaid,
        "a bill paid in part is paid"
    );
    town.assert_clean();
}

#[test]
fn an_expired_hold_is_closed_for_both_and_the_late_delivery_stays_void() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    let bill = town.bill(&shop, 700, town.now);
    let payment = town
        .pay(&member, &bill, Mode::Hold, town.now)
        .unwrap()
        .payment;
    let sealed = delivery(&shop, &member, "late");
    let end = town.now.after(HOLD_SECONDS);
    assert_eq!(town.centre.expire_holds(end.before(1)), 0);
    let early = town.capture(&shop, (payment, 700), &sealed, end);
    assert_eq!(
        early.unwrap_err(),
        Code::HoldClosed,
        "by the clock, before any posting"
    );
    assert_eq!(town.balance(&member).held, 700);
    assert_eq!(town.centre.expire_holds(end), 1);
    assert_eq!(town.centre.expire_holds(end.after(1)), 0, "once");
    assert_eq!(
        (town.balance(&member).balance, town.balance(&member).held),
        (1000, 0)
    );
    let late = town.capture(&shop, (payment, 700), &sealed, end);
    assert_eq!(late.unwrap_err(), Code::HoldClosed);
    for (party, after) in [(&member, 1), (&shop, 1)] {
        let mail = town.collect(party, after, end);
        assert_eq!(mail.items.len(), 1);
        let closed = said::<HoldClosed>(&town, &mail.items[0]);
        assert_eq!(closed.to, party.number);
        let expected = HoldClosed {
            payment,
            shop: shop.number,
            amount: yen(700),
            closing: Closing::Expired,
            card: None,
        };
        assert_eq!(closed.body, expected);
        assert!(mail.items[0].sealed.is_none(), "no delivery left the shop");
    }
    assert_eq!(town.balance(&shop).balance, 0);
    town.assert_clean();
}

#[test]
fn holds_that_end_together_are_released_together() {
    let town = Town::new();
    let (member, shop) = (town.member(4000), town.shop());
    for _ in 0..40 {
        town.pay(
            &member,
            &town.bill(&shop, 100, town.now),
            Mode::Hold,
            town.now,
        )
        .unwrap();
    }
    assert_eq!(town.balance(&member).held, 4000);
    let (before, records) = (town.audit(&[]).heads, town.records());
    assert_eq!(town.centre.expire_holds(town.now.after(1800)), 40);
    assert_eq!(town.records(), records + 40);
    assert_eq!(town.balance(&member).held, 0);
    // One head is signed for each commit.
    let commits = town.audit(&[]).heads - before;
    assert!((1..20).contains(&commits), "{commits} commits");
    town.assert_clean();
}

#[test]
fn a_shop_learns_of_its_bill_after_the_expiry_and_then_it_is_closed_for_ever() {
    let town = Town::new();
    let (member, shop) = (town.member(3000), town.shop());
    let bill = town.bill(&shop, 500, town.now);
    let asks = |bill: &SignedBytes, at| {
        let body = BillInquiry { bill: bill.clone() };
        town.ask::<_, BillAnswer>(&shop, body, None, at)
    };
    let end = town.now.after(900);
    assert_eq!(asks(&bill, end.before(1)).unwrap_err(), Code::BillOpen);
    let answer = asks(&bill, end).unwrap();
    assert_eq!(
        (answer.bill, answer.state),
        (bill.digest(), BillState::ClosedUnpaid)
    );
    assert_eq!(
        asks(&bill, end.after(9)).unwrap().state,
        BillState::ClosedUnpaid,
        "still"
    );
    let pays = |at| town.pay(&member, &bill, Mode::Hold, at).unwrap_err();
    assert_eq!(pays(end), Code::BillExpired);
    assert_eq!(
        pays(end.before(1)),
        Code::BillClosed,
        "a clock set back opens nothing"
    );
    let paid = town.bill(&shop, 400, town.now);
    let payment = town
        .pay(&member, &paid, Mode::Hold, town.now)
        .unwrap()
        .payment;
    assert_eq!(asks(&paid, end).unwrap().state, BillState::Held(payment));
    let sealed = delivery(&shop, &member, "x");
    town.capture(&shop, (payment, 400), &sealed, end).unwrap();
    assert_eq!(asks(&paid, end).unwrap().state, BillState::Paid(payment));
    town.assert_clean();
}

#[test]
fn a_hold_that_expired_leaves_its_bill_open_until_the_shop_asks() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    let mut facts = crate::town::bill_of(shop.number, 77, 300, town.now);
    facts.expires = town.now.after(2 * HOLD_SECONDS);
    let bill = shop.signing.sign(&facts);
    let first = town
        .pay(&member, &bill, Mode::Hold, town.now)
        .unwrap()
        .payment;
    let end = town.now.after(HOLD_SECONDS);
    assert_eq!(town.centre.expire_holds(end), 1);
    let second = town.pay(&member, &bill, Mode::Hold, end).unwrap().payment;
    assert_ne!(first, second);
    let sealed = delivery(&shop, &member, "x");
    town.capture(&shop, (second, 300), &sealed, end).unwrap();
    assert_eq!(town.balance(&member).balance, 700, "paid once");
    town.assert_clean();
}

#[test]
fn a_payment_without_delivery_is_done_at_once() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    let bill = town.bill(&shop, 1000, town.now);
    let receipt = town.pay(&member, &bill, Mode::Pay, town.now).unwrap();
    assert_eq!(
        (receipt.balance, receipt.held, receipt.hold_expires),
        (yen(0), yen(0), None)
    );
    assert_eq!(town.balance(&shop).balance, 1000);
    let notice = town.collect(&shop, 0, town.now);
    assert_eq!(
        said::<PaidNotice>(&town, &notice.items[0]).body.mode,
        Mode::Pay
    );
    let sealed = delivery(&shop, &member, "x");
    let again = town.capture(&shop, (receipt.payment, 1000), &sealed, town.now);
    assert_eq!(again.unwrap_err(), Code::HoldCaptured);
    town.assert_clean();
}

#[test]
fn of_two_members_racing_for_one_bill_one_pays() {
    let town = Town::new();
    let (a, b, shop) = (town.member(1000), town.member(1000), town.shop());
    for round in 0..10 {
        let bill = town.bill(&shop, 50, town.now);
        let results = std::thread::scope(|scope| {
            let pays = |member| {
                let (town, bill) = (&town, &bill);
                scope.spawn(move || town.pay(member, bill, Mode::Hold, town.now))
            };
            [pays(&a), pays(&b)].map(|thread| thread.join().unwrap())
        });
        let won = results.iter().filter(|r| r.is_ok()).count();
        assert_eq!(won, 1, "round {round}: {results:?}");
        assert!(
            results.iter().any(|r| r == &Err(Code::BillPaid)),
            "{results:?}"
        );
    }
    assert_eq!(town.balance(&a).held + town.balance(&b).held, 500);
    town.assert_clean();
}

#[test]
fn of_fifty_payments_at_once_seven_fit_the_money() {
    let town = Town::new();
    let (member, shop) = (town.member(750), town.shop());
    let letters: Vec<_> = (0..50)
        .map(|n| {
            let bill = town.bill(&shop, 100, town.now);
            let mode = if n % 2 == 0 { Mode::Hold } else { Mode::Pay };
            own(&town, &member, payment(&bill, mode), None, town.now)
        })
        .collect();
    let results: Vec<Result<_, Code>> = std::thread::scope(|scope| {
        let sends = |letter| {
            let (town, member) = (&town, &member);
            scope.spawn(move || {
                town.send::<tegata_protocol::payment::Receipt>(member, letter, town.now)
            })
        };
        let threads: Vec<_> = letters.iter().map(sends).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 7);
    for refused in results.iter().filter_map(|r| r.as_ref().err()) {
        assert_eq!(*refused, Code::InsufficientFunds);
    }
    let account = town.balance(&member);
    assert_eq!(account.balance - account.held, 50);
    assert_eq!(town.balance(&shop).balance + account.held, 700);
    town.assert_clean();
}

#[test]
fn a_full_mailbox_comes_in_pages_without_gap_or_repetition() {
    let town = Town::new();
    let (member, shop) = (town.member(10_000), town.shop());
    let payments: Vec<PaymentId> = (0..70)
        .map(|_| {
            let bill = town.bill(&shop, 10, town.now);
            town.pay(&member, &bill, Mode::Pay, town.now)
                .unwrap()
                .payment
        })
        .collect();
    let (mut seen, mut after, mut pages) = (Vec::new(), 0, Vec::new());
    loop {
        let page = town.collect(&shop, after, town.now);
        pages.push(page.items.len());
        for item in &page.items {
            assert_eq!(item.number, after + 1);
            after = item.number;
            seen.push(said::<PaidNotice>(&town, item).body.payment);
        }
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, [32, 32, 6]);
    assert_eq!(seen, payments);
    for nothing in [70, 71, u64::MAX] {
        let page = town.collect(&shop, nothing, town.now);
        assert_eq!((page.items.len(), page.more), (0, false));
    }
    let first = town.collect(&shop, 0, town.now);
    let repeated = town.collect(&shop, 0, town.now.after(86_400));
    assert_eq!(first, repeated, "signed the same, whenever it's fetched");
}

#[test]
fn large_deliveries_come_in_pages_that_fit_a_reply() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    let room = "x".repeat(2_790);
    for _ in 0..40 {
        let bill = town.bill(&shop, 10, town.now);
        let payment = town
            .pay(&member, &bill, Mode::Hold, town.now)
            .unwrap()
            .payment;
        let sealed = delivery(&shop, &member, &room);
        assert!(
            sealed.len() > 3_900 && sealed.len() <= 4096,
            "{}",
            sealed.len()
        );
        town.capture(&shop, (payment, 10), &sealed, town.now)
            .unwrap();
    }
    let (mut after, mut count) = (1, 0);
    loop {
        let page = town.collect(&member, after, town.now);
        count += page.items.len();
        after = page.items.last().unwrap().number;
        if !page.more {
            break;
        }
    }
    assert_eq!(count, 40);
}

#[test]
fn tickets_are_paid_by_a_hold_that_their_delivery_captures_never_at_once() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    let mut facts = crate::town::bill_of(shop.number, 5, 100, town.now);
    facts.delivery = DeliveryKind::Tickets;
    let bill = shop.signing.sign(&facts);
    let at_once = town.pay(&member, &bill, Mode::Pay, town.now);
    assert_eq!(at_once.unwrap_err(), Code::BillDiffers);
    assert_eq!(town.balance(&member).balance, 1000);
    let held = town.pay(&member, &bill, Mode::Hold, town.now).unwrap();
    assert_eq!(held.held, yen(100));
    town.assert_clean();
}

#[test]
fn a_capture_in_the_last_moment_and_the_expiry_never_both_happen() {
    let town = Town::new();
    let (member, shop) = (town.member(10_000), town.shop());
    let end = town.now.after(HOLD_SECONDS);
    let sealed = delivery(&shop, &member, "x");
    let holds: Vec<_> = (0..20)
        .map(|_| {
            let bill = town.bill(&shop, 100, town.now);
            let receipt = town.pay(&member, &bill, Mode::Hold, town.now);
            receipt.unwrap().payment
        })
        .collect();
    let captured = std::thread::scope(|scope| {
        let captures = scope.spawn(|| {
            let capture = |p: &&PaymentId| {
                let answer = town.capture(&shop, (**p, 100), &sealed, end.before(1));
                assert!(
                    answer.is_ok() || answer == Err(Code::HoldClosed),
                    "{answer:?}"
                );
                answer.is_ok()
            };
            holds.iter().filter(capture).count()
        });
        town.centre.expire_holds(end);
        captures.join().unwrap()
    });
    let paid = i64::try_from(captured * 100).unwrap();
    assert_eq!(town.balance(&shop).balance, paid);
    assert_eq!(town.balance(&member).balance, 10_000 - paid);
    assert_eq!(town.balance(&member).held, 0);
    let told = town.collect(&member, 1, end).items.len();
    assert_eq!(told, 20, "each hold ended once, one way or the other");
    town.assert_clean();
}
