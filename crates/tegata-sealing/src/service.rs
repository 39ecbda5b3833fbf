//! A service that is open: what its handler, its hand-outs and its pages share.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use tegata_cli::data::DataDir;
use tegata_http::rate_limit::{AddressLimiter, Permit, RateLimiter, TooMany};
use tegata_party::client::Client;
use tegata_protocol::order::{self, KeyKind, KeyScope, KeySource, Scheme};
use tegata_protocol::record::PartyRecord;
use tegata_protocol::{PartyNumber, Time, Verified};

use crate::programs::{self, LogError};
use crate::store::{self, Store, StoreError};
use tegata_party::identity::{Centre, CurrentCentre, Registered};
use tegata_party::joining::JoinError;

/// Gives the time. Tests bring their own.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// What the operator may set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// So few keys of a kind, or fewer, are called low.
    pub low: u32,
    /// Requests of one address in a minute; 0: any number.
    pub address_per_minute: u32,
    /// The same for this machine's own addresses, for keys and messages apart.
    pub loopback_per_minute: u32,
    /// Dangerous: take keys that are the same secret at both ends.
    pub shared: bool,
    /// Dangerous: take such keys for more than one order, too.
    pub shop_wide_shared: bool,
    /// Dangerous: make keys for these, when they want that.
    pub makes_for: BTreeSet<PartyNumber>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            low: 20,
            address_per_minute: 120,
            loopback_per_minute: 600,
            shared: false,
            shop_wide_shared: false,
            makes_for: BTreeSet::new(),
        }
    }
}

impl Rules {
    /// Why a key of this kind isn't dealt in here, if it isn't.
    pub fn against(&self, scheme: Scheme, source: KeySource) -> Option<&'static str> {
        let many = scheme.scope() == KeyScope::Shop || source == KeySource::Fallback;
        match scheme.kind() {
            KeyKind::Public => None,
            KeyKind::Shared if !self.shared => Some("this service takes no shared keys"),
            KeyKind::Shared if many && !self.shop_wide_shared => {
                Some("this service takes no shared key for many orders")
            }
            KeyKind::Shared => None,
        }
    }
}

/// Why a service can't open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its registration or the centre.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// Its database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its log of programs.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A sealing service.
pub struct Service {
    dir: DataDir,
    registered: Registered,
    store: Store,
    centre: CurrentCentre,
    rules: Arc<Rules>,
    clock: Clock,
    keys: AddressLimiter,
    messages: AddressLimiter,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({})", self.registered.number())
    }
}

impl Service {
    /// Opens the service of a data folder.
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
        let elsewhere = Arc::new(RateLimiter::per_minute(rules.address_per_minute));
        let counted = |elsewhere| AddressLimiter {
            elsewhere: Arc::clone(elsewhere),
            loopback: Arc::new(RateLimiter::per_minute(rules.loopback_per_minute)),
        };
        Ok(Self {
            dir: dir.clone(),
            centre: CurrentCentre::new(dir, registered.identity.root, centre),
            registered,
            store: Store::open(&dir.path().join(store::FILE))?,
            keys: counted(&elsewhere),
            messages: counted(&elsewhere),
            rules: Arc::new(rules),
            clock,
        })
    }

    /// Publishes the program that this version brings, unless it's published already.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn publish_own_program(&self) -> Result<(), LogError> {
        let (key, now) = (self.registered.keys.signing(), self.now());
        programs::publish(&self.store, &self.dir, key, order::program(), now)?;
        Ok(())
    }

    /// Who it is.
    pub const fn registered(&self) -> &Registered {
        &self.registered
    }

    /// Its database.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Its data folder.
    pub const fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// What its operator set.
    pub const fn rules(&self) -> &Arc<Rules> {
        &self.rules
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

    /// The record of a shop that is known here, verified with the register's key as it is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shop(&self, number: PartyNumber) -> Result<Option<Verified<PartyRecord>>, StoreError> {
        let record = self.store.read(|tables| tables.record(number))?;
        let register = self.centre().keys.register;
        Ok(record.and_then(|signed| PartyRecord::verify(signed, &register).ok()))
    }

    /// Fetches a shop's record from its own address and keeps it.
    ///
    /// # Errors
    /// [`JoinError`] when there's none to be had, or it isn't a shop's; [`StoreError`].
    pub fn learn_from(
        &self,
        client: &Client,
        address: &str,
    ) -> Result<Verified<PartyRecord>, OpenError> {
        let register = self.centre().keys.register;
        let record = client.party_record(address, &register);
        let record = record.map_err(JoinError::Call)?;
        let kept = record.clone();
        self.store.write(move |tables| tables.learn(&kept))?;
        Ok(record)
    }

    /// Counts what comes from an address.
    ///
    /// # Errors
    /// [`TooMany`], if it's one too many.
    pub fn count(&self, class: Class, address: IpAddr) -> Result<Permit, TooMany> {
        let limiter = match class {
            Class::Keys => &self.keys,
            Class::Message => &self.messages,
        };
        limiter.count(address, self.now().secs().saturating_mul(1000))
    }
}

/// What is counted together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Keys for orders, for which browsers ask.
    Keys,
    /// Messages. From this machine they may be a shop's, which the many who ask for keys through a
    /// proxy beside it mustn't hinder.
    Message,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_keys_need_leave_and_those_for_many_orders_another() {
        let against = |rules: &Rules, scheme: &str, source| {
            let scheme = scheme.parse().unwrap();
            rules.against(scheme, source).is_some()
        };
        let (usual, one) = (KeySource::Regular, KeySource::Fallback);
        let none = Rules::default();
        let shared = Rules {
            shared: true,
            ..Rules::default()
        };
        let wide = Rules {
            shop_wide_shared: true,
            ..shared.clone()
        };
        assert!(!against(&none, "shop-public-1", usual) && !against(&none, "order-public-0", one));
        assert!(against(&none, "order-shared-1", usual));
        assert!(!against(&shared, "order-shared-1", usual));
        assert!(!against(&shared, "member-shared-1", usual));
        assert!(
            against(&shared, "order-shared-1", one) && against(&shared, "shop-shared-0", usual)
        );
        assert!(!against(&wide, "order-shared-1", one) && !against(&wide, "shop-shared-0", usual));
    }
}
