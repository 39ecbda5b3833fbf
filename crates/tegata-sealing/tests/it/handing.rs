//! Keys handed out to browsers.

use tegata_protocol::order::{program, program_digest};
use tegata_protocol::{Digest, Unverified};

use crate::town::Town;

#[test]
fn an_order_gets_a_key_of_its_own_and_the_program() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let keys = shop.fill(&open, 2);
    let (one, two) = (shop.token(), shop.token());
    let first = open.ask(&one).unwrap();
    let key = Unverified::<tegata_protocol::order::OrderKey>::parse(first.key.clone()).unwrap();
    let key = key.verify(&shop.record.keys.signing).unwrap();
    assert_eq!((key.id, key.program), (keys[0].id, program_digest()));
    assert_eq!(first.program, program());
    assert_eq!(Digest::of(first.program.as_bytes()), key.program);
    assert_eq!(open.key(&two).id, keys[1].id);
    assert_eq!(
        open.ask(&one).unwrap(),
        first,
        "the same token, the same key"
    );
    assert_eq!(shop.left(&open), 0);
    let told = open.ask(&shop.token()).unwrap_err();
    assert_eq!((told.status, told.error.as_str()), (409, "stock_empty"));
}
