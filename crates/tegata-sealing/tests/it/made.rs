//! Keys that the service makes, where shop and operator both want that (the document's variant).

use std::collections::BTreeSet;

use tegata_protocol::envelope::{Message, Sealed};
use tegata_protocol::order::{
    Binding, KeysWanted, MadeKey, MadeKeys, Maker, OpeningHalf, OrderId, OrderKey, cart_digest,
};
use tegata_protocol::{SignedBytes, Suite, Unverified, Verified};
use tegata_sealing::handler::made;
use tegata_sealing::key_expiry;
use tegata_sealing::service::Rules;

use crate::town::{Open, Shop, Town, contains, rng};

fn rules(shops: &[&Shop]) -> Rules {
    Rules {
        makes_for: shops.iter().map(|shop| shop.number).collect(),
        ..Rules::default()
    }
}

fn wanting(shop: &Shop) -> SignedBytes {
    shop.token_as(|token| token.maker = Maker::Service)
}

fn fetch(shop: &Shop, open: &Open, after: u64) -> MadeKeys {
    shop.ask(open, KeysWanted { after }).unwrap()
}

fn verified(open: &Open, signed: &SignedBytes) -> Verified<OrderKey> {
    let own = open.service.registered().record.keys.signing;
    let key = Unverified::<OrderKey>::parse(signed.clone()).unwrap();
    key.verify(&own).unwrap()
}

#[test]
fn the_service_makes_keys_only_if_shop_and_operator_both_say_so() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.stock(&open);
    let refused = |open: &Open, token| open.ask(&token).unwrap_err().error;
    assert_eq!(refused(&open, wanting(&shop)), "stock_empty", "no operator");
    open.kill();
    let open = town.open_with(rules(&[&shop]));
    assert_eq!(refused(&open, shop.token()), "stock_empty", "no shop");
    let key = open.key(&wanting(&shop));
    assert_eq!((key.maker, key.recipient), (Maker::Service, shop.number));
    let other = town.shop();
    other.stock(&open);
    assert_eq!(refused(&open, wanting(&other)), "stock_empty", "another");
    let shared = shop.token_as(|token| {
        token.maker = Maker::Service;
        token.scheme = "order-shared-1".parse().unwrap();
    });
    assert_eq!(refused(&open, shared), "stock_empty", "that needs more");
    let member = shop.token_as(|token| {
        token.maker = Maker::Service;
        token.scheme = "member-public-1".parse().unwrap();
        token.member = Some(crate::town::member(1));
    });
    assert_eq!(refused(&open, member.clone()), "not_admitted");
    let own = shop.make_of("member-public-1", Suite::Standard, |key| {
        key.expires = key.made.after(60);
    });
    shop.upload(&open, &[own]).unwrap();
    town.time.pass(60);
    assert_eq!(refused(&open, member), "stock_empty", "members' are shops'");
}

#[test]
fn a_made_key_opens_at_the_shop_and_is_erased_here() {
    let town = Town::new();
    let shop = town.shop();
    let open = town.open_with(rules(&[&shop]));
    shop.stock(&open);
    let order = OrderId::random(&mut rng());
    let token = shop.token_as(|token| (token.maker, token.order) = (Maker::Service, order));
    let handed = open.ask(&token).unwrap();
    assert_eq!(open.ask(&token).unwrap(), handed, "the same again");
    let key = verified(&open, &handed.key);
    assert_eq!(key.expires, town.time.now().after(900));
    let binding = Binding::new(&key, order, cart_digest(&[]));
    let sealed = key
        .part
        .seal(key.scheme, &binding, b"form", None, &mut rng());
    let made = fetch(&shop, &open, 0);
    assert_eq!((made.keys.len(), made.more), (1, false));
    let MadeKey { number, key, seed } = &made.keys[0];
    assert_eq!((*number, key), (1, &handed.key));
    let key = verified(&open, key);
    let half = OpeningHalf::of(&key, seed.expose()).unwrap();
    let opened = half.open(key.scheme, &binding, &sealed.unwrap());
    assert_eq!(*opened.unwrap(), b"form");
    assert!(
        !contains(town.folder.path(), seed.expose()),
        "it lies here wrapped"
    );
    assert_eq!(fetch(&shop, &open, 0), made, "until the shop has it");
    assert_eq!(fetch(&shop, &open, 1).keys, []);
    assert_eq!(fetch(&shop, &open, 0).keys, [], "erased");
    open.key(&wanting(&shop));
    assert_eq!(fetch(&shop, &open, 1).keys[0].number, 2);
}

/// A shop that says more than it can know loses nothing by it.
#[test]
fn what_was_never_fetched_isnt_erased() {
    let town = Town::new();
    let shop = town.shop();
    let open = town.open_with(rules(&[&shop]));
    shop.stock(&open);
    for _ in 0..30 {
        open.key(&wanting(&shop));
    }
    assert_eq!(fetch(&shop, &open, 99).keys, []);
    let first = fetch(&shop, &open, 0);
    assert_eq!((first.keys.len(), first.more), (24, true));
    let rest = fetch(&shop, &open, 24);
    assert_eq!((rest.keys.len(), rest.more), (6, false));
    let numbers = first.keys.iter().chain(&rest.keys).map(|key| key.number);
    assert!(numbers.eq(1..=30));
    let seeds: BTreeSet<_> = first.keys.iter().map(|key| *key.seed.expose()).collect();
    assert_eq!(seeds.len(), 24);
    assert_eq!(fetch(&shop, &open, 99).keys, []);
    assert_eq!(fetch(&shop, &open, 0).keys, [], "now all are erased");
}

#[test]
fn each_shop_gets_its_own_only() {
    let town = Town::new();
    let (shop, other) = (town.shop(), town.shop());
    let open = town.open_with(rules(&[&shop, &other]));
    shop.stock(&open);
    other.stock(&open);
    let one = open.ask(&wanting(&shop)).unwrap().key;
    let two = open.ask(&wanting(&other)).unwrap().key;
    let (mine, theirs) = (fetch(&shop, &open, 0), fetch(&other, &open, 0));
    assert_eq!((mine.keys.len(), &mine.keys[0].key), (1, &one));
    assert_eq!((theirs.keys.len(), &theirs.keys[0].key), (1, &two));
}

#[test]
fn made_keys_travel_in_a_file_too() {
    let town = Town::new();
    let shop = town.shop();
    let open = town.open_with(rules(&[&shop]));
    assert!(made::export(&open.service, shop.number, 0).is_err(), "who?");
    shop.stock(&open);
    for _ in 0..25 {
        open.key(&wanting(&shop));
    }
    let file = made::export(&open.service, shop.number, 0).unwrap();
    assert_eq!((file.keys, file.last, file.more), (24, 24, true));
    let sealed = Sealed::parse(&file.bytes).unwrap();
    assert!(sealed.open(&town.shop().opening).is_err());
    let (parcel, _) = sealed.open(&shop.opening).unwrap();
    let message = Unverified::<Message<MadeKeys>>::parse(parcel.signed).unwrap();
    let own = open.service.registered().record.keys.signing;
    let message = message.verify(&own).unwrap();
    assert_eq!((message.from, message.to), (Town::number(), shop.number));
    let key = verified(&open, &message.body.keys[0].key);
    assert!(OpeningHalf::of(&key, message.body.keys[0].seed.expose()).is_some());
    let again = made::export(&open.service, shop.number, 0).unwrap();
    assert_eq!(again.last, 24, "the file may get lost");
    let next = made::export(&open.service, shop.number, 24).unwrap();
    assert_eq!((next.keys, next.last, next.more), (1, 25, false));
    assert_eq!(fetch(&shop, &open, 24).keys.len(), 1);
    assert_eq!(fetch(&shop, &open, 0).keys.len(), 1, "1 to 24 are erased");
}

/// An order that is abandoned gives its key back to nobody, and the shop can still fetch it: the
/// sealed order may be on its way.
#[test]
fn a_made_key_burns_here_and_is_kept_for_the_shop() {
    let town = Town::new();
    let shop = town.shop();
    let open = town.open_with(rules(&[&shop]));
    shop.stock(&open);
    let first = open.key(&wanting(&shop)).id;
    town.time.pass(900);
    assert_eq!(key_expiry::burn(&open.service).unwrap(), 1);
    assert_ne!(open.key(&wanting(&shop)).id, first);
    assert_eq!(fetch(&shop, &open, 0).keys.len(), 2);
    assert!(shop.stock(&open).piles.is_empty(), "no stock of the shop's");
}

#[test]
fn a_made_key_of_the_whole_shop_lasts_a_day() {
    let town = Town::new();
    let shop = town.shop();
    let open = town.open_with(rules(&[&shop]));
    shop.stock(&open);
    let token = || {
        shop.token_as(|token| {
            token.maker = Maker::Service;
            token.scheme = "shop-public-1".parse().unwrap();
        })
    };
    let first = open.key(&token());
    assert_eq!(first.expires, town.time.now().after(86_400));
    town.time.pass(86_399);
    assert_eq!(open.key(&token()).id, first.id);
    town.time.pass(1);
    assert_ne!(open.key(&token()).id, first.id);
    assert_eq!(fetch(&shop, &open, 0).keys.len(), 2);
}

#[test]
fn the_shops_own_keys_go_first() {
    let town = Town::new();
    let shop = town.shop();
    let open = town.open_with(rules(&[&shop]));
    let own = shop.fill(&open, 1).remove(0).id;
    let made = [(); 2].map(|()| open.key(&wanting(&shop)));
    assert_eq!((made[0].id, made[0].maker), (own, Maker::Recipient));
    assert_eq!(made[1].maker, Maker::Service);
}
