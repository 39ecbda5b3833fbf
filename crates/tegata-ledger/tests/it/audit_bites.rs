//! The audit bites: whatever is changed in the database file, it says where.

use rusqlite::{Connection, params_from_iter, types::Value};
use tegata_ledger::{
    Ledger, Position, Record, RecordKind,
    audit::Report,
    store::{SqliteStore, Store},
};
use tegata_protocol::{Digest, MessageId, PartyNumber, TransactionNumber};

use crate::town::{Town, audit_without_heads, found, order, payment};

/// A small book with a bit of everything; the last record is a payment.
fn write_everything(ledger: &Ledger) {
    found(ledger, 2, 5000);
    let orders = [
        (1, "hold 1 1 300 11 900".to_owned()),
        (2, "hold 1 2 200 12 400".to_owned()),
        (3, "hold 2 1 100 13 900".to_owned()),
        (4, "hold 2 2 50 14 9000".to_owned()),
        (
            5,
            format!("capture {} 1 250", payment(1, "hold 1 1 300 11 900")),
        ),
        (6, format!("void {} 1", payment(3, "hold 2 1 100 13 900"))),
        (7, "renew 1".to_owned()),
        (8, "note".to_owned()),
        (9, "refuse 777".to_owned()),
        (10, "pay 2 1 99999 15".to_owned()),
        (11, "expect RFA 1 9000 700".to_owned()),
        (12, "expect RFB 2 9000 0".to_owned()),
        (13, "import two 1:700:RFA,2:5:-,3:6:RF1,4:7:RFZ".to_owned()),
        (14, "close 1 16".to_owned()),
        (15, format!("expire {}", payment(2, "hold 1 2 200 12 400"))),
        (16, "pay 2 1 40 17".to_owned()),
        (17, "joinshop 1".to_owned()),
        (18, "issue 1 1 0".to_owned()),
        (19, "issue 2 2 0".to_owned()),
        (20, "load 1 1 600".to_owned()),
        (21, "receipt 1 1 2 600 600 0 0 load".to_owned()),
        (22, "tap 1 1 1 200 18 9000".to_owned()),
        (23, "receipt 1 2 1 100 500 0 1 a".to_owned()),
        (24, "receipt 1 2 1 100 500 0 1 copy".to_owned()),
        (25, "pay 2 1 41 19".to_owned()),
    ];
    for (n, (id, words)) in (0_u64..).zip(orders) {
        order(ledger, id, &words, 200 + 20 * n).unwrap();
    }
}

fn everything() -> Town {
    let town = Town::new();
    let ledger = town.open();
    write_everything(&ledger);
    drop(ledger);
    town
}

/// Plain SQL on the file, as an intruder with a database tool would.
fn intruder(town: &Town) -> Connection {
    let connection = Connection::open(town.database()).unwrap();
    connection
        .pragma_update(None, "synchronous", "OFF")
        .unwrap();
    connection
}

fn names(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn rows(connection: &Connection, table: &str, columns: usize) -> Vec<Vec<Value>> {
    let mut statement = connection
        .prepare(&format!("SELECT * FROM {table}"))
        .unwrap();
    let read = |row: &rusqlite::Row<'_>| (0..columns).map(|i| row.get(i)).collect();
    let rows = statement.query_map([], read).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Other values that could stand there.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Integer(i) => vec![
            Value::Integer(i + 1),
            Value::Integer(i - 1),
            Value::Integer(i + 90),
            Value::Integer(i64::MAX),
            Value::Integer(-1),
        ],
        Value::Text(t) => vec![
            Value::Text(format!("{t}x")),
            Value::Text(if t == "JPY" { "EUR" } else { "JPY" }.to_owned()),
            Value::Text(String::new()),
        ],
        Value::Blob(b) => {
            let mut flipped = b.clone();
            if let Some(last) = flipped.last_mut() {
                *last ^= 1;
            }
            let longer = [&b[..], &[0]].concat();
            vec![
                Value::Blob(flipped),
                Value::Blob(longer),
                Value::Blob(Vec::new()),
            ]
        }
        Value::Null | Value::Real(_) => panic!("no column may hold this"),
    }
}

fn number(value: &Value) -> u64 {
    let Value::Integer(i) = value else {
        panic!("{value:?}");
    };
    u64::try_from(*i).unwrap_or(u64::MAX)
}

fn hex(value: &Value) -> String {
    match value {
        Value::Blob(b) => b.iter().map(|byte| format!("{byte:02x}")).collect(),
        Value::Integer(i) => i.to_string(),
        Value::Text(t) => t.clone(),
        Value::Null | Value::Real(_) => panic!("no column may hold this"),
    }
}

/// What a finding may call this row: by its columns, or as the book's own types print them.
fn row_names(table: &str, row: &[Value]) -> Vec<String> {
    let keys = match table {
        "account" => 4,
        "statement_entry" => 3,
        "leg" | "message_id" | "bill" | "statement" | "outbox" | "card_receipt" => 2,
        _ => 1,
    };
    let raw = row[..keys].iter().map(hex).collect::<Vec<_>>().join(" ");
    let mut names = vec![raw];
    let party = |v| PartyNumber::from_wire(number(v)).map_or(String::new(), |p| p.to_string());
    let position = |v| Position::new(0, number(v)).to_string();
    match table {
        "record" | "evidence" | "reply" => names.push(position(&row[0])),
        "outbox" => {
            let position = position(&row[0]);
            names.push(format!("{position} {}", hex(&row[1])));
            names.push(position);
        }
        "leg" => names.push(format!("{} {}", position(&row[0]), hex(&row[1]))),
        "message_id" => {
            let id = MessageId::from_hex(&hex(&row[1])).map(|id| id.to_string());
            names.push(format!("{} {}", party(&row[0]), id.unwrap_or_default()));
        }
        "account" => {
            let kind =
                tegata_ledger::AccountKind::from_number(u8::try_from(number(&row[0])).unwrap_or(0));
            let kind = kind.map_or(String::new(), |k| format!("{k:?}"));
            let part = match number(&row[2]) {
                0 => String::new(),
                part => format!("/{part}"),
            };
            for owner in [party(&row[1]), number(&row[1]).to_string()] {
                names.push(format!("{kind} {owner}{part} {}", hex(&row[3])));
            }
        }
        "bill" => {
            let txn = TransactionNumber::new(number(&row[1])).map(|t| t.to_string());
            names.push(format!("{} {}", party(&row[0]), txn.unwrap_or_default()));
        }
        "party" => names.push(party(&row[0])),
        _ => {}
    }
    names
}

fn names_row(report: &Report, table: &str, rows: &[&[Value]]) -> bool {
    let names: Vec<_> = rows.iter().flat_map(|row| row_names(table, row)).collect();
    report
        .findings
        .iter()
        .any(|f| f.table == table && names.contains(&f.row))
}

#[test]
fn an_untouched_book_is_clean() {
    let town = everything();
    let report = town.audit();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!((report.records, report.accounts), (30, 7));
}

#[test]
fn every_changed_column_of_every_row_is_named() {
    let town = everything();
    let connection = intruder(&town);
    let tables = names(
        &connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table'",
    );
    assert_eq!(tables.len(), 15, "{tables:?}");
    let mut changes = 0;
    for table in &tables {
        let columns = names(
            &connection,
            &format!("SELECT name FROM pragma_table_info('{table}')"),
        );
        let rows = rows(&connection, table, columns.len());
        assert!(!rows.is_empty(), "{table} has rows to change");
        for row in &rows {
            for (place, column) in columns.iter().enumerate() {
                changes += change_one(&town, &connection, table, &columns, row, place)
                    .unwrap_or_else(|what| panic!("{table}.{column} of {row:?}: {what}"));
            }
        }
    }
    assert!(town.audit().is_clean(), "all was changed back");
    assert!(changes > 2000, "only {changes} changes were tried");
}

/// Sets one column of one row to each other value that the schema admits, and back.
fn change_one(
    town: &Town,
    connection: &Connection,
    table: &str,
    columns: &[String],
    row: &[Value],
    place: usize,
) -> Result<u32, String> {
    let mut tried = 0;
    for other in others(&row[place]).into_iter().filter(|o| *o != row[place]) {
        let mut changed = row.to_vec();
        changed[place] = other.clone();
        if !set_row(connection, table, columns, row, &changed) {
            continue;
        }
        tried += 1;
        let report = town.audit();
        assert!(set_row(connection, table, columns, &changed, row));
        if report.is_clean() {
            return Err(format!("set to {other:?}, and the audit is clean"));
        }
        if !names_row(&report, table, &[row, &changed]) {
            return Err(format!(
                "set to {other:?}, not named: {:#?}",
                report.findings
            ));
        }
    }
    if tried == 0 {
        return Err("no other value could be set".to_owned());
    }
    Ok(tried)
}

/// Replaces a row; false if the schema doesn't admit the new one.
fn set_row(
    connection: &Connection,
    table: &str,
    columns: &[String],
    from: &[Value],
    to: &[Value],
) -> bool {
    let list = |suffix: &str, between: &str| {
        let each: Vec<_> = columns.iter().map(|c| format!("{c} {suffix} ?")).collect();
        each.join(between)
    };
    let sql = format!(
        "UPDATE {table} SET {} WHERE {}",
        list("=", ", "),
        list("IS", " AND ")
    );
    let values = params_from_iter(to.iter().chain(from));
    match connection.execute(&sql, values) {
        Ok(rows) => {
            assert_eq!(rows, 1);
            true
        }
        Err(e) => {
            assert_eq!(
                e.sqlite_error_code(),
                Some(rusqlite::ErrorCode::ConstraintViolation),
                "{e}"
            );
            false
        }
    }
}

#[test]
fn every_deleted_row_is_named() {
    let town = everything();
    let connection = intruder(&town);
    for table in names(
        &connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table'",
    ) {
        let columns = names(
            &connection,
            &format!("SELECT name FROM pragma_table_info('{table}')"),
        );
        for row in rows(&connection, &table, columns.len()) {
            let marks: Vec<_> = columns.iter().map(|c| format!("{c} IS ?")).collect();
            let sql = format!("DELETE FROM {table} WHERE {}", marks.join(" AND "));
            assert_eq!(connection.execute(&sql, params_from_iter(&row)).unwrap(), 1);
            let report = town.audit();
            assert!(
                names_row(&report, &table, &[&row]),
                "{table} {row:?}: {report:#?}"
            );
            let marks = vec!["?"; columns.len()].join(", ");
            let sql = format!("INSERT INTO {table} VALUES ({marks})");
            connection.execute(&sql, params_from_iter(&row)).unwrap();
        }
    }
    assert!(town.audit().is_clean());
}

#[test]
fn every_added_row_is_named() {
    let added = [
        (
            "record",
            "500, previous, hash, kind, accepted, code, party, x'00112233445566778899aabbccddeeff', signer, evidence, attachment, reply, effects, outbox, time",
        ),
        (
            "leg",
            "500, idx, kind, owner, part, currency, change, held, sequence, balance, held_after",
        ),
        (
            "leg",
            "position, 7, kind, owner, part, currency, change, held, sequence, balance, held_after",
        ),
        ("account", "kind, owner + 90, part, currency, 0, 0, 0"),
        (
            "message_id",
            "party, x'00112233445566778899aabbccddeeff', digest, position",
        ),
        ("evidence", "500, bytes, attached, attachment"),
        ("reply", "500, bytes"),
        (
            "hold",
            "zeroblob(32), payer_kind, payer_owner, payer_part, payee_kind, payee_owner, payee_part, currency, amount, shop, txn, placed, expires, state, captured",
        ),
        ("bill", "shop, txn + 90, digest, state, payment"),
        ("party", "20000000024, record"),
        (
            "funding_reference",
            "'RFX', party, announced, amount, currency, expires, used, used_account, used_id, used_idx",
        ),
        (
            "statement",
            "account, 'three', bank_owner, bank_part, currency, entries, total, imported",
        ),
        (
            "statement_entry",
            "account, 'three', idx, amount, currency, referenced, reference, party, reason",
        ),
        (
            "statement_entry",
            "account, id, 90, amount, currency, referenced, reference, party, reason",
        ),
        ("outbox", "500, idx, party, number + 90, kind, bytes"),
        ("outbox", "position, 7, party, number + 90, kind, bytes"),
        (
            "card",
            "zeroblob(10), holder, 9, currency, state, counter, balance",
        ),
        ("card_receipt", "card, 90, digests"),
    ];
    for (table, values) in added {
        let town = everything();
        let connection = intruder(&town);
        let sql = format!("INSERT INTO {table} SELECT {values} FROM {table} LIMIT 1 RETURNING *");
        let columns = names(
            &connection,
            &format!("SELECT name FROM pragma_table_info('{table}')"),
        );
        let row: Vec<Value> = connection
            .query_row(&sql, [], |row| {
                (0..columns.len()).map(|i| row.get(i)).collect()
            })
            .unwrap();
        let report = town.audit();
        assert!(
            names_row(&report, table, &[&row]),
            "{table} {row:?}: {report:#?}"
        );
    }
}

#[test]
fn a_record_with_its_own_hash_made_anew_breaks_the_chain() {
    let town = everything();
    let store = SqliteStore::open_existing(&town.database()).unwrap();
    let note = Position::new(0, 13);
    let stored = store.reader().unwrap().records(note, 1).unwrap().remove(0);
    assert_eq!(stored.record.kind, RecordKind::Note);
    let forged = Record {
        time: stored.record.time.after(60),
        ..stored.record
    };
    let sql = "UPDATE record SET time = ?, hash = ? WHERE position = 13";
    let values = (
        i64::try_from(forged.time.secs()).unwrap(),
        forged.hash().as_bytes().to_vec(),
    );
    assert_eq!(intruder(&town).execute(sql, values).unwrap(), 1);
    let report = audit_without_heads(town.folder.path());
    assert_eq!(report.findings.len(), 1, "{report:#?}");
    assert_eq!(
        (report.findings[0].table, report.findings[0].row.as_str()),
        ("record", "0:14")
    );
    let report = town.audit();
    assert!(
        names_row(&report, "record", &[&[Value::Integer(13)]]),
        "{report:#?}"
    );
}

/// Deletes a record with all that belongs to it, and takes its legs off the balances.
fn delete_record(connection: &Connection, position: u64) {
    let p = i64::try_from(position).unwrap();
    connection
        .execute_batch(&format!(
            "UPDATE account SET
               balance = balance - (SELECT coalesce(sum(change), 0) FROM leg l
                 WHERE l.position = {p} AND l.kind = account.kind AND l.owner = account.owner),
               held = held - (SELECT coalesce(sum(l.held), 0) FROM leg l
                 WHERE l.position = {p} AND l.kind = account.kind AND l.owner = account.owner),
               sequence = sequence - (SELECT count(*) FROM leg l
                 WHERE l.position = {p} AND l.kind = account.kind AND l.owner = account.owner);
             DELETE FROM bill WHERE payment = (SELECT evidence FROM record WHERE position = {p});
             DELETE FROM hold WHERE payment = (SELECT evidence FROM record WHERE position = {p});
             DELETE FROM leg WHERE position = {p};
             DELETE FROM evidence WHERE position = {p};
             DELETE FROM reply WHERE position = {p};
             DELETE FROM outbox WHERE position = {p};
             DELETE FROM message_id WHERE position = {p};
             DELETE FROM record WHERE position = {p};"
        ))
        .unwrap();
}

#[test]
fn a_deleted_payment_is_noticed_wherever_it_stood() {
    for position in 1..=30 {
        let town = everything();
        delete_record(&intruder(&town), position);
        let report = town.audit();
        let row = Position::new(0, position).to_string();
        assert!(
            report
                .findings
                .iter()
                .any(|f| f.table == "record" && f.row == row),
            "{position}: {report:#?}"
        );
        if position == 30 {
            assert_eq!(report.findings.len(), 1, "only the head tells: {report:#?}");
        }
    }
}

#[test]
fn a_receipt_tells_of_a_last_payment_that_even_the_heads_have_forgotten() {
    let town = everything();
    let receipt = order(&town.open(), 16, "pay 2 1 40 17", 500).unwrap().head;
    delete_record(&intruder(&town), 30);
    let file = town.heads().join("0.heads");
    let heads = std::fs::read(&file).unwrap();
    let length = heads.len() - (receipt.len() + 2);
    std::fs::write(&file, &heads[..length]).unwrap();
    assert!(town.audit().is_clean(), "{:#?}", town.audit());
    let report = town.audit_with(&[receipt.to_vec()]);
    assert_eq!(report.findings.len(), 1, "{report:#?}");
    assert_eq!(report.findings[0].row, "0:30");
}

#[test]
fn a_book_written_anew_without_a_payment_disagrees_with_its_heads() {
    let town = everything();
    let heads = std::fs::read(town.heads().join("0.heads")).unwrap();
    let forged = Town::new();
    let ledger = forged.open();
    found(&ledger, 2, 5000);
    order(&ledger, 3, "hold 2 1 100 13 900", 240).unwrap();
    drop(ledger);
    assert!(forged.audit().is_clean());
    std::fs::write(forged.heads().join("0.heads"), heads).unwrap();
    let report = forged.audit();
    let says = |row: &str| {
        report
            .findings
            .iter()
            .any(|f| f.table == "record" && f.row == row)
    };
    assert!(says("0:6") && says("0:7"), "{report:#?}");
}

#[test]
fn forged_heads_and_a_missing_file_of_heads_are_findings() {
    let town = everything();
    let forged = Digest::of(b"not a head").as_bytes().to_vec();
    let report = town.audit_with(&[forged]);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].table, "heads");
    std::fs::remove_file(town.heads().join("0.heads")).unwrap();
    let report = town.audit();
    assert_eq!(report.findings.len(), 1, "{report:#?}");
    assert_eq!(report.findings[0].table, "heads");
}

#[test]
fn money_from_nowhere_is_found_even_if_all_rows_agree() {
    let town = everything();
    let connection = intruder(&town);
    connection
        .execute_batch(
            "UPDATE account SET balance = balance + 100 WHERE kind = 1;
             UPDATE leg SET balance = balance + 100, change = change + 100 WHERE kind = 1;",
        )
        .unwrap();
    let report = town.audit();
    assert!(
        report.findings.iter().any(|f| f.table == "account"),
        "{report:#?}"
    );
    assert!(report.findings.iter().any(|f| f.table == "leg"));
    assert!(report.findings.iter().any(|f| f.table == "record"));
}

#[test]
fn the_audit_runs_while_the_book_is_written() {
    let town = everything();
    let ledger = town.open();
    let records = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for id in 1000..1400 {
                order(&ledger, id, &format!("pay 1 1 1 {id}"), 600).unwrap();
            }
        });
        let mut records = Vec::new();
        while !writer.is_finished() {
            let report = town.audit();
            assert!(report.is_clean(), "{report:#?}");
            records.push(report.records);
        }
        records
    });
    assert!(records.first() < records.last(), "{records:?}");
}
