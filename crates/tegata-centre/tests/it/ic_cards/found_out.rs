//! What a contact finds out on its way: a payment that was made, money that is owed, a book that doesn't
//! know what the card did.

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use super::{ORDER, paid_unheard, world::World};
use crate::{
    ic_cards::Mishap,
    town::{Folder, Town, yen},
};
use tegata_ledger::{AccountId, HoldState};
use tegata_protocol::{
    Currency, PaymentId, Role, Time,
    card::{CardBytes, CardOrder, CardRequest, Change, Errand, Next},
    refusal::Code,
};

fn wait(world: &mut World, seconds: u64) {
    let town = world.town.as_mut().unwrap();
    town.now = town.now.after(seconds);
}

/// Its payment ran out before anybody heard that it was made: the card gets its money back in the very contact
/// that finds it out, before it pays anything else.
#[test]
fn what_is_owed_is_written_before_a_card_pays() {
    let mut world = World::loaded();
    let first = paid_unheard(&mut world);
    wait(&mut world, 3_600);
    world.town().centre.expire_holds(world.now());
    assert_eq!(world.hold(first).state, HoldState::Expired);
    // More than is on it, and no more than is its own.
    let second = world.agree(&world.bill(4_500)).unwrap();
    let course = world.pay(second, None);
    assert_eq!(course.paid(), Some(second), "{course:?}");
    let Some(Next::Done(report)) = course.end else {
        panic!("{course:?}");
    };
    assert_eq!((report.loaded, report.balance), (yen(1_200), yen(500)));
    world.check();
    world.town().assert_clean();
}

/// The receipt is in the book: whatever goes wrong after that, the member hears that it's paid.
#[test]
fn a_payment_that_was_found_is_told_whatever_goes_wrong_after_it() {
    let (mut told, mut before) = (0, 0);
    for at in 0..14 {
        let mut world = World::loaded();
        let payment = paid_unheard(&mut world);
        world.load(500).unwrap();
        let course = world.pay(payment, Some((at, Mishap::CommandLost)));
        match world.hold(payment).state {
            HoldState::Open => {
                assert_eq!(course.paid(), Some(payment), "at {at}: {course:?}");
                told += 1;
            }
            HoldState::Captured(_) | HoldState::Expired | HoldState::Voided => panic!("at {at}"),
            HoldState::Awaiting => {
                assert_eq!(course.paid(), None);
                before += 1;
            }
        }
        assert_eq!(world.pay(payment, None).paid(), Some(payment), "at {at}");
        world.check();
    }
    assert!(told > 3 && before > 2, "{told} told, {before} before");
}

fn lost(world: &World) {
    let body = CardRequest {
        card: world.number,
        change: Change::Lost,
    };
    let done: Result<tegata_protocol::book::Done, Code> =
        world.town().ask(&world.member, body, None, world.now());
    done.unwrap();
}

/// A payment whose receipt is in the book needs no card any more.
#[test]
fn a_card_that_is_over_has_paid_what_it_paid() {
    let mut world = World::loaded();
    let payment = world.agree(&world.bill(1_200)).unwrap();
    assert!(world.settle(payment));
    lost(&world);
    let course = world.pay(payment, None);
    assert_eq!((course.paid(), course.commands), (Some(payment), 0));
    assert_eq!(
        world.contact(Errand::Look, None).code(),
        Some(Code::IcCardEnded)
    );
    assert_eq!(world.pay(payment, None).paid(), Some(payment));
}

/// The manufacturer's list was taken into stock once more.
#[test]
fn a_lost_card_that_is_in_stock_again_is_ended_all_the_same() {
    let mut world = World::loaded();
    let list = format!("{} {}\n", world.number, "51".repeat(32));
    let cards = tegata_centre::ic_card::stock::parse(&list).unwrap();
    tegata_centre::ic_card::stock::add(&world.town().dir(), &cards).unwrap();
    lost(&world);
    let course = world.contact(Errand::Look, None);
    assert_eq!(course.code(), Some(Code::IcCardEnded));
    let ended = world.keys.asked.lock().unwrap().contains(&"terminate");
    assert!(ended && course.commands > 2, "{course:?}");
}

fn stop(world: &mut World) -> (Folder, Time) {
    let Town {
        folder,
        centre,
        now,
    } = world.town.take().unwrap();
    drop(centre);
    (folder, now)
}

fn start(world: &mut World, (folder, now): (Folder, Time)) {
    let town = Town::of(folder);
    world.town = Some(Town { now, ..town });
}

/// The book and its signed heads, of which a backup has both.
fn book_files(data: &Path) -> Vec<PathBuf> {
    let heads = std::fs::read_dir(data.join("heads")).unwrap();
    let heads = heads.map(|entry| Path::new("heads").join(entry.unwrap().file_name()));
    let book = ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"];
    let book = book.map(PathBuf::from).into_iter();
    let book = book.filter(|file| data.join(file).exists());
    book.chain(heads).collect()
}

fn copy_book(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("heads")).unwrap();
    for file in book_files(to) {
        std::fs::remove_file(to.join(file)).unwrap();
    }
    for file in book_files(from) {
        std::fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
}

/// The centre goes back to the book that it had before `what` was done.
fn restored(world: &mut World, what: impl FnOnce(&mut World) -> PaymentId) -> PaymentId {
    let copy = tempfile::tempdir().unwrap();
    let stopped = stop(world);
    copy_book(&stopped.0.data(), copy.path());
    start(world, stopped);
    let payment = what(world);
    let stopped = stop(world);
    copy_book(copy.path(), &stopped.0.data());
    start(world, stopped);
    payment
}

/// The card has paid, and the book forgot what it paid: the shop gets it all the same, and nobody is told
/// that the bill may be agreed to anew.
#[test]
fn a_book_that_forgot_a_payment_doesn_t_have_it_paid_twice() {
    let mut world = World::loaded();
    let payment = restored(&mut world, paid_unheard);
    for _ in 0..2 {
        assert_eq!(world.pay(payment, None).code(), Some(Code::IcCardUnbooked));
    }
    let account = AccountId::shop(world.shop.number, Currency::JPY);
    let account = world.town().reader().account(&account).unwrap().unwrap();
    assert_eq!(account.balance, 1_200);
    world.check();

    // Nobody knew yet what the card did, and it hadn't: that's found out first.
    let mut world = World::loaded();
    let payment = restored(&mut world, |world| {
        let payment = world.agree(&world.bill(1_200)).unwrap();
        let course = world.pay(payment, Some((ORDER, Mishap::CommandLost)));
        assert_eq!(course.end, Some(Next::InDoubt), "{course:?}");
        payment
    });
    let course = world.pay(payment, None);
    assert_eq!(course.code(), Some(Code::IcCardNotDue), "{course:?}");
    assert!(course.commands > 2, "the card was asked");
    world.check();
}

/// Its shop joined after the backup: nobody can be paid. That's noted once, and an operator may try again.
#[test]
fn a_receipt_that_the_book_refuses_is_handed_in_once() {
    let mut world = World::loaded();
    let payment = restored(&mut world, |world| {
        world.shop = world.town().join(Role::Shop);
        paid_unheard(world)
    });
    assert_eq!(world.pay(payment, None).code(), Some(Code::IcCardUnbooked));
    let records = world.town().records();
    world.contact(Errand::Look, None);
    world.contact(Errand::Look, None);
    assert_eq!(world.town().records(), records);
    let tegata_card_service::Fate::CarriedOut(receipt) = world.fate(payment) else {
        panic!("it was carried out");
    };
    let submit = || CardOrder::Submit(CardBytes(receipt.clone()));
    let refused = world.operator(submit());
    assert_eq!(refused.unwrap_err(), Code::IcCardRefuses);
    // Handed in anew, and the order itself.
    assert_eq!(world.town().records(), records + 2);
}

/// The card-key server couldn't be told: until it is, a gate would believe the card.
#[test]
fn a_lost_card_is_denied_once_the_card_key_server_can_be_told() {
    let world = World::loaded();
    let denied = || {
        let card = tegata_card_service::CardNumber(*world.number.as_bytes());
        let known = world.keys.ask(tegata_card_service::Request::Card(card));
        matches!(known, tegata_card_service::Response::Card(Some(known)) if known.denied)
    };
    let until = |done: &dyn Fn() -> bool| {
        let came = (0..200_000).any(|_| {
            std::thread::yield_now();
            done()
        });
        assert!(came, "it never came to that");
    };
    world.keys.mishap.store(1, Ordering::SeqCst);
    lost(&world);
    // The first try was lost.
    until(&|| !denied() && world.keys.mishap.load(Ordering::SeqCst) == 0);
    assert!(!denied());
    until(&|| {
        world.town().centre.deny_waiting();
        denied()
    });
}
