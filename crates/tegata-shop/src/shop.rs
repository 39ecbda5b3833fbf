//! A shop that is open: what the counter, fulfilment and the pages share.

use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

use tegata_cli::config;
use tegata_cli::data::DataDir;
use tegata_cli::logs::cause;
use tegata_orders::Own;
use tegata_party::client::Client;
use tegata_protocol::order::Stock as KeyStock;
use tegata_protocol::{SignedBytes, Time};

use crate::catalogue::shelf::Shelf;
use crate::catalogue::{self, Catalogue};
use crate::orders::{Sealing, WALLET};
use crate::rate_limits::{RateLimits, Rates};
use crate::series::{self, SeriesError};
use crate::store::{self, Store, StoreError};
use crate::vault::Sold;
use tegata_party::identity::{self, Centre, CurrentCentre, Registered};
use tegata_party::joining::JoinError;

/// Gives the time. Tests bring their own.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// What the owner may set about selling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// How long a bill may be paid.
    pub bill_seconds: u64,
    /// How many unpaid bills a member may have.
    pub open_bills: u64,
    /// How much of what isn't sold of a product may wait for its money, in percent.
    pub unpaid_share: u32,
    /// How many messages an address, and a member, may send.
    pub rates: Rates,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            bill_seconds: 900,
            open_bills: 5,
            unpaid_share: 50,
            rates: Rates::default(),
        }
    }
}

/// Why a shop can't open, or can't take over its catalogue.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its registration or the centre.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// Its database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its catalogue's text.
    #[error(transparent)]
    Catalogue(#[from] config::Error),
    /// Its catalogue's series.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// Its settings for sealed orders.
    #[error("[orders] in shop.toml can't be used")]
    Orders(#[from] tegata_orders::SettingsError),
    /// What lies in its folder for sealed orders.
    #[error(transparent)]
    Forms(#[from] tegata_orders::FormsError),
    /// There's no catalogue.
    #[error("there's no catalogue {}", .0.display())]
    NoCatalogue(PathBuf),
}

/// What wakes the thread of fulfilment.
#[derive(PartialEq, Eq, Debug)]
pub enum Signal {
    /// There's something new: a bill was made.
    Look,
    /// Finish.
    Stop,
}

/// A shop.
pub struct Shop {
    dir: DataDir,
    registered: Registered,
    store: Store,
    shelf: Shelf,
    centre: CurrentCentre,
    rules: Rules,
    clock: Clock,
    fulfilment: OnceLock<Sender<Signal>>,
    rate_limits: RateLimits,
    sealing: Option<Sealing>,
    sold: Option<Sold>,
    key_stock: OnceLock<AskKeyStock>,
    made_keys: OnceLock<FetchMadeKeys>,
}

/// Fetches the keys that the sealing service made; did any come?
pub type FetchMadeKeys = Box<dyn Fn() -> bool + Send + Sync>;

/// Asks the sealing service what it has in stock; `None` when it can't be reached.
pub type AskKeyStock = Box<dyn Fn() -> Option<KeyStock> + Send + Sync>;

impl std::fmt::Debug for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shop({})", self.registered.number())
    }
}

impl Shop {
    /// Opens the shop of a data folder: database, catalogue, series.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        dir: &DataDir,
        registered: Registered,
        centre: Centre,
        rules: Rules,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let file = dir.path().join(catalogue::FILE);
        if !file.exists() {
            return Err(OpenError::NoCatalogue(file));
        }
        let catalogue = Arc::new(catalogue::read::file(&file)?);
        let store = Store::open(&dir.path().join(store::FILE))?;
        series::prepare(&store, &registered.keys, registered.number(), &catalogue)?;
        Ok(Self {
            dir: dir.clone(),
            centre: CurrentCentre::new(dir, registered.identity.root, centre),
            registered,
            store,
            shelf: Shelf::new(&file, catalogue),
            rules,
            clock,
            fulfilment: OnceLock::new(),
            rate_limits: RateLimits::new(rules.rates),
            sealing: None,
            sold: None,
            key_stock: OnceLock::new(),
            made_keys: OnceLock::new(),
        })
    }

    /// Lets it take sealed orders for goods.
    #[must_use]
    pub fn with_sealing(mut self, sealing: Sealing) -> Self {
        self.sealing = Some(sealing);
        self
    }

    /// Lets it enter what is paid in its owner's history.
    #[must_use]
    pub fn with_history(mut self, sold: Sold) -> Self {
        self.sold = Some(sold);
        self
    }

    /// Its owner's history, if it keeps one.
    pub const fn sold(&self) -> Option<&Sold> {
        self.sold.as_ref()
    }

    /// What it takes sealed orders with, if it does.
    pub const fn sealing(&self) -> Option<&Sealing> {
        self.sealing.as_ref()
    }

    /// Lets the owner's page ask what the sealing service has in stock.
    pub fn asks_key_stock(&self, ask: AskKeyStock) {
        if self.key_stock.set(ask).is_err() {
            tracing::warn!("a second way to ask for key stocks isn't used");
        }
    }

    /// Lets keys that the service made be fetched as soon as an order needs one.
    pub fn fetches_made_keys(&self, fetch: FetchMadeKeys) {
        if self.made_keys.set(fetch).is_err() {
            tracing::warn!("a second way to fetch keys isn't used");
        }
    }

    /// Fetches them now; did any come?
    pub fn fetch_made_keys(&self) -> bool {
        self.made_keys.get().is_some_and(|fetch| fetch())
    }

    /// What the sealing service has in stock: nothing where there's none, `Some(None)` where it can't
    /// be reached.
    pub fn key_stock(&self) -> Option<Option<KeyStock>> {
        self.key_stock.get().map(|ask| ask())
    }

    /// The centre's certificate for its credit link, where card numbers are taken and there's one.
    pub fn credit_certificate(&self) -> Option<SignedBytes> {
        let wanted = self.catalogue().goods.ways.card;
        let root = &self.registered.identity.root;
        wanted
            .then(|| identity::credit_certificate(&self.dir, root, self.now()))
            .flatten()
    }

    /// Its database's file.
    pub fn database(&self) -> PathBuf {
        self.dir.path().join(store::FILE)
    }

    /// The address of customers' wallets: on their own machine.
    pub fn wallet(&self) -> &str {
        self.sealing
            .as_ref()
            .map_or(WALLET, |sealing| sealing.wallet.as_str())
    }

    /// Who signs tokens, order keys and receipts.
    pub fn own(&self) -> Own<'_> {
        Own {
            number: self.registered.number(),
            signing: self.registered.keys.signing(),
        }
    }

    /// Who it is.
    pub const fn registered(&self) -> &Registered {
        &self.registered
    }

    /// Lets fulfilment be woken when there's something to look after.
    pub fn wakes(&self, fulfilment: Sender<Signal>) {
        if self.fulfilment.set(fulfilment).is_err() {
            tracing::warn!("a second thread of fulfilment isn't woken by new bills");
        }
    }

    /// Wakes fulfilment: there may be something to do.
    pub fn wake_fulfilment(&self) {
        if let Some(fulfilment) = self.fulfilment.get() {
            // One that has stopped needn't know.
            drop(fulfilment.send(Signal::Look));
        }
    }

    /// How many messages each address and each member may send.
    pub const fn rate_limits(&self) -> &RateLimits {
        &self.rate_limits
    }

    /// Its database.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Its catalogue in force.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.shelf.catalogue()
    }

    /// Where its catalogue lies.
    pub const fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What its owner set.
    pub const fn rules(&self) -> Rules {
        self.rules
    }

    /// The time.
    pub fn now(&self) -> Time {
        (self.clock)()
    }

    /// The centre.
    pub fn centre(&self) -> Centre {
        self.centre.get()
    }

    /// Fetches the centre's certificates anew: it may have renewed its keys.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn renew_centre(&self, client: &Client) -> Result<(), JoinError> {
        self.centre.renew(client, self.now())
    }

    /// Takes over the catalogue file as it is now; a bad one changes nothing but the owner's page.
    ///
    /// # Errors
    /// [`OpenError`]; the shelf keeps its text for the owner's page.
    pub fn reload(&self) -> Result<(), OpenError> {
        let result = self.try_reload();
        match &result {
            Ok(catalogue) => {
                let offers = catalogue.offers().count();
                tracing::info!(offers, "the catalogue was read again");
            }
            Err(error) => {
                tracing::error!(
                    error = cause(error),
                    "the catalogue has a mistake; the old one stays in force"
                );
                self.shelf.keep(error.to_string());
            }
        }
        result.map(|_| ())
    }

    fn try_reload(&self) -> Result<Arc<Catalogue>, OpenError> {
        let catalogue = Arc::new(catalogue::read::file(self.shelf.file())?);
        let (keys, number) = (&self.registered.keys, self.registered.number());
        series::prepare(&self.store, keys, number, &catalogue)?;
        self.shelf.replace(Arc::clone(&catalogue));
        Ok(catalogue)
    }
}
