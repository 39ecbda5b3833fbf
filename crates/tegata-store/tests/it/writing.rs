//! Transactions, and what a statement must change.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tegata_store::{Connection, StoreError};

use crate::{ADD, OLD, Place, SAMPLE};

fn words(connection: &Connection) -> Vec<String> {
    let sql = "SELECT word FROM entry ORDER BY number";
    connection.list(sql, [], |row| row.get(0)).unwrap()
}

fn filled(place: &Place) -> Connection {
    let mut connection = SAMPLE.open(&place.file()).unwrap();
    let done: Result<(), StoreError> = connection.write(|c| {
        c.write_one(ADD, (1, "first"))?;
        c.write_one(ADD, (2, "second"))
    });
    done.unwrap();
    connection
}

#[test]
fn a_statement_that_changes_another_number_of_rows_is_an_error() {
    let place = Place::new();
    let mut connection = filled(&place);
    let all = "UPDATE entry SET weight = 1";
    let none = "UPDATE entry SET weight = 1 WHERE number = 9";
    let one = "DELETE FROM entry WHERE number = 1";
    let write = |connection: &mut Connection,
                 job: &dyn Fn(&Connection) -> Result<(), StoreError>| {
        connection.write(|c| job(c))
    };
    let miscounted = |result: Result<(), StoreError>, expected: &str, found: usize| {
        let Err(StoreError::Miscounted {
            expected: words,
            changed,
            ..
        }) = result
        else {
            panic!("{result:?}");
        };
        assert_eq!((words, changed), (expected, found));
    };
    miscounted(write(&mut connection, &|c| c.write_one(all, [])), "one", 2);
    miscounted(write(&mut connection, &|c| c.write_one(none, [])), "one", 0);
    let at_most = |c: &Connection| c.write_at_most_one(all, []).map(drop);
    miscounted(write(&mut connection, &at_most), "at most one", 2);
    let returning = |sql: &'static str| {
        move |c: &Connection| {
            c.write_one_returning(sql, [], |row| row.number(0))
                .map(drop)
        }
    };
    let all_returning = returning("UPDATE entry SET weight = 1 RETURNING number");
    miscounted(write(&mut connection, &all_returning), "at most one", 2);
    let none_returning = returning("DELETE FROM entry WHERE number = 9 RETURNING number");
    miscounted(write(&mut connection, &none_returning), "one", 0);

    let weights = connection.one("SELECT sum(weight) FROM entry", [], |row| row.number(0));
    assert_eq!(weights.unwrap(), 0, "nothing of them stays");

    let counts = connection.write(|c| {
        let some = (
            c.write_at_most_one(none, [])?,
            c.write_at_most_one(one, [])?,
        );
        Ok::<_, StoreError>((some, c.write_any(all, [])?, c.write_any(none, [])?))
    });
    assert_eq!(counts.unwrap(), ((false, true), 1, 0));
}

#[test]
fn a_job_that_fails_or_panics_changes_nothing() {
    let place = Place::new();
    let mut connection = filled(&place);
    let failed: Result<(), StoreError> = connection.write(|c| {
        c.write_one(ADD, (3, "third"))?;
        Err(SAMPLE.damaged("so"))
    });
    assert!(matches!(failed, Err(StoreError::Damaged { .. })));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        connection.write(|c| -> Result<(), StoreError> {
            c.write_one(ADD, (3, "third"))?;
            panic!("so")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(words(&connection), ["first", "second"]);
    connection
        .write(|c| c.write_one(ADD, (3, "third")))
        .unwrap();
    assert_eq!(words(&connection).len(), 3);
}

#[test]
fn nothing_is_changed_outside_a_transaction_nor_by_a_reading() {
    let place = Place::new();
    let mut connection = filled(&place);
    let misused = |result: Result<(), StoreError>| {
        assert!(
            matches!(result, Err(StoreError::Misused { .. })),
            "{result:?}"
        );
    };
    misused(connection.write_one(ADD, (3, "third")));
    misused(connection.write_any("DELETE FROM entry", []).map(drop));
    let returning = "DELETE FROM entry WHERE number = 1 RETURNING number";
    misused(connection.find(returning, [], |_| Ok(())).map(drop));
    misused(connection.write_one_returning(returning, [], |_| Ok(())));
    connection.freeze().unwrap();
    misused(connection.write_one(ADD, (3, "third")));
    connection.thaw().unwrap();
    misused(connection.commit());
    assert_eq!(words(&connection), ["first", "second"]);

    let mut reading = SAMPLE.open_to_read(&place.file()).unwrap();
    assert!(reading.begin().is_err());
    assert!(!reading.is_writing());
}

#[test]
fn a_frozen_connection_sees_the_file_as_it_stood() {
    let place = Place::new();
    let mut writing = filled(&place);
    let reading = SAMPLE.open_to_read(&place.file()).unwrap();
    reading.freeze().unwrap();
    writing.write(|c| c.write_one(ADD, (3, "third"))).unwrap();
    assert_eq!(words(&reading).len(), 2);
    reading.thaw().unwrap();
    assert_eq!(words(&reading).len(), 3);
}

#[test]
fn what_cannot_be_read_is_damage_and_named() {
    let place = Place::new();
    let connection = filled(&place);
    let told = |error: StoreError| {
        assert!(error.is_damage());
        error.to_string()
    };
    let text = connection.find("SELECT word FROM entry", [], |row| row.number(0));
    assert!(told(text.unwrap_err()).contains("column word: Invalid column type Text"));
    let negative = connection.find("SELECT -number AS minus FROM entry", [], |row| {
        row.number(0)
    });
    let text = told(negative.unwrap_err());
    assert!(
        text.contains("is damaged: column minus: a negative number"),
        "{text}"
    );
    let missing = connection.one("SELECT 1 FROM entry WHERE number = 9", [], |_| Ok(()));
    assert!(told(missing.unwrap_err()).contains("missing"));
    assert!(SAMPLE.cell(u64::MAX).is_err_and(|e| e.is_damage()));
}

#[test]
fn what_is_deleted_is_gone_from_the_files() {
    let place = Place::new();
    let mut connection = filled(&place);
    connection.must_overwrite().unwrap();
    let word = "a-secret-that-is-long-enough-to-be-searched-for";
    connection.write(|c| c.write_one(ADD, (3, word))).unwrap();
    let holds = || {
        let files = ["db", "db-wal"].map(|suffix| place.file().with_extension(suffix));
        let bytes = files
            .map(|file| std::fs::read(file).unwrap_or_default())
            .concat();
        bytes
            .windows(word.len())
            .any(|window| window == word.as_bytes())
    };
    assert!(holds());
    connection
        .write(|c| c.write_one("DELETE FROM entry WHERE number = 3", []))
        .unwrap();
    assert!(holds(), "in the log still");
    assert!(tegata_store::empty_log(&place.file()).unwrap());
    assert!(!holds());
}

#[test]
fn who_must_overwrite_is_told_where_nothing_is() {
    let connection = OLD.open(&Place::new().file()).unwrap();
    let told = connection.must_overwrite();
    assert!(matches!(told, Err(StoreError::Misused { .. })), "{told:?}");
}
