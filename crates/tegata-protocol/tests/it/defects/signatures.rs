//! What isn't a COSE_Sign1 of ours, or isn't signed by whom it should be.

use super::{Defect, cose, unbent};
use crate::{
    cbor_tree::Node,
    samples::{self, Sample},
    town,
};

const FORGED: (&str, &str) = ("forged", "");
const SHAPE: (&str, &str) = ("cbor", "");

/// The order of the group, least significant byte first (RFC 8032 §5.1).
const ORDER: [u8; 32] = [
    0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

pub(super) fn all() -> Vec<Defect> {
    let mut defects = headers();
    defects.extend(forgeries());
    defects
}

fn collect() -> (Sample, Vec<u8>, Vec<u8>) {
    let sample = samples::sample("collect");
    let payload = sample.signed.payload().unwrap();
    let protected = protected(&sample);
    (sample, protected, payload)
}

fn protected(sample: &Sample) -> Vec<u8> {
    let id = sample.key().verifying_key().id();
    [&[0xA2, 1, 0x27, 4, 0x48][..], id.as_bytes()].concat()
}

fn empty() -> Node {
    Node::Map(Vec::new())
}

/// Headers and frames other than the one that is allowed; each signature is right for its bytes.
fn headers() -> Vec<Defect> {
    let (sample, protected, payload) = collect();
    let id = sample.key().verifying_key().id().as_bytes().to_vec();
    let made = |name, protected: &[u8], unprotected: Node| {
        let signed = cose(sample.seed, protected, unprotected, &payload, &[]).bytes();
        Defect {
            signed,
            ..unbent(&sample, name, SHAPE)
        }
    };
    let whole = || match cose(sample.seed, &protected, empty(), &payload, &[]) {
        Node::Tag(_, inner) => *inner,
        other => other,
    };
    let framed = |name, node: Node| Defect {
        signed: node.bytes(),
        ..unbent(&sample, name, SHAPE)
    };
    let mut detached = whole();
    detached.items()[2] = Node::Null;
    let mut short = whole();
    short.items()[3] = Node::Bytes(vec![1; 63]);
    let mut five = whole();
    five.items().push(Node::Null);
    let key_id = vec![(Node::Uint(4), Node::Bytes(id.clone()))];
    vec![
        framed("no tag", whole()),
        framed(
            "the tag of another COSE structure",
            Node::Tag(98, Box::new(whole())),
        ),
        framed("a detached payload", Node::Tag(18, Box::new(detached))),
        framed("a signature of 63 bytes", Node::Tag(18, Box::new(short))),
        framed("five elements", Node::Tag(18, Box::new(five))),
        Defect {
            class: "not_deterministic",
            ..framed(
                "a tag in a longer form",
                Node::Raw([&[0xD8, 18][..], &whole().bytes()].concat()),
            )
        },
        made("another algorithm (ES256)", &[0xA1, 1, 0x26], empty()),
        made(
            "the algorithm in a longer form",
            &[0xA1, 1, 0x38, 7],
            empty(),
        ),
        made("no algorithm", &[0xA0], empty()),
        made("an empty protected header", &[], empty()),
        made(
            "the key id in the unprotected header",
            &[0xA1, 1, 0x27],
            Node::Map(key_id),
        ),
        made(
            "a key id of seven bytes",
            &[&[0xA2, 1, 0x27, 4, 0x47][..], &id[..7]].concat(),
            empty(),
        ),
        made(
            "header fields out of order",
            &[&[0xA2, 4, 0x48][..], &id, &[1, 0x27]].concat(),
            empty(),
        ),
        made(
            "a critical header field",
            &[&[0xA2, 1, 0x27, 2, 0x81, 4][..]].concat(),
            empty(),
        ),
    ]
}

fn forgeries() -> Vec<Defect> {
    let (sample, protected, payload) = collect();
    let forged = |name, signed| Defect {
        signed,
        ..unbent(&sample, name, FORGED)
    };
    let seal = |seed, header: &[u8], external: &[u8]| {
        cose(seed, header, empty(), &payload, external).bytes()
    };
    let good = sample.signed.as_bytes();
    let mut changed = good.to_vec();
    // The body's last field stands right before the signature.
    let place = changed.len() - 64 - 2 - 1;
    changed[place] ^= 1;
    let mut larger = good.to_vec();
    let start = larger.len() - 32;
    let mut carry = 0;
    for (byte, order) in larger[start..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = u8::try_from(sum & 255).unwrap();
        carry = sum >> 8;
    }
    let mut swapped = good.to_vec();
    let receipt = samples::sample("receipt").signed;
    let length = swapped.len();
    swapped[length - 64..].copy_from_slice(&receipt.as_bytes()[receipt.as_bytes().len() - 64..]);
    let other = town::signing(99).verifying_key().id();
    let other_id = [&[0xA2, 1, 0x27, 4, 0x48][..], other.as_bytes()].concat();
    vec![
        forged(
            "another key signed, under its own id",
            seal(99, &other_id, &[]),
        ),
        forged(
            "another key signed, under this one's id",
            seal(99, &protected, &[]),
        ),
        forged("the id of another key", seal(sample.seed, &other_id, &[])),
        forged(
            "external data signed as well",
            seal(sample.seed, &protected, b"x"),
        ),
        forged("a changed payload", changed),
        forged("S above the group's order", larger),
        forged("the signature of something else", swapped),
        forged(
            "a signature of zeros",
            [&good[..length - 64], &[0; 64]].concat(),
        ),
        bare(&sample, &payload),
    ]
}

/// The payload was signed, but not the structure around it.
fn bare(sample: &Sample, payload: &[u8]) -> Defect {
    use ed25519_dalek::Signer as _;
    let key = ed25519_dalek::SigningKey::from_bytes(&[sample.seed; 32]);
    let mut signed = sample.signed.as_bytes().to_vec();
    let start = signed.len() - 64;
    signed[start..].copy_from_slice(&key.sign(payload).to_bytes());
    Defect {
        signed,
        ..unbent(sample, "the bare payload signed", FORGED)
    }
}
