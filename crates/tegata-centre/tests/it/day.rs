//! A busy day: a bit of everything that can stand in the book.

use tegata_bank::sample::SampleEntry;
use tegata_card::{
    keys::{self, Csn, KeyVersion},
    receipt::{self as card, Kind, Transaction},
};
use tegata_centre::operator::sign_card_order;
use tegata_protocol::{
    CardNumber, PaymentId, Role, Time,
    book::Rule,
    card::{CardLoad, CardLoaded, CardOrder, CardPayment},
    cbor,
    payment::{BillAnswer, BillInquiry, HOLD_SECONDS, Mode, Receipt},
    refusal::Code,
};

use crate::town::{Folder, Party, Town, delivery, own, payment, yen};

/// What remains of the day when the centre has closed.
pub(crate) struct Day {
    pub(crate) folder: Folder,
    /// The signed head that came with the last receipt.
    pub(crate) head: Vec<u8>,
    /// The payment that it came with: the last record of the book.
    pub(crate) last: PaymentId,
}

/// Members and shops that have all joined before the day begins.
struct Cast {
    hanako: Party,
    taro: Party,
    cafe: Party,
    hall: Party,
}

pub(crate) fn busy() -> Day {
    let folder = Folder::new();
    let file = folder.data().join("centre.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    // Nobody asks the card-key server this day: what its receipts do to the book is what counts.
    std::fs::write(
        &file,
        format!("{settings}\n[cards]\nsocket = \"nowhere\"\n"),
    )
    .unwrap();
    let town = Town::of(folder);
    let cast = Cast {
        hanako: town.member(0),
        taro: town.member(0),
        cafe: town.shop(),
        hall: town.shop(),
    };
    refused_at_the_door(&town);
    bank(&town, &cast);
    let end = trade(&town, &cast);
    card(&town, &cast, end);
    let Cast { taro, hall, .. } = &cast;
    let bill = town.bill(hall, 40, end);
    let letter = own(&town, taro, payment(&bill, Mode::Pay), None, end);
    let (receipt, head) = town.send::<Receipt>(taro, &letter, end).unwrap();
    town.assert_clean();
    let Town { folder, centre, .. } = town;
    drop(centre);
    Day {
        folder,
        head: head.unwrap(),
        last: receipt.payment,
    }
}

/// A card is issued, loaded, and is about to pay.
fn card(town: &Town, cast: &Cast, at: Time) {
    let card = CardNumber::from_bytes([3; 10]);
    let member = cast.hanako.number;
    let order = CardOrder::Issue {
        card,
        member,
        index: 0,
    };
    let parcel = sign_card_order(town.operator(), order, at);
    town.centre.order(&cbor::encode(&parcel), at).unwrap();
    let amount = yen(120);
    let load = CardLoad { card, amount };
    town.ask::<_, CardLoaded>(&cast.hanako, load, None, at)
        .unwrap();
    let written = card::Receipt {
        csn: Csn::new([3; 10]),
        version: KeyVersion::new(keys::Role::Receipt, 1).unwrap(),
        kind: Kind::Load,
        transaction: Transaction {
            id: [9; 16],
            amount: 120,
            counter: 1,
            bill: [0; 32],
            terminal: [0; 8],
            time: 0,
        },
        balance: 120,
        mac: [7; 16],
    };
    let rule = Rule::CardReceipt(written.to_bytes(), None);
    town.centre.carry_out(rule, at).unwrap();
    let bill = town.bill(&cast.cafe, 30, at);
    let body = CardPayment {
        bill,
        amount: yen(30),
        card,
    };
    town.ask::<_, Receipt>(&cast.hanako, body, None, at)
        .unwrap();
}

fn refused_at_the_door(town: &Town) {
    let slip = town.invite_until(Role::Member, town.joined(), town.now.before(1));
    let late = Party::new(slip.number);
    let answer = town.register(&late, &slip, town.now);
    assert_eq!(answer.unwrap_err(), Code::ActivationExpired);
    town.join(Role::Gate);
}

fn bank(town: &Town, cast: &Cast) {
    let reference = |party, amount| town.reference(party, amount, town.now).reference;
    let (one, two) = (reference(&cast.hanako, 5000), reference(&cast.taro, 3000));
    reference(&cast.taro, 700);
    let first = town.statement(vec![
        SampleEntry::transfer(yen(5000), "KIRISHIMA HANAKO", &one),
        SampleEntry::typed(yen(3000), "TARO", &format!("charge {two}")),
        SampleEntry::typed(yen(321), "NOBODY", "hello"),
    ]);
    town.import(&first, town.now).unwrap();
    let second = town.statement(vec![
        SampleEntry::transfer(yen(50), "KIRISHIMA HANAKO", &one),
        SampleEntry::transfer(yen(9), "TARO", "RF18539007547034"),
    ]);
    town.import(&second, town.now).unwrap();
    assert!(town.import(&first, town.now).is_err());
}

/// Sells and pays; says when it ends.
fn trade(town: &Town, cast: &Cast) -> Time {
    let Cast {
        hanako,
        taro,
        cafe,
        hall,
    } = cast;
    let begin = town.now;
    let holds = |member, shop, amount, at| {
        let bill = town.bill(shop, amount, at);
        (
            town.pay(member, &bill, Mode::Hold, at).unwrap().payment,
            bill,
        )
    };
    let (concert, _) = holds(hanako, hall, 1800, begin);
    let (lunch, _) = holds(taro, cafe, 900, begin);
    let (never, _) = holds(taro, hall, 333, begin);
    let seats = delivery(hall, hanako, "row 3, seats 4 and 5");
    town.capture(hall, (concert, 1800), &seats, begin.after(1))
        .unwrap();
    let half = delivery(cafe, taro, "half a lunch");
    town.capture(cafe, (lunch, 450), &half, begin.after(2))
        .unwrap();
    let stolen = town.capture(cafe, (never, 333), &half, begin.after(3));
    assert_eq!(stolen.unwrap_err(), Code::HoldNotYours);
    let coffee = town.bill(cafe, 400, begin);
    town.pay(hanako, &coffee, Mode::Pay, begin.after(4))
        .unwrap();
    let twice = town.pay(taro, &coffee, Mode::Pay, begin.after(5));
    assert_eq!(twice.unwrap_err(), Code::BillPaid);
    let dear = town.bill(hall, 99_999, begin);
    let poor = town.pay(taro, &dear, Mode::Hold, begin.after(6));
    assert_eq!(poor.unwrap_err(), Code::InsufficientFunds);
    let end = begin.after(HOLD_SECONDS);
    assert_eq!(town.centre.expire_holds(end), 1);
    let inquiry = BillInquiry { bill: dear };
    town.ask::<_, BillAnswer>(hall, inquiry, None, end).unwrap();
    holds(hanako, cafe, 77, end);
    end
}
