//! Waiting when another party asks to: 429 with `Retry-After`.
//!
//! Nothing was decided there, so the same bytes may be sent again; but a person waits at this end,
//! so it's done for a bounded time only. After that the message is in doubt like any other.

use std::time::Duration;

use crate::client::CallError;

/// How long to wait in all, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) most: Duration,
    pub(crate) wait: fn(Duration),
}

impl Patience {
    /// Waits as other parties ask, at most so long in all.
    pub(crate) const fn of(most: Duration) -> Self {
        Self { most, wait: sleep }
    }

    /// Does it until it's answered, or the wait that is asked for is too long.
    pub(crate) fn insist<T>(
        self,
        mut send: impl FnMut() -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut left = self.most;
        loop {
            let answer = send();
            let Err(CallError::Busy { seconds, .. }) = &answer else {
                return answer;
            };
            // One that says 0 is asked again a second later: it mustn't keep us for ever.
            let asked = Duration::from_secs(*seconds).max(Duration::from_secs(1));
            match left.checked_sub(asked) {
                Some(rest) => left = rest,
                None => return answer,
            }
            (self.wait)(asked);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the other party said how long; there's no event to wait for"
)]
fn sleep(span: Duration) {
    std::thread::sleep(span);
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    thread_local! {
        static WAITED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    }

    fn busy(seconds: u64) -> CallError {
        let address = "http://centre.localhost".to_owned();
        CallError::Busy { address, seconds }
    }

    /// What was waited, and what came of it, when each try is answered by the next of `answers`.
    fn insist(most: u64, answers: &[Option<u64>]) -> (Vec<u64>, usize, bool) {
        WAITED.take();
        let patience = Patience {
            most: Duration::from_secs(most),
            wait: |span| WAITED.with_borrow_mut(|waited| waited.push(span.as_secs())),
        };
        let attempts = Cell::new(0);
        let done = patience.insist(|| {
            let answer = answers[attempts.get()];
            attempts.set(attempts.get() + 1);
            answer.map_or(Ok(()), |seconds| Err(busy(seconds)))
        });
        (WAITED.take(), attempts.get(), done.is_ok())
    }

    #[test]
    fn it_waits_as_long_as_asked_and_sends_again() {
        assert_eq!(insist(10, &[None]), (vec![], 1, true));
        let answers = [Some(3), Some(7), None];
        assert_eq!(insist(10, &answers), (vec![3, 7], 3, true));
    }

    #[test]
    fn it_gives_up_when_more_is_asked_than_there_is_patience() {
        assert_eq!(insist(10, &[Some(11)]), (vec![], 1, false));
        assert_eq!(insist(10, &[Some(6), Some(6)]), (vec![6], 2, false));
        assert_eq!(insist(0, &[Some(1)]), (vec![], 1, false));
        let (waited, ..) = insist(3, &[Some(0); 9]);
        assert_eq!(waited, [1, 1, 1], "0 seconds don't last for ever");
    }

    #[test]
    fn other_errors_are_not_waited_out() {
        let patience = Patience {
            most: Duration::from_secs(10),
            wait: |_| panic!("nobody asked to wait"),
        };
        let unreadable = || CallError::Unreadable("http://centre.localhost".to_owned());
        let answer = patience.insist(|| Err::<(), _>(unreadable()));
        assert!(matches!(answer, Err(CallError::Unreadable(_))));
    }
}
