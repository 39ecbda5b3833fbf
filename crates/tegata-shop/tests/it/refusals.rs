//! Every refusal has its own code, and the smallest that holds is the answer.

use tegata_party::client::{CallError, Callee, Client, Prepared, Stamp};
use tegata_protocol::envelope::{Envelope, Parcel};
use tegata_protocol::purchase::{Keyword, PurchaseRequest, Reservation, Wish};
use tegata_protocol::record::{PartyKeys, PartyRecord, Status};
use tegata_protocol::refusal::Code;
use tegata_protocol::ticket::{Bet, Contents, Holder, Ride, Seat, Stay, Wager};
use tegata_protocol::{OpeningKey, PartyNumber, Role, SeriesId, SigningKey, Suite, Validity};
use tegata_shop::rate_limits::Rates;
use tegata_shop::shop::Rules;

use crate::centre::rng;
use crate::town::{Member, Open, Town, catalogue, holder, seats};

fn wish(series: u32, contents: Contents) -> Reservation {
    Reservation {
        series: SeriesId::new(series),
        contents,
        holders: vec![holder()],
        keyword: None,
    }
}

#[test]
fn words_are_no_reservation() {
    let town = Town::new(&catalogue(1));
    let (open, member) = (town.open(), town.member());
    let words = Wish::Inquiry("Is there a cloakroom?".into());
    let refusal = member.ask(&open, words).unwrap_err();
    assert_eq!(refusal.code, Code::NotAReservation);
}

#[test]
fn what_isnt_in_the_catalogue_is_unknown() {
    let town = Town::new(&catalogue(1));
    let (open, member) = (town.open(), town.member());
    let unknown = Reservation {
        series: SeriesId::new(8),
        ..seats(1)
    };
    assert_eq!(member.refused(&open, unknown), Code::SeriesUnknown);
}

#[test]
fn sales_begin_and_end() {
    let text = catalogue(1).replace(
        "quota",
        "sales_from = 2026-11-22T00:00:00\nsales_until = 2026-11-23T00:00:00\nquota",
    );
    let town = Town::new(&text);
    let (open, member) = (town.open(), town.member());
    assert_eq!(member.refused(&open, seats(1)), Code::SalesClosed);
    town.time.pass(86_400);
    member.buy(&open, seats(1));
    town.time.pass(86_400);
    assert_eq!(member.refused(&open, seats(1)), Code::SalesClosed);
}

fn seat(section: u16, row: u8, seat: u16) -> Reservation {
    wish(101, Contents::Admission(Seat { section, row, seat }))
}

/// A day well within the example's season.
const DAY: u32 = 20_790;

fn stay(arrival_day: u32, nights: u8, guests: u8, room: u16) -> Reservation {
    let stay = Stay {
        arrival_day,
        nights,
        guests,
        room,
    };
    wish(201, Contents::Stay(stay))
}

fn ride((from, to): (u16, u16), class: u8, coach: u8, seat: u16) -> Reservation {
    let ride = Ride {
        from,
        to,
        class,
        coach,
        seat,
    };
    wish(301, Contents::Ride(ride))
}

fn bet(race: u8, runners: [u8; 2], units: u16) -> Reservation {
    let (bet, runners) = (Bet::Exacta, runners.to_vec());
    wish(
        401,
        Contents::Wager(Wager {
            race,
            bet,
            runners,
            units,
        }),
    )
}

#[test]
fn wishes_that_dont_fit_are_invalid() {
    let town = Town::new(tegata_shop::catalogue::EXAMPLE);
    let (open, member) = (town.open(), town.member());
    for good in [
        seat(2, 6, 10),
        stay(DAY, 2, 2, 0),
        ride((1, 4), 2, 0, 0),
        bet(1, [3, 7], 1),
    ] {
        town.member().buy(&open, good);
    }
    let of_another_kind = Reservation {
        series: SeriesId::new(201),
        ..seat(1, 0, 0)
    };
    let one_seat_for_two = Reservation {
        holders: vec![holder(), holder()],
        ..seat(1, 1, 1)
    };
    let bad = [
        of_another_kind,
        one_seat_for_two,
        seat(3, 0, 0),
        seat(1, 7, 1),
        seat(1, 1, 11),
        seat(1, 1, 0),
        stay(DAY, 15, 2, 0),
        stay(DAY, 2, 3, 0),
        stay(DAY, 2, 2, 204),
        stay(DAY - 60, 2, 2, 0),
        stay(DAY + 300, 2, 2, 0),
        ride((1, 5), 2, 0, 0),
        ride((3, 2), 2, 0, 0),
        ride((1, 4), 3, 0, 0),
        ride((1, 4), 2, 1, 1),
        ride((1, 4), 2, 4, 1),
        ride((1, 4), 2, 2, 25),
        bet(13, [3, 7], 1),
        bet(1, [1, 19], 1),
        bet(1, [3, 7], 1001),
    ];
    for wish in bad {
        let shown = format!("{wish:?}");
        assert_eq!(member.refused(&open, wish), Code::WishInvalid, "{shown}");
    }
}

#[test]
fn a_keyword_where_none_is_offered_is_invalid() {
    let town = Town::new(&catalogue(1).replace("quota", "keyword = false\nquota"));
    let (open, member) = (town.open(), town.member());
    let keyword = Some(Keyword::new("open sesame").unwrap());
    let wish = Reservation {
        keyword,
        ..seats(1)
    };
    assert_eq!(member.refused(&open, wish), Code::WishInvalid);
}

#[test]
fn more_than_an_order_may_have_is_refused() {
    let town = Town::new(&catalogue(9).replace("quota", "most_per_order = 2\nquota"));
    let (open, member) = (town.open(), town.member());
    assert_eq!(member.refused(&open, seats(3)), Code::QuantityRefused);
    member.buy(&open, seats(2));
}

#[test]
fn holders_that_arent_offered_are_refused() {
    let town = Town::new(&catalogue(9));
    let (open, member) = (town.open(), town.member());
    let keyword = Some(Keyword::new("open sesame").unwrap());
    let bearer = Reservation {
        holders: vec![Holder::Bearer],
        keyword,
        ..seats(1)
    };
    assert_eq!(member.refused(&open, bearer.clone()), Code::HolderRefused);
    let card = Reservation {
        holders: vec![Holder::Card([7; 10])],
        ..seats(1)
    };
    assert_eq!(member.refused(&open, card), Code::HolderRefused);
    std::fs::write(
        town.file("catalogue.toml"),
        catalogue(9).replace("quota", "bearer = true\nquota"),
    )
    .unwrap();
    open.shop.reload().unwrap();
    member.buy(&open, bearer);
}

/// T6: where the catalogue says so, several for one card if need be; a keyword can't be given by a card.
#[test]
fn tickets_on_cards_are_sold_where_the_catalogue_says_so() {
    let sold = catalogue(9).replace("quota", "card = true\nquota");
    let town = Town::new(&sold);
    let (open, member) = (town.open(), town.member());
    let card = Reservation {
        holders: vec![Holder::Card([7; 10]); 2],
        ..seats(1)
    };
    let with_keyword = Reservation {
        keyword: Some(Keyword::new("open sesame").unwrap()),
        ..card.clone()
    };
    assert_eq!(member.refused(&open, with_keyword), Code::HolderRefused);
    let bought = member.buy(&open, card);
    town.centre
        .pay(&bought.bill, tegata_protocol::payment::Mode::Hold);
    open.fulfilment.round().unwrap();
}

#[test]
fn a_sixth_open_bill_is_too_many_until_one_is_settled() {
    let town = Town::new(&catalogue(9));
    let (open, member) = (town.open(), town.member());
    let bills: Vec<_> = (0..5).map(|_| member.buy(&open, seats(1)).bill).collect();
    assert_eq!(member.refused(&open, seats(1)), Code::TooManyOpenBills);
    town.member().buy(&open, seats(1));
    town.centre
        .pay(&bills[3], tegata_protocol::payment::Mode::Hold);
    open.fulfilment.round().unwrap();
    member.buy(&open, seats(1));
}

#[test]
fn what_is_gone_is_sold_out() {
    let town = Town::new(&catalogue(2));
    let (open, member) = (town.open(), town.member());
    assert_eq!(member.refused(&open, seats(3)), Code::SoldOut);
    member.buy(&open, seats(2));
    assert_eq!(town.member().refused(&open, seats(1)), Code::SoldOut);
}

#[test]
fn a_chosen_seat_is_sold_once() {
    let town = Town::new(tegata_shop::catalogue::EXAMPLE);
    let open = town.open();
    let chosen = || {
        wish(
            101,
            Contents::Admission(Seat {
                section: 1,
                row: 2,
                seat: 3,
            }),
        )
    };
    town.member().buy(&open, chosen());
    assert_eq!(town.member().refused(&open, chosen()), Code::SoldOut);
}

#[test]
fn of_several_reasons_the_smallest_code_is_the_answer() {
    let closed = catalogue(1).replace("quota", "sales_until = 2026-11-21T01:00:00\nquota");
    let town = Town::new(&closed);
    let (open, member) = (town.open(), town.member());
    let mut bad = seats(4);
    bad.holders[0] = Holder::Card([7; 10]);
    bad.contents = Contents::Admission(Seat {
        section: 9,
        row: 0,
        seat: 0,
    });
    assert_eq!(member.refused(&open, bad.clone()), Code::SalesClosed);
    let on_sale = catalogue(1).replace("quota", "most_per_order = 2\nquota");
    std::fs::write(town.file("catalogue.toml"), on_sale).unwrap();
    open.shop.reload().unwrap();
    assert_eq!(member.refused(&open, bad.clone()), Code::WishInvalid);
    bad.contents = seats(1).contents;
    assert_eq!(member.refused(&open, bad.clone()), Code::QuantityRefused);
    bad.holders.truncate(2);
    assert_eq!(member.refused(&open, bad.clone()), Code::HolderRefused);
    bad.holders[0] = holder();
    assert_eq!(member.refused(&open, bad), Code::SoldOut);
}

#[test]
fn old_and_future_messages_are_untimely() {
    let town = Town::new(&catalogue(9));
    let (open, member) = (town.open(), town.member());
    let code = |prepared: &Prepared| {
        let answer = member.send(&open, prepared).unwrap();
        answer.accepted().map(drop).unwrap_err().code
    };
    let early = member.prepare(&open, Wish::Reservation(seats(1)));
    town.time.pass(301);
    assert_eq!(code(&early), Code::Untimely);
    town.time.pass(600);
    let late = member.prepare(&open, Wish::Reservation(seats(1)));
    let back = tegata_protocol::Time::from_secs(town.time.now().secs() - 301);
    town.time.set(back);
    assert_eq!(code(&late), Code::Untimely);
    assert_eq!(open.left(7), 9);
}

#[test]
fn suspended_and_expired_members_arent_served() {
    let town = Town::new(&catalogue(9));
    let open = town.open();
    let suspended = town.member_with(Status::Suspended);
    assert_eq!(suspended.refused(&open, seats(1)), Code::NotActive);
    let member = town.member();
    town.time.pass(366 * 86_400);
    assert_eq!(member.refused(&open, seats(1)), Code::NotActive);
}

#[test]
fn shops_dont_buy() {
    let town = Town::new(&catalogue(9));
    let (open, mut member) = (town.open(), town.member());
    member.number = PartyNumber::new(Role::Shop, 5).unwrap();
    let keys = PartyKeys {
        spending: None,
        signing: member.everyday.verifying_key(),
        opening: member.opening.sealing_key().clone(),
    };
    member.record = town.centre.enter(member.number, keys, Status::Active);
    assert_eq!(member.refused(&open, seats(1)), Code::WrongRole);
}

/// What a stranger gets, byte for byte.
fn stranger(open: &Open, bytes: &[u8]) -> (u16, Vec<u8>) {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.build().into();
    let url = format!("{}/v1/message", open.address);
    let mut response = agent.post(&url).send(bytes).unwrap();
    let status = response.status().as_u16();
    (status, response.body_mut().read_to_vec().unwrap())
}

fn body(member: &Member) -> PurchaseRequest {
    PurchaseRequest {
        record: member.record.clone(),
        wish: Wish::Reservation(seats(1)),
    }
}

/// Everything that is wrong with a message before anybody looks at what it wants.
fn unreadable(town: &Town, open: &Open, good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (callee, member, other) = (open.callee(), town.member(), town.member());
    let stamp = || Stamp::random(town.time.now(), &mut rng());
    let sealed = |caller, callee: &Callee, body| {
        let prepared = Prepared::new(caller, callee, stamp(), body, None, &mut rng());
        prepared.unwrap().to_bytes()
    };
    let mut changed = good.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let forged = tegata_party::client::Caller {
        signing: &other.everyday,
        ..member.caller()
    };
    let pretended = tegata_party::client::Caller {
        number: other.number,
        ..member.caller()
    };
    let mut own = town.member();
    own.record = own_record(&own, town);
    let number = PartyNumber::new(Role::Shop, 5).unwrap();
    let elsewhere = Callee {
        number,
        ..callee.clone()
    };
    let (nobody, _) = OpeningKey::generate(Suite::Standard, &mut rng());
    let lost = Callee {
        opening: nobody.sealing_key().clone(),
        ..callee.clone()
    };
    let collect = tegata_protocol::payment::Collect { after: 0 };
    let collect = Prepared::new(member.caller(), &callee, stamp(), collect, None, &mut rng());
    vec![
        ("empty", Vec::new()),
        ("text", b"hello".to_vec()),
        ("truncated", good[..good.len() - 1].to_vec()),
        ("changed", changed),
        (
            "signed with another key",
            sealed(forged, &callee, body(&member)),
        ),
        (
            "with another's record",
            sealed(member.caller(), &callee, body(&other)),
        ),
        (
            "in another's name",
            sealed(pretended, &callee, body(&member)),
        ),
        (
            "with a record of one's own making",
            sealed(own.caller(), &callee, body(&own)),
        ),
        (
            "for another shop",
            sealed(member.caller(), &elsewhere, body(&member)),
        ),
        (
            "for another shop, sealed again",
            resealed(&elsewhere, &callee, &member, stamp()),
        ),
        ("of another type", collect.unwrap().to_bytes()),
        (
            "to a key that nobody has",
            sealed(member.caller(), &lost, body(&member)),
        ),
    ]
}

/// Signed for one shop, sealed by that shop to another.
fn resealed(signed_for: &Callee, sealed_to: &Callee, member: &Member, stamp: Stamp) -> Vec<u8> {
    let envelope = Envelope::to(signed_for.number, &signed_for.opening, &mut rng()).unwrap();
    let signed = envelope.sign(
        &member.everyday,
        member.number,
        stamp.id,
        stamp.time,
        body(member),
    );
    let again = Envelope::to(sealed_to.number, &sealed_to.opening, &mut rng()).unwrap();
    again.seal(&Parcel::new(signed)).0.to_bytes()
}

#[test]
fn what_cant_be_read_or_verified_gets_one_answer() {
    let town = Town::new(&catalogue(9));
    let (open, member) = (town.open(), town.member());
    let good = member
        .prepare(&open, Wish::Reservation(seats(1)))
        .to_bytes();
    for (what, bytes) in unreadable(&town, &open, &good) {
        let answer = stranger(&open, &bytes);
        assert_eq!(
            answer,
            (400, br#"{"error":"unreadable"}"#.to_vec()),
            "{what}"
        );
    }
    assert_eq!(open.left(7), 9);
    let (status, _) = stranger(&open, &good);
    assert_eq!((status, open.left(7)), (200, 8));
    let (status, _) = stranger(&open, &vec![0; 65 * 1024]);
    assert_eq!(status, 413);
}

fn own_record(member: &Member, town: &Town) -> tegata_protocol::SignedBytes {
    let (spending, _) = SigningKey::generate(&mut rng());
    let now = town.time.now();
    member.everyday.sign(&PartyRecord {
        number: member.number,
        keys: PartyKeys {
            spending: Some(spending.verifying_key()),
            signing: member.everyday.verifying_key(),
            opening: member.opening.sealing_key().clone(),
        },
        profile: None,
        valid: Validity::new(now, now.after(3600)).unwrap(),
        status: Status::Active,
    })
}

#[test]
fn a_wallet_learns_that_it_was_unreadable() {
    let town = Town::new(&catalogue(9));
    let (open, member, other) = (town.open(), town.member(), town.member());
    let caller = tegata_party::client::Caller {
        signing: &other.everyday,
        ..member.caller()
    };
    let stamp = Stamp::random(town.time.now(), &mut rng());
    let prepared = Prepared::new(
        caller,
        &open.callee(),
        stamp,
        body(&member),
        None,
        &mut rng(),
    )
    .unwrap();
    let answer = Client::default().call::<tegata_protocol::purchase::Offer>(
        caller,
        &open.callee(),
        &prepared,
    );
    assert!(
        matches!(answer, Err(CallError::Unreadable(_))),
        "{answer:?}"
    );
}

/// A message of the right type that says too little is unreadable too.
#[test]
fn an_order_for_nobody_is_unreadable() {
    let town = Town::new(&catalogue(9));
    let (open, member) = (town.open(), town.member());
    let body = PurchaseRequest {
        record: member.record.clone(),
        wish: Wish::Reservation(Reservation {
            holders: Vec::new(),
            ..seats(1)
        }),
    };
    let stamp = Stamp::random(town.time.now(), &mut rng());
    let prepared = Prepared::new(
        member.caller(),
        &open.callee(),
        stamp,
        body,
        None,
        &mut rng(),
    )
    .unwrap();
    assert_eq!(stranger(&open, &prepared.to_bytes()).0, 400);
}

#[test]
fn a_member_who_asks_without_end_is_told_to_wait_and_nothing_is_kept() {
    let town = Town::new(&catalogue(9));
    let (open, member) = (town.open(), town.member());
    let words = || Wish::Inquiry("Are you open?".into());
    let first = member.prepare(&open, words());
    let answered = || match member.send(&open, &first).unwrap() {
        tegata_party::client::Answer::Refused(refusal) => refusal.into_value().id,
        tegata_party::client::Answer::Accepted { .. } => panic!("words are no reservation"),
    };
    let answer = answered();
    for _ in 0..9 {
        assert_eq!(answered(), answer, "a repetition costs nothing");
    }
    for _ in 1..120 {
        member.ask(&open, words()).unwrap_err();
    }
    let prepared = member.prepare(&open, words());
    match member.send(&open, &prepared) {
        Err(CallError::Busy { seconds, .. }) => assert_eq!(seconds, 1),
        other => panic!("{other:?}"),
    }
    assert_eq!(answered(), answer, "though the limit is reached");
    let store = open.shop.store();
    let id = {
        let signed = prepared.parcel().signed.clone();
        let message = tegata_protocol::Unverified::<
            tegata_protocol::envelope::Message<PurchaseRequest>,
        >::parse(signed);
        message.unwrap().claimed().id
    };
    assert!(
        store
            .read(|t| t.answered(member.number, id))
            .unwrap()
            .is_none()
    );
    town.member().buy(&open, seats(1));
    town.time.pass(1);
    assert!(matches!(
        member.send(&open, &prepared),
        Ok(tegata_party::client::Answer::Refused(_))
    ));
}

/// Before a shop has opened anything: what a stranger sends costs it next to nothing.
#[test]
fn an_address_that_sends_without_end_waits_whatever_it_sends() {
    let town = Town::new(&catalogue(9));
    let rates = Rates {
        loopback: 3,
        ..Rates::default()
    };
    let open = town.open_with(Rules {
        rates,
        ..Rules::default()
    });
    let member = town.member();
    for _ in 0..3 {
        assert_eq!(stranger(&open, b"nonsense").0, 400);
    }
    assert_eq!(
        stranger(&open, b"nonsense"),
        (429, b"{\"error\":\"too_many\"}".to_vec())
    );
    let prepared = member.prepare(&open, Wish::Reservation(seats(1)));
    match member.send(&open, &prepared) {
        Err(CallError::Busy { seconds, .. }) => assert_eq!(seconds, 20),
        other => panic!("{other:?}"),
    }
    assert_eq!(open.left(7), 9, "nothing was held");
    town.time.pass(20);
    member.send(&open, &prepared).unwrap().accepted().unwrap();
    assert_eq!(open.left(7), 8);
}
