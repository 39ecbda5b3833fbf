//! SQL for people. Two files: what is encrypted, and the keys that open it.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tegata_protocol::{Digest, PartyNumber, Role, Time, joining::ActivationKey};
use tegata_store::{Connection, Database, Row, params};

pub use tegata_store::StoreError;

use super::Invitation;

static PEOPLE: Database = Database::new(
    "the people's database",
    &[&[include_str!("schema.sql")], &[tegata_orders::SCHEMA]],
)
.overwriting();

/// Erased keys must not lie about in free pages.
static KEYS: Database =
    Database::new("the people's keys", &[&[include_str!("keys.sql")]]).overwriting();

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
            people: Mutex::new(PEOPLE.open(&dir.join("people.sqlite"))?),
            keys: Mutex::new(KEYS.open(&dir.join("people-keys.sqlite"))?),
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
        self.change(|people| insert(people, id, role, details, now))?;
        Ok(id)
    }

    /// A key for an application that is to come; its id.
    pub(super) fn add_key(&self, key: &[u8]) -> Result<u64, StoreError> {
        let insert = "INSERT INTO application_key (key) VALUES ($1) RETURNING id";
        self.keys()
            .write(|keys| keys.write_one_returning(insert, [key], |row| row.number(0)))
    }

    /// Forgets the key of an application that didn't come.
    pub(super) fn drop_key(&self, id: u64) -> Result<(), StoreError> {
        let delete = "DELETE FROM application_key WHERE id = $1";
        self.keys()
            .write(|keys| keys.write_one(delete, [integer(id)]))
    }

    /// Runs a job in one transaction on the people's database.
    pub(super) fn change<T, E: From<StoreError>>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.people().write(job)
    }

    /// Reads from the people's database.
    pub(super) fn read<T>(&self, job: impl FnOnce(&Connection) -> T) -> T {
        job(&self.people())
    }

    /// How many applications wait.
    pub(super) fn waiting(&self) -> Result<u64, StoreError> {
        let count = "SELECT count(*) FROM application WHERE number < 0";
        self.people().one(count, [], |row| row.number(0))
    }

    pub(super) fn applications(&self) -> Result<Vec<Application>, StoreError> {
        let query = "SELECT id, role, received, number FROM application ORDER BY id";
        self.people().list(query, [], read_application)
    }

    pub(super) fn details(&self, id: u64) -> Result<Option<Locked>, StoreError> {
        let details = "SELECT details FROM application WHERE id = $1";
        let key = "SELECT key FROM application_key WHERE id = $1";
        self.locked(details, key, integer(id))
    }

    /// What was sealed under a number, and its key: from one database each.
    fn locked(&self, details: &str, key: &str, id: i64) -> Result<Option<Locked>, StoreError> {
        let details = self.people().find(details, [id], |row| row.get(0))?;
        let key = self.keys().find(key, [id], |row| row.get(0))?;
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
        let number = integer(number.wire());
        self.people().write(|people| {
            if people.exists("SELECT 1 FROM invitation WHERE number = $1", [number])? {
                return Ok(Invited::NumberTaken);
            }
            let update = "UPDATE application SET number = $1 WHERE id = $2 AND number < 0";
            if !people.write_at_most_one(update, [number, integer(application)])? {
                return Ok(Invited::NotWaiting);
            }
            let insert = "INSERT INTO invitation (number, activation_key, terms, granted, expires) \
                 VALUES ($1, $2, $3, $4, $5)";
            let values = params![
                number,
                invitation.key.as_bytes(),
                invitation.terms.as_bytes(),
                integer(now.secs()),
                integer(invitation.expires.secs())
            ];
            people.write_one(insert, values)?;
            Ok(Invited::Done)
        })
    }

    pub(super) fn invitation(&self, number: PartyNumber) -> Result<Option<Invitation>, StoreError> {
        let number = integer(number.wire());
        let query = "SELECT activation_key, terms, expires FROM invitation WHERE number = $1";
        self.people().find(query, [number], |row| {
            Ok(Invitation {
                key: ActivationKey::from_bytes(row.get(0)?),
                terms: Digest::from_bytes(row.get(1)?),
                expires: Time::from_secs(row.number(2)?),
            })
        })
    }

    /// Keeps a person's details and their key, unless they're kept already (or erased since).
    pub(super) fn enter(
        &self,
        number: PartyNumber,
        details: &[u8],
        key: &[u8],
    ) -> Result<(), StoreError> {
        let number = integer(number.wire());
        let mut people = self.people();
        if people.exists("SELECT 1 FROM person WHERE number = $1", [number])? {
            return Ok(());
        }
        // The key first: a crash between the two leaves a key that opens nothing, and is replaced.
        let upsert = "INSERT INTO person_key (number, key) VALUES ($1, $2) \
                      ON CONFLICT (number) DO UPDATE SET key = excluded.key";
        self.keys()
            .write(|keys| keys.write_one(upsert, params![number, key]))?;
        let insert = "INSERT INTO person (number, details) VALUES ($1, $2)";
        people.write(|people| people.write_one(insert, params![number, details]))
    }

    pub(super) fn person(&self, number: PartyNumber) -> Result<Option<Locked>, StoreError> {
        let details = "SELECT details FROM person WHERE number = $1";
        let key = "SELECT key FROM person_key WHERE number = $1";
        self.locked(details, key, integer(number.wire()))
    }

    /// Deletes the keys of a person and of its application; false when there were none.
    pub(super) fn erase(&self, number: PartyNumber) -> Result<bool, StoreError> {
        let number = integer(number.wire());
        let application = "SELECT id FROM application WHERE number = $1";
        let id = self
            .people()
            .find(application, [number], |row| row.get(0))?;
        let mut keys = self.keys();
        let erased = keys.write(|keys| {
            let of_person = "DELETE FROM person_key WHERE number = $1";
            let of_application = "DELETE FROM application_key WHERE id = $1";
            let id: i64 = id.unwrap_or_default();
            let erased = keys.write_at_most_one(of_person, [number])?;
            Ok::<_, StoreError>(keys.write_at_most_one(of_application, [id])? || erased)
        })?;
        // The write-ahead log still holds the pages as they were.
        keys.empty_log()?;
        Ok(erased)
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
    let insert = "INSERT INTO application (id, role, received, details, number) \
                  VALUES ($1, $2, $3, $4, -$1)";
    people.write_one(insert, params![integer(id), role, received, details])
}

/// SQLite's integers are signed; all of ours are far below the limit.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn read_application(row: &Row<'_>) -> Result<Application, StoreError> {
    let (id, role, number): (u64, i64, i64) = (row.number(0)?, row.get(1)?, row.get(3)?);
    let damaged = || PEOPLE.damaged(format!("table application, row {id}"));
    let role = Role::ALL.into_iter().find(|r| integer(r.digit()) == role);
    let number = u64::try_from(number).ok().map(PartyNumber::from_wire);
    Ok(Application {
        id,
        role: role.ok_or_else(damaged)?,
        received: Time::from_secs(row.number(2)?),
        number: number.transpose().map_err(|_e| damaged())?,
    })
}

#[cfg(test)]
mod tests {
    use tegata_store_attacks::{foreign_parts_are_noticed_while_open, foreign_parts_are_refused};

    use super::*;

    fn apply(store: &Store, n: u32) -> Result<(), StoreError> {
        let now = Time::from_secs(u64::from(n));
        store
            .add_application(Role::Member, b"details", b"key", now)
            .map(drop)
    }

    #[test]
    fn every_foreign_part_of_both_is_refused() {
        for file in ["people.sqlite", "people-keys.sqlite"] {
            foreign_parts_are_refused(file, |folder| {
                Store::open(folder)?;
                Ok(())
            });
        }
    }

    #[test]
    fn what_is_added_while_they_are_open_is_noticed() {
        for file in ["people.sqlite", "people-keys.sqlite"] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path()).unwrap();
            let file = folder.path().join(file);
            foreign_parts_are_noticed_while_open(&file, |n| Ok(apply(&store, n)?));
        }
    }
}
