//! Each rule by itself: which refusal, with which code and words, and where money goes.

use tegata_ledger::{
    AccountId, AccountKind, Action, BillFound, BillState, Deposited, Destination, HoldState,
    Outcome, Refusal, SuspenseReason, Working, decide,
};
use tegata_protocol::{Amount, Currency, MAX_MINOR, PartyNumber, PaymentId, Role, Time};

use crate::town::{action_of, bank, line, payment, purse, till, yen};

/// A whole book, by orders in words; message numbers count up from 1.
struct Book {
    book: Working,
    last: u64,
}

impl Book {
    /// Member 1 with 1,000, member 2 with 50.
    fn founded() -> Self {
        let mut book = Self {
            book: Working::whole(),
            last: 0,
        };
        for words in [
            "join 1",
            "join 2",
            "expect RF1 1 500 0",
            "expect RF2 2 500 0",
            "import s1 1:1000:RF1,2:50:RF2",
        ] {
            book.does(words, 100);
        }
        book
    }

    fn decide(&mut self, words: &str, now: u64) -> Result<Outcome, Refusal> {
        self.last += 1;
        let action = action_of(line(self.last, words).as_bytes()).unwrap();
        decide(&mut self.book, &action, Time::from_secs(now)).map(|d| d.outcome)
    }

    /// Must be accepted; returns the payment's number in case it was one.
    fn does(&mut self, words: &str, now: u64) -> PaymentId {
        let decided = self.decide(words, now);
        assert!(decided.is_ok(), "{words}: {decided:?}");
        payment(self.last, words)
    }

    /// Must be refused with this code, in words that contain these.
    fn refuses(&mut self, words: &str, now: u64, code: u16, says: &str) {
        let refusal = self.decide(words, now).unwrap_err();
        assert_eq!(refusal.code(), code, "{words}: {refusal}");
        assert!(refusal.to_string().contains(says), "{words}: {refusal}");
    }

    fn act(&mut self, action: &Action) -> Result<Outcome, Refusal> {
        decide(&mut self.book, action, Time::from_secs(100)).map(|d| d.outcome)
    }
}

#[test]
fn money_must_be_there_holds_counted() {
    let mut book = Book::founded();
    book.refuses("pay 1 1 1001 1", 100, 1, "JPY 1,001 is more than the 1000");
    let held = book.does("hold 1 1 900 1 500", 100);
    book.refuses("pay 1 1 101 2", 100, 1, "JPY 101 is more than the 100");
    book.refuses("hold 1 1 101 2 500", 100, 1, "JPY 101 is more than the 100");
    book.does("pay 1 1 100 2", 100);
    book.does(&format!("void {held} 1"), 100);
    book.does("hold 1 1 900 3 500", 100);
    book.refuses("pay 3 1 1 4", 100, 1, "JPY 1 is more than the 0");
}

#[test]
fn a_bill_is_paid_once() {
    let mut book = Book::founded();
    let held = book.does("hold 1 1 10 1 500", 100);
    book.refuses("hold 1 1 10 1 500", 100, 3, "already holds");
    book.refuses("pay 2 1 10 1", 100, 3, &held.to_string());
    book.refuses("pay 2 1 10 1'", 100, 5, "another digest");
    book.does(&format!("expire {held}"), 500);
    book.refuses("pay 2 1 10 1'", 100, 5, "another digest");
    let paid = book.does("pay 2 1 10 1", 501);
    book.refuses("pay 2 1 10 1", 501, 2, &paid.to_string());
    book.does("pay 2 2 10 1", 501);
}

#[test]
fn a_closed_bill_stays_closed_and_a_taken_one_is_told() {
    let mut book = Book::founded();
    let state = |book: &mut Book, words: &str| match book.decide(words, 100) {
        Ok(Outcome::Bill(BillFound { state, .. })) => state,
        other => panic!("{other:?}"),
    };
    assert_eq!(state(&mut book, "close 1 1"), BillState::Closed);
    assert_eq!(state(&mut book, "close 1 1"), BillState::Closed);
    book.refuses("hold 1 1 10 1 500", 100, 4, "closed by the shop");
    book.refuses("close 1 1'", 100, 5, "another digest");
    let held = book.does("hold 1 1 10 2 500", 100);
    assert_eq!(state(&mut book, "close 1 2"), BillState::Held(held));
    book.does(&format!("capture {held} 1 10"), 100);
    assert_eq!(state(&mut book, "close 1 2"), BillState::Paid(held));
    let held = book.does("hold 1 1 10 3 500", 100);
    book.does(&format!("void {held} 1"), 100);
    assert_eq!(state(&mut book, "close 1 3"), BillState::Closed);
}

#[test]
fn a_hold_is_captured_once_in_time_by_its_shop_and_up_to_its_amount() {
    let mut book = Book::founded();
    let unknown = payment(0, "never placed");
    book.refuses(&format!("capture {unknown} 1 10"), 100, 6, "no payment");
    let held = book.does("hold 1 1 300 1 500", 100);
    book.refuses(&format!("capture {held} 2 10"), 100, 9, "isn't for S-");
    book.refuses(&format!("capture {held} 1 10"), 500, 10, "expired");
    book.refuses(
        &format!("capture {held} 1 301"),
        499,
        13,
        "JPY 301 is more than the JPY 300",
    );
    book.refuses(&format!("capture {held} 1 0"), 499, 14, "void it");
    book.does(&format!("capture {held} 1 299"), 499);
    book.refuses(
        &format!("capture {held} 1 1"),
        499,
        8,
        "already been captured",
    );
    book.refuses(&format!("void {held} 1"), 499, 8, "already been captured");
    let payer = book.book.account(&purse(1)).unwrap();
    assert_eq!((payer.balance, payer.held), (701, 0));
    assert_eq!(book.book.account(&till(1)).unwrap().balance, 299);
    let hold = book.book.hold(&held).unwrap();
    assert_eq!(hold.state, HoldState::Captured(yen(299)));
}

#[test]
fn a_hold_ends_by_its_time_or_its_shop() {
    let mut book = Book::founded();
    book.refuses("hold 1 1 300 1 100", 100, 10, "expired");
    let held = book.does("hold 1 1 300 1 500", 100);
    book.refuses(&format!("expire {held}"), 499, 11, "hasn't expired");
    book.refuses(&format!("void {held} 2"), 499, 9, "isn't for");
    book.does(&format!("expire {held}"), 500);
    book.refuses(&format!("capture {held} 1 1"), 499, 7, "released");
    book.refuses(&format!("expire {held}"), 600, 7, "released");
    let held = book.does("hold 1 1 300 1 900", 500);
    let centre = Action::Release(tegata_ledger::Release {
        payment: held,
        why: tegata_ledger::ReleaseReason::Voided {
            by: PartyNumber::CENTRE,
        },
    });
    assert!(matches!(book.act(&centre), Ok(Outcome::Released(_))));
    assert_eq!(book.book.account(&purse(1)).unwrap().held, 0);
}

#[test]
fn nothing_may_be_free_of_charge() {
    let mut book = Book::founded();
    let held = book.does("hold 3 1 0 1 500", 100);
    book.does(&format!("capture {held} 1 0"), 100);
    book.does("pay 3 1 0 2", 100);
}

#[test]
fn the_register_and_references_take_each_name_once() {
    let mut book = Book::founded();
    book.refuses("join 1", 100, 15, "already registered");
    book.does("renew 1", 100);
    book.refuses("renew 3", 100, 16, "isn't registered");
    book.refuses("expect RF3 3 500 0", 100, 16, "isn't registered");
    book.refuses("expect RF1 2 500 0", 100, 17, "RF1 is in use");
    book.refuses("refuse 4711", 100, 4711, "code 4711");
}

#[test]
fn received_money_finds_its_member_or_waits_in_suspense() {
    let mut book = Book::founded();
    book.does("expect RFA 1 200 999", 100);
    book.does("expect RFB 2 150 0", 100);
    book.does("expect RFC 2 500 0", 100);
    let words = "import s2 1:700:RFA,2:5:-,4:6:RF1,5:7:RFZ,6:8:RFB,7:9:RFC,8:10:RFC";
    let Ok(Outcome::Deposited(Deposited { entries, credited })) = book.decide(words, 150) else {
        panic!("refused");
    };
    let went: Vec<_> = entries.iter().map(|e| (e.index, e.destination)).collect();
    let waits = Destination::Suspense;
    let member = |n| Destination::Member(PartyNumber::new(Role::Member, n).unwrap());
    assert_eq!(
        went,
        [
            (1, member(1)),
            (2, waits(SuspenseReason::NoReference)),
            (4, waits(SuspenseReason::UsedReference)),
            (5, waits(SuspenseReason::UnknownReference)),
            (6, waits(SuspenseReason::ExpiredReference)),
            (7, member(2)),
            (8, waits(SuspenseReason::UsedReference)),
        ]
    );
    let credited: Vec<_> = credited.iter().map(|(id, a)| (*id, a.balance)).collect();
    assert_eq!(credited, [(purse(1), 1700), (purse(2), 59)]);
    let balance = |id| book.book.account(&id).unwrap().balance;
    assert_eq!(
        balance(AccountId::suspense(Currency::JPY)),
        5 + 6 + 7 + 8 + 10
    );
    assert_eq!(balance(bank()), -(1050 + 745));
}

#[test]
fn a_statement_comes_in_once_and_whole() {
    let mut book = Book::founded();
    book.refuses("import s1 9:5:-", 100, 18, "s1 of account JP1 was imported");
    book.refuses("import s2 1:5:-,1:6:-", 100, 19, "entry 1 occurs twice");
    book.refuses("import s2 1:5:-,2:0:-", 100, 14, "zero");
    book.does("import s2 1:5:-,2:6:-", 100);
    book.refuses("import s2 1:5:-,2:6:-", 100, 18, "imported");
}

#[test]
fn accounts_have_a_kind_a_currency_and_a_limit() {
    let mut book = Book::founded();
    let Ok(Action::Pay(pay)) = action_of(b"1 pay 1 1 10 1") else {
        panic!("a payment");
    };
    let euro = Amount::new(10, Currency::EUR).unwrap();
    let codes = [
        (
            21,
            Action::Pay(tegata_ledger::PayOrder {
                payer: till(1),
                ..pay.clone()
            }),
        ),
        (
            21,
            Action::Pay(tegata_ledger::PayOrder {
                payer: bank(),
                ..pay.clone()
            }),
        ),
        (
            21,
            Action::Pay(tegata_ledger::PayOrder {
                payee: purse(2),
                ..pay.clone()
            }),
        ),
        (
            21,
            Action::Pay(tegata_ledger::PayOrder {
                payee: till(2),
                ..pay.clone()
            }),
        ),
        (
            20,
            Action::Pay(tegata_ledger::PayOrder {
                amount: euro,
                ..pay.clone()
            }),
        ),
    ];
    for (code, action) in codes {
        assert_eq!(book.act(&action).unwrap_err().code(), code, "{action:?}");
    }
    let payer = AccountId::new(AccountKind::Prepaid, purse(1).owner, Currency::EUR);
    let mixed = tegata_ledger::PayOrder { payer, ..pay };
    assert_eq!(book.act(&Action::Pay(mixed)).unwrap_err().code(), 20);

    // The bank would owe more than an amount can be; and a member would hold more.
    book.refuses(
        &format!("import s2 1:{MAX_MINOR}:-"),
        100,
        22,
        "more than an account can",
    );
}

#[test]
fn the_same_instruction_is_one_payment() {
    let mut book = Book::founded();
    let Ok(Action::Pay(pay)) = action_of(b"1 pay 1 1 10 1") else {
        panic!("a payment");
    };
    let other_bill = tegata_ledger::PayOrder {
        bill: crate::town::bill(1, 2),
        ..pay.clone()
    };
    book.act(&Action::Pay(pay)).unwrap();
    assert_eq!(book.act(&Action::Pay(other_bill)).unwrap_err().code(), 12);
}
