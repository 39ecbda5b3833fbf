//! SQL for people. Two files: what is encrypted, and the keys that open it.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use tegata_protocol::{Digest, PartyNumber, Role, Time, joining::ActivationKey};

use super::Invitation;

const PEOPLE: &str = "
CREATE TABLE IF NOT EXISTS application (
    id INTEGER PRIMARY KEY,
    role INTEGER NOT NULL,
    received INTEGER NOT NULL,
    details BLOB NOT NULL,
    number INTEGER NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS invitation (
    number INTEGER PRIMARY KEY,
    activation_key BLOB NOT NULL,
    terms BLOB NOT NULL,
    granted INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS person (
    number INTEGER PRIMARY KEY,
    details BLOB NOT NULL
) STRICT;
";

const KEYS: &str = "
-- AUTOINCREMENT: an erased application's id is never given to another.
CREATE TABLE IF NOT EXISTS application_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS person_key (number INTEGER PRIMARY KEY, key BLOB NOT NULL) STRICT;
";

/// What makes each version of a database from the one before.
const PEOPLE_STEPS: &[&str] = &[PEOPLE, tegata_orders::SCHEMA];
const KEYS_STEPS: &[&str] = &[KEYS];

/// Why the people's databases failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite said so.
    #[error("the people's database failed")]
    Database(#[from] rusqlite::Error),
    /// A row holds what can't be there.
    #[error("damaged: table {table}, row {row}; restore a backup")]
    Damaged {
        /// Which table.
        table: &'static str,
        /// Which row.
        row: i64,
    },
    /// A newer program has written it.
    #[error("{0} was written by a newer program; use that one")]
    Newer(String),
}

/// An application as listed.
#[derive(Clone, Debug)]
pub struct Application {
    /// Its number in the list.
    pub id: u64,
    /// As what somebody wants to join.
    pub role: Role,
    /// When it came.
    pub received: Time,
    /// The party number that it was granted.
    pub number: Option<PartyNumber>,
}

/// What came of giving an application a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Invited {
    Done,
    /// Somebody has this number; another may be free.
    NumberTaken,
    /// There is no such application, or it has a number.
    NotWaiting,
}

/// Something sealed, and the key that opens it.
type Locked = (Vec<u8>, Vec<u8>);

#[derive(Debug)]
pub(super) struct Store {
    people: Mutex<Connection>,
    keys: Mutex<Connection>,
}

impl Store {
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            people: Mutex::new(open(&dir.join("people.sqlite"), PEOPLE_STEPS)?),
            keys: Mutex::new(open(&dir.join("people-keys.sqlite"), KEYS_STEPS)?),
        })
    }

    fn people(&self) -> MutexGuard<'_, Connection> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, Connection> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key is durable before what it opens.
    pub(super) fn add_application(
        &self,
        role: Role,
        details: &[u8],
        key: &[u8],
        now: Time,
    ) -> Result<u64, StoreError> {
        let id = self.add_key(key)?;
        insert(&self.people(), id, role, details, now)?;
        Ok(id)
    }

    /// A key for an application that is to come; its id.
    pub(super) fn add_key(&self, key: &[u8]) -> Result<u64, StoreError> {
        let keys = self.keys();
        keys.execute("INSERT INTO application_key (key) VALUES ($1)", [key])?;
        Ok(keys.last_insert_rowid().unsigned_abs())
    }

    /// Forgets the key of an application that didn't come.
    pub(super) fn drop_key(&self, id: u64) -> Result<(), StoreError> {
        let delete = "DELETE FROM application_key WHERE id = $1";
        self.keys().execute(delete, [integer(id)])?;
        Ok(())
    }

    /// Runs a job in one transaction on the people's database.
    pub(super) fn change<T, E: From<rusqlite::Error>>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut people = self.people();
        let transaction = people.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = job(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// Reads from the people's database.
    pub(super) fn read<T>(&self, job: impl FnOnce(&Connection) -> T) -> T {
        job(&self.people())
    }

    /// How many applications wait.
    pub(super) fn waiting(&self) -> Result<u64, StoreError> {
        let count: i64 = self.people().query_row(
            "SELECT count(*) FROM application WHERE number < 0",
            [],
            |r| r.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    pub(super) fn applications(&self) -> Result<Vec<Application>, StoreError> {
        let people = self.people();
        let mut query =
            people.prepare("SELECT id, role, received, number FROM application ORDER BY id")?;
        let rows = query.query_map([], read_application)?;
        rows.map(|row| row?).collect()
    }

    pub(super) fn details(&self, id: u64) -> Result<Option<Locked>, StoreError> {
        let id = integer(id);
        let details = self
            .people()
            .query_row("SELECT details FROM application WHERE id = $1", [id], |r| {
                r.get(0)
            })
            .optional()?;
        let key = self
            .keys()
            .query_row("SELECT key FROM application_key WHERE id = $1", [id], |r| {
                r.get(0)
            })
            .optional()?;
        Ok(details.zip(key))
    }

    /// Ties a number to an application that waits for one.
    pub(super) fn invite(
        &self,
        application: u64,
        number: PartyNumber,
        invitation: &Invitation,
        now: Time,
    ) -> Result<Invited, StoreError> {
        let mut people = self.people();
        let transaction = people.transaction()?;
        let number = integer(number.wire());
        let added = transaction.execute(
            "INSERT INTO invitation (number, activation_key, terms, granted, expires) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            params![
                number,
                invitation.key.as_bytes(),
                invitation.terms.as_bytes(),
                integer(now.secs()),
                integer(invitation.expires.secs())
            ],
        )?;
        if added == 0 {
            return Ok(Invited::NumberTaken);
        }
        let granted = transaction.execute(
            "UPDATE application SET number = $1 WHERE id = $2 AND number < 0",
            params![number, integer(application)],
        )?;
        if granted == 0 {
            return Ok(Invited::NotWaiting);
        }
        transaction.commit()?;
        Ok(Invited::Done)
    }

    pub(super) fn invitation(&self, number: PartyNumber) -> Result<Option<Invitation>, StoreError> {
        let number = integer(number.wire());
        let query = "SELECT activation_key, terms, expires FROM invitation WHERE number = $1";
        let row = self.people().query_row(query, [number], |r| {
            Ok((
                r.get::<_, Vec<u8>>(0)?,
                r.get::<_, Vec<u8>>(1)?,
                r.get::<_, i64>(2)?,
            ))
        });
        let Some((key, terms, expires)) = row.optional()? else {
            return Ok(None);
        };
        let damaged = || StoreError::Damaged {
            table: "invitation",
            row: number,
        };
        Ok(Some(Invitation {
            key: ActivationKey::from_bytes(key.try_into().map_err(|_e| damaged())?),
            terms: Digest::from_slice(&terms).ok_or_else(damaged)?,
            expires: Time::from_secs(expires.unsigned_abs()),
        }))
    }

    /// Keeps a person's details and their key, unless they're kept already (or erased since).
    pub(super) fn enter(
        &self,
        number: PartyNumber,
        details: &[u8],
        key: &[u8],
    ) -> Result<(), StoreError> {
        let number = integer(number.wire());
        let people = self.people();
        let kept = "SELECT EXISTS (SELECT 1 FROM person WHERE number = $1)";
        if people.query_row(kept, [number], |r| r.get(0))? {
            return Ok(());
        }
        // The key first: a crash between the two leaves a key that opens nothing, and is replaced.
        let upsert = "INSERT INTO person_key (number, key) VALUES ($1, $2) \
                      ON CONFLICT (number) DO UPDATE SET key = excluded.key";
        self.keys().execute(upsert, params![number, key])?;
        let insert = "INSERT INTO person (number, details) VALUES ($1, $2)";
        people.execute(insert, params![number, details])?;
        Ok(())
    }

    pub(super) fn person(&self, number: PartyNumber) -> Result<Option<Locked>, StoreError> {
        let number = integer(number.wire());
        let blob = |connection: &Connection, query| {
            let found = connection.query_row(query, [number], |r| r.get(0));
            found.optional()
        };
        let details = blob(
            &self.people(),
            "SELECT details FROM person WHERE number = $1",
        )?;
        let key = blob(&self.keys(), "SELECT key FROM person_key WHERE number = $1")?;
        Ok(details.zip(key))
    }

    /// Deletes the keys of a person and of its application; false when there were none.
    pub(super) fn erase(&self, number: PartyNumber) -> Result<bool, StoreError> {
        let number = integer(number.wire());
        let application = "SELECT id FROM application WHERE number = $1";
        let people = self.people();
        let id: Option<i64> = people
            .query_row(application, [number], |r| r.get(0))
            .optional()?;
        drop(people);
        let keys = self.keys();
        let of_person = "DELETE FROM person_key WHERE number = $1";
        let of_application = "DELETE FROM application_key WHERE id = $1";
        let erased = keys.execute(of_person, [number])?;
        let applied = keys.execute(of_application, [id.unwrap_or_default()])?;
        // The write-ahead log still holds the pages as they were.
        keys.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(erased > 0 || applied > 0)
    }
}

/// A waiting application stands under the negative of its id, until it has a number.
pub(super) fn insert(
    people: &Connection,
    id: u64,
    role: Role,
    details: &[u8],
    now: Time,
) -> Result<(), StoreError> {
    let (role, received) = (integer(role.digit()), integer(now.secs()));
    people.execute(
        "INSERT INTO application (id, role, received, details, number) \
         VALUES ($1, $2, $3, $4, -$1)",
        params![integer(id), role, received, details],
    )?;
    Ok(())
}

fn open(path: &Path, steps: &[&str]) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Erased keys must not lie about in free pages.
    connection.pragma_update(None, "secure_delete", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(missing) = steps.get(found..) else {
        return Err(StoreError::Newer(path.display().to_string()));
    };
    for step in missing {
        transaction.execute_batch(step)?;
    }
    let version = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()?;
    Ok(connection)
}

/// SQLite's integers are signed; all of ours are far below the limit.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn read_application(row: &Row<'_>) -> rusqlite::Result<Result<Application, StoreError>> {
    let (id, role): (i64, i64) = (row.get(0)?, row.get(1)?);
    let (received, number): (i64, i64) = (row.get(2)?, row.get(3)?);
    let role = Role::ALL.into_iter().find(|r| integer(r.digit()) == role);
    let number = u64::try_from(number)
        .ok()
        .map(PartyNumber::from_wire)
        .transpose();
    Ok(match (role, number) {
        (Some(role), Ok(number)) => Ok(Application {
            id: id.unsigned_abs(),
            role,
            received: Time::from_secs(received.unsigned_abs()),
            number,
        }),
        _ => Err(StoreError::Damaged {
            table: "application",
            row: id,
        }),
    })
}
