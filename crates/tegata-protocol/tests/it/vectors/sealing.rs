//! Sealed messages, replies and presentations, with every value on the way.

use hkdf::Hkdf;
use hpke::{
    Deserializable, Kem, OpModeR,
    aead::{AesGcm128, AesGcm256},
    kdf::HkdfSha256,
    kem::{X25519HkdfSha256, XWing},
    setup_receiver,
};
use serde_json::{Value, json};
use sha2::Sha256;
use tegata_protocol::{
    KeyId, OpeningKey, PartyNumber, SealingKey, Suite,
    envelope::{Envelope, Parcel, Reply, Sealed},
    ticket::{Presentation, SealedPresentation},
};

use super::{bytes, hex, seed, vectors, word};
use crate::{
    cbor_tree::Node,
    samples::{self, CENTRE_OPENING, MEMBER_OPENING},
    town,
};

const INFO: &[u8] = b"tegata envelope v1";

pub(super) fn make() -> Value {
    let suites = [Suite::Standard, Suite::Compact];
    let mut all: Vec<_> = suites.into_iter().map(sealed).collect();
    all.extend(presentations());
    all.extend(bad());
    json!({
        "what": "sealed messages with their replies, and sealed presentations; the good ones open with the recipient's seed, of the others each has one defect",
        "vectors": all,
    })
}

fn opening(suite: Suite) -> OpeningKey {
    OpeningKey::from_seed(suite, &[CENTRE_OPENING; 32])
}

/// A sealed message, and a reply to it.
fn sealed(suite: Suite) -> Value {
    let mut rng = town::fixed(50);
    let recipient = opening(suite);
    let envelope = Envelope::to(PartyNumber::CENTRE, recipient.sealing_key(), &mut rng).unwrap();
    let (enc_digest, body) = (
        envelope.enc_digest(),
        tegata_protocol::payment::Collect { after: 3 },
    );
    let id = tegata_protocol::MessageId::from_bytes([0xB0; 16]);
    let signed = envelope.sign(
        &town::signing(samples::EVERYDAY),
        town::member(),
        id,
        town::NOW,
        body,
    );
    let parcel = Parcel::with(signed, b"beside".to_vec());
    let (sealed, reply_key) = envelope.seal(&parcel);
    let wire = sealed.to_bytes();
    let Node::Array(parts) = Node::read(&wire).unwrap() else {
        panic!()
    };
    let enc = inside(&parts[3]);
    let answer = Parcel::new(samples::sample("mailbox").signed);
    let exported = Reply::exported(&reply_key, &answer, &mut rng);
    let own = town::opening(MEMBER_OPENING);
    let anew = Sealed::seal(town::member(), own.sealing_key(), &answer, &mut rng).unwrap();
    json!({
        "name": format!("{suite:?}").to_lowercase(),
        "verdict": "opens",
        "recipient_seed": seed(CENTRE_OPENING),
        "recipient_key": hex(recipient.sealing_key().as_bytes()),
        "info": hex(INFO),
        "aad": hex(Node::Array(parts[..4].to_vec()).bytes()),
        "enc_digest": hex(enc_digest.as_bytes()),
        "sealed": hex(&wire),
        "plaintext": hex(tegata_protocol::cbor::encode(&parcel)),
        "exported_secret": hex(secret(suite, &enc)),
        "reply_exported": hex(exported.to_bytes()),
        "sender_opening_seed": seed(MEMBER_OPENING),
        "reply_sealed": hex(Reply::Sealed(anew).to_bytes()),
        "reply_plaintext": hex(tegata_protocol::cbor::encode(&answer)),
    })
}

fn inside(node: &Node) -> Vec<u8> {
    match node {
        Node::Bytes(b) => b.clone(),
        other => panic!("{other:?} isn't bytes"),
    }
}

/// What the reply's key comes from, by the HPKE library alone.
fn secret(suite: Suite, enc: &[u8]) -> [u8; 32] {
    fn export<A: hpke::aead::Aead, K: Kem>(enc: &[u8]) -> [u8; 32] {
        let (key, _) = K::derive_keypair(&[CENTRE_OPENING; 32]);
        let enc = K::EncappedKey::from_bytes(enc).unwrap();
        let context = setup_receiver::<A, HkdfSha256, K>(&OpModeR::Base, &key, &enc, INFO).unwrap();
        let mut secret = [0; 32];
        context.export(b"tegata reply v1", &mut secret).unwrap();
        secret
    }
    match suite {
        Suite::Compact => export::<AesGcm128, X25519HkdfSha256>(enc),
        Suite::Standard => export::<AesGcm256, XWing>(enc),
    }
}

fn presentations() -> Vec<Value> {
    let series = town::series(
        1,
        &town::signing(samples::BATCH),
        town::secret().event_key().sealing_key().clone(),
    );
    let shown = |note: &str| {
        let all = samples::all();
        let sample = all
            .iter()
            .find(|s| s.kind == "presentation" && s.note == note)
            .unwrap();
        let node = Node::read(&sample.signed.payload().unwrap()).unwrap();
        let body = node.clone().at(&[2]).bytes();
        let value: Presentation = tegata_protocol::cbor::decode(&body, 600).unwrap();
        let sealed = value.seal(
            &town::signing(samples::HOLDER),
            &series,
            &mut town::fixed(51),
        );
        let sealed = sealed.unwrap();
        let opened = SealedPresentation::parse(&sealed).unwrap();
        let opened = opened.open(&town::secret().event_key()).unwrap();
        json!({
            "name": format!("presentation {note}").trim(),
            "verdict": "opens",
            "series_secret": hex(town::secret().reveal()),
            "recipient_key": hex(series.event_key.as_bytes()),
            "info": hex(b"tegata presentation v1"),
            "sealed": hex(&sealed),
            "plaintext": hex(opened.into_signed().as_bytes()),
        })
    };
    ["", "with keyword", "with the gate's challenge"]
        .into_iter()
        .map(shown)
        .collect()
}

/// One defect each. All for the compact suite, since they're short.
fn bad() -> Vec<Value> {
    let good = sealed(Suite::Compact);
    let parts = || match Node::read(&bytes(&good, "sealed")).unwrap() {
        Node::Array(parts) => parts,
        other => panic!("{other:?}"),
    };
    let bent = |name: &str, verdict: &str, bend: &dyn Fn(&mut Vec<Node>)| {
        let mut parts = parts();
        bend(&mut parts);
        one(name, verdict, &Node::Array(parts).bytes())
    };
    let wire = bytes(&good, "sealed");
    let plaintext = bytes(&good, "plaintext");
    let reseal = |name, inner: &[u8], info: &[u8]| {
        let key = opening(Suite::Compact).sealing_key().clone();
        one(name, "unopenable", &sealed_by_hand(&key, inner, info))
    };
    let change = |place: usize| {
        move |parts: &mut Vec<Node>| match &mut parts[place] {
            Node::Bytes(b) => *b.last_mut().unwrap() ^= 1,
            other => panic!("{other:?}"),
        }
    };
    vec![
        bent("a changed ciphertext", "unopenable", &change(4)),
        bent("a changed encapsulated key", "unopenable", &change(3)),
        bent("another key's id", "unopenable", &change(2)),
        bent("another recipient", "unopenable", &|p| {
            p[1] = Node::Uint(town::shop().wire())
        }),
        bent("an encapsulated key of small order", "unopenable", &|p| {
            p[3] = Node::Bytes(vec![0; 32])
        }),
        bent("a ciphertext cut short", "unopenable", &|p| {
            let Node::Bytes(b) = &mut p[4] else { panic!() };
            b.truncate(15);
        }),
        bent("an unknown suite", "malformed", &|p| p[0] = Node::Uint(3)),
        bent("the other suite", "malformed", &|p| p[0] = Node::Uint(2)),
        bent("an encapsulated key of 31 bytes", "malformed", &|p| {
            p[3] = Node::Bytes(vec![7; 31])
        }),
        bent("six elements", "malformed", &|p| p.push(Node::Null)),
        bent("a suite in a longer form", "malformed", &|p| {
            p[0] = Node::Raw(vec![0x18, 1])
        }),
        one("a byte behind it", "malformed", &[&wire[..], &[0]].concat()),
        one("a byte less", "malformed", &wire[..wire.len() - 1]),
        reseal(
            "sealed for another use",
            &plaintext,
            b"tegata presentation v1",
        ),
        reseal(
            "a byte behind the parcel",
            &[&plaintext[..], &[0]].concat(),
            INFO,
        ),
        reseal("a bare signed message as the parcel", &plaintext[1..], INFO),
        reseal("nothing inside", &[], INFO),
    ]
}

fn one(name: &str, verdict: &str, wire: &[u8]) -> Value {
    json!({
        "name": name,
        "verdict": verdict,
        "recipient_seed": seed(CENTRE_OPENING),
        "sealed": hex(wire),
    })
}

/// The envelope, made from its parts alone.
fn sealed_by_hand(key: &SealingKey, plaintext: &[u8], info: &[u8]) -> Vec<u8> {
    let sealer = key.begin(info, &mut town::fixed(52)).unwrap();
    let id: KeyId = key.id();
    let mut parts = vec![
        Node::Uint(1),
        Node::Uint(PartyNumber::CENTRE.wire()),
        Node::Bytes(id.as_bytes().to_vec()),
        Node::Bytes(sealer.enc().to_vec()),
    ];
    let aad = Node::Array(parts.clone()).bytes();
    let (ciphertext, _) = sealer.finish(&aad, plaintext);
    parts.push(Node::Bytes(ciphertext));
    Node::Array(parts).bytes()
}

#[test]
fn sealed_vectors_open_or_do_not() {
    for vector in vectors("sealed.json") {
        let (name, wire) = (word(&vector, "name"), bytes(&vector, "sealed"));
        if name.starts_with("presentation") {
            continue;
        }
        let suite = if name == "standard" {
            Suite::Standard
        } else {
            Suite::Compact
        };
        let key =
            OpeningKey::from_seed(suite, &bytes(&vector, "recipient_seed").try_into().unwrap());
        let Ok(sealed) = Sealed::parse(&wire) else {
            assert_eq!(word(&vector, "verdict"), "malformed", "{name}");
            continue;
        };
        let Ok((parcel, reply_key)) = sealed.open(&key) else {
            assert_eq!(word(&vector, "verdict"), "unopenable", "{name}");
            continue;
        };
        assert_eq!(word(&vector, "verdict"), "opens", "{name}");
        assert_eq!(
            tegata_protocol::cbor::encode(&parcel),
            bytes(&vector, "plaintext")
        );
        let digest = reply_key.enc_digest();
        assert_eq!(digest.as_bytes()[..], bytes(&vector, "enc_digest")[..]);
        check_replies(&vector, &reply_key);
    }
}

fn check_replies(vector: &Value, reply_key: &tegata_protocol::ReplyKey) {
    let seed = bytes(vector, "sender_opening_seed").try_into().unwrap();
    let own = OpeningKey::from_seed(Suite::Standard, &seed);
    for form in ["reply_exported", "reply_sealed"] {
        let reply = Reply::parse(&bytes(vector, form)).unwrap();
        let parcel = reply.open(reply_key, &own).unwrap();
        assert_eq!(
            tegata_protocol::cbor::encode(&parcel),
            bytes(vector, "reply_plaintext"),
            "{form}"
        );
    }
}

/// The page's recipe for replies, followed with nothing but HKDF and AES-GCM.
#[test]
fn replies_follow_the_page() {
    use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit, aead::Aead as _};
    for vector in vectors("sealed.json")
        .iter()
        .filter(|v| v["exported_secret"].is_string())
    {
        let mut sealed = Node::read(&bytes(vector, "sealed")).unwrap();
        let enc = inside(sealed.at(&[3]));
        let mut reply = Node::read(&bytes(vector, "reply_exported")).unwrap();
        let (nonce, ciphertext) = (inside(reply.at(&[1, 0, 0])), inside(reply.at(&[1, 0, 1])));
        let prk = Hkdf::<Sha256>::new(
            Some(&[enc, nonce].concat()),
            &bytes(vector, "exported_secret"),
        );
        let (mut key, mut iv) = ([0; 32], [0; 12]);
        let length = if word(vector, "name") == "compact" {
            16
        } else {
            32
        };
        prk.expand(b"key", &mut key[..length]).unwrap();
        prk.expand(b"nonce", &mut iv).unwrap();
        let opened = if length == 16 {
            Aes128Gcm::new_from_slice(&key[..16])
                .unwrap()
                .decrypt(&iv.into(), &ciphertext[..])
        } else {
            Aes256Gcm::new_from_slice(&key)
                .unwrap()
                .decrypt(&iv.into(), &ciphertext[..])
        };
        assert_eq!(opened.unwrap(), bytes(vector, "reply_plaintext"));
    }
}

#[test]
fn presentations_in_vectors_open() {
    let mut seen = 0;
    for vector in vectors("sealed.json")
        .iter()
        .filter(|v| v["series_secret"].is_string())
    {
        let secret = bytes(vector, "series_secret").try_into().unwrap();
        let secret = tegata_protocol::ticket::SeriesSecret::from_bytes(secret);
        let sealed = SealedPresentation::parse(&bytes(vector, "sealed")).unwrap();
        let opened = sealed.open(&secret.event_key()).unwrap();
        assert_eq!(opened.into_signed().as_bytes(), bytes(vector, "plaintext"));
        seen += 1;
    }
    assert_eq!(seen, 3);
}

/// RFC 9180, appendix A.1.1: the compact suite is the standard's own.
#[test]
fn the_compact_suite_is_rfc_9180s() {
    for vector in vectors("hpke-rfc9180.json") {
        let seed = bytes(&vector, "ikmR").try_into().unwrap();
        let key = OpeningKey::from_seed(Suite::Compact, &seed);
        assert_eq!(key.sealing_key().as_bytes(), bytes(&vector, "pkRm"));
        let part = |name| bytes(&vector, name);
        let opened = key.open(&part("info"), &part("enc"), &part("aad"), &part("ct"));
        let (plaintext, _) = opened.unwrap();
        assert_eq!(*plaintext, part("pt"));
        assert!(
            key.open(b"", &part("enc"), &part("aad"), &part("ct"))
                .is_err()
        );
    }
}
