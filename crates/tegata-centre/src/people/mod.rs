//! People: applications, invitations (number and activation code), and personal details.
//!
//! Personal details lie apart from the evidence, encrypted under a key for each person that lies in
//! a database of its own. Erasing a person destroys that key: what backups hold of the details can
//! never be read again, while every signature in the book stays verifiable (it names only a salted
//! digest).

use std::path::Path;

use rand_core::Rng as _;
use tegata_orders::{
    FormsError, OpenError, Own,
    open::{Opened, Taken},
};
use tegata_protocol::{
    Digest, PartyNumber, Role, SignedBytes, Time, cbor,
    joining::{ActivationCode, ActivationKey, Details, SaltedDetails},
};
use tegata_store::Connection;
use zeroize::Zeroizing;

pub use store::{Application, StoreError};

use store::Invited;
use tegata_keystore::{rng, wrap::WrapKey};

mod store;

/// Applications that may wait to be granted: strangers write them.
const MOST_WAITING: u64 = 10_000;

/// What the centre knows of a number that it has handed out.
#[derive(Debug)]
pub struct Invitation {
    /// Authenticates the registration.
    pub key: ActivationKey,
    /// The terms that came with the letter.
    pub terms: Digest,
    /// Until when the code counts.
    pub expires: Time,
}

/// A number and code that were handed out just now.
#[derive(Debug)]
pub struct Granted {
    /// The number.
    pub number: PartyNumber,
    /// The code, for the letter.
    pub code: ActivationCode,
    /// To whom the letter goes.
    pub details: Details,
}

/// Why something about people failed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was typed.
    #[error(transparent)]
    Malformed(#[from] tegata_protocol::Malformed),
    /// No such application, or it was granted before.
    #[error("application {0} isn't waiting; see tegata-centre applications list")]
    NotWaiting(u64),
    /// Nobody grants them.
    #[error("too many applications wait; try again when some are granted")]
    TooManyWaiting,
    /// The details can't be decrypted: erased, or damaged.
    #[error("the personal details of {0} are erased or damaged")]
    Erased(String),
}

/// Why a sealed application isn't taken.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// It's refused, or its tables failed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The people's tables.
    #[error(transparent)]
    People(#[from] PeopleError),
}

impl From<StoreError> for SealedError {
    fn from(error: StoreError) -> Self {
        Self::People(error.into())
    }
}

/// The people's databases.
#[derive(Debug)]
pub struct People {
    store: store::Store,
}

impl People {
    /// Opens or makes `people.sqlite` and `people-keys.sqlite` in `dir`.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn open(dir: &Path) -> Result<Self, PeopleError> {
        Ok(Self {
            store: store::Store::open(dir)?,
        })
    }

    /// Takes an application (M1, M2): somebody asks for a number.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn apply(&self, role: Role, details: &Details, now: Time) -> Result<u64, PeopleError> {
        if self.store.waiting()? >= MOST_WAITING {
            return Err(PeopleError::TooManyWaiting);
        }
        let key = rng::secret();
        let sealed = WrapKey::new(*key).seal_once(b"", &cbor::encode(details));
        Ok(self
            .store
            .add_application(role, &sealed, key.as_slice(), now)?)
    }

    /// Takes a sealed application that was opened (O13): its key is used up, and the application kept
    /// under a key of its own, in one transaction. The same bytes get the same receipt.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn apply_sealed(
        &self,
        own: Own<'_>,
        opened: &Opened,
        (role, details): (Role, &Details),
        now: Time,
    ) -> Result<SignedBytes, SealedError> {
        if self.store.waiting().map_err(PeopleError::from)? >= MOST_WAITING {
            return Err(PeopleError::TooManyWaiting.into());
        }
        let key = rng::secret();
        let sealed = WrapKey::new(*key).seal_once(b"", &cbor::encode(details));
        let id = self
            .store
            .add_key(key.as_slice())
            .map_err(PeopleError::from)?;
        let taken = self.store.change(|people| {
            opened.consume(people, own, now, || {
                let inserted = store::insert(people, id, role, &sealed, now);
                inserted.map_err(PeopleError::from)?;
                Ok::<_, SealedError>(None)
            })
        });
        if !matches!(taken, Ok(Taken::New(_))) {
            self.store.drop_key(id).map_err(PeopleError::from)?;
        }
        Ok(taken?.receipt().clone())
    }

    /// Changes the tables of sealed forms, which stand beside the applications.
    ///
    /// # Errors
    /// The job's, or the database's.
    pub(crate) fn change_forms<T>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError>,
    ) -> Result<T, FormsError> {
        self.store.change(job)
    }

    /// Reads the tables of sealed forms.
    pub(crate) fn read_forms<T>(&self, job: impl FnOnce(&Connection) -> T) -> T {
        self.store.read(job)
    }

    /// All applications, the latest last.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn applications(&self) -> Result<Vec<Application>, PeopleError> {
        Ok(self.store.applications()?)
    }

    /// The details of an application, for whoever grants it.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn details(&self, application: u64) -> Result<Details, PeopleError> {
        let erased = || PeopleError::Erased(format!("application {application}"));
        let (sealed, key) = self.store.details(application)?.ok_or_else(erased)?;
        let plain = opened(&key, &sealed).ok_or_else(erased)?;
        Ok(cbor::decode(&plain, 4096)?)
    }

    /// Grants an application: draws a free number and a code.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn grant(
        &self,
        application: u64,
        terms: Digest,
        (now, expires): (Time, Time),
    ) -> Result<Granted, PeopleError> {
        let all = self.store.applications()?;
        let waiting = all
            .iter()
            .find(|a| a.id == application && a.number.is_none());
        let role = waiting.ok_or(PeopleError::NotWaiting(application))?.role;
        let details = self.details(application)?;
        let code = ActivationCode::random(&mut rng::system());
        loop {
            let number = PartyNumber::new(
                role,
                (rng::system().next_u32() % 999_999_999).saturating_add(1),
            )?;
            let invitation = Invitation {
                key: code.key(),
                terms,
                expires,
            };
            match self.store.invite(application, number, &invitation, now)? {
                Invited::Done => {
                    return Ok(Granted {
                        number,
                        code,
                        details,
                    });
                }
                Invited::NotWaiting => return Err(PeopleError::NotWaiting(application)),
                Invited::NumberTaken => {}
            }
        }
    }

    /// What is known of a number that was handed out.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn invitation(&self, number: PartyNumber) -> Result<Option<Invitation>, PeopleError> {
        Ok(self.store.invitation(number)?)
    }

    /// Keeps a registered party's details under a key of its own. What is kept already stays; its
    /// invitation stays too, so that the same registration gets the same answer.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn enter(
        &self,
        number: PartyNumber,
        details: Option<&SaltedDetails>,
    ) -> Result<(), PeopleError> {
        let Some(details) = details else {
            return Ok(());
        };
        let key = rng::secret();
        let sealed = WrapKey::new(*key).seal_once(b"", &details.to_bytes());
        Ok(self.store.enter(number, &sealed, key.as_slice())?)
    }

    /// A registered party's details, as they came with its registration.
    ///
    /// # Errors
    /// [`PeopleError::Erased`] when nobody can read them any more.
    pub fn person(&self, number: PartyNumber) -> Result<SaltedDetails, PeopleError> {
        let erased = || PeopleError::Erased(number.to_string());
        let (sealed, key) = self.store.person(number)?.ok_or_else(erased)?;
        let plain = opened(&key, &sealed).ok_or_else(erased)?;
        Ok(SaltedDetails::parse(&plain)?)
    }

    /// Destroys a person's key: the details are unreadable from now on, the evidence stays.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub fn erase(&self, number: PartyNumber) -> Result<bool, PeopleError> {
        Ok(self.store.erase(number)?)
    }
}

/// Each key seals one person's details and nothing else.
fn opened(key: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    WrapKey::new(key.try_into().ok()?).open_once(b"", sealed)
}
