//! The audit bites: whatever is changed in the book's file, by whoever has no party's key, it says
//! where (invariant 2).

use std::path::Path;

use rusqlite::{Connection, params, params_from_iter, types::Value};
use tegata_centre::{audit::Auditor, heads::ReceiptsSigner, keys::OperationalKeys};
use tegata_ledger::{
    AccountKind, Head, HeadSigner as _, Position, Record, RecordKind, audit::Report,
    store::StoredRecord,
};
use tegata_protocol::{
    Currency, Digest, MessageId, PartyNumber, SignedBytes, TransactionNumber, cbor,
};

use crate::{
    day::{Day, busy},
    town::{copy, reader, run},
};

/// Plain SQL on the file, as an intruder with a database tool would.
fn intruder(data: &Path) -> Connection {
    let connection = Connection::open(data.join("ledger.sqlite")).unwrap();
    let lazy = connection.pragma_update(None, "synchronous", "OFF");
    lazy.unwrap();
    connection
}

fn audit(day: &Day) -> Report {
    day.folder.audit(&[])
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut query = connection.prepare(sql).unwrap();
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// A table as the intruder sees it.
struct Table {
    name: String,
    columns: Vec<String>,
    keys: usize,
    rows: Vec<Vec<Value>>,
}

fn tables(connection: &Connection) -> Vec<Table> {
    let names = texts(
        connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table'",
    );
    let read = |name: String| {
        let info = |what: &str| {
            let sql = format!("SELECT name FROM pragma_table_info('{name}') {what}");
            texts(connection, &sql)
        };
        let columns = info("");
        let keys = info("WHERE pk > 0").len();
        let mut query = connection
            .prepare(&format!("SELECT * FROM {name}"))
            .unwrap();
        let row = |r: &rusqlite::Row<'_>| (0..columns.len()).map(|i| r.get(i)).collect();
        let rows: Vec<Vec<Value>> = query
            .query_map([], row)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        Table {
            name,
            columns,
            keys,
            rows,
        }
    };
    names.into_iter().map(read).collect()
}

impl Table {
    /// Replaces a row; false when the schema doesn't admit the new one.
    fn set(&self, connection: &Connection, from: &[Value], to: &[Value]) -> bool {
        let list = |sign: &str, between: &str| {
            let each: Vec<_> = self
                .columns
                .iter()
                .map(|c| format!("{c} {sign} ?"))
                .collect();
            each.join(between)
        };
        let (to_list, from_list) = (list("=", ", "), list("IS", " AND "));
        let sql = format!("UPDATE {} SET {to_list} WHERE {from_list}", self.name);
        match connection.execute(&sql, params_from_iter(to.iter().chain(from))) {
            Ok(changed) => {
                assert_eq!(changed, 1);
                true
            }
            Err(e) => {
                let code = e.sqlite_error_code();
                assert_eq!(code, Some(rusqlite::ErrorCode::ConstraintViolation), "{e}");
                false
            }
        }
    }

    /// What a finding may call this row: its key as the columns hold it, or as our types print it.
    fn names(&self, row: &[Value]) -> Vec<String> {
        let raw: Vec<_> = row[..self.keys].iter().map(shown).collect();
        let number = |i: usize| match &row[i] {
            Value::Integer(n) => u64::try_from(*n).unwrap_or(u64::MAX),
            Value::Null | Value::Real(_) | Value::Text(_) | Value::Blob(_) => u64::MAX,
        };
        let position = || Position::new(0, number(0)).to_string();
        let party =
            |i| PartyNumber::from_wire(number(i)).map_or_else(|e| e.to_string(), |p| p.to_string());
        let known = match self.name.as_str() {
            "record" | "evidence" | "reply" => position(),
            "leg" => format!("{} {}", position(), raw[1]),
            "outbox" => {
                return vec![
                    raw.join(" "),
                    position(),
                    format!("{} {}", position(), raw[1]),
                ];
            }
            "message_id" => {
                let id = MessageId::from_hex(&raw[1]).map(|id| id.to_string());
                format!("{} {}", party(0), id.unwrap_or_default())
            }
            "account" => {
                let kind = u8::try_from(number(0))
                    .ok()
                    .and_then(AccountKind::from_number);
                let of_party = matches!(
                    kind,
                    Some(AccountKind::Prepaid | AccountKind::Shop | AccountKind::CardShadow)
                );
                let owner = PartyNumber::from_wire(number(1)).ok().filter(|_| of_party);
                let owner = owner.map_or_else(|| raw[1].clone(), |p| p.to_string());
                let kind = kind.map_or_else(String::new, |k| format!("{k:?}"));
                let part = Some(number(2)).filter(|p| *p > 0);
                let part = part.map_or_else(String::new, |p| format!("/{p}"));
                format!("{kind} {owner}{part} {}", raw[3])
            }
            "bill" => {
                let transaction = TransactionNumber::new(number(1)).map(|t| t.to_string());
                format!("{} {}", party(0), transaction.unwrap_or_default())
            }
            "party" => party(0),
            _ => String::new(),
        };
        vec![raw.join(" "), known]
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Null | Value::Real(_) => panic!("no column may hold this"),
    }
}

/// Other values that could stand there.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Integer(n) => [n + 1, n - 1, 0, i64::MAX].map(Value::Integer).into(),
        Value::Text(text) => {
            let other = if text == "JPY" { "EUR" } else { "JPY" };
            vec![Value::Text(format!("{text}x")), Value::Text(other.into())]
        }
        Value::Blob(bytes) => {
            let mut changed = bytes.clone();
            match changed.last_mut() {
                Some(last) => *last ^= 1,
                None => changed.push(7),
            }
            vec![Value::Blob(changed), Value::Blob(Vec::new())]
        }
        Value::Null | Value::Real(_) => panic!("no column may hold this"),
    }
}

fn names_row(report: &Report, table: &Table, rows: &[&[Value]]) -> bool {
    let names: Vec<_> = rows.iter().flat_map(|row| table.names(row)).collect();
    let named = |f: &tegata_ledger::audit::Finding| f.table == table.name && names.contains(&f.row);
    report.findings.iter().any(named)
}

#[test]
fn after_a_busy_day_the_audit_is_content() {
    let day = busy();
    let report = audit(&day);
    assert!(report.is_clean(), "{:#?}", report.findings);
    assert!(report.records > 25 && report.heads > 20, "{report:?}");
    let auditor = Auditor::new(day.folder.public.keys.clone(), Currency::JPY);
    let mut counted = 0;
    let heads = day.folder.data().join("heads");
    let watched = auditor.audit_watched(reader(&day.folder.data()).as_mut(), &heads, &[], |more| {
        counted += more;
    });
    assert!(watched.unwrap().is_clean());
    assert!(
        counted > 25 && counted <= report.records,
        "a bar of {} came to {counted}",
        report.records
    );
    let output = run(&["audit", "--data", &day.folder.data_text()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains(&format!("{} records", report.records)),
        "{said}"
    );
}

#[test]
fn every_column_of_every_table_is_watched() {
    let day = busy();
    let connection = intruder(&day.folder.data());
    let mut tried = 0;
    let tables = tables(&connection);
    assert_eq!(tables.len(), 15);
    for table in &tables {
        let count = table.rows.len();
        assert!(count > 0, "{} has no row to change", table.name);
        let chosen = [0, count / 2, count - 1].map(|i| &table.rows[i]);
        for place in 0..table.columns.len() {
            let mut changes = 0;
            for row in chosen {
                changes += change(&day, &connection, table, row, place);
            }
            assert!(changes > 0, "{}.{}", table.name, table.columns[place]);
            tried += changes;
        }
    }
    assert!(audit(&day).is_clean(), "all was changed back");
    assert!(tried > 500, "only {tried} changes were tried");
}

/// Sets one column of one row to each other value that the schema admits, and back.
fn change(day: &Day, connection: &Connection, table: &Table, row: &[Value], place: usize) -> u32 {
    let mut tried = 0;
    for other in others(&row[place]).into_iter().filter(|o| *o != row[place]) {
        let mut changed = row.to_vec();
        changed[place] = other;
        if !table.set(connection, row, &changed) {
            continue;
        }
        tried += 1;
        let report = audit(day);
        let what = || {
            format!(
                "{}.{}: {row:?} → {:?}",
                table.name, table.columns[place], changed[place]
            )
        };
        assert!(!report.is_clean(), "unnoticed: {}", what());
        assert!(
            names_row(&report, table, &[row, &changed]),
            "{}: {:#?}",
            what(),
            report.findings
        );
        assert!(table.set(connection, &changed, row));
    }
    tried
}

/// Deletes a record with all that belongs to it, and takes its legs off the balances.
fn delete(connection: &Connection, position: u64) {
    let legs = "leg l WHERE l.position = ?1 AND l.kind = account.kind AND l.owner = account.owner";
    let of_payment = "payment = (SELECT evidence FROM record WHERE position = ?1)";
    let steps = [
        format!(
            "UPDATE account SET balance = balance - (SELECT coalesce(sum(change), 0) FROM {legs}), \
             held = held - (SELECT coalesce(sum(l.held), 0) FROM {legs}), \
             sequence = sequence - (SELECT count(*) FROM {legs})"
        ),
        format!("DELETE FROM bill WHERE {of_payment}"),
        format!("DELETE FROM hold WHERE {of_payment}"),
        "DELETE FROM leg WHERE position = ?1".into(),
        "DELETE FROM evidence WHERE position = ?1".into(),
        "DELETE FROM reply WHERE position = ?1".into(),
        "DELETE FROM outbox WHERE position = ?1".into(),
        "DELETE FROM message_id WHERE position = ?1".into(),
        "DELETE FROM record WHERE position = ?1".into(),
    ];
    for step in steps {
        connection
            .execute(&step, params![position.cast_signed()])
            .unwrap();
    }
}

fn payments(day: &Day) -> Vec<u64> {
    let all = day
        .folder
        .reader()
        .records(Position::new(0, 0), 1000)
        .unwrap();
    let is_payment =
        |r: &&StoredRecord| matches!(r.record.kind, RecordKind::Hold | RecordKind::Pay);
    all.iter()
        .filter(is_payment)
        .map(|r| r.record.position.sequence)
        .collect()
}

#[test]
fn a_deleted_payment_is_missed_wherever_it_stood_the_last_one_too() {
    let day = busy();
    let payments = payments(&day);
    assert!(payments.len() >= 6);
    let last = *payments.last().unwrap();
    let kept = tempfile::tempdir().unwrap();
    copy(&day.folder.data(), kept.path());
    for position in payments {
        delete(&intruder(&day.folder.data()), position);
        let report = audit(&day);
        let row = Position::new(0, position).to_string();
        let named = report
            .findings
            .iter()
            .any(|f| f.table == "record" && f.row == row);
        assert!(named, "{position}: {:#?}", report.findings);
        if position == last {
            assert_eq!(
                report.findings.len(),
                1,
                "only the head tells: {:#?}",
                report.findings
            );
            let output = run(&["audit", "--data", &day.folder.data_text()]);
            assert_eq!(output.status.code(), Some(4), "{output:?}");
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(said.contains(&format!("record {row}")), "{said}");
        }
        copy(kept.path(), &day.folder.data());
    }
    assert!(audit(&day).is_clean());
}

#[test]
fn a_receipts_head_tells_of_a_payment_that_even_the_heads_have_forgotten() {
    let day = busy();
    let last = *payments(&day).last().unwrap();
    let data = day.folder.data();
    assert!(day.folder.reader().hold(&day.last).unwrap().is_some());
    delete(&intruder(&data), last);
    let file = data.join("heads/0.heads");
    let heads = std::fs::read(&file).unwrap();
    let entry = cbor::encode(&minicbor::bytes::ByteVec::from(day.head.clone()));
    assert!(heads.ends_with(&entry), "the receipt bears the latest head");
    std::fs::write(&file, &heads[..heads.len() - entry.len()]).unwrap();
    assert!(audit(&day).is_clean(), "nothing on this machine tells");
    let head = day.folder.holder.path().join("receipt.head");
    std::fs::write(&head, &day.head).unwrap();
    let data = day.folder.data_text();
    let plain = run(&["audit", "--data", &data]);
    assert_eq!(plain.status.code(), Some(0), "{plain:?}");
    let with_head = ["audit", "--data", &data, "--head", head.to_str().unwrap()];
    let output = run(&with_head);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains(&format!("record 0:{last}: missing")),
        "{said}"
    );
    std::fs::write(&head, b"not a head").unwrap();
    assert_eq!(
        run(&with_head).status.code(),
        Some(4),
        "a forged head is no comfort"
    );
}

/// Rewrites the chain so that all hashes and heads agree again: what somebody can do who has the
/// centre's own keys, but nobody else's.
fn rewrite(
    day: &Day,
    kind: RecordKind,
    edit: impl Fn(&Connection, &StoredRecord) -> Record,
) -> Position {
    let data = day.folder.data();
    let all = day
        .folder
        .reader()
        .records(Position::new(0, 0), 1000)
        .unwrap();
    let connection = intruder(&data);
    let accepted = |r: &&StoredRecord| r.record.kind == kind && r.evidence.is_some();
    let target = all.iter().rfind(accepted).unwrap().record.position;
    let mut previous = Record::GENESIS;
    let mut tip = None;
    for stored in &all {
        let mut record = stored.record.clone();
        if record.position == target {
            record = edit(&connection, stored);
        }
        record.previous = previous;
        previous = record.hash();
        let position = record.position.sequence.cast_signed();
        let none = Digest::from_bytes([0; 32]);
        let attachment = record.attachment.unwrap_or(none);
        let attachment = if record.attachment.is_some() {
            &attachment.as_bytes()[..]
        } else {
            &[]
        };
        let sql = "UPDATE record SET previous = ?1, hash = ?2, evidence = ?3, attachment = ?4, \
                   party = ?5, message = ?6, time = ?7 WHERE position = ?8";
        let (party, message) = (record.cause.party.wire().cast_signed(), record.cause.id);
        let values = params![
            record.previous.as_bytes(),
            previous.as_bytes(),
            record.evidence.as_bytes(),
            attachment,
            party,
            message.as_bytes(),
            record.time.secs().cast_signed(),
            position,
        ];
        connection.execute(sql, values).unwrap();
        let sql = "UPDATE message_id SET digest = ?1, party = ?2, message = ?3 WHERE position = ?4";
        let values = params![
            record.evidence.as_bytes(),
            party,
            message.as_bytes(),
            position
        ];
        connection.execute(sql, values).unwrap();
        tip = Some((record.position, record.time));
    }
    let (position, time) = tip.unwrap();
    let keys = OperationalKeys::open(&day.folder.dir()).unwrap();
    let signed = ReceiptsSigner(keys.receipts).sign(&Head {
        committer: 0,
        sequence: position.sequence,
        hash: previous,
        time,
    });
    let entry = cbor::encode(&minicbor::bytes::ByteVec::from(signed));
    std::fs::write(data.join("heads/0.heads"), entry).unwrap();
    target
}

fn set_evidence(connection: &Connection, stored: &StoredRecord, bytes: &[u8]) -> Record {
    let sql = "UPDATE evidence SET bytes = ?1 WHERE position = ?2";
    let position = stored.record.position.sequence.cast_signed();
    connection.execute(sql, params![bytes, position]).unwrap();
    let evidence = Digest::of(bytes);
    Record {
        evidence,
        ..stored.record.clone()
    }
}

/// The rewritten book's chain agrees with itself; its evidence must be what gives it away. Later
/// balances differ then too, as they rest on what isn't believed.
fn finds(day: &Day, position: Position, what: &str) {
    let report = audit(day);
    let first = &report.findings[0];
    assert_eq!(
        (first.table, &first.row),
        ("evidence", &position.to_string()),
        "{first}"
    );
    assert!(first.what.contains(what), "{first}");
    let others = &report.findings[1..];
    assert!(others.iter().all(|f| f.table == "leg"), "{others:#?}");
}

#[test]
fn a_book_rewritten_without_a_change_is_believed() {
    let day = busy();
    rewrite(&day, RecordKind::Capture, |_, stored| stored.record.clone());
    assert!(audit(&day).is_clean(), "{:#?}", audit(&day).findings);
}

#[test]
fn a_forged_signature_is_found_even_if_every_hash_and_head_was_made_anew() {
    let day = busy();
    let position = rewrite(&day, RecordKind::Capture, |connection, stored| {
        let mut bytes = stored.evidence.as_ref().unwrap().bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        set_evidence(connection, stored, &bytes)
    });
    finds(&day, position, "sign");
    let output = run(&["audit", "--data", &day.folder.data_text()]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let kept = day.folder.data().join("heads");
    std::fs::remove_dir_all(kept).unwrap();
    let report = audit(&day);
    let named = |table, row: &str| {
        let mut findings = report.findings.iter();
        findings.any(|f| f.table == table && f.row == row)
    };
    let position = position.to_string();
    assert!(named("evidence", &position) && named("heads", "0.heads"));
}

#[test]
fn evidence_that_the_centre_signed_in_a_shops_place_is_found() {
    let day = busy();
    let keys = OperationalKeys::open(&day.folder.dir()).unwrap();
    let position = rewrite(&day, RecordKind::Capture, |connection, stored| {
        let bytes = stored.evidence.as_ref().unwrap().bytes.to_vec();
        let payload = SignedBytes::new(bytes).payload().unwrap();
        let forged = keys.receipts.sign_kept_payload(payload);
        set_evidence(connection, stored, forged.as_bytes())
    });
    finds(&day, position, "");
}

#[test]
fn a_record_that_names_another_message_as_its_cause_is_found() {
    let day = busy();
    let position = rewrite(&day, RecordKind::Capture, |_, stored| {
        let mut record = stored.record.clone();
        record.cause.id = MessageId::from_bytes([7; 16]);
        record
    });
    finds(&day, position, "another message");
}

#[test]
fn an_attachment_other_than_the_signed_one_is_found() {
    for kind in [RecordKind::Capture, RecordKind::Deposit] {
        let day = busy();
        let position = rewrite(&day, kind, |connection, stored| {
            let other = b"something else".to_vec();
            let sql = "UPDATE evidence SET attachment = ?1 WHERE position = ?2";
            let position = stored.record.position.sequence.cast_signed();
            connection.execute(sql, params![other, position]).unwrap();
            let attachment = Some(Digest::of(&other));
            Record {
                attachment,
                ..stored.record.clone()
            }
        });
        finds(&day, position, "attachment");
    }
}

#[test]
fn a_payment_that_was_kept_back_and_booked_when_it_suited_is_found() {
    for late in [301, 10_000] {
        let day = busy();
        let position = rewrite(&day, RecordKind::Pay, |_, stored| {
            let time = stored.record.time.after(late);
            Record {
                time,
                ..stored.record.clone()
            }
        });
        finds(&day, position, "more than five minutes ago");
    }
}
