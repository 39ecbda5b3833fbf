//! Orders by card: none of them may keep goods, or fulfilment, for ever.

use tegata_protocol::order::{CreditCardForm, OrderId};
use tegata_protocol::payment::Mode;
use tegata_protocol::refusal::Code;
use tegata_shop::orders::deeds::{self, By, Deed, DeedError};
use tegata_shop::store::{GoodsOrder, OrderState};

use crate::centre::Mood;
use crate::goods::{Answer, GOODS, form, key, left, lines, order, receipt, seal_with, send, token};
use crate::town::{Open, Town};

fn town() -> Town {
    Town::new(&format!("{GOODS}[payment]\ncard = true\n"))
}

fn by_card(open: &Open, length: usize) -> Answer {
    let lines = lines(&[("cup", 2)]);
    let token = token(open, &lines).bytes;
    let card = Some(vec![7; length]);
    send(open, &seal_with(&token, &key(open), &form(&lines), card))
}

fn taken(open: &Open) -> OrderId {
    let answer = by_card(open, 1_300);
    receipt(open, &answer).order
}

fn found(open: &Open, id: OrderId) -> GoodsOrder {
    let order = open.shop.store().read(|tables| tables.goods_order(id));
    order.unwrap().unwrap()
}

#[test]
fn what_cant_be_a_sealed_card_number_is_refused() {
    let town = town();
    let open = town.open_selling();
    for length in [0, 1, 1_136, 2_049, 9_000] {
        assert_eq!(by_card(&open, length).error(), "card_refused", "{length}");
    }
    assert_eq!(left(&open, "cup"), 3);
    for length in [1_137, 2_048] {
        let open = Town::at(
            town.time.clone(),
            &format!("{GOODS}[payment]\ncard = true\n"),
        );
        let open = open.open_selling();
        assert_eq!(by_card(&open, length).status, 200, "{length}");
    }
}

#[test]
fn a_card_that_the_centre_refuses_for_any_reason_frees_the_goods() {
    for code in [Code::CardRefused, Code::NotOffered, Code::NotAdmitted] {
        let town = town();
        let open = town.open_selling();
        let id = taken(&open);
        assert_eq!(left(&open, "cup"), 1);
        town.centre.refuse_cards(Some(code));
        open.fulfilment.round().unwrap();
        let order = found(&open, id);
        assert_eq!(order.state, OrderState::Cancelled, "{code:?}");
        assert!(order.card.is_empty() && order.card_token.is_none());
        assert_eq!(left(&open, "cup"), 3);
        open.fulfilment.round().unwrap();
        assert_eq!(town.centre.calls::<CreditCardForm>(), 1, "asked once only");
    }
}

#[test]
fn a_card_that_nobody_takes_in_time_frees_the_goods() {
    let town = town();
    let open = town.open_selling();
    let id = taken(&open);
    town.centre.mood(Mood::Away);
    open.fulfilment.round().unwrap_err();
    town.time.pass(899);
    open.fulfilment.round().unwrap_err();
    assert_eq!(found(&open, id).state, OrderState::Taken);
    town.time.pass(1);
    open.fulfilment.round().unwrap_err();
    assert_eq!(found(&open, id).state, OrderState::Lapsed);
    assert_eq!(left(&open, "cup"), 3);
}

#[test]
fn the_owner_charges_only_a_card_that_was_taken() {
    let town = town();
    let open = town.open_selling();
    let id = taken(&open);
    let paid = || deeds::act(open.shop.store(), id, Deed::Paid, By::Page, open.shop.now());
    assert!(matches!(paid(), Err(DeedError::NoCard)));
    open.fulfilment.round().unwrap();
    assert_eq!(found(&open, id).card_reference, "card-1");
    town.time.pass(3_600);
    open.fulfilment.round().unwrap();
    paid().unwrap();
    assert_eq!(found(&open, id).state, OrderState::Paid);
}

#[test]
fn a_bad_item_keeps_no_other_step_waiting() {
    let town = town();
    let open = town.open_selling();
    let answer = order(&open, &[("tea", 1)]);
    let id = receipt(&open, &answer).order;
    town.centre.pay(&found(&open, id).bill.unwrap(), Mode::Hold);
    open.fulfilment.collect().unwrap();
    assert_eq!(found(&open, id).state, OrderState::Held);
    town.centre.lose_mailbox();
    open.fulfilment.round().unwrap_err();
    assert_eq!(found(&open, id).state, OrderState::Paid);
}
