//! How many messages an address, and a member, may send in a minute.
//!
//! Opening a message costs the shop more than sending costs a stranger, so addresses are counted
//! before anything is opened. Every reply is kept for ever, so a member who asks without end would
//! fill the shop's disk: members are counted once their signature held, but not for what was
//! answered before. What comes too fast isn't stored: the wallet waits and sends it again.

use std::net::IpAddr;
use std::sync::Arc;

use tegata_http::rate_limit::{AddressLimiter, Permit, RateLimiter, TooMany};
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

/// What strangers ask for, each counted by its own limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Messages, which are sealed and signed.
    Message,
    /// Orders, bills, the owner's links: for them nobody signs.
    Web,
    /// Tokens for orders: the shop signs one for whoever asks.
    Token,
}

/// The limits of members and addresses.
#[derive(Debug)]
pub struct RateLimits {
    members: RateLimiter<PartyNumber>,
    messages: AddressLimiter,
    web: AddressLimiter,
    tokens: AddressLimiter,
}

impl RateLimits {
    /// Limits by these rates.
    pub fn new(rates: Rates) -> Self {
        let limiter = |per_minute| Arc::new(RateLimiter::per_minute(per_minute));
        let addresses = limiter(rates.address);
        let web_loopback = limiter(rates.web_loopback);
        let pair = |elsewhere: &Arc<_>, loopback: &Arc<_>| AddressLimiter {
            elsewhere: Arc::clone(elsewhere),
            loopback: Arc::clone(loopback),
        };
        Self {
            members: RateLimiter::per_minute(rates.member),
            messages: pair(&addresses, &limiter(rates.loopback)),
            web: pair(&addresses, &web_loopback),
            tokens: pair(&limiter(rates.tokens), &web_loopback),
        }
    }

    /// Counts a member's message.
    ///
    /// # Errors
    /// [`TooMany`], if it's one too many.
    pub fn member(&self, member: PartyNumber, now: Time) -> Result<Permit, TooMany> {
        self.members.count(member, millis(now))
    }

    /// Counts what comes from an address.
    ///
    /// # Errors
    /// [`TooMany`], if it's one too many.
    pub fn address(&self, class: Class, from: IpAddr, now: Time) -> Result<Permit, TooMany> {
        let limiter = match class {
            Class::Message => &self.messages,
            Class::Web => &self.web,
            Class::Token => &self.tokens,
        };
        limiter.count(from, millis(now))
    }
}

const fn millis(now: Time) -> u64 {
    now.secs().saturating_mul(1000)
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
        let wait = |n, now| {
            limits
                .member(member(n), at(now))
                .map_err(|late| late.seconds)
                .err()
        };
        assert_eq!(wait(1, 100), None);
        assert_eq!(wait(1, 101), None);
        assert_eq!(wait(1, 102), Some(28));
        assert_eq!(wait(2, 102), None);
        assert_eq!(wait(1, 130), None);
    }

    #[test]
    fn this_machines_own_addresses_have_a_limit_of_their_own() {
        let limits = RateLimits::new(RATES);
        let now = Time::from_secs(100);
        let passed = |address: &str| {
            let address = address.parse().unwrap();
            (0..9)
                .filter(|_| limits.address(Class::Message, address, now).is_ok())
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
        let passed = |class, address: &str| {
            let address = address.parse().unwrap();
            (0..9)
                .filter(|_| limits.address(class, address, now).is_ok())
                .count()
        };
        assert_eq!(passed(Class::Web, "127.0.0.1"), 4);
        assert_eq!(passed(Class::Token, "127.0.0.1"), 0);
        assert_eq!(passed(Class::Web, "192.0.2.1"), 2);
        assert_eq!(passed(Class::Token, "192.0.2.1"), 3);
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
