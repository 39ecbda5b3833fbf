//! Keywords (T5): five wrong ones per ticket, whatever happens at once, whatever restarts.

use tegata_gate::{Circumstance, Gate, KeywordFailure, Verdict};
use tegata_protocol::refusal::Code;

use crate::{
    door::{Place, check},
    shop::SHOP,
};

fn show(keyword: Option<&str>) -> Vec<u8> {
    SHOP.show_ticket(&SHOP.with_keyword(41, "sakura99"), keyword)
}

fn failure(gate: &Gate, keyword: Option<&str>) -> KeywordFailure {
    let verdict = check(gate, &show(keyword));
    assert_eq!(verdict.code(), Some(Code::WrongKeyword), "{verdict:?}");
    keyword_failure(&verdict).unwrap()
}

fn keyword_failure(verdict: &Verdict) -> Option<KeywordFailure> {
    if let Verdict::Refused(refused) = verdict
        && let Circumstance::Keyword(failure) = refused.circumstance
    {
        return Some(failure);
    }
    None
}

#[test]
fn the_right_keyword_opens_and_a_missing_one_costs_no_try() {
    let gate = Place::new().gate();
    for _ in 0..9 {
        assert_eq!(failure(&gate, None), KeywordFailure::Missing);
    }
    assert_eq!(
        failure(&gate, Some("sakura98")),
        KeywordFailure::Wrong { left: 4 }
    );
    assert!(check(&gate, &show(Some("sakura99"))).admits());
}

#[test]
fn five_wrong_keywords_lock_the_ticket_for_good() {
    let place = Place::new();
    for left in [4, 3, 2] {
        // Each try after a restart.
        let wrong = failure(&place.gate(), Some("wrong"));
        assert_eq!(wrong, KeywordFailure::Wrong { left });
    }
    let gate = place.gate();
    assert_eq!(
        failure(&gate, Some("wrong")),
        KeywordFailure::Wrong { left: 1 }
    );
    assert_eq!(failure(&gate, Some("wrong")), KeywordFailure::Exhausted);
    assert_eq!(failure(&gate, Some("sakura99")), KeywordFailure::Exhausted);
    assert_eq!(
        failure(&place.gate(), Some("sakura99")),
        KeywordFailure::Exhausted
    );
    assert!(
        check(&gate, &SHOP.show(42)).admits(),
        "other tickets are not touched"
    );
}

#[test]
fn a_scanner_that_repeats_a_wrong_one_costs_one_try() {
    let gate = Place::new().gate();
    let wrong = show(Some("sakura98"));
    for _ in 0..7 {
        let verdict = check(&gate, &wrong);
        assert_eq!(verdict.code(), Some(Code::WrongKeyword), "{verdict:?}");
    }
    assert_eq!(
        failure(&gate, Some("sakura97")),
        KeywordFailure::Wrong { left: 3 }
    );
}

#[test]
fn thirty_guesses_at_once_are_five() {
    let place = Place::new();
    let gate = place.gate();
    let guesses: Vec<_> = (0..30).map(|i| show(Some(&format!("guess{i}")))).collect();
    let counted = std::thread::scope(|scope| {
        let guess = |scan: &Vec<u8>| {
            let (gate, scan) = (&gate, scan.clone());
            scope.spawn(move || check(gate, &scan))
        };
        let threads: Vec<_> = guesses.iter().map(guess).collect();
        let verdicts = threads.into_iter().map(|thread| thread.join().unwrap());
        verdicts
            .filter(|verdict| {
                let failure = keyword_failure(verdict).unwrap();
                matches!(failure, KeywordFailure::Wrong { .. })
            })
            .count()
    });
    assert_eq!(counted, 4, "the fifth is told that no try is left");
    use tegata_gate::admission::Store as _;
    assert_eq!(place.store().wrong_keywords().unwrap()[0].tries, 5);
}

/// A stranger who photographed the ticket can't use its tries up.
#[test]
fn a_stranger_cannot_lock_a_ticket() {
    let gate = Place::new().gate();
    let ticket = SHOP.batch().sign(&SHOP.with_keyword(41, "sakura99"));
    for guess in ["guess1", "guess2", "guess3", "guess4", "guess5", "guess6"] {
        let presentation = tegata_protocol::ticket::Presentation {
            keyword: Some(tegata_protocol::purchase::Keyword::new(guess).unwrap()),
            ..SHOP.presentation(ticket.clone(), SHOP.now)
        };
        let shown = SHOP.seal(&presentation, &crate::shop::key(101));
        assert_eq!(check(&gate, &shown).code(), Some(Code::WrongHolder));
    }
    assert!(check(&gate, &show(Some("sakura99"))).admits());
}
