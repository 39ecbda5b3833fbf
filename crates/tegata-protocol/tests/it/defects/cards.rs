//! Paying with cards.

use super::{
    Defect, bent,
    fields::{decoding, field},
    sample,
};
use crate::{cbor_tree::Node, samples, town};

pub(super) fn all() -> Vec<Defect> {
    let mut defects = money();
    defects.extend(contacts());
    defects.extend(steps());
    defects.extend(orders());
    defects
}

fn bytes(length: usize) -> Node {
    Node::Bytes(vec![1; length])
}

fn money() -> Vec<Defect> {
    let (payment, load) = (
        samples::sample("card-payment"),
        samples::sample("card-load"),
    );
    vec![
        bent(&payment, "a card that pays nothing", field("amount"), |p| {
            *p.at(&[2, 7, 1, 1]) = Node::Uint(0);
        }),
        bent(
            &payment,
            "a payment with a card's number of 9 bytes",
            decoding(""),
            |p| *p.at(&[2, 7, 2]) = bytes(9),
        ),
        bent(&load, "a load of nothing", field("amount"), |p| {
            *p.at(&[2, 7, 1, 1]) = Node::Uint(0);
        }),
        bent(
            &sample("card-request", "pay out"),
            "an unknown change",
            decoding(""),
            |p| *p.at(&[2, 7, 1]) = Node::Uint(4),
        ),
    ]
}

fn contacts() -> Vec<Defect> {
    let pay = sample("card-contact", "to pay");
    let put = sample("card-contact", "to put a ticket");
    let read = sample("card-contact", "to read a ticket");
    let clear = sample("card-contact", "to empty a slot");
    let said = sample("card-answer", "what the card said");
    let slot = |p: &mut Node| *p.at(&[2, 7, 1, 1, 0]) = Node::Uint(16);
    vec![
        bent(&put, "a ticket for slot 16", field("slot"), slot),
        bent(&read, "a ticket from slot 16", field("slot"), slot),
        bent(&clear, "slot 16 to be emptied", field("slot"), slot),
        bent(
            &put,
            "a ticket that is too long for a slot",
            field("ticket"),
            |p| *p.at(&[2, 7, 1, 1, 1]) = bytes(241),
        ),
        bent(&pay, "an unknown errand", decoding(""), |p| {
            *p.at(&[2, 7, 1, 0]) = Node::Uint(5);
        }),
        bent(&said, "an answer of 513 bytes", field("answer"), |p| {
            *p.at(&[2, 7, 2, 1, 0]) = bytes(513);
        }),
        bent(&said, "an answer to step 2^32", decoding(""), |p| {
            *p.at(&[2, 7, 1]) = Node::Uint(1 << 32);
        }),
    ]
}

fn steps() -> Vec<Defect> {
    let order = sample("debit-order", "the balance read");
    vec![
        bent(
            &sample("card-step", "send"),
            "a command of 513 bytes",
            field("command"),
            |p| *p.at(&[2, 7, 2, 1, 0]) = bytes(513),
        ),
        bent(
            &sample("card-step", "refused"),
            "a step refused without a detail's text",
            field("detail"),
            |p| *p.at(&[2, 7, 2, 1, 0, 1]) = Node::Text(String::new()),
        ),
        bent(
            &order,
            "an order whose command is 513 bytes",
            field("command"),
            |p| *p.at(&[2, 8]) = bytes(513),
        ),
        bent(&order, "an order of no amount", decoding(""), |p| {
            p.at(&[2]).remove(4);
        }),
        bent(
            &order,
            "an order that says that the balance is null",
            ("not_deterministic", ""),
            |p| *p.at(&[2, 6]) = Node::Null,
        ),
    ]
}

fn orders() -> Vec<Defect> {
    let (issue, replace) = (
        sample("card-orders", "issue"),
        sample("card-orders", "replace"),
    );
    let rule = sample("rule", "a card was loaded");
    vec![
        bent(&issue, "a card for a shop", field("member"), |p| {
            *p.at(&[2, 7, 0, 1, 1]) = Node::Uint(town::shop().wire());
        }),
        bent(&issue, "a member's card number 65,536", decoding(""), |p| {
            *p.at(&[2, 7, 0, 1, 2]) = Node::Uint(65_536);
        }),
        bent(&replace, "a card replaced by itself", field("card"), |p| {
            *p.at(&[2, 7, 0, 1, 1]) = p.at(&[2, 7, 0, 1, 0]).clone();
        }),
        bent(
            &sample("card-orders", "submit"),
            "a receipt of 101 bytes",
            field("receipt"),
            |p| *p.at(&[2, 7, 0, 1, 0]) = bytes(101),
        ),
        bent(
            &rule,
            "a receipt whose payment is null",
            ("not_deterministic", ""),
            |p| p.at(&[2, 7, 1]).items().push(Node::Null),
        ),
    ]
}
