//! Several shops at one sealing service (O8), keys carried by hand (O11), and whoever breaks down in
//! the middle of an order.

use std::fs;

use tegata_party::client::{
    Client,
    order::{OrderError, SealingService},
};
use tegata_protocol::order::SealedOrder;

use super::{
    street::{Customer, FIELDS, PRODUCT, Party, STOCK, Street, envelope, filled, now, seal},
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
    let ready = tegata_party::client::order::ReadyOrder::resume(&front, bytes).unwrap();
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

/// Keys of the shop's go to the service as a file: there's no network between the two (O11).
#[test]
#[ignore = "needs every program built and TEGATA_CHROMIUM: run cargo xtask test"]
fn keys_are_carried_to_the_service_by_hand() {
    let street = Street::new("");
    let mut shop = street.shop("Hanamizuki Books");
    street.set(&shop, "");
    street.service.wire.pass(Passing::KeysOnly);
    shop.wire.pass(Passing::KeysOnly);
    let (file, record) = (street.town.path("keys"), street.service.file("record.cose"));
    let made = shop.run(&[
        "keys",
        "export",
        "--service",
        &record,
        "--count",
        "3",
        &file,
    ]);
    assert_eq!(made["keys"], 3);
    assert_eq!(street.service.run(&["keys", "import", &file])["left"], 3);
    shop.start();
    let mut customer = Customer::new();
    let order = customer.orders(&shop, "").unwrap();
    assert_eq!(shop.read_form(&order)["name"], "Yamada Hanako");
    assert_eq!(street.stock(&shop, "order-public-1"), 2);
    // While the shop is open it alone has the epoch's key.
    assert!(shop.fails(&["keys", "export", "--service", &record, &file]));
}

/// The other way round: what the service made goes to the shop as a file.
#[test]
#[ignore = "needs every program built: run cargo xtask test"]
fn keys_are_carried_to_the_shop_by_hand() {
    let mut street = Street::new("");
    let mut shop = street.shop("Hanamizuki Books");
    street.service.stop();
    let settings = format!("danger_service_made_keys = [\"{}\"]", shop.number);
    fs::write(street.service.folder.join("sealing.toml"), settings).unwrap();
    street.service.start();
    let service = street.record(&street.service);
    street.set(
        &shop,
        "keys_made_by = \"service\"\ndanger_service_made_keys = true",
    );
    street.service.wire.pass(Passing::KeysOnly);
    shop.start();
    // It has to know the shop, which never brings keys.
    street.service.run(&["shop", "add", &shop.address]);
    let token = street.token(&shop, &[(PRODUCT, 1)]).unwrap();
    let desk = SealingService {
        address: &street.service.address,
        danger_trusted: Some(&service),
    };
    let key = Client::default()
        .order_key(&street.front(&shop), desk, &token, now())
        .unwrap();
    let order = seal(&token, &key, &filled(&[(PRODUCT, 1)]).to_bytes());
    assert_eq!(
        shop.send(&order),
        Err((400, "order_key_unknown".to_owned()))
    );
    shop.stop();
    let (file, record) = (street.town.path("keys"), street.service.file("record.cose"));
    let number = shop.number.to_string();
    assert_eq!(
        street.service.run(&["keys", "export", &number, &file])["keys"],
        1
    );
    let import = ["keys", "import", "--service", &record, &file];
    assert_eq!(shop.run(&import)["new"], 1);
    assert_eq!(shop.run(&import)["new"], 0);
    shop.start();
    shop.send(&order).unwrap();
    assert_eq!(shop.books(), (1, STOCK - 1));
}

/// The owner replaces the key that opened forms are kept under: they stay readable, and the key file
/// of before opens none of them any more.
#[test]
#[ignore = "needs every program built: run cargo xtask test"]
fn the_owner_replaces_the_key_of_the_kept_forms() {
    let street = Street::new("");
    let mut shop = street.open_shop("Hanamizuki Books", "");
    let (_, placed) = street.order(&shop, None).unwrap();
    let order = placed.receipt.order.to_string();
    let file = shop.folder.join("order-keys.cbor");
    let before = fs::read(&file).unwrap();
    assert!(shop.fails(&["keys", "rotate"]), "while the shop is open");
    shop.stop();
    assert_eq!(shop.run(&["keys", "rotate"])["forms"], 1);
    assert_ne!(fs::read(&file).unwrap(), before);
    assert_eq!(shop.read_form(&order)["name"], "Yamada Hanako");
    let now = fs::read(&file).unwrap();
    fs::write(&file, before).unwrap();
    assert!(shop.fails(&["orders", "show", &order, "--form"]));
    fs::write(&file, now).unwrap();
    shop.start();
    assert_eq!(shop.read_form(&order)["name"], "Yamada Hanako");
}
