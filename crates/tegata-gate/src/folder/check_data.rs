//! Check data (T8): from the shop's sealed file to an event. The same steps when the file is
//! loaded and at every start, since only the sealed file is kept: its secret never lies in clear
//! on the disk.
//!
//! ```text
//! write NAME.loading → note edition and digest in the log → write NAME.sealed → remove NAME.loading
//! ```
//! Cut before the log knows it: the next start drops the file, and the edition of before stays in
//! use. Cut afterwards: the next start finishes the loading. So a `.sealed` file that the log
//! doesn't know is never the work of a power cut, and worth an alarm.

use tegata_cli::exit::{Exit, Failure};
use tegata_party::{
    client::Client,
    identity::{Registered, verified_by_any},
};
use tegata_protocol::{
    CLOCK_WINDOW, Digest, Malformed, PartyNumber, Role, SignedBytes, Time, Unverified, Verified,
    VerifyingKey,
    envelope::{Message, Sealed},
    record::{CertificateError, PartyRecord},
    ticket::{CHECK_DATA_LIMIT, CheckData},
};

use super::{Folder, FolderError, chain, damaged};
use crate::{
    event::{Event, EventId, UnusableCheckData},
    store::SqliteStore,
};

/// The most bytes of a shop's record.
const RECORD_LIMIT: usize = 8 * 1024;

const CHECK: &str = "check";

/// How the names of check data end that are in use, and that are being loaded.
const KEPT: &str = ".sealed";
const LOADING: &str = ".loading";

const SHOPS: &str = "shops";

/// What was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The event.
    pub event: Event,
    /// Was this very edition loaded before?
    pub again: bool,
}

/// Why check data aren't loaded. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The gate's own folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Not a sealed message.
    #[error("this isn't a file of check data: {0}")]
    NotSealed(Malformed),
    /// For another gate.
    #[error("these check data are for {0}, not for this gate")]
    ForAnother(PartyNumber),
    /// Sealed to another key, or changed.
    #[error("they can't be opened: made for other keys of this gate, or damaged on the way")]
    Unopenable,
    /// Not check data inside.
    #[error("what is sealed in it aren't check data: {0}")]
    NotCheckData(Malformed),
    /// Not from a shop.
    #[error("they come from {0}, which isn't a shop")]
    NotFromAShop(PartyNumber),
    /// The shop isn't known here.
    #[error("the record of shop {0} isn't known here")]
    NoShopRecord(PartyNumber),
    /// The record isn't the shop's, or isn't the register's.
    #[error("the shop's record can't be used: {0}")]
    ShopRecord(String),
    /// The certificates kept here have ended.
    #[error("the centre's certificates that are kept here don't hold any more: {0}")]
    CertificatesEnded(CertificateError),
    /// They begin later.
    #[error("the centre's certificates that are kept here don't hold yet: {0}")]
    ClockBehind(CertificateError),
    /// Signed by somebody else.
    #[error("shop {0} didn't sign these check data")]
    Forged(PartyNumber),
    /// Signed in the future.
    #[error("they were signed at {0}, in the future; is this gate's clock right?")]
    Future(Time),
    /// Too old to be of use.
    #[error("they could be used until {0}")]
    TooOld(Time),
    /// Not usable as they are.
    #[error(transparent)]
    Unusable(#[from] UnusableCheckData),
    /// A newer edition is known.
    #[error("this is edition {found} of event {event}; edition {known} was loaded before")]
    OlderEdition {
        /// The event.
        event: EventId,
        /// What is offered.
        found: u64,
        /// What is known.
        known: u64,
    },
    /// Two different ones with one number.
    #[error("another edition {edition} of event {event} was loaded before: the shop made two")]
    OtherEdition {
        /// The event.
        event: EventId,
        /// Its number.
        edition: u64,
    },
    /// The log has forgotten that they were loaded, and perhaps admissions too.
    #[error(
        "the log doesn't know edition {edition} of event {event}: gate.sqlite was removed, or \
         restored from an older copy"
    )]
    LogBehind {
        /// The event.
        event: EventId,
        /// The kept edition.
        edition: u64,
    },
}

impl LoadError {
    /// The word that stands in JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::NotSealed(_) | Self::NotCheckData(_) => "malformed",
            Self::ForAnother(_) => "for_another_gate",
            Self::Unopenable => "unopenable",
            Self::NotFromAShop(_) => "not_from_a_shop",
            Self::NoShopRecord(_) => "no_shop_record",
            Self::ShopRecord(_) => "shop_record",
            Self::CertificatesEnded(_) => "certificates_ended",
            Self::ClockBehind(_) => "clock_behind",
            Self::Forged(_) => "forged",
            Self::Future(_) => "future",
            Self::TooOld(_) => "too_old",
            Self::Unusable(_) => "unusable",
            Self::OlderEdition { .. } => "older_edition",
            Self::OtherEdition { .. } => "other_edition",
            Self::LogBehind { .. } => "log_behind",
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn next(&self) -> &'static str {
        match self {
            Self::Folder(_) => "see above",
            Self::NotSealed(_) | Self::NotCheckData(_) => {
                "give the file that the shop exported for this gate"
            }
            Self::ForAnother(_) | Self::Unopenable => {
                "give the shop this gate's DIR/record.cose and have it export again"
            }
            Self::NotFromAShop(_) | Self::Forged(_) => "don't use this file; ask the shop",
            Self::NoShopRecord(_) => {
                "give it with --shop-record FILE (the shop serves it at /v1/record)"
            }
            Self::ShopRecord(_) => "fetch the record again from the shop's /v1/record",
            Self::CertificatesEnded(_) => "connect the gate to the centre once and load again",
            Self::ClockBehind(_) => "load again once the clock is right",
            Self::Future(_) => "set the clock right, then load again",
            Self::TooOld(_) => "have the shop export new check data",
            Self::Unusable(_) => "tell the shop: its export is at fault",
            Self::OlderEdition { .. } => "load the newest export; the loaded one stays in use",
            Self::OtherEdition { .. } => "have the shop export again; the loaded one stays in use",
            Self::LogBehind { .. } => {
                "put the newest gate.sqlite back: without it used tickets count as unused. If it's \
                 lost, load the check data again and keep the list of who came in on paper"
            }
        }
    }

    /// What to do next when check data that were loaded before can't be used any more.
    pub(super) const fn next_of_kept(&self) -> &'static str {
        match self {
            Self::LogBehind { .. } => self.next(),
            Self::Folder(_)
            | Self::NotSealed(_)
            | Self::NotCheckData(_)
            | Self::ForAnother(_)
            | Self::Unopenable
            | Self::NotFromAShop(_)
            | Self::NoShopRecord(_)
            | Self::ShopRecord(_)
            | Self::CertificatesEnded(_)
            | Self::ClockBehind(_)
            | Self::Forged(_)
            | Self::Future(_)
            | Self::TooOld(_)
            | Self::Unusable(_)
            | Self::OlderEdition { .. }
            | Self::OtherEdition { .. } => {
                "load the newest check data again, or restore the folder from a backup"
            }
        }
    }
}

impl LoadError {
    /// The same of a file that was accepted once.
    fn of_file(self, file: String) -> FolderError {
        if let Self::Folder(error) = self {
            return error;
        }
        FolderError::CheckData {
            file,
            source: Box::new(self),
        }
    }

    /// How the program ends: code, what happened, what to do next.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let exit = match self {
            Self::Folder(folder) => return folder.into_failure(),
            Self::NotSealed(_)
            | Self::NotCheckData(_)
            | Self::ForAnother(_)
            | Self::NoShopRecord(_)
            | Self::ShopRecord(_) => Exit::Usage,
            Self::CertificatesEnded(_) => Exit::Unreachable,
            Self::ClockBehind(_)
            | Self::Unopenable
            | Self::NotFromAShop(_)
            | Self::Forged(_)
            | Self::Future(_)
            | Self::TooOld(_)
            | Self::Unusable(_)
            | Self::OlderEdition { .. }
            | Self::OtherEdition { .. } => Exit::Refused,
            Self::LogBehind { .. } => Exit::Damaged,
        };
        Failure::new(exit, chain(&self)).next(self.next())
    }
}

/// Check data whose shop signed them.
struct Signed {
    message: Verified<Message<CheckData>>,
    shop: Verified<PartyRecord>,
}

impl Folder {
    /// Loads check data: verifies them, refuses older editions, keeps the sealed file.
    ///
    /// # Errors
    /// [`LoadError`]; nothing is changed then.
    pub fn load(
        &self,
        gate: &Registered,
        store: &mut SqliteStore,
        (sealed, shop_record): (&[u8], Option<&[u8]>),
        now: Time,
    ) -> Result<Loaded, LoadError> {
        let current = self.register_key_at(now)?;
        let current = current.map_err(|error| match error {
            CertificateError::ClockBehind { .. } => LoadError::ClockBehind(error),
            CertificateError::Malformed(_)
            | CertificateError::Forged
            | CertificateError::Missing(_) => LoadError::CertificatesEnded(error),
        })?;
        let known = self.register_keys()?;
        let signed = self.open_sealed(gate, sealed, |shop| match shop_record {
            Some(given) => self.newer_record(shop, given, (&current, &known)),
            None => self.kept_record(shop, &known),
        })?;
        let Signed { message, shop } = &signed;
        if !shop.is_active(now) {
            return Err(LoadError::ShopRecord("it isn't active at this time".into()));
        }
        if message.time > now.after(CLOCK_WINDOW) {
            return Err(LoadError::Future(message.time));
        }
        if message.body.until <= now {
            return Err(LoadError::TooOld(message.body.until));
        }
        let event = Event::new(message.from, &message.body, &shop.keys.signing)?;
        let digest = message.digest();
        let known = store.edition(event.id()).map_err(FolderError::from)?;
        let again = rises(&event, digest, known)?;
        self.lay_down(&event, sealed, shop)?;
        let noted = store.note_edition(event.id(), event.edition(), digest);
        noted.map_err(FolderError::from)?;
        self.keep(&kept_name(event.id()), sealed)?;
        Ok(Loaded { event, again })
    }

    /// As [`Folder::load`]; if the kept certificates have ended, or the register may have another
    /// key by now, fetches new ones and tries again.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load_renewing(
        &self,
        files: (&[u8], Option<&[u8]>),
        client: &Client,
        now: Time,
    ) -> Result<Loaded, LoadError> {
        let (gate, mut store) = (self.registered()?, self.store()?);
        let loaded = self.load(&gate, &mut store, files, now);
        let renew = || self.fetch_certificates(client, now);
        match loaded {
            Err(LoadError::CertificatesEnded(_)) => drop(renew()?),
            Err(LoadError::ShopRecord(_)) if renew().is_ok() => {}
            loaded => return loaded,
        }
        self.load(&gate, &mut store, files, now)
    }

    /// Every event whose check data are kept, verified anew.
    ///
    /// # Errors
    /// [`FolderError`] naming the file that can't be used.
    pub fn events(
        &self,
        gate: &Registered,
        store: &SqliteStore,
    ) -> Result<Vec<Event>, FolderError> {
        if self.check_files(KEPT)?.is_empty() && self.check_files(LOADING)?.is_empty() {
            return Ok(Vec::new());
        }
        let registers = self.register_keys()?;
        self.finish_loading(gate, store, &registers)?;
        let files = self.check_files(KEPT)?;
        let mut events = Vec::with_capacity(files.len());
        for file in files {
            let event = self.reopen(gate, store, &file, &registers);
            events.push(event.map_err(|error| error.of_file(file))?);
        }
        Ok(events)
    }

    fn reopen(
        &self,
        gate: &Registered,
        store: &SqliteStore,
        file: &str,
        registers: &[VerifyingKey],
    ) -> Result<Event, LoadError> {
        let sealed = self.dir.read(file).map_err(FolderError::from)?;
        let Signed { message, shop } =
            self.open_sealed(gate, &sealed, |shop| self.kept_record(shop, registers))?;
        let event = Event::new(message.from, &message.body, &shop.keys.signing)?;
        let known = store.edition(event.id()).map_err(FolderError::from)?;
        // A file is kept under this name only once the log knows it. If they don't agree, the log
        // isn't the one that the file was loaded beside.
        if rises(&event, message.digest(), known)? {
            return Ok(event);
        }
        Err(LoadError::LogBehind {
            event: event.id(),
            edition: event.edition(),
        })
    }

    /// Finishes a loading that a power cut broke off: what the log knows is kept, what it doesn't
    /// was never said to be loaded, and is dropped.
    fn finish_loading(
        &self,
        gate: &Registered,
        store: &SqliteStore,
        registers: &[VerifyingKey],
    ) -> Result<(), FolderError> {
        for file in self.check_files(LOADING)? {
            match self.reopen(gate, store, &file, registers) {
                Ok(event) => self.keep(&kept_name(event.id()), &self.dir.read(&file)?)?,
                Err(LoadError::Folder(error)) => return Err(error),
                Err(_) => self.dir.remove(&file)?,
            }
        }
        Ok(())
    }

    /// The files whose names end so.
    fn check_files(&self, ending: &str) -> Result<Vec<String>, FolderError> {
        let folder = self.dir.file(CHECK)?;
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let unreadable = |e: std::io::Error| damaged(CHECK, &e);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(ending) && !name.starts_with('.') {
                files.push(format!("{CHECK}/{name}"));
            }
        }
        files.sort();
        Ok(files)
    }

    fn open_sealed(
        &self,
        gate: &Registered,
        bytes: &[u8],
        shop_record: impl FnOnce(PartyNumber) -> Result<Verified<PartyRecord>, LoadError>,
    ) -> Result<Signed, LoadError> {
        let sealed = Sealed::parse_within(bytes, CHECK_DATA_LIMIT).map_err(LoadError::NotSealed)?;
        if sealed.to != gate.number() {
            return Err(LoadError::ForAnother(sealed.to));
        }
        let opened = sealed.open(gate.keys.opening());
        let (parcel, _) = opened.map_err(|_e| LoadError::Unopenable)?;
        let message = Unverified::<Message<CheckData>>::parse(parcel.signed)
            .map_err(LoadError::NotCheckData)?;
        let from = message.claimed().from;
        if from.role() != Role::Shop {
            return Err(LoadError::NotFromAShop(from));
        }
        let shop = shop_record(from)?;
        let message = message.verify(&shop.keys.signing);
        let message = message.map_err(|_e| LoadError::Forged(from))?;
        if message.to != gate.number() {
            return Err(LoadError::ForAnother(message.to));
        }
        Ok(Signed { message, shop })
    }

    /// The shop's record that was accepted earlier.
    fn kept_record(
        &self,
        shop: PartyNumber,
        registers: &[VerifyingKey],
    ) -> Result<Verified<PartyRecord>, LoadError> {
        let kept = self.dir.read_optional(record_file(shop));
        let kept = kept.map_err(FolderError::from)?;
        let kept = kept.ok_or(LoadError::NoShopRecord(shop))?;
        verified_record(shop, kept, registers)
    }

    /// A record that was given, if it isn't older than the kept one.
    fn newer_record(
        &self,
        shop: PartyNumber,
        given: &[u8],
        (current, known): (&VerifyingKey, &[VerifyingKey]),
    ) -> Result<Verified<PartyRecord>, LoadError> {
        let given = verified_record(shop, given.to_vec(), std::slice::from_ref(current))?;
        match self.kept_record(shop, known) {
            Ok(kept) if kept.valid.from() > given.valid.from() => {
                let why = format!("a newer one, of {}, is known", kept.valid.from());
                Err(LoadError::ShopRecord(why))
            }
            Ok(_) | Err(_) => Ok(given),
        }
    }

    /// Writes down what is to be kept, under a name that doesn't count yet.
    fn lay_down(
        &self,
        event: &Event,
        sealed: &[u8],
        shop: &Verified<PartyRecord>,
    ) -> Result<(), FolderError> {
        let record = record_file(event.id().issuer);
        self.dir.write_atomic(record, shop.signed().as_bytes())?;
        let name = kept_name(event.id());
        Ok(self.dir.write_atomic(loading_name(&name), sealed)?)
    }

    /// Keeps check data that the log knows.
    fn keep(&self, name: &str, sealed: &[u8]) -> Result<(), FolderError> {
        self.dir.write_atomic(name, sealed)?;
        Ok(self.dir.remove(loading_name(name))?)
    }
}

fn kept_name(event: EventId) -> String {
    let EventId { issuer, series } = event;
    format!("{CHECK}/{issuer}-{series}{KEPT}")
}

fn loading_name(kept: &str) -> String {
    format!("{}{LOADING}", kept.strip_suffix(KEPT).unwrap_or(kept))
}

fn record_file(shop: PartyNumber) -> String {
    format!("{SHOPS}/{shop}.cose")
}

fn verified_record(
    shop: PartyNumber,
    bytes: Vec<u8>,
    registers: &[VerifyingKey],
) -> Result<Verified<PartyRecord>, LoadError> {
    let bad = |why: String| LoadError::ShopRecord(why);
    if bytes.len() > RECORD_LIMIT {
        return Err(bad(format!("{} bytes are no record", bytes.len())));
    }
    let record = verified_by_any(&SignedBytes::new(bytes), registers);
    let record = record.map_err(|e| bad(e.to_string()))?;
    if record.number == shop {
        Ok(record)
    } else {
        Err(bad(format!("it's of {}, not of {shop}", record.number)))
    }
}

/// Is it newer than what is known, or (true) the very same?
fn rises(event: &Event, digest: Digest, known: Option<(u64, Digest)>) -> Result<bool, LoadError> {
    match known {
        Some((known, _)) if event.edition() < known => Err(LoadError::OlderEdition {
            event: event.id(),
            found: event.edition(),
            known,
        }),
        Some((known, same)) if event.edition() == known && digest != same => {
            Err(LoadError::OtherEdition {
                event: event.id(),
                edition: known,
            })
        }
        Some((known, _)) => Ok(event.edition() == known),
        None => Ok(false),
    }
}
