//! Nothing is sold twice: a quota of one under two hundred buyers at once, over HTTP.

use std::sync::Barrier;

use tegata_protocol::purchase::Wish;
use tegata_protocol::refusal::Code;

use crate::town::{Town, catalogue, seats};

const BUYERS: usize = 200;

#[test]
fn a_quota_of_one_under_two_hundred_buyers_makes_one_bill() {
    let town = Town::new(&catalogue(1));
    let open = town.open();
    let members: Vec<_> = (0..BUYERS).map(|_| town.member()).collect();
    let start = Barrier::new(BUYERS);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let buy = |member| {
            let (open, start) = (&open, &start);
            scope.spawn(move || {
                let member: &crate::town::Member = member;
                let prepared = member.prepare(open, Wish::Reservation(seats(1)));
                start.wait();
                let answer = member.send(open, &prepared).unwrap();
                answer.accepted().map(drop).map_err(|refusal| refusal.code)
            })
        };
        let buyers: Vec<_> = members.iter().map(buy).collect();
        buyers
            .into_iter()
            .map(|buyer| buyer.join().unwrap())
            .collect()
    });
    let bills = answers.iter().filter(|answer| answer.is_ok()).count();
    let sold_out = answers
        .iter()
        .filter(|answer| **answer == Err(Code::SoldOut))
        .count();
    assert_eq!((bills, sold_out), (1, BUYERS - 1));
    assert_eq!(open.left(7), 0);
}
