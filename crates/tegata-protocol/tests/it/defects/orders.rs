//! Sealed orders: keys, tokens, stock, receipts.

use super::{
    Defect, bent,
    fields::{decoding, field},
    sample,
};
use crate::{cbor_tree::Node, samples, town};

pub(super) fn all() -> Vec<Defect> {
    let mut defects = keys();
    defects.extend(tokens());
    defects.extend(stock());
    defects.extend(cards());
    defects
}

fn uint(n: u64) -> Node {
    Node::Uint(n)
}

fn member() -> Node {
    uint(town::member().wire())
}

#[expect(clippy::too_many_lines, reason = "a list, one entry after the other")]
fn keys() -> Vec<Defect> {
    let key = sample("order-key", "of suite compact");
    let shared = sample("order-key", "a shared one");
    let members = sample("order-key", "for a member");
    let fallback = sample("order-key", "for want of stock");
    let inner = key.signed.payload().unwrap();
    let part = Node::read(&inner).unwrap().at(&[2, 4]).clone();
    vec![
        bent(
            &key,
            "a key whose orders a member opens",
            field("recipient"),
            |p| {
                *p.at(&[2, 0]) = member();
            },
        ),
        bent(&key, "a key's number of 15 bytes", decoding(""), |p| {
            *p.at(&[2, 1]) = Node::Bytes(vec![1; 15]);
        }),
        bent(&key, "a scheme of four layers", decoding("layers"), |p| {
            *p.at(&[2, 2, 2]) = uint(4)
        }),
        bent(&key, "an unknown scope", decoding(""), |p| {
            *p.at(&[2, 2, 0]) = uint(4)
        }),
        bent(&key, "an unknown kind", decoding(""), |p| {
            *p.at(&[2, 2, 1]) = uint(3)
        }),
        bent(&key, "a scheme of four elements", decoding("scheme"), |p| {
            p.at(&[2, 2]).items().push(uint(0));
        }),
        bent(&key, "a key of the other kind", field("key"), |p| {
            *p.at(&[2, 2, 1]) = uint(1)
        }),
        bent(
            &shared,
            "a public key in a shared scheme",
            field("key"),
            |p| {
                *p.at(&[2, 4]) = part;
            },
        ),
        bent(&shared, "a shared key of 31 bytes", decoding(""), |p| {
            *p.at(&[2, 4, 1, 0]) = Node::Bytes(vec![1; 31]);
        }),
        bent(&key, "a member where none belongs", field("member"), |p| {
            p.at(&[2]).insert(3, member())
        }),
        bent(
            &key,
            "a shop where no member belongs",
            field("member"),
            |p| {
                p.at(&[2]).insert(3, uint(town::shop().wire()));
            },
        ),
        bent(
            &members,
            "a member's key without member",
            field("member"),
            |p| p.at(&[2]).remove(3),
        ),
        bent(
            &members,
            "a member's key for a shop",
            field("member"),
            |p| {
                *p.at(&[2, 3]) = uint(town::shop().wire());
            },
        ),
        bent(
            &key,
            "a key that expires as it's made",
            field("expires"),
            |p| {
                *p.at(&[2, 5]) = p.at(&[2, 9]).clone();
            },
        ),
        bent(
            &fallback,
            "a fallback key for a day and a second",
            field("expires"),
            |p| {
                *p.at(&[2, 5]) = uint(town::NOW.after(86_401).secs());
            },
        ),
        bent(&key, "an unknown maker", decoding(""), |p| {
            *p.at(&[2, 7]) = uint(3)
        }),
        bent(&key, "an unknown source", decoding(""), |p| {
            *p.at(&[2, 8]) = uint(3)
        }),
        bent(
            &samples::sample("program-entry"),
            "an entry of number zero",
            field("sequence"),
            |p| *p.at(&[2, 0]) = uint(0),
        ),
    ]
}

fn tokens() -> Vec<Defect> {
    let token = sample("cart-token", "of a cart");
    let members = sample("cart-token", "of a member");
    let receipt = sample("order-receipt", "with a bill");
    vec![
        bent(
            &token,
            "an order that a gate waits for",
            field("recipient"),
            |p| {
                *p.at(&[2, 0]) = uint(samples::gate().wire());
            },
        ),
        bent(&token, "an order's number of 17 bytes", decoding(""), |p| {
            *p.at(&[2, 1]) = Node::Bytes(vec![1; 17]);
        }),
        bent(&token, "a shop as sealing service", field("service"), |p| {
            *p.at(&[2, 8]) = uint(town::shop().wire());
        }),
        bent(
            &token,
            "a token that names a member without need",
            field("member"),
            |p| {
                p.at(&[2]).insert(7, member());
            },
        ),
        bent(
            &members,
            "a token for a member's key without member",
            field("member"),
            |p| {
                p.at(&[2]).remove(7);
            },
        ),
        bent(&token, "a token without expiry", decoding(""), |p| {
            p.at(&[2]).remove(9)
        }),
        bent(&receipt, "a digest of 33 bytes", decoding(""), |p| {
            *p.at(&[2, 2]) = Node::Bytes(vec![1; 33]);
        }),
    ]
}

fn stock() -> Vec<Defect> {
    let upload = samples::sample("stock-upload");
    let small = Node::Bytes(vec![1]);
    let (stock, made) = (samples::sample("stock"), samples::sample("made-keys"));
    vec![
        bent(&upload, "an upload of nothing", field("keys"), |p| {
            p.at(&[2, 7, 0]).items().clear()
        }),
        bent(&upload, "33 keys", field("keys"), |p| {
            *p.at(&[2, 7, 0]) = Node::Array(vec![small; 33]);
        }),
        bent(&stock, "65 piles", field("piles"), |p| {
            let pile = p.at(&[2, 7, 0, 1]).clone();
            *p.at(&[2, 7, 0]) = Node::Array(vec![pile; 65]);
        }),
        bent(&stock, "a pile of an unknown suite", decoding(""), |p| {
            *p.at(&[2, 7, 0, 0, 1]) = uint(0);
        }),
        bent(
            &stock,
            "more keys left than 32 bits say",
            decoding(""),
            |p| {
                *p.at(&[2, 7, 0, 0, 2]) = uint(1 << 32);
            },
        ),
        bent(
            &samples::sample("stock-inquiry"),
            "an inquiry that says something",
            ("not_deterministic", ""),
            |p| {
                p.at(&[2, 7]).insert(0, uint(0));
            },
        ),
        bent(
            &samples::sample("keys-wanted"),
            "no number to go on from",
            decoding(""),
            |p| {
                p.at(&[2, 7]).remove(0);
            },
        ),
        bent(&made, "made keys in falling order", field("keys"), |p| {
            p.at(&[2, 7, 0]).items().swap(0, 1);
        }),
        bent(&made, "25 made keys", field("keys"), |p| {
            let row = |n| {
                let pairs = [
                    (0, uint(n)),
                    (1, Node::Bytes(vec![1])),
                    (2, Node::Bytes(vec![1; 32])),
                ];
                Node::Map(pairs.map(|(k, v)| (uint(k), v)).to_vec())
            };
            *p.at(&[2, 7, 0]) = Node::Array((1..=25).map(row).collect());
        }),
        bent(&made, "a seed of 33 bytes", decoding(""), |p| {
            *p.at(&[2, 7, 0, 0, 2]) = Node::Bytes(vec![1; 33]);
        }),
    ]
}

fn cards() -> Vec<Defect> {
    let (form, kept) = (samples::sample("card-form"), samples::sample("card-kept"));
    let text = |text: &str| Node::Text(text.into());
    vec![
        bent(
            &form,
            "a sealed card number of 4,096 bytes",
            ("too_long", ""),
            |p| {
                *p.at(&[2, 7, 1]) = Node::Bytes(vec![1; 4096]);
            },
        ),
        bent(&form, "a card form without token", decoding(""), |p| {
            p.at(&[2, 7]).remove(0)
        }),
        bent(&kept, "a card without reference", field("reference"), |p| {
            *p.at(&[2, 7, 0]) = text("")
        }),
        bent(&kept, "a reference of 41 bytes", field("reference"), |p| {
            *p.at(&[2, 7, 0]) = text(&"r".repeat(41));
        }),
        bent(&kept, "five last digits", field("last_four"), |p| {
            *p.at(&[2, 7, 1]) = text("11111")
        }),
        bent(
            &kept,
            "last digits that are letters",
            field("last_four"),
            |p| {
                *p.at(&[2, 7, 1]) = text("abcd");
            },
        ),
    ]
}
