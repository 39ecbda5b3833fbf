//! From the centre's word to the delivery, with the power failing anywhere.

use tegata_protocol::payment::{BillInquiry, BookPosition, Capture, Mode, PaidNotice};
use tegata_protocol::purchase::{Keyword, Offer, Reservation};
use tegata_protocol::{MessageId, PartyNumber, PaymentId, SigningKey, TransactionNumber};
use tegata_shop::store::{Sale, SaleState};

use crate::centre::{Mood, rng};
use crate::town::{Open, Town, catalogue, contains, seats};

fn sale(open: &Open, offer: &Offer) -> Sale {
    let bill = offer.bill.digest();
    open.shop
        .store()
        .read(|tables| tables.sale_of_bill(bill))
        .unwrap()
        .unwrap()
}

fn state(open: &Open, offer: &Offer) -> SaleState {
    sale(open, offer).state
}

/// The counters are what the sales say, and every serial of a void sale is cancelled.
fn check_books(open: &Open) {
    open.shop
        .store()
        .read(|tables| {
            let series = tegata_protocol::SeriesId::new(7);
            let sales = tables.sales_of(series).unwrap();
            let count = |states: &[SaleState]| {
                let of = sales.iter().filter(|sale| states.contains(&sale.state));
                of.map(|sale| u64::from(sale.quantity)).sum::<u64>()
            };
            let stock = tables.stock(series).unwrap();
            let held = [
                SaleState::Open,
                SaleState::Paid,
                SaleState::Ready,
                SaleState::Stuck,
            ];
            assert_eq!(stock.held, count(&held));
            assert_eq!(stock.sold, count(&[SaleState::Released]));
            for sale in &sales {
                for ticket in tables.tickets_of(sale.number).unwrap() {
                    assert_eq!(
                        ticket.cancelled,
                        sale.state == SaleState::Void,
                        "{ticket:?}"
                    );
                }
            }
            Ok::<_, tegata_shop::store::StoreError>(())
        })
        .unwrap();
}

#[test]
fn a_shop_killed_between_any_two_steps_goes_on() {
    for killed_after in 0..4 {
        let town = Town::new(&catalogue(5));
        let (mut open, member) = (town.open(), town.member());
        let offer = member.buy(&open, seats(2));
        town.centre.pay(&offer.bill, Mode::Hold);
        let steps = [
            tegata_shop::fulfilment::Fulfilment::collect,
            tegata_shop::fulfilment::Fulfilment::make_tickets,
            tegata_shop::fulfilment::Fulfilment::capture,
        ];
        for (number, step) in steps.iter().enumerate() {
            if number == killed_after {
                open.kill();
                open = town.open();
            }
            step(&open.fulfilment).unwrap();
        }
        if killed_after == 3 {
            open.kill();
            open = town.open();
            open.fulfilment.round().unwrap();
        }
        assert_eq!(state(&open, &offer), SaleState::Released, "{killed_after}");
        assert_eq!(town.centre.captures().len(), 1, "{killed_after}");
        let (_, tickets) = member.open(&open, &town.centre.captures()[0].1);
        assert_eq!(tickets.len(), 2);
        assert_eq!(open.left(7), 3);
        check_books(&open);
    }
}

#[test]
fn a_capture_whose_answer_was_lost_is_sent_again_as_it_was() {
    let town = Town::new(&catalogue(5));
    let (open, member) = (town.open(), town.member());
    let offer = member.buy(&open, seats(1));
    town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.collect().unwrap();
    open.fulfilment.make_tickets().unwrap();
    let signed = sale(&open, &offer).capture;
    town.centre.mood(Mood::Mute);
    open.fulfilment.capture().unwrap_err();
    assert_eq!(state(&open, &offer), SaleState::Ready);
    open.kill();
    town.centre.mood(Mood::Well);
    let open = town.open();
    assert_eq!(sale(&open, &offer).capture, signed);
    open.fulfilment.round().unwrap();
    assert_eq!(state(&open, &offer), SaleState::Released);
    assert_eq!(town.centre.captures().len(), 1);
    assert_eq!(town.centre.calls::<Capture>(), 2);
    check_books(&open);
}

#[test]
fn quota_comes_back_only_with_the_centres_word() {
    let town = Town::new(&catalogue(1));
    let (open, member) = (town.open(), town.member());
    let offer = member.buy(&open, seats(1));
    open.fulfilment.round().unwrap();
    assert_eq!(
        town.centre.calls::<BillInquiry>(),
        0,
        "the bill is still open"
    );
    town.time.pass(901);
    open.fulfilment.round().unwrap();
    assert_eq!(
        town.centre.calls::<BillInquiry>(),
        0,
        "clocks may differ a little"
    );
    town.time.pass(86_400);
    town.centre.mood(Mood::Away);
    open.fulfilment.round().unwrap_err();
    town.centre.mood(Mood::Mute);
    open.fulfilment.inquire().unwrap_err();
    assert_eq!((state(&open, &offer), open.left(7)), (SaleState::Open, 0));
    town.centre.mood(Mood::Well);
    open.fulfilment.round().unwrap();
    assert_eq!((state(&open, &offer), open.left(7)), (SaleState::Lapsed, 1));
    check_books(&open);
}

#[test]
fn a_payment_whose_notice_was_lost_is_found_by_asking() {
    let town = Town::new(&catalogue(1));
    let (open, member) = (town.open(), town.member());
    let offer = member.buy(&open, seats(1));
    town.centre.pay_in_silence(&offer.bill);
    town.time.pass(1000);
    open.fulfilment.round().unwrap();
    assert_eq!(state(&open, &offer), SaleState::Paid);
    open.fulfilment.round().unwrap();
    assert_eq!(
        (state(&open, &offer), open.left(7)),
        (SaleState::Released, 0)
    );
    assert_eq!(town.centre.captures().len(), 1);
}

#[test]
fn a_hold_closed_before_the_tickets_are_made_frees_the_quota() {
    let town = Town::new(&catalogue(1));
    let (open, member) = (town.open(), town.member());
    let offer = member.buy(&open, seats(1));
    let payment = town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.collect().unwrap();
    town.centre.close(payment, Town::number());
    open.fulfilment.round().unwrap();
    assert_eq!((state(&open, &offer), open.left(7)), (SaleState::Void, 1));
    assert_eq!(town.centre.captures().len(), 0);
    check_books(&open);
}

#[test]
fn a_capture_that_comes_too_late_voids_the_tickets() {
    let town = Town::new(&catalogue(1));
    let (open, member) = (town.open(), town.member());
    let offer = member.buy(&open, seats(1));
    let payment = town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.collect().unwrap();
    open.fulfilment.make_tickets().unwrap();
    town.centre.close(payment, Town::number());
    open.fulfilment.capture().unwrap();
    assert_eq!((state(&open, &offer), open.left(7)), (SaleState::Void, 1));
    check_books(&open);
    // The centre's own word about it comes afterwards and changes nothing.
    open.fulfilment.round().unwrap();
    assert_eq!((state(&open, &offer), open.left(7)), (SaleState::Void, 1));
    assert_eq!(town.centre.captures().len(), 0);
}

#[test]
fn a_capture_that_waited_is_signed_anew_for_the_same_tickets() {
    let town = Town::new(&catalogue(1));
    let (open, member) = (town.open(), town.member());
    let offer = member.buy(&open, seats(1));
    town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.collect().unwrap();
    open.fulfilment.make_tickets().unwrap();
    let before = sale(&open, &offer);
    town.time.pass(600);
    open.fulfilment.capture().unwrap();
    let after = sale(&open, &offer);
    assert_ne!(before.capture, after.capture);
    assert_eq!(before.delivery, after.delivery);
    assert_eq!(
        state(&open, &offer),
        SaleState::Ready,
        "and is sent a little later"
    );
    town.time.pass(10);
    open.fulfilment.capture().unwrap();
    assert_eq!(state(&open, &offer), SaleState::Released);
    assert_eq!(town.centre.captures().len(), 1);
}

#[test]
fn a_notice_told_twice_delivers_once() {
    let town = Town::new(&catalogue(5));
    let (open, member) = (town.open(), town.member());
    let offer = member.buy(&open, seats(1));
    town.centre.pay(&offer.bill, Mode::Hold);
    town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.round().unwrap();
    town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.round().unwrap();
    assert_eq!(town.centre.captures().len(), 1);
    check_books(&open);
}

/// A notice as the centre would make it, but for one thing.
fn notice(open: &Open, offer: &Offer) -> PaidNotice {
    let sale = sale(open, offer);
    let bill = tegata_protocol::Unverified::<tegata_protocol::purchase::Bill>::parse(sale.bill);
    let bill = bill.unwrap();
    PaidNotice {
        payment: PaymentId::new(tegata_protocol::Digest::of(b"a payment")),
        bill: bill.digest(),
        transaction: sale.number,
        mode: Mode::Hold,
        amount: bill.claimed().totals.total,
        hold_expires: None,
        position: BookPosition {
            committer: 1,
            sequence: 9,
        },
    }
}

#[test]
fn notices_that_arent_the_centres_or_dont_fit_are_passed_over() {
    let town = Town::new(&catalogue(5));
    let (open, member) = (town.open(), town.member());
    let offer = member.buy(&open, seats(1));
    let good = notice(&open, &offer);
    let say = |from, to, body| tegata_protocol::envelope::Message {
        from,
        to,
        id: MessageId::random(&mut rng()),
        time: town.time.now(),
        not_after: None,
        enc_digest: None,
        answers: None,
        body,
    };
    let thief = SigningKey::from_seed(&[1; 32]);
    let forged = thief.sign(&say(PartyNumber::CENTRE, Town::number(), good.clone()));
    town.centre.post_signed(forged);
    let less = PaidNotice {
        amount: "1".parse_yen(),
        ..good.clone()
    };
    town.centre.post(Town::number(), less);
    let number = TransactionNumber::new(1).unwrap();
    town.centre.post(
        Town::number(),
        PaidNotice {
            transaction: number,
            ..good.clone()
        },
    );
    let bill = tegata_protocol::Digest::of(b"another bill");
    town.centre.post(
        Town::number(),
        PaidNotice {
            bill,
            ..good.clone()
        },
    );
    let other_shop = PartyNumber::new(tegata_protocol::Role::Shop, 5).unwrap();
    town.centre.post(other_shop, good.clone());
    town.centre.post(
        Town::number(),
        BillInquiry {
            bill: offer.bill.clone(),
        },
    );
    open.fulfilment.round().unwrap();
    assert_eq!(state(&open, &offer), SaleState::Open);
    assert_eq!(open.shop.store().read(|t| t.mailbox_cursor()).unwrap(), 6);
    town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.round().unwrap();
    assert_eq!(state(&open, &offer), SaleState::Released);
}

trait Yen {
    fn parse_yen(&self) -> tegata_protocol::Amount;
}

impl Yen for str {
    fn parse_yen(&self) -> tegata_protocol::Amount {
        tegata_protocol::Amount::parse(self, tegata_protocol::Currency::JPY).unwrap()
    }
}

#[test]
fn money_paid_at_once_waits_for_the_owner() {
    let town = Town::new(&catalogue(5));
    let (open, member) = (town.open(), town.member());
    let offer = member.buy(&open, seats(1));
    town.centre.pay(&offer.bill, Mode::Pay);
    open.fulfilment.round().unwrap();
    assert_eq!(state(&open, &offer), SaleState::Stuck);
    assert_eq!(open.left(7), 4);
    check_books(&open);
}

#[test]
fn a_capture_refused_for_a_strange_reason_waits_and_harms_nobody_else() {
    let town = Town::new(&catalogue(5));
    let (open, member) = (town.open(), town.member());
    let strange = member.buy(&open, seats(1));
    let fine = member.buy(&open, seats(1));
    // The centre knows no such hold.
    town.centre.post(Town::number(), notice(&open, &strange));
    town.centre.pay(&fine.bill, Mode::Hold);
    open.fulfilment.round().unwrap();
    assert_eq!(state(&open, &strange), SaleState::Stuck);
    assert_eq!(state(&open, &fine), SaleState::Released);
    check_books(&open);
}

/// The centre's word that a bill is closed, and then a payment of it: nobody is passed over.
#[test]
fn money_for_a_sale_that_lapsed_waits_for_the_owner() {
    let town = Town::new(&catalogue(1));
    let (open, member) = (town.open(), town.member());
    let offer = member.buy(&open, seats(1));
    town.time.pass(1000);
    open.fulfilment.round().unwrap();
    assert_eq!((state(&open, &offer), open.left(7)), (SaleState::Lapsed, 1));
    let payment = town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.round().unwrap();
    assert_eq!((state(&open, &offer), open.left(7)), (SaleState::Stuck, 0));
    check_books(&open);
    town.centre.close(payment, Town::number());
    open.fulfilment.round().unwrap();
    assert_eq!((state(&open, &offer), open.left(7)), (SaleState::Void, 1));
    check_books(&open);
    // The notice of the payment that was closed, told once more, says nothing new.
    town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.collect().unwrap();
    assert_eq!(state(&open, &offer), SaleState::Void);
}

/// Sales that the centre doesn't want to hear of now don't keep the others waiting.
#[test]
fn captures_left_alone_starve_nobody() {
    let town = Town::new(&catalogue(100));
    let open = town.open();
    let buy = || town.member().buy(&open, seats(1));
    let waiting: Vec<_> = (0..64).map(|_| buy()).collect();
    town.time.pass(1);
    let last = buy();
    for offer in waiting.iter().chain([&last]) {
        town.centre.pay(&offer.bill, Mode::Hold);
    }
    open.fulfilment.collect().unwrap();
    // Two rounds: so many are made at once.
    open.fulfilment.make_tickets().unwrap();
    open.fulfilment.make_tickets().unwrap();
    for offer in &waiting {
        open.fulfilment
            .ask_later(sale(&open, offer).number, town.time.now());
    }
    open.fulfilment.capture().unwrap();
    assert_eq!(state(&open, &last), SaleState::Released);
    assert_eq!(state(&open, &waiting[0]), SaleState::Ready);
}

#[test]
fn keywords_never_lie_in_clear() {
    let town = Town::new(&catalogue(5));
    let (open, member) = (town.open(), town.member());
    let keyword = Some(Keyword::new("heron over the lake").unwrap());
    let offer = member.buy(
        &open,
        Reservation {
            keyword,
            ..seats(1)
        },
    );
    let clear = || contains(town.folder.path(), b"heron over the lake");
    assert!(!clear());
    assert!(!sale(&open, &offer).order.is_empty());
    town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.round().unwrap();
    let (_, tickets) = member.open(&open, &town.centre.captures()[0].1);
    assert!(tickets[0].keyword.is_some());
    assert!(
        sale(&open, &offer).order.is_empty(),
        "and are forgotten once the tickets are made"
    );
    assert!(!clear());
}

#[test]
fn fulfilment_on_its_own_thread_delivers_and_stops() {
    let town = Town::new(&catalogue(5));
    let (open, member) = (town.open(), town.member());
    let offer = member.buy(&open, seats(1));
    town.centre.pay(&offer.bill, Mode::Hold);
    let (signals, received) = std::sync::mpsc::channel();
    open.shop.wakes(signals.clone());

    std::thread::scope(|scope| {
        let fulfilment = &open.fulfilment;
        let running = scope.spawn(move || fulfilment.run(&received));
        while state(&open, &offer) != SaleState::Released {
            std::thread::yield_now();
        }
        signals.send(tegata_shop::shop::Signal::Stop).unwrap();
        running.join().unwrap();
    });
}
