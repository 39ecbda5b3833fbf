//! How many connections are open, by what they're taken as. Whatever gates or strangers hold open, an
//! application server comes in.

use std::collections::VecDeque;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::handler::Client;

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    applications: AtomicUsize,
    gates: AtomicUsize,
    /// Those who haven't shown their certificate yet, the oldest first.
    strangers: Mutex<VecDeque<(u64, TcpStream)>>,
    met: AtomicU64,
}

impl Places {
    /// So many of each kind.
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            applications: AtomicUsize::new(0),
            gates: AtomicUsize::new(0),
            strangers: Mutex::new(VecDeque::new()),
            met: AtomicU64::new(0),
        }
    }

    const fn of(&self, client: Client) -> &AtomicUsize {
        match client {
            Client::Application => &self.applications,
            Client::Gate => &self.gates,
        }
    }

    fn strangers(&self) -> MutexGuard<'_, VecDeque<(u64, TcpStream)>> {
        self.strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among those of its kind.
pub(super) struct Place {
    open: Arc<Places>,
    client: Client,
}

impl Place {
    /// `None` if there's no room for one more.
    pub(super) fn take(open: &Arc<Places>, client: Client) -> Option<Self> {
        let before = open.of(client).fetch_add(1, Ordering::Relaxed);
        let place = Self {
            open: Arc::clone(open),
            client,
        };
        if before >= open.most {
            tracing::warn!(?client, "refused: too many connections");
            return None;
        }
        Some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.of(self.client).fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is still shaking hands.
pub(super) struct Stranger {
    open: Arc<Places>,
    number: u64,
}

impl Stranger {
    /// Takes it in. If there's no room for one more, the oldest goes: whoever shakes hands does so at once, and
    /// whoever only wants to keep the place has had it longest.
    ///
    /// # Errors
    /// If the system gives no second handle to the stream.
    pub(super) fn meet(open: &Arc<Places>, stream: &TcpStream) -> std::io::Result<Self> {
        let stream = stream.try_clone()?;
        let number = open.met.fetch_add(1, Ordering::Relaxed);
        let mut strangers = open.strangers();
        if strangers.len() >= open.most
            && let Some((_, oldest)) = strangers.pop_front()
        {
            tracing::warn!("too many shake hands: the oldest goes");
            // It may have gone by itself.
            drop(oldest.shutdown(Shutdown::Both));
        }
        strangers.push_back((number, stream));
        drop(strangers);
        Ok(Self {
            open: Arc::clone(open),
            number,
        })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.open
            .strangers()
            .retain(|(number, _)| *number != self.number);
    }
}
