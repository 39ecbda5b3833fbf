//! Bytes that no wallet made: refused, never a panic, nothing changed.

use rand_core::Rng as _;
use tegata_gate::Verdict;
use tegata_protocol::{refusal::Code, ticket::PRESENTATION_LIMIT};

use crate::{
    door::{Place, check},
    shop::{NOW, NOW_MILLIS, SHOP, rng},
};

#[test]
fn random_bytes_and_texts_are_malformed() {
    let place = Place::new();
    let gate = place.gate();
    let mut rng = rng();
    for length in (0..PRESENTATION_LIMIT + 40).chain([5000, 1 << 20]) {
        let mut bytes = vec![0; length];
        rng.fill_bytes(&mut bytes);
        assert_eq!(check(&gate, &bytes).code(), Some(Code::TicketMalformed));
        let text = String::from_utf8_lossy(&bytes);
        let verdict = gate.check_text(&text, NOW, NOW_MILLIS);
        assert_eq!(verdict.code(), Some(Code::TicketMalformed));
        let text = base45::encode(&bytes);
        let verdict = gate.check_text(&text, NOW, NOW_MILLIS);
        assert_eq!(verdict.code(), Some(Code::TicketMalformed));
    }
    assert_eq!(place.log().rows().unwrap(), 0);
}

#[test]
fn no_truncated_or_changed_presentation_is_admitted() {
    let place = Place::new();
    let gate = place.gate();
    let good = SHOP.show(41);
    for length in 0..good.len() {
        let verdict = check(&gate, &good[..length]);
        assert_eq!(
            verdict.code(),
            Some(Code::TicketMalformed),
            "{length} bytes"
        );
    }
    for place in 0..good.len() {
        for bit in [0, 3, 7] {
            let mut changed = good.clone();
            changed[place] ^= 1 << bit;
            let verdict = check(&gate, &changed);
            assert!(
                matches!(verdict, Verdict::Refused(_)),
                "byte {place}: {verdict:?}"
            );
        }
    }
    let longer = [&good[..], &[0]].concat();
    assert_eq!(check(&gate, &longer).code(), Some(Code::TicketMalformed));
    assert_eq!(place.log().rows().unwrap(), 0);
    assert!(check(&gate, &good).admits());
}
