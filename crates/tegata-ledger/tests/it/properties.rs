//! Whatever is asked of the book, in whatever order: money stays, nobody overdraws, a refusal
//! changes nothing, and a naive second book that keeps only lists agrees with every verdict.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tegata_ledger::{
    Account, AccountId, BillFound, BillState, Captured, Deposited, Destination, Held, HoldState,
    Outcome, Paid, Refusal, Released, Verdict, Working, decide,
};
use tegata_protocol::{Digest, PaymentId, Time};

use crate::{
    naive::Naive,
    town::{Town, action_of, line, order, payment},
};

/// Something that somebody attempts, not yet in words; payments are named by their order number.
#[derive(Debug, Clone)]
enum Attempt {
    Join(u32),
    Renew(u32),
    Expect(u32, u32, u64),
    Import(u32, Vec<(u64, u32)>),
    Hold(u32, u32, u64, u64, u64, bool),
    Pay(u32, u32, u64, u64),
    Capture(usize, u32, u64),
    Void(usize, u32),
    Expire(usize),
    Close(u32, u64, bool),
}

fn an_attempt() -> impl Strategy<Value = Attempt> {
    let (member, shop, amount, txn) = (1..4_u32, 1..3_u32, 0..400_u64, 1..12_u64);
    let (reference, until) = (1..7_u32, 0..400_u64);
    let entry = (0..900_u64, 1..9_u32);
    prop_oneof![
        1 => member.clone().prop_map(Attempt::Join),
        1 => member.clone().prop_map(Attempt::Renew),
        2 => (reference, member.clone(), until.clone()).prop_map(|(r, m, u)| Attempt::Expect(r, m, u)),
        2 => (1..4_u32, prop::collection::vec(entry, 1..4)).prop_map(|(s, e)| Attempt::Import(s, e)),
        6 => (member.clone(), shop.clone(), amount.clone(), txn.clone(), until, prop::bool::weighted(0.1))
            .prop_map(|(m, s, a, t, u, o)| Attempt::Hold(m, s, a, t, u, o)),
        2 => (member, shop.clone(), amount.clone(), txn.clone())
            .prop_map(|(m, s, a, t)| Attempt::Pay(m, s, a, t)),
        4 => (0..30_usize, shop.clone(), amount).prop_map(|(p, s, a)| Attempt::Capture(p, s, a)),
        2 => (0..30_usize, shop.clone()).prop_map(|(p, s)| Attempt::Void(p, s)),
        2 => (0..30_usize).prop_map(Attempt::Expire),
        1 => (shop, txn, prop::bool::weighted(0.1)).prop_map(|(s, t, o)| Attempt::Close(s, t, o)),
    ]
}

/// Two members with money first, so that most attempts are about something.
fn attempts(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Attempt>> {
    let founding = [
        Attempt::Join(1),
        Attempt::Join(2),
        Attempt::Expect(1, 1, 99),
        Attempt::Expect(2, 2, 99),
        Attempt::Import(1, vec![(900, 1), (300, 2)]),
    ];
    prop::collection::vec(an_attempt(), count)
        .prop_map(move |more| founding.iter().cloned().chain(more).collect())
}

/// Orders in words, one second after the other from 100 on.
fn in_words(attempts: &[Attempt]) -> Vec<(u64, u64, String)> {
    let mut payments: Vec<PaymentId> = Vec::new();
    let mut orders = Vec::new();
    for (id, attempt) in (0_u64..).zip(attempts) {
        let now = 100 + id * 5;
        let known = |n: &usize| match payments.len() {
            0 => PaymentId::new(Digest::of(b"nobody's")),
            count => payments[n % count],
        };
        let other = |is: &bool| if *is { "'" } else { "" };
        let words = match attempt {
            Attempt::Join(m) => format!("join {m}"),
            Attempt::Renew(m) => format!("renew {m}"),
            Attempt::Expect(r, m, until) => format!("expect RF{r} {m} {} 0", now + until),
            Attempt::Import(s, entries) => {
                let entries: Vec<_> = (0..)
                    .zip(entries)
                    .map(|(i, (amount, r)): (u32, _)| match r {
                        8 => format!("{i}:{amount}:-"),
                        r => format!("{i}:{amount}:RF{r}"),
                    })
                    .collect();
                format!("import st{s} {}", entries.join(","))
            }
            Attempt::Hold(m, s, a, t, until, o) => {
                format!("hold {m} {s} {a} {t}{} {}", other(o), now + until)
            }
            Attempt::Pay(m, s, a, t) => format!("pay {m} {s} {a} {t}"),
            Attempt::Capture(p, s, a) => format!("capture {} {s} {a}", known(p)),
            Attempt::Void(p, s) => format!("void {} {s}", known(p)),
            Attempt::Expire(p) => format!("expire {}", known(p)),
            Attempt::Close(s, t, o) => format!("close {s} {t}{}", other(o)),
        };
        if words.starts_with("hold") || words.starts_with("pay") {
            payments.push(payment(id, &words));
        }
        orders.push((id, now, words));
    }
    orders
}

/// All that is in a book, to see whether anything changed.
fn picture(book: &Working) -> String {
    let accounts: BTreeMap<_, _> = book.accounts().map(|(k, v)| (*k, *v)).collect();
    let holds: BTreeMap<_, _> = book.holds().collect();
    let bills: BTreeMap<_, _> = book.bills().collect();
    let fundings: BTreeMap<_, _> = book.fundings().collect();
    let parties: BTreeMap<_, _> = book.parties().collect();
    let statements: BTreeMap<_, _> = book.statements().collect();
    format!("{accounts:?} {holds:?} {bills:?} {fundings:?} {parties:?} {statements:?}")
}

/// What must hold of every book.
fn check_book(book: &Working, moved: &BTreeMap<AccountId, Account>) {
    let sum: i64 = book.accounts().map(|(_, a)| a.balance).sum();
    assert_eq!(sum, 0, "money is neither made nor lost");
    let mut open: BTreeMap<AccountId, i64> = BTreeMap::new();
    for (_, hold) in book.holds() {
        let bill = book.bill(&hold.bill).unwrap();
        match hold.state {
            HoldState::Open | HoldState::Awaiting => {
                *open.entry(hold.payer).or_default() += hold.amount.credit().minor();
                assert_eq!(bill.state, BillState::Held(hold.payment));
            }
            HoldState::Captured(amount) => {
                assert!(amount.minor() <= hold.amount.minor());
                assert_eq!(bill.state, BillState::Paid(hold.payment));
            }
            HoldState::Expired | HoldState::Voided => {}
        }
    }
    for (id, account) in book.accounts() {
        assert_eq!(
            account.held,
            open.get(id).copied().unwrap_or(0),
            "held on {id}"
        );
        assert_eq!(Some(account), moved.get(id), "{id} is the sum of its legs");
        assert!(
            !id.kind.is_limited() || account.available() >= 0,
            "{id} overdrawn"
        );
    }
}

/// Adds up legs by themselves.
fn add_legs(moved: &mut BTreeMap<AccountId, Account>, legs: &[tegata_ledger::Leg]) {
    let sum: i64 = legs.iter().map(|l| l.change.minor()).sum();
    assert_eq!(sum, 0, "every record balances: {legs:?}");
    for leg in legs {
        let account = moved.entry(leg.account).or_default();
        account.balance += leg.change.minor();
        account.held += leg.held.minor();
        account.sequence += 1;
        assert_eq!(*account, leg.after());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_agree_with_a_naive_book(attempts in attempts(1..80)) {
        let (mut book, mut naive) = (Working::whole(), Naive::default());
        let mut moved = BTreeMap::new();
        for (id, now, words) in in_words(&attempts) {
            let action = action_of(line(id, &words).as_bytes()).unwrap();
            let now = Time::from_secs(now);
            let before = picture(&book);
            match decide(&mut book, &action, now) {
                Ok(decided) => {
                    prop_assert!(naive.accepts(&action, now), "{words} was accepted");
                    add_legs(&mut moved, &decided.legs);
                    check_outcome(&book, &decided.outcome);
                }
                Err(refusal) => {
                    prop_assert!(!naive.accepts(&action, now), "{words}: {refusal}");
                    prop_assert_eq!(&before, &picture(&book), "a refusal changed something");
                }
            }
            check_book(&book, &moved);
        }
    }
}

/// What the outcome tells is what the book says.
fn check_outcome(book: &Working, outcome: &Outcome) {
    match outcome {
        Outcome::Held(Held { hold, payer }) | Outcome::Released(Released { hold, payer }) => {
            assert_eq!(book.hold(&hold.payment), Some(hold));
            assert_eq!(book.account(&hold.payer), Some(payer));
        }
        Outcome::Paid(Paid { hold, payer, payee })
        | Outcome::Captured(Captured {
            hold, payer, payee, ..
        }) => {
            assert_eq!(book.hold(&hold.payment), Some(hold));
            assert_eq!(book.account(&hold.payer), Some(payer));
            assert_eq!(book.account(&hold.payee), Some(payee));
        }
        Outcome::Deposited(Deposited { entries, credited }) => {
            let members = entries
                .iter()
                .filter(|e| matches!(e.destination, Destination::Member(_)));
            assert!(members.count() >= credited.len());
            for (id, account) in credited {
                assert_eq!(book.account(id), Some(account));
            }
        }
        Outcome::Bill(BillFound { bill, state }) => {
            assert_eq!(book.bill(bill).unwrap().state, *state)
        }
        Outcome::Noted(_)
        | Outcome::Registered(_)
        | Outcome::Replaced(_)
        | Outcome::FundingExpected(_)
        | Outcome::Card(_)
        | Outcome::CardMoved(_)
        | Outcome::Receipt(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// The book on disk, in batches as they come, decides as the rules do in memory; then the audit
    /// recomputes it all.
    #[test]
    fn the_ledger_agrees_with_the_rules(attempts in attempts(20..150)) {
        let town = Town::new();
        let ledger = town.open();
        let orders = in_words(&attempts);
        let (sender, receiver) = std::sync::mpsc::channel();
        for (id, now, words) in &orders {
            let sender = sender.clone();
            ledger.submit(crate::town::draft(*id, words, *now), move |answer| {
                sender.send(answer.unwrap()).unwrap();
            });
        }
        drop(sender);
        let answers: Vec<_> = receiver.iter().collect();
        prop_assert_eq!(answers.len(), orders.len());
        let mut book = Working::whole();
        for ((id, now, words), answer) in orders.iter().zip(&answers) {
            let action = action_of(line(*id, words).as_bytes()).unwrap();
            let expected = decide(&mut book, &action, Time::from_secs(*now));
            let verdict = expected.map_or_else(|r: Refusal| Verdict::Refused(r.code()), |_| Verdict::Accepted);
            prop_assert_eq!(answer.verdict, verdict, "{}", words);
        }
        for (id, account) in book.accounts() {
            let stored = ledger.read(|r| r.account(id)).unwrap();
            prop_assert_eq!(stored.as_ref(), Some(account));
        }
        let (id, now, words) = &orders[orders.len() / 2];
        let again = order(&ledger, *id, words, *now).unwrap();
        prop_assert!(again.known);
        prop_assert_eq!(&again.reply, &answers[orders.len() / 2].reply);
        let report = town.audit();
        prop_assert!(report.is_clean(), "{:#?}", report);
    }
}
