//! A database with a writing thread.

use std::sync::mpsc::channel;

use tegata_store::{Shared, StoreError};
use tegata_store_attacks::stranger;

use crate::{ADD, Place, SAMPLE};

fn count(shared: &Shared) -> u64 {
    let count = shared.read(|c| c.one("SELECT count(*) FROM entry", [], |row| row.number(0)));
    count.unwrap()
}

#[test]
fn jobs_of_many_threads_are_all_durable_when_they_are_answered() {
    let place = Place::new();
    let shared = SAMPLE.share(&place.file()).unwrap();
    std::thread::scope(|scope| {
        for n in 0..64 {
            let (shared, place) = (&shared, &place);
            scope.spawn(move || {
                let word = format!("word {n}");
                shared.write(move |c| c.write_one(ADD, (n, word))).unwrap();
                let sql = "SELECT count(*) FROM entry WHERE number = $1";
                let seen: i64 = stranger(&place.file())
                    .query_row(sql, [n], |row| row.get(0))
                    .unwrap();
                assert_eq!(seen, 1);
            });
        }
    });
    assert_eq!(count(&shared), 64);
}

#[test]
fn a_job_that_fails_changes_nothing_and_harms_no_other() {
    let place = Place::new();
    let shared = SAMPLE.share(&place.file()).unwrap();
    std::thread::scope(|scope| {
        for n in 0..64 {
            let shared = &shared;
            scope.spawn(move || {
                let done = shared.write(move |c| {
                    c.write_one(ADD, (n, n.to_string()))?;
                    match n % 2 {
                        0 => Ok(()),
                        _ => Err(SAMPLE.damaged("so")),
                    }
                });
                assert_eq!(done.is_ok(), n % 2 == 0);
            });
        }
    });
    assert_eq!(count(&shared), 32);
}

/// SQLite ends a transaction by itself when the disk fails. Who comes after in the same batch must
/// not be durable alone, and be told otherwise.
#[test]
fn a_transaction_that_is_lost_takes_its_whole_batch_along() {
    let place = Place::new();
    let shared = SAMPLE.share(&place.file()).unwrap();
    let (go_on, waits) = channel::<()>();
    let (begun, running) = channel();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            shared.write(move |c| {
                begun.send(()).unwrap();
                waits.recv().unwrap();
                c.write_one(ADD, (1, "kept"))
            })
        });
        running.recv().unwrap();
        // The others wait together while the first one runs.
        let other = |n: u32| {
            let shared = &shared;
            scope.spawn(move || {
                let done = shared.write(move |c| {
                    c.write_one(ADD, (n, n.to_string()))?;
                    match n {
                        5 => c.write_any("ROLLBACK", []).map(drop),
                        _ => Ok(()),
                    }
                });
                u64::from(done.is_ok())
            })
        };
        let others: Vec<_> = (2..12).map(other).collect();
        go_on.send(()).unwrap();
        first.join().unwrap().unwrap();
        let durable: u64 = others.into_iter().map(|o| o.join().unwrap()).sum();
        assert_eq!(count(&shared), 1 + durable);
    });
    let before = count(&shared);
    shared.write(|c| c.write_one(ADD, (20, "later"))).unwrap();
    assert_eq!(count(&shared), before + 1);
}

#[test]
fn after_a_panic_it_is_closed() {
    let place = Place::new();
    let shared = SAMPLE.share(&place.file()).unwrap();
    let job: fn(&tegata_store::Connection) -> Result<(), StoreError> = |_| panic!("so");
    for _ in 0..2 {
        let closed = shared.write(job);
        assert!(
            matches!(closed, Err(StoreError::Closed { .. })),
            "{closed:?}"
        );
    }
}

#[test]
fn its_log_can_be_emptied() {
    let place = Place::new();
    let shared = SAMPLE.share(&place.file()).unwrap();
    shared.write(|c| c.write_one(ADD, (1, "first"))).unwrap();
    let log = place.file().with_extension("db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
    assert!(shared.empty_log().unwrap());
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
}
