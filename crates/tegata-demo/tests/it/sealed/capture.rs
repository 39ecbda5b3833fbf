//! Nobody on the wires between browser, shop and sealing service reads an order, whatever scheme
//! isn't called dangerous.

use tegata_orders::keys;
use tegata_protocol::{PartyNumber, Role, order::SealedOrder};
use tegata_shop::store::{FILE, Store};

use super::{
    street::{Customer, Party, SECRETS, Street, TITLE, now},
    trace::found,
};

/// A card number, as it's typed in.
const CARD: &str = "4242 4242 4242 4242";
/// What must not be seen of it.
const CARD_SECRETS: [&str; 3] = ["4242424242424242", CARD, "4242-4242"];

fn captured(street: &Street, shop: &Party) -> Vec<Vec<u8>> {
    let mut all = street.service.wire.captured();
    all.extend(shop.wire.captured());
    all
}

/// Neither on the wires nor in a log.
fn nobody_reads(street: &Street, shop: &Party, scheme: &str) {
    let mut all = captured(street, shop);
    assert!(all.iter().map(Vec::len).sum::<usize>() > 10_000, "{scheme}");
    // The listening works: what isn't secret is heard, plain and packed.
    assert!(found(&all, &[TITLE]).is_some(), "{scheme}");
    assert!(found(&all, &["importKey"]).is_some(), "{scheme}");
    all.extend(street.service.logged());
    all.extend(shop.logged());
    for secrets in [&SECRETS[..], &CARD_SECRETS] {
        assert_eq!(found(&all, secrets), None, "{scheme}");
    }
}

fn the_owner_reads(shop: &Party, order: &str) {
    let form = shop.read_form(order);
    assert_eq!(form["name"], "Yamada Hanako", "{form}");
    assert_eq!(form["address"], "1-2-3 Hirosaka, Kanazawa", "{form}");
    assert_eq!(form["note"], "二度鳴らしてください", "{form}");
}

#[test]
#[ignore = "needs every program built and TEGATA_CHROMIUM: run cargo xtask test"]
fn nobody_between_browser_shop_and_service_reads_an_order() {
    let street = Street::new("");
    let mut shop = street.shop("Hanamizuki Books");
    let mut customer = Customer::new();
    let schemes = [
        "order-public-1",
        "order-public-0",
        "order-public-2",
        "order-public-3",
        "shop-public-1",
    ];
    for scheme in schemes {
        street.open(
            &mut shop,
            &format!("scheme = \"{scheme}\"\ncompact = false"),
        );
        let seen = shop.orders_seen().len();
        let order = customer.orders(&shop, "").unwrap();
        assert_eq!(shop.orders_seen().len(), seen + 1, "{scheme}");
        nobody_reads(&street, &shop, scheme);
        the_owner_reads(&shop, &order);
    }
    // A communication key that the customer types in is as secret as the rest.
    street.open(&mut shop, "");
    customer.opens_form(&shop, "");
    customer.fills_all();
    customer.fills("#typed-key", "winter in Kyoto");
    customer.presses();
    the_owner_reads(&shop, &customer.settles().unwrap());
    assert_eq!(
        found(&captured(&street, &shop), &["winter in", "Kyoto"]),
        None
    );
    nobody_reads(&street, &shop, "typed in");
}

/// A card number is sealed a second time, to the centre's credit link: the shop can't read it either.
#[test]
#[ignore = "needs every program built and TEGATA_CHROMIUM: run cargo xtask test"]
fn nobody_reads_a_card_number() {
    let street = Street::new("");
    let mut shop = street.shop("Hanamizuki Books");
    shop.edit("catalogue.toml", "card = false", "card = true");
    let mut customer = Customer::new();
    for scheme in ["order-public-1", "order-public-0"] {
        street.open(&mut shop, &format!("scheme = \"{scheme}\""));
        customer.opens_form(&shop, "");
        customer.fills_all();
        customer.fills("[data-card=number]", CARD);
        customer.fills("[data-card=expiry]", "12/39");
        customer.fills("[data-card=name]", "HANAKO YAMADA");
        customer.presses();
        let order = customer.settles().unwrap();
        let seen = SealedOrder::parse(&shop.orders_seen().pop().unwrap()).unwrap();
        assert!(seen.card.is_some_and(|card| card.len() > 1_000), "{scheme}");
        nobody_reads(&street, &shop, scheme);
        the_owner_reads(&shop, &order);
        assert_eq!(found(&shop.everything(), &CARD_SECRETS), None, "{scheme}");
        let shown = shop.run(&["orders", "show", &order, "--form"]).to_string();
        assert_eq!(
            found(&[shown.into_bytes()], &CARD_SECRETS),
            None,
            "{scheme}"
        );
    }
}

/// Keys of a member's own (O12): the page learns the member from its address.
#[test]
#[ignore = "needs every program built and TEGATA_CHROMIUM: run cargo xtask test"]
fn nobody_reads_a_members_order() {
    let street = Street::new("");
    let mut shop = street.shop("Hanamizuki Books");
    let member = PartyNumber::new(Role::Member, 1234).unwrap();
    // The shop makes its tables when it first opens.
    street.open(&mut shop, "");
    shop.stop();
    let books = Store::open(&shop.folder.join(FILE)).unwrap();
    let admitted = books.write(move |tables| keys::admit(tables.connection(), member, now()));
    admitted.unwrap();
    drop(books);
    street.open(&mut shop, "scheme = \"member-public-1\"");
    let mut customer = Customer::new();
    let order = customer
        .orders(&shop, &format!("&member={member}"))
        .unwrap();
    the_owner_reads(&shop, &order);
    street.order(&shop, Some(member)).unwrap();
    assert_eq!(shop.orders_seen().len(), 2);
    nobody_reads(&street, &shop, "member-public-1");
}
