//! One row that was read.

use rusqlite::types::{FromSql, ValueRef};

use crate::StoreError;

/// A row of a query. What can't be read as it must be is damage.
#[derive(Debug)]
pub struct Row<'r> {
    row: &'r rusqlite::Row<'r>,
    database: &'static str,
}

impl<'r> Row<'r> {
    pub(crate) const fn new(row: &'r rusqlite::Row<'r>, database: &'static str) -> Self {
        Self { row, database }
    }

    /// The value of a column, counted from 0.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it's of another type or out of range.
    pub fn get<T: FromSql>(&self, column: usize) -> Result<T, StoreError> {
        self.try_get(column).map_err(|e| self.damaged(column, &e))
    }

    /// As [`Self::get`], for who has words of its own for damage.
    ///
    /// # Errors
    /// Why not.
    pub fn try_get<T: FromSql>(&self, column: usize) -> Result<T, String> {
        self.row.get(column).map_err(|e| e.to_string())
    }

    /// A number that isn't negative.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn number(&self, column: usize) -> Result<u64, StoreError> {
        let cell: i64 = self.get(column)?;
        u64::try_from(cell).map_err(|_e| self.damaged(column, "a negative number"))
    }

    /// The value as it stands.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when there's no such column.
    pub fn value(&self, column: usize) -> Result<ValueRef<'_>, StoreError> {
        let value = self.row.get_ref(column);
        value.map_err(|e| self.damaged(column, &e.to_string()))
    }

    /// The column's name.
    #[must_use]
    pub fn name(&self, column: usize) -> &str {
        self.row.as_ref().column_name(column).unwrap_or("?")
    }

    /// A value that can't be there.
    fn damaged(&self, column: usize, what: &str) -> StoreError {
        StoreError::Damaged {
            database: self.database,
            what: format!("column {}: {what}", self.name(column)),
        }
    }
}
