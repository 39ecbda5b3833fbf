//! What every store must do. [`run_all`] is the battery: a new implementation adds one test that
//! runs it.

use std::path::Path;

use tegata_ledger::{
    Action, Capture, Effect, EntryRecord, Key, OutboxItem, Position, Record, RecordKind, Verdict,
    Working, decide,
    store::{Entry, Reader, SqliteStore, Store, StoreError, Tip, Writer},
};
use tegata_protocol::{Digest, PaymentId, Time};

use crate::town::{action_of, bank, bill, evidence, key, line, member, payment, purse, shop, till};

/// Opens the store that lies in a folder; makes it the first time.
type Open = fn(&Path) -> Box<dyn Store>;

#[test]
fn sqlite_passes() {
    run_all(|folder| Box::new(SqliteStore::open(&folder.join("ledger.sqlite")).unwrap()));
}

/// The whole battery, each part on a store of its own.
fn run_all(open: Open) {
    let parts: [fn(Open, &Path); 9] = [
        a_check_passes_and_changes_nothing,
        an_empty_store_knows_nothing,
        what_is_committed_reads_back,
        lists_are_paged_in_order,
        a_batch_is_written_whole_or_not_at_all,
        readers_see_what_is_committed,
        outboxes_are_numbered_without_gaps,
        open_holds_are_found_by_time_and_payer,
        committers_keep_chains_of_their_own,
    ];
    for part in parts {
        let folder = tempfile::tempdir().unwrap();
        part(open, folder.path());
    }
}

fn a_check_passes_and_changes_nothing(open: Open, folder: &Path) {
    let store = open(folder);
    store.check().unwrap();
    assert!(store.writer(0).unwrap().tip().unwrap().is_none());
    open(folder).check().unwrap();
}

/// A writer that decides orders and commits them, as the committer does, but step by step.
struct Clerk {
    writer: Box<dyn Writer>,
    committer: u16,
    tip: Option<Tip>,
}

impl Clerk {
    fn new(store: &dyn Store, committer: u16) -> Self {
        let mut writer = store.writer(committer).unwrap();
        let tip = writer.tip().unwrap();
        Self {
            writer,
            committer,
            tip,
        }
    }

    /// Recalls all that any order of the town could need.
    fn recall(&mut self, orders: &[(u64, &str)]) -> Working {
        let mut keys = vec![Key::Account(bank())];
        keys.push(Key::Account(tegata_ledger::AccountId::suspense(
            bank().currency,
        )));
        keys.push(Key::Funding("RF9".to_owned()));
        for n in 1..4 {
            keys.extend([Key::Account(purse(n)), Key::Account(till(n))]);
            keys.extend([Key::Party(member(n)), Key::Funding(format!("RF{n}"))]);
        }
        for (id, words) in orders {
            keys.push(Key::Message(key(*id)));
            match action_of(line(*id, words).as_bytes()).unwrap() {
                Action::Hold(order) => {
                    keys.extend([Key::Hold(order.pay.payment), Key::Bill(order.pay.bill)]);
                }
                Action::Capture(Capture { payment, .. }) => {
                    keys.extend([Key::Hold(payment), Key::Bill(bill(1, 1))]);
                }
                Action::Deposit(deposit) => keys.push(Key::Statement(deposit.statement)),
                Action::Note(_)
                | Action::Refuse(_)
                | Action::Register(_)
                | Action::Replace(_)
                | Action::ExpectFunding(_)
                | Action::Pay(_)
                | Action::Release(_)
                | Action::CloseBill(_)
                | Action::IssueCard(_)
                | Action::ChangeCard(_)
                | Action::LoadCard(_)
                | Action::EmptyCard(_)
                | Action::HoldByCard(_)
                | Action::PostReceipt(_) => {}
            }
        }
        let mut book = Working::partial();
        self.writer.recall(&keys, &mut book).unwrap();
        book
    }

    fn entry(&self, book: &mut Working, id: u64, words: &str, tip: Option<Tip>) -> Entry {
        let evidence = evidence(id, words);
        let action = action_of(&evidence.bytes).unwrap();
        let position = tip.map_or(Position::new(self.committer, 1), |t| t.position.next());
        let time = Time::from_secs(86_400 * (id % 3));
        let decided = decide(book, &action, time);
        let accepted = decided.is_ok();
        let (legs, statement) = decided.map_or((Vec::new(), None), |d| {
            (d.legs, d.effects.into_iter().find_map(statement_of))
        });
        let record = Record {
            position,
            previous: tip.map_or(Record::GENESIS, |t| t.hash),
            kind: action.kind(),
            verdict: if accepted {
                Verdict::Accepted
            } else {
                Verdict::Refused(77)
            },
            cause: key(id),
            signer: evidence.kind,
            evidence: Digest::of(&evidence.bytes),
            attachment: evidence.attachment.as_deref().map(Digest::of),
            legs,
            reply: Digest::of(words.as_bytes()),
            effects: Digest::of(b"effects"),
            outbox: (id.is_multiple_of(2)).then(|| Digest::of(b"outbox")),
            time,
        };
        Entry {
            hash: record.hash(),
            evidence: accepted.then_some(evidence),
            reply: words.as_bytes().to_vec(),
            statement,
            outbox: [shop(1), shop(2), shop(1)]
                .into_iter()
                .take(if id.is_multiple_of(2) { 3 } else { 0 })
                .map(|to| OutboxItem {
                    to,
                    kind: 9,
                    bytes: id.to_be_bytes().to_vec(),
                })
                .collect(),
            record,
        }
    }

    fn decide(&mut self, orders: &[(u64, &str)]) -> (Vec<Entry>, Working) {
        let mut book = self.recall(orders);
        let mut entries: Vec<Entry> = Vec::new();
        for (id, words) in orders {
            let tip = entries.last().map(tip_of).or(self.tip);
            entries.push(self.entry(&mut book, *id, words, tip));
        }
        assert!(!book.missed());
        (entries, book)
    }

    fn write(&mut self, orders: &[(u64, &str)]) -> Vec<Entry> {
        let (entries, book) = self.decide(orders);
        self.writer.commit(&entries, &book).unwrap();
        self.tip = entries.last().map(tip_of);
        entries
    }
}

fn statement_of(effect: Effect) -> Option<(tegata_ledger::StatementKey, Vec<EntryRecord>)> {
    match effect {
        Effect::Statement(key, _, entries) => Some((key, entries)),
        Effect::Party(..)
        | Effect::Hold(_)
        | Effect::Bill(..)
        | Effect::Funding(..)
        | Effect::Card(..)
        | Effect::Receipt(..) => None,
    }
}

fn tip_of(entry: &Entry) -> Tip {
    Tip {
        position: entry.record.position,
        hash: entry.hash,
        time: entry.record.time,
    }
}

const FOUNDING: &[(u64, &str)] = &[
    (100, "join 1"),
    (101, "join 2"),
    (102, "expect RF1 1 999999999 0"),
    (103, "expect RF2 2 999999999 700"),
    (105, "import s1 1:5000:RF1,2:700:RF2,3:9:-,7:8:RF9"),
];
const HOLDS: &[(u64, &str)] = &[
    (1, "hold 1 1 300 1 999999"),
    (4, "hold 1 2 200 2 888888"),
    (7, "hold 2 1 100 3 777777"),
    (8, "hold 2 1 9999 4 777777"),
];

fn reader(store: &dyn Store) -> Box<dyn Reader> {
    store.reader().unwrap()
}

fn an_empty_store_knows_nothing(open: Open, folder: &Path) {
    let store = open(folder);
    let mut clerk = Clerk::new(store.as_ref(), 0);
    assert_eq!(clerk.tip, None);
    let book = clerk.recall(FOUNDING);
    assert_eq!(
        (book.account(&purse(1)), book.message(&key(100))),
        (None, None)
    );
    assert!(!book.missed(), "absent isn't the same as never looked up");
    clerk.writer.abandon().unwrap();
    assert!(clerk.writer.reply(Position::new(0, 1)).is_err());

    let mut r = reader(store.as_ref());
    assert_eq!(r.tips().unwrap(), []);
    assert_eq!(r.reply_of(&key(1)).unwrap(), None);
    assert_eq!(r.records(Position::new(0, 0), 9).unwrap(), []);
    assert_eq!(r.outbox_after(shop(1), 0, 9).unwrap(), []);
    assert_eq!(r.account(&purse(1)).unwrap(), None);
    assert_eq!(r.suspense(9).unwrap(), []);
    assert_eq!(r.orphans(9).unwrap(), []);
}

fn what_is_committed_reads_back(open: Open, folder: &Path) {
    let store = open(folder);
    let mut clerk = Clerk::new(store.as_ref(), 0);
    let mut entries = clerk.write(FOUNDING);
    entries.extend(clerk.write(HOLDS));
    let paid = payment(1, HOLDS[0].1);
    let capture = format!("capture {paid} 1 250");
    entries.extend(clerk.write(&[(10, &capture)]));
    drop((clerk, store));

    let store = open(folder);
    let clerk = Clerk::new(store.as_ref(), 0);
    assert_eq!(clerk.tip, entries.last().map(tip_of));
    let mut r = reader(store.as_ref());
    let stored = r.records(Position::new(0, 0), 100).unwrap();
    assert_eq!(stored.len(), entries.len());
    for (stored, entry) in stored.iter().zip(&entries) {
        assert_eq!((&stored.record, stored.hash), (&entry.record, entry.hash));
        assert_eq!(stored.evidence, entry.evidence);
        assert_eq!(stored.reply.as_ref(), Some(&entry.reply));
        let items: Vec<_> = stored.outbox.iter().map(|o| o.item.clone()).collect();
        assert_eq!(items, entry.outbox);
        let reply = r.reply_of(&entry.record.cause).unwrap().unwrap();
        assert_eq!(
            (reply.verdict, &reply.reply),
            (entry.record.verdict, &entry.reply)
        );
        assert_eq!(Some(reply.message), stored.message);
        assert_eq!(reply.message.digest, entry.record.evidence);
        assert_eq!(reply.message.position, entry.record.position);
    }
    read_back_state(r.as_mut(), paid);
}

fn read_back_state(r: &mut dyn Reader, paid: PaymentId) {
    let mut book = Working::whole();
    let capture = format!("capture {paid} 1 250");
    for (id, words) in FOUNDING
        .iter()
        .chain(HOLDS)
        .chain([&(10, capture.as_str())])
    {
        let action = action_of(line(*id, words).as_bytes()).unwrap();
        let _refused = decide(&mut book, &action, Time::from_secs(86_400 * (id % 3)));
    }
    for (id, account) in book.accounts() {
        assert_eq!(r.account(id).unwrap().as_ref(), Some(account));
    }
    for (payment, hold) in book.holds() {
        assert_eq!(r.hold(payment).unwrap().as_ref(), Some(hold));
    }
    for (key, bill) in book.bills() {
        assert_eq!(r.bill(key).unwrap().as_ref(), Some(bill));
    }
    for (reference, funding) in book.fundings() {
        assert_eq!(r.funding(reference).unwrap().as_ref(), Some(funding));
    }
    for (party, record) in book.parties() {
        assert_eq!(r.party(*party).unwrap().as_ref(), Some(record));
    }
    let statements = r.statements(None, 9).unwrap();
    assert_eq!(statements.len(), 1);
    let (key, statement) = &statements[0];
    assert_eq!(book.statement(key), Some(statement));
    let entries = r.entries(key).unwrap();
    let indexes: Vec<_> = entries.iter().map(|e| e.index).collect();
    assert_eq!(indexes, [1, 2, 3, 7]);
    let waiting = r.suspense(9).unwrap();
    let waiting: Vec<_> = waiting.into_iter().map(|s| s.entry).collect();
    assert_eq!(waiting, entries[2..]);
    let counts = r
        .counts(Time::from_secs(0), Time::from_secs(3 * 86_400))
        .unwrap();
    let total: u64 = counts.iter().map(|c| c.accepted + c.refused).sum();
    assert_eq!(total, 10);
    let refused: Vec<_> = counts.iter().filter(|c| c.refused > 0).collect();
    assert_eq!((refused.len(), refused[0].kind), (1, RecordKind::Hold));
    assert_eq!(refused[0].day, Time::from_secs(2 * 86_400));
    assert!(
        r.counts(Time::from_secs(1), Time::from_secs(86_400))
            .unwrap()
            .is_empty()
    );
}

/// Everything of a list, one by one, must be what the list is at once.
fn pages<K: Clone, T: PartialEq + std::fmt::Debug>(
    mut list: impl FnMut(Option<&K>, u32) -> Vec<T>,
    key: impl Fn(&T) -> K,
) -> usize {
    let all = list(None, 1000);
    let mut after: Option<K> = None;
    for expected in &all {
        let next = list(after.as_ref(), 1);
        assert_eq!(next, std::slice::from_ref(expected));
        after = Some(key(expected));
    }
    assert!(list(after.as_ref(), 1).is_empty());
    all.len()
}

fn lists_are_paged_in_order(open: Open, folder: &Path) {
    let store = open(folder);
    let mut clerk = Clerk::new(store.as_ref(), 0);
    clerk.write(FOUNDING);
    clerk.write(HOLDS);
    clerk.write(&[(20, "import s0 1:1:-"), (21, "import s2 1:1:-")]);
    let mut r = reader(store.as_ref());
    let r = r.as_mut();
    let accounts = pages(|after, n| r.accounts(after, n).unwrap(), |a| a.0);
    let holds = pages(|after, n| r.holds(after, n).unwrap(), |h| h.payment);
    let bills = pages(|after, n| r.bills(after, n).unwrap(), |b| b.0);
    let parties = pages(|after, n| r.parties(after.copied(), n).unwrap(), |p| p.0);
    let fundings = pages(
        |after: Option<&String>, n| r.fundings(after.map(String::as_str), n).unwrap(),
        |f| f.0.clone(),
    );
    let statements = pages(|after, n| r.statements(after, n).unwrap(), |s| s.0.clone());
    assert_eq!(
        (accounts, holds, bills, parties, fundings, statements),
        (4, 3, 3, 2, 2, 3)
    );
    let mut from = Position::new(0, 0);
    for sequence in 1..=11 {
        let page = r.records(from, 1).unwrap();
        assert_eq!(page[0].record.position, Position::new(0, sequence));
        from = page[0].record.position.next();
    }
    assert!(r.records(from, 1).unwrap().is_empty());
}

fn a_batch_is_written_whole_or_not_at_all(open: Open, folder: &Path) {
    let store = open(folder);
    let mut clerk = Clerk::new(store.as_ref(), 0);
    clerk.write(FOUNDING);
    let before = clerk.tip;

    // The second record claims a message id that is taken.
    let (mut entries, book) = clerk.decide(HOLDS);
    entries[1].record.cause = key(100);
    assert!(clerk.writer.commit(&entries, &book).is_err());
    clerk.writer.abandon().unwrap();
    // A batch that is given up.
    clerk.decide(HOLDS);
    clerk.writer.abandon().unwrap();

    assert_eq!(clerk.writer.tip().unwrap(), before);
    let mut r = reader(store.as_ref());
    assert_eq!(r.records(Position::new(0, 6), 9).unwrap(), []);
    assert_eq!(r.holds(None, 9).unwrap(), []);
    assert_eq!(r.account(&purse(1)).unwrap().unwrap().held, 0);
    clerk.write(HOLDS);
    assert_eq!(r.account(&purse(1)).unwrap().unwrap().held, 500);

    // A record in a place that is taken.
    let mut late = Clerk::new(store.as_ref(), 0);
    late.tip = before;
    let (entries, book) = late.decide(&[(50, "note")]);
    assert!(late.writer.commit(&entries, &book).is_err());
    late.writer.abandon().unwrap();
    assert_eq!(r.reply_of(&key(50)).unwrap(), None);
}

fn readers_see_what_is_committed(open: Open, folder: &Path) {
    let store = open(folder);
    let mut clerk = Clerk::new(store.as_ref(), 0);
    clerk.write(FOUNDING);
    let (mut still, mut fresh) = (reader(store.as_ref()), reader(store.as_ref()));
    still.freeze().unwrap();
    let (entries, book) = clerk.decide(HOLDS);
    assert_eq!(fresh.holds(None, 9).unwrap(), []);
    clerk.writer.commit(&entries, &book).unwrap();
    assert_eq!(fresh.holds(None, 9).unwrap().len(), 3);
    assert_eq!(still.holds(None, 9).unwrap(), []);
    assert_eq!(still.tips().unwrap()[0].position, Position::new(0, 5));
    still.thaw().unwrap();
    assert_eq!(still.holds(None, 9).unwrap().len(), 3);
    still.thaw().unwrap();
}

fn outboxes_are_numbered_without_gaps(open: Open, folder: &Path) {
    let store = open(folder);
    let mut clerk = Clerk::new(store.as_ref(), 0);
    clerk.write(&[(2, "note"), (3, "note"), (4, "note")]);
    clerk.decide(&[(6, "note")]);
    clerk.writer.abandon().unwrap();
    let mut other = Clerk::new(store.as_ref(), 5);
    other.write(&[(8, "note")]);
    clerk.write(&[(6, "note")]);
    let mut r = reader(store.as_ref());
    let items = r.outbox_after(shop(1), 0, 99).unwrap();
    let numbers: Vec<_> = items.iter().map(|i| i.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(items[4].position, Position::new(5, 1));
    let rest = r.outbox_after(shop(1), 3, 2).unwrap();
    assert_eq!(rest, items[3..5]);
    assert_eq!(r.outbox_after(shop(2), 3, 9).unwrap()[0].number, 4);
    assert_eq!(r.outbox_after(shop(1), 8, 9).unwrap(), []);
    assert_eq!(r.outbox_after(shop(1), u64::MAX, 9).unwrap(), []);
    assert_eq!(r.outbox_after(shop(3), 0, 9).unwrap(), []);
}

fn open_holds_are_found_by_time_and_payer(open: Open, folder: &Path) {
    let store = open(folder);
    let mut clerk = Clerk::new(store.as_ref(), 0);
    clerk.write(FOUNDING);
    clerk.write(HOLDS);
    let mut r = reader(store.as_ref());
    let amounts = |holds: Vec<tegata_ledger::Hold>| {
        holds.iter().map(|h| h.amount.minor()).collect::<Vec<_>>()
    };
    assert_eq!(amounts(r.holds_of(&purse(1)).unwrap()), [200, 300]);
    let mut expired = |now, limit| amounts(r.holds_expired(Time::from_secs(now), limit).unwrap());
    assert_eq!(expired(777_776, 9), []);
    assert_eq!(expired(777_777, 9), [100]);
    assert_eq!(expired(999_999, 9), [100, 200, 300]);
    assert_eq!(expired(u64::MAX, 2), [100, 200]);
    let capture = format!("capture {} 1 250", payment(1, HOLDS[0].1));
    clerk.write(&[(10, &capture)]);
    assert_eq!(amounts(r.holds_of(&purse(1)).unwrap()), [200]);
    assert_eq!(amounts(r.holds_of(&purse(3)).unwrap()), []);
}

fn committers_keep_chains_of_their_own(open: Open, folder: &Path) {
    let store = open(folder);
    let (mut first, mut last) = (
        Clerk::new(store.as_ref(), 0),
        Clerk::new(store.as_ref(), 0x7FFF),
    );
    first.write(FOUNDING);
    last.write(&[(2, "note"), (3, "note")]);
    first.write(HOLDS);
    assert_eq!(first.writer.tip().unwrap(), first.tip);
    assert_eq!(last.writer.tip().unwrap(), last.tip);
    let tips = reader(store.as_ref()).tips().unwrap();
    assert_eq!(
        tips.into_iter().map(Some).collect::<Vec<_>>(),
        [first.tip, last.tip]
    );
    let records = reader(store.as_ref())
        .records(Position::new(1, 0), 9)
        .unwrap();
    assert_eq!(records.len(), 2);
}

#[test]
fn sqlite_refuses_other_files_and_newer_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    assert!(SqliteStore::open_existing(&path).is_err());
    assert!(!path.exists(), "looking makes no file");
    SqliteStore::open(&path).unwrap();
    SqliteStore::open(&path).unwrap();
    SqliteStore::open_existing(&path).unwrap();
    let sql = |sql: &str| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch(sql).unwrap();
    };
    sql("PRAGMA user_version = 99");
    for opened in [SqliteStore::open(&path), SqliteStore::open_existing(&path)] {
        assert!(matches!(opened, Err(StoreError::Newer { found: 99, .. })));
    }
    sql("PRAGMA user_version = 0; PRAGMA application_id = 0");
    let opened = SqliteStore::open(&path);
    assert!(
        matches!(opened, Err(StoreError::NotALedger { .. })),
        "tables of somebody else's"
    );
    std::fs::write(
        &path,
        "This is a shopping list, not a database.".repeat(100),
    )
    .unwrap();
    assert!(SqliteStore::open(&path).is_err());
}

#[test]
fn sqlite_refuses_a_file_that_does_things_of_its_own() {
    for meddling in [
        "CREATE TRIGGER t AFTER INSERT ON account BEGIN UPDATE account SET balance = 1; END",
        "DROP INDEX outbox_number",
        "CREATE TABLE more (x INTEGER) STRICT",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        SqliteStore::open(&path).unwrap();
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch("ANALYZE").unwrap();
        SqliteStore::open(&path).unwrap();
        connection.execute_batch(meddling).unwrap();
        for opened in [SqliteStore::open(&path), SqliteStore::open_existing(&path)] {
            let damaged = matches!(opened, Err(StoreError::Damaged { table, .. })
                if table == "sqlite_schema");
            assert!(damaged, "{meddling}");
        }
    }
}

/// Damage is named, not read over.
#[test]
fn a_damaged_row_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    Clerk::new(&store, 0).write(FOUNDING);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("UPDATE account SET currency = 'EURO' WHERE kind = 4")
        .unwrap();
    let read = reader(&store).accounts(None, 9);
    let Err(error @ StoreError::Damaged { table, .. }) = &read else {
        panic!("{read:?}");
    };
    assert_eq!(*table, "account");
    assert!(
        error
            .to_string()
            .contains("row 4 1 0 EURO: column currency"),
        "{error}"
    );
}
