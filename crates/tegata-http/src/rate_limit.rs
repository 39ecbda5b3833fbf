//! How many requests somebody may send: a token bucket per address, or per party.
//!
//! Each key may send a burst at once, and then one whenever the rate allows. The table is bounded:
//! when it's full of keys that are busy right now, newcomers share one bucket.
//! Time is a parameter, in milliseconds. It should never go backwards; where it's a wall clock that
//! somebody puts back, counting goes on from there.
//!
//! Whoever was counted holds a [`Permit`], and nobody else can make one. A function that signs, opens
//! or keeps something for a stranger takes a permit, so no way leads to it past the limit. A server's
//! routes state what they cost with [`Routes`](crate::Routes), which counts and hands on the permit.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

/// The most keys remembered at a time (a few MiB).
pub const MOST_KEYS: usize = 65_536;

const MINUTE: u64 = 60_000;
/// Threads may come in another order than they looked at the clock: that much isn't a put-back one.
const JITTER: u64 = 10_000;
/// How often a full table is looked through for the idle.
const SWEEP: u64 = 1_000;

/// How many requests of one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// In a minute.
    pub per_minute: NonZeroU32,
    /// At once, after a rest.
    pub burst: NonZeroU32,
}

impl Rate {
    /// So many in a minute, and a minute's worth at once.
    #[must_use]
    pub const fn per_minute(per_minute: NonZeroU32) -> Self {
        Self {
            per_minute,
            burst: per_minute,
        }
    }

    /// The units that come in a millisecond, and the most that a bucket holds.
    fn units(self) -> (u64, u64) {
        let (per_minute, burst) = (self.per_minute.get(), self.burst.get());
        (u64::from(per_minute), u64::from(burst) * MINUTE)
    }
}

/// Somebody was counted and isn't too fast: good for one costly thing. Only a [`RateLimiter`] makes it.
#[derive(Debug)]
pub struct Permit(());

/// Somebody sends too fast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany {
    /// After so many seconds another request would pass.
    pub seconds: u64,
}

/// Counts requests by key, on any thread.
pub struct RateLimiter<K = Address>(Option<Mutex<Buckets<K>>>);

impl<K> fmt::Debug for RateLimiter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limited = if self.is_unlimited() {
            "any"
        } else {
            "limited"
        };
        write!(f, "RateLimiter({limited})")
    }
}

impl<K> RateLimiter<K> {
    /// Any number of requests?
    #[must_use]
    pub const fn is_unlimited(&self) -> bool {
        self.0.is_none()
    }
}

impl<K: Copy + Eq + Hash> RateLimiter<K> {
    /// A limiter with this rate for every key; none: any number.
    #[must_use]
    pub fn new(rate: Option<Rate>) -> Self {
        Self(rate.map(|rate| Mutex::new(Buckets::bounded(rate, MOST_KEYS))))
    }

    /// So many in a minute, a minute's worth at once; 0: any number.
    #[must_use]
    pub fn per_minute(per_minute: u32) -> Self {
        Self::new(NonZeroU32::new(per_minute).map(Rate::per_minute))
    }

    /// Counts a request.
    ///
    /// # Errors
    /// [`TooMany`], with the seconds after which another one would pass.
    pub fn count(&self, key: impl Into<K>, now: u64) -> Result<Permit, TooMany> {
        if let Some(buckets) = &self.0 {
            let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let counted = buckets.count(key, now);
            counted.map_err(|seconds| TooMany { seconds })?;
        }
        Ok(Permit(()))
    }

    /// Gives back what a request took that turned out to be free.
    pub fn give_back(&self, key: impl Into<K>) {
        if let Some(buckets) = &self.0 {
            let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
            buckets.give_back(key);
        }
    }
}

/// Counts addresses: those of this machine apart, since behind a proxy everybody has one of them.
#[derive(Clone, Debug)]
pub struct AddressLimiter {
    /// Of each address elsewhere.
    pub elsewhere: Arc<RateLimiter>,
    /// Of this machine's own addresses.
    pub loopback: Arc<RateLimiter>,
}

impl AddressLimiter {
    /// Counts a request from an address.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn count(&self, address: IpAddr, now: u64) -> Result<Permit, TooMany> {
        let limiter = match address.to_canonical().is_loopback() {
            true => &self.loopback,
            false => &self.elsewhere,
        };
        limiter.count(address, now)
    }
}

/// What counts as one address: an IPv6 customer usually has a whole /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address(Network);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4(u32),
    V6(u64),
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => Network::V4(address.to_bits()),
            IpAddr::V6(address) => {
                Network::V6(u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX))
            }
        })
    }
}

/// The buckets of all keys.
#[derive(Debug)]
struct Buckets<K = Address> {
    rate: Rate,
    buckets: HashMap<K, Bucket>,
    newcomers: Bucket,
    most: usize,
    swept: Option<u64>,
}

/// Filled with `per_minute` units per millisecond up to `burst * MINUTE`; a request takes
/// `MINUTE` units. Whole numbers throughout.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    units: u64,
    at: u64,
}

impl Bucket {
    fn full(rate: Rate, now: u64) -> Self {
        let (_, most) = rate.units();
        Self {
            units: most,
            at: now,
        }
    }

    fn refill(&mut self, rate: Rate, now: u64) {
        let (each, most) = rate.units();
        let gained = now.saturating_sub(self.at).saturating_mul(each);
        self.units = self.units.saturating_add(gained).min(most);
        if now > self.at || self.at - now > JITTER {
            self.at = now;
        }
    }

    fn is_full(&self, rate: Rate) -> bool {
        let (_, most) = rate.units();
        self.units >= most
    }

    /// Takes one request's worth, or says how many seconds until there is one.
    fn take(&mut self, rate: Rate, now: u64) -> Result<(), u64> {
        self.refill(rate, now);
        match self.units.checked_sub(MINUTE) {
            Some(left) => {
                self.units = left;
                Ok(())
            }
            None => {
                let (each, _) = rate.units();
                Err((MINUTE - self.units).div_ceil(each).div_ceil(1000))
            }
        }
    }
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    fn bounded(rate: Rate, most: usize) -> Self {
        Self {
            rate,
            buckets: HashMap::new(),
            newcomers: Bucket::full(rate, 0),
            most,
            swept: None,
        }
    }

    /// Counts a request, or says after how many seconds another one would pass.
    fn count(&mut self, key: impl Into<K>, now: u64) -> Result<(), u64> {
        let (key, rate) = (key.into(), self.rate);
        if let Some(bucket) = self.buckets.get_mut(&key) {
            return bucket.take(rate, now);
        }
        if self.buckets.len() >= self.most {
            self.forget_the_idle(now);
        }
        if self.buckets.len() >= self.most {
            return self.newcomers.take(rate, now);
        }
        let bucket = self.buckets.entry(key).or_insert(Bucket::full(rate, now));
        bucket.take(rate, now)
    }

    fn give_back(&mut self, key: impl Into<K>) {
        let (_, most) = self.rate.units();
        if let Some(bucket) = self.buckets.get_mut(&key.into()) {
            bucket.units = bucket.units.saturating_add(MINUTE).min(most);
        }
    }

    /// A full bucket says no more than a missing one. Looking at all of them takes a while, so that
    /// a crowd of newcomers doesn't have it done for each of them.
    fn forget_the_idle(&mut self, now: u64) {
        if self.swept.is_some_and(|at| now.abs_diff(at) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        let rate = self.rate;
        self.buckets.retain(|_, bucket| {
            bucket.refill(rate, now);
            !bucket.is_full(rate)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn limiter(per_minute: u32, most: usize) -> Buckets {
        Buckets::bounded(rate(per_minute, per_minute), most)
    }

    fn rate(per_minute: u32, burst: u32) -> Rate {
        Rate {
            per_minute: NonZeroU32::new(per_minute).unwrap(),
            burst: NonZeroU32::new(burst).unwrap(),
        }
    }

    #[test]
    fn a_minutes_worth_at_once_and_then_at_the_rate() {
        let mut limiter = limiter(3, 10);
        for _ in 0..3 {
            assert_eq!(limiter.count(A, 5_000), Ok(()));
        }
        assert_eq!(limiter.count(A, 5_000), Err(20));
        assert_eq!(limiter.count(A, 24_999), Err(1));
        assert_eq!(limiter.count(A, 25_000), Ok(()));
        assert_eq!(limiter.count(A, 25_001), Err(20));
        assert_eq!(
            limiter.count(B, 25_001),
            Ok(()),
            "another address has its own"
        );
        assert_eq!(
            (0..9)
                .filter(|_| limiter.count(A, 9_000_000).is_ok())
                .count(),
            3
        );
    }

    #[test]
    fn a_network_counts_as_one_address_and_a_mapped_one_as_itself() {
        let mut limiter = limiter(1, 10);
        let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(limiter.count(v6("2001:db8::1"), 0), Ok(()));
        assert!(limiter.count(v6("2001:db8::ffff:2"), 0).is_err());
        assert_eq!(limiter.count(v6("2001:db8:0:1::1"), 0), Ok(()));
        assert_eq!(limiter.count(A, 0), Ok(()));
        assert!(limiter.count(v6("::ffff:192.0.2.1"), 0).is_err());
    }

    #[test]
    fn the_table_is_bounded_and_forgets_only_the_idle() {
        let mut limiter = limiter(1, 2);
        let numbered = |n: u32| IpAddr::V4(std::net::Ipv4Addr::from_bits(n));
        assert_eq!(limiter.count(numbered(1), 0), Ok(()));
        assert_eq!(limiter.count(numbered(2), 30_000), Ok(()));
        assert_eq!(
            limiter.count(numbered(3), 30_000),
            Ok(()),
            "the newcomers' bucket"
        );
        assert!(limiter.count(numbered(4), 30_000).is_err(), "is shared");
        assert_eq!(limiter.buckets.len(), 2);
        assert_eq!(
            limiter.count(numbered(5), 60_000),
            Ok(()),
            "1 has been idle"
        );
        assert!(
            limiter.count(numbered(2), 60_000).is_err(),
            "2 wasn't forgotten"
        );
        assert_eq!(limiter.buckets.len(), 2);
    }

    #[test]
    fn a_burst_may_be_larger_or_smaller_than_a_minutes_worth() {
        let mut limiter: Buckets = Buckets::bounded(rate(60, 2), MOST_KEYS);
        let mut passed = |now| (0..9).filter(|_| limiter.count(A, now).is_ok()).count();
        assert_eq!(passed(0), 2);
        assert_eq!(passed(999), 0);
        assert_eq!(passed(1_000), 1);
        assert_eq!(passed(100_000), 2);
    }

    #[test]
    fn what_was_free_is_given_back_and_never_more_than_a_burst() {
        let mut limiter: Buckets = Buckets::bounded(rate(1, 2), MOST_KEYS);
        limiter.give_back(A);
        for _ in 0..5 {
            assert_eq!(limiter.count(A, 0), Ok(()));
            limiter.give_back(A);
        }
        limiter.give_back(A);
        assert_eq!((0..9).filter(|_| limiter.count(A, 0).is_ok()).count(), 2);
    }

    #[test]
    fn a_clock_put_back_starves_nobody_and_jitter_gains_nothing() {
        let mut limiter: Buckets = Buckets::bounded(rate(60, 1), MOST_KEYS);
        let hour = 3_600_000;
        assert_eq!(limiter.count(A, hour), Ok(()));
        for _ in 0..50 {
            assert_eq!(limiter.count(A, hour - 999), Err(1));
            assert_eq!(limiter.count(A, hour), Err(1));
        }
        assert_eq!(limiter.count(A, 5_000), Err(1), "put back by an hour");
        assert_eq!(limiter.count(A, 6_000), Ok(()));
    }
}
