//! How many requests an address may send: a token bucket per address.
//!
//! Each address may send a minute's worth at once, and then one whenever the pace allows. An
//! IPv6 customer usually has a whole /64, so that counts as one address. The table is bounded:
//! when it's full of addresses that are busy right now, newcomers share one bucket.
//! Time is a parameter, in milliseconds that never go backwards.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;

/// The most addresses remembered at a time (about 4 MiB).
pub const MOST_ADDRESSES: usize = 65_536;

const MINUTE: u64 = 60_000;

/// The buckets of all addresses.
#[derive(Debug)]
pub struct Pace {
    per_minute: u64,
    buckets: HashMap<Address, Bucket>,
    newcomers: Bucket,
    most: usize,
}

/// What counts as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Address {
    V4(u32),
    V6Network(u64),
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                Self::V6Network(u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX))
            }
        }
    }
}

/// Filled with `per_minute` units per millisecond up to `per_minute * MINUTE`; a request takes
/// `MINUTE` units. Whole numbers throughout.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    units: u64,
    at: u64,
}

impl Bucket {
    const fn full(per_minute: u64, now: u64) -> Self {
        Self {
            units: per_minute * MINUTE,
            at: now,
        }
    }

    fn refill(&mut self, per_minute: u64, now: u64) {
        let gained = now.saturating_sub(self.at).saturating_mul(per_minute);
        self.units = self.units.saturating_add(gained).min(per_minute * MINUTE);
        self.at = self.at.max(now);
    }

    /// Takes one request's worth, or says how many seconds until there is one.
    fn take(&mut self, per_minute: u64, now: u64) -> Result<(), u64> {
        self.refill(per_minute, now);
        match self.units.checked_sub(MINUTE) {
            Some(left) => {
                self.units = left;
                Ok(())
            }
            None => Err((MINUTE - self.units).div_ceil(per_minute).div_ceil(1000)),
        }
    }
}

impl Pace {
    /// A pace for every address.
    #[must_use]
    pub fn new(per_minute: NonZeroU32) -> Self {
        Self::bounded(per_minute, MOST_ADDRESSES)
    }

    fn bounded(per_minute: NonZeroU32, most: usize) -> Self {
        let per_minute = u64::from(per_minute.get());
        let newcomers = Bucket::full(per_minute, 0);
        Self {
            per_minute,
            buckets: HashMap::new(),
            newcomers,
            most,
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The seconds after which another one would pass.
    pub fn count(&mut self, address: IpAddr, now: u64) -> Result<(), u64> {
        let (address, per_minute) = (Address::from(address), self.per_minute);
        if let Some(bucket) = self.buckets.get_mut(&address) {
            return bucket.take(per_minute, now);
        }
        if self.buckets.len() >= self.most {
            self.forget_the_idle(now);
        }
        if self.buckets.len() >= self.most {
            return self.newcomers.take(per_minute, now);
        }
        let bucket = self
            .buckets
            .entry(address)
            .or_insert(Bucket::full(per_minute, now));
        bucket.take(per_minute, now)
    }

    /// A full bucket says no more than a missing one.
    fn forget_the_idle(&mut self, now: u64) {
        let per_minute = self.per_minute;
        self.buckets.retain(|_, bucket| {
            bucket.refill(per_minute, now);
            bucket.units < per_minute * MINUTE
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn pace(per_minute: u32, most: usize) -> Pace {
        Pace::bounded(NonZeroU32::new(per_minute).unwrap(), most)
    }

    #[test]
    fn a_minutes_worth_at_once_and_then_at_the_pace() {
        let mut pace = pace(3, 10);
        for _ in 0..3 {
            assert_eq!(pace.count(A, 5_000), Ok(()));
        }
        assert_eq!(pace.count(A, 5_000), Err(20));
        assert_eq!(pace.count(A, 24_999), Err(1));
        assert_eq!(pace.count(A, 25_000), Ok(()));
        assert_eq!(pace.count(A, 25_001), Err(20));
        assert_eq!(pace.count(B, 25_001), Ok(()), "another address has its own");
        assert_eq!(
            (0..9).filter(|_| pace.count(A, 9_000_000).is_ok()).count(),
            3
        );
    }

    #[test]
    fn a_network_counts_as_one_address_and_a_mapped_one_as_itself() {
        let mut pace = pace(1, 10);
        assert_eq!(pace.count("2001:db8::1".parse().unwrap(), 0), Ok(()));
        assert!(pace.count("2001:db8::ffff:2".parse().unwrap(), 0).is_err());
        assert_eq!(pace.count("2001:db8:0:1::1".parse().unwrap(), 0), Ok(()));
        assert_eq!(pace.count(A, 0), Ok(()));
        assert!(pace.count("::ffff:192.0.2.1".parse().unwrap(), 0).is_err());
    }

    #[test]
    fn the_table_is_bounded_and_forgets_only_the_idle() {
        let mut pace = pace(1, 2);
        let numbered = |n: u32| IpAddr::V4(std::net::Ipv4Addr::from_bits(n));
        assert_eq!(pace.count(numbered(1), 0), Ok(()));
        assert_eq!(pace.count(numbered(2), 30_000), Ok(()));
        assert_eq!(
            pace.count(numbered(3), 30_000),
            Ok(()),
            "the newcomers' bucket"
        );
        assert!(pace.count(numbered(4), 30_000).is_err(), "is shared");
        assert_eq!(pace.buckets.len(), 2);
        assert_eq!(pace.count(numbered(5), 60_000), Ok(()), "1 has been idle");
        assert!(
            pace.count(numbered(2), 60_000).is_err(),
            "2 wasn't forgotten"
        );
        assert_eq!(pace.buckets.len(), 2);
    }
}
