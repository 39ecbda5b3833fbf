//! What the shop lends the supply of order keys: its database, its keys, its record.

use std::sync::Arc;

use tegata_orders::key_supply::Party;
use tegata_orders::{FormsError, Host};
use tegata_party::client::Caller;
use tegata_protocol::{Time, VerifyingKey};
use tegata_store::Connection;

use crate::shop::Shop;

/// A shop as the host of its order keys.
#[derive(Clone, Debug)]
pub struct Hosting(pub Arc<Shop>);

impl Host for Hosting {
    fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError> + Send + 'static,
    ) -> Result<T, FormsError> {
        let store = self.0.store();
        store.write(move |tables| job(tables.connection()))
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
