//! Fields beyond their limits, and fields that contradict each other.

use super::{Defect, bent, sample};
use crate::{cbor_tree::Node, samples, town};

pub(super) fn all() -> Vec<Defect> {
    let mut defects = small_things();
    defects.extend(identities());
    defects.extend(keys());
    defects.extend(messages());
    defects.extend(bills());
    defects.extend(bill_sums());
    defects.extend(wishes());
    defects.extend(tickets());
    defects.extend(lists());
    defects
}

/// Refused while decoding; the reason names the field.
pub(super) const fn decoding(says: &'static str) -> (&'static str, &'static str) {
    ("cbor", says)
}

/// Refused once decoded.
pub(super) const fn field(says: &'static str) -> (&'static str, &'static str) {
    ("field", says)
}

fn text(text: &str) -> Node {
    Node::Text(text.into())
}

fn yen(minor: u64) -> Node {
    Node::Array(vec![text("JPY"), Node::Uint(minor)])
}

#[expect(clippy::too_many_lines, reason = "a list, one entry after the other")]
fn small_things() -> Vec<Defect> {
    let collect = samples::sample("collect");
    let request = samples::sample("prepaid-request");
    let capture = samples::sample("capture");
    let amount = |name, minor| {
        bent(&request, name, decoding("amount"), |p| {
            *p.at(&[2, 7, 0, 1]) = Node::Uint(minor)
        })
    };
    let currency = |name, code| {
        bent(&request, name, decoding("currency"), |p| {
            *p.at(&[2, 7, 0, 0]) = text(code)
        })
    };
    let number = |name, wire| {
        bent(&collect, name, decoding("party number"), |p| {
            *p.at(&[2, 0]) = Node::Uint(wire)
        })
    };
    vec![
        number("a party number with a wrong check digit", 14_831_220_753),
        number("a party number with two digits exchanged", 14_831_220_572),
        number("a party number of an unknown role", 54_831_220_758),
        number("a party number of twelve digits", 148_312_207_520),
        amount("an amount above 10^15", 1_000_000_000_000_001),
        currency("a currency in small letters", "jpy"),
        currency("a currency that ISO 4217 doesn't list", "XXX"),
        bent(
            &request,
            "an amount of three elements",
            decoding("amount"),
            |p| {
                p.at(&[2, 7, 0]).items().push(Node::Uint(0));
            },
        ),
        bent(&capture, "a digest of 31 bytes", ("cbor", ""), |p| {
            *p.at(&[2, 7, 2]) = Node::Bytes(vec![1; 31]);
        }),
        bent(
            &samples::sample("refusal"),
            "an unknown refusal",
            ("cbor", ""),
            |p| {
                *p.at(&[2, 7, 0]) = Node::Uint(999);
            },
        ),
        bent(
            &samples::sample("refusal"),
            "a detail of 201 bytes",
            field("detail"),
            |p| {
                *p.at(&[2, 7, 1]) = text(&"d".repeat(201));
            },
        ),
        bent(
            &samples::sample("refusal"),
            "an empty detail",
            field("detail"),
            |p| {
                *p.at(&[2, 7, 1]) = text("");
            },
        ),
        bent(
            &samples::sample("chain-head"),
            "a committer of 65,536",
            ("cbor", ""),
            |p| *p.at(&[2, 0]) = Node::Uint(65_536),
        ),
        bent(
            &samples::sample("program-digest"),
            "a name that leads elsewhere",
            field("name"),
            |p| *p.at(&[2, 0]) = text("../tegata-wallet"),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list, one entry after the other")]
fn identities() -> Vec<Defect> {
    let register = sample("certificate", "the register's key");
    let opening = sample("certificate", "the opening key");
    let (member, shop) = (
        sample("party-record", "a member"),
        sample("party-record", "a shop"),
    );
    let compact = samples::compact(3).sealing_key().as_bytes().to_vec();
    let compact = Node::Array(vec![Node::Uint(1), Node::Bytes(compact)]);
    let key = |seed| Node::Bytes(town::signing(seed).verifying_key().as_bytes().to_vec());
    let profile = |p: &mut Node| {
        let pairs = vec![
            (Node::Uint(0), text("x")),
            (Node::Uint(1), text("http://x")),
        ];
        p.at(&[2]).insert(2, Node::Map(pairs));
    };
    vec![
        bent(
            &register,
            "a certificate of 367 days",
            field("valid"),
            |p| {
                *p.at(&[2, 3, 1]) = Node::Uint(1_795_167_000 + 367 * 86_400);
            },
        ),
        bent(
            &register,
            "a validity that ends as it begins",
            decoding("validity"),
            |p| {
                *p.at(&[2, 3, 1]) = Node::Uint(1_795_167_000);
            },
        ),
        bent(
            &register,
            "a verifying key for opening",
            field("key"),
            |p| *p.at(&[2, 1]) = Node::Uint(5),
        ),
        bent(
            &sample("certificate", "the credit link's key"),
            "a purpose to come",
            ("cbor", ""),
            |p| *p.at(&[2, 1]) = Node::Uint(7),
        ),
        bent(&register, "a verifying key for credit", field("key"), |p| {
            *p.at(&[2, 1]) = Node::Uint(6)
        }),
        bent(&opening, "an opening key for receipts", field("key"), |p| {
            *p.at(&[2, 1]) = Node::Uint(2)
        }),
        bent(
            &opening,
            "an opening key of suite compact",
            field("key"),
            |p| {
                *p.at(&[2, 2, 1, 0]) = compact.clone();
            },
        ),
        bent(&register, "a centre without name", field("centre"), |p| {
            *p.at(&[2, 0]) = text("")
        }),
        bent(
            &member,
            "a member without spending key",
            field("keys"),
            |p| p.at(&[2, 1]).remove(0),
        ),
        bent(&shop, "a shop with a spending key", field("keys"), |p| {
            p.at(&[2, 1]).insert(0, key(12))
        }),
        bent(
            &member,
            "one key for spending and every day",
            field("keys"),
            |p| {
                *p.at(&[2, 1, 0]) = key(samples::EVERYDAY);
            },
        ),
        bent(
            &member,
            "a party's opening key of suite compact",
            field("keys"),
            |p| {
                *p.at(&[2, 1, 2]) = compact.clone();
            },
        ),
        bent(
            &member,
            "a member with name and address",
            field("profile"),
            profile,
        ),
        bent(
            &shop,
            "a shop without name and address",
            field("profile"),
            |p| p.at(&[2]).remove(2),
        ),
        bent(&shop, "a name of 101 bytes", field("name"), |p| {
            *p.at(&[2, 2, 0]) = text(&"n".repeat(101));
        }),
        bent(&shop, "a name with a line break", field("name"), |p| {
            *p.at(&[2, 2, 0]) = text("a\nb")
        }),
        bent(
            &shop,
            "a name that turns the direction of writing",
            field("name"),
            |p| {
                *p.at(&[2, 2, 0]) = text("a\u{202E}b");
            },
        ),
        bent(&shop, "an unknown status", ("cbor", ""), |p| {
            *p.at(&[2, 4]) = Node::Uint(4)
        }),
    ]
}

/// Public keys under which implementations disagree, and sealing keys that aren't any.
fn keys() -> Vec<Defect> {
    let shop = sample("party-record", "a gate");
    let key = |name, bytes: [u8; 32]| {
        bent(&shop, name, decoding("public key"), |p| {
            *p.at(&[2, 1, 1]) = Node::Bytes(bytes.to_vec())
        })
    };
    let mut one = [0; 32];
    one[0] = 1;
    // y = p + 3, which is 3 in a longer form; 3 is the y of a point.
    let mut longer = [0xFF; 32];
    (longer[0], longer[31]) = (0xF0, 0x7F);
    // A key of the prime-order group plus the point of order two, (0, -1).
    let mixed = {
        use curve25519_dalek::{constants::EIGHT_TORSION, edwards::CompressedEdwardsY};
        let good = CompressedEdwardsY(*town::signing(8).verifying_key().as_bytes());
        (good.decompress().unwrap() + EIGHT_TORSION[4])
            .compress()
            .to_bytes()
    };
    // 2 isn't the y of any point.
    let mut none = [0; 32];
    none[0] = 2;
    vec![
        key("a public key of small order", one),
        key("a public key of mixed order", mixed),
        key("a public key in a longer form", longer),
        key("a public key that is no point", none),
        bent(
            &shop,
            "a public key of 31 bytes",
            decoding("public key"),
            |p| {
                *p.at(&[2, 1, 1]) = Node::Bytes(vec![9; 31]);
            },
        ),
        bent(
            &shop,
            "a sealing key of another suite's length",
            decoding("sealing key"),
            |p| {
                *p.at(&[2, 1, 2, 1]) = Node::Bytes(vec![9; 32]);
            },
        ),
        bent(
            &shop,
            "a sealing key of an unknown suite",
            ("cbor", ""),
            |p| {
                *p.at(&[2, 1, 2, 0]) = Node::Uint(3);
            },
        ),
        bent(
            &shop,
            "a sealing key with a coefficient out of range",
            decoding("sealing key"),
            |p| {
                let Node::Bytes(key) = p.at(&[2, 1, 2, 1]) else {
                    panic!()
                };
                key[..2].fill(0xFF);
            },
        ),
    ]
}

fn messages() -> Vec<Defect> {
    let payment = samples::sample("payment");
    let registration = sample("registration", "a shop");
    let reference = samples::sample("payment-reference");
    let inquiry = samples::sample("record-inquiry");
    let mut small_order = vec![0; 32];
    small_order[0] = 1;
    vec![
        bent(
            &inquiry,
            "a record-inquiry about a key of small order",
            decoding("public key"),
            |p| *p.at(&[2, 7, 0]) = Node::Bytes(small_order),
        ),
        bent(
            &inquiry,
            "a record-inquiry that wants to count later",
            field("not_after"),
            |p| {
                p.at(&[2]).insert(4, Node::Uint(1_795_253_400 + 86_400));
            },
        ),
        bent(
            &payment,
            "a payment that wants to count later",
            field("not_after"),
            |p| {
                p.at(&[2]).insert(4, Node::Uint(1_795_253_400 + 86_400));
            },
        ),
        bent(
            &registration,
            "a profile without address",
            field("address"),
            |p| {
                *p.at(&[2, 7, 0, 3, 1]) = text("");
            },
        ),
        bent(
            &registration,
            "a code's MAC of 31 bytes",
            ("cbor", ""),
            |p| {
                *p.at(&[2, 7, 2]) = Node::Bytes(vec![1; 31]);
            },
        ),
        bent(
            &reference,
            "a reference of 26 bytes",
            field("reference"),
            |p| {
                *p.at(&[2, 7, 0]) = text(&"R".repeat(26));
            },
        ),
        bent(
            &reference,
            "an account of 35 bytes",
            field("account"),
            |p| {
                *p.at(&[2, 7, 3]) = text(&"A".repeat(35));
            },
        ),
        bent(
            &samples::sample("prepaid-card"),
            "a card without statement",
            field("statement"),
            |p| {
                *p.at(&[2, 7, 4]) = text("");
            },
        ),
    ]
}

fn bills() -> Vec<Defect> {
    let bill = samples::sample("bill");
    let on_bill = |name, says, bend: fn(&mut Node)| bent(&bill, name, says, bend);
    vec![
        on_bill("a bill of somebody who isn't a shop", field("shop"), |p| {
            *p.at(&[2, 0]) = Node::Uint(town::member().wire());
        }),
        on_bill(
            "a transaction number of 13 digits",
            decoding("transaction number"),
            |p| {
                *p.at(&[2, 1]) = Node::Uint(1_000_000_000_000);
            },
        ),
        on_bill("a bill without lines", field("lines"), |p| {
            *p.at(&[2, 3]) = Node::Array(vec![])
        }),
        on_bill("a bill of 51 lines", field("lines"), |p| {
            let line = p.at(&[2, 3, 1]).clone();
            *p.at(&[2, 3]) = Node::Array(vec![line; 51]);
        }),
        on_bill("a line of nothing", field("lines"), |p| {
            *p.at(&[2, 3, 0, 1]) = Node::Uint(0)
        }),
        on_bill("a line without text", field("line"), |p| {
            *p.at(&[2, 3, 0, 0]) = text("")
        }),
        on_bill("a line's text of 121 bytes", field("line"), |p| {
            *p.at(&[2, 3, 0, 0]) = text(&"l".repeat(121));
        }),
        on_bill(
            "a bill that expires when it's issued",
            field("expires"),
            |p| {
                *p.at(&[2, 9]) = p.at(&[2, 8]).clone();
            },
        ),
        on_bill("a tax number of 41 bytes", field("tax number"), |p| {
            *p.at(&[2, 7]) = text(&"T".repeat(41));
        }),
        on_bill("an unknown rounding", ("cbor", ""), |p| {
            *p.at(&[2, 5]) = Node::Uint(3)
        }),
    ]
}

fn bill_sums() -> Vec<Defect> {
    let bill = samples::sample("bill");
    let on_bill = |name, says, bend: fn(&mut Node)| bent(&bill, name, says, bend);
    vec![
        on_bill("a total off by one", field("totals"), |p| {
            *p.at(&[2, 6, 1]) = yen(3280)
        }),
        on_bill("a tax off by one", field("totals"), |p| {
            *p.at(&[2, 6, 0, 0, 2]) = yen(78)
        }),
        on_bill("rates in falling order", field("totals"), |p| {
            p.at(&[2, 6, 0]).items().swap(0, 1)
        }),
        on_bill("a rate's total missing", field("totals"), |p| {
            drop(p.at(&[2, 6, 0]).items().remove(0));
        }),
        on_bill("a rate's total that no line has", field("totals"), |p| {
            let mut extra = p.at(&[2, 6, 0, 0]).clone();
            *extra.at(&[0]) = Node::Uint(0);
            (*extra.at(&[1]), *extra.at(&[2])) = (yen(0), yen(0));
            p.at(&[2, 6, 0]).items().insert(0, extra);
        }),
        on_bill("a tip that isn't in the total", field("totals"), |p| {
            *p.at(&[2, 4]) = yen(11)
        }),
        on_bill("another rounding than the totals'", field("totals"), |p| {
            *p.at(&[2, 5]) = Node::Uint(2);
        }),
        on_bill("a discount above its line", field("lines"), |p| {
            *p.at(&[2, 3, 1, 5]) = yen(1000)
        }),
        on_bill("two currencies", field("lines"), |p| {
            *p.at(&[2, 3, 1, 2, 0]) = text("EUR")
        }),
        on_bill("a tax rate above 100 %", decoding("tax rate"), |p| {
            *p.at(&[2, 3, 1, 3]) = Node::Uint(10_001)
        }),
    ]
}

fn wishes() -> Vec<Defect> {
    let request = sample("purchase-request", "a reservation");
    let inquiry = sample("purchase-request", "an inquiry");
    let on_request = |name, says, bend: fn(&mut Node)| bent(&request, name, says, bend);
    const RESERVATION: &[u64] = &[2, 7, 1, 1, 0];
    fn holders(p: &mut Node) -> &mut Vec<Node> {
        p.at(RESERVATION).at(&[2]).items()
    }
    fn keyword(p: &mut Node, word: &str) {
        *p.at(RESERVATION).at(&[3]) = text(word);
    }
    vec![
        on_request("no holders", field("holders"), |p| holders(p).clear()),
        on_request("five holders", field("holders"), |p| {
            let bearer = holders(p)[1].clone();
            holders(p).extend(vec![bearer; 3]);
        }),
        on_request("one key for two tickets", field("holders"), |p| {
            let key = holders(p)[0].clone();
            holders(p).push(key);
        }),
        on_request("a bearer without keyword", field("keyword"), |p| {
            p.at(RESERVATION).remove(3)
        }),
        on_request("a keyword of three letters", decoding("keyword"), |p| {
            keyword(p, "abc")
        }),
        on_request("a keyword of 25 bytes", decoding("keyword"), |p| {
            keyword(p, &"k".repeat(25))
        }),
        on_request(
            "a keyword in full-width letters",
            ("not_deterministic", ""),
            |p| {
                keyword(p, "ｓａｋｕｒａ");
            },
        ),
        on_request(
            "a keyword with spaces around it",
            ("not_deterministic", ""),
            |p| {
                keyword(p, "sakura ");
            },
        ),
        on_request("a section of zero", field("contents"), |p| {
            *p.at(RESERVATION).at(&[1, 1, 0, 0]) = Node::Uint(0);
        }),
        bent(
            &inquiry,
            "an inquiry of 1001 bytes",
            field("inquiry"),
            |p| {
                *p.at(&[2, 7, 1, 1, 0]) = text(&"q".repeat(1001));
            },
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list, one entry after the other")]
fn tickets() -> Vec<Defect> {
    let series = samples::sample("series-record");
    let ticket = |note| sample("ticket", note);
    let (stay, ride, wager) = (ticket("a stay"), ticket("a ride"), ticket("a wager"));
    let bearer = ticket("held by whoever gives the keyword");
    let contents = field("contents");
    let standard = town::opening(3).sealing_key().as_bytes().to_vec();
    vec![
        bent(&stay, "61 nights", contents, |p| {
            *p.at(&[2, 2, 1, 0, 1]) = Node::Uint(61)
        }),
        bent(&stay, "no guests", contents, |p| {
            *p.at(&[2, 2, 1, 0, 2]) = Node::Uint(0)
        }),
        bent(&ride, "a ride to where it begins", contents, |p| {
            *p.at(&[2, 2, 1, 0, 1]) = Node::Uint(1)
        }),
        bent(&ride, "a class of ten", contents, |p| {
            *p.at(&[2, 2, 1, 0, 2]) = Node::Uint(10)
        }),
        bent(&wager, "one runner twice", contents, |p| {
            *p.at(&[2, 2, 1, 0, 2, 1]) = Node::Uint(4)
        }),
        bent(&wager, "a runner too few", contents, |p| {
            drop(p.at(&[2, 2, 1, 0, 2]).items().pop())
        }),
        bent(&wager, "10,001 units", contents, |p| {
            *p.at(&[2, 2, 1, 0, 3]) = Node::Uint(10_001)
        }),
        bent(&wager, "a runner of zero", contents, |p| {
            *p.at(&[2, 2, 1, 0, 2, 0]) = Node::Uint(0)
        }),
        bent(
            &bearer,
            "a bearer ticket without keyword",
            field("keyword"),
            |p| {
                *p.at(&[2, 6]) = Node::Null;
            },
        ),
        bent(
            &bearer,
            "an encrypted serial of 19 bytes",
            ("cbor", ""),
            |p| {
                *p.at(&[2, 3]) = Node::Bytes(vec![1; 19]);
            },
        ),
        bent(&series, "a series of an unknown kind", field("kind"), |p| {
            *p.at(&[2, 2]) = text("raffle")
        }),
        bent(
            &series,
            "a series whose issuer isn't a shop",
            field("issuer"),
            |p| {
                *p.at(&[2, 0]) = Node::Uint(town::member().wire());
            },
        ),
        bent(
            &series,
            "a series without batch key",
            field("batches"),
            |p| {
                p.at(&[2, 8]).items().clear();
            },
        ),
        bent(&series, "nine batch keys", field("batches"), |p| {
            let key = p.at(&[2, 8, 0]).clone();
            *p.at(&[2, 8]) = Node::Array(vec![key; 9]);
        }),
        bent(
            &series,
            "an event key of suite standard",
            field("event key"),
            |p| {
                *p.at(&[2, 9]) = Node::Array(vec![Node::Uint(2), Node::Bytes(standard)]);
            },
        ),
        bent(&series, "41 names", field("names"), |p| {
            *p.at(&[2, 6]) = Node::Array(vec![text("n"); 41]);
        }),
        bent(
            &samples::sample("check-data"),
            "check data that end at once",
            field("until"),
            |p| {
                *p.at(&[2, 7, 6]) = p.at(&[2, 7, 5]).clone();
            },
        ),
    ]
}

fn lists() -> Vec<Defect> {
    let import = samples::sample("statement-import");
    vec![
        bent(
            &samples::sample("mailbox"),
            "items in falling order",
            field("items"),
            |p| {
                p.at(&[2, 7, 0]).items().swap(0, 1);
            },
        ),
        bent(
            &samples::sample("mailbox"),
            "two items of one number",
            field("items"),
            |p| {
                *p.at(&[2, 7, 0, 1, 0]) = Node::Uint(4);
            },
        ),
        bent(
            &samples::sample("delivery"),
            "a delivery of nothing",
            field("tickets"),
            |p| {
                p.at(&[2, 7, 1]).items().clear();
            },
        ),
        bent(
            &samples::sample("delivery"),
            "a delivery of five tickets",
            field("tickets"),
            |p| {
                let ticket = p.at(&[2, 7, 1, 0]).clone();
                *p.at(&[2, 7, 1]) = Node::Array(vec![ticket; 5]);
            },
        ),
        bent(
            &import,
            "entries out of the statement's order",
            field("entries"),
            |p| {
                p.at(&[2, 7, 3]).items().swap(0, 1);
            },
        ),
        bent(
            &import,
            "a statement that shows a credit card",
            field("funding"),
            |p| *p.at(&[2, 7, 3, 1, 3]) = Node::Uint(1),
        ),
        bent(
            &import,
            "a statement that shows registered mail",
            field("funding"),
            |p| *p.at(&[2, 7, 3, 1, 3]) = Node::Uint(4),
        ),
        bent(&import, "an import of no account", field("account"), |p| {
            *p.at(&[2, 7, 1]) = text("")
        }),
        bent(
            &import,
            "a statement's name of 36 bytes",
            field("statement"),
            |p| {
                *p.at(&[2, 7, 2]) = text(&"s".repeat(36));
            },
        ),
    ]
}

/// Each defect is noticed, and for its own reason.
#[test]
fn every_defect_is_refused_for_its_own_reason() {
    let mut wrong = Vec::new();
    for defect in super::all() {
        let key = town::signing(defect.seed).verifying_key();
        let kind = crate::kinds::Kind::named(defect.kind);
        match kind.read(&defect.signed, &key) {
            Err(e) if e.class == defect.class && e.text.contains(defect.says) => {}
            other => wrong.push(format!("{}, {}: {other:?}", defect.kind, defect.name)),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
