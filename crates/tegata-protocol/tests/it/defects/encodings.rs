//! What isn't deterministic CBOR, or not of the type's shape.

use super::{Defect, bent, sample, unbent};
use crate::{cbor_tree::Node, samples};

const SHAPE: (&str, &str) = ("cbor", "");
const FORM: (&str, &str) = ("not_deterministic", "");

pub(super) fn all() -> Vec<Defect> {
    let mut defects = forms();
    defects.extend(shapes());
    defects.push(too_long());
    defects
}

/// The right values in a wrong form.
fn forms() -> Vec<Defect> {
    let collect = samples::sample("collect");
    let raw = |bytes: &[u8]| Node::Raw(bytes.to_vec());
    let ticket = sample("ticket", "an admission, held by a key");
    let presentation = sample("presentation", "");
    let mut trailing = unbent(&collect, "a byte behind the COSE_Sign1", FORM);
    trailing.signed.push(0);
    vec![
        trailing,
        bent(&collect, "an integer that isn't the shortest", FORM, |p| {
            *p.at(&[2, 7, 0]) = raw(&[0x18, 3]);
        }),
        bent(&collect, "a length that isn't the shortest", FORM, |p| {
            let Node::Bytes(id) = p.at(&[2, 2]).clone() else {
                panic!()
            };
            *p.at(&[2, 2]) = Node::Raw([&[0x58, 16][..], &id].concat());
        }),
        bent(&collect, "a map of indefinite length", FORM, |p| {
            *p.at(&[2, 7]) = raw(&[0xBF, 0x00, 0x03, 0xFF]);
        }),
        bent(
            &samples::sample("mailbox"),
            "an array of indefinite length",
            FORM,
            |p| {
                let items: Vec<u8> = p
                    .at(&[2, 7, 0])
                    .items()
                    .iter()
                    .flat_map(Node::bytes)
                    .collect();
                *p.at(&[2, 7, 0]) = Node::Raw([&[0x9F][..], &items, &[0xFF]].concat());
            },
        ),
        bent(&collect, "map keys out of order", FORM, |p| {
            p.at(&[2]).pairs().swap(0, 1)
        }),
        bent(&collect, "a map key twice", FORM, |p| {
            let twice = (Node::Uint(0), Node::Uint(3));
            p.at(&[2, 7]).pairs().push(twice);
        }),
        bent(&collect, "an unknown map key", FORM, |p| {
            p.at(&[2, 7]).insert(1, Node::Uint(0))
        }),
        bent(&collect, "an unknown field of the message", FORM, |p| {
            p.at(&[2]).insert(8, Node::Uint(0));
        }),
        bent(&collect, "null for an absent field", FORM, |p| {
            p.at(&[2]).insert(6, Node::Null)
        }),
        bent(
            &presentation,
            "null for an absent element at the end",
            FORM,
            |p| {
                p.at(&[2]).items().push(Node::Null);
            },
        ),
        bent(&ticket, "an element too many", FORM, |p| {
            p.at(&[2]).items().push(Node::Uint(0))
        }),
        bent(&collect, "a byte behind the payload", FORM, |p| {
            *p = Node::Raw([&p.bytes()[..], &[0]].concat());
        }),
    ]
}

/// What can't be the type at all.
#[expect(clippy::too_many_lines, reason = "a list, one entry after the other")]
fn shapes() -> Vec<Defect> {
    let collect = samples::sample("collect");
    let raw = |bytes: &[u8]| Node::Raw(bytes.to_vec());
    let label = ("label", "");
    vec![
        bent(&collect, "another type's label", label, |p| {
            *p.at(&[0]) = Node::Uint(23)
        }),
        bent(&collect, "a version to come", label, |p| {
            *p.at(&[1]) = Node::Uint(2)
        }),
        bent(&collect, "a label of zero", label, |p| {
            *p.at(&[0]) = Node::Uint(0)
        }),
        bent(&collect, "a payload of indefinite length", SHAPE, |p| {
            let parts: Vec<u8> = p.items().iter().flat_map(Node::bytes).collect();
            *p = Node::Raw([&[0x9F][..], &parts, &[0xFF]].concat());
        }),
        bent(&collect, "a payload of four elements", SHAPE, |p| {
            p.items().push(Node::Uint(0))
        }),
        bent(&collect, "a payload without body", SHAPE, |p| {
            drop(p.items().pop())
        }),
        bent(&collect, "an empty payload", SHAPE, |p| *p = raw(&[])),
        bent(&collect, "a byte string in pieces", SHAPE, |p| {
            *p.at(&[2, 2]) = raw(&[
                0x5F, 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0xFF,
            ]);
        }),
        bent(&collect, "a field missing", SHAPE, |p| {
            p.at(&[2, 7]).remove(0)
        }),
        bent(&collect, "the message's time missing", SHAPE, |p| {
            p.at(&[2]).remove(3)
        }),
        bent(&collect, "text where a number belongs", SHAPE, |p| {
            *p.at(&[2, 7, 0]) = Node::Text("3".into());
        }),
        bent(&collect, "a floating-point number", SHAPE, |p| {
            *p.at(&[2, 7, 0]) = raw(&[0xF9, 0x42, 0x00]);
        }),
        bent(&collect, "a negative number", SHAPE, |p| {
            *p.at(&[2, 7, 0]) = Node::Negative(0)
        }),
        bent(&collect, "a number of more than 64 bits", SHAPE, |p| {
            *p.at(&[2, 7, 0]) = raw(&[0xC2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        }),
        bent(&collect, "a tag around a field", SHAPE, |p| {
            let inner = p.at(&[2, 7, 0]).clone();
            *p.at(&[2, 7, 0]) = Node::Tag(1, Box::new(inner));
        }),
        bent(&collect, "an array where a map belongs", SHAPE, |p| {
            *p.at(&[2, 7]) = Node::Array(vec![Node::Uint(3)]);
        }),
        bent(&collect, "a message id of 15 bytes", SHAPE, |p| {
            *p.at(&[2, 2]) = Node::Bytes(vec![7; 15]);
        }),
        bent(
            &samples::sample("bill"),
            "text that isn't UTF-8",
            SHAPE,
            |p| {
                *p.at(&[2, 7]) = raw(&[0x62, 0xC3, 0x28]);
            },
        ),
        bent(
            &samples::sample("bill"),
            "an array that claims to be huge",
            SHAPE,
            |p| {
                *p.at(&[2, 3]) = raw(&[0x9B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
            },
        ),
        bent(
            &samples::sample("bill-answer"),
            "an unknown choice",
            SHAPE,
            |p| {
                *p.at(&[2, 7, 1, 0]) = Node::Uint(3);
            },
        ),
        bent(&samples::sample("payment"), "an unknown mode", SHAPE, |p| {
            *p.at(&[2, 7, 2]) = Node::Uint(3);
        }),
        bent(
            &samples::sample("mailbox"),
            "a boolean as a number",
            SHAPE,
            |p| {
                *p.at(&[2, 7, 1]) = Node::Uint(0);
            },
        ),
    ]
}

/// Each name within its limit, the whole above the type's.
fn too_long() -> Defect {
    let series = samples::sample("series-record");
    bent(
        &series,
        "more bytes than the type may have",
        ("too_long", ""),
        |p| {
            *p.at(&[2, 6]) = Node::Array(vec![Node::Text("n".repeat(40)); 40]);
        },
    )
}
