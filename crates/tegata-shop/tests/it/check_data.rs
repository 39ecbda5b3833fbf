//! Check data (T8): sealed to one gate, enough to admit what was sold and nothing else.

use roaring::RoaringBitmap;
use tegata_protocol::envelope::{Message, Sealed};
use tegata_protocol::payment::Mode;
use tegata_protocol::record::{PartyKeys, PartyRecord, Status};
use tegata_protocol::ticket::{
    CHECK_DATA_LIMIT, CheckData, CheckList, Checker, Presentation, Serial, SeriesRecord, Ticket,
};
use tegata_protocol::{
    OpeningKey, PartyNumber, Role, SeriesId, SigningKey, Suite, Unverified, Verified,
};
use tegata_shop::check_data::{self, CheckDataError, Edition};

use crate::centre::rng;
use crate::town::{Open, Town, catalogue, seats};

struct Gate {
    opening: OpeningKey,
    record: Verified<PartyRecord>,
}

fn party(town: &Town, role: Role, status: Status) -> Gate {
    let number = PartyNumber::new(role, 31).unwrap();
    let (signing, _) = SigningKey::generate(&mut rng());
    let (opening, _) = OpeningKey::generate(Suite::Standard, &mut rng());
    let keys = PartyKeys {
        spending: None,
        signing: signing.verifying_key(),
        opening: opening.sealing_key().clone(),
    };
    let signed = town.centre.enter(number, keys, status);
    let register = SigningKey::from_seed(&[91; 32]).verifying_key();
    Gate {
        opening,
        record: PartyRecord::verify(signed, &register).unwrap(),
    }
}

fn make(open: &Open, gate: &Gate, series: u32) -> Result<Edition, CheckDataError> {
    let shop = &open.shop;
    let (series, now) = (SeriesId::new(series), shop.now());
    check_data::make(
        shop.store(),
        shop.registered(),
        series,
        &gate.record,
        now,
        24,
    )
}

fn read(open: &Open, gate: &Gate, edition: &Edition) -> CheckData {
    let (parcel, _) = Sealed::parse_within(&edition.sealed, CHECK_DATA_LIMIT)
        .unwrap()
        .open(&gate.opening)
        .unwrap();
    let message = Unverified::<Message<CheckData>>::parse(parcel.signed).unwrap();
    let key = open.shop.registered().record.keys.signing;
    message.verify(&key).unwrap().into_value().body
}

struct List {
    issued: RoaringBitmap,
    cancelled: RoaringBitmap,
}

impl CheckList for List {
    fn is_cancelled(&self, serial: Serial) -> bool {
        self.cancelled.contains(serial.number())
    }

    fn is_issued(&self, serial: Serial) -> bool {
        self.issued.contains(serial.number())
    }

    fn wrong_keywords(&self, _: Serial) -> u8 {
        0
    }
}

fn gate_of(open: &Open, data: &CheckData) -> (Checker, List) {
    let key = open.shop.registered().record.keys.signing;
    let series = Unverified::<SeriesRecord>::parse(data.series.clone()).unwrap();
    let checker = Checker::new(series.verify(&key).unwrap(), data.secret());
    let set = |bytes: &[u8]| RoaringBitmap::deserialize_from(bytes).unwrap();
    let list = List {
        issued: set(&data.issued.0),
        cancelled: set(&data.cancelled.0),
    };
    (checker, list)
}

/// Buys one ticket and gives it with its holder's key.
fn bought(town: &Town, open: &Open) -> (Verified<Ticket>, SigningKey) {
    let member = town.member();
    let (holder, _) = SigningKey::generate(&mut rng());
    let mut wish = seats(1);
    wish.holders = vec![tegata_protocol::ticket::Holder::Key(
        tegata_protocol::ticket::HolderKey(holder.verifying_key()),
    )];
    let offer = member.buy(open, wish);
    town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.round().unwrap();
    let captures = town.centre.captures();
    let (_, mut tickets) = member.open(open, &captures.last().unwrap().1);
    (tickets.remove(0), holder)
}

#[test]
fn a_gate_admits_what_was_sold_until_it_is_cancelled() {
    let town = Town::new(&catalogue(9));
    let open = town.open();
    let gate = party(&town, Role::Gate, Status::Active);
    let (ticket, holder) = bought(&town, &open);
    let first = make(&open, &gate, 7).unwrap();
    assert_eq!((first.edition, first.issued, first.cancelled), (1, 1, 0));
    let data = read(&open, &gate, &first);
    let (checker, list) = gate_of(&open, &data);
    let now = town.time.now();
    let presentation = Presentation {
        ticket: ticket.signed().clone(),
        event: SeriesId::new(7),
        time: now,
        nonce: None,
        keyword: None,
    };
    let shown = presentation
        .seal(&holder, checker.series(), &mut rng())
        .unwrap();
    let admissible = checker.check(&shown, &[], &list, now, None).unwrap();
    let serial = admissible.serial;
    let cancel = move |tables: &tegata_shop::store::Tables<'_>| {
        tables.cancel_ticket(SeriesId::new(7), serial)
    };
    assert!(open.shop.store().write(cancel).unwrap());
    let second = make(&open, &gate, 7).unwrap();
    assert_eq!((second.edition, second.issued, second.cancelled), (2, 1, 1));
    let (checker, list) = gate_of(&open, &read(&open, &gate, &second));
    let refused = checker.check(&shown, &[], &list, now, None).unwrap_err();
    assert_eq!(refused.code, tegata_protocol::refusal::Code::Cancelled);
}

#[test]
fn check_data_are_for_active_gates_and_known_series() {
    let town = Town::new(&catalogue(9));
    let open = town.open();
    let shop = party(&town, Role::Shop, Status::Active);
    assert!(matches!(
        make(&open, &shop, 7),
        Err(CheckDataError::NotAGate(_))
    ));
    let suspended = party(&town, Role::Gate, Status::Suspended);
    assert!(matches!(
        make(&open, &suspended, 7),
        Err(CheckDataError::NotAGate(_))
    ));
    let gate = party(&town, Role::Gate, Status::Active);
    assert!(matches!(
        make(&open, &gate, 8),
        Err(CheckDataError::SeriesUnknown(_))
    ));
    assert_eq!(make(&open, &gate, 7).unwrap().edition, 1);
}
