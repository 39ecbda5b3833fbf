//! What a program lends this crate: its database.

use tegata_store::Connection;

use crate::FormsError;

/// The host's store. Its own errors become [`FormsError::host`].
pub trait Host {
    /// Runs a job in one transaction that took the write lock from its first moment; returns once
    /// that is durable. A job's error changes nothing.
    ///
    /// # Errors
    /// The job's, or the store's.
    fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError> + Send + 'static,
    ) -> Result<T, FormsError>;

    /// Reads, as of the last durable change.
    ///
    /// # Errors
    /// The reading's, or the store's.
    fn read<T>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError>,
    ) -> Result<T, FormsError>;
}
