//! Versions, other programs' files, rights.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tegata_store::{Connection, StoreError};
use tegata_store_attacks::stranger;

use crate::{ADD, OLD, Place, SAMPLE};

fn schema(file: &Path) -> Vec<String> {
    let connection = stranger(file);
    let sql = "SELECT name || coalesce(sql, '') FROM sqlite_schema ORDER BY name";
    let mut query = connection.prepare(sql).unwrap();
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn an_older_database_is_brought_up_to_date_and_keeps_its_rows() {
    let (old, new) = (Place::new(), Place::new());
    let mut connection = OLD.open(&old.file()).unwrap();
    connection
        .write(|c| c.write_one(ADD, (1, "first")))
        .unwrap();
    assert_eq!(connection.version().unwrap(), 1);
    drop(connection);
    for _ in 0..2 {
        let connection = SAMPLE.open(&old.file()).unwrap();
        assert_eq!(connection.version().unwrap(), 2);
        let row = connection.one("SELECT word, weight FROM entry", [], |row| {
            Ok((row.get::<String>(0)?, row.number(1)?))
        });
        assert_eq!(row.unwrap(), ("first".to_owned(), 0));
    }
    drop(SAMPLE.open(&new.file()).unwrap());
    assert_eq!(schema(&old.file()), schema(&new.file()));
}

#[test]
fn who_reads_takes_an_older_one_as_it_is() {
    let place = Place::new();
    drop(OLD.open(&place.file()).unwrap());
    let connection = SAMPLE.open_to_read(&place.file()).unwrap();
    assert_eq!(connection.version().unwrap(), 1);
    drop(connection);
    stranger(&place.file())
        .execute_batch("DROP INDEX entry_by_word")
        .unwrap();
    let opened = SAMPLE.open_to_read(&place.file());
    assert!(
        matches!(opened, Err(StoreError::Foreign { .. })),
        "{opened:?}"
    );
}

#[test]
fn a_newer_database_is_refused_also_while_an_older_program_has_it_open() {
    let place = Place::new();
    let mut old = OLD.open(&place.file()).unwrap();
    drop(SAMPLE.open(&place.file()).unwrap());
    let newer = |result: Result<Connection, StoreError>| {
        let is_newer = matches!(
            result,
            Err(StoreError::Newer {
                found: 2,
                known: 1,
                ..
            })
        );
        assert!(is_newer, "{result:?}");
    };
    newer(OLD.open(&place.file()));
    newer(OLD.open_to_read(&place.file()));
    let written = old.write(|c| c.write_one(ADD, (1, "first")));
    assert!(
        matches!(written, Err(StoreError::Newer { found: 2, .. })),
        "{written:?}"
    );
}

#[test]
fn an_older_database_with_foreign_parts_is_not_brought_up_to_date() {
    let place = Place::new();
    drop(OLD.open(&place.file()).unwrap());
    let meddling = "CREATE TRIGGER lost AFTER INSERT ON entry BEGIN DELETE FROM entry; END";
    stranger(&place.file()).execute_batch(meddling).unwrap();
    let before = schema(&place.file());
    let opened = SAMPLE.open(&place.file());
    let text = opened.unwrap_err().to_string();
    assert_eq!(
        text,
        "the sample's database has the trigger \"lost\" on \"entry\", which this program never \
         makes. Restore it from a backup"
    );
    assert_eq!(schema(&place.file()), before);
}

#[test]
fn each_difference_is_told_in_words() {
    for (sql, text) in [
        (
            "DROP INDEX entry_by_word",
            "has lost the index \"entry_by_word\" on \"entry\"",
        ),
        (
            "ALTER TABLE entry ADD COLUMN more INTEGER",
            "has the table \"entry\" otherwise than this program makes it",
        ),
        (
            "CREATE TABLE \"a\nb\" (x)",
            "has the table \"a\\nb\", which this program never makes",
        ),
    ] {
        let place = Place::new();
        drop(SAMPLE.open(&place.file()).unwrap());
        stranger(&place.file()).execute_batch(sql).unwrap();
        let error = SAMPLE.open(&place.file()).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.is_damage());
    }
}

#[test]
fn another_programs_file_stays_as_it_is() {
    let place = Place::new();
    stranger(&place.file())
        .execute_batch("CREATE TABLE note (text); INSERT INTO note VALUES ('mine')")
        .unwrap();
    let before = std::fs::read(place.file()).unwrap();
    let opened = SAMPLE.open(&place.file());
    assert!(
        matches!(opened, Err(StoreError::NotOurs { .. })),
        "{opened:?}"
    );
    assert_eq!(std::fs::read(place.file()).unwrap(), before);

    std::fs::write(place.file(), "a shopping list ".repeat(100)).unwrap();
    let opened = SAMPLE.open(&place.file());
    assert!(
        matches!(opened, Err(StoreError::Damaged { .. })),
        "{opened:?}"
    );
}

#[test]
fn reading_makes_no_file_and_takes_no_empty_one() {
    let place = Place::new();
    assert!(SAMPLE.open_to_read(&place.file()).is_err());
    assert!(!place.file().exists());
    std::fs::write(place.file(), "").unwrap();
    let opened = SAMPLE.open_to_read(&place.file());
    assert!(
        matches!(opened, Err(StoreError::NotOurs { .. })),
        "{opened:?}"
    );
}

#[test]
fn figures_that_somebody_had_made_for_the_planner_do_no_harm() {
    let place = Place::new();
    let mut connection = SAMPLE.open(&place.file()).unwrap();
    connection
        .write(|c| c.write_one(ADD, (1, "first")))
        .unwrap();
    stranger(&place.file()).execute_batch("ANALYZE").unwrap();
    connection
        .write(|c| c.write_one(ADD, (2, "second")))
        .unwrap();
    SAMPLE.open(&place.file()).unwrap();
}

#[test]
fn nobody_else_may_read_the_files() {
    let place = Place::new();
    let mut connection = SAMPLE.open(&place.file()).unwrap();
    connection
        .write(|c| c.write_one(ADD, (1, "first")))
        .unwrap();
    let mode = |file: &Path| std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
    for suffix in ["", "-wal", "-shm"] {
        let file = place.file().with_extension(format!("db{suffix}"));
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    drop(connection);
    std::fs::set_permissions(place.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    SAMPLE.open(&place.file()).unwrap();
    assert_eq!(mode(&place.file()), 0o600);
}

#[test]
fn many_may_make_it_at_once() {
    for _ in 0..60 {
        let place = Place::new();
        let file = place.file();
        std::thread::scope(|scope| {
            let openers: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| SAMPLE.open(&file).map(drop)))
                .collect();
            for opener in openers {
                opener.join().unwrap().unwrap();
            }
        });
    }
}
