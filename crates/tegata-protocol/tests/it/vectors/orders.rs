//! Sealed forms of every kind, suite and number of layers, with every value on the way.

use aes_gcm::{Aes256Gcm, KeyInit, aead::Aead as _};
use hkdf::Hkdf;
use hpke::{
    Deserializable, Kem, OpModeR,
    aead::{Aead, AesGcm128, AesGcm256},
    kdf::HkdfSha256,
    kem::{X25519HkdfSha256, XWing},
    setup_receiver,
};
use rand_core::Rng as _;
use serde_json::{Value, json};
use sha2::Sha256;
use tegata_protocol::{
    Digest, PartyNumber, Role, SignedBytes, Suite, Unverified, Verified,
    order::{
        Binding, KeyKind, OpeningHalf, OrderForm, OrderId, OrderKey, OrderKeyId, Scheme, Typed,
        cart_digest,
    },
    record::Certificate,
};

use super::{bytes, hex, key, seed, vectors, word};
use crate::{
    cbor_tree::{Node, from_hex},
    samples::{self, CREDIT, ORDER, ORDER_SEED, ROOT, SHOP, order_key},
    town,
};

const TYPED: &str = "winter in Kyoto";
const CARD: &[u8] = b"\xA3\x00\x704111111111111111\x01\x6512/28\x02\x6BSEKI HANAKO";
/// A layer that holds a communication key.
const KEY_LAYER: usize = 48;

pub(super) fn make() -> Value {
    let mut all = Vec::new();
    for layers in 0..=3 {
        for (kind, suite) in [
            ("shared", Suite::Standard),
            ("public", Suite::Compact),
            ("public", Suite::Standard),
        ] {
            let scheme = format!("order-{kind}-{layers}").parse().unwrap();
            all.push(good(scheme, suite, None));
        }
    }
    all.push(good(Scheme::DEFAULT, Suite::Compact, Some(TYPED)));
    all.push(card());
    all.extend(bad());
    json!({
        "what": "sealed forms; the good ones open with the half that grows from opening_seed, of the others each has one defect",
        "vectors": all,
    })
}

fn verified(key: &OrderKey) -> Verified<OrderKey> {
    let signed = town::signing(SHOP).sign(key);
    let unverified = Unverified::parse(signed).unwrap();
    let shop = town::signing(SHOP).verifying_key();
    unverified.verify(&shop).unwrap()
}

fn cart() -> Digest {
    cart_digest(&samples::cart_lines())
}

fn name(scheme: Scheme, suite: Suite) -> String {
    match (scheme.kind(), suite) {
        (KeyKind::Shared, _) => scheme.to_string(),
        (KeyKind::Public, Suite::Compact) => format!("{scheme} compact"),
        (KeyKind::Public, Suite::Standard) => format!("{scheme} standard"),
    }
}

fn good(scheme: Scheme, suite: Suite, typed: Option<&str>) -> Value {
    let key = verified(&order_key(scheme, suite));
    let binding = Binding::new(&key, ORDER, cart());
    let form = samples::order_form().to_bytes();
    let typed_key = typed.map(|text| Typed::new(text).unwrap());
    let sealed = key.part.seal(
        scheme,
        &binding,
        &form,
        typed_key.as_ref(),
        &mut town::fixed(70),
    );
    let (salt, keys) = communication(scheme, typed);
    let mut vector = one(&name(scheme, suite), "opens", &key, &sealed.unwrap());
    vector["info"] = hex(binding.info());
    vector["form"] = hex(form);
    vector["communication_keys"] = keys.iter().map(hex).collect();
    if let Some(text) = typed {
        vector["name"] = json!(format!("{}, typed in", name(scheme, suite)));
        (vector["typed"], vector["salt"]) = (json!(text), hex(salt));
    }
    vector
}

/// The same randomness once more: the salt of a typed-in key, and the keys, the first one first.
fn communication(scheme: Scheme, typed: Option<&str>) -> ([u8; 16], Vec<[u8; 32]>) {
    let (mut rng, mut salt, mut keys) = (town::fixed(70), [0; 16], Vec::new());
    for layer in 0..scheme.layers() {
        let mut key = [0; 32];
        match typed.filter(|_| layer == 0) {
            Some(text) => {
                rng.fill_bytes(&mut salt);
                stretch(text, &salt, &mut key);
            }
            None => rng.fill_bytes(&mut key),
        }
        keys.push(key);
    }
    (salt, keys)
}

fn stretch(text: &str, salt: &[u8], key: &mut [u8; 32]) {
    pbkdf2::pbkdf2_hmac::<Sha256>(text.as_bytes(), salt, 600_000, key);
}

fn one(name: &str, verdict: &str, key: &Verified<OrderKey>, sealed: &[u8]) -> Value {
    json!({
        "name": name,
        "verdict": verdict,
        "public_key": hex(town::signing(SHOP).verifying_key().as_bytes()),
        "order_key": hex(key.signed().as_bytes()),
        "opening_seed": seed(ORDER_SEED),
        "order": hex(ORDER.as_bytes()),
        "cart": hex(cart().as_bytes()),
        "sealed": hex(sealed),
    })
}

fn certificate() -> Verified<Certificate> {
    let all = samples::all();
    let sample = all
        .iter()
        .find(|s| s.note == "the credit link's key")
        .unwrap();
    let unverified = Unverified::parse(sample.signed.clone()).unwrap();
    unverified
        .verify(&town::signing(ROOT).verifying_key())
        .unwrap()
}

/// A card number, for the centre's credit link.
fn card() -> Value {
    let certificate = certificate();
    let half = OpeningHalf::from_seed(KeyKind::Public, Suite::Standard, &[CREDIT; 32]);
    let binding = Binding::of_card(&certificate, ORDER, cart());
    let scheme = "order-public-0".parse().unwrap();
    let sealed = half
        .sealing_part()
        .seal(scheme, &binding, CARD, None, &mut town::fixed(71));
    json!({
        "name": "a card number",
        "verdict": "opens",
        "public_key": hex(town::signing(ROOT).verifying_key().as_bytes()),
        "certificate": hex(certificate.signed().as_bytes()),
        "opening_seed": seed(CREDIT),
        "order": hex(ORDER.as_bytes()),
        "cart": hex(cart().as_bytes()),
        "info": hex(binding.info()),
        "form": hex(CARD),
        "communication_keys": [],
        "sealed": hex(sealed.unwrap()),
    })
}

/// One defect each, of a compact order with two layers where nothing else is said.
fn bad() -> Vec<Value> {
    let scheme: Scheme = "order-public-2".parse().unwrap();
    let record = order_key(scheme, Suite::Compact);
    let sealed = bytes(&good(scheme, Suite::Compact, None), "sealed");
    let mut all = damaged(&verified(&record), &sealed);
    all.extend(under_others(&record, &sealed));
    all.push(for_the_other_purpose());
    all.push(changed_secret());
    all
}

/// The right record, but other bytes, another order, another half.
fn damaged(key: &Verified<OrderKey>, sealed: &[u8]) -> Vec<Value> {
    let unopenable = |name: &str, sealed: &[u8]| one(name, "unopenable", key, sealed);
    let changed = |name, place: usize| {
        let mut sealed = sealed.to_vec();
        sealed[place] ^= 1;
        unopenable(name, &sealed)
    };
    let with = |name, field: &str, value: Value| {
        let mut vector = unopenable(name, sealed);
        vector[field] = value;
        vector
    };
    let end = sealed.len();
    let (front, layers) = sealed.split_at(32 + KEY_LAYER);
    let (second, first) = layers.split_at(KEY_LAYER);
    vec![
        with("for another order", "order", hex([0xD3; 16])),
        with("for another cart", "cart", hex(cart_digest(&[]).as_bytes())),
        with("another key's half", "opening_seed", seed(61)),
        changed("a changed encapsulated key", 0),
        changed("a changed key part", 32),
        changed("a changed layer 2", 32 + KEY_LAYER),
        changed("a changed layer 1", 32 + 2 * KEY_LAYER),
        changed("a changed tag", end - 1),
        unopenable("a byte less", &sealed[..end - 1]),
        unopenable("a byte behind it", &[sealed, &[0]].concat()),
        unopenable("cut within the key part", &sealed[..40]),
        unopenable("nothing", &[]),
        unopenable("layer 1 is missing", &[front, second].concat()),
        unopenable("layers exchanged", &[front, first, second].concat()),
    ]
}

/// The right bytes, but another record, its key half being the same where it can be.
fn under_others(record: &OrderKey, sealed: &[u8]) -> Vec<Value> {
    let under = |name, record: OrderKey| one(name, "unopenable", &verified(&record), sealed);
    let scheme = |name, text: &str| under(name, order_key(text.parse().unwrap(), Suite::Compact));
    let same = || record.clone();
    let (id, program) = (
        OrderKeyId::from_bytes([0xD4; 16]),
        Digest::of(b"another program"),
    );
    let expires = record.expires.after(1);
    let recipient = PartyNumber::new(Role::Shop, 8).unwrap();
    vec![
        under("under another key's number", OrderKey { id, ..same() }),
        under("under a later expiry", OrderKey { expires, ..same() }),
        under("for another program", OrderKey { program, ..same() }),
        under(
            "for another shop",
            OrderKey {
                recipient,
                ..same()
            },
        ),
        scheme("under a scheme of fewer layers", "order-public-1"),
        scheme("under a scheme of more layers", "order-public-3"),
        scheme("under a scheme of another scope", "shop-public-2"),
        scheme("under a shared key", "order-shared-2"),
        under(
            "under the other suite",
            order_key(record.scheme, Suite::Standard),
        ),
    ]
}

/// Sealed as a card number is, but with an order's key.
fn for_the_other_purpose() -> Value {
    let key = verified(&order_key(
        "order-public-0".parse().unwrap(),
        Suite::Compact,
    ));
    let binding = Binding::new(&key, ORDER, cart()).info();
    let info = [&binding[..binding.len() - 1], &[2]].concat();
    let tegata_protocol::order::Part::Public(public) = &key.part else {
        panic!()
    };
    let sealer = public.begin(&info, &mut town::fixed(72)).unwrap();
    let (enc, form) = (sealer.enc().to_vec(), samples::order_form().to_bytes());
    let sealed = [enc, sealer.finish(b"", &form).0].concat();
    one("sealed as a card number", "unopenable", &key, &sealed)
}

/// What is random in a shared scheme is bound as well.
fn changed_secret() -> Value {
    let scheme = "order-shared-1".parse().unwrap();
    let mut sealed = bytes(&good(scheme, Suite::Standard, None), "sealed");
    sealed[31] ^= 1;
    let key = verified(&order_key(scheme, Suite::Standard));
    one(
        "other random bytes beside a shared secret",
        "unopenable",
        &key,
        &sealed,
    )
}

fn signed<T: tegata_protocol::Document>(vector: &Value, field: &str) -> Verified<T> {
    let unverified = Unverified::parse(SignedBytes::new(bytes(vector, field))).unwrap();
    unverified.verify(&key(vector)).unwrap()
}

/// What a vector's half makes of its bytes.
fn open(vector: &Value) -> Option<Vec<u8>> {
    let seed = bytes(vector, "opening_seed").try_into().unwrap();
    let order = OrderId::from_slice(&bytes(vector, "order")).unwrap();
    let cart = Digest::from_hex(word(vector, "cart")).unwrap();
    let (half, binding, scheme) = if vector["certificate"].is_string() {
        let certificate = signed(vector, "certificate");
        let half = OpeningHalf::from_seed(KeyKind::Public, Suite::Standard, &seed);
        let binding = Binding::of_card(&certificate, order, cart);
        (half, binding, "order-public-0".parse().unwrap())
    } else {
        let key: Verified<OrderKey> = signed(vector, "order_key");
        let suite = key.part.suite().unwrap_or(Suite::Standard);
        let half = OpeningHalf::from_seed(key.part.kind(), suite, &seed);
        (half, Binding::new(&key, order, cart), key.scheme)
    };
    let opened = half.open(scheme, &binding, &bytes(vector, "sealed"));
    opened.ok().map(|form| form.to_vec())
}

#[test]
fn sealed_orders_in_vectors_open_or_do_not() {
    for vector in vectors("orders.json") {
        let (name, opened) = (word(&vector, "name"), open(&vector));
        if word(&vector, "verdict") == "unopenable" {
            assert_eq!(opened, None, "{name}");
            continue;
        }
        let form = opened.unwrap_or_else(|| panic!("{name} doesn't open"));
        assert_eq!(form, bytes(&vector, "form"), "{name}");
        if vector["order_key"].is_string() {
            let key: Verified<OrderKey> = signed(&vector, "order_key");
            let seed = bytes(&vector, "opening_seed").try_into().unwrap();
            assert!(OpeningHalf::of(&key, &seed).is_some(), "{name}");
            assert_eq!(OrderForm::parse(&form), Ok(samples::order_form()), "{name}");
        }
    }
}

/// The defects are defects of something good: with the right record, order and half the same bytes
/// open, and each good vector occurs once.
#[test]
fn every_kind_suite_and_depth_is_among_the_vectors() {
    let all = vectors("orders.json");
    let good = all.iter().filter(|v| v["verdict"] == "opens");
    let mut names: Vec<_> = good.map(|v| word(v, "name").to_owned()).collect();
    for layers in 0..=3 {
        for name in ["shared-N", "public-N compact", "public-N standard"] {
            let name = format!("order-{}", name.replace('N', &layers.to_string()));
            let place = names.iter().position(|n| *n == name);
            names.remove(place.unwrap_or_else(|| panic!("no {name}")));
        }
    }
    assert_eq!(names.len(), 2, "{names:?}");
    let kept = all.iter().find(|v| v["name"] == "for another order");
    let mut mended = kept.unwrap().clone();
    mended["order"] = hex(ORDER.as_bytes());
    assert!(open(&mended).is_some());
}

/// HPKE by the library alone.
fn hpke_open<A: Aead, K: Kem>(seed: &[u8], info: &[u8], enc: &[u8], sealed: &[u8]) -> Vec<u8> {
    let (key, _) = K::derive_keypair(seed);
    let enc = K::EncappedKey::from_bytes(enc).unwrap();
    let mut context = setup_receiver::<A, HkdfSha256, K>(&OpModeR::Base, &key, &enc, info).unwrap();
    context.open(sealed, b"").unwrap()
}

/// The page's recipe for shared keys, with nothing but HKDF and AES-GCM.
fn shared_open(secret: &[u8], info: &[u8], enc: &[u8], sealed: &[u8]) -> Vec<u8> {
    let labelled =
        |id: &[u8], label: &str, value: &[u8]| [b"HPKE-v1", id, label.as_bytes(), value].concat();
    let extract = |salt: &[u8], id: &[u8], label: &str, value: &[u8]| {
        Hkdf::<Sha256>::extract(Some(salt), &labelled(id, label, value))
    };
    let expand = |prk: &Hkdf<Sha256>, id: &[u8], label: &str, value: &[u8], length: u8| {
        let mut out = vec![0; length.into()];
        let info = [&[0, length][..], &labelled(id, label, value)].concat();
        prk.expand(&info, &mut out).unwrap();
        out
    };
    let kem = b"KEM\xFF\x00";
    let prk = extract(b"", kem, "eae_prk", secret).1;
    let shared = expand(&prk, kem, "shared_secret", enc, 32);
    let id = b"HPKE\xFF\x00\x00\x01\x00\x02";
    let (psk, info) = (
        extract(b"", id, "psk_id_hash", b"").0,
        extract(b"", id, "info_hash", info).0,
    );
    let context = [&[0][..], &psk, &info].concat();
    let prk = extract(&shared, id, "secret", b"").1;
    let key = expand(&prk, id, "key", &context, 32);
    aes(&key, &expand(&prk, id, "base_nonce", &context, 12), sealed)
}

fn aes(key: &[u8], nonce: &[u8], sealed: &[u8]) -> Vec<u8> {
    let key = Aes256Gcm::new_from_slice(key).unwrap();
    let nonce: [u8; 12] = nonce.try_into().unwrap();
    key.decrypt(&nonce.into(), sealed).unwrap()
}

/// The page, step by step, by other hands than `Part::seal`'s.
#[test]
fn sealings_follow_the_page() {
    for vector in vectors("orders.json")
        .iter()
        .filter(|v| v["verdict"] == "opens")
    {
        let (name, seed) = (word(vector, "name"), bytes(vector, "opening_seed"));
        let (info, sealed) = (bytes(vector, "info"), bytes(vector, "sealed"));
        assert_eq!(info, info_by_hand(vector), "{name}");
        let keys: Vec<_> = vector["communication_keys"].as_array().unwrap().clone();
        let keys: Vec<_> = keys.iter().map(|k| from_hex(k.as_str().unwrap())).collect();
        if let Some(text) = vector["typed"].as_str() {
            let mut stretched = [0; 32];
            stretch(text, &bytes(vector, "salt"), &mut stretched);
            assert_eq!(keys[0], stretched, "{name}");
        }
        let standard = name.ends_with("standard") || name == "a card number";
        let (enc, rest) = sealed.split_at(if standard { 1120 } else { 32 });
        let (part, rest) = rest.split_at(if keys.is_empty() {
            rest.len()
        } else {
            KEY_LAYER
        });
        let mut data = match (name.contains("shared"), standard) {
            (true, _) => shared_open(&seed, &info, enc, part),
            (_, true) => hpke_open::<AesGcm256, XWing>(&seed, &info, enc, part),
            _ => hpke_open::<AesGcm128, X25519HkdfSha256>(&seed, &info, enc, part),
        };
        let mut layers = rest;
        for (left, key) in keys.iter().enumerate().rev() {
            assert_eq!(&data, key, "{name}");
            let (layer, rest) = layers.split_at(if left == 0 { layers.len() } else { KEY_LAYER });
            (data, layers) = (aes(key, &[0; 12], layer), rest);
        }
        assert!(layers.is_empty());
        assert_eq!(data, bytes(vector, "form"), "{name}");
    }
}

/// The binding, put together from its parts.
fn info_by_hand(vector: &Value) -> Vec<u8> {
    let (field, purpose) = if vector["certificate"].is_string() {
        ("certificate", 2)
    } else {
        ("order_key", 1)
    };
    let payload = SignedBytes::new(bytes(vector, field)).payload().unwrap();
    Node::Array(vec![
        Node::Bytes(payload),
        Node::Bytes(bytes(vector, "order")),
        Node::Bytes(bytes(vector, "cart")),
        Node::Uint(purpose),
    ])
    .bytes()
}

/// No sealing can be told from its length but by what stands in clear: the form's length shows.
#[test]
fn each_scheme_adds_what_the_page_says() {
    for vector in vectors("orders.json")
        .iter()
        .filter(|v| v["verdict"] == "opens")
    {
        let (name, form) = (word(vector, "name"), bytes(vector, "form").len());
        let enc = if name.ends_with("standard") || name == "a card number" {
            1120
        } else {
            32
        };
        let layers = vector["communication_keys"].as_array().unwrap().len();
        let wanted = enc + layers * KEY_LAYER + form + 16;
        assert_eq!(bytes(vector, "sealed").len(), wanted, "{name}");
    }
}
