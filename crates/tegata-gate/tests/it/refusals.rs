//! Every refusal, by a real gate on a real log (T7): each has its own reason.

use tegata_gate::{Circumstance, Closed, Gate, Verdict};
use tegata_protocol::{
    Validity,
    refusal::Code,
    ticket::{Presentation, Ticket},
};

use crate::{
    door::{self, Place, check, check_later, show_later},
    shop::{NOW, NOW_MILLIS, SHOP, Shop, key, serials},
};

fn code(gate: &Gate, scanned: &[u8]) -> Code {
    let verdict = check(gate, scanned);
    verdict.code().unwrap_or_else(|| panic!("{verdict:?}"))
}

/// A ticket of the usual event, made differently, signed and shown as usual.
fn shown(change: impl FnOnce(&mut Ticket)) -> Vec<u8> {
    let mut ticket = SHOP.ticket(41);
    change(&mut ticket);
    SHOP.show_ticket(&ticket, None)
}

fn presented(change: impl FnOnce(&mut Presentation)) -> Vec<u8> {
    let mut presentation = SHOP.presentation(SHOP.batch().sign(&SHOP.ticket(41)), NOW);
    change(&mut presentation);
    SHOP.seal(&presentation, &crate::shop::holder())
}

#[test]
fn each_reason_has_its_code() {
    let place = Place::new();
    let gate = place.gate();
    let good = SHOP.show(41);
    assert_eq!(code(&gate, b""), Code::TicketMalformed);
    assert_eq!(code(&gate, &good[..good.len() - 1]), Code::TicketMalformed);
    let forged = key(66).sign(&SHOP.ticket(41));
    let forged = presented(|p| p.ticket = forged);
    assert_eq!(code(&gate, &forged), Code::TicketForged);
    assert_eq!(code(&gate, &SHOP.show(13)), Code::Cancelled);
    assert_eq!(code(&gate, &SHOP.show(100)), Code::NotActivated);
    let early = shown(|t| t.valid = Validity::new(NOW.after(1), NOW.after(9)).unwrap());
    assert_eq!(code(&gate, &early), Code::NotYetValid);
    let late = shown(|t| t.valid = Validity::new(NOW.before(9), NOW).unwrap());
    assert_eq!(code(&gate, &late), Code::Expired);
    for stale in [NOW.before(61), NOW.after(61)] {
        let stale = presented(|p| p.time = stale);
        assert_eq!(code(&gate, &stale), Code::StalePresentation);
    }
    let ticket = SHOP.batch().sign(&SHOP.ticket(41));
    let stolen = SHOP.seal(&SHOP.presentation(ticket, NOW), &key(101));
    assert_eq!(code(&gate, &stolen), Code::WrongHolder);
    assert_eq!(gate.refused(), 10);
    // None of them used the ticket up.
    assert!(check(&gate, &good).admits());
    assert_eq!(gate.admitted(SHOP.event()), 1);
    assert_eq!(gate.admitted(SHOP.event()), place.log().rows().unwrap());
}

#[test]
fn a_neighbours_ticket_is_for_another_event_and_not_forged() {
    let neighbour = Shop { series: 2, ..SHOP };
    let place = Place::new();
    let events = [SHOP, neighbour].map(|shop| shop.loaded(&shop.check_data(1)));
    let gate = door::gate(place.store(), events.into());
    let verdict = check(&gate, &neighbour.show(41));
    let Verdict::Refused(refused) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(refused.code, Code::WrongEvent);
    assert_eq!(refused.series.unwrap().title, "Concert 2");
    // Sealed to this event by a wallet that was told so: the ticket says otherwise.
    let theirs = neighbour.batch().sign(&neighbour.ticket(41));
    let ours = presented(|p| p.ticket = theirs);
    assert_eq!(code(&gate, &ours), Code::WrongEvent);
    // Without the neighbour's check data nobody here can tell its ticket from noise.
    let alone = Place::new().gate();
    assert_eq!(code(&alone, &neighbour.show(41)), Code::TicketMalformed);
    assert!(check(&gate, &SHOP.show(41)).admits());
}

#[test]
fn one_gate_may_serve_two_events() {
    let neighbour = Shop { series: 2, ..SHOP };
    let place = Place::new();
    let events = [SHOP, neighbour].map(|shop| shop.loaded(&shop.check_data(1)));
    let gate = door::gate(place.store(), events.into());
    gate.choose(&["1".parse().unwrap(), "2".parse().unwrap()])
        .unwrap();
    assert!(check(&gate, &SHOP.show(41)).admits());
    assert!(
        check(&gate, &neighbour.show(41)).admits(),
        "its own serial 41"
    );
    assert_eq!(gate.admitted(neighbour.event()), 1);
}

#[test]
fn a_used_ticket_is_refused_with_where_and_when() {
    let gate = Place::new().gate();
    let first = SHOP.show(41);
    assert!(check(&gate, &first).admits());
    let copied = check_later(&gate, &first, 30_000);
    let anew = check_later(&gate, &show_later(SHOP, 41, 30), 30_000);
    for (verdict, another) in [(copied, false), (anew, true)] {
        let Verdict::Refused(refused) = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!(refused.code, Code::AlreadyUsed);
        let Circumstance::Used(first) = refused.circumstance else {
            panic!("nothing of its first use")
        };
        assert_eq!(
            (first.gate.as_str(), first.at, first.row),
            ("North gate", NOW, 1)
        );
        assert_eq!(first.another_presentation, another);
    }
}

#[test]
fn old_check_data_close_the_gate() {
    let gate = Place::new().gate();
    let at = |seconds: i64| {
        let time = NOW.after(7200).secs().checked_add_signed(seconds).unwrap();
        let scanned = show_later(SHOP, 41, time - NOW.secs());
        gate.check(
            &scanned,
            tegata_protocol::Time::from_secs(time),
            time * 1000,
        )
    };
    let verdict = at(0);
    assert!(
        matches!(&verdict, Verdict::Closed(Closed::CheckDataOld { until, .. }) if *until == NOW.after(7200)),
        "{verdict:?}"
    );
    // A second before it's the ticket that is too old.
    assert_eq!(at(-1).code(), Some(Code::Expired));
    let before = NOW.before(361);
    let verdict = gate.check(&SHOP.show(41), before, before.secs() * 1000);
    assert!(
        matches!(verdict, Verdict::Closed(Closed::ClockBehind { .. })),
        "{verdict:?}"
    );
}

#[test]
fn newer_check_data_count_at_once() {
    let gate = Place::new().gate();
    assert_eq!(code(&gate, &SHOP.show(100)), Code::NotActivated);
    gate.take(SHOP.loaded(&SHOP.check_data_of(serials(1..101), 2)));
    assert!(check(&gate, &SHOP.show(100)).admits());
    assert_eq!(gate.current()[0].edition(), 2);
}

#[test]
fn nobody_enters_where_no_event_is_chosen() {
    let place = Place::new();
    let events = vec![SHOP.loaded(&SHOP.check_data(1))];
    let identity = door::identity(crate::centre::gate_number());
    let gate = Gate::new(identity, events, place.store()).unwrap();
    let verdict = check(&gate, &SHOP.show(41));
    assert!(matches!(verdict, Verdict::Closed(Closed::NoEvent)));
    gate.choose(&[]).unwrap();
    assert!(check(&gate, &SHOP.show(41)).admits());
}

#[test]
fn a_scanned_text_survives_what_scanners_add() {
    let gate = Place::new().gate();
    for (serial, dressed) in [(1, "{}"), (2, "{}\r\n"), (3, "\n{}\t"), (4, "{}  ")] {
        let text = dressed.replace("{}", &base45::encode(SHOP.show(serial)));
        assert!(
            gate.check_text(&text, NOW, NOW_MILLIS).admits(),
            "{dressed:?}"
        );
    }
}
