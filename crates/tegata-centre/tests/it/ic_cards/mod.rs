//! Paying with a card that can't sign (K1-K11), through the centre as a wallet would: the real applet, a
//! real card-key server's core, losses at every step.

use tegata_card::command::View;
use tegata_card_service::{Fate, Request, Response};
use tegata_ledger::{CardState, HoldState};
use tegata_protocol::{
    PaymentId,
    book::{Done, Rule},
    card::{CardOrder, CardPaid, CardPayment, CardRequest, Change, Errand, Next},
    envelope::{Body, Message},
    payment::{BillAnswer, BillInquiry, BillState, HoldClosed, PaidNotice, Receipt},
    refusal::Code,
};

use crate::{
    commands::{fails, succeeds, text},
    town::{Party, Town, password_file, yen},
};

mod bills;
mod found_out;
mod memory;
mod world;

use world::{CSN, Left, MASTERS, Mishap, Pages, World};

/// Items of this type in a party's mailbox.
fn mail<B: Body>(town: &Town, party: &Party) -> Vec<B> {
    let items = town.collect(party, 0, town.now).items;
    let ours = items
        .into_iter()
        .filter(|i| i.signed.label().unwrap().0 == B::LABEL);
    ours.map(|item| {
        let message = tegata_protocol::Unverified::<Message<B>>::parse(item.signed).unwrap();
        message
            .verify(&town.public.keys.receipts)
            .unwrap()
            .into_value()
            .body
    })
    .collect()
}

#[test]
fn a_card_pays_a_bill_and_everybody_is_told() {
    let mut world = World::loaded();
    let bill = world.bill(1_200);
    let payment = world.agree(&bill).unwrap();
    assert_eq!(world.hold(payment).state, HoldState::Awaiting);
    assert!(
        mail::<PaidNotice>(world.town(), &world.shop).is_empty(),
        "nobody has paid yet"
    );
    // Whoever knows the payment's number can't take the money before the card has paid.
    let early = world
        .town()
        .capture(&world.shop, (payment, 1_200), b"", world.now());
    assert!(early.is_err());

    let course = world.pay(payment, None);
    assert_eq!(course.paid(), Some(payment), "{course:?}");
    let order = world.orders.pop().unwrap();
    assert_eq!(
        (order.amount, order.balance),
        (yen(1_200), Some(yen(5_000)))
    );
    assert_eq!((order.bill, order.payment), (bill.digest(), payment));

    let told = mail::<PaidNotice>(world.town(), &world.shop);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].payment, told[0].amount), (payment, yen(1_200)));
    let paid = mail::<CardPaid>(world.town(), &world.member);
    assert_eq!(
        (paid.len(), paid[0].balance, paid[0].counter),
        (1, yen(3_800), 2)
    );

    let delivery = crate::town::delivery(&world.shop, &world.member, "here");
    world
        .town()
        .capture(&world.shop, (payment, 1_000), &delivery, world.now())
        .unwrap();
    assert_eq!(world.town().balance(&world.shop).balance, 1_000);
    // What the shop left of the hold is written on the card again at its next contact.
    world.check();
    assert_eq!(
        world
            .town()
            .reader()
            .card(&world.number)
            .unwrap()
            .unwrap()
            .balance,
        4_000
    );
    world.town().assert_clean();
}

#[test]
fn the_balance_needn_t_be_read() {
    let mut world = World::loaded();
    world.read = false;
    let payment = world.agree(&world.bill(700)).unwrap();
    assert_eq!(world.pay(payment, None).paid(), Some(payment));
    assert_eq!(world.orders.pop().unwrap().balance, None);
    assert!(world.keys.asked.lock().unwrap().contains(&"debit"));
}

#[test]
fn a_new_card_is_put_into_use_loaded_and_pays_in_one_contact() {
    let mut world = World::new();
    world.load(3_000).unwrap();
    let payment = world.agree(&world.bill(500)).unwrap();
    let course = world.pay(payment, None);
    assert_eq!(course.paid(), Some(payment), "{course:?}");
    let asked = world.keys.asked.lock().unwrap().clone();
    assert_eq!(
        asked,
        ["personalise", "load", "order", "debit, reading", "order"]
    );
    let left = std::fs::read_to_string(world.town().data().join("card-stock.txt")).unwrap();
    assert_eq!(left, "", "the manufacturer's key is of no use any more");
    world.check();
    world.town().assert_clean();
}

/// Every step, every mishap: afterwards card, book and card-key server agree, and the payment was made
/// once or never.
#[test]
fn whatever_gets_lost_on_the_way_nothing_is_made_or_lost() {
    let mut world = World::loaded();
    let payment = world.agree(&world.bill(10)).unwrap();
    let commands = world.pay(payment, None).commands;
    let mishaps = [
        Mishap::CommandLost,
        Mishap::AnswerLost,
        Mishap::AnswerAltered,
        Mishap::StepLost,
        Mishap::PcEnds,
        Mishap::CentreEnds,
        Mishap::KeysEnd,
        Mishap::RequestLost,
        Mishap::ResponseLost,
        Mishap::Declines,
        Mishap::SentTwice,
    ];
    let cuts = (0..3)
        .flat_map(|n| [Left::Old, Left::New, Left::Half].map(|left| Mishap::PowerCut(n, left)));
    let (mut cases, mut made, mut doubts) = (0, 0, 0);
    let mut spent = 10;
    for mishap in mishaps.into_iter().chain(cuts) {
        for at in 0..commands {
            if spent > 4_000 {
                world.load(spent).unwrap();
                spent = 0;
            }
            world.card.hardware().was_cut = false;
            let payment = world.agree(&world.bill(10)).unwrap();
            let course = world.pay(payment, Some((at, mishap)));
            let cut = matches!(mishap, Mishap::PowerCut(..));
            if !course.met || (cut && !world.card.hardware().was_cut) {
                continue;
            }
            cases += 1;
            doubts += u32::from(course.end == Some(Next::InDoubt));
            let told = course.paid() == Some(payment);
            if course.code().is_some() {
                // A refusal says that the card did nothing; then it must be so.
                let fate = world.fate(payment);
                assert!(
                    matches!(fate, Fate::Unknown | Fate::NotCarriedOut),
                    "{mishap:?} at {at}: {course:?}, and {fate:?}"
                );
            }
            let paid = world.settle(payment);
            assert!(paid || !told, "{mishap:?} at {at}: told paid, and it isn't");
            if paid {
                made += 1;
                spent += 10;
            }
            let notices = mail_count(&world, payment);
            assert_eq!(notices, usize::from(paid), "{mishap:?} at {at}");
        }
    }
    println!("{cases} mishaps: {made} payments made, {doubts} in doubt at first, all found out");
    assert!(cases > 70, "{cases}");
    assert!(doubts >= 10 && made > 40, "{doubts} {made}");
    world.town().assert_clean();
}

/// The same while a new card is put into use and loaded: nobody is locked out, and nothing is lost.
#[test]
fn a_card_that_is_torn_away_while_it_gets_its_keys_is_put_into_use_later() {
    let mut cases = 0;
    let mishaps = [
        Mishap::CommandLost,
        Mishap::AnswerLost,
        Mishap::CentreEnds,
        Mishap::KeysEnd,
    ];
    let cuts = [Left::Old, Left::New].map(|left| Mishap::PowerCut(0, left));
    for mishap in mishaps.into_iter().chain(cuts) {
        for at in [0, 2, 4, 5, 6, 8, 11] {
            let mut world = World::new();
            world.load(3_000).unwrap();
            let course = world.contact(Errand::Look, Some((at, mishap)));
            if !course.met {
                continue;
            }
            cases += 1;
            world.contact(Errand::Look, None);
            world.check();
            let card = world.town().reader().card(&world.number).unwrap().unwrap();
            assert_eq!(card.balance, 3_000, "{mishap:?} at {at}");
        }
    }
    println!("{cases} cards torn away while they got their keys, all in use later");
    assert!(cases > 30, "{cases}");
}

#[test]
fn more_than_fits_stays_owed_and_the_card_goes_on() {
    let mut world = World::loaded();
    world.load(5_000).unwrap();
    world.town().fund(&[(&world.member, 40_000)], world.now());
    world.load(10_000).unwrap();
    world.check();
    let payment = world.agree(&world.bill(2_000)).unwrap();
    assert!(world.settle(payment));
    // The card has room for 2,000 again; then the shop lets the hold run out.
    world.load(2_000).unwrap();
    world.check();
    let later = world.now().after(1_801);
    world.town().centre.expire_holds(later);
    let looked = world.contact(Errand::Look, None);
    let Some(Next::Done(report)) = looked.end else {
        panic!("{looked:?}");
    };
    assert_eq!((report.balance, report.owed), (yen(20_000), yen(2_000)));
    let again = world.agree(&world.bill(500)).unwrap();
    assert_eq!(world.pay(again, None).paid(), Some(again));
    world.town().assert_clean();
}

#[test]
fn a_shop_isnt_told_of_a_payment_that_the_card_has_still_to_make() {
    let mut world = World::loaded();
    let bill = world.bill(1_200);
    let payment = world.agree(&bill).unwrap();
    let asked = |world: &World, at| -> Result<BillAnswer, Code> {
        let body = BillInquiry { bill: bill.clone() };
        world.town().ask(&world.shop, body, None, at)
    };
    let later = world.now().after(901);
    assert_eq!(asked(&world, later).unwrap_err(), Code::BillOpen);
    assert!(world.settle(payment));
    let told = asked(&world, later).unwrap();
    assert_eq!(told.state, BillState::Held(payment));
}

fn mail_count(world: &World, payment: PaymentId) -> usize {
    let town = world.town();
    let mut after = 0;
    let mut count = 0;
    loop {
        let page = town.collect(&world.shop, after, town.now);
        for item in &page.items {
            after = item.number;
            let message =
                tegata_protocol::Unverified::<Message<PaidNotice>>::parse(item.signed.clone());
            count += usize::from(message.is_ok_and(|m| m.claimed().body.payment == payment));
        }
        if !page.more {
            return count;
        }
    }
}

#[test]
fn who_declines_pays_nothing_and_may_pay_again() {
    let mut world = World::loaded();
    let bill = world.bill(1_200);
    let payment = world.agree(&bill).unwrap();
    // The order is the fifth thing that happens: SELECT, twice the opening, the purse, the order.
    let course = world.pay(payment, Some((4, Mishap::Declines)));
    assert_eq!(course.code(), Some(Code::IcCardDeclined), "{course:?}");
    assert_eq!(world.hold(payment).state, HoldState::Voided);
    let closed = mail::<HoldClosed>(world.town(), &world.member);
    assert_eq!(closed.len(), 1);
    assert!(
        mail::<HoldClosed>(world.town(), &world.shop).is_empty(),
        "the shop never heard of it"
    );
    let again = world.agree(&bill).unwrap();
    assert_eq!(world.pay(again, None).paid(), Some(again));
    world.check();
    world.town().assert_clean();
}

#[test]
fn what_was_shown_is_what_is_debited() {
    let mut world = World::loaded();
    for wrong in 0..3 {
        let bill = world.bill(1_200);
        let payment = world.agree(&bill).unwrap();
        let card = world.town().reader().card(&world.number).unwrap().unwrap();
        let mut view = View {
            amount: 1_200,
            counter: card.counter + 1,
            bill: *bill.digest().as_bytes(),
        };
        match wrong {
            0 => view.amount = 12,
            1 => view.counter += 1,
            _ => view.bill[0] ^= 1,
        }
        world.view = Some(view);
        let course = world.pay(payment, None);
        assert_eq!(course.code(), Some(Code::IcCardNotAsShown), "{course:?}");
        assert_eq!(world.hold(payment).state, HoldState::Voided);
        world.check();
    }
}

#[test]
fn bad_input_gets_its_own_refusal_and_changes_nothing() {
    let mut world = World::loaded();
    let stranger = world.town().member(10_000);
    let agree = |world: &World, by: &Party, bill, amount| -> Result<Receipt, Code> {
        let card = world.number;
        let body = CardPayment {
            bill,
            amount: yen(amount),
            card,
        };
        world.town().ask(by, body, None, world.now())
    };
    let book = world.town().book();
    let bill = world.bill(1_200);
    let cases = [
        (
            agree(&world, &stranger, bill.clone(), 1_200),
            Code::IcCardUnknown,
        ),
        (
            agree(&world, &world.member, bill.clone(), 1_100),
            Code::BillDiffers,
        ),
        (
            agree(&world, &world.member, world.bill(5_001), 5_001),
            Code::InsufficientFunds,
        ),
        (
            agree(&world, &world.member, world.bill(8_001), 8_001),
            Code::IcCardLimit,
        ),
        (
            agree(&world, &world.shop, bill.clone(), 1_200),
            Code::WrongRole,
        ),
    ];
    for (got, expected) in cases {
        assert_eq!(got.unwrap_err(), expected);
    }
    assert_eq!(world.load(15_001).unwrap_err(), Code::IcCardLimit);
    assert_eq!(world.load(9_000).unwrap_err(), Code::InsufficientFunds);
    assert_eq!(world.town().book(), book);

    // Another card on the reader, and a card that nobody issued.
    let payment = world.agree(&bill).unwrap();
    let mut other = tegata_card::applet::Applet::new(Pages::blank([9; 10]));
    std::mem::swap(&mut world.card, &mut other);
    assert_eq!(world.pay(payment, None).code(), Some(Code::IcCardChanged));
    std::mem::swap(&mut world.card, &mut other);
    // A card that says it's this one and has other keys.
    let mut false_one = tegata_card::applet::Applet::new(Pages::blank(CSN));
    std::mem::swap(&mut world.card, &mut false_one);
    let course = world.pay(payment, None);
    assert!(
        course.end.is_some() && course.paid().is_none(),
        "{course:?}"
    );
    std::mem::swap(&mut world.card, &mut false_one);
    assert!(world.settle(payment), "and the true one pays");

    let theirs = world.contact_by(&stranger, Errand::Look);
    assert_eq!(theirs, Some(Code::IcCardUnknown));
    assert_eq!(
        world.pay(PaymentId::new(bill.digest()), None).code(),
        Some(Code::IcCardNotDue)
    );
    world.town().assert_clean();
}

#[test]
fn a_blocked_card_stops_and_goes_on_and_a_lost_one_is_over() {
    let mut world = World::loaded();
    let change = |world: &World, change| -> Result<Done, Code> {
        let body = CardRequest {
            card: world.number,
            change,
        };
        world.town().ask(&world.member, body, None, world.now())
    };
    let waiting = world.agree(&world.bill(100)).unwrap();
    change(&world, Change::Block).unwrap();
    assert_eq!(
        world.agree(&world.bill(100)).unwrap_err(),
        Code::IcCardBlocked
    );
    assert_eq!(world.pay(waiting, None).code(), Some(Code::IcCardBlocked));
    let looked = world.contact(Errand::Look, None);
    assert!(
        matches!(&looked.end, Some(Next::Done(r)) if r.blocked),
        "{looked:?}"
    );
    change(&world, Change::Unblock).unwrap();
    assert!(world.settle(waiting));
    assert_eq!(world.load(100).unwrap().account, yen(5_100));

    change(&world, Change::Lost).unwrap();
    // Whoever wasn't answered says it again.
    change(&world, Change::Lost).unwrap();
    assert_eq!(
        change(&world, Change::Unblock).unwrap_err(),
        Code::IcCardEnded
    );
    assert_eq!(world.load(1).unwrap_err(), Code::IcCardEnded);
    assert_eq!(world.agree(&world.bill(1)).unwrap_err(), Code::IcCardEnded);
    // Found again, it's ended for good at the first contact.
    assert_eq!(
        world.contact(Errand::Look, None).code(),
        Some(Code::IcCardEnded)
    );
    assert_eq!(
        world.contact(Errand::Look, None).code(),
        Some(Code::IcCardEnded)
    );
    let body = CardRequest {
        card: world.number,
        change: Change::PayOut,
    };
    let out: tegata_protocol::card::CardLoaded = world
        .town()
        .ask(&world.member, body, None, world.now())
        .unwrap();
    // All but the 100 that are held for the shop.
    assert_eq!((out.amount, out.prepaid), (yen(5_000), yen(9_900)));
    world.town().assert_clean();
}

/// The order's answer is the fifth: SELECT, twice the opening, the purse, the order.
const ORDER: usize = 4;

/// The card has paid, and nobody heard of it.
fn paid_unheard(world: &mut World) -> PaymentId {
    let payment = world.agree(&world.bill(1_200)).unwrap();
    let course = world.pay(payment, Some((ORDER, Mishap::AnswerLost)));
    assert_eq!(course.end, Some(Next::InDoubt), "{course:?}");
    payment
}

/// Whatever stands against a new order: first it's found out what became of the one that is out.
#[test]
fn a_card_that_has_paid_is_heard_before_anything_is_refused() {
    let change = |world: &World, change| {
        let body = CardRequest {
            card: world.number,
            change,
        };
        let done: Result<Done, Code> = world.town().ask(&world.member, body, None, world.now());
        done.unwrap();
    };
    let late = |world: &mut World| {
        let town = world.town.as_mut().unwrap();
        town.now = town.now.after(1_700);
    };
    type Against<'a> = &'a dyn Fn(&mut World);
    let cases: [(Against<'_>, Code); 3] = [
        (&late, Code::IcCardTooLate),
        (&|world| change(world, Change::Block), Code::IcCardBlocked),
        (&|world| change(world, Change::Lost), Code::IcCardEnded),
    ];
    for (against, code) in cases {
        let mut world = World::loaded();
        let payment = paid_unheard(&mut world);
        against(&mut world);
        let course = world.pay(payment, None);
        assert_eq!(course.paid(), Some(payment), "{code}: {course:?}");
        assert_eq!(world.hold(payment).state, HoldState::Open);
        // Without an order that is out, that's the answer, and nothing else changes.
        let mut world = World::loaded();
        let payment = world.agree(&world.bill(1_200)).unwrap();
        against(&mut world);
        assert_eq!(world.pay(payment, None).code(), Some(code));
        assert_eq!(world.hold(payment).state, HoldState::Awaiting);
    }
    // In doubt, too late, and the card hadn't paid: the bill may be agreed to anew.
    let mut world = World::loaded();
    let bill = world.bill(1_200);
    let payment = world.agree(&bill).unwrap();
    let course = world.pay(payment, Some((ORDER, Mishap::CommandLost)));
    assert_eq!(course.end, Some(Next::InDoubt), "{course:?}");
    late(&mut world);
    assert_eq!(world.pay(payment, None).code(), Some(Code::IcCardNotDue));
    assert_eq!(world.hold(payment).state, HoldState::Voided);
    world.town().assert_clean();
}

/// Whoever has the centre's receipts key can't take back what was paid, or pay one bill with another's receipt.
#[test]
fn the_centres_own_word_undoes_no_payment() {
    let mut world = World::loaded();
    let paid = world.agree(&world.bill(1_200)).unwrap();
    assert!(world.settle(paid));
    let carry_out = |world: &World, rule| world.town().centre.carry_out(rule, world.now());
    assert!(carry_out(&world, Rule::CardVoid(paid)).is_err());
    assert_eq!(world.hold(paid).state, HoldState::Open);

    let other = world.agree(&world.bill(1_200)).unwrap();
    let Fate::CarriedOut(receipt) = world.fate(paid) else {
        panic!("it was carried out");
    };
    assert!(carry_out(&world, Rule::CardReceipt(receipt, Some(other))).is_err());
    assert_eq!(world.hold(other).state, HoldState::Awaiting);
    carry_out(&world, Rule::CardVoid(other)).unwrap();
    assert_eq!(world.hold(other).state, HoldState::Voided);
    world.check();
    world.town().assert_clean();
}

#[test]
fn cards_follow_when_the_limits_are_raised() {
    let mut world = World::loaded();
    let file = world.town().data().join("centre.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let raised = settings.replace("\"20000\"", "\"30000\"");
    assert_ne!(settings, raised);
    std::fs::write(&file, raised).unwrap();
    world.restart_centre();
    world.town().fund(&[(&world.member, 40_000)], world.now());
    world.load(20_000).unwrap();
    let payment = world.agree(&world.bill(1_000)).unwrap();
    let course = world.pay(payment, None);
    assert_eq!(course.paid(), Some(payment), "{course:?}");
    let Some(Next::Done(report)) = course.end else {
        panic!("{course:?}");
    };
    assert_eq!((report.loaded, report.balance), (yen(20_000), yen(24_000)));
    world.check();
    let asked = world.keys.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().filter(|a| **a == "limit").count(), 1);
    world.town().assert_clean();
}

#[test]
fn a_card_gets_new_keys_at_its_next_contact_and_goes_on() {
    let mut world = World::loaded();
    tegata_centre::ic_card::stock::renew(&world.town().dir(), world.number).unwrap();
    // Torn away in the middle: it's tried again, and nothing is lost.
    world.contact(Errand::Look, Some((7, Mishap::AnswerLost)));
    world.check();
    world.check();
    let asked = world.keys.asked.lock().unwrap().clone();
    assert!(asked.contains(&"change keys"), "{asked:?}");
    let asked = world.keys.asked.lock().unwrap().len();
    world.check();
    let after = world.keys.asked.lock().unwrap()[asked..].to_vec();
    assert!(!after.contains(&"change keys"), "{after:?}");
    let payment = world.agree(&world.bill(300)).unwrap();
    assert_eq!(world.pay(payment, None).paid(), Some(payment));
}

/// A key has fifteen versions. A card that has come to the last of them still pays.
#[test]
fn a_card_whose_keys_cant_be_changed_again_goes_on() {
    let mut world = World::loaded();
    for _ in 0..16 {
        tegata_centre::ic_card::stock::renew(&world.town().dir(), world.number).unwrap();
        world.check();
    }
    let changes = |world: &World| {
        let asked = world.keys.asked.lock().unwrap();
        asked.iter().filter(|a| **a == "change keys").count()
    };
    let before = changes(&world);
    assert!(before > 14, "{before}");
    let payment = world.agree(&world.bill(300)).unwrap();
    assert_eq!(world.pay(payment, None).paid(), Some(payment));
    assert_eq!(changes(&world), before, "nobody tries again");
    world.check();
    world.town().assert_clean();
}

#[test]
fn a_replacement_has_what_the_lost_card_had() {
    let mut world = World::loaded();
    let paid = world.agree(&world.bill(1_000)).unwrap();
    assert!(world.settle(paid));
    let unpaid = world.agree(&world.bill(10)).unwrap();
    let second = tegata_protocol::CardNumber::from_bytes([8; 10]);
    let list = format!("{second} {}\n", "51".repeat(32));
    let cards = tegata_centre::ic_card::stock::parse(&list).unwrap();
    tegata_centre::ic_card::stock::add(&world.town().dir(), &cards).unwrap();
    let member = world.member.number;
    let issue = |index| CardOrder::Issue {
        card: second,
        member,
        index,
    };
    assert_eq!(world.operator(issue(0)).unwrap_err(), Code::IcCardKnown);
    world.operator(issue(1)).unwrap();
    world
        .operator(CardOrder::Replace(world.number, second))
        .unwrap();
    let old = world.number;
    assert_eq!(
        world.contact(Errand::Look, None).code(),
        Some(Code::IcCardEnded)
    );
    world.number = second;
    world.card = tegata_card::applet::Applet::new(Pages::blank([8; 10]));
    // What the first was to pay isn't this one's; it may have been paid.
    let course = world.pay(unpaid, None);
    assert_eq!(course.code(), Some(Code::IcCardChanged), "{course:?}");
    // All but what is set aside for that payment.
    let looked = world.contact(Errand::Look, None);
    assert!(
        matches!(&looked.end, Some(Next::Done(r)) if r.balance == yen(3_990) && r.loaded == yen(3_990)),
        "{looked:?}"
    );
    let state = world.town().reader().card(&old).unwrap().unwrap().state;
    assert_eq!(state, CardState::Replaced);
    world.town().assert_clean();
}

#[test]
fn a_rolled_back_card_is_found_out_and_out_of_use() {
    let mut world = World::loaded();
    let copy = world.card.hardware().clone();
    let first = world.agree(&world.bill(1_000)).unwrap();
    assert!(world.settle(first));
    let second = world.agree(&world.bill(500)).unwrap();
    world.card = tegata_card::applet::Applet::new(copy);
    let course = world.pay(second, None);
    assert_eq!(course.code(), Some(Code::IcCardEnded), "{course:?}");
    let card = world.town().reader().card(&world.number).unwrap().unwrap();
    assert_eq!(card.state, CardState::Copied);
    assert_eq!(world.agree(&world.bill(1)).unwrap_err(), Code::IcCardEnded);
    world.town().assert_clean();
}

#[test]
fn a_ticket_is_put_read_and_cleared_through_the_member_s_terminal() {
    let mut world = World::loaded();
    let ticket = tegata_protocol::SignedBytes::new(vec![0x84; 230]);
    let put = Errand::PutTicket(3, ticket.clone());
    let done = world.contact(put.clone(), None);
    assert!(matches!(done.end, Some(Next::Done(_))), "{done:?}");
    let read = world.contact(Errand::ReadTicket(3), None);
    let told = match read.end {
        Some(Next::Done(report)) => report.ticket.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!((told.ticket, told.punched), (ticket, false));
    let other = Errand::PutTicket(3, tegata_protocol::SignedBytes::new(vec![1; 9]));
    assert_eq!(world.contact(other, None).code(), Some(Code::IcCardTicket));
    assert_eq!(
        world.contact(Errand::ReadTicket(4), None).code(),
        Some(Code::IcCardTicket)
    );
    let cleared = world.contact(Errand::ClearTicket(3), None);
    assert!(matches!(cleared.end, Some(Next::Done(_))), "{cleared:?}");
    assert_eq!(
        world.contact(Errand::ReadTicket(3), None).code(),
        Some(Code::IcCardTicket)
    );
}

#[test]
fn the_application_server_never_hears_a_key() {
    let mut world = World::loaded();
    let payment = world.agree(&world.bill(1_000)).unwrap();
    assert!(world.settle(payment));
    let heard = world.keys.heard.lock().unwrap().clone();
    assert!(heard.len() > 1_000);
    for key in MASTERS {
        assert!(
            !heard.windows(32).any(|w| w == key),
            "a master key was told"
        );
    }
}

#[test]
fn without_a_card_key_server_it_says_so_and_later_goes_on() {
    let mut world = World::loaded();
    let payment = world.agree(&world.bill(1_000)).unwrap();
    let socket = world.town().holder.path().join("card-keys.sock");
    let away = socket.with_extension("away");
    std::fs::rename(&socket, &away).unwrap();
    assert_eq!(world.pay(payment, None).code(), Some(Code::IcCardService));
    std::fs::rename(&away, &socket).unwrap();
    assert!(world.settle(payment));
}

#[test]
fn receipts_that_come_by_another_way_are_the_card_key_server_s_to_judge() {
    let mut world = World::loaded();
    let bill = world.bill(700);
    let payment = world.agree(&bill).unwrap();
    // The card pays, and nobody hears of it for now.
    let course = world.pay(payment, Some((4, Mishap::AnswerLost)));
    assert_eq!(course.end, Some(Next::InDoubt));
    let forged = tegata_protocol::card::CardBytes(vec![7; 100]);
    assert_eq!(
        world.operator(CardOrder::Submit(forged)).unwrap_err(),
        Code::IcCardUnproven
    );
    assert!(world.settle(payment));
    let card = tegata_card_service::CardNumber(CSN);
    let Response::Receipts(receipts) = world.keys.ask(Request::Receipts(card, 1)) else {
        panic!("no receipts");
    };
    let genuine = tegata_protocol::card::CardBytes(receipts[0].0.clone());
    let records = world.town().records();
    world.operator(CardOrder::Submit(genuine)).unwrap();
    assert_eq!(
        world.town().records(),
        records + 1,
        "known: only the order itself is noted"
    );
    world.town().assert_clean();
}

/// What can't be taken back is shown before the password is asked for, and a slip in a number ends there.
#[test]
fn whoever_ends_a_card_sees_first_whose_it_is() {
    let world = World::loaded();
    let data = text(&world.town().data());
    let folder = tempfile::tempdir().unwrap();
    let wrong = text(&password_file(folder.path(), "wrong", "incorrect horse"));
    let (card, unknown) = (world.number.to_string(), "00".repeat(10));
    let by = ["--data", &data, "--password-file", &wrong];
    let whose = format!("card {card} of {} (active, JPY 5,000", world.member.number);
    fails(
        &[&["cards", "end", &card], &by[..]].concat(),
        1,
        &["for good", &whose],
    );
    let replace = [&["cards", "replace", &card, &unknown], &by[..]].concat();
    fails(
        &replace,
        1,
        &[&whose, &unknown, "never issued", "cards list"],
    );
    assert!(succeeds(&["cards", "list", "--data", &data]).contains("JPY 5,000"));
    let card = world.town().reader().card(&world.number).unwrap().unwrap();
    assert_eq!(card.state, CardState::Active);
}
