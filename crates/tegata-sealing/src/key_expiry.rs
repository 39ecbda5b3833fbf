//! Key expiry: burns keys whose time is over, and fetches the centre's certificates from time to time.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tegata_cli::exit::Failure;
use tegata_cli::logs::cause;
use tegata_cli::worker::Worker;
use tegata_party::client::Client;

use crate::service::Service;
use crate::store::StoreError;

/// How often it looks for what is over.
const ROUND: Duration = Duration::from_secs(5);
/// Each so many rounds it fetches the certificates: an hour.
const RENEWAL: u32 = 720;
/// How long it waits for the centre's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts key expiry on a thread of its own.
///
/// # Errors
/// If the system gives no thread.
pub fn start(service: Arc<Service>) -> Result<Worker<()>, Failure> {
    let work = move |signals: &_| keep(&service, signals);
    Worker::start("sealing-key-expiry", "key expiry", (), work)
}

fn keep(service: &Service, stopped: &Receiver<()>) {
    let client = Client::new(PATIENCE);
    let mut rounds = 0_u32;
    loop {
        if let Err(error) = burn(service) {
            tracing::error!(error = cause(&error), "what is over couldn't be burnt");
        }
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(RENEWAL)
            && let Err(error) = service.renew_centre(&client)
        {
            tracing::warn!(
                error = cause(&error),
                "the centre's certificates stay as kept"
            );
        }
        match stopped.recv_timeout(ROUND) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Burns the keys whose time is over: their bytes are erased, from the write-ahead log too. Gives
/// how many.
///
/// # Errors
/// [`StoreError`].
pub fn burn(service: &Service) -> Result<usize, StoreError> {
    let now = service.now();
    let burnt = service.store().write(move |tables| tables.sweep(now))?;
    if burnt > 0 {
        tracing::info!(keys = burnt, "burnt");
    }
    service.store().fold()?;
    Ok(burnt)
}
