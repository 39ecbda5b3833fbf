//! Work that a program does beside its server, on a thread of its own.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use crate::exit::Failure;

/// A thread that waits for signals, and how it's stopped.
#[derive(Debug)]
pub struct Worker<S> {
    what: &'static str,
    signals: Sender<S>,
    stop: S,
    thread: JoinHandle<()>,
}

impl<S: Send + 'static> Worker<S> {
    /// Starts the thread `name` for `what`; it ends when it receives `stop`.
    ///
    /// # Errors
    /// [`Failure`] if the system gives no thread.
    pub fn start(
        name: &str,
        what: &'static str,
        stop: S,
        work: impl FnOnce(&Receiver<S>) + Send + 'static,
    ) -> Result<Self, Failure> {
        let (signals, received) = channel();
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&received))
            .map_err(|e| Failure::refused(format!("can't start {what}: {e}")))?;
        Ok(Self {
            what,
            signals,
            stop,
            thread,
        })
    }

    /// What wakes it.
    pub const fn signals(&self) -> &Sender<S> {
        &self.signals
    }

    /// Stops it, and waits until it has stopped.
    pub fn stop(self) {
        // One that has ended already receives nothing.
        drop(self.signals.send(self.stop));
        if self.thread.join().is_err() {
            tracing::error!("{} had broken off", self.what);
        }
    }
}
