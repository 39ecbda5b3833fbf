//! Keys that shops put in stock: all or none, once, from whoever the register knows.

use tegata_party::client::{Answer, Callee, Client, Prepared, Stamp};
use tegata_protocol::envelope::Reply;
use tegata_protocol::order::{
    KeySource, KeysWanted, MadeKeys, Maker, OrderKey, Stock, StockInquiry, StockUpload,
};
use tegata_protocol::record::Status;
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{
    Digest, MessageId, PartyNumber, Role, SignedBytes, SigningKey, Suite, Unverified,
};
use tegata_sealing::handler::{self, Unanswered};

use crate::town::{Made, Open, Shop, Town, agent, rng};

fn reply(shop: &Shop, open: &Open, prepared: &Prepared) -> SignedBytes {
    match shop.send::<Stock>(open, prepared).unwrap() {
        Answer::Accepted { reply, .. } => reply.signed().clone(),
        Answer::Refused(refusal) => refusal.signed().clone(),
    }
}

fn why(result: Result<Stock, Refusal>) -> String {
    let refusal = result.unwrap_err();
    assert_eq!(refusal.code, Code::StockRefused);
    refusal.detail.unwrap()
}

#[test]
fn keys_come_in_and_are_counted() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let stock = shop.upload(&open, &shop.make(30)).unwrap();
    assert_eq!(stock.program, tegata_protocol::order::program_digest());
    assert_eq!((stock.piles.len(), stock.piles[0].left), (1, 30));
    assert!(!stock.piles[0].low);
    shop.fill(&open, 64);
    assert_eq!(shop.left(&open), 94);
    assert_eq!(town.shop().stock(&open).piles, []);
}

#[test]
fn twenty_left_are_few() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    shop.fill(&open, 21);
    assert!(!shop.stock(&open).piles[0].low);
    open.key(&shop.token());
    let pile = &shop.stock(&open).piles[0];
    assert_eq!((pile.left, pile.low), (20, true));
}

#[test]
fn one_bad_key_keeps_all_out() {
    let town = Town::new();
    let (open, shop, other) = (town.open(), town.shop(), town.shop());
    let mut keys = shop.make(3);
    keys.insert(2, other.make_as(|key| key.recipient = shop.number));
    let detail = why(shop.upload(&open, &keys));
    assert_eq!(detail, "key 3: it isn't signed by the sender's bill key");
    assert_eq!(shop.left(&open), 0);
    keys.remove(2);
    shop.upload(&open, &keys).unwrap();
    assert_eq!(shop.left(&open), 3);
}

#[test]
fn each_reason_against_a_key_is_named() {
    let town = Town::new();
    let (open, shop, other) = (town.open(), town.shop(), town.shop());
    let unread = Made {
        signed: SignedBytes::new(b"key".to_vec()),
        ..shop.make_as(|_| {})
    };
    let known = shop.make_as(|_| {});
    let id = known.id;
    shop.upload(&open, &[known]).unwrap();
    let now = town.time.now();
    let cases = [
        ("it can't be read", unread),
        (
            &*format!("it's {}'s", other.number),
            shop.make_as(|k| k.recipient = other.number),
        ),
        (
            "it says that the service made it",
            shop.make_as(|k| k.maker = Maker::Service),
        ),
        (
            "it expired",
            shop.make_as(|k| (k.made, k.expires) = (now.before(60), now)),
        ),
        (
            "it's from the future",
            shop.make_as(|k| k.made = now.after(301)),
        ),
        (
            "its program was never published here",
            shop.make_as(|k| k.program = Digest::of(b"another")),
        ),
        ("it was in stock before", shop.make_as(|k| k.id = id)),
        (
            "this service takes no shared keys",
            shop.make_of("order-shared-0", Suite::Standard, |_| {}),
        ),
    ];
    for (reason, key) in cases {
        let detail = why(shop.upload(&open, &[key]));
        assert!(
            detail.starts_with(&format!("key 1: {reason}")),
            "{reason}: {detail}"
        );
    }
    let twice = shop.make_as(|_| {});
    let copy = Made {
        signed: twice.signed.clone(),
        ..shop.make_as(|_| {})
    };
    let detail = why(shop.upload(&open, &[twice, copy]));
    assert_eq!(detail, "key 2: it stands here twice");
    assert_eq!(shop.left(&open), 1);
}

/// What was handed out, burnt or expired never comes back.
#[test]
fn a_key_comes_in_once_for_ever() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let key = shop.make_as(|_| {});
    let again = Made {
        signed: key.signed.clone(),
        ..shop.make_as(|_| {})
    };
    shop.upload(&open, &[key]).unwrap();
    open.key(&shop.token());
    town.time.pass(900);
    tegata_sealing::key_expiry::burn(&open.service).unwrap();
    let detail = why(shop.upload(&open, &[again]));
    assert_eq!(detail, "key 1: it was in stock before");
    // Its number is free for another shop, whose own it is.
    let other = town.shop();
    let id = shop.make_as(|_| {}).id;
    other
        .upload(&open, &[other.make_as(|key| key.id = id)])
        .unwrap();
    shop.upload(&open, &[shop.make_as(|key| key.id = id)])
        .unwrap();
}

#[test]
fn the_same_bytes_count_once_and_get_the_same_reply() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let upload = Shop::upload_of(&shop.make(5));
    let id = MessageId::random(&mut rng());
    let prepared = shop.prepare_as(&open.callee(), id, upload);
    let first = reply(&shop, &open, &prepared);
    for seconds in [0, 3600, 40 * 86_400] {
        town.time.pass(seconds);
        assert_eq!(reply(&shop, &open, &prepared), first);
    }
    assert_eq!(
        shop.left(&open),
        0,
        "they have expired, and came in only once"
    );
    let other = shop.prepare_as(&open.callee(), id, Shop::upload_of(&shop.make(1)));
    let refused = shop.send::<Stock>(&open, &other).unwrap().accepted();
    assert_eq!(refused.unwrap_err().code, Code::IdReused);
    open.kill();
    let open = town.open();
    assert_eq!(reply(&shop, &open, &prepared), first, "after a restart");
}

#[test]
fn a_refusal_is_final_for_its_message() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let late = shop.make_as(|key| key.expires = key.made.after(10));
    let prepared = shop.prepare(&open.callee(), Shop::upload_of(&[late]));
    town.time.pass(10);
    let first = reply(&shop, &open, &prepared);
    assert_eq!(reply(&shop, &open, &prepared), first);
    let old = shop.prepare(&open.callee(), Shop::upload_of(&shop.make(1)));
    town.time.pass(301);
    let refused = shop.send::<Stock>(&open, &old).unwrap().accepted();
    assert_eq!(refused.unwrap_err().code, Code::Untimely);
}

#[test]
fn under_a_fresh_seal_the_reply_is_sealed_to_the_shops_own_key() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let prepared = shop.prepare(&open.callee(), Shop::upload_of(&shop.make(1)));
    let first = reply(&shop, &open, &prepared);
    let parcel = prepared.parcel().clone();
    let again = Prepared::again(&open.callee(), parcel, &mut rng()).unwrap();
    assert_eq!(reply(&shop, &open, &again), first);
    let ask = |bytes: Vec<u8>| {
        let url = format!("{}/v1/message", open.address);
        let mut response = agent().post(&url).send(bytes).unwrap();
        Reply::parse(&response.body_mut().read_to_vec().unwrap()).unwrap()
    };
    assert!(matches!(ask(prepared.to_bytes()), Reply::Exported(_)));
    assert!(matches!(ask(again.to_bytes()), Reply::Sealed(_)));
}

#[test]
fn the_record_is_needed_once_and_a_newer_one_is_taken_over() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let bare = || {
        let stamp = Stamp::random(town.time.now(), &mut rng());
        let (caller, callee) = (shop.caller(), open.callee());
        Prepared::new(caller, &callee, stamp, StockInquiry {}, None, &mut rng()).unwrap()
    };
    let unknown = shop.send::<Stock>(&open, &bare()).unwrap_err();
    assert!(matches!(
        unknown,
        tegata_party::client::CallError::Unreadable(_)
    ));
    shop.fill(&open, 1);
    shop.send::<Stock>(&open, &bare())
        .unwrap()
        .accepted()
        .unwrap();
    town.time.pass(60);
    let suspended = town
        .centre
        .enter(shop.number, shop.record.keys.clone(), Status::Suspended);
    let stamp = Stamp::random(town.time.now(), &mut rng());
    let record = Some(suspended.signed().as_bytes().to_vec());
    let (caller, callee) = (shop.caller(), open.callee());
    let told = Prepared::new(caller, &callee, stamp, StockInquiry {}, record, &mut rng()).unwrap();
    let refused = shop.send::<Stock>(&open, &told).unwrap().accepted();
    assert_eq!(refused.unwrap_err().code, Code::NotActive);
}

/// An older record beside a message doesn't bring back what a newer one took away.
#[test]
fn an_older_record_is_of_no_use() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    town.time.pass(60);
    let (keys, number) = (shop.record.keys.clone(), shop.number);
    let suspended = town.centre.enter(number, keys, Status::Suspended);
    let store = open.service.store();
    store.write(move |tables| tables.learn(&suspended)).unwrap();
    let refused = shop.upload(&open, &shop.make(1)).unwrap_err();
    assert_eq!(refused.code, Code::NotActive);
}

#[test]
fn strangers_get_one_answer() {
    let town = Town::new();
    let (open, shop, other) = (town.open(), town.shop(), town.shop());
    shop.fill(&open, 1);
    let elsewhere = Callee {
        number: PartyNumber::new(Role::Sealing, 5).unwrap(),
        ..open.callee()
    };
    let body = || Shop::upload_of(&shop.make(1));
    let good = shop.prepare(&open.callee(), body());
    let mut changed = good.to_bytes();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let foreign = Shop {
        signing: SigningKey::from_seed(&[9; 32]),
        ..town.shop()
    };
    let borrowed = {
        // Somebody else's record beside one's own message.
        let stamp = Stamp::random(town.time.now(), &mut rng());
        let record = Some(shop.record.signed().as_bytes().to_vec());
        let (caller, callee) = (foreign.caller(), open.callee());
        Prepared::new(caller, &callee, stamp, body(), record, &mut rng()).unwrap()
    };
    // One shop in another's name, with its own key and record.
    let (own, mine) = (town.shop(), town.shop());
    let posing = Shop {
        number: own.number,
        ..mine
    };
    let messages = [
        b"nonsense".to_vec(),
        posing.prepare(&open.callee(), body()).to_bytes(),
        changed,
        shop.prepare(&elsewhere, body()).to_bytes(),
        foreign.prepare(&open.callee(), body()).to_bytes(),
        borrowed.to_bytes(),
        other
            .prepare(&open.callee(), Refusal::new(Code::SoldOut))
            .to_bytes(),
    ];
    for (message, place) in messages.into_iter().zip(1..) {
        let url = format!("{}/v1/message", open.address);
        let mut response = agent().post(&url).send(message).unwrap();
        assert_eq!(response.status().as_u16(), 400, "{place}");
        let text = response.body_mut().read_to_string().unwrap();
        assert_eq!(text, r#"{"error":"unreadable"}"#, "{place}");
    }
    assert_eq!(shop.left(&open), 1);
}

#[test]
fn gates_have_no_keys_here() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let number = PartyNumber::new(Role::Gate, 3).unwrap();
    let gate = town
        .centre
        .enter(number, shop.record.keys.clone(), Status::Active);
    let gate = Shop {
        number,
        record: gate,
        ..shop
    };
    let refused = gate.ask::<_, Stock>(&open, StockInquiry {}).unwrap_err();
    assert_eq!(refused.code, Code::WrongRole);
    let wanted = gate.ask::<_, MadeKeys>(&open, KeysWanted { after: 0 });
    assert_eq!(wanted.unwrap_err().code, Code::WrongRole);
}

/// The centre opens its application form like a shop its orders; its certificates speak for it.
#[test]
fn the_centre_has_keys_like_a_shop() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let key = shop.make_as(|key| key.recipient = PartyNumber::CENTRE);
    let claimed = Unverified::<OrderKey>::parse(key.signed).unwrap();
    let signed = town.centre.receipts.sign(claimed.claimed());
    let caller = tegata_party::client::Caller {
        number: PartyNumber::CENTRE,
        signing: &town.centre.receipts,
        opening: &town.centre.opening,
    };
    let (stamp, callee) = (Stamp::random(town.time.now(), &mut rng()), open.callee());
    let body = StockUpload { keys: vec![signed] };
    let prepared = Prepared::new(caller, &callee, stamp, body, None, &mut rng()).unwrap();
    let answer = Client::default().call::<Stock>(caller, &callee, &prepared);
    let stock = answer.unwrap().accepted().unwrap();
    assert_eq!(stock.body.piles[0].left, 1);
    let token = shop.token_as(|token| token.recipient = PartyNumber::CENTRE);
    let claimed = Unverified::<tegata_protocol::order::CartToken>::parse(token.clone()).unwrap();
    let good = town.centre.receipts.sign(claimed.claimed());
    assert_eq!(open.ask(&token).unwrap_err().error, "token_invalid");
    assert_eq!(open.key(&good).id, key.id);
}

#[test]
fn a_file_that_was_carried_for_days_comes_in_once() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let made = shop.make_as(|key| key.expires = key.made.after(9 * 86_400));
    let file = shop.prepare(&open.callee(), Shop::upload_of(&[made]));
    let file = file.to_bytes();
    town.time.pass(3 * 86_400);
    for _ in 0..2 {
        let (from, taken) = handler::import(&open.service, &file).unwrap();
        assert_eq!((from, taken.unwrap().piles[0].left), (shop.number, 1));
    }
    assert_eq!(shop.left(&open), 1);
    let late = shop.make_as(|key| key.expires = key.made.after(60));
    let late = shop.prepare(&open.callee(), Shop::upload_of(&[late]));
    town.time.pass(60);
    let (_, refused) = handler::import(&open.service, &late.to_bytes()).unwrap();
    assert_eq!(refused.unwrap_err().code, Code::StockRefused);
    let inquiry = shop.prepare(&open.callee(), StockInquiry {});
    for bytes in [b"nonsense".to_vec(), inquiry.to_bytes()] {
        let error = handler::import(&open.service, &bytes).unwrap_err();
        assert!(matches!(error, Unanswered::Unreadable(_)), "{error}");
    }
}

#[test]
fn a_shop_that_fills_the_disk_is_stopped() {
    let town = Town::new();
    let (open, shop) = (town.open(), town.shop());
    let one = shop.make_as(|key| key.source = KeySource::Regular);
    shop.upload(&open, &[one]).unwrap();
    // As if there were many: rows that hold the same key under other numbers.
    let connection = rusqlite::Connection::open(town.folder.path().join("sealing.db")).unwrap();
    connection
        .execute(
            "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
             INSERT INTO order_key
             SELECT i, recipient, randomblob(16), scheme, suite, member, source, expires, state,
             x'00' FROM order_key, n WHERE number = 1",
            [],
        )
        .unwrap();
    let refused = shop.upload(&open, &shop.make(1)).unwrap_err();
    let detail = refused.detail.unwrap();
    assert_eq!(detail, "50000 keys are in stock, no more fit");
}
