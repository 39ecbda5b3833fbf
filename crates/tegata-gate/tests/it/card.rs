//! Cards at the door: the real applet, the real card-key server's core, and a reader between them and
//! the gate that loses what it carries.

use tegata_card::applet::Applet;
use tegata_card::chip::Chip as _;
use tegata_card::link::{Link, LinkError};
use tegata_card_service::{CardNumber, Done, Request, Response, Task, TicketTold, WireError};
use tegata_gate::{
    AskKeys, Circumstance, Closed, Gate, KeywordFailure, Tapped, Verdict,
    admission::{Batch, Roll, Shown, Store as _, TicketId},
    evidence,
};
use tegata_protocol::{
    SignedBytes, Unverified,
    refusal::Code,
    ticket::{CardUse, Holder, Serial, Ticket},
};

use crate::{
    centre::gate_number,
    door::{self, Place, log_key},
    shop::{NOW_MILLIS, SHOP, Shop, holder},
    world::{CSN, Left, Pages, World},
};

/// A card in use, and the card-key server that knows it.
struct Desk {
    world: World,
    card: Applet<Pages>,
    random: u8,
}

/// What befalls the APDU of that number.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// The card leaves before it hears it.
    GoneBefore,
    /// The card did as told, and is gone before it can say so.
    GoneAfter,
    /// The card's power fails at its n-th write of it.
    Cut(usize, Left),
    /// Somebody on the way puts another answer in its place.
    Altered,
    /// Another card takes its place.
    Swapped,
}

struct Reader<'r> {
    card: &'r mut Applet<Pages>,
    mishap: Option<(usize, Mishap)>,
    count: usize,
    gone: bool,
}

impl Link for Reader<'_> {
    fn reset(&mut self) -> Result<(), LinkError> {
        self.card.power_on();
        Ok(())
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, LinkError> {
        if self.gone {
            return Err(LinkError::Gone);
        }
        let mishap = self.mishap.filter(|(at, _)| *at == self.count);
        self.count += 1;
        match mishap.map(|(_, mishap)| mishap) {
            Some(Mishap::GoneBefore) => {
                self.gone = true;
                return Err(LinkError::Gone);
            }
            Some(Mishap::Cut(writes, left)) => self.card.hardware().cut = Some((writes, left)),
            Some(Mishap::Swapped) => *self.card = other_card(),
            Some(Mishap::GoneAfter | Mishap::Altered) | None => {}
        }
        let answer = self.card.transmit(command).map_err(|_cut| LinkError::Gone);
        self.card.hardware().cut = None;
        self.gone |= answer.is_err();
        match mishap.map(|(_, mishap)| mishap) {
            Some(Mishap::GoneAfter) => {
                self.gone = true;
                Err(LinkError::Gone)
            }
            Some(Mishap::Altered) => answer.map(|mut bytes| {
                bytes[0] ^= 1;
                bytes
            }),
            _ => answer,
        }
    }
}

/// A genuine card of the same kind, and as powered as the one that it takes the place of.
fn other_card() -> Applet<Pages> {
    let mut card = Applet::new(Pages::blank([9; 10]));
    card.power_on();
    card.transmit(&tegata_card::session::select()).unwrap();
    card
}

struct Keys<'k>(&'k mut World);

impl AskKeys for Keys<'_> {
    fn ask(&mut self, request: &Request) -> Result<Response, WireError> {
        Ok(self.0.say(request.clone()))
    }
}

/// Answers everything with the same.
struct Says(fn() -> Result<Response, WireError>);

impl AskKeys for Says {
    fn ask(&mut self, _: &Request) -> Result<Response, WireError> {
        self.0()
    }
}

fn own_ticket(shop: Shop, serial: u32) -> Ticket {
    Ticket {
        holder: Holder::Card(CSN),
        ..shop.ticket(serial)
    }
}

impl Desk {
    /// With these tickets in its slots.
    fn with(tickets: &[Ticket]) -> Self {
        Self::with_bytes(tickets.iter().map(|ticket| {
            let shop = Shop {
                series: ticket.series.number(),
                ..SHOP
            };
            shop.batch().sign(ticket).into_bytes()
        }))
    }

    fn with_bytes(tickets: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut world = World::blank();
        let personalise = world.personalise();
        world.done(personalise);
        for (slot, ticket) in (0..).zip(tickets) {
            world.done(Task::PutTicket { slot, ticket });
        }
        let card = std::mem::replace(&mut world.card, Applet::new(Pages::blank(CSN)));
        Self {
            world,
            card,
            random: 0,
        }
    }

    fn tap(&mut self, gate: &Gate, after: u64) -> Verdict {
        self.tap_with(gate, after, None).0
    }

    /// The verdict, and how many APDUs it took.
    fn tap_with(
        &mut self,
        gate: &Gate,
        after: u64,
        mishap: Option<(usize, Mishap)>,
    ) -> (Verdict, usize) {
        let mut reader = Reader {
            card: &mut self.card,
            mishap,
            count: 0,
            gone: false,
        };
        let random = &mut self.random;
        let verdict = gate.tap(Tapped {
            card: &mut reader,
            keys: Some(&mut Keys(&mut self.world)),
            random: &mut || {
                *random = random.wrapping_add(1);
                [*random; 16]
            },
            at_millis: NOW_MILLIS + after,
        });
        (verdict, reader.count)
    }

    fn tap_without_keys(&mut self, gate: &Gate, keys: Option<&mut dyn AskKeys>) -> Verdict {
        let mut reader = Reader {
            card: &mut self.card,
            mishap: None,
            count: 0,
            gone: false,
        };
        gate.tap(Tapped {
            card: &mut reader,
            keys: match keys {
                // Shortens its lifetime.
                Some(keys) => Some(keys),
                None => None,
            },
            random: &mut || [1; 16],
            at_millis: NOW_MILLIS,
        })
    }
}

fn verified(place: &Place) -> evidence::Verification {
    let events = vec![SHOP.loaded(&SHOP.check_data(1)).into()];
    let gate = (gate_number(), &log_key());
    evidence::verify(&place.log(), gate, &events).unwrap()
}

#[test]
fn a_card_is_punched_and_admitted_once_and_the_log_proves_it() {
    let place = Place::new();
    let gate = place.gate();
    let mut desk = Desk::with(&[own_ticket(SHOP, 41)]);
    let Verdict::Admitted(admitted) = desk.tap(&gate, 0) else {
        panic!("not admitted")
    };
    assert_eq!(admitted.row, 1);
    let again = desk.tap(&gate, 1000);
    assert!(matches!(again, Verdict::JustAdmitted(_)), "{again:?}");
    let later = desk.tap(&gate, 5000);
    assert_eq!(later.code(), Some(Code::AlreadyUsed));
    let Verdict::Refused(refused) = later else {
        panic!()
    };
    assert!(matches!(refused.circumstance, Circumstance::Used(_)));

    assert_eq!(verified(&place).tickets, 1);
    let entry = place.log().newest(1).unwrap().remove(0);
    let used = Unverified::<CardUse>::parse(entry.evidence).unwrap();
    let used = used.verify(&log_key()).unwrap();
    assert_eq!(used.card, CSN);
    // The MAC is the card's: whoever has its receipt key can check it.
    assert_eq!(entry.presentation, used.digest());
    let punched = tegata_card::receipt::Punched::parse(&used.punch).unwrap();
    assert_eq!(punched.punch.terminal, gate_number().wire().to_be_bytes());
}

/// Wherever a tap is torn, nobody is admitted without being told, and the next one gets in, once; also
/// when the gate itself was restarted in between.
#[test]
fn a_torn_tap_gets_in_next_time_and_once() {
    let whole = {
        let place = Place::new();
        let mut desk = Desk::with(&[own_ticket(SHOP, 41)]);
        let (verdict, apdus) = desk.tap_with(&place.gate(), 0, None);
        assert!(verdict.admits());
        apdus
    };
    let mut mishaps = vec![Mishap::GoneBefore, Mishap::GoneAfter, Mishap::Altered];
    for left in [Left::Old, Left::New, Left::Half, Left::Garbage] {
        mishaps.push(Mishap::Cut(0, left));
    }
    let mut unfinished = 0;
    for at in 0..whole {
        for mishap in &mishaps {
            let place = Place::new();
            let mut desk = Desk::with(&[own_ticket(SHOP, 41)]);
            let (torn, _) = desk.tap_with(&place.gate(), 0, Some((at, *mishap)));
            let rows = place.log().rows().unwrap();
            assert_eq!(u64::from(torn.admits()), rows, "{at} {mishap:?} {torn:?}");
            unfinished += u32::from(!torn.admits());
            let next = desk.tap(&place.gate(), 60_000);
            assert_eq!(next.admits(), !torn.admits(), "{at} {mishap:?} {next:?}");
            let third = desk.tap(&place.gate(), 120_000);
            assert_eq!(third.code(), Some(Code::AlreadyUsed), "{at} {mishap:?}");
            assert_eq!(verified(&place).tickets, 1);
        }
    }
    assert!(unfinished > 20, "{unfinished} taps were torn");
}

/// The last APDU is the punch: its card is used up for everybody but the gate that had it punched.
#[test]
fn after_a_torn_punch_the_same_gate_goes_on_and_others_refuse() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let (gate, other) = (place.gate(), elsewhere.gate());
    let mut desk = Desk::with(&[own_ticket(SHOP, 41), own_ticket(SHOP, 42)]);
    let (_, whole) = Desk::with(&[own_ticket(SHOP, 41)]).tap_with(&Place::new().gate(), 0, None);
    let (torn, _) = desk.tap_with(&gate, 0, Some((whole - 1, Mishap::GoneAfter)));
    assert_eq!(torn.code(), Some(Code::CardGone));

    // The other gate takes the second ticket, which nobody has punched, and then has no more.
    assert!(desk.tap(&other, 0).admits());
    let refused = desk.tap(&other, 10_000);
    assert_eq!(refused.code(), Some(Code::AlreadyUsed));
    let Verdict::Refused(refused) = refused else {
        panic!()
    };
    assert_eq!(refused.circumstance, Circumstance::PunchedElsewhere);

    // Here it's the first one's turn still, hours later and after a restart.
    drop(gate);
    let gate = place.gate();
    assert!(desk.tap(&gate, 3_000_000).admits());
    assert_eq!(desk.tap(&gate, 3_010_000).code(), Some(Code::AlreadyUsed));
    assert_eq!(place.log().rows().unwrap(), 1);
    assert_eq!(elsewhere.log().rows().unwrap(), 1);
}

#[test]
fn gates_that_never_meet_admit_a_card_once() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let mut desk = Desk::with(&[own_ticket(SHOP, 41)]);
    assert!(desk.tap(&place.gate(), 0).admits());
    let refused = desk.tap(&elsewhere.gate(), 0);
    assert_eq!(refused.code(), Some(Code::AlreadyUsed));
    // Not even a gate whose log was put back to before.
    let forgetful = Place::new();
    let verdict = desk.tap(&forgetful.gate(), 10_000);
    assert_eq!(verdict.code(), Some(Code::AlreadyUsed));
}

#[test]
fn two_tickets_on_a_card_admit_two_and_no_third() {
    let place = Place::new();
    let gate = place.gate();
    let mut desk = Desk::with(&[
        own_ticket(SHOP, 13),
        own_ticket(SHOP, 41),
        own_ticket(SHOP, 42),
    ]);
    let taps = [0, 1000, 5000, 10_000].map(|after| desk.tap(&gate, after));
    assert!(
        taps[0].admits(),
        "13 is cancelled, 41 comes in: {:?}",
        taps[0]
    );
    assert!(matches!(taps[1], Verdict::JustAdmitted(_)), "left lying");
    assert!(taps[2].admits());
    // The first ticket's reason is the answer.
    assert_eq!(taps[3].code(), Some(Code::Cancelled));
    assert_eq!(place.log().rows().unwrap(), 2);
}

#[test]
fn each_reason_against_a_ticket_on_a_card_is_named() {
    let place = Place::new();
    let gate = place.gate();
    let neighbour = Shop { series: 2, ..SHOP };
    let keyword = Ticket {
        holder: Holder::Card(CSN),
        ..SHOP.with_keyword(41, "sakura99")
    };
    let anothers = Ticket {
        holder: Holder::Card([8; 10]),
        ..SHOP.ticket(41)
    };
    let cases = [
        (SHOP.ticket(41), Code::WrongHolder),
        (anothers, Code::WrongHolder),
        (own_ticket(SHOP, 13), Code::Cancelled),
        (own_ticket(SHOP, 200), Code::NotActivated),
        (keyword, Code::WrongKeyword),
        (own_ticket(neighbour, 41), Code::WrongEvent),
    ];
    for (ticket, code) in cases {
        let verdict = Desk::with(&[ticket]).tap(&gate, 0);
        assert_eq!(verdict.code(), Some(code), "{verdict:?}");
        if code == Code::WrongKeyword {
            let Verdict::Refused(refused) = verdict else {
                panic!()
            };
            let missing = Circumstance::Keyword(KeywordFailure::Missing);
            assert_eq!(refused.circumstance, missing);
        }
    }
    let mut forged = SHOP.batch().sign(&own_ticket(SHOP, 41)).into_bytes();
    *forged.last_mut().unwrap() ^= 1;
    let of = |bytes: Vec<u8>| {
        Desk::with_bytes(std::iter::once(bytes))
            .tap(&gate, 0)
            .code()
    };
    assert_eq!(of(forged), Some(Code::TicketForged));
    assert_eq!(of(b"Dear diary,".to_vec()), Some(Code::TicketMalformed));
    assert_eq!(Desk::with(&[]).tap(&gate, 0).code(), Some(Code::CardEmpty));
    assert_eq!(place.log().rows().unwrap(), 0);
}

#[test]
fn each_reason_against_a_card_is_named() {
    let place = Place::new();
    let gate = place.gate();
    let tickets = [own_ticket(SHOP, 41)];
    let mut denied = Desk::with(&tickets);
    denied.world.say(Request::Deny(CardNumber(CSN)));
    assert_eq!(denied.tap(&gate, 0).code(), Some(Code::CardDenied));

    for (task, code) in [
        (Task::Block, Code::CardBlocked),
        (Task::Terminate, Code::CardEnded),
    ] {
        let mut desk = Desk::with(&tickets);
        std::mem::swap(&mut desk.world.card, &mut desk.card);
        desk.world.done(task);
        std::mem::swap(&mut desk.world.card, &mut desk.card);
        assert_eq!(desk.tap(&gate, 0).code(), Some(code));
    }

    // Nobody personalised it: blank, or by another card-key server.
    let mut blank = Desk::with(&tickets);
    blank.card = Applet::new(Pages::blank(CSN));
    assert_eq!(blank.tap(&gate, 0).code(), Some(Code::CardForeign));
    let mut foreign = Desk::with(&tickets);
    foreign.world = World::blank();
    assert_eq!(foreign.tap(&gate, 0).code(), Some(Code::CardForeign));

    // One that says the number and doesn't know the key.
    let mut copied = Desk::with(&tickets);
    copied.card = Desk::under_other_keys(&tickets);
    assert_eq!(copied.tap(&gate, 0).code(), Some(Code::CardUnproven));
    assert_eq!(place.log().rows().unwrap(), 0);
}

impl Desk {
    /// A card of the same number, personalised by somebody else.
    fn under_other_keys(tickets: &[Ticket]) -> Applet<Pages> {
        let mut world = World::blank();
        let other = tegata_card_keys::keys::MasterKeys::new([1; 32], [2; 32], [3; 32]);
        world.restart_house_with(other);
        let personalise = world.personalise();
        world.done(personalise);
        for (slot, ticket) in (0..).zip(tickets) {
            let ticket = SHOP.batch().sign(ticket).into_bytes();
            world.done(Task::PutTicket { slot, ticket });
        }
        world.card
    }
}

/// To whatever is asked: done, this ticket, punched with this word.
fn done_with(word: Vec<u8>) -> Response {
    let ticket = SHOP.batch().sign(&own_ticket(SHOP, 41)).into_bytes();
    let punched = false;
    Response::Done(Done {
        ticket: Some(TicketTold { ticket, punched }),
        punched: Some(word),
        ..Done::default()
    })
}

/// Offline nothing is known of a card, and nobody is let in on its word.
#[test]
fn without_the_card_key_server_no_card_is_believed() {
    let place = Place::new();
    let gate = place.gate();
    let mut desk = Desk::with(&[own_ticket(SHOP, 41)]);
    let unprovable = Some(Code::CardUnprovable);
    assert_eq!(desk.tap_without_keys(&gate, None).code(), unprovable);
    let answers: [fn() -> Result<Response, WireError>; 4] = [
        || Err(WireError::Closed),
        || Ok(Response::Fault),
        || Ok(Response::Checked(true)),
        // Without end.
        || Ok(Response::Send(tegata_card::session::select())),
    ];
    for answer in answers {
        let verdict = desk.tap_without_keys(&gate, Some(&mut Says(answer)));
        assert_eq!(verdict.code(), unprovable, "{verdict:?}");
    }
    // A card-key server that says "done", and has no word of the card's to show for it, one of another
    // slot, or one of another punch than this gate ordered.
    let told: [fn() -> Result<Response, WireError>; 3] = [
        || Ok(done_with(Vec::new())),
        || Ok(done_with(vec![0x31; 46])),
        || Ok(done_with([&[0x31, 0], [0x31; 44].as_slice()].concat())),
    ];
    for told in told {
        let verdict = desk.tap_without_keys(&gate, Some(&mut Says(told)));
        assert_eq!(verdict.code(), unprovable);
    }
    assert_eq!(place.log().rows().unwrap(), 0);
    // And when it's back, the card gets in.
    assert!(desk.tap(&gate, 0).admits());
}

#[test]
fn a_card_that_is_swapped_midway_admits_nobody() {
    let place = Place::new();
    let gate = place.gate();
    let (_, whole) = Desk::with(&[own_ticket(SHOP, 41)]).tap_with(&Place::new().gate(), 0, None);
    for at in 1..whole {
        let mut desk = Desk::with(&[own_ticket(SHOP, 41)]);
        let (verdict, _) = desk.tap_with(&gate, 0, Some((at, Mishap::Swapped)));
        let code = verdict.code();
        let named = [Code::CardChanged, Code::CardGone, Code::CardUnproven];
        assert!(
            code.is_some_and(|code| named.contains(&code)),
            "{at} {verdict:?}"
        );
        if at == 1 {
            assert_eq!(code, Some(Code::CardUnproven), "{verdict:?}");
        }
    }
    assert_eq!(place.log().rows().unwrap(), 0);
}

#[test]
fn a_gate_without_an_event_says_so_before_any_card() {
    let place = Place::new();
    let events = vec![SHOP.loaded(&SHOP.check_data(1))];
    let gate = Gate::new(door::identity(gate_number()), events, place.store()).unwrap();
    let verdict = Desk::with(&[own_ticket(SHOP, 41)]).tap(&gate, 0);
    assert!(
        matches!(verdict, Verdict::Closed(Closed::NoEvent)),
        "{verdict:?}"
    );
}

/// A card's ticket that is shown as a code proves no card.
#[test]
fn a_cards_ticket_is_of_no_use_as_a_code() {
    let place = Place::new();
    let gate = place.gate();
    let ticket = SHOP.batch().sign(&own_ticket(SHOP, 41));
    let shown = SHOP.seal(&SHOP.presentation(ticket, SHOP.now), &holder());
    let verdict = door::check(&gate, &shown);
    assert_eq!(verdict.code(), Some(Code::WrongHolder));
}

fn admit_by_hand(place: &Place, evidence: SignedBytes) {
    let (mut store, mut batch) = (place.store(), Batch::default());
    let shown = Shown {
        ticket: TicketId {
            event: SHOP.event(),
            serial: Serial::new(41),
        },
        presentation: evidence.digest(),
        evidence,
        at_millis: NOW_MILLIS,
    };
    let key = crate::shop::key(90);
    let mut roll = Roll::load(&store).unwrap();
    let signer = (gate_number(), &key);
    roll.decide(shown, &store, signer, &mut batch).unwrap();
    store.commit(&batch).unwrap();
}

#[test]
fn a_log_that_says_something_else_of_a_card_is_named() {
    let place = Place::new();
    assert!(
        Desk::with(&[own_ticket(SHOP, 41)])
            .tap(&place.gate(), 0)
            .admits()
    );
    let entry = place.log().newest(1).unwrap().remove(0);
    let used = Unverified::<CardUse>::parse(entry.evidence).unwrap();
    let used = used.claimed().clone();
    let key = crate::shop::key(90);
    let foreign = SHOP.batch().sign(&Ticket {
        holder: Holder::Card([8; 10]),
        ..SHOP.ticket(41)
    });
    let mut elsewhere = used.punch;
    elsewhere[20] ^= 1;
    let cases = [
        (
            key.sign(&CardUse {
                card: [8; 10],
                ..used.clone()
            }),
            "isn't the card's",
        ),
        (
            key.sign(&CardUse {
                ticket: foreign,
                ..used.clone()
            }),
            "isn't the card's",
        ),
        (
            key.sign(&CardUse {
                punch: elsewhere,
                ..used.clone()
            }),
            "by another gate",
        ),
        (
            key.sign(&CardUse {
                punch: [0; 46],
                ..used.clone()
            }),
            "can't be read",
        ),
        (
            crate::shop::key(91).sign(&used),
            "isn't signed by this gate",
        ),
    ];
    for (evidence, says) in cases {
        let place = Place::new();
        // A gate that writes down what isn't so, and signs it.
        admit_by_hand(&place, evidence);
        let events = vec![SHOP.loaded(&SHOP.check_data(1)).into()];
        let gate = (gate_number(), &log_key());
        let problem = evidence::verify(&place.log(), gate, &events).unwrap_err();
        assert!(problem.to_string().contains(says), "{problem}");
    }
}
