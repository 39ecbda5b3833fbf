//! How many messages each party may send in a minute.
//!
//! What is verified is kept for ever, refusals too, so a party that asks without end would fill the
//! disk. What comes too fast isn't decided and leaves no trace: it's in doubt, and may come again.
//! A message that was answered before costs nothing: it's a repetition, and gets its stored reply.
//!
//! Strangers are counted by their address, at the guard; here stand only parties whose signature
//! held, so that nobody can use up another's share.

use std::sync::{Mutex, PoisonError};

use tegata_http::rate_limit::{Rate, RateLimiter};
use tegata_protocol::{PartyNumber, Role, Time};

/// The limit of each role's parties; none: any.
#[derive(Debug)]
pub struct RateLimits {
    members: Option<Mutex<RateLimiter<PartyNumber>>>,
    shops: Option<Mutex<RateLimiter<PartyNumber>>>,
    gates: Option<Mutex<RateLimiter<PartyNumber>>>,
}

/// How much each role's parties may send; none: any number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rates {
    /// Of each member.
    pub members: Option<Rate>,
    /// Of each shop.
    pub shops: Option<Rate>,
    /// Of each gate, and of operators.
    pub gates: Option<Rate>,
}

/// What a message cost its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cost {
    /// One of those that the limit allows; given back if the book knows the message.
    Counted,
    /// Nothing.
    Free,
}

impl RateLimits {
    /// Limits by these rates.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        let limiter = |rate: Option<Rate>| rate.map(|rate| Mutex::new(RateLimiter::new(rate)));
        Self {
            members: limiter(rates.members),
            shops: limiter(rates.shops),
            gates: limiter(rates.gates),
        }
    }

    /// Counts a message of this party's.
    ///
    /// # Errors
    /// The seconds after which another one would pass.
    pub(crate) fn count(&self, party: PartyNumber, now: Time) -> Result<Cost, u64> {
        let Some(limiter) = self.of(party.role()) else {
            return Ok(Cost::Free);
        };
        let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.count(party, now.secs().saturating_mul(1000))?;
        Ok(Cost::Counted)
    }

    /// The book knew the message: it was free.
    pub(crate) fn give_back(&self, party: PartyNumber) {
        if let Some(limiter) = self.of(party.role()) {
            let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
            limiter.give_back(party);
        }
    }

    const fn of(&self, role: Role) -> Option<&Mutex<RateLimiter<PartyNumber>>> {
        match role {
            Role::Member => self.members.as_ref(),
            Role::Shop => self.shops.as_ref(),
            Role::Gate | Role::Sealing | Role::Centre => self.gates.as_ref(),
        }
    }
}
