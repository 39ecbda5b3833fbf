use tegata_protocol::{
    SignedBytes, Unverified, VerifyingKey,
    envelope::Message,
    refusal::{Code, Refusal},
};

use crate::town;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

/// Signatures that implementations disagree about: what Tegata must say of each.
#[test]
fn ed25519_edges() {
    let file = include_str!("../../../../spec/vectors/ed25519-edges.json");
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() > 10);
    for v in vectors {
        let bytes = |name: &str| hex(v[name].as_str().unwrap());
        let key = VerifyingKey::from_bytes(&bytes("public_key").try_into().unwrap());
        let signature = bytes("signature").try_into().unwrap();
        let said = key.is_ok_and(|k| k.verifies(&bytes("message"), &signature));
        assert_eq!(said, v["valid"].as_bool().unwrap(), "{v}");
    }
}

fn refusal() -> Message<Refusal> {
    Message {
        from: town::shop(),
        to: town::member(),
        id: tegata_protocol::MessageId::from_bytes([9; 16]),
        time: town::NOW,
        not_after: None,
        enc_digest: None,
        answers: None,
        body: Refusal::new(Code::SoldOut),
    }
}

/// Every single changed byte is noticed, by the decoder or by the signature.
#[test]
fn no_changed_byte_survives() {
    let key = town::signing(1);
    let signed = key.sign(&refusal());
    assert!(
        Unverified::<Message<Refusal>>::parse(signed.clone())
            .unwrap()
            .verify(&key.verifying_key())
            .is_ok()
    );
    for i in 0..signed.as_bytes().len() {
        for bit in 0..8 {
            let mut bytes = signed.as_bytes().to_vec();
            bytes[i] ^= 1 << bit;
            let parsed = Unverified::<Message<Refusal>>::parse(SignedBytes::new(bytes));
            let held = parsed.is_ok_and(|u| u.verify(&key.verifying_key()).is_ok());
            assert!(!held, "byte {i}, bit {bit}");
        }
    }
}

#[test]
fn a_signature_of_another_type_is_not_taken() {
    let signed = town::signing(1).sign(&refusal());
    let other = Unverified::<Message<tegata_protocol::payment::Collect>>::parse(signed);
    assert!(matches!(
        other,
        Err(tegata_protocol::Malformed::Label { found: 9, .. })
    ));
}

/// Every point of small order, and every sum of one with a good key.
#[test]
fn no_torsion_is_left_in_a_public_key() {
    use curve25519_dalek::{constants::EIGHT_TORSION, edwards::CompressedEdwardsY};
    let good = CompressedEdwardsY(*town::signing(1).verifying_key().as_bytes());
    let good = good.decompress().unwrap();
    assert!(VerifyingKey::from_bytes(good.compress().as_bytes()).is_ok());
    for small in EIGHT_TORSION {
        assert!(VerifyingKey::from_bytes(small.compress().as_bytes()).is_err());
        let mixed = (good + small).compress();
        let whole = small == EIGHT_TORSION[0];
        assert_eq!(VerifyingKey::from_bytes(mixed.as_bytes()).is_ok(), whole);
    }
}
