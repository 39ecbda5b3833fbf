//! Orders of goods between shop and centre: hold, capture, expiry, and the owner's hand in it.

use tegata_protocol::order::OrderId;
use tegata_protocol::payment::{Capture, Mode};
use tegata_protocol::{Digest, SignedBytes};
use tegata_shop::store::OrderState;

use crate::centre::Mood;
use crate::goods::{GOODS, left, order, receipt};
use crate::town::{Open, Town};

struct Ordered {
    id: OrderId,
    bill: SignedBytes,
    receipt: Vec<u8>,
}

fn ordered(open: &Open) -> Ordered {
    let answer = order(open, &[("cup", 2)]);
    let receipt = receipt(open, &answer);
    let id = receipt.order;
    let order = open
        .shop
        .store()
        .read(|tables| tables.goods_order(id))
        .unwrap()
        .unwrap();
    Ordered {
        id,
        bill: order.bill.unwrap(),
        receipt: answer.bytes,
    }
}

fn state(open: &Open, id: OrderId) -> OrderState {
    let order = open.shop.store().read(|tables| tables.goods_order(id));
    order.unwrap().unwrap().state
}

fn events(open: &Open, id: OrderId) -> Vec<String> {
    let events = open
        .shop
        .store()
        .read(|tables| tables.order_events(id))
        .unwrap();
    events.into_iter().map(|event| event.what).collect()
}

fn sold(open: &Open) -> (u64, u64) {
    let stock = open
        .shop
        .store()
        .read(|tables| tables.product_stock("cup"))
        .unwrap();
    (stock.held, stock.sold)
}

#[test]
fn a_held_order_is_captured_with_the_shops_receipt() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let ordered = ordered(&open);
    assert_eq!(
        (state(&open, ordered.id), sold(&open)),
        (OrderState::Billed, (2, 0))
    );
    town.centre.pay(&ordered.bill, Mode::Hold);
    open.fulfilment.round().unwrap();
    assert_eq!(
        (state(&open, ordered.id), sold(&open)),
        (OrderState::Paid, (0, 2))
    );
    let captures = town.centre.captures();
    assert_eq!(captures.len(), 1);
    assert_eq!(
        captures[0].1, ordered.receipt,
        "the delivery is the receipt, and names nobody"
    );
    open.fulfilment.round().unwrap();
    assert_eq!(town.centre.captures().len(), 1);
    assert_eq!(events(&open, ordered.id), ["taken", "held", "paid"]);
}

#[test]
fn a_capture_whose_answer_is_lost_goes_out_again_as_it_was() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let ordered = ordered(&open);
    town.centre.pay(&ordered.bill, Mode::Hold);
    open.fulfilment.collect().unwrap();
    assert_eq!(state(&open, ordered.id), OrderState::Held);
    town.centre.mood(Mood::Mute);
    open.fulfilment.round().unwrap_err();
    open.kill();
    town.centre.mood(Mood::Well);
    let open = town.open_selling();
    open.fulfilment.round().unwrap();
    assert_eq!(
        (state(&open, ordered.id), sold(&open)),
        (OrderState::Paid, (0, 2))
    );
    assert_eq!(town.centre.captures().len(), 1);
    assert!(town.centre.calls::<Capture>() >= 1);
}

#[test]
fn an_unpaid_order_lapses_by_the_centres_word_and_the_goods_come_back() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let ordered = ordered(&open);
    town.time.pass(3602);
    town.centre.mood(Mood::Away);
    open.fulfilment.round().unwrap_err();
    assert_eq!(
        (state(&open, ordered.id), left(&open, "cup")),
        (OrderState::Billed, 1)
    );
    town.centre.mood(Mood::Well);
    open.fulfilment.round().unwrap();
    assert_eq!(
        (state(&open, ordered.id), left(&open, "cup")),
        (OrderState::Lapsed, 3)
    );
}

#[test]
fn a_payment_that_nobody_told_of_is_found_after_the_expiry() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let ordered = ordered(&open);
    town.centre.pay_in_silence(&ordered.bill);
    town.time.pass(3602);
    open.fulfilment.round().unwrap();
    open.fulfilment.round().unwrap();
    assert_eq!(state(&open, ordered.id), OrderState::Paid);
}

#[test]
fn a_hold_that_is_closed_frees_the_goods() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let ordered = ordered(&open);
    let payment = town.centre.pay(&ordered.bill, Mode::Hold);
    open.fulfilment.collect().unwrap();
    town.centre.close(payment, Town::number());
    open.fulfilment.round().unwrap();
    assert_eq!(
        (state(&open, ordered.id), left(&open, "cup")),
        (OrderState::Lapsed, 3)
    );
    assert!(town.centre.captures().is_empty());
}

#[test]
fn money_paid_at_once_pays_the_order() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let ordered = ordered(&open);
    town.centre.pay(&ordered.bill, Mode::Pay);
    open.fulfilment.round().unwrap();
    assert_eq!(
        (state(&open, ordered.id), sold(&open)),
        (OrderState::Paid, (0, 2))
    );
    assert!(town.centre.captures().is_empty());
}

#[test]
fn a_cancelled_order_is_never_captured() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let ordered = ordered(&open);
    let (id, now) = (ordered.id, open.shop.now());
    let cancel = move |tables: &tegata_shop::store::Tables<'_>| {
        let order = tables.goods_order(id).unwrap().unwrap();
        tables.step_order(&order, OrderState::Cancelled, now, "page")
    };
    open.shop.store().write(cancel).unwrap();
    assert_eq!(left(&open, "cup"), 3);
    town.centre.pay(&ordered.bill, Mode::Hold);
    open.fulfilment.round().unwrap();
    assert_eq!(state(&open, id), OrderState::Cancelled);
    assert!(town.centre.captures().is_empty(), "the hold ends by itself");
    assert_eq!(events(&open, id), ["taken", "cancelled", "paid too late"]);
    let other = Digest::of(b"no bill of ours");
    assert!(
        open.shop
            .store()
            .read(|tables| tables.order_of_bill(other))
            .unwrap()
            .is_none()
    );
}
