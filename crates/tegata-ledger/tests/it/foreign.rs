//! A file that brings triggers, views or indexes of its own: what they would do stands in no
//! evidence.

use tegata_ledger::store::{SqliteStore, Store as _};
use tegata_store_attacks::{foreign_parts_are_noticed_while_open, foreign_parts_are_refused};

use crate::town::{Town, order};

const FILE: &str = "ledger.sqlite";

#[test]
fn every_foreign_part_is_refused() {
    foreign_parts_are_refused(FILE, |folder| {
        SqliteStore::open(&folder.join(FILE))?;
        Ok(())
    });
}

#[test]
fn the_audit_refuses_them_too() {
    foreign_parts_are_refused(FILE, |folder| {
        let file = folder.join(FILE);
        if !file.exists() {
            SqliteStore::open(&file)?;
        }
        SqliteStore::open_existing(&file)?.reader()?;
        Ok(())
    });
}

#[test]
fn the_committer_notices_them_before_its_next_batch() {
    let town = Town::new();
    let ledger = town.open();
    foreign_parts_are_noticed_while_open(&town.database(), |n| {
        order(&ledger, u64::from(n) + 1, "note", 200 + u64::from(n))?;
        Ok(())
    });
    drop(ledger);
    assert!(town.audit().is_clean());
}
