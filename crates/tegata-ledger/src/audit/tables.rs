//! The second half of the audit: every row of the tables that records change, compared with the
//! book that the evidence makes, in both directions.

use std::{collections::HashMap, fmt::Debug, hash::Hash};

use tegata_protocol::CardNumber;

use super::{Audit, AuditError, Report};
use crate::{
    AccountId, BillKey, StatementKey,
    store::{Reader, StoreError},
};

/// Rows that are read at a time.
const PAGE: u32 = 1000;

/// Compares every table with the recomputed book.
pub(super) fn compare(reader: &mut dyn Reader, audit: &mut Audit) -> Result<(), AuditError> {
    let report = &mut audit.report;
    let book = &audit.book;
    let mut accounts = copied(book.accounts());
    report.accounts = u64::try_from(accounts.len()).unwrap_or(u64::MAX);
    check(report, "account", &mut accounts, account_row, |after| {
        reader.accounts(after, PAGE)
    })?;
    check_sums(report, book.accounts());
    check(
        report,
        "hold",
        &mut copied(book.holds()),
        ToString::to_string,
        |after| {
            let holds = reader.holds(after, PAGE)?;
            Ok(holds.into_iter().map(|h| (h.payment, h)).collect())
        },
    )?;
    check(
        report,
        "bill",
        &mut copied(book.bills()),
        bill_row,
        |after| reader.bills(after, PAGE),
    )?;
    check(
        report,
        "party",
        &mut copied(book.parties()),
        ToString::to_string,
        |after| reader.parties(after.copied(), PAGE),
    )?;
    check(
        report,
        "funding_reference",
        &mut copied(book.fundings()),
        String::clone,
        |after| reader.fundings(after.map(String::as_str), PAGE),
    )?;
    check(
        report,
        "statement",
        &mut copied(book.statements()),
        statement_row,
        |after| reader.statements(after, PAGE),
    )?;
    let row = |number: &CardNumber| number.to_string();
    check(report, "card", &mut copied(book.cards()), row, |after| {
        reader.cards(after, PAGE)
    })?;
    let row = |(card, counter): &(CardNumber, u32)| format!("{card} {counter}");
    let expected = &mut copied(book.receipts());
    check(report, "card_receipt", expected, row, |after| {
        reader.receipts(after, PAGE)
    })?;
    compare_entries(reader, audit)
}

fn account_row(id: &AccountId) -> String {
    id.to_string()
}

fn bill_row(key: &BillKey) -> String {
    format!("{} {}", key.shop, key.transaction)
}

fn statement_row(key: &StatementKey) -> String {
    format!("{} {}", key.account, key.id)
}

fn copied<'a, K: Clone + Eq + Hash + 'a, V: Clone + 'a>(
    rows: impl Iterator<Item = (&'a K, &'a V)>,
) -> HashMap<K, V> {
    rows.map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Reads a table page by page and takes each row off `expected`; what is left over is missing.
fn check<K: Clone + Eq + Hash, V: PartialEq + Debug>(
    report: &mut Report,
    table: &'static str,
    expected: &mut HashMap<K, V>,
    row: impl Fn(&K) -> String,
    mut page: impl FnMut(Option<&K>) -> Result<Vec<(K, V)>, StoreError>,
) -> Result<(), AuditError> {
    let mut after = None;
    loop {
        let found = match page(after.as_ref()) {
            Ok(found) => found,
            Err(e) => return report.damage(e),
        };
        let Some((last, _)) = found.last() else {
            break;
        };
        after = Some(last.clone());
        for (key, value) in found {
            match expected.remove(&key) {
                Some(right) if right == value => {}
                Some(right) => {
                    let what = format!("is {value:?}, the evidence makes it {right:?}");
                    report.found(table, row(&key), what);
                }
                None => report.found(table, row(&key), "no evidence for it"),
            }
        }
    }
    for key in expected.keys() {
        report.found(table, row(key), "missing");
    }
    Ok(())
}

/// In each currency all accounts together must be zero.
fn check_sums<'a>(
    report: &mut Report,
    accounts: impl Iterator<Item = (&'a AccountId, &'a crate::Account)>,
) {
    let mut sums = HashMap::<_, i128>::new();
    for (id, account) in accounts {
        let sum = sums.entry(id.currency).or_default();
        *sum = sum.saturating_add(i128::from(account.balance));
    }
    for (currency, sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
        let what = format!("all accounts together are {sum}, not zero");
        report.found("account", currency, what);
    }
}

fn compare_entries(reader: &mut dyn Reader, audit: &mut Audit) -> Result<(), AuditError> {
    for (key, expected) in &audit.entries {
        let stored = match reader.entries(key) {
            Ok(stored) => stored,
            Err(e) => {
                audit.report.damage(e)?;
                continue;
            }
        };
        let mut expected: HashMap<_, _> = expected.iter().map(|e| (e.index, e)).collect();
        for entry in &stored {
            let row = format!("{} {}", statement_row(key), entry.index);
            match expected.remove(&entry.index) {
                Some(right) if right == entry => {}
                Some(right) => {
                    let what = format!("is {entry:?}, the evidence makes it {right:?}");
                    audit.report.found("statement_entry", row, what);
                }
                None => audit
                    .report
                    .found("statement_entry", row, "no evidence for it"),
            }
        }
        for index in expected.keys() {
            let row = format!("{} {index}", statement_row(key));
            audit.report.found("statement_entry", row, "missing");
        }
    }
    Ok(())
}

/// Rows that belong to no record at all.
pub(super) fn orphans(reader: &mut dyn Reader, report: &mut Report) -> Result<(), AuditError> {
    let found = match reader.orphans(20) {
        Ok(found) => found,
        Err(e) => return report.damage(e),
    };
    for (table, row) in found {
        report.found(table, row, "belongs to no record");
    }
    Ok(())
}
