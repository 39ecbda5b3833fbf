//! A shop that sells goods by post, and a customer who seals an order without a browser.

use tegata_orders::keys::{self, Wanted};
use tegata_orders::{FormsError, Settings};
use tegata_protocol::order::{
    Binding, CartLine, CartToken, Field, FieldValue, KeySource, OrderForm, OrderKey, OrderReceipt,
    SealedOrder, program_digest,
};
use tegata_protocol::{
    Amount, Currency, PartyNumber, Role, SignedBytes, Suite, Unverified, Verified,
};
use tegata_shop::orders::{Sealing, host::Hosting};
use tegata_shop::shop::Rules;

use crate::centre::rng;
use crate::town::{Open, Town};

/// Two products and postage, nothing else.
pub(crate) const GOODS: &str = "\
currency = 'JPY'
zone = 'Asia/Tokyo'
[postage]
price = 600
free_from = 5000
tax = 10
[[goods]]
id = 'cup'
title = { en = 'Cup', ja = '湯のみ' }
text = { en = 'A cup.', ja = '湯のみです。' }
price = 1100
tax = 10
stock = 3
[[goods]]
id = 'tea'
title = { en = 'Tea', ja = 'お茶' }
text = { en = 'Tea.', ja = 'お茶です。' }
price = 1080
tax = 8
stock = 50
most_per_order = 20
";

pub(crate) fn yen(minor: u64) -> Amount {
    Amount::new(minor, Currency::JPY).unwrap()
}

/// The settings of a shop that takes sealed orders.
pub(crate) fn settings() -> Settings {
    Settings {
        service: Some(PartyNumber::new(Role::Sealing, 5).unwrap().to_string()),
        service_address: Some("http://sealing.localhost:7403".to_owned()),
        ..Settings::default()
    }
}

impl Town {
    /// The shop with sealed orders.
    pub(crate) fn open_selling(&self) -> Open {
        self.open_selling_by(settings())
    }

    pub(crate) fn open_selling_by(&self, settings: Settings) -> Open {
        self.open_selling_with(settings, Rules::default())
    }

    pub(crate) fn open_selling_with(&self, settings: Settings, rules: Rules) -> Open {
        let now = self.time.now();
        let dir = self.dir();
        self.open_so(rules, |shop| {
            let rules = settings.rules().unwrap();
            let frames = "http://forms.shop.localhost:7412";
            let sealing =
                Sealing::open(&dir, crate::town::vault(&dir).cover(), rules, frames, now).unwrap();
            shop.with_sealing(sealing)
        })
    }
}

pub(crate) fn lines(lines: &[(&str, u32)]) -> Vec<CartLine> {
    let line = |(product, quantity): &(&str, u32)| CartLine {
        product: (*product).to_owned(),
        quantity: *quantity,
    };
    lines.iter().map(line).collect()
}

/// Where it's to be sent.
pub(crate) fn form(lines: &[CartLine]) -> OrderForm {
    let field = |(name, value): (&str, &str)| Field {
        name: name.to_owned(),
        value: FieldValue::Text(value.to_owned()),
    };
    let fields = [
        ("name", "Hanako Yamada"),
        ("postal_code", "100-0001"),
        ("address", "1-1 Chiyoda\nTokyo"),
    ];
    OrderForm {
        lines: lines.to_vec(),
        fields: fields.map(field).to_vec(),
        language: "en".to_owned(),
    }
}

/// An answer of the shop's.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) place: String,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// The refusal's word.
    pub(crate) fn error(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.bytes).unwrap();
        json["error"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn post(open: &Open, path: &str, content: &str, body: &[u8]) -> Answer {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.build().into();
    let request = agent
        .post(format!("{}{path}", open.address))
        .header("content-type", content);
    let mut response = request.send(body).unwrap();
    let place = response.headers().get("content-location");
    Answer {
        status: response.status().as_u16(),
        place: place.map_or("", |place| place.to_str().unwrap()).to_owned(),
        bytes: response.body_mut().read_to_vec().unwrap(),
    }
}

/// Asks for a token.
pub(crate) fn token(open: &Open, lines: &[CartLine]) -> Answer {
    let pairs: Vec<_> = lines
        .iter()
        .map(|line| (&line.product, line.quantity))
        .collect();
    let body = serde_json::json!({ "lines": pairs }).to_string();
    post(
        open,
        "/v1/orders/token",
        "application/json",
        body.as_bytes(),
    )
}

/// A key as the sealing service would hand it out.
pub(crate) fn key(open: &Open) -> Verified<OrderKey> {
    let shop = open.shop.clone();
    let (own, now) = (shop.own(), shop.now());
    let sealing = shop.sealing().unwrap();
    let wanted = Wanted {
        scheme: sealing.rules.scheme,
        suite: Suite::Standard,
        member: None,
        source: KeySource::Regular,
        program: program_digest(),
        expires: now.after(86_400),
    };
    let new = keys::NewKeys::grow(own, &wanted, 1, now).unwrap();
    let epochs = sealing.epochs.clone();
    let signed = tegata_orders::Host::write(&Hosting(shop.clone()), move |connection| {
        Ok::<_, FormsError>(new.store(connection, &epochs)?.remove(0))
    });
    let key = Unverified::<OrderKey>::parse(signed.unwrap()).unwrap();
    key.verify(&shop.registered().record.keys.signing).unwrap()
}

/// Seals a form as the program in a browser does.
pub(crate) fn seal(token: &[u8], key: &Verified<OrderKey>, form: &OrderForm) -> Vec<u8> {
    seal_with(token, key, form, None)
}

/// The same, with what stands for a sealed card number.
pub(crate) fn seal_with(
    token: &[u8],
    key: &Verified<OrderKey>,
    form: &OrderForm,
    card: Option<Vec<u8>>,
) -> Vec<u8> {
    let signed = SignedBytes::new(token.to_vec());
    let parsed = Unverified::<CartToken>::parse(signed.clone()).unwrap();
    let claimed = parsed.claimed();
    let binding = Binding::new(key, claimed.order, claimed.cart);
    let sealed = key
        .part
        .seal(claimed.scheme, &binding, &form.to_bytes(), None, &mut rng());
    SealedOrder {
        token: signed,
        key: key.id,
        sealed: sealed.unwrap(),
        card,
    }
    .to_bytes()
}

pub(crate) fn send(open: &Open, sealed: &[u8]) -> Answer {
    post(open, "/v1/orders", "application/cbor", sealed)
}

/// Orders these, the usual way.
pub(crate) fn order(open: &Open, wanted: &[(&str, u32)]) -> Answer {
    let lines = lines(wanted);
    let token = token(open, &lines);
    assert_eq!(
        token.status,
        200,
        "{}",
        String::from_utf8_lossy(&token.bytes)
    );
    send(open, &seal(&token.bytes, &key(open), &form(&lines)))
}

/// The receipt in an answer.
pub(crate) fn receipt(open: &Open, answer: &Answer) -> Verified<OrderReceipt> {
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.bytes)
    );
    let receipt = Unverified::<OrderReceipt>::parse(SignedBytes::new(answer.bytes.clone()));
    receipt
        .unwrap()
        .verify(&open.shop.registered().record.keys.signing)
        .unwrap()
}

pub(crate) fn left(open: &Open, product: &str) -> u64 {
    let catalogue = open.shop.catalogue();
    let stock = catalogue.goods.product(product).unwrap().stock;
    let taken = open
        .shop
        .store()
        .read(|tables| tables.product_stock(product))
        .unwrap();
    taken.left(stock.into())
}
