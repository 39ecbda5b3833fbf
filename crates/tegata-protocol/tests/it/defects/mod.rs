//! Signed bytes with one defect each, made by bending good samples and signing them again, so that
//! nothing else is wrong with them.

use ed25519_dalek::Signer as _;

use crate::{
    cbor_tree::Node,
    samples::{self, Sample},
};

mod cards;
mod encodings;
mod fields;
mod orders;
mod signatures;

/// Bytes that must be refused.
pub(crate) struct Defect {
    /// As which type they are read.
    pub(crate) kind: &'static str,
    /// Its single defect.
    pub(crate) name: &'static str,
    /// The class of the reason, see [`crate::kinds::Reason`].
    pub(crate) class: &'static str,
    /// What our own reason says, in part.
    pub(crate) says: &'static str,
    pub(crate) seed: u8,
    pub(crate) signed: Vec<u8>,
}

/// Every defect.
pub(crate) fn all() -> Vec<Defect> {
    let mut defects = encodings::all();
    defects.extend(signatures::all());
    defects.extend(fields::all());
    defects.extend(orders::all());
    defects.extend(cards::all());
    defects
}

/// Bends the payload of a sample and signs it with the same key.
fn bent(
    sample: &Sample,
    name: &'static str,
    (class, says): (&'static str, &'static str),
    bend: impl FnOnce(&mut Node),
) -> Defect {
    let mut payload = Node::read(&sample.signed.payload().unwrap()).unwrap();
    let good = payload.clone();
    bend(&mut payload);
    assert_ne!(payload, good, "{name} bends nothing");
    Defect {
        signed: sample.key().sign_kept_payload(payload.bytes()).into_bytes(),
        ..unbent(sample, name, (class, says))
    }
}

fn unbent(
    sample: &Sample,
    name: &'static str,
    (class, says): (&'static str, &'static str),
) -> Defect {
    Defect {
        kind: sample.kind,
        name,
        class,
        says,
        seed: sample.seed,
        signed: sample.signed.as_bytes().to_vec(),
    }
}

fn sample(kind: &str, note: &str) -> Sample {
    let found = samples::all()
        .into_iter()
        .find(|s| s.kind == kind && s.note == note);
    found.unwrap_or_else(|| panic!("no sample of {kind}: {note}"))
}

/// A COSE_Sign1 from its parts, the signature being over `external` as well.
fn cose(seed: u8, protected: &[u8], unprotected: Node, payload: &[u8], external: &[u8]) -> Node {
    let bytes = |b: &[u8]| Node::Bytes(b.to_vec());
    let context = Node::Text("Signature1".into());
    let signed = Node::Array(vec![
        context,
        bytes(protected),
        bytes(external),
        bytes(payload),
    ]);
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let signature = key.sign(&signed.bytes()).to_bytes();
    let parts = vec![
        bytes(protected),
        unprotected,
        bytes(payload),
        bytes(&signature),
    ];
    Node::Tag(18, Box::new(Node::Array(parts)))
}
