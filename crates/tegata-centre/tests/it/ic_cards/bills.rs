//! ST8 and ST9: the bill that travels in a card payment is verified before anything is set aside for the card.

use tegata_ledger::HoldState;
use tegata_protocol::{
    Amount, SignedBytes,
    card::CardPayment,
    payment::{PaidNotice, Receipt},
    refusal::Code,
};

use super::{World, mail};
use crate::town::{Party, bill_of, yen};

/// The signature that ends a signed bill.
const SIGNATURE: usize = 64;

/// A member agrees, and the bill isn't the one that its shop signed.
fn agrees(world: &World, bill: &SignedBytes, amount: Amount) -> Result<Receipt, Code> {
    let body = CardPayment {
        bill: bill.clone(),
        amount,
        card: world.number,
    };
    world.town().ask(&world.member, body, None, world.now())
}

/// The contents of one bill under the signature of another.
fn altered(contents: &SignedBytes, signature: &SignedBytes) -> SignedBytes {
    let (facts, signed) = (contents.as_bytes(), signature.as_bytes());
    let facts = &facts[..facts.len() - SIGNATURE];
    let signature = &signed[signed.len() - SIGNATURE..];
    SignedBytes::new([facts, signature].concat())
}

#[test]
fn st9_a_forged_altered_or_expired_bill_sets_nothing_aside() {
    let mut world = World::loaded();
    let (now, shop) = (world.now(), world.shop.number);
    let thief = world.town().shop();
    let by = |party: &Party, amount, issued| {
        let facts = bill_of(shop, 1, amount, issued);
        party.signing.sign(&facts)
    };
    let good = by(&world.shop, 1_200, now);
    let cheaper = by(&world.shop, 1_100, now);
    let nobody = Party::new(shop);
    let cases = [
        (
            "another shop",
            by(&thief, 1_200, now),
            1_200,
            Code::BillInvalid,
        ),
        (
            "a stranger",
            by(&nobody, 1_200, now),
            1_200,
            Code::BillInvalid,
        ),
        (
            "a new amount",
            altered(&cheaper, &good),
            1_100,
            Code::BillInvalid,
        ),
        ("agreed to less", good.clone(), 1_100, Code::BillDiffers),
        (
            "its end",
            by(&world.shop, 1_200, now.before(900)),
            1_200,
            Code::BillExpired,
        ),
        (
            "no bill",
            SignedBytes::new(b"bill".to_vec()),
            1_200,
            Code::BillInvalid,
        ),
    ];
    let book = world.town().book();
    for (what, bill, amount, code) in cases {
        let refused = agrees(&world, &bill, yen(amount));
        assert_eq!(refused.unwrap_err(), code, "{what}");
        assert_eq!(world.town().book(), book, "{what}");
    }
    let told = mail::<PaidNotice>(world.town(), &world.shop);
    assert!(told.is_empty(), "{told:?}");

    // The same bill as its shop signed it is good, until the second before its end.
    let last = by(&world.shop, 1_200, now.before(899));
    let payment = agrees(&world, &last, yen(1_200)).unwrap().payment;
    assert_eq!(world.hold(payment).state, HoldState::Awaiting);
    assert_eq!(world.pay(payment, None).paid(), Some(payment));
    world.check();
    world.town().assert_clean();
}
