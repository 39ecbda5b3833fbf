//! What holds for every form, key and token.

use proptest::{collection::vec, option, prelude::*, sample::select};
use tegata_protocol::{
    Digest, Document as _, MessageId, SealingKey, Suite, Unverified, cbor,
    envelope::{Body, Envelope, Parcel, SEALED_LIMIT},
    order::{
        Binding, CartLine, CartToken, Field, FieldValue, KeyKind, KeyScope, MadeKey, MadeKeys,
        Maker, OpeningHalf, OrderForm, OrderId, OrderKey, OrderKeyId, Scheme, SealedOrder,
        SharedKey, StockUpload, cart_digest,
    },
};

use crate::{
    kinds::Kind,
    properties::{config, round},
    samples::{self, SHOP, order_key},
    town,
};

fn any_line() -> impl Strategy<Value = CartLine> {
    ("[a-z0-9-]{1,40}", 1..=9_999_u32)
        .prop_map(|(product, quantity)| CartLine { product, quantity })
}

fn any_value() -> impl Strategy<Value = FieldValue> {
    prop_oneof![
        "(?s).{0,60}".prop_map(FieldValue::Text),
        vec(any::<u8>(), 0..300).prop_map(FieldValue::Bytes),
    ]
}

fn any_form() -> impl Strategy<Value = OrderForm> {
    let fields = proptest::collection::btree_map("[a-z]{1,40}", any_value(), 0..12);
    (vec(any_line(), 0..20), fields, select(vec!["en", "ja"])).prop_map(
        |(lines, fields, language)| {
            let fields = fields.into_iter();
            OrderForm {
                lines,
                fields: fields.map(|(name, value)| Field { name, value }).collect(),
                language: language.into(),
            }
        },
    )
}

fn any_scheme() -> impl Strategy<Value = Scheme> {
    let scope = select(vec![KeyScope::Shop, KeyScope::Order, KeyScope::Member]);
    let kind = select(vec![KeyKind::Shared, KeyKind::Public]);
    (scope, kind, 0..=3_u8)
        .prop_map(|(scope, kind, layers)| Scheme::new(scope, kind, layers).unwrap())
}

fn any_suite() -> impl Strategy<Value = Suite> {
    select(vec![Suite::Compact, Suite::Standard])
}

/// The record as its receivers have it, and what is bound to it.
fn binding(key: &OrderKey, order: [u8; 16], lines: &[CartLine]) -> Binding {
    let shop = town::signing(SHOP);
    let unverified = Unverified::parse(shop.sign(key)).unwrap();
    let verified = unverified.verify(&shop.verifying_key()).unwrap();
    Binding::new(&verified, OrderId::from_bytes(order), cart_digest(lines))
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn forms_go_there_and_back(form in any_form()) {
        round(&form);
        let bytes = form.to_bytes();
        prop_assert_eq!(OrderForm::parse(&bytes), Ok(form.clone()));
        let said = crate::pages::rules().check("order-form", &crate::cbor_tree::Node::read(&bytes).unwrap());
        prop_assert!(said.is_ok(), "{:?}", said);
        for field in &form.fields {
            let text = match &field.value {
                FieldValue::Text(text) => Some(&**text),
                FieldValue::Bytes(_) => None,
            };
            prop_assert_eq!(form.text(&field.name), text);
        }
        // What was typed never shows in logs.
        let shown = format!("{form:?}");
        for field in &form.fields {
            if let FieldValue::Text(text) = &field.value {
                prop_assert!(text.len() < 8 || !shown.contains(&**text));
            }
        }
    }

    #[test]
    fn tokens_go_there_and_back(
        order in any::<[u8; 16]>(),
        lines in vec(any_line(), 0..20),
        total in option::of(0..1_000_000_u64),
        scheme in any_scheme(),
        compact in any::<bool>(),
        maker in select(vec![Maker::Recipient, Maker::Service]),
        seconds in any::<u32>(),
    ) {
        let token = CartToken {
            recipient: town::shop(),
            order: OrderId::from_bytes(order),
            cart: cart_digest(&lines),
            total: total.map(samples::yen),
            scheme,
            maker,
            compact,
            member: (scheme.scope() == KeyScope::Member).then(town::member),
            service: samples::service(),
            expires: tegata_protocol::Time::from_secs(u64::from(seconds)),
        };
        round(&token);
        let key = town::signing(SHOP);
        let read = Kind::named("cart-token").read(key.sign(&token).as_bytes(), &key.verifying_key());
        prop_assert_eq!(read, Ok(()));
        let turned = CartToken { member: token.member.is_none().then(town::member), ..token };
        let read = Kind::named("cart-token").read(key.sign(&turned).as_bytes(), &key.verifying_key());
        prop_assert!(read.is_err());
    }

    #[test]
    fn keys_and_schemes_go_there_and_back(scheme in any_scheme(), suite in any_suite()) {
        round(&scheme);
        prop_assert_eq!(scheme.to_string().parse::<Scheme>(), Ok(scheme));
        let key = order_key(scheme, suite);
        round(&key);
        let shop = town::signing(SHOP);
        let read = Kind::named("order-key").read(shop.sign(&key).as_bytes(), &shop.verifying_key());
        prop_assert_eq!(read, Ok(()));
        prop_assert!(OpeningHalf::of(&key, &[samples::ORDER_SEED; 32]).is_some());
        prop_assert!(OpeningHalf::of(&key, &[0; 32]).is_none());
    }

    #[test]
    fn sealed_orders_go_there_and_back(
        sealed in vec(any::<u8>(), 0..600),
        card in option::of(vec(any::<u8>(), 0..100)),
        key in any::<[u8; 16]>(),
    ) {
        let order = SealedOrder {
            key: OrderKeyId::from_bytes(key),
            sealed,
            ..samples::sealed_order(card.as_deref())
        };
        round(&order);
        prop_assert_eq!(SealedOrder::parse(&order.to_bytes()), Ok(order));
    }

    /// One line more, less or otherwise is another cart.
    #[test]
    fn carts_differ_in_their_digests(one in vec(any_line(), 0..6), other in vec(any_line(), 0..6)) {
        prop_assert_eq!(cart_digest(&one) == cart_digest(&other), one == other);
        prop_assert_eq!(cart_digest(&one), Digest::of(&cbor::encode(&one)));
    }

    /// Whatever arrives, every decoder answers, and nothing opens.
    #[test]
    fn no_bytes_make_a_recipient_panic(bytes in vec(any::<u8>(), 0..2500), scheme in any_scheme(), suite in any_suite()) {
        drop(SealedOrder::parse(&bytes));
        drop(OrderForm::parse(&bytes));
        let half = OpeningHalf::from_seed(scheme.kind(), suite, &[1; 32]);
        let binding = binding(&order_key(scheme, suite), [1; 16], &[]);
        prop_assert!(half.open(scheme, &binding, &bytes).is_err());
    }
}

proptest! {
    #![proptest_config(config(60))]

    /// What is sealed opens, once, for its order, in its cart, under its scheme and by its half.
    #[test]
    fn whatever_is_sealed_opens_and_only_there(
        form in any_form(),
        scheme in any_scheme(),
        suite in any_suite(),
        order in any::<[u8; 16]>(),
        byte in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        other in any_scheme(),
    ) {
        let key = order_key(scheme, suite);
        let half = OpeningHalf::of(&key, &[samples::ORDER_SEED; 32]).unwrap();
        let bound = binding(&key, order, &form.lines);
        let sealed = key.part.seal(scheme, &bound, &form.to_bytes(), None, &mut town::rng()).unwrap();
        let opened = half.open(scheme, &bound, &sealed).unwrap();
        prop_assert_eq!(OrderForm::parse(&opened), Ok(form.clone()));
        let mut changed = sealed.clone();
        changed[byte.index(sealed.len())] ^= 1 << bit;
        prop_assert!(half.open(scheme, &bound, &changed).is_err());
        prop_assert!(half.open(scheme, &bound, &sealed[..byte.index(sealed.len())]).is_err());
        let elsewhere = binding(&key, order.map(|b| !b), &form.lines);
        prop_assert!(half.open(scheme, &elsewhere, &sealed).is_err());
        let mut lines = form.lines.clone();
        lines.push(CartLine { product: "lantern".into(), quantity: 1 });
        prop_assert!(half.open(scheme, &binding(&key, order, &lines), &sealed).is_err());
        prop_assume!(other != scheme);
        let record = order_key(other, suite);
        let half = OpeningHalf::of(&record, &[samples::ORDER_SEED; 32]).unwrap();
        prop_assert!(half.open(other, &binding(&record, order, &form.lines), &sealed).is_err());
    }
}

/// An X25519 key of small order would make every sealing readable by all.
#[test]
fn nothing_is_sealed_to_a_key_of_small_order() {
    let mut one = [0; 32];
    one[0] = 1;
    for bytes in [[0; 32], one] {
        let Ok(key) = SealingKey::from_bytes(Suite::Compact, &bytes) else {
            continue;
        };
        let part = tegata_protocol::order::Part::Public(key);
        let record = OrderKey {
            part: part.clone(),
            ..order_key(Scheme::DEFAULT, Suite::Compact)
        };
        let bound = binding(&record, [1; 16], &[]);
        let sealed = part.seal(Scheme::DEFAULT, &bound, b"form", None, &mut town::rng());
        assert!(sealed.is_err());
    }
}

/// A shop that asks for a form of 60 fields and a cart of 500 lines gets them; one more is refused.
#[test]
fn forms_have_limits() {
    let line = |n: usize| CartLine {
        product: format!("product-{n}"),
        quantity: 1,
    };
    let field = |n: usize| Field {
        name: format!("field-{n}"),
        value: FieldValue::Text("x".into()),
    };
    let form = |lines: usize, fields: usize| OrderForm {
        lines: (0..lines).map(line).collect(),
        fields: (0..fields).map(field).collect(),
        language: "en".into(),
    };
    let good = form(500, 60);
    assert_eq!(OrderForm::parse(&good.to_bytes()), Ok(good.clone()));
    let quantity = |quantity| {
        let mut form = form(1, 1);
        form.lines[0].quantity = quantity;
        form
    };
    let named = |name: &str| {
        let mut form = form(1, 2);
        form.fields[0].name = name.into();
        form
    };
    let mut large = form(1, 1);
    large.fields[0].value = FieldValue::Bytes(vec![0; 65_536]);
    let language = OrderForm {
        language: "fr".into(),
        ..form(1, 1)
    };
    let bad = [
        ("lines", form(501, 1)),
        ("fields", form(1, 61)),
        ("quantity", quantity(0)),
        ("quantity", quantity(10_000)),
        ("fields", named("field-1")),
        ("name", named("")),
        ("name", named("a\nb")),
        ("language", language),
        ("65536 are allowed", large),
    ];
    for (says, form) in bad {
        let refused = OrderForm::parse(&form.to_bytes()).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
    assert_eq!(
        OrderForm::parse(&quantity(9_999).to_bytes()),
        Ok(quantity(9_999))
    );
}

/// The longest order key: of suite standard, a member's, with the largest numbers.
fn longest_key() -> OrderKey {
    let scheme = "member-public-3".parse().unwrap();
    let late = tegata_protocol::Time::from_secs(u64::MAX / 2);
    OrderKey {
        made: late,
        expires: late.after(1),
        ..order_key(scheme, Suite::Standard)
    }
}

/// O3, O11: a full upload and a full row of made keys fit their limits and a sealed message.
#[test]
fn the_largest_stocks_fit_a_message() {
    let shop = town::signing(SHOP);
    let signed = shop.sign(&longest_key());
    assert!(signed.as_bytes().len() <= OrderKey::LIMIT);
    let upload = StockUpload {
        keys: vec![signed.clone(); 32],
    };
    assert!(sealed_length(upload) <= SEALED_LIMIT);
    let made = |number| MadeKey {
        number: u64::MAX - 24 + number,
        key: signed.clone(),
        seed: SharedKey::from_bytes([0xFF; 32]),
    };
    let made = MadeKeys {
        keys: (0..24).map(made).collect(),
        more: true,
    };
    assert!(sealed_length(made) <= SEALED_LIMIT);
}

/// How long a message is on the wire, if its signed form is within its own limit.
fn sealed_length<B: Body>(body: B) -> usize {
    let rng = &mut town::rng();
    let opening = town::opening(samples::SERVICE_OPENING);
    let envelope = Envelope::to(samples::service(), opening.sealing_key(), rng).unwrap();
    let id = MessageId::from_bytes([1; 16]);
    let signed = envelope.sign(&town::signing(SHOP), town::shop(), id, town::NOW, body);
    assert!(
        signed.as_bytes().len() <= B::LIMIT,
        "{}",
        signed.as_bytes().len()
    );
    envelope.seal(&Parcel::new(signed)).0.to_bytes().len()
}

/// The longest token fits its limit; and beside it a form of 60 KiB fits a sealed order.
#[test]
fn the_largest_orders_fit() {
    let late = tegata_protocol::Time::from_secs(u64::MAX / 2);
    let token = CartToken {
        recipient: town::shop(),
        order: samples::ORDER,
        cart: cart_digest(&[]),
        total: Some(samples::yen(tegata_protocol::MAX_MINOR)),
        scheme: "member-public-3".parse().unwrap(),
        maker: Maker::Service,
        compact: true,
        member: Some(town::member()),
        service: samples::service(),
        expires: late,
    };
    let token = town::signing(SHOP).sign(&token);
    assert!(token.as_bytes().len() <= CartToken::LIMIT);
    let key = longest_key();
    let bound = binding(&key, [1; 16], &[]);
    let sealed = key
        .part
        .seal(key.scheme, &bound, &[7; 60 * 1024], None, &mut town::rng());
    let order = SealedOrder {
        token,
        key: key.id,
        sealed: sealed.unwrap(),
        card: Some(vec![0; 1300]),
    };
    assert_eq!(SealedOrder::parse(&order.to_bytes()), Ok(order.clone()));
    let larger = SealedOrder {
        sealed: vec![7; 65_536],
        ..order
    };
    assert!(SealedOrder::parse(&larger.to_bytes()).is_err());
}
