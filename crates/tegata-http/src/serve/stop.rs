//! The signal to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Error;

/// Signals when to stop. All clones receive it; a handler that waits long (a long poll) should
/// wait for this too, so that the server can stop at once.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// Gives the word to stop.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stop {
    /// Stops on SIGTERM and on SIGINT (Ctrl-C). Within a runtime only.
    ///
    /// # Errors
    /// If the system doesn't let us listen to signals.
    pub fn on_signals() -> Result<Self, Error> {
        let refused = |source| Error::System {
            what: "listening to signals",
            source,
        };
        let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
        let (stop, stopper) = Self::by_hand();
        drop(tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping");
            stopper.stop();
        }));
        Ok(stop)
    }

    /// Stops when the other half says so (or is dropped).
    #[must_use]
    pub fn by_hand() -> (Self, Stopper) {
        let (sender, receiver) = watch::channel(false);
        (Self(receiver), Stopper(sender))
    }

    /// Returns when it's time to stop; at once if it was before.
    pub async fn wait(&self) {
        // An error means that the other half is gone: time to stop as well.
        drop(self.0.clone().wait_for(|stop| *stop).await);
    }

    /// Whether it's time to stop.
    #[must_use]
    pub fn is_now(&self) -> bool {
        *self.0.borrow()
    }
}

impl Stopper {
    /// Says it's time to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}
