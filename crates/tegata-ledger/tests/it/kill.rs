//! The power fails: a process that writes under load is killed again and again, at any moment.
//! Whatever it had acknowledged is there afterwards, once; the sum is zero; the audit is clean.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
};

use tegata_ledger::{Fault, Ledger, Verdict};

use crate::town::{Town, audit_folder, draft, found, open, order, purse};

const FOLDER: &str = "TEGATA_KILL_TEST_FOLDER";
const ROUND: &str = "TEGATA_KILL_TEST_ROUND";
/// Orders that are under way at a time.
const IN_FLIGHT: u64 = 300;
/// Message numbers of one round.
const SPAN: u64 = 1_000_000;

/// What the child does: submit, and print each number once it is acknowledged. Not a test of its
/// own: it only acts when it was started by [`killed_rounds`].
#[test]
fn writes_until_killed() {
    let (Ok(folder), Ok(round)) = (env::var(FOLDER), env::var(ROUND)) else {
        return;
    };
    let ledger = open(Path::new(&folder)).unwrap();
    let first = 10_000_000 + round.parse::<u64>().unwrap() * SPAN;
    let (sender, receiver) = mpsc::channel();
    let submit = |id: u64| {
        let sender = sender.clone();
        ledger.submit(draft(id, &words(id), 200), move |answer| {
            sender.send((id, answer)).unwrap();
        });
    };
    (first..first + IN_FLIGHT).for_each(submit);
    let mut out = std::io::stdout().lock();
    for next in first + IN_FLIGHT..first + SPAN {
        let (id, answer) = receiver.recv().unwrap();
        let committed = answer.unwrap();
        writeln!(out, "ack {id} {}", committed.position.sequence).unwrap();
        submit(next);
    }
}

/// Mostly payments of 1; some are refused.
fn words(id: u64) -> String {
    let (member, shop) = (1 + id % 5, 1 + id % 3);
    match id % 7 {
        0 => format!("hold {member} {shop} 1 {id} 999999"),
        1 => format!(
            "capture {} {shop} 1",
            crate::town::payment(id - 1, &words(id - 1))
        ),
        2 => format!("pay {member} {shop} 99999999 {id}"),
        _ => format!("pay {member} {shop} 1 {id}"),
    }
}

fn start(folder: &Path, round: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["kill::writes_until_killed", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Starts a writer, kills it after some acknowledgements, and returns all that it printed.
fn one_round(folder: &Path, round: u64, after: usize) -> Vec<(u64, u64)> {
    let mut child = start(folder, round);
    let mut acknowledged = Vec::new();
    let output = BufReader::new(child.stdout.take().unwrap());
    for line in output.lines().map_while(Result::ok) {
        // The test harness may print before; a torn last line counts for nothing.
        let Some(numbers) = line.split("ack ").nth(1) else {
            continue;
        };
        let mut numbers = numbers.split(' ').map(str::parse);
        if let (Some(Ok(id)), Some(Ok(sequence))) = (numbers.next(), numbers.next()) {
            acknowledged.push((id, sequence));
        }
        if acknowledged.len() == after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    acknowledged
}

fn killed_rounds(rounds: u64) {
    let town = Town::new();
    found(&town.open(), 5, 50_000_000);
    let mut acknowledged = BTreeMap::new();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..rounds {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let after = 1 + usize::try_from(random >> 54).unwrap();
        let before = acknowledged.len();
        let acks = one_round(town.folder.path(), round, after);
        acknowledged.extend(acks);
        assert!(
            acknowledged.len() >= before + after,
            "round {round} was killed under load"
        );
        let ledger = town.open();
        check_all(&ledger, &acknowledged);
        check_money(&ledger);
    }
    let report = audit_folder(town.folder.path(), &[]);
    assert!(report.is_clean(), "{report:#?}");
    assert!(report.records >= u64::try_from(acknowledged.len()).unwrap());
}

/// Sending again what was acknowledged gets the same record, and never a new one.
fn check_all(ledger: &Ledger, acknowledged: &BTreeMap<u64, u64>) {
    let (sender, receiver) = mpsc::channel();
    let mut ids = acknowledged.iter().rev().take(2000);
    let mut waiting = 0;
    for (&id, &sequence) in ids.by_ref() {
        let sender = sender.clone();
        waiting += 1;
        ledger.submit(draft(id, &words(id), 9_999_999), move |answer| {
            sender.send((id, sequence, answer)).unwrap();
        });
    }
    drop(sender);
    let answers: Vec<_> = receiver.iter().collect();
    assert_eq!(answers.len(), waiting);
    for (id, sequence, answer) in answers {
        let committed = answer.unwrap();
        assert!(committed.known, "{id} was acknowledged and is lost");
        assert_eq!(committed.position.sequence, sequence, "{id}");
    }
}

fn check_money(ledger: &Ledger) {
    let accounts = ledger.read(|r| r.accounts(None, 1000)).unwrap();
    let sum: i64 = accounts.iter().map(|(_, a)| a.balance).sum();
    assert_eq!(sum, 0);
    let spent = order(ledger, 5_000_000, "pay 1 1 99999999 1", 200).unwrap();
    assert_eq!(spent.verdict, Verdict::Refused(1));
    assert!(!matches!(
        order(ledger, 5_000_000, "note", 200),
        Ok(_) | Err(Fault::Stopped)
    ));
    assert!(accounts.iter().any(|(id, _)| *id == purse(1)));
}

#[test]
fn nothing_acknowledged_is_lost_when_killed_twenty_times() {
    killed_rounds(20);
}

#[test]
#[ignore = "takes a minute: run cargo xtask test"]
fn nothing_acknowledged_is_lost_when_killed_a_hundred_times() {
    killed_rounds(100);
}
