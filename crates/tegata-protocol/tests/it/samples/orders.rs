//! Sealed orders.

use super::*;

pub(crate) const ORDER: OrderId = OrderId::from_bytes([0xD1; 16]);
/// What opening halves grow from.
pub(crate) const ORDER_SEED: u8 = 60;

pub(crate) fn cart_lines() -> Vec<CartLine> {
    let line = |product: &str, quantity| CartLine {
        product: product.into(),
        quantity,
    };
    vec![line("lantern-small", 2), line("knife-santoku", 1)]
}

pub(crate) fn order_form() -> OrderForm {
    let field = |name: &str, value| Field {
        name: name.into(),
        value,
    };
    let text = |text: &str| FieldValue::Text(text.into());
    OrderForm {
        lines: cart_lines(),
        fields: vec![
            field("name", text("関 花子")),
            field("address", text("1-2-3 Honmachi\nSeki")),
            field("drawing", FieldValue::Bytes(vec![0x89, 0x50])),
        ],
        language: "ja".into(),
    }
}

/// A key for orders at the town's shop.
pub(crate) fn order_key(scheme: Scheme, suite: Suite) -> OrderKey {
    let half = OpeningHalf::from_seed(scheme.kind(), suite, &[ORDER_SEED; 32]);
    OrderKey {
        recipient: town::shop(),
        id: OrderKeyId::from_bytes([0xD2; 16]),
        scheme,
        member: (scheme.scope() == KeyScope::Member).then(town::member),
        part: half.sealing_part(),
        expires: town::NOW.after(30 * 86_400),
        program: Digest::of(b"the program"),
        maker: Maker::Recipient,
        source: KeySource::Regular,
        made: town::NOW,
    }
}

fn keys() -> Vec<Sample> {
    let key = |note, key: OrderKey| document("order-key", note, SHOP, &key);
    let of = |text: &str, suite| order_key(text.parse().unwrap(), suite);
    let standard = Suite::Standard;
    let fallback = OrderKey {
        source: KeySource::Fallback,
        expires: town::NOW.after(86_400),
        ..of("order-public-1", standard)
    };
    let made = OrderKey {
        maker: Maker::Service,
        ..of("order-public-0", Suite::Compact)
    };
    let application = OrderKey {
        recipient: PartyNumber::CENTRE,
        ..of("order-public-1", standard)
    };
    vec![
        key("for one order", of("order-public-1", standard)),
        key("of suite compact", of("order-public-1", Suite::Compact)),
        key("a shared one", of("order-shared-0", standard)),
        key("for every order", of("shop-shared-1", standard)),
        key("for a member", of("member-public-3", Suite::Compact)),
        key("for want of stock", fallback),
        document("order-key", "made by the service", SERVICE, &made),
        document("order-key", "the centre's", RECEIPTS, &application),
    ]
}

fn token() -> CartToken {
    CartToken {
        recipient: town::shop(),
        order: ORDER,
        cart: cart_digest(&cart_lines()),
        total: Some(yen(8_800)),
        scheme: Scheme::DEFAULT,
        maker: Maker::Recipient,
        compact: true,
        member: None,
        service: service(),
        expires: town::NOW.after(7_200),
    }
}

fn tokens() -> Vec<Sample> {
    let member = CartToken {
        scheme: Scheme::new(KeyScope::Member, KeyKind::Public, 1).unwrap(),
        member: Some(town::member()),
        ..token()
    };
    let application = CartToken {
        recipient: PartyNumber::CENTRE,
        cart: cart_digest(&[]),
        total: None,
        compact: false,
        ..token()
    };
    vec![
        document("cart-token", "of a cart", SHOP, &token()),
        document("cart-token", "of a member", SHOP, &member),
        document("cart-token", "of an application", RECEIPTS, &application),
    ]
}

/// Beside a card number, or without.
pub(crate) fn sealed_order(card: Option<&[u8]>) -> SealedOrder {
    SealedOrder {
        token: town::signing(SHOP).sign(&token()),
        key: OrderKeyId::from_bytes([0xD2; 16]),
        sealed: b"the sealed form".to_vec(),
        card: card.map(<[u8]>::to_vec),
    }
}

fn receipts() -> Vec<Sample> {
    let receipt = OrderReceipt {
        recipient: town::shop(),
        order: ORDER,
        sealed: Digest::of(&sealed_order(None).to_bytes()),
        cart: cart_digest(&cart_lines()),
        total: Some(yen(8_800)),
        bill: Some(Digest::of(b"the signed bill")),
        received: town::NOW,
    };
    let inquiry = OrderReceipt {
        total: None,
        bill: None,
        ..receipt.clone()
    };
    vec![
        document("order-receipt", "with a bill", SHOP, &receipt),
        document("order-receipt", "of an inquiry", SHOP, &inquiry),
    ]
}

fn stock() -> Vec<Sample> {
    let (shop, service) = (town::shop(), service());
    let signed = |seed, key: &OrderKey| town::signing(seed).sign(key);
    let key = order_key(Scheme::DEFAULT, Suite::Standard);
    let upload = StockUpload {
        keys: vec![signed(SHOP, &key)],
    };
    let pile = Pile {
        scheme: Scheme::DEFAULT,
        suite: Some(Suite::Standard),
        left: 31,
        low: true,
        fallback_until: Some(town::NOW.after(86_400)),
    };
    let shared = Pile {
        scheme: "shop-shared-0".parse().unwrap(),
        suite: None,
        left: 1,
        low: false,
        fallback_until: None,
    };
    let stock = Stock {
        piles: vec![pile, shared],
        program: Digest::of(b"the program"),
    };
    let made = OrderKey {
        maker: Maker::Service,
        ..order_key("order-public-0".parse().unwrap(), Suite::Compact)
    };
    let row = |number| MadeKey {
        number,
        key: signed(SERVICE, &made),
        seed: SharedKey::from_bytes([ORDER_SEED; 32]),
    };
    let made = MadeKeys {
        keys: vec![row(4), row(5)],
        more: false,
    };
    vec![
        request("stock-upload", SHOP, shop, service, upload),
        request("stock-inquiry", SHOP, shop, service, StockInquiry {}),
        reply("stock", SERVICE, service, shop, stock),
        request("keys-wanted", SHOP, shop, service, KeysWanted { after: 3 }),
        reply("made-keys", SERVICE, service, shop, made),
    ]
}

fn card() -> Vec<Sample> {
    let form = CreditCardForm {
        token: town::signing(SHOP).sign(&token()),
        sealed: b"the sealed card number".to_vec(),
    };
    let kept = CardKept {
        reference: "card-7f3a".into(),
        last_four: "1111".into(),
    };
    let (shop, centre) = (town::shop(), PartyNumber::CENTRE);
    vec![
        request("card-form", SHOP, shop, centre, form),
        reply("card-kept", RECEIPTS, centre, shop, kept),
    ]
}

pub(super) fn orders() -> Vec<Sample> {
    let mut samples = keys();
    samples.extend(tokens());
    samples.extend(receipts());
    let entry = ProgramEntry {
        sequence: 1,
        previous: Digest::from_bytes([0; 32]),
        program: Digest::of(b"the program"),
        length: 2_871,
        published: town::NOW,
    };
    samples.push(document("program-entry", "", SERVICE, &entry));
    samples.extend(stock());
    samples.extend(card());
    samples
}
