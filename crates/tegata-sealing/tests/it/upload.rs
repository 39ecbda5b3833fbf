//! Keys that shops put in stock.

use tegata_protocol::refusal::Code;

use crate::town::Town;

#[test]
fn keys_come_in_and_are_counted() {
    let (town, first) = (Town::new(), 30);
    let (open, shop) = (town.open(), town.shop());
    let stock = shop.upload(&open, &shop.make(first)).unwrap();
    assert_eq!(stock.program, tegata_protocol::order::program_digest());
    assert_eq!((stock.piles.len(), stock.piles[0].left), (1, 30));
    assert!(!stock.piles[0].low);
    shop.fill(&open, 64);
    assert_eq!(shop.left(&open), 94);
    assert_eq!(town.shop().stock(&open).piles, []);
}

#[test]
fn one_bad_key_keeps_all_out() {
    let town = Town::new();
    let (open, shop, other) = (town.open(), town.shop(), town.shop());
    let mut keys = shop.make(3);
    keys.insert(2, other.make_as(|key| key.recipient = shop.number));
    let refusal = shop.upload(&open, &keys).unwrap_err();
    assert_eq!(refusal.code, Code::StockRefused);
    let detail = refusal.detail.unwrap();
    assert!(detail.starts_with("key 3: it isn't signed"), "{detail}");
    assert_eq!(shop.left(&open), 0);
    keys.remove(2);
    shop.upload(&open, &keys).unwrap();
    assert_eq!(shop.left(&open), 3);
}
