//! One connection: reading, and writing with counted rows.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use rusqlite::types::FromSql;
use rusqlite::{CachedStatement, Params};

use crate::description::Database;
use crate::error::StoreError;
use crate::row::Row;
use crate::schema;

/// An open database, for one owner at a time. What reads may be called at any time; what writes,
/// only inside a transaction that this connection has begun.
#[derive(Debug)]
pub struct Connection {
    sqlite: rusqlite::Connection,
    database: &'static Database,
    file: PathBuf,
    /// SQLite's counter of schema changes when the schema was last found good.
    good_schema: Cell<i64>,
    /// Is a transaction open that may write?
    writing: Cell<bool>,
}

/// Ends a transaction that nobody has committed: its job failed, or panicked.
struct Unfinished<'c>(&'c Connection);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // If the disk refuses even this, the next transaction says so.
        drop(self.0.undo());
    }
}

impl Connection {
    pub(crate) fn new(
        sqlite: rusqlite::Connection,
        database: &'static Database,
        file: &Path,
    ) -> Self {
        Self {
            sqlite,
            database,
            file: file.to_owned(),
            good_schema: Cell::new(-1),
            writing: Cell::new(false),
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Which kind of database it is.
    #[must_use]
    pub const fn database(&self) -> &'static Database {
        self.database
    }

    /// Makes sure that what is deleted here is overwritten, before something is deleted that must be.
    ///
    /// # Errors
    /// [`StoreError::Misused`].
    pub const fn must_overwrite(&self) -> Result<(), StoreError> {
        match self.database.overwrites {
            true => Ok(()),
            false => Err(self.misused("it doesn't overwrite what is deleted")),
        }
    }

    /// The file's version.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn version(&self) -> Result<i64, StoreError> {
        self.pragma("user_version")
    }

    #[cfg(test)]
    pub(crate) const fn sqlite(&self) -> &rusqlite::Connection {
        &self.sqlite
    }

    pub(crate) fn schema_is_good(&self, counter: i64) {
        self.good_schema.set(counter);
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        let database = self.database.name;
        move |error| StoreError::of_sqlite(database, error)
    }

    const fn misused(&self, why: &'static str) -> StoreError {
        StoreError::Misused {
            database: self.database.name,
            why,
        }
    }

    const fn miscounted(&self, expected: &'static str, changed: usize) -> StoreError {
        StoreError::Miscounted {
            database: self.database.name,
            expected,
            changed,
        }
    }

    /// Runs statements that bring no rows.
    pub(crate) fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.sqlite.execute_batch(sql).map_err(self.failed())
    }

    /// The answer of a `PRAGMA`.
    pub(crate) fn pragma<T: FromSql>(&self, what: &str) -> Result<T, StoreError> {
        let sql = format!("PRAGMA {what}");
        let failed = self.failed();
        let mut query = self.sqlite.prepare_cached(&sql).map_err(&failed)?;
        query.query_row([], |row| row.get(0)).map_err(failed)
    }
}

/// Transactions.
impl Connection {
    /// Runs a job in one transaction that has the write lock from its first moment; what it wrote
    /// is durable when this returns. A job's error changes nothing.
    ///
    /// # Errors
    /// The job's, or [`StoreError`]. [`StoreError::Misused`] as [`Self::begin`] says.
    pub fn write<T, E: From<StoreError>>(
        &mut self,
        job: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.start()?;
        let _unfinished = Unfinished(self);
        let done = job(self)?;
        self.finish()?;
        Ok(done)
    }

    /// Writes the schema's version as it stands once more: a commit as durable as any, which changes
    /// nothing. It shows whether the disk takes writes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write_version_again(&mut self) -> Result<(), StoreError> {
        let version = self.version()?;
        self.write(|connection| connection.run(&format!("PRAGMA user_version = {version}")))
    }

    /// Begins a transaction with the write lock, and makes sure that the schema is the one that was
    /// found good: nobody can change it from here to the end.
    ///
    /// # Errors
    /// [`StoreError`]; then none is open. [`StoreError::Misused`] inside a transaction or a reading of
    /// one state, which stays as it is.
    pub fn begin(&mut self) -> Result<(), StoreError> {
        self.start()
    }

    pub(crate) fn start(&self) -> Result<(), StoreError> {
        // SQLite would begin one that only reads.
        if self.sqlite.is_readonly("main").map_err(self.failed())? {
            return Err(self.misused("a change over a connection that only reads"));
        }
        if !self.sqlite.is_autocommit() {
            return Err(self.misused("a transaction inside a transaction"));
        }
        self.run("BEGIN IMMEDIATE")?;
        self.writing.set(true);
        let unchanged = self.check_schema();
        if unchanged.is_err() {
            self.undo()?;
        }
        unchanged
    }

    fn check_schema(&self) -> Result<(), StoreError> {
        if self.pragma::<i64>("schema_version")? == self.good_schema.get() {
            return Ok(());
        }
        // `VACUUM` moves the counter too, and is no harm.
        let version = self.compare_schema()?;
        match version == self.database.version() {
            true => Ok(()),
            false => Err(self.misused("its version has changed while it was open")),
        }
    }

    /// Compares marks and schema, inside a transaction; gives the version. That the schema is good
    /// counts until SQLite's counter of schema changes moves.
    pub(crate) fn compare_schema(&self) -> Result<i64, StoreError> {
        let database = self.database;
        let version = self.check_marks()?;
        let found = schema::parts(&self.sqlite).map_err(self.failed())?;
        if version == 0 && !found.is_empty() {
            return Err(database.not_ours(&self.file));
        }
        let steps = usize::try_from(version).unwrap_or(0);
        let steps = database.steps.get(..steps).unwrap_or(database.steps);
        let made = schema::made_by(steps).map_err(self.failed())?;
        if let Some(difference) = schema::compare(&found, &made) {
            return Err(StoreError::Foreign {
                database: database.name,
                difference: difference.text,
                part: difference.part,
            });
        }
        self.schema_is_good(self.pragma("schema_version")?);
        Ok(version)
    }

    /// The version; an error if the file is another program's or a newer program's.
    fn check_marks(&self) -> Result<i64, StoreError> {
        let database = self.database;
        let application_id: i64 = self.pragma("application_id")?;
        let version: i64 = self.pragma("user_version")?;
        let fresh = (application_id, version) == (0, 0);
        if !fresh && (application_id != database.application_id || version < 0) {
            return Err(database.not_ours(&self.file));
        }
        if version > database.version() {
            return Err(StoreError::Newer {
                database: database.name,
                found: version,
                known: database.version(),
            });
        }
        Ok(version)
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of the transaction stays.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.finish()
    }

    pub(crate) fn finish(&self) -> Result<(), StoreError> {
        self.in_transaction()?;
        let committed = self.run("COMMIT");
        match committed {
            Ok(()) => self.writing.set(false),
            Err(_) => self.undo()?,
        }
        committed
    }

    /// Ends a transaction, if one is open; nothing of it stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn abandon(&mut self) -> Result<(), StoreError> {
        self.undo()
    }

    fn undo(&self) -> Result<(), StoreError> {
        self.writing.set(false);
        self.roll_back()
    }

    fn roll_back(&self) -> Result<(), StoreError> {
        match self.sqlite.is_autocommit() {
            true => Ok(()),
            false => self.run("ROLLBACK"),
        }
    }

    /// Is a transaction open that may write? SQLite ends one by itself when the disk fails.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.writing.get() && !self.sqlite.is_autocommit()
    }

    fn in_transaction(&self) -> Result<(), StoreError> {
        match self.is_writing() {
            true => Ok(()),
            false => Err(self.misused("a change outside of a transaction")),
        }
    }

    /// From now on this connection sees the file as it stands now, whatever others commit.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Misused`] inside a transaction, which stays as it is.
    pub fn freeze(&self) -> Result<(), StoreError> {
        if !self.sqlite.is_autocommit() {
            return Err(self.misused("a reading of one state inside a transaction"));
        }
        // One that the disk ended without us may have been the last: what begins here must not write.
        self.writing.set(false);
        // A deferred transaction sees one state of the file from its first read on.
        let begun = self.run("BEGIN; SELECT count(*) FROM sqlite_schema");
        if begun.is_err() {
            self.roll_back()?;
        }
        begun
    }

    /// The end of [`Self::freeze`].
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Misused`] inside a transaction that writes, which stays as it is: a
    /// reading's end must not take back what somebody is writing.
    pub fn thaw(&self) -> Result<(), StoreError> {
        match self.writing.get() {
            true => Err(self.misused("a reading's end inside a transaction that writes")),
            false => self.roll_back(),
        }
    }

    /// Writes the write-ahead log into the file and empties it, outside of any transaction. `false`
    /// if somebody is still reading an older state: call it again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn empty_log(&self) -> Result<bool, StoreError> {
        let busy: i64 = self.pragma("wal_checkpoint(TRUNCATE)")?;
        Ok(busy == 0)
    }
}

/// Reading.
impl Connection {
    fn reading(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        let statement = self.sqlite.prepare_cached(sql).map_err(self.failed())?;
        if !statement.readonly() {
            return Err(self.misused("a statement that writes was run to read"));
        }
        // For SQLite, what begins or ends a transaction only reads too; but it has no columns.
        match statement.column_count() {
            0 => Err(self.misused("a statement that brings no rows was run to read")),
            _ => Ok(statement),
        }
    }

    /// The first row of a query, read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let failed = self.failed();
        let mut statement = self.reading(sql)?;
        let mut rows = statement.query(values).map_err(&failed)?;
        match rows.next().map_err(&failed)? {
            Some(row) => read(&Row::new(row, self.database.name)).map(Some),
            None => Ok(None),
        }
    }

    /// The one row of a query that must have one.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Damaged`] when there's none.
    pub fn one<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let missing = || self.database.damaged("a row that must be there is missing");
        self.find(sql, values, read)?.ok_or_else(missing)
    }

    /// Has the query a row?
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn exists(&self, sql: &str, values: impl Params) -> Result<bool, StoreError> {
        Ok(self.find(sql, values, |_row| Ok(()))?.is_some())
    }

    /// Every row of a query, read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list<T>(
        &self,
        sql: &str,
        values: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.each(sql, values, |row| {
            found.push(read(row)?);
            Ok::<_, StoreError>(())
        })?;
        Ok(found)
    }

    /// Hands every row of a query to `each`, until it says stop by an error.
    ///
    /// # Errors
    /// [`StoreError`], or that of `each`.
    pub fn each<E: From<StoreError>>(
        &self,
        sql: &str,
        values: impl Params,
        mut each: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = self.failed();
        let mut statement = self.reading(sql)?;
        let mut rows = statement.query(values).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            each(&Row::new(row, self.database.name))?;
        }
        Ok(())
    }
}

/// Writing. Each function says how many rows its statement must change.
impl Connection {
    /// A statement that changes rows. What begins or ends a transaction changes none, and would make
    /// half a job durable.
    fn changing(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        self.in_transaction()?;
        let statement = self.sqlite.prepare_cached(sql).map_err(self.failed())?;
        match statement.readonly() {
            true => Err(self.misused("a statement that changes nothing was run to write")),
            false => Ok(statement),
        }
    }

    fn execute(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        self.changing(sql)?.execute(values).map_err(self.failed())
    }

    /// Changes exactly one row.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Miscounted`] when it's none, or more.
    pub fn write_one(&self, sql: &str, values: impl Params) -> Result<(), StoreError> {
        match self.execute(sql, values)? {
            1 => Ok(()),
            changed => Err(self.miscounted("one", changed)),
        }
    }

    /// Changes one row, or none. Was it one?
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Miscounted`] when it's more.
    pub fn write_at_most_one(&self, sql: &str, values: impl Params) -> Result<bool, StoreError> {
        match self.execute(sql, values)? {
            0 => Ok(false),
            1 => Ok(true),
            changed => Err(self.miscounted("at most one", changed)),
        }
    }

    /// Changes as many rows as there are. How many?
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write_any(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        self.execute(sql, values)
    }

    /// Changes one row, or none, and reads what the statement returns of it.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Miscounted`] when it's more.
    pub fn write_at_most_one_returning<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let failed = self.failed();
        let mut statement = self.changing(sql)?;
        let mut rows = statement.query(values).map_err(&failed)?;
        let Some(row) = rows.next().map_err(&failed)? else {
            return Ok(None);
        };
        let value = read(&Row::new(row, self.database.name))?;
        match rows.next().map_err(&failed)? {
            None => Ok(Some(value)),
            Some(_) => Err(self.miscounted("at most one", 2)),
        }
    }

    /// Changes exactly one row, and reads what the statement returns of it.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Miscounted`] when it's none, or more.
    pub fn write_one_returning<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let returned = self.write_at_most_one_returning(sql, values, read)?;
        returned.ok_or_else(|| self.miscounted("one", 0))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::config::DbConfig;

    use super::*;

    static ENTRIES: Database = Database::new(
        "the entries",
        &[&["CREATE TABLE entry (number INTEGER PRIMARY KEY) STRICT"]],
    );
    const ADD: &str = "INSERT INTO entry (number) VALUES ($1)";

    /// A connection that believes a changed schema to be good.
    fn deceived(folder: &Path, meddling: &str) -> Connection {
        let connection = ENTRIES.open(&folder.join("entries.db")).unwrap();
        let stranger = rusqlite::Connection::open(connection.file()).unwrap();
        stranger.execute_batch(meddling).unwrap();
        connection.schema_is_good(connection.pragma("schema_version").unwrap());
        connection
    }

    fn misused(result: Result<(), StoreError>) {
        assert!(
            matches!(result, Err(StoreError::Misused { .. })),
            "{result:?}"
        );
    }

    fn numbers(connection: &Connection) -> Vec<i64> {
        let sql = "SELECT number FROM entry ORDER BY number";
        connection.list(sql, [], |row| row.get(0)).unwrap()
    }

    const LOST: &str = "CREATE TRIGGER lost BEFORE INSERT ON entry BEGIN SELECT RAISE(IGNORE); END";

    #[test]
    fn a_readings_beginning_and_end_leave_a_transaction_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = ENTRIES.open(&folder.path().join("entries.db")).unwrap();
        let written = connection.write(|c| {
            c.write_one(ADD, [1])?;
            misused(c.freeze());
            misused(c.thaw());
            c.write_one(ADD, [2])
        });
        written.unwrap();
        assert_eq!(numbers(&connection), [1, 2]);
        connection.freeze().unwrap();
        misused(connection.freeze());
        connection.thaw().unwrap();
        connection.thaw().unwrap();
    }

    #[test]
    fn no_statement_that_reads_or_changes_rows_can_end_a_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = ENTRIES.open(&folder.path().join("entries.db")).unwrap();
        let failed = connection.write(|c| {
            c.write_one(ADD, [1])?;
            for sql in ["COMMIT", "ROLLBACK", "SAVEPOINT a", "RELEASE a", "BEGIN"] {
                misused(c.exists(sql, []).map(drop));
                misused(c.list(sql, [], |_row| Ok(())).map(drop));
                misused(c.write_any(sql, []).map(drop));
                misused(
                    c.write_at_most_one_returning(sql, [], |_row| Ok(()))
                        .map(drop),
                );
                assert!(c.is_writing(), "{sql}");
            }
            Err::<(), _>(ENTRIES.damaged("so"))
        });
        assert!(matches!(failed, Err(StoreError::Damaged { .. })));
        assert_eq!(numbers(&connection), [0; 0], "nothing was made durable");
    }

    #[test]
    fn a_transaction_inside_another_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = ENTRIES.open(&folder.path().join("entries.db")).unwrap();
        connection.begin().unwrap();
        connection.write_one(ADD, [1]).unwrap();
        misused(connection.begin());
        misused(connection.write(|c| c.write_one(ADD, [2])));
        misused(connection.write_version_again());
        assert!(connection.is_writing());
        connection.commit().unwrap();
        assert_eq!(numbers(&connection), [1]);
        connection.freeze().unwrap();
        misused(connection.begin());
        connection.thaw().unwrap();
        connection.write(|c| c.write_one(ADD, [3])).unwrap();
        assert_eq!(numbers(&connection), [1, 3]);
    }

    #[test]
    fn a_reading_after_a_transaction_that_the_disk_ended_does_not_write() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = ENTRIES.open(&folder.path().join("entries.db")).unwrap();
        connection.begin().unwrap();
        connection.write_one(ADD, [1]).unwrap();
        // As SQLite does by itself when the disk fails.
        connection.sqlite.execute_batch("ROLLBACK").unwrap();
        misused(connection.write_one(ADD, [2]));
        connection.freeze().unwrap();
        assert!(!connection.is_writing());
        misused(connection.write_one(ADD, [3]));
        connection.thaw().unwrap();
        assert!(connection.sqlite.is_autocommit());
        assert_eq!(numbers(&connection), [0; 0]);
    }

    #[test]
    fn a_reading_that_cannot_begin_leaves_none_open() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("entries.db");
        // Without a write-ahead log, so that a writer keeps readers out.
        let sqlite = rusqlite::Connection::open(&file).unwrap();
        sqlite.busy_timeout(std::time::Duration::ZERO).unwrap();
        let connection = Connection::new(sqlite, &ENTRIES, &file);
        let stranger = rusqlite::Connection::open(&file).unwrap();
        stranger.execute_batch("BEGIN EXCLUSIVE").unwrap();
        assert!(connection.freeze().is_err());
        assert!(connection.sqlite.is_autocommit());
        stranger.execute_batch("ROLLBACK").unwrap();
        connection.freeze().unwrap();
        connection.thaw().unwrap();
    }

    #[test]
    fn triggers_and_views_do_nothing_even_where_nobody_noticed_them() {
        let folder = tempfile::tempdir().unwrap();
        let views = "CREATE VIEW seen AS SELECT number FROM entry";
        let mut connection = deceived(folder.path(), &format!("{LOST}; {views}"));
        connection.write(|c| c.write_one(ADD, [1])).unwrap();
        assert!(connection.exists("SELECT 1 FROM entry", []).unwrap());
        let error = connection.exists("SELECT 1 FROM seen", []).unwrap_err();
        assert!(error.reason().contains("prohibited"), "{}", error.reason());
    }

    #[test]
    fn a_trigger_that_swallows_a_row_is_counted_even_where_all_else_failed() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = deceived(folder.path(), LOST);
        let triggers = DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER;
        connection.sqlite.set_db_config(triggers, true).unwrap();
        let written = connection.write(|c| c.write_one(ADD, [1]));
        assert!(
            matches!(written, Err(StoreError::Miscounted { changed: 0, .. })),
            "{written:?}"
        );
        let returning = format!("{ADD} RETURNING number");
        let written = connection.write(|c| c.write_one_returning(&returning, [1], |_| Ok(())));
        assert!(matches!(
            written,
            Err(StoreError::Miscounted { changed: 0, .. })
        ));
    }
}
