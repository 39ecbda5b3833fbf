//! Placing an order without a browser, against a town that tries everything to read or spoil it.

use std::sync::Arc;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use tegata_party::client::order::{
    NewOrder, OrderError, Placed, ReadyOrder, SealingService, Storefront,
};
use tegata_party::client::{CallError, Client};
use tegata_protocol::order::{
    Field, FieldValue, KeyKind, KeySource, Maker, OpeningHalf, OrderForm, OrderId, Typed,
};
use tegata_protocol::refusal::Code;
use tegata_protocol::{Digest, PartyNumber, Role, SigningKey, Suite};

use crate::town::{NOW, Town, Words, lines, record_of, service_key, shop_key};

const STREET: &str = "3-1 Marunouchi";

fn form() -> OrderForm {
    OrderForm {
        lines: lines(),
        fields: vec![Field {
            name: "address".to_owned(),
            value: FieldValue::Text(STREET.to_owned()),
        }],
        language: "ja".to_owned(),
    }
}

fn front(town: &Town) -> Storefront {
    Storefront::shop(&record_of(Role::Shop, &shop_key(), &town.address), None)
}

fn service(town: &Town) -> SealingService<'_> {
    SealingService {
        address: &town.address,
        danger_trusted: None,
    }
}

fn place(town: &Town) -> Result<(ReadyOrder, Placed), OrderError> {
    let (rng, form) = (&mut UnwrapErr(SysRng), form());
    Client::default().place_order(&front(town), service(town), NewOrder::of(&form), NOW, rng)
}

/// What is said when the town answers like that; nothing of the form may have left.
fn untrusted(change: impl FnOnce(&mut Words)) -> String {
    let town = Town::start("order-public-1");
    change(&mut town.words());
    match place(&town) {
        Err(error @ OrderError::Untrusted { what, .. }) => {
            if what != "receipt" {
                let sent = town
                    .words()
                    .asked
                    .iter()
                    .any(|(path, _)| path == "/v1/orders");
                assert!(!sent, "{error}");
            }
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_in_any_scheme_is_placed_and_its_receipt_verified() {
    for scheme in [
        "order-public-1",
        "order-shared-0",
        "shop-shared-1",
        "order-public-3",
    ] {
        let town = Town::start(scheme);
        let (ready, placed) = place(&town).unwrap();
        assert_eq!(placed.receipt.order, ready.order());
        assert_eq!(placed.receipt.sealed, Digest::of(ready.bytes()));
        assert_eq!(placed.status, Some(format!("{}/orders/seen", town.address)));
        let words = town.words();
        assert_eq!(words.forms, [form()]);
        assert_eq!(words.asked[0].1, br#"{"lines":[["book",2]]}"#);
        let seen = words.asked.iter().any(|(_, body)| {
            body.windows(STREET.len())
                .any(|window| window == STREET.as_bytes())
        });
        assert!(!seen, "nothing travels in clear");
    }
}

#[test]
fn a_typed_in_key_seals_too() {
    let town = Town::start("order-public-1");
    let (rng, form) = (&mut UnwrapErr(SysRng), form());
    let typed = Typed::new("winter in Kyoto").unwrap();
    let placed = Client::default().place_order(
        &front(&town),
        service(&town),
        NewOrder {
            typed: Some(&typed),
            ..NewOrder::of(&form)
        },
        NOW,
        rng,
    );
    placed.unwrap();
    assert_eq!(town.words().forms, [form]);
}

#[test]
fn a_token_that_is_not_for_this_order_is_not_used() {
    let stranger = || SigningKey::from_seed(&[66; 32]);
    assert!(untrusted(|w| w.token_by = stranger()).contains("token"));
    assert!(untrusted(|w| w.token.cart = Digest::of(b"another")).contains("another cart"));
    assert!(untrusted(|w| w.token.expires = NOW).contains("expired"));
    let other = PartyNumber::new(Role::Shop, 6).unwrap();
    assert!(untrusted(|w| w.token.recipient = other).contains("another recipient"));
    let member = PartyNumber::new(Role::Member, 6).unwrap();
    let told = untrusted(|w| {
        w.token.scheme = "member-public-1".parse().unwrap();
        w.token.member = Some(member);
    });
    assert!(told.contains("another member"), "{told}");
}

#[test]
fn a_key_that_was_substituted_seals_nothing() {
    // By the service or whoever stands before it.
    let told = untrusted(|w| w.key_by = service_key());
    assert!(told.contains("key") && told.contains("signature"), "{told}");
    let told = untrusted(|w| {
        w.key_by = service_key();
        w.key.maker = Maker::Service;
    });
    assert!(told.contains("didn't allow"), "{told}");
    let told = untrusted(|w| {
        w.key_by = service_key();
        w.key.maker = Maker::Service;
        w.token.maker = Maker::Service;
    });
    assert!(told.contains("could read the order"), "{told}");
    // Genuine, but for somebody or something else.
    let other = PartyNumber::new(Role::Shop, 6).unwrap();
    assert!(untrusted(|w| w.key.recipient = other).contains("another recipient"));
    let weaker = "order-public-0".parse().unwrap();
    assert!(untrusted(|w| w.key.scheme = weaker).contains("another way of sealing"));
    assert!(untrusted(|w| w.key.expires = NOW).contains("expired"));
}

#[test]
fn a_downgrade_is_noticed() {
    let compact = OpeningHalf::from_seed(KeyKind::Public, Suite::Compact, &[7; 32]);
    // The token allows it to browsers that can't do better; we can.
    let told = untrusted(|w| w.key.part = compact.sealing_part());
    assert!(told.contains("weaker suite"), "{told}");
}

#[test]
fn a_program_altered_by_one_byte_is_noticed() {
    let told = untrusted(|w| w.program = w.program.replacen('c', "C", 1));
    assert!(told.contains("program"), "{told}");
}

#[test]
fn a_receipt_for_anything_else_is_none() {
    let stranger = || SigningKey::from_seed(&[66; 32]);
    assert!(untrusted(|w| w.receipt_by = stranger()).contains("receipt"));
    let order = |receipt: &mut tegata_protocol::order::OrderReceipt| {
        receipt.order = OrderId::from_bytes([0; 16]);
    };
    assert!(untrusted(|w| w.receipt = order).contains("another order"));
    assert!(untrusted(|w| w.receipt = |r| r.sealed = Digest::of(b"x")).contains("another order"));
    assert!(untrusted(|w| w.receipt = |r| r.total = None).contains("price"));
}

#[test]
fn a_service_that_was_pinned_may_make_keys_where_the_shop_allows_it() {
    let town = Town::start("order-public-1");
    {
        let mut words = town.words();
        words.key_by = service_key();
        words.key.maker = Maker::Service;
        words.token.maker = Maker::Service;
    }
    let record = record_of(Role::Sealing, &service_key(), &town.address);
    let other = record_of(
        Role::Sealing,
        &SigningKey::from_seed(&[9; 32]),
        &town.address,
    );
    let try_with = |trusted| {
        let (rng, form) = (&mut UnwrapErr(SysRng), form());
        let service = SealingService {
            danger_trusted: Some(trusted),
            ..service(&town)
        };
        let client = Client::default();
        client.place_order(&front(&town), service, NewOrder::of(&form), NOW, rng)
    };
    assert!(try_with(&record).is_ok());
    assert!(matches!(
        try_with(&other),
        Err(OrderError::Untrusted { .. })
    ));
    // A service that was pinned, but not the one that the shop chose.
    town.words().token.service = PartyNumber::new(Role::Sealing, 6).unwrap();
    let told = try_with(&record).unwrap_err().to_string();
    assert!(told.contains("another sealing service"), "{told}");
}

fn refusal(word: &str) -> String {
    format!(r#"{{"error":"{word}","number":1,"text":"<b>lies</b>","detail":"case\u001b 4"}}"#)
}

#[test]
fn a_used_up_key_is_replaced_once_without_asking_anybody() {
    let town = Town::start("order-public-1");
    town.words().first = vec![(409, refusal("stock_empty"))];
    place(&town).unwrap();
    let tokens = |town: &Arc<Town>| {
        let words = town.words();
        words
            .asked
            .iter()
            .filter(|(path, _)| path == "/v1/orders/token")
            .count()
    };
    assert_eq!(tokens(&town), 2);
    let town = Town::start("order-public-1");
    town.words().first = vec![(409, refusal("stock_empty")); 9];
    assert!(matches!(place(&town), Err(OrderError::Refused { .. })));
    assert_eq!(tokens(&town), 2, "once");
}

#[test]
fn a_refusal_is_told_in_our_words() {
    let town = Town::start("order-public-1");
    town.words().first = vec![(400, refusal("product_unknown"))];
    match place(&town) {
        Err(OrderError::Refused { refusal, .. }) => {
            assert_eq!(refusal.code, Code::ProductUnknown);
            let text = refusal.to_string();
            assert!(
                text.contains("(case 4)") && !text.contains("lies"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    for (status, body) in [(400, "{}"), (404, "<html>"), (500, "oops"), (429, "")] {
        let town = Town::start("order-public-1");
        town.words().first = vec![(status, body.to_owned())];
        let error = place(&town).unwrap_err();
        assert!(matches!(error, OrderError::Call(_)), "{status}: {error}");
    }
}

#[test]
fn an_order_whose_answer_was_lost_is_sent_again_as_it_was() {
    let town = Town::start("order-public-1");
    let (client, front, rng) = (Client::default(), front(&town), &mut UnwrapErr(SysRng));
    let token = client.order_token(&front, &lines(), None, NOW).unwrap();
    let key = client
        .order_key(&front, service(&town), &token, NOW)
        .unwrap();
    assert_eq!(key.source, KeySource::Regular);
    let ready = ReadyOrder::seal(token, &key, &form(), None, rng).unwrap();
    town.words().first = vec![(500, String::new())];
    let lost = client.send_order(&front, &ready);
    assert!(matches!(
        lost,
        Err(OrderError::Call(CallError::Fault { .. }))
    ));
    let kept = ready.bytes().to_vec();
    drop(ready);
    let again = ReadyOrder::resume(&front, kept.clone()).unwrap();
    client.send_order(&front, &again).unwrap();
    let words = town.words();
    let sent: Vec<_> = words
        .asked
        .iter()
        .filter(|(path, _)| path == "/v1/orders")
        .collect();
    assert!(sent.len() == 2 && sent.iter().all(|(_, body)| *body == kept));
    drop(words);
    assert!(ReadyOrder::resume(&front, b"not an order".to_vec()).is_err());
}

#[test]
fn what_the_shop_could_not_read_is_not_sent() {
    let town = Town::start("order-public-1");
    let (client, front, rng) = (Client::default(), front(&town), &mut UnwrapErr(SysRng));
    let token = client.order_token(&front, &lines(), None, NOW).unwrap();
    let key = client
        .order_key(&front, service(&town), &token, NOW)
        .unwrap();
    let mut large = form();
    large.fields[0].value = FieldValue::Bytes(vec![0; 64 * 1024]);
    // It would fit by itself, but not with what sealing adds.
    let mut nearly = form();
    nearly.fields[0].value = FieldValue::Bytes(vec![0; 64 * 1024 - 300]);
    assert!(nearly.to_bytes().len() <= 64 * 1024);
    let mut language = form();
    language.language = "fr".to_owned();
    let mut other = form();
    other.lines[0].quantity = 3;
    for form in [large, nearly, language, other] {
        let ready = ReadyOrder::seal(token.clone(), &key, &form, None, rng);
        assert!(matches!(ready, Err(OrderError::Form(_))), "{ready:?}");
    }
}
