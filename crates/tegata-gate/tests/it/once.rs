//! Once means once: races, restarts, a log that fails, rescans.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use roaring::RoaringBitmap;
use tegata_gate::{
    Closed, EventId, Gate, Verdict,
    admission::{Batch, Earlier, Head, Ordered, Store, StoreError, TicketId, WrongKeyword},
    store::SqliteStore,
};
use tegata_protocol::refusal::Code;

use crate::{
    door::{self, Place, check, check_later, show_later},
    shop::{NOW, NOW_MILLIS, SHOP, serials},
};

/// Checks all of them at once, on many threads.
fn race(gate: &Gate, scans: &[Vec<u8>]) -> Vec<Verdict> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = scans
            .iter()
            .map(|scan| scope.spawn(|| check(gate, scan)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

#[test]
fn three_hundred_racing_scans_admit_one() {
    let place = Place::new();
    let gate = place.gate();
    // Half of them copies of one presentation, half presentations of other moments.
    let scans: Vec<_> = (0..300)
        .map(|i| show_later(SHOP, 41, if i % 2 == 0 { 0 } else { i / 10 }))
        .collect();
    let verdicts = race(&gate, &scans);
    let admitted = verdicts.iter().filter(|v| v.admits()).count();
    assert_eq!(admitted, 1);
    let elsewise = |v: &&Verdict| {
        !matches!(v, Verdict::JustAdmitted(_)) && v.code() != Some(Code::AlreadyUsed)
    };
    assert_eq!(
        verdicts.iter().filter(elsewise).count(),
        1,
        "the admitted one"
    );
    assert_eq!(place.log().rows().unwrap(), 1);
    let second = place.log().second_uses().unwrap();
    assert!((1..=4).contains(&second.len()), "{} kept", second.len());
}

#[test]
fn racing_holders_all_enter_in_few_commits() {
    let place = Place::new();
    let commits = Arc::new(AtomicUsize::new(0));
    let store = Watched {
        store: place.store(),
        commits: Arc::clone(&commits),
        broken: Arc::default(),
    };
    let all = vec![SHOP.loaded(&SHOP.check_data_of(serials(1..301), 1))];
    let gate = door::gate(store, all);
    let scans: Vec<_> = (1..301)
        .filter(|s| *s != 13)
        .map(|s| SHOP.show(s))
        .collect();
    // All are under way before the first answer is awaited.
    let pending: Vec<_> = scans
        .iter()
        .map(|scan| gate.begin(scan, NOW, NOW_MILLIS))
        .collect();
    assert!(pending.into_iter().all(|p| p.wait().admits()));
    assert_eq!(place.log().rows().unwrap(), 299);
    assert_eq!(gate.admitted(SHOP.event()), 299);
    let commits = commits.load(Ordering::Relaxed);
    assert!(commits < 299, "{commits} commits are no groups");
}

#[test]
fn after_a_restart_nobody_enters_twice() {
    let place = Place::new();
    let shown = SHOP.show(41);
    assert!(check(&place.gate(), &shown).admits());
    let gate = place.gate();
    assert_eq!(gate.admitted(SHOP.event()), 1);
    assert_eq!(
        check_later(&gate, &shown, 5000).code(),
        Some(Code::AlreadyUsed)
    );
    assert_eq!(
        check_later(&gate, &show_later(SHOP, 41, 5), 5000).code(),
        Some(Code::AlreadyUsed)
    );
}

#[test]
fn a_scan_that_repeats_within_two_seconds_is_grey() {
    let place = Place::new();
    let gate = place.gate();
    let (shown, other) = (SHOP.show(41), show_later(SHOP, 41, 1));
    assert!(check(&gate, &shown).admits());
    for millis in [0, 1, 1999, 2000] {
        let verdict = check_later(&gate, &shown, millis);
        assert!(
            matches!(verdict, Verdict::JustAdmitted(_)),
            "{millis}: {verdict:?}"
        );
    }
    assert_eq!(
        check_later(&gate, &shown, 2001).code(),
        Some(Code::AlreadyUsed)
    );
    // Another presentation is another person's phone, however quick.
    assert_eq!(
        check_later(&gate, &other, 1000).code(),
        Some(Code::AlreadyUsed)
    );
    let log = place.log();
    assert_eq!(
        (log.rows().unwrap(), log.second_uses().unwrap().len()),
        (1, 1)
    );
}

/// A store that counts its commits, and fails when told to.
struct Watched {
    store: SqliteStore,
    commits: Arc<AtomicUsize>,
    broken: Arc<AtomicBool>,
}

impl Store for Watched {
    fn used(&self) -> Result<Vec<(EventId, RoaringBitmap)>, StoreError> {
        self.store.used()
    }
    fn head(&self) -> Result<Head, StoreError> {
        self.store.head()
    }
    fn use_of(&self, ticket: TicketId) -> Result<Option<Earlier>, StoreError> {
        self.store.use_of(ticket)
    }
    fn wrong_keywords(&self) -> Result<Vec<WrongKeyword>, StoreError> {
        self.store.wrong_keywords()
    }
    fn ordered(&self) -> Result<Vec<Ordered>, StoreError> {
        self.store.ordered()
    }
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(StoreError::Other("the disk is full".into()));
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.store.commit(batch)
    }
}

#[test]
fn a_log_that_cannot_be_written_admits_nobody() {
    let place = Place::new();
    let broken = Arc::new(AtomicBool::new(true));
    let store = Watched {
        store: place.store(),
        commits: Arc::default(),
        broken: Arc::clone(&broken),
    };
    let gate = door::gate(store, vec![SHOP.loaded(&SHOP.check_data(1))]);
    let verdict = check(&gate, &SHOP.show(41));
    assert!(
        matches!(verdict, Verdict::Closed(Closed::LogFailed)),
        "{verdict:?}"
    );
    // Whoever wasn't admitted isn't used up, and the chain goes on without a gap.
    broken.store(false, Ordering::Relaxed);
    assert!(check(&gate, &SHOP.show(41)).admits());
    assert!(check(&gate, &SHOP.show(42)).admits());
    let signer = (crate::centre::gate_number(), &door::log_key());
    let verified = tegata_gate::evidence::verify(&place.log(), signer, &gate.events()).unwrap();
    assert_eq!((verified.head.row, verified.tickets), (2, 2));
}
