//! What the shop notices of a service that runs out of its keys, or says so: fallback keys, which are
//! many orders' and open them for a day, and a limit that is reached. Each is said once an hour.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tegata_protocol::order::{KeyScope, Scheme, Stock};
use tegata_protocol::{Suite, Time};

/// An hour.
const PAUSE: u64 = 3_600;

/// Orders that came under fallback keys, since the program started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fallbacks {
    /// When the last one came.
    pub last: Option<Time>,
    /// When the last one came though the service's last word was that keys were left.
    pub although_stocked: Option<Time>,
}

/// What is said once an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Notice {
    /// An order came under a fallback key.
    FallbackCame,
    /// And the service had said that keys were left.
    AlthoughStocked,
    /// No key is left there, and a fallback key is.
    NothingLeft,
    /// Keys are wanted, and no more may be made now.
    Limit,
}

#[derive(Debug, Default)]
struct Seen {
    left: Vec<(Scheme, Option<Suite>, u32)>,
    fallbacks: Fallbacks,
    said: Vec<(Notice, Time)>,
}

impl Seen {
    /// Is it to be said now?
    fn is_due(&mut self, notice: Notice, now: Time) -> bool {
        let recent = |said: &(Notice, Time)| said.0 == notice && now < said.1.after(PAUSE);
        if self.said.iter().any(recent) {
            return false;
        }
        self.said.retain(|said| said.0 != notice);
        self.said.push((notice, now));
        true
    }
}

/// What was noticed.
#[derive(Debug, Default)]
pub(crate) struct Watch(Mutex<Seen>);

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fallbacks(&self) -> Fallbacks {
        self.seen().fallbacks
    }

    /// Notes what is left, as the service says.
    pub(crate) fn note_stock(&self, stock: &Stock) {
        let piles = stock.piles.iter();
        self.seen().left = piles.map(|p| (p.scheme, p.suite, p.left)).collect();
    }

    /// Is nothing left of what these orders are sealed with, so that fallback keys go out? Gives
    /// whether it was said.
    pub(crate) fn look(&self, stock: &Stock, scheme: Scheme, now: Time) -> bool {
        let empty = stock.piles.iter().any(|pile| {
            let usual = pile.scheme == scheme && scheme.scope() == KeyScope::Order;
            usual && pile.left == 0 && pile.fallback_until.is_some()
        });
        let said = empty && self.seen().is_due(Notice::NothingLeft, now);
        if said {
            tracing::warn!(%scheme, "no order key is left at the service; it hands out the fallback key");
        }
        said
    }

    /// An order came under a fallback key. Gives what was said.
    pub(crate) fn came(&self, scheme: Scheme, suite: Option<Suite>, now: Time) -> Vec<Notice> {
        let mut seen = self.seen();
        let stocked = |pile: &&(Scheme, Option<Suite>, u32)| (pile.0, pile.1) == (scheme, suite);
        let left = seen.left.iter().find(stocked).map_or(0, |pile| pile.2);
        seen.fallbacks.last = Some(now);
        let mut said = Vec::new();
        if seen.is_due(Notice::FallbackCame, now) {
            tracing::warn!(%scheme, "an order came under the fallback key: stock ran out at the service");
            said.push(Notice::FallbackCame);
        }
        if left > 0 {
            seen.fallbacks.although_stocked = Some(now);
            if seen.is_due(Notice::AlthoughStocked, now) {
                tracing::warn!(
                    %scheme,
                    left,
                    "an order came under the fallback key though the service said that keys were left: \
                     unless they had run out when its page was opened, the service isn't honest"
                );
                said.push(Notice::AlthoughStocked);
            }
        }
        said
    }

    /// Keys are wanted, and no more may be made now.
    pub(crate) fn limited(&self, now: Time) {
        if self.seen().is_due(Notice::Limit, now) {
            tracing::warn!(
                "more order keys are wanted than may be made: see keys_per_hour. Somebody may be \
                 taking keys without ordering"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tegata_protocol::order::{Pile, program_digest};

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn stock(left: u32, fallback_until: Option<Time>) -> Stock {
        let pile = Pile {
            scheme: Scheme::DEFAULT,
            suite: Some(Suite::Standard),
            left,
            low: left == 0,
            fallback_until,
        };
        Stock {
            piles: vec![pile],
            program: program_digest(),
        }
    }

    #[test]
    fn a_fallback_order_is_told_once_an_hour() {
        let watch = Watch::default();
        let came = |now| watch.came(Scheme::DEFAULT, Some(Suite::Standard), now);
        assert_eq!(came(NOW), [Notice::FallbackCame]);
        assert_eq!(came(NOW.after(3_599)), []);
        assert_eq!(came(NOW.after(3_600)), [Notice::FallbackCame]);
        assert_eq!(watch.fallbacks().last, Some(NOW.after(3_600)));
        assert_eq!(watch.fallbacks().although_stocked, None);
    }

    #[test]
    fn a_fallback_order_though_keys_were_left_is_told_of_its_own() {
        let watch = Watch::default();
        watch.note_stock(&stock(5, None));
        let compact = watch.came(Scheme::DEFAULT, Some(Suite::Compact), NOW);
        assert_eq!(compact, [Notice::FallbackCame], "of another pile");
        let standard = watch.came(Scheme::DEFAULT, Some(Suite::Standard), NOW);
        assert_eq!(standard, [Notice::AlthoughStocked]);
        assert_eq!(watch.fallbacks().although_stocked, Some(NOW));
    }

    #[test]
    fn an_empty_stock_is_told_once_an_hour_if_a_fallback_key_goes_out() {
        let watch = Watch::default();
        let until = Some(NOW.after(9_000));
        let look = |stock, now| watch.look(&stock, Scheme::DEFAULT, now);
        assert!(!look(stock(0, None), NOW), "nothing goes out");
        assert!(!look(stock(1, until), NOW));
        assert!(look(stock(0, until), NOW));
        assert!(!look(stock(0, until), NOW.after(3_599)));
        assert!(look(stock(0, until), NOW.after(3_600)));
    }
}
