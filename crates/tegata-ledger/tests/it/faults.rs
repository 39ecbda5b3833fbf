//! The store fails: before the commit, after it, or because another writer came in between.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tegata_ledger::{
    Fault, Key, Ledger, Position, Verdict, Working,
    store::{Entry, Reader, SqliteStore, Store, StoreError, Tip, Writer},
};

use crate::town::{TestSigner, Town, found, order, purse, respond};

/// What the next commits will do, counted down.
#[derive(Default)]
struct Mishaps {
    /// Say that another writer came in between.
    again: AtomicU32,
    /// Fail, nothing written.
    before: AtomicU32,
    /// Fail, everything written.
    after: AtomicU32,
}

struct FlakyStore {
    store: SqliteStore,
    mishaps: Arc<Mishaps>,
}

struct FlakyWriter {
    writer: Box<dyn Writer>,
    mishaps: Arc<Mishaps>,
}

impl Store for FlakyStore {
    fn writer(&self, committer: u16) -> Result<Box<dyn Writer>, StoreError> {
        Ok(Box::new(FlakyWriter {
            writer: self.store.writer(committer)?,
            mishaps: Arc::clone(&self.mishaps),
        }))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.store.reader()
    }

    fn check(&self) -> Result<(), StoreError> {
        self.store.check()
    }
}

/// Does this mishap happen now?
fn happens(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        .is_ok()
}

fn disk_full() -> StoreError {
    StoreError::Database {
        doing: "commit a batch",
        source: "no space left on device".into(),
    }
}

impl Writer for FlakyWriter {
    fn tip(&mut self) -> Result<Option<Tip>, StoreError> {
        self.writer.tip()
    }

    fn recall(&mut self, keys: &[Key], book: &mut Working) -> Result<(), StoreError> {
        self.writer.recall(keys, book)
    }

    fn reply(&mut self, position: Position) -> Result<(Verdict, Vec<u8>), StoreError> {
        self.writer.reply(position)
    }

    fn commit(&mut self, entries: &[Entry], book: &Working) -> Result<(), StoreError> {
        if happens(&self.mishaps.again) {
            return Err(StoreError::Again);
        }
        if happens(&self.mishaps.before) {
            return Err(disk_full());
        }
        self.writer.commit(entries, book)?;
        if happens(&self.mishaps.after) {
            return Err(disk_full());
        }
        Ok(())
    }

    fn abandon(&mut self) -> Result<(), StoreError> {
        self.writer.abandon()
    }
}

/// A founded town on a store that fails when told to.
fn flaky(town: &Town) -> (Ledger, Arc<Mishaps>) {
    let mishaps = Arc::new(Mishaps::default());
    let store = FlakyStore {
        store: SqliteStore::open(&town.database()).unwrap(),
        mishaps: Arc::clone(&mishaps),
    };
    let ledger = Ledger::open(store, 0, Box::new(TestSigner), &town.heads()).unwrap();
    found(&ledger, 1, 1000);
    (ledger, mishaps)
}

fn balance(ledger: &Ledger) -> i64 {
    ledger
        .read(|r| r.account(&purse(1)))
        .unwrap()
        .unwrap()
        .balance
}

#[test]
fn a_batch_that_lost_a_race_is_decided_anew() {
    let town = Town::new();
    let (ledger, mishaps) = flaky(&town);
    mishaps.again.store(3, Ordering::SeqCst);
    let paid = order(&ledger, 1, "pay 1 1 300 77", 200).unwrap();
    assert_eq!((paid.verdict, paid.known), (Verdict::Accepted, false));
    assert_eq!(balance(&ledger), 700);
    mishaps.again.store(1000, Ordering::SeqCst);
    let never = order(&ledger, 2, "pay 1 1 300 78", 200);
    assert!(matches!(never, Err(Fault::Store(e)) if matches!(*e, StoreError::Again)));
    mishaps.again.store(0, Ordering::SeqCst);
    order(&ledger, 2, "pay 1 1 300 78", 200).unwrap();
    assert_eq!(balance(&ledger), 400);
    assert!(town.audit().is_clean(), "{:#?}", town.audit());
}

#[test]
fn a_failed_commit_changes_nothing_and_can_be_sent_again() {
    let town = Town::new();
    let (ledger, mishaps) = flaky(&town);
    mishaps.before.store(1, Ordering::SeqCst);
    let failed = order(&ledger, 1, "pay 1 1 300 77", 200);
    assert!(matches!(failed, Err(Fault::Store(_))), "{failed:?}");
    assert_eq!(balance(&ledger), 1000);
    let paid = order(&ledger, 1, "pay 1 1 300 77", 200).unwrap();
    assert!(!paid.known);
    assert_eq!(balance(&ledger), 700);
    assert!(town.audit().is_clean(), "{:#?}", town.audit());
}

#[test]
fn a_commit_whose_answer_was_lost_is_known_when_sent_again() {
    let town = Town::new();
    let (ledger, mishaps) = flaky(&town);
    mishaps.after.store(1, Ordering::SeqCst);
    let in_doubt = order(&ledger, 1, "pay 1 1 300 77", 200);
    assert!(matches!(in_doubt, Err(Fault::Store(_))), "{in_doubt:?}");
    let again = order(&ledger, 1, "pay 1 1 300 77", 200).unwrap();
    assert!(again.known);
    let next = order(&ledger, 2, "pay 1 1 300 78", 200).unwrap();
    assert_eq!(next.position, again.position.next());
    assert_eq!(balance(&ledger), 400);
    assert!(town.audit().is_clean(), "{:#?}", town.audit());
}

#[test]
fn a_reply_that_panics_stops_the_book_and_nothing_is_written() {
    let town = Town::new();
    let (ledger, _) = flaky(&town);
    let evidence = crate::town::evidence(1, "pay 1 1 300 77");
    let action = crate::town::action_of(&evidence.bytes).unwrap();
    let now = tegata_protocol::Time::from_secs(200);
    let bad = tegata_ledger::Draft::new(crate::town::key(1), evidence, action, now, |decision| {
        assert!(decision.result.is_err(), "a mistake in the program");
        respond(decision)
    });
    assert!(matches!(ledger.submit_and_wait(bad), Err(Fault::Stopped)));
    let later = order(&ledger, 2, "note", 200);
    assert!(matches!(later, Err(Fault::Stopped)));
    // Its thread may still be unwinding.
    let stopped = (0..1_000_000).any(|_| matches!(ledger.check(), Err(Fault::Stopped)));
    assert!(stopped, "a book that has ended isn't ready");
    assert_eq!(balance(&ledger), 1000);
    drop(ledger);
    assert_eq!(
        order(&town.open(), 2, "note", 200).unwrap().verdict,
        Verdict::Accepted
    );
}

#[test]
fn a_check_finds_what_the_store_lacks_and_changes_nothing() {
    let town = Town::new();
    let (ledger, _) = flaky(&town);
    ledger.check().unwrap();
    let sql = |sql: &str| {
        let connection = rusqlite::Connection::open(town.database()).unwrap();
        connection.execute_batch(sql)
    };
    let finds = |what: &str| match ledger.check() {
        Err(Fault::Store(why)) => assert!(format!("{why:?}").contains(what), "{why:?}"),
        other => panic!("{what}: {other:?}"),
    };
    sql("CREATE TRIGGER t AFTER INSERT ON record BEGIN SELECT 1; END").unwrap();
    finds("trigger");
    sql("DROP TRIGGER t").unwrap();
    ledger.check().unwrap();
    assert_eq!(balance(&ledger), 1000);
    sql("ALTER TABLE statement_entry RENAME TO gone").unwrap();
    finds("gone");
}
