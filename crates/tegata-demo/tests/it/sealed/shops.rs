//! Several shops at one sealing service (O8), keys carried by hand (O11), and whoever breaks down in
//! the middle of an order.

use tegata_client::{Client, order::OrderError};
use tegata_protocol::order::SealedOrder;

use super::{
    street::{Customer, FIELDS, PRODUCT, Party, STOCK, Street, envelope, filled, seal},
    wire::Passing,
};

fn order(street: &Street, shop: &Party) -> Vec<u8> {
    let (token, key) = street.fetched(shop);
    seal(&token, &key, &filled(&[(PRODUCT, 1)]).to_bytes())
}

#[test]
#[ignore = "needs every program built and TEGATA_CHROMIUM: run cargo xtask test"]
fn each_of_several_shops_opens_its_own_orders_only() {
    let street = Street::new("");
    let books = street.open_shop("Hanamizuki Books", "");
    let cafe = street.open_shop("Corner Cafe", "");
    let mut customer = Customer::new();
    let first = customer.orders(&books, "").unwrap();
    let second = customer.orders(&cafe, "").unwrap();
    for (shop, own, other) in [(&books, &first, &second), (&cafe, &second, &first)] {
        assert_eq!(shop.read_form(own)["name"], "Yamada Hanako");
        assert!(shop.fails(&["orders", "show", other, "--form"]));
    }
    // An order that one shop waits for, sent to the other: whole, and spliced into an order of its own.
    let stray = order(&street, &books);
    let (token, key) = street.fetched(&cafe);
    let sealed = SealedOrder::parse(&stray).unwrap();
    let spliced = envelope(&token, &key, sealed.sealed.clone());
    let mixed = SealedOrder {
        token: token.signed().clone(),
        ..sealed
    }
    .to_bytes();
    for (bytes, code) in [
        (&stray, "token_invalid"),
        (&spliced, "order_unopenable"),
        (&mixed, "order_key_unknown"),
    ] {
        assert_eq!(cafe.send(bytes), Err((400, code.to_owned())));
    }
    assert_eq!(cafe.books(), (1, STOCK - 1));
    books.send(&stray).unwrap();
    assert_eq!(books.books(), (2, STOCK - 2));
}

/// The service is gone when the button is pressed: the page says so, nothing typed is lost, and the
/// same button works once the service is back.
#[test]
#[ignore = "needs every program built and TEGATA_CHROMIUM: run cargo xtask test"]
fn the_form_outlives_the_services_breakdown() {
    let mut street = Street::new("");
    let shop = street.open_shop("Hanamizuki Books", "");
    let mut customer = Customer::new();
    customer.opens_form(&shop, "");
    customer.fills_all();
    street.service.kill();
    customer.presses();
    assert_eq!(customer.settles(), Err("service_away".to_owned()));
    assert!(
        customer.says().contains("sealing service"),
        "{}",
        customer.says()
    );
    for (name, value) in FIELDS {
        assert_eq!(customer.field(name), value);
    }
    assert_eq!(shop.books(), (0, STOCK));
    street.service.start();
    customer.presses();
    let order = customer.settles().unwrap();
    assert_eq!(shop.read_form(&order)["name"], "Yamada Hanako");
}

/// Killed between token and order: the token gets the key that it got before, and nobody else does.
#[test]
#[ignore = "needs every program built: run cargo xtask test"]
fn a_killed_service_hands_no_key_out_twice() {
    let mut street = Street::new("");
    let shop = street.open_shop("Hanamizuki Books", "");
    let (token, key) = street.fetched(&shop);
    street.service.kill();
    assert!(matches!(
        street.key(&shop, &token),
        Err(OrderError::Call(_))
    ));
    street.service.start();
    assert_eq!(street.key(&shop, &token).unwrap().signed(), key.signed());
    let (_, others) = street.fetched(&shop);
    assert_ne!(others.id, key.id);
    shop.send(&seal(&token, &key, &filled(&[(PRODUCT, 1)]).to_bytes()))
        .unwrap();
}

/// Killed between order and receipt: whoever sends the same bytes again gets the receipt of then,
/// and the order was taken once.
#[test]
#[ignore = "needs every program built and TEGATA_CHROMIUM: run cargo xtask test"]
fn a_killed_shop_has_taken_the_order_once() {
    let street = Street::new("");
    let mut shop = street.open_shop("Hanamizuki Books", "");
    let front = street.front(&shop);
    let bytes = order(&street, &shop);
    let ready = tegata_client::order::ReadyOrder::resume(&front, bytes).unwrap();
    let client = Client::default();
    shop.wire.pass(Passing::NoReceipts);
    assert!(matches!(
        client.send_order(&front, &ready),
        Err(OrderError::Call(_))
    ));
    shop.kill();
    shop.wire.pass(Passing::Everything);
    shop.start();
    assert_eq!(shop.books(), (1, STOCK - 1));
    let placed = client.send_order(&front, &ready).unwrap();
    let again = client.send_order(&front, &ready).unwrap();
    assert_eq!(placed.receipt.signed(), again.receipt.signed());
    assert_eq!(shop.books(), (1, STOCK - 1));
}

/// The same with a person at the page: pressing again leads to the order, which was taken once.
#[test]
#[ignore = "needs every program built and TEGATA_CHROMIUM: run cargo xtask test"]
fn a_person_whose_receipt_was_lost_presses_again() {
    let street = Street::new("");
    let mut shop = street.open_shop("Hanamizuki Books", "");
    let mut customer = Customer::new();
    customer.opens_form(&shop, "");
    customer.fills_all();
    shop.wire.pass(Passing::NoReceipts);
    customer.presses();
    assert_eq!(customer.settles(), Err("shop_away".to_owned()));
    shop.kill();
    shop.wire.pass(Passing::Everything);
    shop.start();
    customer.presses();
    let order = customer.settles().unwrap();
    assert_eq!(shop.read_form(&order)["name"], "Yamada Hanako");
    assert_eq!(shop.books(), (1, STOCK - 1));
}
