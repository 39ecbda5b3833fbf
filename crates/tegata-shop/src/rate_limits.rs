//! How many messages an address, and a member, may send in a minute.
//!
//! Opening a message costs the shop more than sending costs a stranger, so addresses are counted
//! before anything is opened. Every reply is kept for ever, so a member who asks without end would
//! fill the shop's disk: members are counted once their signature held, but not for what was
//! answered before. What comes too fast isn't stored: the wallet waits and sends it again.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use tegata_http::rate_limit::{Address, Rate, RateLimiter};
use tegata_protocol::{PartyNumber, Time};

/// Messages in a minute, a minute's worth at once; 0: any number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rates {
    /// Of each member.
    pub member: u32,
    /// Of each address elsewhere.
    pub address: u32,
    /// Of this machine's own addresses, where a proxy may stand.
    pub loopback: u32,
    /// Orders, tokens and bills, for which nobody signs, from this machine's own addresses.
    pub web_loopback: u32,
    /// Tokens for orders, of each address elsewhere.
    pub tokens: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            member: 120,
            address: 600,
            loopback: 0,
            web_loopback: 600,
            tokens: 60,
        }
    }
}

/// The limits of members and addresses.
#[derive(Debug)]
pub struct RateLimits {
    members: Option<Mutex<RateLimiter<PartyNumber>>>,
    addresses: Option<Mutex<RateLimiter<Address>>>,
    loopback: Option<Mutex<RateLimiter<Address>>>,
    web_loopback: Option<Mutex<RateLimiter<Address>>>,
    tokens: Option<Mutex<RateLimiter<Address>>>,
}

impl RateLimits {
    /// Limits by these rates.
    pub fn new(rates: Rates) -> Self {
        Self {
            members: limiter(rates.member),
            addresses: limiter(rates.address),
            loopback: limiter(rates.loopback),
            web_loopback: limiter(rates.web_loopback),
            tokens: limiter(rates.tokens),
        }
    }

    /// Counts a member's message.
    ///
    /// # Errors
    /// How many seconds to wait, if it's one too many.
    pub fn member(&self, member: PartyNumber, now: Time) -> Result<(), u64> {
        count(self.members.as_ref(), member, now)
    }

    /// Counts a message from an address.
    ///
    /// # Errors
    /// How many seconds to wait, if it's one too many.
    pub fn address(&self, address: IpAddr, now: Time) -> Result<(), u64> {
        let limiter = match address.to_canonical().is_loopback() {
            true => &self.loopback,
            false => &self.addresses,
        };
        count(limiter.as_ref(), Address::from(address), now)
    }

    /// Counts what comes without a signature from an address: an order, a request for a bill.
    ///
    /// # Errors
    /// How many seconds to wait, if it's one too many.
    pub fn web(&self, address: IpAddr, now: Time) -> Result<(), u64> {
        let limiter = match address.to_canonical().is_loopback() {
            true => &self.web_loopback,
            false => &self.addresses,
        };
        count(limiter.as_ref(), Address::from(address), now)
    }

    /// Counts a request for a token.
    ///
    /// # Errors
    /// How many seconds to wait, if it's one too many.
    pub fn token(&self, address: IpAddr, now: Time) -> Result<(), u64> {
        let limiter = match address.to_canonical().is_loopback() {
            true => &self.web_loopback,
            false => &self.tokens,
        };
        count(limiter.as_ref(), Address::from(address), now)
    }
}

fn limiter<K: Copy + Eq + Hash>(per_minute: u32) -> Option<Mutex<RateLimiter<K>>> {
    let rate = NonZeroU32::new(per_minute).map(Rate::per_minute)?;
    Some(Mutex::new(RateLimiter::new(rate)))
}

fn count<K: Copy + Eq + Hash>(
    limiter: Option<&Mutex<RateLimiter<K>>>,
    key: K,
    now: Time,
) -> Result<(), u64> {
    let Some(limiter) = limiter else {
        return Ok(());
    };
    let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
    limiter.count(key, now.secs().saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tegata_protocol::Role;

    const RATES: Rates = Rates {
        member: 2,
        address: 2,
        loopback: 1,
        web_loopback: 4,
        tokens: 3,
    };

    #[test]
    fn one_member_waits_and_others_dont() {
        let limits = RateLimits::new(RATES);
        let member = |n| PartyNumber::new(Role::Member, n).unwrap();
        let at = Time::from_secs;
        assert_eq!(limits.member(member(1), at(100)), Ok(()));
        assert_eq!(limits.member(member(1), at(101)), Ok(()));
        assert_eq!(limits.member(member(1), at(102)), Err(28));
        assert_eq!(limits.member(member(2), at(102)), Ok(()));
        assert_eq!(limits.member(member(1), at(130)), Ok(()));
    }

    #[test]
    fn this_machines_own_addresses_have_a_limit_of_their_own() {
        let limits = RateLimits::new(RATES);
        let now = Time::from_secs(100);
        let passed = |address: &str| {
            let address = address.parse().unwrap();
            (0..9)
                .filter(|_| limits.address(address, now).is_ok())
                .count()
        };
        assert_eq!(passed("192.0.2.1"), 2);
        assert_eq!(passed("192.0.2.2"), 2);
        assert_eq!(passed("127.0.0.1"), 1);
        assert_eq!(passed("::ffff:127.0.0.1"), 0, "the same, written otherwise");
    }

    #[test]
    fn what_nobody_signs_has_a_limit_behind_a_proxy_too() {
        let limits = RateLimits::new(RATES);
        let now = Time::from_secs(100);
        let passed = |count: &dyn Fn(IpAddr) -> Result<(), u64>, address: &str| {
            let address = address.parse().unwrap();
            (0..9).filter(|_| count(address).is_ok()).count()
        };
        assert_eq!(passed(&|a| limits.web(a, now), "127.0.0.1"), 4);
        assert_eq!(passed(&|a| limits.token(a, now), "127.0.0.1"), 0);
        assert_eq!(passed(&|a| limits.web(a, now), "192.0.2.1"), 2);
        assert_eq!(passed(&|a| limits.token(a, now), "192.0.2.1"), 3);
        let usual = Rates::default();
        assert_eq!((usual.web_loopback, usual.tokens), (600, 60));
    }

    #[test]
    fn nought_lets_everything_pass() {
        let limits = RateLimits::new(Rates {
            member: 0,
            ..Rates::default()
        });
        let member = PartyNumber::new(Role::Member, 1).unwrap();
        assert!((0..9999).all(|_| limits.member(member, Time::from_secs(1)).is_ok()));
    }
}
