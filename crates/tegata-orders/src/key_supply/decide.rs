//! What keys are to be made, from what the service says and what is stored here. Pure.

use tegata_protocol::order::{KeyKind, KeyScope, KeySource, Maker, Pile, Scheme, Stock};
use tegata_protocol::{Digest, PartyNumber, Suite, Time};

use crate::keys::{self, Wanted};
use crate::{Rules, store::Kind};

/// The most keys in one upload.
pub(super) const BATCH: usize = 32;

/// Keys of one kind that are to be made and uploaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batch {
    /// What keys.
    pub wanted: Wanted,
    /// How many, 32 at most.
    pub count: usize,
}

/// What is known when it's decided.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What is set.
    pub rules: &'a Rules,
    /// What the service says.
    pub stock: &'a Stock,
    /// Of keys for many orders, those that are missing here or end soon: for the shop `None`, else
    /// each admitted member.
    pub missing: &'a [(Suite, Option<PartyNumber>)],
    /// How many keys for single orders may be made now.
    pub allowed: usize,
    /// The time.
    pub now: Time,
}

/// The next batch to make; `None` when there's enough of everything.
pub fn decide(view: View<'_>) -> Option<Batch> {
    match view.rules.scheme.scope() {
        KeyScope::Order if view.rules.maker == Maker::Service => None,
        KeyScope::Order => {
            let regular = suites(view.rules).filter_map(|suite| for_orders(view, suite));
            let fallback = suites(view.rules).filter_map(|suite| fallback(view, suite));
            // One key for many orders first: with it nobody is turned away while stock is made.
            let batch = fallback.chain(regular).next()?;
            let count = batch.count.min(view.allowed);
            (count > 0).then_some(Batch { count, ..batch })
        }
        KeyScope::Shop | KeyScope::Member => {
            let (suite, member) = *view.missing.first()?;
            Some(Batch {
                wanted: Wanted {
                    member,
                    ..wanted(view, suite, KeySource::Regular)
                },
                count: 1,
            })
        }
    }
}

/// The suites that keys are needed in. For shared keys it doesn't matter.
pub(super) fn suites(rules: &Rules) -> impl Iterator<Item = Suite> + use<> {
    let compact = rules.compact && rules.scheme.kind() == KeyKind::Public;
    let compact = compact.then_some(Suite::Compact);
    core::iter::once(Suite::Standard).chain(compact)
}

/// How a kind of key is counted.
pub(super) fn kind(scheme: Scheme, suite: Suite, source: KeySource) -> Kind {
    let suite = (scheme.kind() == KeyKind::Public).then_some(suite);
    Kind {
        scheme,
        suite,
        source,
    }
}

/// The program that new keys name: what the service hands out, if we know it. A program that we
/// don't know could send the orders anywhere.
fn program(rules: &Rules, stock: &Stock, usual: Digest) -> Digest {
    match rules.programs.contains(&stock.program) {
        true => stock.program,
        false => usual,
    }
}

fn wanted(view: View<'_>, suite: Suite, source: KeySource) -> Wanted {
    let usual = view.rules.wanted(suite, source, view.now);
    Wanted {
        program: program(view.rules, view.stock, usual.program),
        ..usual
    }
}

fn pile<'a>(view: View<'a>, suite: Suite) -> Option<&'a Pile> {
    let kind = kind(view.rules.scheme, suite, KeySource::Regular);
    let mut piles = view.stock.piles.iter();
    piles.find(|pile| pile.scheme == kind.scheme && pile.suite == kind.suite)
}

/// Fills the stock up when a whole batch is missing, or the service calls it low.
fn for_orders(view: View<'_>, suite: Suite) -> Option<Batch> {
    let (left, low) = pile(view, suite).map_or((0, true), |pile| (pile.left, pile.low));
    let missing = usize::try_from(view.rules.stock.saturating_sub(left)).unwrap_or(BATCH);
    let wants = missing >= BATCH || low && missing > 0;
    wants.then(|| Batch {
        wanted: wanted(view, suite, KeySource::Regular),
        count: missing.min(BATCH),
    })
}

/// Makes a new fallback key when a quarter of its time is left.
fn fallback(view: View<'_>, suite: Suite) -> Option<Batch> {
    let seconds = view.rules.fallback_seconds;
    if seconds == 0 || !keys::may_fall_back(view.rules.scheme) {
        return None;
    }
    let until = pile(view, suite).and_then(|pile| pile.fallback_until);
    let holds = until.is_some_and(|until| view.now.after(seconds / 4) < until);
    (!holds).then(|| Batch {
        wanted: wanted(view, suite, KeySource::Fallback),
        count: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use tegata_protocol::Role;
    use tegata_protocol::order::program_digest;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn rules(scheme: &str, change: impl FnOnce(&mut Settings)) -> Rules {
        let service = PartyNumber::new(Role::Sealing, 1).unwrap();
        let mut settings = Settings {
            service: Some(service.to_string()),
            service_address: Some("http://sealing.localhost".to_owned()),
            scheme: scheme.to_owned(),
            compact: false,
            danger_shared_keys: true,
            danger_shop_wide_shared_key: true,
            danger_service_made_keys: true,
            ..Settings::default()
        };
        change(&mut settings);
        settings.rules().unwrap()
    }

    fn stock(rules: &Rules, left: u32, low: bool, fallback_until: Option<Time>) -> Stock {
        let suite = (rules.scheme.kind() == KeyKind::Public).then_some(Suite::Standard);
        Stock {
            piles: vec![Pile {
                scheme: rules.scheme,
                suite,
                left,
                low,
                fallback_until,
            }],
            program: program_digest(),
        }
    }

    fn decided(
        rules: &Rules,
        stock: &Stock,
        missing: &[(Suite, Option<PartyNumber>)],
    ) -> Option<Batch> {
        decide(View {
            rules,
            stock,
            missing,
            allowed: 1_000,
            now: NOW,
        })
    }

    #[test]
    fn stock_is_filled_up_in_batches_and_not_beyond() {
        let rules = rules("order-public-1", |s| s.stock = 100);
        let later = Some(NOW.after(86_400));
        let count = |left, low| {
            let batch = decided(&rules, &stock(&rules, left, low, later), &[])?;
            assert_eq!(batch.wanted.source, KeySource::Regular);
            assert_eq!(batch.wanted.expires, NOW.after(3 * 86_400));
            Some(batch.count)
        };
        assert_eq!(count(0, true), Some(32));
        assert_eq!(count(68, false), Some(32));
        assert_eq!(count(69, false), None);
        assert_eq!(count(90, true), Some(10), "the service knows what is low");
        assert_eq!(count(100, true), None);
        assert_eq!(count(120, true), None);
    }

    #[test]
    fn no_more_are_made_than_allowed() {
        let rules = rules("order-public-1", |_| {});
        for (until, source) in [
            (None, KeySource::Fallback),
            (Some(NOW.after(86_400)), KeySource::Regular),
        ] {
            let stock = stock(&rules, 0, true, until);
            let count = |allowed| {
                let batch = decide(View {
                    rules: &rules,
                    stock: &stock,
                    missing: &[],
                    allowed,
                    now: NOW,
                })?;
                assert_eq!(batch.wanted.source, source);
                Some(batch.count)
            };
            assert_eq!((count(0), count(1)), (None, Some(1)));
            let most = if source == KeySource::Regular { 7 } else { 1 };
            assert_eq!(count(7), Some(most));
        }
    }

    #[test]
    fn a_fallback_key_is_renewed_in_time_and_comes_first() {
        let rules = rules("order-public-1", |s| s.fallback_hours = 8);
        let source = |until| {
            let batch = decided(&rules, &stock(&rules, 0, true, until), &[]).unwrap();
            batch.wanted.source
        };
        assert_eq!(source(None), KeySource::Fallback);
        assert_eq!(source(Some(NOW.after(7_200))), KeySource::Fallback);
        assert_eq!(source(Some(NOW.after(7_201))), KeySource::Regular);
        let batch = decided(&rules, &stock(&rules, 0, true, None), &[]).unwrap();
        assert_eq!(
            (batch.count, batch.wanted.expires),
            (1, NOW.after(8 * 3_600))
        );
        for without in [
            self::rules("order-public-1", |s| s.fallback_hours = 0),
            self::rules("order-shared-1", |_| {}),
        ] {
            let batch = decided(&without, &stock(&without, 0, true, None), &[]).unwrap();
            assert_eq!(
                batch.wanted.source,
                KeySource::Regular,
                "{}",
                without.scheme
            );
        }
    }

    #[test]
    fn browsers_without_xwing_get_a_pile_of_their_own() {
        let rules = rules("order-public-1", |s| {
            s.compact = true;
            s.fallback_hours = 0;
        });
        let full = stock(&rules, 1_000, false, None);
        let batch = decided(&rules, &full, &[]).unwrap();
        assert_eq!(batch.wanted.suite, Suite::Compact);
    }

    #[test]
    fn keys_for_many_orders_are_made_where_they_are_missing() {
        for scheme in ["shop-public-1", "member-public-1", "shop-shared-0"] {
            let rules = rules(scheme, |_| {});
            let stock = stock(&rules, 0, true, None);
            assert_eq!(decided(&rules, &stock, &[]), None, "{scheme}");
            let member = Some(PartyNumber::new(Role::Member, 4).unwrap());
            let batch = decided(&rules, &stock, &[(Suite::Standard, member)]).unwrap();
            assert_eq!((batch.count, batch.wanted.member), (1, member));
        }
    }

    #[test]
    fn nothing_is_made_for_single_orders_where_the_service_makes_the_keys() {
        let rules = rules("order-public-1", |s| s.keys_made_by = "service".to_owned());
        assert_eq!(decided(&rules, &stock(&rules, 0, true, None), &[]), None);
    }

    #[test]
    fn no_key_names_a_program_that_we_do_not_know() {
        let unknown = Digest::of(b"another program");
        let usual = rules("order-public-1", |_| {});
        let mut stock = stock(&usual, 0, true, None);
        stock.program = unknown;
        let named = |rules: &Rules| decided(rules, &stock, &[]).unwrap().wanted.program;
        assert_eq!(named(&usual), program_digest());
        let trusting = rules("order-public-1", |s| s.programs = vec![unknown.to_string()]);
        assert_eq!(named(&trusting), unknown);
    }
}
