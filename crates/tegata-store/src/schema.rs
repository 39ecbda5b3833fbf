//! Comparing a database's schema with the one that the program makes.
//!
//! Every row of `sqlite_schema` counts, those with names that SQLite reserves for itself too: who
//! writes the file byte by byte can give a trigger such a name.

use rusqlite::Connection;

/// One row of `sqlite_schema`. SQLite keeps the text of `CREATE` as it was written; the indexes that
/// it makes by itself have none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Part {
    name: String,
    kind: String,
    table: String,
    sql: Option<String>,
}

impl Part {
    fn shown(&self) -> String {
        let Self {
            kind, name, table, ..
        } = self;
        // Escaped: a stranger chose it.
        match name == table {
            true => format!("{kind} {name:?}"),
            false => format!("{kind} {name:?} on {table:?}"),
        }
    }

    /// What `ANALYZE` leaves behind: figures that steer how rows are found, never which.
    fn is_of_analyze(&self) -> bool {
        let made = match self.name.as_str() {
            "sqlite_stat1" => "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
            "sqlite_stat4" => "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
            _ => return false,
        };
        self.kind == "table" && self.sql.as_deref() == Some(made)
    }
}

/// In what a schema differs.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Difference {
    /// In words, after the database's name.
    pub(crate) text: String,
    /// The part's name.
    pub(crate) part: String,
}

/// The schema of an open database, sorted.
pub(crate) fn parts(connection: &Connection) -> rusqlite::Result<Vec<Part>> {
    let sql = "SELECT name, type, tbl_name, sql FROM sqlite_schema ORDER BY name, type, tbl_name";
    let mut query = connection.prepare(sql)?;
    let rows = query.query_map([], |row| {
        Ok(Part {
            name: row.get(0)?,
            kind: row.get(1)?,
            table: row.get(2)?,
            sql: row.get(3)?,
        })
    })?;
    rows.collect()
}

/// The schema that these steps make.
pub(crate) fn made_by(steps: &[&[&str]]) -> rusqlite::Result<Vec<Part>> {
    let connection = Connection::open_in_memory()?;
    for text in steps.iter().copied().flatten() {
        connection.execute_batch(text)?;
    }
    parts(&connection)
}

/// The first difference, if there is one: what was added before what was changed, and that before
/// what is missing.
pub(crate) fn compare(found: &[Part], made: &[Part]) -> Option<Difference> {
    let strange = |part: &&Part| !made.contains(part) && !part.is_of_analyze();
    let twin = |part: &Part, of: &[Part]| {
        let same = |other: &Part| (&other.name, &other.kind) == (&part.name, &part.kind);
        of.iter().any(same)
    };
    let added = |part: &&Part| !twin(part, made);
    let strangers: Vec<&Part> = found.iter().filter(strange).collect();
    let first = strangers.iter().copied().find(added);
    if let Some(part) = first {
        let shown = part.shown();
        return Some(of(
            part,
            format!("has the {shown}, which this program never makes"),
        ));
    }
    if let Some(part) = strangers.first() {
        let shown = part.shown();
        return Some(of(
            part,
            format!("has the {shown} otherwise than this program makes it"),
        ));
    }
    if let Some(part) = made.iter().find(|part| !found.contains(part)) {
        return Some(of(part, format!("has lost the {}", part.shown())));
    }
    // The same row twice: SQLite would follow one of them.
    let twice = found.windows(2).find_map(|pair| match pair {
        [first, second] if first == second => Some(first),
        _ => None,
    });
    twice.map(|part| of(part, format!("has the {} twice", part.shown())))
}

fn of(part: &Part, text: String) -> Difference {
    let part = part.name.clone();
    Difference { text, part }
}
