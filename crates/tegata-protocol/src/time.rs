//! Moments and spans, in whole seconds. Nothing here reads a clock: the time is always an argument.

use core::fmt;

use minicbor::{Decode, Encode};

use crate::Malformed;

/// A moment: seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Time(#[n(0)] u64);

/// How far a sender's clock may be off for a message never seen before: five minutes.
pub const CLOCK_WINDOW: u64 = 300;

impl Time {
    /// A moment from seconds since 1970.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    pub const fn secs(self) -> u64 {
        self.0
    }

    /// `seconds` later.
    #[must_use]
    pub const fn after(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// `seconds` earlier.
    #[must_use]
    pub const fn before(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Is `other` at most `seconds` away, before or after?
    pub const fn within(self, seconds: u64, other: Self) -> bool {
        self.0.abs_diff(other.0) <= seconds
    }
}

/// `2026-11-21 09:30:00 UTC`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil(days);
        let (h, m, s) = (rest / 3600, rest / 60 % 60, rest % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02} UTC")
    }
}

/// Year, month and day of a day number since 1970 (proleptic Gregorian calendar, counted in
/// 400-year eras that begin on 1 March).
#[expect(
    clippy::arithmetic_side_effects,
    reason = "every operand is far below u64's limits"
)]
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// From a moment on, until just before another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Validity {
    from: Time,
    until: Time,
}

impl Validity {
    /// `from` (included) to `until` (excluded).
    ///
    /// # Errors
    /// [`Malformed::Field`] when `until` isn't after `from`.
    pub fn new(from: Time, until: Time) -> Result<Self, Malformed> {
        if from < until {
            Ok(Self { from, until })
        } else {
            Err(Malformed::field("validity", "ends before it begins"))
        }
    }

    /// The first second.
    pub const fn from(&self) -> Time {
        self.from
    }

    /// The first second after it.
    pub const fn until(&self) -> Time {
        self.until
    }

    /// Does it hold at `now`?
    pub fn holds(&self, now: Time) -> bool {
        self.from <= now && now < self.until
    }

    /// How many seconds it lasts.
    pub const fn seconds(&self) -> u64 {
        self.until.0.saturating_sub(self.from.0)
    }
}

impl<C> Encode<C> for Validity {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?.u64(self.from.0)?.u64(self.until.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Validity {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        if d.array()? != Some(2) {
            return Err(minicbor::decode::Error::message(
                "a validity is [from, until]",
            ));
        }
        Ok(Self::new(Time(d.u64()?), Time(d.u64()?))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_calendar_dates() {
        assert_eq!(Time(0).to_string(), "1970-01-01 00:00:00 UTC");
        assert_eq!(Time(951_782_400).to_string(), "2000-02-29 00:00:00 UTC");
        assert_eq!(Time(1_795_253_400).to_string(), "2026-11-21 09:30:00 UTC");
    }
}
