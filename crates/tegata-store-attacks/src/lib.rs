//! Attacks on a database's schema, for the tests of every program that has one.
//!
//! Whoever can write the file opens it with SQLite's own tools, as the functions below do. Each of
//! them takes what the program does with its database as a closure, and panics when the program is
//! content with what it should refuse.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "it's a test that programs share"
)]

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

/// What a program says when it fails.
pub type Failure = Box<dyn Error + Send + Sync>;

/// SQL that changes a schema, and a word that the refusal must have in it.
struct Attack {
    sql: String,
    names: String,
}

/// Opens a file as a stranger does.
#[must_use]
pub fn stranger(file: &Path) -> Connection {
    let connection = Connection::open(file).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

/// Tries every change of the schema on a closed database. `open` opens the program's database in a
/// folder, where it's called `file`; it makes it when it's missing.
pub fn foreign_parts_are_refused(file: &str, open: impl Fn(&Path) -> Result<(), Failure>) {
    let attacks = {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap();
        attacks_on(&stranger(&folder.path().join(file)))
    };
    assert!(attacks.len() > 10, "the database has no tables");
    for attack in attacks {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap();
        open(folder.path()).unwrap();
        let connection = stranger(&folder.path().join(file));
        let sql = &attack.sql;
        connection
            .execute_batch(sql)
            .unwrap_or_else(|e| panic!("{e}: {sql}"));
        drop(connection);
        must_refuse(open(folder.path()), &attack);
    }
}

/// Changes the schema while a program has the database open, and lets it write then: `write` writes
/// something new each time, in a transaction, and is told how often it was called before.
pub fn foreign_parts_are_noticed_while_open(
    file: &Path,
    mut write: impl FnMut(u32) -> Result<(), Failure>,
) {
    let stranger = stranger(file);
    let mut calls = 0..;
    let mut write = || write(calls.next().unwrap());
    write().unwrap();
    for table in tables(&stranger) {
        for (attack, undone) in [
            (lost_writes(&table, "INSERT"), "DROP TRIGGER lost"),
            (lost_writes(&table, "UPDATE"), "DROP TRIGGER lost"),
            (extra_index(&stranger, &table), "DROP INDEX extra"),
        ] {
            stranger.execute_batch(&attack.sql).unwrap();
            must_refuse(write(), &attack);
            must_refuse(write(), &attack);
            stranger.execute_batch(undone).unwrap();
            write().unwrap();
        }
    }
    // SQLite counts this as a change of the schema, and it's none.
    stranger.execute_batch("VACUUM").unwrap();
    write().unwrap();
}

fn must_refuse(result: Result<(), Failure>, attack: &Attack) {
    let Attack { sql, names } = attack;
    let Err(error) = result else {
        panic!("nobody minds: {sql}");
    };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    assert!(
        text.contains(names.as_str()),
        "{sql}\n  is refused with {text}"
    );
}

fn attacks_on(connection: &Connection) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for table in tables(connection) {
        for deed in ["INSERT", "UPDATE", "DELETE"] {
            attacks.push(lost_writes(&table, deed));
        }
        attacks.push(extra_index(connection, &table));
        attacks.extend(on_table(&table));
        if text_of(connection, &table).contains("CHECK (") {
            attacks.push(rewritten(&table, "CHECK (", "CHECK (1 OR "));
        }
    }
    for index in names_of(connection, "index") {
        attacks.push(attack(&format!("DROP INDEX {index}"), &index));
    }
    let version: i64 = pragma(connection, "user_version");
    let newer = format!("PRAGMA user_version = {}", version + 1);
    attacks.extend([
        attack("CREATE TABLE extra (x INTEGER) STRICT", "extra"),
        attack("CREATE VIEW extra AS SELECT 1", "extra"),
        attack(&newer, "this program knows"),
        attack("PRAGMA application_id = 77", ""),
        attack("PRAGMA user_version = 0; PRAGMA application_id = 0", ""),
    ]);
    attacks
}

/// What can be done to one table besides triggers and indexes.
fn on_table(table: &str) -> Vec<Attack> {
    // Under a name that SQLite reserves for itself, as only a forged file has it.
    let reserved = format!(
        "PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql)
         VALUES ('trigger', 'sqlite_lost', '{table}', 0,
           'CREATE TRIGGER sqlite_lost BEFORE INSERT ON {table}
            BEGIN SELECT RAISE(IGNORE); END');"
    );
    let view = format!(
        "ALTER TABLE {table} RENAME TO zz_hidden; CREATE VIEW {table} AS SELECT * FROM zz_hidden"
    );
    let column = format!("ALTER TABLE {table} ADD COLUMN extra INTEGER NOT NULL DEFAULT 0");
    vec![
        attack(&reserved, "sqlite_lost"),
        attack(&view, table),
        attack(&column, table),
        rewritten(table, "NOT NULL", ""),
    ]
}

fn attack(sql: &str, names: &str) -> Attack {
    Attack {
        sql: sql.to_owned(),
        names: names.to_owned(),
    }
}

/// A trigger that makes a statement succeed and write nothing.
fn lost_writes(table: &str, deed: &str) -> Attack {
    let sql =
        format!("CREATE TRIGGER lost BEFORE {deed} ON {table} BEGIN SELECT RAISE(IGNORE); END");
    attack(&sql, "lost")
}

fn extra_index(connection: &Connection, table: &str) -> Attack {
    let sql = format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid LIMIT 1");
    let column: String = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
    attack(
        &format!("CREATE INDEX extra ON {table} ({column})"),
        "extra",
    )
}

/// Another text where SQLite keeps that of `CREATE TABLE`.
fn rewritten(table: &str, from: &str, to: &str) -> Attack {
    let sql = format!(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}')
         WHERE type = 'table' AND name = '{table}'"
    );
    attack(&sql, table)
}

fn text_of(connection: &Connection, table: &str) -> String {
    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = $1";
    connection
        .query_row(sql, [table], |row| row.get(0))
        .unwrap()
}

fn tables(connection: &Connection) -> Vec<String> {
    names_of(connection, "table")
}

/// The names of parts that SQLite hasn't made by itself.
fn names_of(connection: &Connection, kind: &str) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema
               WHERE type = $1 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let mut query = connection.prepare(sql).unwrap();
    let rows = query.query_map([kind], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn pragma(connection: &Connection, name: &str) -> i64 {
    let sql = format!("PRAGMA {name}");
    connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}
