//! The supply of keys: what must be done with the sealing service, and by the clock.
//!
//! ```text
//! round:  epoch over?          → end it
//!         keys expired?        → erase their secret halves
//!         upload unconfirmed?  → send the same bytes again
//!         service makes keys?  → fetch them
//!         stock low?           → make keys, store them, note the upload, send it
//! ```
//! Keys and the signed upload are stored before anything is sent, so that an upload whose answer was
//! lost is sent again as the same message and counts once. The service learns who we are from our
//! record, which travels with each message.
//!
//! Without a network the same goes by files: [`write_upload`], [`read_made`].

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tegata_cli::clock;
use tegata_party::client::{Answer, CallError, Callee, Caller, Client, Prepared, Stamp};
use tegata_protocol::envelope::{Body, Parcel, SEALED_LIMIT};
use tegata_protocol::order::{
    KeyScope, KeySource, KeysWanted, MadeKeys, Maker, OrderKeyId, Stock, StockInquiry, StockUpload,
};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{Malformed, PartyNumber, Suite, Time, VerifyingKey, cbor};
use zeroize::Zeroizing;

pub use by_hand::{UploadFile, read_made, write_upload};
pub use decide::{Batch, View, decide};

use crate::keys::{self, Import, NewKeys};
use crate::store::{self, Uploaded};
use crate::{Epochs, Fallbacks, FormsError, Host, Own, Rules};
use tegata_keystore::rng;

mod by_hand;
mod decide;

/// How often to look when all is well; where the service makes keys, orders come under new ones all
/// the time.
const LATER: Duration = Duration::from_secs(30);
const LATER_MADE: Duration = Duration::from_secs(2);
/// How soon to try again, doubling, and at most when the service is away.
const SOON: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(60);
/// When the service refuses, somebody must mend something.
const REFUSED: Duration = Duration::from_secs(600);
/// The most uploads of one round.
const UPLOADS: usize = 64;

/// The most keys that wait for orders here: each is carried into every epoch.
const MOST_LIVING: u64 = 10_000;
const HOUR: u64 = 3_600;

/// Why a round stopped. The next one goes on where it did.
#[derive(Debug, thiserror::Error)]
pub enum KeySupplyError {
    /// The service doesn't answer, or not so that it's to be trusted.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The service refuses.
    #[error("the sealing service refused")]
    Refused(#[from] Refusal),
    /// The address is another party's.
    #[error("at {address} answers {found}, not the sealing service {expected}: check the settings")]
    Stranger {
        /// The address.
        address: String,
        /// Whose it should be.
        expected: PartyNumber,
        /// Whose it is.
        found: PartyNumber,
    },
    /// A file isn't what it should be.
    #[error("the file can't be used: {0}")]
    File(String),
    /// Our own tables and files.
    #[error(transparent)]
    Forms(#[from] FormsError),
}

impl From<Malformed> for KeySupplyError {
    fn from(error: Malformed) -> Self {
        Self::Forms(error.into())
    }
}

/// What a host lends the key supply besides its database.
pub trait Party: Host {
    /// The host as a caller. Its signing key is the one that signs order keys.
    fn caller(&self) -> Caller<'_>;

    /// The register's key, which verifies the service's record.
    fn register(&self) -> VerifyingKey;

    /// The host's own signed record, so that the service knows it; the centre has none.
    fn record(&self) -> Option<Vec<u8>>;

    /// The time.
    fn now(&self) -> Time;
}

/// What wakes the key supply while it waits.
#[derive(PartialEq, Eq, Debug)]
pub enum Signal {
    /// There's something to do: a member was admitted, a key was wanted that isn't known.
    Look,
    /// Finish.
    Stop,
}

/// Does what must be done.
#[derive(Debug)]
pub struct KeySupply<P> {
    party: P,
    epochs: Arc<Epochs>,
    rules: Rules,
    client: Client,
    service: Mutex<Option<Callee>>,
}

impl<P: Party> KeySupply<P> {
    /// The key supply of this host.
    pub const fn new(party: P, epochs: Arc<Epochs>, rules: Rules, client: Client) -> Self {
        Self {
            party,
            epochs,
            rules,
            client,
            service: Mutex::new(None),
        }
    }

    /// Runs rounds until it's stopped, or nobody is left who could stop it. Epochs end in time
    /// also while the service is away.
    pub fn run(&self, signals: &Receiver<Signal>) {
        let (mut pause, mut trade_at) = (SOON, 0);
        loop {
            if clock::monotonic_millis() < trade_at {
                report(&self.keep_time());
            } else {
                let result = self.round();
                report(&result);
                pause = pause_after(&result, pause, self.rules.maker);
                trade_at = clock::monotonic_millis().saturating_add(millis(pause));
            }
            let left = trade_at.saturating_sub(clock::monotonic_millis());
            // Whatever else there's to do, an epoch ends in time.
            let epoch = Duration::from_secs(self.rules.epoch_seconds);
            let left = Duration::from_millis(left).min(LATER).min(epoch);
            match signals.recv_timeout(left) {
                Ok(Signal::Look) => trade_at = 0,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            // Many orders at once make one round.
            if signals.try_iter().any(|signal| signal == Signal::Stop) {
                return;
            }
        }
    }

    /// Everything that can be done now. What needs no service is done first.
    ///
    /// # Errors
    /// [`KeySupplyError`] of the first step that couldn't be done.
    pub fn round(&self) -> Result<(), KeySupplyError> {
        self.keep_time()?;
        let result = self.trade();
        let stale = matches!(
            result,
            Err(KeySupplyError::Call(
                CallError::Unreadable(_) | CallError::BadReply { .. }
            ))
        );
        if stale {
            // Perhaps the service has new keys: its record is fetched again next time.
            *self.known_service() = None;
        }
        result
    }

    /// Ends the epoch when its time has come, and erases keys whose time is over.
    ///
    /// # Errors
    /// [`KeySupplyError::Forms`].
    pub fn keep_time(&self) -> Result<(), KeySupplyError> {
        let now = self.party.now();
        self.party.write(move |c| keys::tidy(c, now))?;
        if self.epochs.is_due(now, self.rules.epoch_seconds) {
            let moved = self.epochs.turn(&self.party, now)?;
            let (carried, lost) = (moved.carried, moved.lost);
            tracing::info!(carried, "an epoch has ended; its key is destroyed");
            if lost > 0 {
                tracing::error!(
                    lost,
                    "order keys whose epoch key is missing were struck out; customers who got one \
                     must order again"
                );
            }
        }
        Ok(())
    }

    fn trade(&self) -> Result<(), KeySupplyError> {
        self.finish_upload()?;
        if self.rules.maker == Maker::Service {
            self.fetch_made()?;
        }
        if self.rules.maker == Maker::Service && self.rules.scheme.scope() != KeyScope::Member {
            return Ok(());
        }
        let mut stock = self.inquire()?;
        for _ in 0..UPLOADS {
            match self.restock(&stock)? {
                Some(newer) => stock = newer,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// What the service has in stock for us.
    ///
    /// # Errors
    /// [`KeySupplyError`].
    pub fn inquire(&self) -> Result<Stock, KeySupplyError> {
        let stock: Stock = self.ask(StockInquiry {})?;
        let (watch, now) = (self.epochs.watch(), self.party.now());
        watch.note_stock(&stock);
        watch.look(&stock, self.rules.scheme, now);
        Ok(stock)
    }

    /// Which fallback keys came back with orders since the program started.
    pub fn fallbacks(&self) -> Fallbacks {
        self.epochs.fallbacks()
    }

    /// Uploads what isn't uploaded, or makes the next batch and uploads it; `None` if there's
    /// enough of everything.
    fn restock(&self, stock: &Stock) -> Result<Option<Stock>, KeySupplyError> {
        if let Some(newer) = self.upload_waiting()? {
            return Ok(Some(newer));
        }
        let now = self.party.now();
        let missing = self.party.read(|c| missing(c, &self.rules, now))?;
        let view = View {
            rules: &self.rules,
            stock,
            missing: &missing,
            allowed: self.party.read(|c| allowed(c, &self.rules, now))?,
            now,
        };
        let Some(batch) = decide(view) else {
            let allowed = decide::BATCH;
            if view.allowed == 0 && decide(View { allowed, ..view }).is_some() {
                self.epochs.watch().limited(now);
            }
            return Ok(None);
        };
        let new = NewKeys::grow(self.own(), &batch.wanted, batch.count, now)?;
        let epochs = Arc::clone(&self.epochs);
        self.party
            .write(move |c| new.store(c, &epochs).map(|_| ()))?;
        tracing::info!(count = batch.count, scheme = %batch.wanted.scheme, "order keys made");
        self.upload_waiting()
    }

    fn own(&self) -> Own<'_> {
        let caller = self.party.caller();
        Own {
            number: caller.number,
            signing: caller.signing,
        }
    }

    /// Signs an upload of the keys that wait, notes it, and sends it.
    fn upload_waiting(&self) -> Result<Option<Stock>, KeySupplyError> {
        let epochs = &self.epochs;
        let waiting = self.party.read(|c| waiting(c, epochs))?;
        if waiting.is_empty() {
            return Ok(None);
        }
        let (ids, keys): (Vec<OrderKeyId>, Vec<_>) = waiting.into_iter().unzip();
        let prepared = self.prepare(StockUpload { keys })?;
        let plain = Zeroizing::new(cbor::encode(prepared.parcel()));
        let epochs = Arc::clone(&self.epochs);
        self.party
            .write(move |c| store::begin_upload(c, &epochs.wrap_upload(&plain), &ids))?;
        self.send(&prepared).map(Some)
    }

    /// Sends the upload that the service hasn't confirmed.
    fn finish_upload(&self) -> Result<(), KeySupplyError> {
        let Some(upload) = self.party.read(store::pending_upload)? else {
            return Ok(());
        };
        let Some(plain) = self.epochs.reopen_upload(&upload)? else {
            // Its epoch's key is missing; the epoch's end sorts that out.
            return Ok(());
        };
        let parcel: Parcel = cbor::decode(&plain, SEALED_LIMIT)?;
        let prepared = Prepared::again(&self.service()?, parcel, &mut rng::system())?;
        self.send(&prepared).map(|_stock| ())
    }

    fn send(&self, prepared: &Prepared) -> Result<Stock, KeySupplyError> {
        let answer: Answer<Stock> =
            self.client
                .call(self.party.caller(), &self.service()?, prepared)?;
        let (how, result) = match answer.accepted() {
            Ok(reply) => {
                let stock = reply.into_value().body;
                self.epochs.watch().note_stock(&stock);
                (Uploaded::Confirmed, Ok(stock))
            }
            // The keys are no good there; in all other cases they are as good as before.
            Err(refusal) if refusal.code == Code::StockRefused => (Uploaded::Refused, Err(refusal)),
            Err(refusal) => (Uploaded::Again, Err(refusal)),
        };
        self.party.write(move |c| store::end_upload(c, how))?;
        Ok(result?)
    }

    /// Fetches the keys that the service made, all that there are. A host does this too when an
    /// order comes under a key that it doesn't know, and opens it again.
    ///
    /// # Errors
    /// [`KeySupplyError`].
    pub fn fetch_made(&self) -> Result<usize, KeySupplyError> {
        let (service, mut taken) = (self.service()?, 0);
        loop {
            let number = service.number;
            if self.party.read(store::count_living)? >= MOST_LIVING {
                self.epochs.watch().limited(self.party.now());
                return Ok(taken);
            }
            let after = self.party.read(|c| keys::made_cursor(c, number))?;
            let made: MadeKeys = self.ask(KeysWanted { after })?;
            let more = made.more && !made.keys.is_empty();
            taken += import(&self.party, &self.epochs, &self.rules, &service, made)?;
            if !more {
                return Ok(taken);
            }
        }
    }

    /// A call whose refusal is an error.
    fn ask<Q: Body, R: Body>(&self, body: Q) -> Result<R, KeySupplyError> {
        let prepared = self.prepare(body)?;
        let answer: Answer<R> =
            self.client
                .call(self.party.caller(), &self.service()?, &prepared)?;
        Ok(answer.accepted()?.into_value().body)
    }

    fn prepare<Q: Body>(&self, body: Q) -> Result<Prepared, KeySupplyError> {
        prepare(&self.party, &self.service()?, body)
    }

    fn known_service(&self) -> std::sync::MutexGuard<'_, Option<Callee>> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service, by the record that it shows at its address.
    fn service(&self) -> Result<Callee, KeySupplyError> {
        if let Some(service) = self.known_service().as_ref() {
            return Ok(service.clone());
        }
        let (address, expected) = (&self.rules.service.address, self.rules.service.number);
        let record = self.client.party_record(address, &self.party.register())?;
        if record.number != expected {
            return Err(KeySupplyError::Stranger {
                address: address.clone(),
                expected,
                found: record.number,
            });
        }
        let service = Callee::party(&record, Some(address));
        *self.known_service() = Some(service.clone());
        Ok(service)
    }
}

/// Signs and seals a message, with our record beside it.
fn prepare<P: Party, Q: Body>(
    party: &P,
    service: &Callee,
    body: Q,
) -> Result<Prepared, KeySupplyError> {
    let mut rng = rng::system();
    let stamp = Stamp::random(party.now(), &mut rng);
    let (caller, record) = (party.caller(), party.record());
    Ok(Prepared::new(
        caller, service, stamp, body, record, &mut rng,
    )?)
}

/// Stores keys that the service made.
fn import<P: Party>(
    party: &P,
    epochs: &Arc<Epochs>,
    rules: &Rules,
    service: &Callee,
    made: MadeKeys,
) -> Result<usize, KeySupplyError> {
    let (own, scheme) = (party.caller().number, rules.scheme);
    let (number, verifying) = (service.number, service.replies);
    let epochs = Arc::clone(epochs);
    let taken = party.write(move |c| {
        let from = Import {
            own,
            service: (number, &verifying),
            scheme,
        };
        keys::import(c, &epochs, from, &made.keys)
    })?;
    Ok(taken)
}

/// Keys that are in no upload yet, as many as fit into one. Those whose epoch is lost are passed
/// over; the epoch's end strikes them out.
fn waiting(
    connection: &tegata_store::Connection,
    epochs: &Epochs,
) -> Result<Vec<(OrderKeyId, tegata_protocol::SignedBytes)>, FormsError> {
    let rows = store::unsent_keys(connection, decide::BATCH)?;
    let mut waiting = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(signed) = keys::record(epochs, &row)? {
            waiting.push((row.id, signed));
        }
    }
    Ok(waiting)
}

/// How many keys for single orders may be made now.
fn allowed(
    connection: &tegata_store::Connection,
    rules: &Rules,
    now: Time,
) -> Result<usize, FormsError> {
    let made = store::count_made(connection, now.before(HOUR))?;
    let hourly = u64::from(rules.keys_per_hour).saturating_sub(made);
    let room = MOST_LIVING.saturating_sub(store::count_living(connection)?);
    Ok(usize::try_from(hourly.min(room)).unwrap_or(usize::MAX))
}

/// Of keys for many orders, those that aren't here or end within a quarter of their time.
fn missing(
    connection: &tegata_store::Connection,
    rules: &Rules,
    now: Time,
) -> Result<Vec<(Suite, Option<PartyNumber>)>, FormsError> {
    let owners: Vec<Option<PartyNumber>> = match rules.scheme.scope() {
        KeyScope::Order => Vec::new(),
        KeyScope::Shop => vec![None],
        KeyScope::Member => keys::admitted(connection)?.into_iter().map(Some).collect(),
    };
    let (mut missing, until) = (Vec::new(), now.after(rules.key_seconds / 4));
    for suite in decide::suites(rules) {
        let kind = decide::kind(rules.scheme, suite, KeySource::Regular);
        for owner in &owners {
            if store::count_keys(connection, kind, *owner, until)? == 0 {
                missing.push((suite, *owner));
            }
        }
    }
    Ok(missing)
}

/// Logs why a round wasn't finished.
fn report(result: &Result<(), KeySupplyError>) {
    if let Err(error) = result {
        let error: &(dyn std::error::Error + 'static) = error;
        tracing::warn!(
            error,
            "the key supply's round wasn't finished; it goes on later"
        );
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// How long to wait after a round.
fn pause_after(result: &Result<(), KeySupplyError>, last: Duration, maker: Maker) -> Duration {
    match (result, maker) {
        (Ok(()), Maker::Recipient) => LATER,
        (Ok(()), Maker::Service) => LATER_MADE,
        (Err(KeySupplyError::Refused(_)), _) => REFUSED,
        (Err(_), _) => (last * 2).clamp(SOON, LATEST),
    }
}
