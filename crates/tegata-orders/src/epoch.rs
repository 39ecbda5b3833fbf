//! Epochs: the key under which the secret halves of order keys lie in the database lives for an
//! hour, in a file of its own, and is then destroyed.
//!
//! A database forgets badly: what was deleted stays in free pages, in the write-ahead log, in copies
//! and backups. So a secret half is only ever written under the epoch key. When an order has been
//! opened its secret half isn't carried into the next epoch, and from that epoch's beginning nobody
//! can have it back: neither from the database, its log, nor a copy of the whole folder made later.
//!
//! ```text
//! begin    epochs.cbor = {A, B}; new secrets go under B
//! rewrap   some transactions of the host, so that orders are taken between them: every living secret
//!          from A to B
//! finish   epochs.cbor = {B}; A is overwritten and gone
//! ```
//! [`Epochs::turn`] does the three. A crash between any two of them, or inside one, leaves a state
//! from which the next `turn` goes on. The file must be left out of backups: a backup that has it
//! has the key. A database restored without it has keys that open nothing; they are struck out, and
//! customers who got one of them are asked to order again with a fresh program.
//!
//! What a program can't promise: see the module on which this stands (`ring`), about copying file
//! systems, flash disks and snapshots.

use std::io;
use std::sync::Arc;

use tegata_cli::data::DataDir;
use tegata_protocol::Time;
use tegata_protocol::order::OrderKeyId;
use tegata_store::Connection;
use zeroize::Zeroizing;

use crate::ring::{Cut, Ring, Unwrapped};
use crate::store::{self, Secret};
use crate::watch::{Fallbacks, Watch};
use crate::{Cover, FormsError, Host};

/// The file in the data folder; never in a backup.
pub const FILE: &str = "epochs.cbor";

/// How many secrets one transaction carries over.
const BATCH: u32 = 250;

const KEY: &[u8] = b"tegata order key v1 ";
const UPLOAD: &[u8] = b"tegata order upload v1";

/// The keys of the current epoch and, while it ends, of the next.
#[derive(Debug)]
pub struct Epochs {
    ring: Ring,
    watch: Watch,
}

/// What [`Epochs::rewrap`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// Secrets carried into the next epoch.
    pub carried: u64,
    /// Secrets whose epoch key is lost, struck out.
    pub lost: u64,
}

impl Epochs {
    /// Opens the file in a data folder whose lock the caller holds, or begins the first epoch. Two
    /// processes mustn't have it open: one would go on with a key that the other has destroyed.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn open(dir: &DataDir, cover: Arc<dyn Cover>, now: Time) -> Result<Self, FormsError> {
        let ring = Ring::open(dir, FILE, cover, now)?;
        let watch = Watch::default();
        Ok(Self { ring, watch })
    }

    /// Which fallback keys came back with orders since the program started.
    pub fn fallbacks(&self) -> Fallbacks {
        self.watch.fallbacks()
    }

    pub(crate) const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Has the epoch lasted for `seconds`, or does it end already?
    pub fn is_due(&self, now: Time, seconds: u64) -> bool {
        self.ring.is_turning() || self.ring.made().after(seconds) <= now
    }

    /// Ends the epoch, or goes on where a crash stopped it.
    ///
    /// # Errors
    /// [`FormsError`]; the next call goes on.
    pub fn turn(self: &Arc<Self>, host: &impl Host, now: Time) -> Result<Moved, FormsError> {
        self.begin(now)?;
        let mut moved = Moved::default();
        loop {
            let epochs = Arc::clone(self);
            let some = host.write(move |connection| epochs.rewrap_some(connection, now, BATCH))?;
            moved.carried = moved.carried.saturating_add(some.carried);
            moved.lost = moved.lost.saturating_add(some.lost);
            if some.carried.saturating_add(some.lost) < u64::from(BATCH) {
                break;
            }
        }
        host.read(|connection| self.finish(connection))?;
        Ok(moved)
    }

    /// Makes the next epoch's key; what is new goes under it from now on.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn begin(&self, now: Time) -> Result<(), FormsError> {
        self.begin_watched(now, &mut |_| Ok(()))
    }

    /// Carries every living secret into the next epoch, inside the host's transaction.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn rewrap(&self, connection: &Connection, now: Time) -> Result<Moved, FormsError> {
        self.rewrap_some(connection, now, u32::MAX)
    }

    /// Carries at most so many of them.
    fn rewrap_some(
        &self,
        connection: &Connection,
        now: Time,
        limit: u32,
    ) -> Result<Moved, FormsError> {
        store::in_transaction(connection)?;
        store::expire_keys(connection, now)?;
        let (newest, mut moved) = (self.ring.newest(), Moved::default());
        for (id, secret) in store::keys_elsewhere(connection, &newest, limit)? {
            match self.reopen_key(id, &secret)? {
                Some(plain) => {
                    let wrapped = self.wrap_key(id, &plain);
                    store::move_key(connection, id, &wrapped.slot, &wrapped.bytes)?;
                    moved.carried = moved.carried.saturating_add(1);
                }
                None => {
                    store::expire_key(connection, id)?;
                    moved.lost = moved.lost.saturating_add(1);
                }
            }
        }
        self.rewrap_upload(connection, &newest)?;
        Ok(moved)
    }

    fn rewrap_upload(&self, connection: &Connection, newest: &[u8]) -> Result<(), FormsError> {
        let Some(upload) = store::pending_upload(connection)? else {
            return Ok(());
        };
        if upload.slot == newest {
            return Ok(());
        }
        match self.reopen(&upload, UPLOAD)? {
            Some(plain) => store::move_upload(connection, &self.wrap_upload(&plain)),
            None => store::end_upload(connection, store::Uploaded::Again),
        }
    }

    /// Destroys the key of the epoch that ends, if nothing lies under it any more. The change that
    /// [`Self::rewrap`] made must be durable.
    ///
    /// # Errors
    /// [`FormsError::StillUsed`] when something does.
    pub fn finish(&self, connection: &Connection) -> Result<(), FormsError> {
        self.finish_watched(connection, &mut |_| Ok(()))
    }

    pub(crate) fn begin_watched(
        &self,
        now: Time,
        watch: &mut dyn FnMut(Cut) -> io::Result<()>,
    ) -> Result<(), FormsError> {
        self.ring.begin(now, watch)
    }

    pub(crate) fn finish_watched(
        &self,
        connection: &Connection,
        watch: &mut dyn FnMut(Cut) -> io::Result<()>,
    ) -> Result<(), FormsError> {
        match store::count_elsewhere(connection, &self.ring.newest())? {
            0 => self.ring.finish(watch),
            left => Err(FormsError::StillUsed(left)),
        }
    }

    /// Encrypts a secret under the newest epoch's key.
    fn wrap(&self, aad: &[u8], plain: &[u8]) -> Secret {
        let wrapped = self.ring.wrap(aad, plain);
        Secret {
            slot: wrapped.slot.to_vec(),
            bytes: wrapped.bytes,
        }
    }

    /// Decrypts; `None` when its epoch is over.
    fn reopen(
        &self,
        secret: &Secret,
        aad: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, FormsError> {
        match self.ring.unwrap(&secret.slot, aad, &secret.bytes) {
            Unwrapped::Plain(plain) => Ok(Some(plain)),
            Unwrapped::KeyGone => Ok(None),
            Unwrapped::Damaged => Err(FormsError::damaged(
                "the secret of an order key",
                "it doesn't open with its epoch's key",
            )),
        }
    }

    /// Encrypts an order key's secret. Call it inside the transaction that stores it: then no epoch
    /// can end in between.
    pub(crate) fn wrap_key(&self, id: OrderKeyId, plain: &[u8]) -> Secret {
        self.wrap(&key_label(id), plain)
    }

    /// Decrypts an order key's secret; `None` when its epoch is over.
    pub(crate) fn reopen_key(
        &self,
        id: OrderKeyId,
        secret: &Secret,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, FormsError> {
        self.reopen(secret, &key_label(id))
    }

    /// Encrypts an upload that waits to be sent, as [`Self::wrap_key`] does a key's secret.
    pub(crate) fn wrap_upload(&self, plain: &[u8]) -> Secret {
        self.wrap(UPLOAD, plain)
    }

    pub(crate) fn reopen_upload(
        &self,
        upload: &Secret,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, FormsError> {
        self.reopen(upload, UPLOAD)
    }
}

/// What a key's secret is encrypted as.
fn key_label(id: OrderKeyId) -> Vec<u8> {
    [KEY, id.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tegata_cli::data::{Party, Step};
    use tegata_protocol::order::{KeySource, Scheme, program_digest};
    use tegata_protocol::{PartyNumber, Role, SigningKey, Suite};
    use tegata_store::Database;

    use super::*;
    use crate::keys::{self, Wanted};
    use crate::{Bare, Own, SCHEMA};

    const NOW: Time = Time::from_secs(1_800_000_000);

    static DATABASE: Database = Database::new("the shop's database", &[&[SCHEMA]]);

    /// A shop's folder and database, whose process may be killed and started again.
    struct Folder {
        temp: tempfile::TempDir,
        signing: SigningKey,
    }

    impl Folder {
        fn new() -> Self {
            let temp = tempfile::tempdir().unwrap();
            Self {
                temp,
                signing: SigningKey::from_seed(&[1; 32]),
            }
        }

        fn dir(&self) -> DataDir {
            let folder = self.temp.path().join("data");
            DataDir::open(&folder, Party::new("tegata-shop", 1)).unwrap()
        }

        fn connect(&self) -> Connection {
            DATABASE.open(&self.temp.path().join("shop.db")).unwrap()
        }

        fn epochs(&self) -> Epochs {
            Epochs::open(&self.dir(), Arc::new(Bare), NOW).unwrap()
        }

        fn change<T>(&self, job: impl FnOnce(&Connection) -> T) -> T {
            let mut connection = self.connect();
            connection.begin().unwrap();
            let done = job(&connection);
            connection.commit().unwrap();
            done
        }

        fn make(&self, epochs: &Epochs, count: usize) {
            let wanted = Wanted {
                scheme: Scheme::DEFAULT,
                suite: Suite::Compact,
                member: None,
                source: KeySource::Regular,
                program: program_digest(),
                expires: NOW.after(600),
            };
            let own = Own {
                number: PartyNumber::new(Role::Shop, 1).unwrap(),
                signing: &self.signing,
            };
            let made = self.change(|c| keys::make(c, own, epochs, &wanted, count, NOW));
            made.unwrap();
        }

        /// How many stocked keys there are; every one must have its opening half.
        fn living(&self, epochs: &Epochs) -> usize {
            let connection = self.connect();
            let all = store::keys_elsewhere(&connection, b"", u32::MAX).unwrap();
            for (id, _) in &all {
                let row = store::key(&connection, *id).unwrap().unwrap();
                let sealing = keys::sealing(epochs, &row).unwrap().unwrap();
                sealing.open_key(&row.signer).unwrap();
            }
            all.len()
        }

        fn files(&self) -> Vec<String> {
            let entries = fs::read_dir(self.dir().path()).unwrap();
            let names = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        }
    }

    fn cuts() -> Vec<Cut> {
        let mut cuts = vec![Cut::Linked, Cut::Overwritten, Cut::Removed];
        cuts.extend(Step::ALL.map(Cut::File));
        cuts
    }

    fn cut_at(cut: Cut) -> impl FnMut(Cut) -> io::Result<()> {
        move |step| match step == cut {
            true => Err(io::Error::other("cut")),
            false => Ok(()),
        }
    }

    /// The key that a file of one epoch, or the first of two, begins with.
    fn first_key(file: &[u8]) -> Vec<u8> {
        // [[id, key, made], next or null]: two arrays' heads, a byte string of 8, its head, 32 bytes.
        file[13..45].to_vec()
    }

    fn contains(folder: &DataDir, secret: &[u8]) -> bool {
        let files = fs::read_dir(folder.path()).unwrap();
        files
            .map(|e| fs::read(e.unwrap().path()).unwrap())
            .any(|bytes| bytes.windows(secret.len()).any(|window| window == secret))
    }

    /// Goes on after a crash, and checks that nothing is lost and the old key is gone.
    fn recovers(folder: &Folder, old_key: &[u8], cut: &str) {
        let epochs = folder.epochs();
        assert_eq!(folder.living(&epochs), 5, "{cut}");
        folder.make(&epochs, 1);
        // Where the crash came before the epoch began to end, this ends it.
        epochs.begin(NOW).unwrap();
        folder.change(|c| epochs.rewrap(c, NOW)).unwrap();
        epochs.finish(&folder.connect()).unwrap();
        assert_eq!(folder.living(&epochs), 6, "{cut}");
        drop(epochs);
        assert_eq!(folder.living(&folder.epochs()), 6, "{cut}");
        assert_eq!(folder.files(), ["PARTY", FILE], "{cut}");
        assert!(!contains(&folder.dir(), old_key), "{cut}");
    }

    #[test]
    fn a_crash_at_any_step_loses_no_key_and_the_old_epoch_still_ends() {
        for cut in cuts() {
            let folder = Folder::new();
            let epochs = folder.epochs();
            folder.make(&epochs, 5);
            let old_key = first_key(&folder.dir().read(FILE).unwrap());
            assert!(contains(&folder.dir(), &old_key));
            epochs.begin_watched(NOW, &mut cut_at(cut)).unwrap_err();
            drop(epochs);
            recovers(&folder, &old_key, &format!("begin, {cut:?}"));
        }
        for cut in cuts() {
            let folder = Folder::new();
            let epochs = folder.epochs();
            folder.make(&epochs, 5);
            let old_key = first_key(&folder.dir().read(FILE).unwrap());
            epochs.begin(NOW).unwrap();
            folder.change(|c| epochs.rewrap(c, NOW)).unwrap();
            epochs
                .finish_watched(&folder.connect(), &mut cut_at(cut))
                .unwrap_err();
            drop(epochs);
            recovers(&folder, &old_key, &format!("finish, {cut:?}"));
        }
    }

    #[test]
    fn a_crash_between_the_steps_loses_no_key() {
        for steps in 1..=2 {
            let folder = Folder::new();
            let epochs = folder.epochs();
            folder.make(&epochs, 5);
            let old_key = first_key(&folder.dir().read(FILE).unwrap());
            epochs.begin(NOW).unwrap();
            if steps == 2 {
                folder.change(|c| epochs.rewrap(c, NOW)).unwrap();
            }
            drop(epochs);
            assert!(
                folder.epochs().is_due(NOW, u64::MAX),
                "a crash is remembered"
            );
            recovers(&folder, &old_key, &format!("{steps} steps"));
        }
    }

    #[test]
    fn an_epoch_does_not_end_while_something_lies_under_it() {
        let folder = Folder::new();
        let epochs = folder.epochs();
        folder.make(&epochs, 5);
        epochs.begin(NOW).unwrap();
        let refused = epochs.finish(&folder.connect());
        assert!(
            matches!(refused, Err(FormsError::StillUsed(5))),
            "{refused:?}"
        );
        // A transaction that was rolled back moved nothing.
        let mut connection = folder.connect();
        connection.begin().unwrap();
        assert_eq!(epochs.rewrap(&connection, NOW).unwrap().carried, 5);
        connection.abandon().unwrap();
        assert!(epochs.finish(&connection).is_err());
        assert_eq!(folder.living(&epochs), 5);
    }

    #[test]
    fn keys_whose_time_is_over_are_not_carried() {
        let folder = Folder::new();
        let epochs = folder.epochs();
        folder.make(&epochs, 5);
        epochs.begin(NOW).unwrap();
        let moved = folder.change(|c| epochs.rewrap(c, NOW.after(600))).unwrap();
        assert_eq!(moved, Moved::default());
        let sum = "SELECT sum(length(secret)) FROM order_key";
        let secrets = folder.connect().one(sum, [], |row| row.number(0)).unwrap();
        assert_eq!(secrets, 0);
    }

    #[test]
    fn an_hour_is_an_epoch() {
        let folder = Folder::new();
        let epochs = folder.epochs();
        assert!(!epochs.is_due(NOW.after(3_599), 3_600));
        assert!(epochs.is_due(NOW.after(3_600), 3_600));
        drop(epochs);
        let again = Epochs::open(&folder.dir(), Arc::new(Bare), NOW.after(9)).unwrap();
        assert!(
            again.is_due(NOW.after(3_600), 3_600),
            "a restart doesn't begin a new one"
        );
    }
}
