//! What the shop lends the keeper of order keys: its database, its keys, its record.

use std::sync::Arc;

use rusqlite::Connection;
use tegata_orders::stocker::Party;
use tegata_orders::{FormsError, Host};
use tegata_party::client::Caller;
use tegata_protocol::{Time, VerifyingKey};

use crate::shop::Shop;
use crate::store::StoreError;

/// A shop as the host of its order keys.
#[derive(Clone, Debug)]
pub struct Hosting(pub Arc<Shop>);

/// Carries the store's own errors through.
struct Carried(FormsError);

impl From<StoreError> for Carried {
    fn from(error: StoreError) -> Self {
        Self(FormsError::host(error))
    }
}

impl Host for Hosting {
    fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError> + Send + 'static,
    ) -> Result<T, FormsError> {
        let written = self
            .0
            .store()
            .write(move |tables| job(tables.connection()).map_err(Carried));
        written.map_err(|Carried(error)| error)
    }

    fn read<T>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError>,
    ) -> Result<T, FormsError> {
        self.0.store().read(|tables| job(tables.connection()))
    }
}

impl Party for Hosting {
    fn caller(&self) -> Caller<'_> {
        self.0.registered().caller()
    }

    fn register(&self) -> VerifyingKey {
        self.0.centre().keys.register
    }

    fn record(&self) -> Option<Vec<u8>> {
        Some(self.0.registered().record.signed().as_bytes().to_vec())
    }

    fn now(&self) -> Time {
        self.0.now()
    }
}
