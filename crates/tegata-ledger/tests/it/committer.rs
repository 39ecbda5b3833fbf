//! The handle: idempotency, batches, heads, opening.

use std::sync::mpsc;

use tegata_ledger::{Committed, Fault, HeadSigner, OpenError, Position, Verdict};
use tegata_protocol::Time;

use crate::town::{
    TestSigner, Town, bank, draft, found, key, open, order, payment, purse, shop, till,
};

#[test]
fn a_payment_is_held_captured_and_told() {
    let town = Town::new();
    let ledger = town.open();
    found(&ledger, 2, 1000);
    let words = "hold 1 1 300 77 5000";
    let held = order(&ledger, 1, words, 200).unwrap();
    assert_eq!(held.verdict, Verdict::Accepted);
    let account = |id| ledger.read(|r| r.account(&id)).unwrap().unwrap();
    assert_eq!(
        (account(purse(1)).balance, account(purse(1)).available()),
        (1000, 700)
    );
    let capture = format!("capture {} 1 200", payment(1, words));
    let captured = order(&ledger, 2, &capture, 300).unwrap();
    assert_eq!(captured.position, held.position.next());
    assert_eq!(
        (account(purse(1)).balance, account(purse(1)).held),
        (800, 0)
    );
    assert_eq!(account(till(1)).balance, 200);
    assert_eq!(account(bank()).balance, -2000);

    let head = TestSigner.read(&captured.head).unwrap();
    assert_eq!(
        (head.position(), head.time),
        (captured.position, Time::from_secs(300))
    );
    let told = ledger.read(|r| r.outbox_after(shop(1), 0, 10)).unwrap();
    assert_eq!(
        (told.len(), told[0].number, told[0].position),
        (1, 1, held.position)
    );
    let late = order(&ledger, 3, &capture, 300).unwrap();
    assert_eq!(late.verdict, Verdict::Refused(8));
    assert!(town.audit().is_clean(), "{:?}", town.audit());
}

#[test]
fn the_same_message_has_the_effect_and_the_reply_of_once() {
    let town = Town::new();
    let ledger = town.open();
    found(&ledger, 1, 1000);
    let first = order(&ledger, 1, "pay 1 1 300 77", 200).unwrap();
    let refused = order(&ledger, 2, "pay 1 1 3000 78", 200).unwrap();
    assert_eq!(refused.verdict, Verdict::Refused(1));
    let conflict = order(&ledger, 1, "pay 1 1 301 77", 200);
    assert!(
        matches!(conflict, Err(Fault::Conflict { position, .. }) if position == first.position)
    );
    drop(ledger);

    // An hour and a restart later, and after more money has come.
    let ledger = town.open();
    order(&ledger, 3, "import two 1:9000:RF1", 200).unwrap();
    for (id, words, before) in [
        (1, "pay 1 1 300 77", first),
        (2, "pay 1 1 3000 78", refused),
    ] {
        let again = order(&ledger, id, words, 3800).unwrap();
        assert!(again.known);
        assert_eq!(again.reply, before.reply);
        assert_eq!(
            (again.position, again.verdict),
            (before.position, before.verdict)
        );
        let stored = ledger.read(|r| r.reply_of(&key(id))).unwrap().unwrap();
        assert_eq!(stored.reply, before.reply.to_vec());
    }
    let purse = ledger.read(|r| r.account(&purse(1))).unwrap().unwrap();
    assert_eq!(purse.balance, 700);
}

/// Submits all at once, so that they share batches; the answers in order.
fn storm(
    ledger: &tegata_ledger::Ledger,
    orders: impl Iterator<Item = (u64, String)>,
) -> Vec<Result<Committed, Fault>> {
    let answers: Vec<_> = orders
        .map(|(id, words)| {
            let (sender, receiver) = mpsc::channel();
            ledger.submit(draft(id, &words, 200), move |answer| {
                sender.send(answer).unwrap();
            });
            receiver
        })
        .collect();
    answers.into_iter().map(|a| a.recv().unwrap()).collect()
}

#[test]
fn twins_in_one_batch_have_one_effect() {
    let town = Town::new();
    let ledger = town.open();
    found(&ledger, 1, 1000);
    let answers = storm(&ledger, (0..60).map(|_| (1, "pay 1 1 300 77".to_owned())));
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|a| !a.known).count(), 1);
    assert!(answers.iter().all(|a| a.reply == answers[0].reply));
    let others = storm(&ledger, (0..5).map(|n| (2, format!("pay 1 1 1 {n}"))));
    let stored = others.iter().filter(|a| a.is_ok()).count();
    let conflicts = others
        .iter()
        .filter(|a| matches!(a, Err(Fault::Conflict { .. })))
        .count();
    assert_eq!((stored, conflicts), (1, 4));
    let purse = ledger.read(|r| r.account(&purse(1))).unwrap().unwrap();
    assert_eq!(purse.balance, 699);
}

/// Submits all while the committer is kept busy, so that they share one batch.
fn one_batch(ledger: &tegata_ledger::Ledger, orders: &[(u64, String)]) -> Vec<Committed> {
    let (busy, is_busy) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    ledger.submit(draft(9_999_999, "note", 200), move |_| {
        busy.send(()).unwrap();
        wait.recv().unwrap();
    });
    is_busy.recv().unwrap();
    let (sender, receiver) = mpsc::channel();
    for (id, words) in orders {
        let sender = sender.clone();
        ledger.submit(draft(*id, words, 200), move |answer| {
            sender.send(answer.unwrap()).unwrap();
        });
    }
    go.send(()).unwrap();
    drop(sender);
    receiver.iter().take(orders.len()).collect()
}

#[test]
fn a_batch_sees_what_it_did_itself() {
    let town = Town::new();
    let ledger = town.open();
    let hold = "hold 5 1 300 77 5000";
    let answers = one_batch(
        &ledger,
        &[
            (1, "join 5".to_owned()),
            (2, "expect RF5 5 5000 0".to_owned()),
            (3, "import s 1:400:RF5".to_owned()),
            (4, hold.to_owned()),
            (5, format!("capture {} 1 300", payment(4, hold))),
            (6, "pay 5 1 100 78".to_owned()),
            (7, "pay 5 1 1 79".to_owned()),
        ],
    );
    let verdicts: Vec<_> = answers.iter().map(|a| a.verdict).collect();
    assert_eq!(verdicts[..6], [Verdict::Accepted; 6]);
    assert_eq!(verdicts[6], Verdict::Refused(1));
    assert!(
        answers.iter().all(|a| a.head == answers[0].head),
        "one batch"
    );
    assert!(town.audit().is_clean(), "{:?}", town.audit());
}

#[test]
fn two_hundred_concurrent_debits_take_what_suffices_for_seven() {
    let town = Town::new();
    let ledger = town.open();
    found(&ledger, 1, 799);
    std::thread::scope(|scope| {
        let debits: Vec<_> = (0..8_u64)
            .map(|thread| {
                let ledger = &ledger;
                let orders = (0..25).map(move |n| {
                    let id = thread * 100 + n;
                    let what = if n % 2 == 0 { "hold" } else { "pay" };
                    (id, format!("{what} 1 {} 100 {id} 9000", 1 + id % 3))
                });
                scope.spawn(move || storm(ledger, orders))
            })
            .collect();
        let accepted = debits
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .filter(|a| a.as_ref().unwrap().verdict == Verdict::Accepted)
            .count();
        assert_eq!(accepted, 7);
    });
    let purse = ledger.read(|r| r.account(&purse(1))).unwrap().unwrap();
    assert_eq!(purse.available(), 99);
    assert!(town.audit().is_clean(), "{:?}", town.audit());
}

#[test]
fn a_database_older_than_its_heads_is_refused() {
    let town = Town::new();
    let ledger = town.open();
    found(&ledger, 1, 1000);
    drop(ledger);
    let backup = std::fs::read(town.database()).unwrap();
    let ledger = town.open();
    order(&ledger, 1, "pay 1 1 300 77", 200).unwrap();
    drop(ledger);
    std::fs::write(town.database(), backup).unwrap();
    for tail in ["-wal", "-shm"] {
        let mut name = town.database().into_os_string();
        name.push(tail);
        assert!(
            !std::path::Path::new(&name).exists(),
            "closed without a {tail}"
        );
    }
    let refused = open(town.folder.path());
    assert!(
        matches!(&refused, Err(OpenError::Older { last, head })
            if last.next() == head.position()),
        "{refused:?}"
    );
}

#[test]
fn records_without_heads_are_refused() {
    let town = Town::new();
    let ledger = town.open();
    drop(ledger);
    let ledger = town.open();
    let last = order(&ledger, 1, "note", 200).unwrap().position;
    drop(ledger);
    std::fs::write(town.heads().join("0.heads"), b"").unwrap();
    let refused = open(town.folder.path());
    assert!(
        matches!(&refused, Err(OpenError::NoHeads { last: l }) if *l == last),
        "{refused:?}"
    );
}

#[test]
fn a_torn_head_is_cut_off_and_made_again() {
    let town = Town::new();
    let ledger = town.open();
    found(&ledger, 1, 1000);
    let last = order(&ledger, 1, "pay 1 1 300 77", 200).unwrap();
    drop(ledger);
    let file = town.heads().join("0.heads");
    let whole = std::fs::read(&file).unwrap();
    let torn = (1..40).map(|cut| whole[..whole.len() - cut].to_vec());
    let garbage = [&whole[..], &[0xFF; 500]].concat();
    for (cut, bytes) in (1..).zip(torn.chain([garbage])) {
        std::fs::write(&file, bytes).unwrap();
        let ledger = town.open();
        let again = order(&ledger, 1, "pay 1 1 300 77", 200).unwrap();
        assert_eq!(again.head, last.head, "cut by {cut}");
        drop(ledger);
        assert_eq!(std::fs::read(&file).unwrap(), whole, "cut by {cut}");
    }
}

#[test]
fn only_one_centre_may_have_the_book_open() {
    let town = Town::new();
    let _ledger = town.open();
    let second = open(town.folder.path());
    assert!(matches!(
        second,
        Err(OpenError::Heads(tegata_ledger::HeadsError::InUse { .. }))
    ));
}

#[test]
fn a_full_queue_says_busy_and_a_closed_book_ends_what_waits() {
    let town = Town::new();
    let ledger = town.open();
    let (sender, receiver) = mpsc::channel();
    for id in 0..20_000_u64 {
        let sender = sender.clone();
        ledger.submit(draft(id, "note", 200), move |answer| {
            sender.send(answer).unwrap();
        });
    }
    drop((ledger, sender));
    let answers: Vec<_> = receiver.iter().collect();
    assert_eq!(answers.len(), 20_000);
    let written = answers.iter().flatten().count();
    let busy = answers
        .iter()
        .filter(|a| matches!(a, Err(Fault::Busy)))
        .count();
    assert_eq!(written + busy, 20_000);
    let last = answers.iter().flatten().map(|c| c.position).max().unwrap();
    assert_eq!(last, Position::new(0, u64::try_from(written).unwrap()));
}
