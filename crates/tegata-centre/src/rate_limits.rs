//! How many messages each party may send in a minute.
//!
//! What is verified is kept for ever, refusals too, so a party that asks without end would fill the
//! disk. What comes too fast isn't decided and leaves no trace: it's in doubt, and may come again.
//! A message that was answered before costs nothing: it's a repetition, and gets its stored reply.
//!
//! Strangers are counted by their address, at the guard; here stand parties whose signature held, so
//! that nobody can use up another's share. And once more by address, as the guard names it: who has
//! tokens signed and applications kept, for which nobody signs.

use std::net::IpAddr;
use std::sync::Arc;

use tegata_http::rate_limit::{AddressLimiter, Permit, Rate, RateLimiter, TooMany};
use tegata_protocol::{PartyNumber, Role, Time};

/// The limit of each role's parties; none: any.
#[derive(Debug)]
pub struct RateLimits {
    members: RateLimiter<PartyNumber>,
    shops: RateLimiter<PartyNumber>,
    gates: RateLimiter<PartyNumber>,
    applications: AddressLimiter,
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
    /// Applications, and tokens for them, of each address elsewhere.
    pub applications: Option<Rate>,
    /// The same of this machine's own addresses, where a proxy may stand.
    pub applications_loopback: Option<Rate>,
}

/// What the centre counts by address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Applications, and the tokens that are signed for them.
    Application,
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
        Self {
            members: RateLimiter::new(rates.members),
            shops: RateLimiter::new(rates.shops),
            gates: RateLimiter::new(rates.gates),
            applications: AddressLimiter {
                elsewhere: Arc::new(RateLimiter::new(rates.applications)),
                loopback: Arc::new(RateLimiter::new(rates.applications_loopback)),
            },
        }
    }

    /// Counts a message of this party's.
    ///
    /// # Errors
    /// The seconds after which another one would pass.
    pub(crate) fn count(&self, party: PartyNumber, now: Time) -> Result<Cost, u64> {
        let limiter = self.of(party.role());
        if limiter.is_unlimited() {
            return Ok(Cost::Free);
        }
        let counted = limiter.count(party, now.secs().saturating_mul(1000));
        counted
            .map(|_permit| Cost::Counted)
            .map_err(|late| late.seconds)
    }

    /// Counts what comes from an address.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(crate) fn address(
        &self,
        class: Class,
        address: IpAddr,
        now: Time,
    ) -> Result<Permit, TooMany> {
        let Class::Application = class;
        let now = now.secs().saturating_mul(1000);
        self.applications.count(address, now)
    }

    /// The book knew the message: it was free.
    pub(crate) fn give_back(&self, party: PartyNumber) {
        self.of(party.role()).give_back(party);
    }

    const fn of(&self, role: Role) -> &RateLimiter<PartyNumber> {
        match role {
            Role::Member => &self.members,
            Role::Shop => &self.shops,
            Role::Gate | Role::Sealing | Role::Centre => &self.gates,
        }
    }
}
