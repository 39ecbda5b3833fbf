//! Keys handed out to browsers: to each order its own, and to strangers none.

use std::collections::BTreeSet;
use std::sync::Barrier;

use tegata_protocol::order::{
    Binding, KeySource, OpeningHalf, OrderId, OrderKey, cart_digest, program, program_digest,
};
use tegata_protocol::record::Status;
use tegata_protocol::{Digest, PartyNumber, Role, SignedBytes, SigningKey, Suite, Unverified};
use tegata_sealing::key_expiry;
use tegata_sealing::service::{Class, Rules};

use crate::town::{Open, Shop, Town, agent, ask, contains, key_of, member, rng};

fn refused(open: &Open, token: &SignedBytes) -> String {
    open.ask(token).unwrap_err().error
}

#[test]
fn an_order_gets_a_key_of_its_own_and_the_program() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let keys = shop.fill(&open, 2);
    let (one, two) = (shop.token(), shop.token());
    let first = open.ask(&one).unwrap();
    let key = Unverified::<OrderKey>::parse(first.key.clone()).unwrap();
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

#[test]
fn what_is_handed_out_seals_and_only_the_shop_opens() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let made = shop.fill(&open, 1).remove(0);
    let order = OrderId::random(&mut rng());
    let hand_out = open.ask(&shop.token_as(|token| token.order = order));
    let key = Unverified::<OrderKey>::parse(hand_out.unwrap().key).unwrap();
    let key = key.verify(&shop.record.keys.signing).unwrap();
    let binding = Binding::new(&key, order, cart_digest(&[]));
    let sealed = key
        .part
        .seal(key.scheme, &binding, b"Sendai", None, &mut rng());
    let half = OpeningHalf::of(&key, &made.seed).unwrap();
    let opened = half.open(key.scheme, &binding, &sealed.unwrap()).unwrap();
    assert_eq!(*opened, b"Sendai");
}

/// Two hundred customers at once, for a hundred and fifty keys: each key goes to one of them.
#[test]
fn no_key_is_given_to_two_of_two_hundred_at_once() {
    const ORDERS: usize = 200;
    const KEYS: usize = 150;
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.fill(&open, KEYS);
    let tokens: Vec<_> = (0..ORDERS).map(|_| shop.token()).collect();
    let start = Barrier::new(ORDERS);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let askers: Vec<_> = tokens
            .iter()
            .map(|token| {
                let (open, start) = (&open, &start);
                scope.spawn(move || {
                    start.wait();
                    open.ask(token)
                })
            })
            .collect();
        askers.into_iter().map(|a| a.join().unwrap()).collect()
    });
    let given: Vec<_> = answers.iter().flatten().map(|h| key_of(h).id).collect();
    let distinct: BTreeSet<_> = given.iter().collect();
    assert_eq!((given.len(), distinct.len()), (KEYS, KEYS));
    let empty = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(empty.clone().all(|told| told.error == "stock_empty"));
    assert_eq!(empty.count(), ORDERS - KEYS);
}

#[test]
fn one_order_asking_fifty_times_at_once_uses_one_key() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.fill(&open, 60);
    let token = shop.token();
    let keys: BTreeSet<_> = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| open.key(&token).id))
            .collect();
        askers.into_iter().map(|a| a.join().unwrap()).collect()
    });
    assert_eq!((keys.len(), shop.left(&open)), (1, 59));
}

#[test]
fn keys_of_abandoned_orders_burn_with_their_token() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.fill(&open, 3);
    let order = OrderId::random(&mut rng());
    let token = shop.token_as(|token| token.order = order);
    let abandoned = open.ask(&token).unwrap();
    town.time.pass(899);
    assert_eq!(open.ask(&token).unwrap(), abandoned);
    town.time.pass(1);
    assert_eq!(refused(&open, &token), "token_expired");
    assert_eq!(key_expiry::burn(&open.service).unwrap(), 1);
    assert_eq!(key_expiry::burn(&open.service).unwrap(), 0);
    // The same order with a fresh token, and another one: neither gets the burnt key.
    let fresh = shop.token_as(|token| token.order = order);
    let (again, other) = (open.key(&fresh).id, open.key(&shop.token()).id);
    let burnt = key_of(&abandoned).id;
    assert!(again != burnt && other != burnt && again != other);
    assert_eq!(refused(&open, &shop.token()), "stock_empty");
    // Nor does it come in a second time.
    let text = format!("{:?}", shop.stock(&open));
    assert!(text.contains("left: 0"), "{text}");
}

/// Before key expiry comes by, too: what an expired token had is nobody's.
#[test]
fn a_fresh_token_gets_a_fresh_key_before_the_keeper_has_come() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.fill(&open, 2);
    let order = OrderId::random(&mut rng());
    let first = open.key(&shop.token_as(|token| token.order = order)).id;
    town.time.pass(900);
    let token = shop.token_as(|token| token.order = order);
    let second = open.key(&token).id;
    assert_ne!(first, second);
    key_expiry::burn(&open.service).unwrap();
    assert_eq!(open.key(&token).id, second);
}

#[test]
fn a_longer_token_of_the_same_order_keeps_its_key() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.fill(&open, 2);
    let order = OrderId::random(&mut rng());
    let short = shop.token_as(|token| token.order = order);
    let key = open.key(&short).id;
    town.time.pass(600);
    let long = shop.token_as(|token| token.order = order);
    assert_eq!(open.key(&long).id, key);
    assert_eq!(open.key(&short).id, key);
    town.time.pass(600);
    key_expiry::burn(&open.service).unwrap();
    assert_eq!(open.key(&long).id, key);
    assert_eq!(shop.left(&open), 1);
}

#[test]
fn the_fallback_key_steps_in_and_ends() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let fallback = shop.make_as(|key| {
        key.source = KeySource::Fallback;
        key.expires = key.made.after(3600);
    });
    let id = fallback.id;
    shop.upload(&open, &[fallback]).unwrap();
    let stock = shop.stock(&open);
    assert_eq!(
        stock.piles[0].fallback_until,
        Some(town.time.now().after(3600))
    );
    assert_eq!((stock.piles[0].left, stock.piles[0].low), (0, true));
    let (one, two) = (shop.token(), shop.token());
    assert_eq!((open.key(&one).id, open.key(&two).id), (id, id));
    assert_eq!(open.key(&one).source, KeySource::Fallback);
    let fresh = shop.fill(&open, 1).remove(0).id;
    assert_eq!(open.key(&one).id, id, "an order keeps the key that it has");
    assert_eq!(open.key(&shop.token()).id, fresh);
    town.time.pass(3600);
    assert_eq!(refused(&open, &shop.token()), "stock_empty");
    key_expiry::burn(&open.service).unwrap();
    assert_eq!(shop.stock(&open).piles[0].fallback_until, None);
}

#[test]
fn expired_keys_stay_and_those_that_outlive_the_page_go_first() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let lasting = |seconds| shop.make_as(|key| key.expires = key.made.after(seconds));
    let (short, long) = (lasting(600), lasting(7200));
    let ids = (short.id, long.id);
    shop.upload(&open, &[lasting(60), short, long]).unwrap();
    town.time.pass(60);
    assert_eq!(shop.left(&open), 2);
    assert_eq!(open.key(&shop.token()).id, ids.1);
    assert_eq!(open.key(&shop.token()).id, ids.0);
    assert_eq!(refused(&open, &shop.token()), "stock_empty");
}

#[test]
fn a_token_counts_here_only_and_only_as_the_shop_signed_it() {
    let town = Town::new();
    let (open, shop, other) = (town.open(), town.shop(), town.shop());
    shop.fill(&open, 2);
    let stranger = SigningKey::from_seed(&[5; 32]);
    let mut changed = shop.token().into_bytes();
    changed[60] ^= 1;
    let elsewhere = PartyNumber::new(Role::Sealing, 5).unwrap();
    let tokens = [
        (
            "signed by another shop",
            other.token_as(|t| t.recipient = shop.number),
        ),
        ("of a shop without keys here", other.token()),
        ("changed", SignedBytes::new(changed)),
        (
            "for another service",
            shop.token_as(|t| t.service = elsewhere),
        ),
        ("no token at all", SignedBytes::new(b"token".to_vec())),
        ("nothing", SignedBytes::new(Vec::new())),
        ("a record", shop.record.signed().clone()),
        (
            "no member named",
            shop.token_as(|t| t.scheme = "member-public-1".parse().unwrap()),
        ),
    ];
    for (what, token) in tokens {
        assert_eq!(refused(&open, &token), "token_invalid", "{what}");
    }
    let own = Unverified::<tegata_protocol::order::CartToken>::parse(shop.token()).unwrap();
    let forged = stranger.sign(own.claimed());
    assert_eq!(refused(&open, &forged), "token_invalid");
    let compact = ask(&open.address, &shop.token(), "compact").unwrap_err();
    assert_eq!((compact.status, &*compact.error), (400, "token_invalid"));
    let suite = ask(&open.address, &shop.token(), "none").unwrap_err();
    assert_eq!(suite.detail, "suite must be standard or compact");
    assert_eq!(shop.left(&open), 2);
}

#[test]
fn a_suspended_shop_gets_no_keys() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.fill(&open, 1);
    let keys = shop.record.keys.clone();
    let record = town.centre.enter(shop.number, keys, Status::Suspended);
    let store = open.service.store();
    store.write(move |tables| tables.learn(&record)).unwrap();
    let told = open.ask(&shop.token()).unwrap_err();
    assert_eq!((told.status, &*told.error), (403, "not_active"));
}

#[test]
fn the_compact_suite_has_a_stock_of_its_own() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let compact = shop.make_of("order-public-1", Suite::Compact, |_| {});
    let id = compact.id;
    shop.upload(&open, &[compact]).unwrap();
    let standard = shop.fill(&open, 1).remove(0).id;
    let token = shop.token_of("order-public-1");
    let got = ask(&open.address, &token, "compact").unwrap();
    assert_eq!(key_of(&got).id, id);
    assert_eq!(open.key(&token).id, standard);
    assert_eq!(shop.stock(&open).piles.len(), 2);
}

#[test]
fn an_order_that_asks_in_both_suites_has_one_key_and_gets_no_third() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.fill(&open, 9);
    let compact: Vec<_> = (0..9)
        .map(|_| shop.make_of("order-public-1", Suite::Compact, |_| {}))
        .collect();
    shop.upload(&open, &compact).unwrap();
    let token = shop.token_of("order-public-1");
    let first = open.ask(&token).unwrap();
    assert!(contains(town.folder.path(), first.key.as_bytes()));
    let second = ask(&open.address, &token, "compact").unwrap();
    key_expiry::burn(&open.service).unwrap();
    assert!(!contains(town.folder.path(), first.key.as_bytes()), "burnt");
    assert!(contains(town.folder.path(), second.key.as_bytes()));
    for _ in 0..3 {
        let told = open.ask(&token).unwrap_err();
        assert_eq!((told.status, told.error.as_str()), (409, "stock_empty"));
        assert!(told.detail.contains("each suite"), "{}", told.detail);
        let again = ask(&open.address, &token, "compact").unwrap();
        assert_eq!(again, second);
    }
    let left: Vec<u32> = shop.stock(&open).piles.iter().map(|p| p.left).collect();
    assert_eq!(left, [8, 8]);
    // Another order is none the worse for it.
    open.ask(&shop.token_of("order-public-1")).unwrap();
}

#[test]
fn an_order_keeps_its_key_if_the_other_suite_has_none() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.fill(&open, 1);
    let token = shop.token_of("order-public-1");
    let first = open.ask(&token).unwrap();
    let told = ask(&open.address, &token, "compact").unwrap_err();
    assert_eq!(told.error, "stock_empty");
    assert_eq!(open.ask(&token).unwrap(), first);
}

/// Whatever else has happened: while one key for a single order is left, it goes first.
#[test]
fn no_fallback_key_is_handed_out_while_a_key_is_left() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let fallback = |shop: &Shop| {
        shop.make_as(|key| {
            key.source = KeySource::Fallback;
            key.expires = key.made.after(7_200);
        })
    };
    // The fallback key came first and lives for longer than the page; the keys are of all lengths.
    shop.upload(&open, &[fallback(&shop)]).unwrap();
    let lasting = |seconds| shop.make_as(|key| key.expires = key.made.after(seconds));
    let keys: Vec<_> = [5_000, 60, 899, 900, 100_000, 2]
        .into_iter()
        .map(lasting)
        .collect();
    shop.upload(&open, &keys).unwrap();
    shop.upload(&open, &[fallback(&shop)]).unwrap();
    for left in (0..keys.len()).rev() {
        let key = open.key(&shop.token());
        assert_eq!(key.source, KeySource::Regular, "{left} left");
        assert_eq!(shop.left(&open) as usize, left);
    }
    assert_eq!(open.key(&shop.token()).source, KeySource::Fallback);
    shop.fill(&open, 1);
    assert_eq!(open.key(&shop.token()).source, KeySource::Regular);
}

#[test]
fn members_get_their_own_key_if_the_shop_admitted_them() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let kind = "member-public-1";
    let of = |serial, seconds| {
        shop.make_of(kind, Suite::Standard, |key| {
            key.member = Some(member(serial));
            key.expires = key.made.after(seconds);
        })
    };
    let keys = [of(1, 600), of(2, 7200)];
    let ids = [keys[0].id, keys[1].id];
    shop.upload(&open, &keys).unwrap();
    let token = |serial| {
        shop.token_as(|token| {
            token.scheme = kind.parse().unwrap();
            token.member = Some(member(serial));
        })
    };
    assert_eq!(open.key(&token(1)).id, ids[0]);
    assert_eq!(open.key(&token(1)).id, ids[0], "each order of theirs");
    assert_eq!(open.key(&token(2)).id, ids[1]);
    let told = open.ask(&token(3)).unwrap_err();
    assert_eq!((told.status, &*told.error), (403, "not_admitted"));
    town.time.pass(600);
    assert_eq!(
        refused(&open, &token(1)),
        "stock_empty",
        "admitted all the same"
    );
    let other = town.shop();
    other.fill(&open, 1);
    let foreign = other.token_as(|token| {
        token.scheme = kind.parse().unwrap();
        token.member = Some(member(2));
    });
    assert_eq!(refused(&open, &foreign), "not_admitted");
}

#[test]
fn a_shops_current_key_is_its_newest() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let key = |seconds| {
        shop.make_of("shop-public-0", Suite::Standard, |key| {
            key.expires = key.made.after(seconds);
        })
    };
    let (old, new) = (key(7200), key(3600));
    let ids = (old.id, new.id);
    let token = || shop.token_of("shop-public-0");
    shop.upload(&open, &[old]).unwrap();
    let early = token();
    assert_eq!(open.key(&early).id, ids.0);
    shop.upload(&open, &[new]).unwrap();
    assert_eq!((open.key(&token()).id, open.key(&early).id), (ids.1, ids.0));
    assert!(!shop.stock(&open).piles[0].low);
    town.time.pass(3600);
    assert_eq!(open.key(&token()).id, ids.0, "the newest that holds");
    town.time.pass(3000);
    assert!(
        shop.stock(&open).piles[0].low,
        "ten minutes more won't do for long"
    );
}

#[test]
fn shared_keys_come_in_only_where_the_operator_says_so() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let shared = || shop.make_of("order-shared-1", Suite::Standard, |_| {});
    let wide = || shop.make_of("shop-shared-0", Suite::Standard, |_| {});
    let refusal = shop.upload(&open, &[shared()]).unwrap_err();
    assert_eq!(
        refusal.detail.as_deref(),
        Some("key 1: this service takes no shared keys")
    );
    open.kill();
    let rules = Rules {
        shared: true,
        ..Rules::default()
    };
    let open = town.open_with(rules);
    let key = shared();
    let id = key.id;
    shop.upload(&open, &[key, shared()]).unwrap();
    assert!(shop.upload(&open, &[wide()]).is_err());
    let token = shop.token_of("order-shared-1");
    assert_eq!(open.key(&token).id, id);
    open.kill();
    // Switched off again: what is in stock stays there.
    let open = town.open();
    let told = open.ask(&shop.token_of("order-shared-1")).unwrap_err();
    assert_eq!(
        (&*told.error, &*told.detail),
        ("stock_empty", "this service takes no shared keys")
    );
    open.kill();
    let rules = Rules {
        shared: true,
        shop_wide_shared: true,
        ..Rules::default()
    };
    let open = town.open_with(rules);
    let key = wide();
    let id = key.id;
    shop.upload(&open, &[key]).unwrap();
    let keys = [(); 2].map(|()| open.key(&shop.token_of("shop-shared-0")).id);
    assert_eq!(keys, [id, id]);
}

#[test]
fn burnt_and_expired_keys_are_erased_from_the_files() {
    let town = Town::new();
    let rules = Rules {
        shared: true,
        ..Rules::default()
    };
    let (open, shop) = (town.open_with(rules), town.shop());
    let keys: Vec<_> = (0..2)
        .map(|_| shop.make_of("order-shared-1", Suite::Standard, |_| {}))
        .collect();
    let secret = |n: usize| contains(town.folder.path(), &keys[n].seed);
    shop.upload(&open, &keys).unwrap();
    open.key(&shop.token_of("order-shared-1"));
    assert!(secret(0) && secret(1), "that's why they are dangerous");
    town.time.pass(900);
    key_expiry::burn(&open.service).unwrap();
    assert!(!secret(0), "burnt with its token");
    assert!(secret(1), "still in stock");
    town.time.pass(86_400);
    key_expiry::burn(&open.service).unwrap();
    assert!(!secret(1), "expired");
}

/// The promise that everything else is for: whoever takes the whole folder can't open an order.
#[test]
fn nothing_in_the_folder_opens_an_order_in_the_default_scheme() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let mut keys = shop.fill(&open, 2);
    let order = OrderId::random(&mut rng());
    keys.push(shop.make_of("order-public-1", Suite::Compact, |_| {}));
    shop.upload(&open, &keys[2..]).unwrap();
    let token = shop.token_as(|token| (token.order, token.compact) = (order, true));
    let hand_out = ask(&open.address, &token, "compact").unwrap();
    open.key(&token);
    let key = Unverified::<OrderKey>::parse(hand_out.key).unwrap();
    let key = key.verify(&shop.record.keys.signing).unwrap();
    open.service.store().fold().unwrap();
    open.kill();
    for key in &keys {
        assert!(!contains(town.folder.path(), &key.seed));
    }
    // Every 32 bytes of every file, tried as what the key that was handed out grew from.
    let pieces = pieces(town.folder.path());
    assert!(pieces.len() > 1000, "{}", pieces.len());
    let grown = |seed: &[u8; 32]| OpeningHalf::of(&key, seed).is_some();
    assert!(grown(&keys[2].seed), "the seed itself would be noticed");
    assert!(!pieces.iter().any(grown));
}

/// All different pieces of 32 bytes in the files of a folder, but those that are mostly zeros.
fn pieces(folder: &std::path::Path) -> BTreeSet<[u8; 32]> {
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let mut pieces = BTreeSet::new();
    for path in paths.filter(|path| path.is_file()) {
        let bytes = std::fs::read(path).unwrap();
        let windows = bytes.windows(32).map(|w| <[u8; 32]>::try_from(w).unwrap());
        pieces.extend(windows.filter(|w| w.iter().filter(|b| **b == 0).count() < 8));
    }
    pieces
}

#[test]
fn what_was_handed_out_is_remembered_after_a_power_cut() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.fill(&open, 2);
    let token = shop.token();
    let first = open.ask(&token).unwrap();
    open.kill();
    let open = town.open();
    assert_eq!(open.ask(&token).unwrap(), first);
    assert_ne!(open.key(&shop.token()).id, key_of(&first).id);
    assert_eq!(refused(&open, &shop.token()), "stock_empty");
}

#[test]
fn any_page_may_ask_and_may_have_it_compressed() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.fill(&open, 1);
    let (url, token) = (format!("{}/v1/keys", open.address), shop.token());
    let bytes = |response: &mut ureq::http::Response<ureq::Body>| {
        response.body_mut().read_to_vec().unwrap()
    };
    let request = agent()
        .post(&url)
        .header("origin", "http://shop.localhost")
        .header("content-type", "application/octet-stream");
    let mut plain = request
        .header("accept-encoding", "identity")
        .send(token.as_bytes())
        .unwrap();
    assert_eq!(plain.headers()["content-type"], "application/cbor");
    assert_eq!(plain.headers()["access-control-allow-origin"], "*");
    assert!(
        !plain
            .headers()
            .contains_key("access-control-allow-credentials")
    );
    assert_eq!(plain.headers()["cache-control"], "no-store");
    assert!(!plain.headers().contains_key("set-cookie"));
    let request = agent().post(&url).header("accept-encoding", "gzip");
    let mut packed = request.send(token.as_bytes()).unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let (plain, packed) = (bytes(&mut plain), bytes(&mut packed));
    let mut unpacked = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(packed.as_slice());
    std::io::Read::read_to_end(&mut decoder, &mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    assert!(packed.len() <= 2560, "{} bytes gzipped", packed.len());
    let asked = agent().options(&url).call().unwrap();
    assert_eq!(
        asked.headers()["access-control-allow-headers"],
        "content-type"
    );
    assert_eq!(asked.headers()["access-control-allow-origin"], "*");
    let large = agent().post(&url).send(&[0_u8; 4096]).unwrap();
    assert_eq!(large.status().as_u16(), 400);
    assert_eq!(large.headers()["access-control-allow-origin"], "*");
}

#[test]
fn this_machine_may_ask_for_600_keys_a_minute_unless_set_and_messages_go_on() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let here = std::net::IpAddr::from([127, 0, 0, 1]);
    let keys = (0..).take_while(|_: &u32| open.service.count(Class::Keys, here).is_ok());
    assert_eq!(keys.count(), 600);
    let answer = agent().post(format!("{}/v1/keys", open.address));
    let answer = answer.send(shop.token().as_bytes()).unwrap();
    assert_eq!(answer.status().as_u16(), 429);
    shop.fill(&open, 1);
    assert_eq!(shop.left(&open), 1, "the shop beside it isn't hindered");
    let elsewhere = std::net::IpAddr::from([192, 0, 2, 7]);
    let keys = (0..).take_while(|_: &u32| open.service.count(Class::Keys, elsewhere).is_ok());
    assert_eq!(keys.count(), 120);
}

#[test]
fn who_asks_too_fast_waits() {
    let town = Town::new();
    let rules = Rules {
        loopback_per_minute: 4,
        ..Rules::default()
    };
    let (open, shop) = (town.open_with(rules), town.shop());
    shop.fill(&open, 2);
    let ask = || agent().post(format!("{}/v1/keys", open.address));
    let token = shop.token();
    for _ in 0..4 {
        let answer = ask().send(token.as_bytes()).unwrap();
        assert_eq!(answer.status().as_u16(), 200);
    }
    let answer = ask().send(token.as_bytes()).unwrap();
    assert_eq!(answer.status().as_u16(), 429);
    assert_eq!(answer.headers()["retry-after"], "15");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    town.time.pass(15);
    let answer = ask().send(token.as_bytes()).unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}
