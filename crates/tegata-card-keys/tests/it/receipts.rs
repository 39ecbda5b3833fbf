//! What the application server can ask at any time later: receipts by counter, orders' fates.

use tegata_card::applet::Applet;
use tegata_card::receipt::Kind;
use tegata_card_service::{
    CardKeysRefusal, CardNumber, Fate, OrderId, RECEIPTS_LIMIT, Request, Resolved, Response, Task,
};

use crate::world::{Mishap, World, money};

const DEBIT: Task = Task::Debit { read: false };

#[test]
fn receipts_come_above_a_counter_rising_and_32_at_a_time() {
    let mut world = World::loaded();
    for id in 2..=70 {
        let paid = world.run(DEBIT, Some(money(id, u32::from(id))), None);
        assert!(paid.receipt.is_some(), "{paid:?}");
    }
    world.restart_house();
    // As the application server does it: each once, above the last one that it has.
    let (mut above, mut pages, mut seen) = (0, Vec::new(), Vec::new());
    while pages.len() < 4 {
        let page = world.receipts(above);
        pages.push(page.len());
        above = page.last().map_or(above, |last| last.transaction.counter);
        seen.extend(page);
    }
    assert_eq!(pages, [RECEIPTS_LIMIT, RECEIPTS_LIMIT, 6, 0]);
    let counters: Vec<u32> = seen.iter().map(|r| r.transaction.counter).collect();
    assert_eq!(counters, (1..=70).collect::<Vec<_>>());
    assert_eq!((seen[0].kind, seen[69].kind), (Kind::Load, Kind::Debit));
    assert_eq!(seen[69].transaction.id, [70; 16]);
    assert_eq!(world.receipts(69), seen[69..]);
    assert_eq!(world.receipts(u32::MAX), []);
    let other = world.say(Request::Receipts(CardNumber([1; 10]), 0));
    assert_eq!(other, Response::Refused(CardKeysRefusal::UnknownCard));
}

#[test]
fn an_orders_fate_is_told_at_every_step_and_after_a_restart() {
    let mut world = World::loaded();
    assert_eq!(world.fate(40), Fate::Unknown);
    // Its answer was lost.
    let lost = Some((2, Mishap::AnswerLost));
    world.run(DEBIT, Some(money(40, 700)), lost);
    assert_eq!((world.fate(40), world.receipts(1)), (Fate::InDoubt, vec![]));
    world.restart_house();
    assert_eq!(world.fate(40), Fate::InDoubt);
    world.done(Task::Read);
    let receipt = world.receipts(1)[0].to_bytes();
    assert_eq!(world.fate(40), Fate::CarriedOut(receipt.clone()));
    // It never arrived.
    let lost = Some((2, Mishap::CommandLost));
    world.run(DEBIT, Some(money(41, 700)), lost);
    assert_eq!(world.fate(41), Fate::InDoubt);
    world.done(Task::Read);
    assert_eq!(world.fate(41), Fate::NotCarriedOut);
    // Refused by the card.
    world.run(DEBIT, Some(money(42, 8_001)), None);
    assert_eq!(world.fate(42), Fate::NotCarriedOut);
    world.restart_house();
    assert_eq!(world.fate(40), Fate::CarriedOut(receipt));
    assert_eq!(world.fate(41), Fate::NotCarriedOut);
    assert_eq!(world.fate(42), Fate::NotCarriedOut);
    assert_eq!(world.fate(43), Fate::Unknown);
    let kinds: Vec<Kind> = world.receipts(0).iter().map(|r| r.kind).collect();
    assert_eq!(kinds, [Kind::Load, Kind::Debit, Kind::Void]);
}

#[test]
fn the_void_receipt_is_kept_whichever_way_it_came() {
    // By submission: another handler voided the order, and only its receipt is heard of.
    let mut world = World::loaded();
    let lost = Some((2, Mishap::CommandLost));
    world.run(DEBIT, Some(money(40, 700)), lost);
    let mut elsewhere = world.fork();
    elsewhere.done(Task::Read);
    let void = elsewhere.receipts(1)[0];
    assert_eq!(void.kind, Kind::Void);
    world.say(Request::Submit(void.to_bytes()));
    assert_eq!(world.receipts(1), [void]);
    assert_eq!(world.fate(40), Fate::NotCarriedOut);
    // From the log: the VOID was carried out, and its answer lost.
    let mut world = World::loaded();
    world.run(DEBIT, Some(money(40, 700)), lost);
    world.run(Task::Read, None, Some((3, Mishap::AnswerLost)));
    assert_eq!(world.fate(40), Fate::InDoubt);
    let done = world.done(Task::Read);
    assert_eq!(done.resolved, Some(Resolved::Void(OrderId([40; 16]))));
    let kept = world.receipts(1);
    assert_eq!((kept.len(), kept[0].kind), (1, Kind::Void));
    assert_eq!(kept[0].transaction.id, [40; 16]);
}

#[test]
fn a_void_order_whose_counter_another_used_has_no_receipt_of_its_own() {
    let mut world = World::loaded();
    let lost = Some((2, Mishap::CommandLost));
    world.run(DEBIT, Some(money(40, 700)), lost);
    // Under that counter the card paid elsewhere, and was confirmed.
    let mut elsewhere = World::loaded();
    elsewhere.card = Applet::new(world.pages());
    elsewhere.run(DEBIT, Some(money(41, 300)), None);
    world.card = Applet::new(elsewhere.pages());
    let done = world.done(Task::Read);
    assert_eq!(done.resolved, Some(Resolved::Void(OrderId([40; 16]))));
    assert_eq!(world.fate(40), Fate::NotCarriedOut);
    assert_eq!(world.fate(41), Fate::Unknown);
    let kept = world.receipts(1);
    assert_eq!((kept.len(), kept[0].kind), (1, Kind::Debit));
    assert_eq!(kept[0].transaction.id, [41; 16]);
}
