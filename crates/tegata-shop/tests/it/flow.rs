//! The whole way: join, ask, hold, capture, deliver.

use tegata_protocol::payment::Mode;
use tegata_protocol::purchase::Bill;
use tegata_protocol::{Amount, Currency, Unverified};

use crate::town::{Town, catalogue, seats};

#[test]
fn a_request_becomes_a_bill_and_once_paid_a_ticket() {
    let town = Town::new(&catalogue(10));
    let (open, member) = (town.open(), town.member());
    let wish = seats(2);
    let offer = member.buy(&open, wish.clone());
    let key = open.shop.registered().record.keys.signing;
    let bill = Unverified::<Bill>::parse(offer.bill.clone()).unwrap();
    let bill = bill.verify(&key).unwrap();
    assert_eq!(bill.totals.total, Amount::new(2000, Currency::JPY).unwrap());
    assert_eq!(open.left(7), 8);
    town.centre.pay(&offer.bill, Mode::Hold);
    open.fulfilment.round().unwrap();
    let captures = town.centre.captures();
    assert_eq!(captures.len(), 1);
    let (delivery, tickets) = member.open(&open, &captures[0].1);
    assert_eq!(delivery.bill, bill.digest());
    let holders: Vec<_> = tickets.iter().map(|t| t.holder.clone()).collect();
    assert_eq!(holders, wish.holders);
    assert_ne!(tickets[0].serial, tickets[1].serial);
    assert!(tickets.iter().all(|t| Some(t.request) == bill.request));
    assert_eq!(open.left(7), 8);
    assert_eq!(open.series(&offer).title, "Concert");
}
