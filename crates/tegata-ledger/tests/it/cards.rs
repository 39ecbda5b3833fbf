//! Cards: a shadow account pays only what its card has paid, each receipt counts once, a copy's
//! excess is lost by the centre and by nobody else.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tegata_ledger::{
    Account, AccountId, CardState, Held, HoldState, Ledger, Outcome, Posted, ReceiptPosted,
    Refusal, Verdict, Working, decide,
};
use tegata_protocol::{Currency, PaymentId, Time};

use crate::town::{Town, action_of, card, found, line, order, payment, purse, shadow, till, yen};

/// A whole book, by orders in words; message numbers count up from 1.
struct Book(Working, u64);

impl Book {
    /// Member 1 with 1,000 and card 1 with 600 of it, member 2 with card 2.
    fn founded() -> Self {
        let mut book = Self(Working::whole(), 0);
        for words in [
            "join 1",
            "join 2",
            "joinshop 1",
            "expect RF1 1 500 0",
            "import s1 1:1000:RF1",
            "issue 1 1 0",
            "issue 2 2 0",
            "load 1 1 600",
            "receipt 1 1 2 600 600 0 0 load",
        ] {
            book.does(words, 100);
        }
        book
    }

    fn decide(&mut self, words: &str, now: u64) -> Result<Outcome, Refusal> {
        self.1 += 1;
        let action = action_of(line(self.1, words).as_bytes()).unwrap();
        decide(&mut self.0, &action, Time::from_secs(now)).map(|d| d.outcome)
    }

    fn does(&mut self, words: &str, now: u64) -> PaymentId {
        let decided = self.decide(words, now);
        assert!(decided.is_ok(), "{words}: {decided:?}");
        payment(self.1, words)
    }

    fn refuses(&mut self, words: &str, now: u64, code: u16) {
        let refusal = self.decide(words, now).unwrap_err();
        assert_eq!(refusal.code(), code, "{words}: {refusal}");
    }

    fn account(&self, id: AccountId) -> Account {
        self.0.account(&id).copied().unwrap_or_default()
    }

    fn state(&self, payment: PaymentId) -> HoldState {
        self.0.hold(&payment).unwrap().state
    }

    fn card(&self, n: u32) -> tegata_ledger::Card {
        *self.0.card(&card(n)).unwrap()
    }

    /// What is still to be written on the card: see `Card::owed` of the centre.
    fn owed(&self, n: u32, of: AccountId) -> i64 {
        let account = self.account(of);
        let awaiting = self.0.holds().filter(|(_, h)| h.payer == of);
        let awaiting = awaiting.filter(|(_, h)| h.state == HoldState::Awaiting);
        let awaiting: i64 = awaiting.map(|(_, h)| h.amount.credit().minor()).sum();
        account.available() + awaiting - i64::from(self.card(n).balance)
    }
}

#[test]
fn money_waits_for_the_card_and_is_captured_after_its_receipt_only() {
    let mut book = Book::founded();
    let payment = book.does("tap 1 1 1 200 7 500", 100);
    assert_eq!(book.state(payment), HoldState::Awaiting);
    book.refuses(&format!("capture {payment} 1 200"), 101, 27);
    let receipt = format!("receipt 1 2 1 200 400 {payment} 1 a");
    let outcome = book.decide(&receipt, 102).unwrap();
    let funded = |o: &Outcome| matches!(o, Outcome::Receipt(ReceiptPosted { posted: Posted::Funded { hold, .. }, .. }) if hold.state == HoldState::Open);
    assert!(funded(&outcome), "{outcome:?}");
    book.refuses(&receipt, 103, 28);
    assert_eq!(book.owed(1, shadow(1, 0)), 0);
    book.does(&format!("capture {payment} 1 150"), 104);
    assert_eq!(book.account(till(1)).balance, 150);
    // The rest of the hold is free again, and the card is owed it.
    assert_eq!(book.owed(1, shadow(1, 0)), 50);
    book.does("receipt 1 3 2 50 450 0 0 refund", 105);
    assert_eq!(book.owed(1, shadow(1, 0)), 0);
    assert_eq!(book.account(shadow(1, 0)).balance, 450);
}

#[test]
fn what_is_given_up_is_on_the_card_or_owed_to_it() {
    let mut book = Book::founded();
    let void = book.does("tap 1 1 1 200 7 500", 100);
    book.does(&format!("receipt 1 2 3 0 600 {void} 0 v"), 101);
    assert_eq!(book.state(void), HoldState::Voided);
    assert_eq!(book.owed(1, shadow(1, 0)), 0);
    // The debit comes out after its hold has run out: nobody delivers, so it's owed.
    let late = book.does("tap 1 1 1 200 7 500", 102);
    book.does(&format!("expire {late}"), 500);
    let outcome = book.decide(&format!("receipt 1 3 1 200 400 {late} 1 d"), 501);
    assert!(
        matches!(
            outcome,
            Ok(Outcome::Receipt(ReceiptPosted {
                posted: Posted::Noted,
                ..
            }))
        ),
        "{outcome:?}"
    );
    assert_eq!(book.owed(1, shadow(1, 0)), 200);
    assert_eq!(book.account(till(1)).balance, 0);
}

#[test]
fn who_pays_too_late_has_it_back_and_the_bill_isnt_closed_while_the_card_is_out() {
    let mut book = Book::founded();
    let payment = book.does("tap 1 1 1 200 7 500", 100);
    book.refuses("close 1 7", 400, 27);
    let outcome = book.decide(&format!("receipt 1 2 1 200 400 {payment} 1 d"), 500);
    assert!(
        matches!(
            outcome,
            Ok(Outcome::Receipt(ReceiptPosted {
                posted: Posted::Late(_),
                ..
            }))
        ),
        "{outcome:?}"
    );
    assert_eq!(book.state(payment), HoldState::Expired);
    assert_eq!(book.owed(1, shadow(1, 0)), 200);
    book.does("close 1 7", 501);
}

#[test]
fn only_the_holder_pays_loads_and_changes_and_no_other_way_leads_to_the_account() {
    let mut book = Book::founded();
    book.refuses("tap 1 2 1 10 7 500", 100, 24);
    book.refuses("load 1 2 10", 100, 24);
    book.refuses("change 1 2 2", 100, 24);
    book.refuses("empty 1 2 0", 100, 24);
    book.refuses("tap 9 1 1 10 7 500", 100, 23);
    book.does("issue 3 1 1", 100);
    book.refuses("tap 3 1 1 10 7 500", 100, 1);
    book.refuses("issue 3 2 5", 100, 25);
    book.refuses("issue 4 1 1", 100, 25);
    book.refuses("issue 4 3 0", 100, 16);
    book.refuses("load 1 1 401", 100, 1);
    book.refuses("load 1 1 0", 100, 14);
    book.refuses("tap 1 1 1 0 7 500", 100, 14);
    book.refuses("tap 1 1 1 601 7 500", 100, 1);
}

#[test]
fn a_stopped_card_pays_nothing_and_one_that_is_over_is_over() {
    let mut book = Book::founded();
    book.does("change 1 1 2", 100);
    book.refuses("tap 1 1 1 10 7 500", 100, 26);
    book.does("load 1 1 10", 100);
    book.does("change 1 1 1", 100);
    book.does("tap 1 1 1 10 7 500", 100);
    book.refuses("empty 1 1 0", 100, 26);
    book.does("change 1 1 3", 100);
    for words in ["change 1 1 1", "load 1 1 10", "tap 1 1 1 10 8 500"] {
        book.refuses(words, 100, 26);
    }
    assert_eq!(book.card(1).state, CardState::Lost);
}

#[test]
fn a_replacement_gets_what_is_free_at_once_and_what_is_held_later() {
    let mut book = Book::founded();
    let payment = book.does("tap 1 1 1 200 7 500", 100);
    book.does("issue 3 1 1", 100);
    book.refuses("empty 1 1 2", 100, 24);
    book.refuses("empty 1 1 1", 100, 25);
    book.does("empty 1 1 3", 100);
    assert_eq!(book.account(shadow(1, 1)).available(), 400);
    assert_eq!(book.owed(3, shadow(1, 1)), 400);
    assert_eq!(book.card(1).state, CardState::Replaced);
    book.does(&format!("expire {payment}"), 500);
    book.does("empty 1 1 0", 501);
    assert_eq!(book.account(purse(1)).balance, 600);
    assert_eq!(book.account(shadow(1, 0)).balance, 0);
}

#[test]
fn two_receipts_of_one_counter_say_copy_and_the_excess_is_lost_by_the_centre() {
    let mut book = Book::founded();
    // Both copies pay 600 offline at shop 1, with the same counter.
    let first = book.decide("receipt 1 2 1 600 0 0 1 a", 101).unwrap();
    let paid = |o: &Outcome, lost| matches!(o, Outcome::Receipt(ReceiptPosted { posted: Posted::Paid { lost: l }, .. }) if *l == yen(lost));
    assert!(paid(&first, 0), "{first:?}");
    let second = book.decide("receipt 1 2 1 600 0 0 1 b", 102).unwrap();
    assert!(paid(&second, 600), "{second:?}");
    assert_eq!(book.account(till(1)).balance, 1200);
    assert_eq!(book.account(shadow(1, 0)).balance, 0);
    assert_eq!(
        book.account(AccountId::card_loss(Currency::JPY)).balance,
        -600
    );
    assert_eq!(book.card(1).state, CardState::Copied);
    book.refuses("tap 1 1 1 10 7 500", 103, 26);
    book.refuses("receipt 1 2 1 600 0 0 1 b", 103, 28);
    // Nobody's terminal, or a shop that isn't registered: nobody is paid.
    book.refuses("receipt 1 3 1 10 0 0 0 c", 103, 29);
    book.refuses("receipt 1 3 1 10 0 0 2 c", 103, 29);
}

#[test]
fn a_receipt_of_another_payment_funds_nothing() {
    let mut book = Book::founded();
    let mine = book.does("tap 1 1 1 200 7 500", 100);
    book.refuses(&format!("receipt 2 1 1 200 0 {mine} 1 a"), 101, 29);
    book.refuses(&format!("receipt 1 2 1 199 401 {mine} 1 a"), 101, 29);
    let unknown = PaymentId::new(tegata_protocol::Digest::of(b"none"));
    book.refuses(&format!("receipt 1 2 1 200 400 {unknown} 1 a"), 101, 6);
    book.refuses("receipt 9 2 1 200 400 0 1 a", 101, 23);
    assert_eq!(book.state(mine), HoldState::Awaiting);
}

fn account(ledger: &Ledger, id: AccountId) -> Account {
    ledger.read(|r| r.account(&id)).unwrap().unwrap_or_default()
}

/// The same through committer, database and audit.
#[test]
fn the_store_keeps_cards_and_the_audit_finds_them_as_the_evidence_says() {
    let town = Town::new();
    let ledger = town.open();
    found(&ledger, 2, 1000);
    let tap = "tap 1 1 1 200 7 5000";
    let paid = payment(14, tap);
    let words = [
        "joinshop 1".to_owned(),
        "issue 1 1 0".to_owned(),
        "load 1 1 600".to_owned(),
        "receipt 1 1 2 600 600 0 0 load".to_owned(),
        tap.to_owned(),
        format!("receipt 1 2 1 200 400 {paid} 1 a"),
        format!("capture {paid} 1 200"),
        "receipt 1 2 1 300 300 0 1 copy".to_owned(),
    ];
    for (id, words) in (10..).zip(&words) {
        let done = order(&ledger, id, words, 200 + id).unwrap();
        assert_eq!(done.verdict, Verdict::Accepted, "{words}");
        if id == 14 {
            let open = ledger.read(|r| r.holds_of(&shadow(1, 0))).unwrap();
            assert_eq!(open.len(), 1, "a hold that waits for its card is found");
            let due = ledger.read(|r| r.holds_expired(Time::from_secs(9000), 9));
            assert_eq!(due.unwrap().len(), 1);
        }
    }
    assert_eq!(account(&ledger, till(1)).balance, 500);
    assert_eq!(account(&ledger, shadow(1, 0)).balance, 100);
    let kept = ledger.read(|r| r.card(&card(1))).unwrap().unwrap();
    assert_eq!(
        (kept.state, kept.counter, kept.balance),
        (CardState::Copied, 2, 400)
    );
    let receipts = ledger.read(|r| r.receipts(None, 9)).unwrap();
    let counts: Vec<_> = receipts.iter().map(|((_, n), d)| (*n, d.len())).collect();
    assert_eq!(counts, [(1, 1), (2, 2)]);
    assert_eq!(
        ledger
            .read(|r| r.cards_of(crate::town::member(1)))
            .unwrap()
            .len(),
        1
    );
    let report = town.audit();
    assert!(report.is_clean(), "{report:?}");
}

#[derive(Debug, Clone)]
enum Attempt {
    Tap {
        card: u32,
        amount: u64,
        txn: u64,
        until: u64,
    },
    Deed {
        nth: usize,
        deed: u32,
    },
    Other {
        card: u32,
        counter: u32,
        deed: u32,
        amount: u64,
        salt: u32,
    },
    Load {
        card: u32,
        amount: u64,
    },
    Capture {
        nth: usize,
        amount: u64,
    },
    Expire {
        nth: usize,
    },
    Change {
        card: u32,
        state: u32,
    },
    Empty {
        card: u32,
        into: u32,
    },
}

fn an_attempt() -> impl Strategy<Value = Attempt> {
    let (card, amount) = (1..4_u32, 0..300_u64);
    prop_oneof![
        6 => (card.clone(), amount.clone(), 1..20_u64, 100..300_u64)
            .prop_map(|(card, amount, txn, until)| Attempt::Tap { card, amount, txn, until }),
        5 => (0..12_usize, 1..4_u32).prop_map(|(nth, deed)| Attempt::Deed { nth, deed }),
        2 => (card.clone(), 1..9_u32, 1..4_u32, amount.clone(), 0..2_u32)
            .prop_map(|(card, counter, deed, amount, salt)| Attempt::Other { card, counter, deed, amount, salt }),
        2 => (card.clone(), amount.clone()).prop_map(|(card, amount)| Attempt::Load { card, amount }),
        5 => (0..12_usize, amount).prop_map(|(nth, amount)| Attempt::Capture { nth, amount }),
        3 => (0..12_usize).prop_map(|nth| Attempt::Expire { nth }),
        1 => (card.clone(), 1..7_u32).prop_map(|(card, state)| Attempt::Change { card, state }),
        1 => (card, 0..4_u32).prop_map(|(card, into)| Attempt::Empty { card, into }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever is tried in whatever order: money stays, nobody overdraws, what is held is what open
    /// and waiting holds say, and a shop has no more than cards' receipts brought it.
    #[test]
    fn no_order_of_things_makes_or_loses_money(attempts in prop::collection::vec(an_attempt(), 1..60)) {
        let mut book = Book::founded();
        book.does("issue 3 1 1", 100);
        let mut taps: Vec<(PaymentId, u32, u64)> = Vec::new();
        let mut counters: BTreeMap<u32, u32> = BTreeMap::from([(1, 1)]);
        let (mut now, mut debited) = (100, 0);
        for one in attempts {
            now += 5;
            let owner = |card| if card == 2 { 2 } else { 1 };
            let nth = |n: usize| taps.get(n).copied();
            let words = match one {
                Attempt::Tap { card, amount, txn, until } =>
                    format!("tap {card} {} 1 {amount} {txn} {until}", owner(card)),
                Attempt::Deed { nth: n, deed } => {
                    let Some((payment, card, amount)) = nth(n) else { continue };
                    let counter = counters.entry(card).or_default();
                    *counter += 1;
                    format!("receipt {card} {counter} {deed} {amount} 0 {payment} 1 d")
                }
                Attempt::Other { card, counter, deed, amount, salt } =>
                    format!("receipt {card} {counter} {deed} {amount} 0 0 1 {salt}"),
                Attempt::Load { card, amount } => format!("load {card} {} {amount}", owner(card)),
                Attempt::Capture { nth: n, amount } => {
                    let Some((payment, ..)) = nth(n) else { continue };
                    format!("capture {payment} 1 {amount}")
                }
                Attempt::Expire { nth: n } => {
                    let Some((payment, ..)) = nth(n) else { continue };
                    format!("expire {payment}")
                }
                Attempt::Change { card, state } => format!("change {card} {} {state}", owner(card)),
                Attempt::Empty { card, into } => format!("empty {card} {} {into}", owner(card)),
            };
            let before = format!("{:?}", dump(&book.0));
            match book.decide(&words, now) {
                Err(_) => prop_assert_eq!(before, format!("{:?}", dump(&book.0)), "a refusal changes nothing"),
                Ok(Outcome::Held(Held { hold, .. })) => {
                    let card: u32 = words.split(' ').nth(1).unwrap().parse().unwrap();
                    taps.push((hold.payment, card, hold.amount.credit().minor().unsigned_abs()));
                }
                Ok(Outcome::Receipt(ReceiptPosted { posted, .. })) => match posted {
                    Posted::Funded { hold, .. } => debited += hold.amount.credit().minor(),
                    Posted::Paid { .. } => debited += words.split(' ').nth(4).unwrap().parse::<i64>().unwrap(),
                    Posted::Late(_) | Posted::Voided(_) | Posted::Noted => {}
                },
                Ok(_) => {}
            }
            check(&book.0)?;
            prop_assert!(book.account(till(1)).balance <= debited, "a shop is paid what cards took off");
        }
    }
}

fn dump(book: &Working) -> (BTreeMap<AccountId, Account>, usize, usize, usize) {
    let accounts = book.accounts().map(|(k, v)| (*k, *v)).collect();
    let open = book
        .holds()
        .filter(|(_, h)| h.state == HoldState::Open)
        .count();
    (
        accounts,
        book.holds().count(),
        open,
        book.receipts().count(),
    )
}

fn check(book: &Working) -> Result<(), TestCaseError> {
    let sum: i64 = book.accounts().map(|(_, a)| a.balance).sum();
    prop_assert_eq!(sum, 0, "money is neither made nor lost");
    let mut held: BTreeMap<AccountId, i64> = BTreeMap::new();
    for (_, hold) in book.holds() {
        if matches!(hold.state, HoldState::Open | HoldState::Awaiting) {
            *held.entry(hold.payer).or_default() += hold.amount.credit().minor();
        }
    }
    for (id, account) in book.accounts() {
        prop_assert_eq!(account.held, held.get(id).copied().unwrap_or_default());
        prop_assert!(
            !id.kind.is_limited() || account.available() >= 0,
            "{} overdrawn",
            id
        );
    }
    Ok(())
}
