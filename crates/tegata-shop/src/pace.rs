//! How many messages a member may send in a minute.
//!
//! Every reply is kept for ever, so a member who asks without end would fill the shop's disk. What
//! comes too fast isn't looked at further and isn't stored: the wallet waits and sends it again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tegata_protocol::{PartyNumber, Time};

const MINUTE: u64 = 60;

/// Counts each member's messages in the minute at hand.
#[derive(Debug)]
pub struct Pace {
    per_minute: u32,
    minute: Mutex<Minute>,
}

#[derive(Debug, Default)]
struct Minute {
    number: u64,
    counts: HashMap<PartyNumber, u32>,
}

impl Pace {
    /// A pace for every member.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            minute: Mutex::default(),
        }
    }

    /// Counts a message.
    ///
    /// # Errors
    /// How many seconds to wait, if it's one too many.
    pub fn count(&self, member: PartyNumber, now: Time) -> Result<(), u64> {
        let number = now.secs() / MINUTE;
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.number != number {
            *minute = Minute {
                number,
                counts: HashMap::new(),
            };
        }
        let count = minute.counts.entry(member).or_default();
        if *count >= self.per_minute {
            return Err(MINUTE - now.secs() % MINUTE);
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tegata_protocol::Role;

    #[test]
    fn one_member_waits_and_others_dont() {
        let pace = Pace::new(2);
        let member = |n| PartyNumber::new(Role::Member, n).unwrap();
        let at = Time::from_secs;
        assert_eq!(pace.count(member(1), at(100)), Ok(()));
        assert_eq!(pace.count(member(1), at(101)), Ok(()));
        assert_eq!(pace.count(member(1), at(102)), Err(18));
        assert_eq!(pace.count(member(2), at(102)), Ok(()));
        assert_eq!(pace.count(member(1), at(120)), Ok(()));
    }
}
