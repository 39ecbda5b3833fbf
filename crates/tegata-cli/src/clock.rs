//! The one place that reads the clock.
//!
//! Protocol and ledger take the time as a parameter, so that tests can choose it. A program
//! reads it here, once per message, and hands it down.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted. 0 if the clock stands before.
#[must_use]
pub fn now() -> u64 {
    since_epoch().as_secs()
}

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[must_use]
pub fn now_millis() -> u64 {
    millis(since_epoch())
}

/// Milliseconds since this was first asked in this process. Never goes backwards, whatever is
/// done to the wall clock: for measuring how long something took, and for rate limits.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the clock"
)]
pub fn monotonic_millis() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    millis(START.get_or_init(Instant::now).elapsed())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the clock"
)]
fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_clocks_agree_on_units() {
        let seconds = now();
        let millis = now_millis();
        assert!(
            seconds > 1_700_000_000,
            "seconds since 1970, not milliseconds or days"
        );
        assert!(millis / 1000 >= seconds && millis / 1000 <= seconds + 5);
        assert!(monotonic_millis() <= monotonic_millis());
    }
}
