//! Activation codes, MACs, serials and keyword tags, step by step.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tegata_protocol::{
    Digest, PartyNumber, SeriesId, SigningKey,
    joining::{ActivationCode, ActivationKey, Registration, SaltedDetails, Slip},
    purchase::Keyword,
    ticket::{EncryptedSerial, Serial, SeriesSecret},
};

use super::{bytes, file, hex, word};
use crate::{cbor_tree::Node, samples, town};

pub(super) fn joining() -> Value {
    let code: ActivationCode = samples::CODE.parse().unwrap();
    let registration = samples::sample("registration");
    let mut payload = Node::read(&registration.signed.payload().unwrap()).unwrap();
    let claim = payload.at(&[2, 7, 0]).bytes();
    let Node::Bytes(mac) = payload.at(&[2, 7, 2]).clone() else {
        panic!()
    };
    let details = samples::details();
    let slip = Slip {
        centre: "http://centre.localhost:7401".into(),
        root: SigningKey::from_seed(&[samples::ROOT; 32]).verifying_key(),
        number: town::member(),
        code: samples::CODE.parse().unwrap(),
        terms: samples::claim().terms,
    };
    json!({
        "what": "the line of a letter, an activation code's key, a registration's MAC, salted details",
        "code": samples::CODE,
        "sloppy_codes": ["7q4m 09xc k3va pz5t", "7Q4MO9XCK3VAPZ5T", "７Ｑ４Ｍ－０９ＸＣ－Ｋ３ＶＡ－ＰＺ５Ｔ"],
        "bad_codes": ["7Q4M-09XC-K3VA-PZ5", "7Q4M-09XC-K3VA-PZ5TT", "7Q4M-09XC-K3VA-PZ5U", ""],
        "activation_key": hex(code.key().as_bytes()),
        "number": town::member().wire(),
        "claim": hex(&claim),
        "code_mac": hex(&mac),
        "slip": slip.reveal(),
        "root": hex(slip.root.as_bytes()),
        "terms": hex(slip.terms.as_bytes()),
        "salted_details": hex(details.to_bytes()),
        "details_digest": hex(details.digest().as_bytes()),
    })
}

#[test]
fn joining_follows_the_page() {
    let vector = file("joining.json");
    let code: ActivationCode = word(&vector, "code").parse().unwrap();
    for sloppy in vector["sloppy_codes"].as_array().unwrap() {
        assert_eq!(
            sloppy.as_str().unwrap().parse::<ActivationCode>().unwrap(),
            code
        );
    }
    for bad in vector["bad_codes"].as_array().unwrap() {
        assert!(
            bad.as_str().unwrap().parse::<ActivationCode>().is_err(),
            "{bad}"
        );
    }
    let key: [u8; 32] = bytes(&vector, "activation_key").try_into().unwrap();
    assert_eq!(code.key().as_bytes(), &key);
    let number = vector["number"].as_u64().unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(b"tegata registration v1");
    mac.update(&number.to_be_bytes());
    mac.update(&bytes(&vector, "claim"));
    assert_eq!(
        mac.finalize().into_bytes()[..],
        bytes(&vector, "code_mac")[..]
    );
    let slip: Slip = word(&vector, "slip").parse().unwrap();
    assert_eq!(slip.number.wire(), number);
    assert_eq!(slip.root.as_bytes()[..], bytes(&vector, "root")[..]);
    assert_eq!(slip.terms.as_bytes()[..], bytes(&vector, "terms")[..]);
    let salted = bytes(&vector, "salted_details");
    let digest = SaltedDetails::parse(&salted).unwrap().digest();
    assert_eq!(digest.as_bytes()[..], bytes(&vector, "details_digest")[..]);
    // [salt, details]: the digest is over the two items' insides.
    let inner = [&salted[3..35], &salted[35..]].concat();
    assert_eq!(Digest::of(&inner), digest);
}

/// Not the code, not the number, nothing of the claim can be exchanged under the MAC.
#[test]
fn the_mac_covers_number_and_claim() {
    let code: ActivationCode = samples::CODE.parse().unwrap();
    let id = tegata_protocol::MessageId::from_bytes([1; 16]);
    let spending = town::signing(samples::SPENDING);
    let make = |claim| Registration::new(town::member(), id, claim, Some(&spending), &code);
    let key: ActivationKey = code.key();
    let good = make(samples::claim());
    assert!(good.vouched_by(town::member(), &key));
    assert!(!good.vouched_by(town::shop(), &key));
    let other: ActivationCode = "7Q4M-09XC-K3VA-PZ5S".parse().unwrap();
    assert!(!good.vouched_by(town::member(), &other.key()));
    let mut changed = make(samples::claim());
    changed.claim.terms = Digest::of(b"other terms");
    assert!(!changed.vouched_by(town::member(), &key));
    let mut changed = make(samples::claim());
    changed.claim.keys.opening = town::opening(77).sealing_key().clone();
    assert!(!changed.vouched_by(town::member(), &key));
    assert!(!changed.possesses_spending(town::member(), id));
    assert!(good.possesses_spending(town::member(), id));
    assert!(!good.possesses_spending(
        town::member(),
        tegata_protocol::MessageId::from_bytes([2; 16])
    ));
}

const SERIALS: [u32; 3] = [0, 41, u32::MAX];
const WORDS: [&str; 3] = ["sakura99", "ｓａｋｕｒａ９９", "ガラス戸"];

pub(super) fn tickets() -> Value {
    let (secret, batch) = (
        town::secret(),
        town::signing(samples::BATCH).verifying_key().id(),
    );
    let series = SeriesId::new(1);
    let serials = SERIALS.map(|n| {
        let encrypted = secret
            .serial_key()
            .encrypt(town::shop(), series, batch, Serial::new(n));
        json!({ "serial": n, "encrypted": hex(encrypted.as_bytes()) })
    });
    let tags = WORDS.map(|word| {
        let tag = secret.keyword_tag(Serial::new(41), &Keyword::new(word).unwrap());
        let tag = tegata_protocol::cbor::encode(&tag);
        json!({ "keyword": word, "serial": 41, "tag": hex(&tag[1..]) })
    });
    let expand = |label: &str, length: usize| hex(expanded(secret.reveal(), label, length));
    json!({
        "what": "what follows from a series' secret: keys, encrypted serials, keyword tags",
        "secret": hex(secret.reveal()),
        "event_seed": expand("tegata event key v1", 32),
        "event_key": hex(secret.event_key().sealing_key().as_bytes()),
        "serial_key": expand("tegata serial key v1", 64),
        "keyword_key": expand("tegata keyword key v1", 32),
        "issuer": town::shop().wire(),
        "series": 1,
        "batch": hex(batch.as_bytes()),
        "serials": serials,
        "tags": tags,
    })
}

fn expanded(secret: &[u8], label: &str, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    Hkdf::<Sha256>::new(None, secret)
        .expand(label.as_bytes(), &mut out)
        .unwrap();
    out
}

#[test]
fn serials_follow_the_page() {
    use aes_siv::{KeyInit as _, siv::Aes256Siv};
    let vector = file("tickets.json");
    let secret = bytes(&vector, "secret");
    let key = expanded(&secret, "tegata serial key v1", 64);
    assert_eq!(key, bytes(&vector, "serial_key"));
    let number = |name: &str| vector[name].as_u64().unwrap();
    let (issuer, series) = (number("issuer"), number("series"));
    let batch = bytes(&vector, "batch");
    let secret = SeriesSecret::from_bytes(secret.try_into().unwrap());
    for one in vector["serials"].as_array().unwrap() {
        let serial = u32::try_from(one["serial"].as_u64().unwrap()).unwrap();
        let headers = [&issuer.to_be_bytes()[..], &series.to_be_bytes(), &batch];
        let mut cipher = Aes256Siv::new_from_slice(&key).unwrap();
        let encrypted = cipher.encrypt(headers, &serial.to_be_bytes()).unwrap();
        assert_eq!(encrypted, bytes(one, "encrypted"));
        let encrypted = EncryptedSerial::from_bytes(encrypted.try_into().unwrap());
        let open = |issuer, series, batch| {
            secret
                .serial_key()
                .decrypt(issuer, series, batch, &encrypted)
        };
        let id = tegata_protocol::KeyId::from_slice(&batch).unwrap();
        let (shop, first) = (PartyNumber::from_wire(issuer).unwrap(), SeriesId::new(1));
        assert_eq!(open(shop, first, id), Ok(Serial::new(serial)));
        assert!(open(town::member(), first, id).is_err());
        assert!(open(shop, SeriesId::new(2), id).is_err());
        assert!(open(shop, first, tegata_protocol::KeyId::of(b"other")).is_err());
    }
}

#[test]
fn keyword_tags_follow_the_page() {
    let vector = file("tickets.json");
    let secret = bytes(&vector, "secret");
    let key = expanded(&secret, "tegata keyword key v1", 32);
    assert_eq!(key, bytes(&vector, "keyword_key"));
    for one in vector["tags"].as_array().unwrap() {
        let serial = u32::try_from(one["serial"].as_u64().unwrap())
            .unwrap()
            .to_be_bytes();
        let salt = [
            &22_u64.to_be_bytes()[..],
            b"tegata keyword salt v1",
            &4_u64.to_be_bytes(),
            &serial,
        ]
        .concat();
        let normal: String =
            unicode_normalization::UnicodeNormalization::nfkc(word(one, "keyword")).collect();
        let params = argon2::Params::new(19_456, 2, 1, Some(32)).unwrap();
        let argon =
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let mut stretched = [0; 32];
        let salt = Sha256::digest(salt);
        argon
            .hash_password_into(normal.as_bytes(), &salt, &mut stretched)
            .unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(&serial);
        mac.update(&stretched);
        assert_eq!(mac.finalize().into_bytes()[..16], bytes(one, "tag")[..]);
    }
}
