//! The bill inside a card payment (ST8, ST9): the centre verifies the shop's signature before any money is set
//! aside, whatever the wallet let through.

use tegata_protocol::{
    SignedBytes, SigningKey, card::CardPayment, payment::Receipt, refusal::Code,
};

use super::world::World;
use crate::town::{bill_of, rng, yen};

/// Agrees to pay what somebody says is a bill of 1,200 yen.
fn agree(world: &World, bill: &SignedBytes) -> Result<Receipt, Code> {
    let body = CardPayment {
        bill: bill.clone(),
        amount: yen(1_200),
        card: world.number,
    };
    world.town().ask(&world.member, body, None, world.now())
}

#[test]
fn a_forged_bill_is_paid_by_no_card() {
    let world = World::loaded();
    let (town, now) = (world.town(), world.now());
    let other = town.shop();
    let book = town.book();
    let genuine = town.bill(&world.shop, 1_200, now);
    let facts = bill_of(world.shop.number, 9_001, 1_200, now);

    // In the shop's name, by a key of nobody's, by a member's, by another shop's.
    let strangers = [
        SigningKey::generate(&mut rng()).0.sign(&facts),
        world.member.signing.sign(&facts),
        other.signing.sign(&facts),
    ];
    for forged in strangers {
        assert_eq!(agree(&world, &forged).unwrap_err(), Code::BillInvalid);
    }
    // The shop's own, with one bit changed wherever it may be: it isn't read, or doesn't verify.
    let bytes = genuine.as_bytes();
    for place in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.to_vec();
        changed[place] ^= 1;
        let refused = agree(&world, &SignedBytes::new(changed)).unwrap_err();
        assert_eq!(refused, Code::BillInvalid, "byte {place}");
    }
    // Of a shop that isn't registered, and one whose time is over.
    let nobody = tegata_protocol::PartyNumber::new(tegata_protocol::Role::Shop, 4_242).unwrap();
    let unknown = world.shop.signing.sign(&bill_of(nobody, 9_002, 1_200, now));
    assert_eq!(agree(&world, &unknown).unwrap_err(), Code::BillInvalid);
    let expired = town.bill(&world.shop, 1_200, now.before(1_000));
    assert_eq!(agree(&world, &expired).unwrap_err(), Code::BillExpired);

    assert_eq!(town.book(), book, "nothing is set aside");
    agree(&world, &genuine).unwrap();
    town.assert_clean();
}
