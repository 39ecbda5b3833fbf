//! Every refusal that the centre gives to a party, and which one when several reasons hold.
//!
//! For each exchange every combination of its defects is tried: the smallest code is the answer,
//! nothing in the book changes, and the same message gets the same answer ever after.

use tegata_protocol::{
    Amount, Currency, Digest, MessageId, PartyNumber, PaymentId, Role, SignedBytes, SigningKey,
    Time,
    envelope::Body,
    joining::{ActivationCode, Registered, Registration, Slip},
    payment::{BillAnswer, BillInquiry, Capture, Captured, Collect, Mailbox, Mode, Receipt},
    prepaid::{Balance, BalanceInquiry, Funding, PaymentReference, PrepaidRequest},
    refusal::Code,
};

use crate::town::{
    Letter, Party, Town, again, bill_of, delivery, letter, own, payment, registration, rng, yen,
};

/// How long a record holds.
const YEARS: u64 = 10 * 365 * 86_400;

fn euro(minor: u64) -> Amount {
    Amount::new(minor, Currency::new("EUR").unwrap()).unwrap()
}

/// All combinations of these defects but the empty one.
fn combinations(codes: &[Code]) -> Vec<Vec<Code>> {
    let all = 1..1_u32 << codes.len();
    let chosen = |mask: u32| {
        let bits = codes.iter().enumerate();
        bits.filter(move |(i, _)| mask & (1 << i) != 0)
            .map(|(_, c)| *c)
            .collect()
    };
    all.map(chosen).collect()
}

/// Hands a letter in and expects this code, twice; the book must stay as it was. `stored` says
/// whether the refusal is remembered (those of strangers and inquiries aren't).
fn refused<R: Body + std::fmt::Debug>(
    town: &Town,
    party: &Party,
    letter: &Letter,
    (code, stored): (Code, bool),
    at: Time,
) {
    let (book, records) = (town.book(), town.records());
    let answer = town.send::<R>(party, letter, at).map(|(reply, _)| reply);
    assert_eq!(answer.unwrap_err(), code);
    let repeated = again(town, &letter.parcel);
    let answer = town.send::<R>(party, &repeated, at).map(|(reply, _)| reply);
    assert_eq!(answer.unwrap_err(), code, "again");
    assert_eq!(town.book(), book, "a refusal changes nothing");
    assert_eq!(town.records() - records, u64::from(stored));
}

#[test]
fn of_several_reasons_against_a_payment_the_smallest_code_is_given() {
    use Code::*;
    let town = Town::new();
    let (rich, poor, shop) = (town.member(90_000), town.member(0), town.shop());
    let defects = [
        Untimely,
        WrongCurrency,
        BillInvalid,
        BillDiffers,
        BillExpired,
        BillPaid,
        InsufficientFunds,
    ];
    for (n, chosen) in (1..).zip(combinations(&defects)) {
        let has = |code| chosen.contains(&code);
        let issued = if has(BillExpired) {
            town.now.before(1000)
        } else {
            town.now
        };
        let facts = bill_of(shop.number, 7_000 + n, 120, issued);
        let bill = shop.signing.sign(&facts);
        if has(BillPaid) {
            town.pay(&rich, &bill, Mode::Hold, issued).unwrap();
        }
        let stranger = SigningKey::generate(&mut rng()).0;
        let bill = if has(BillInvalid) {
            stranger.sign(&facts)
        } else {
            bill
        };
        let mut body = payment(&bill, Mode::Hold);
        if has(BillDiffers) {
            body.amount = yen(119);
        }
        if has(WrongCurrency) {
            body.amount = euro(body.amount.minor());
        }
        let payer = if has(InsufficientFunds) { &poor } else { &rich };
        let signed = if has(Untimely) {
            town.now.before(301)
        } else {
            town.now
        };
        let letter = own(&town, payer, body, None, signed);
        let smallest = *chosen.iter().min().unwrap();
        refused::<Receipt>(&town, payer, &letter, (smallest, true), town.now);
    }
    town.assert_clean();
}

#[test]
fn a_bill_whose_number_belongs_to_another_is_invalid_before_all_else() {
    let town = Town::new();
    let (rich, poor, shop) = (town.member(5000), town.member(0), town.shop());
    let first = shop.signing.sign(&bill_of(shop.number, 1, 100, town.now));
    town.pay(&rich, &first, Mode::Hold, town.now).unwrap();
    let other = |issued| shop.signing.sign(&bill_of(shop.number, 1, 200, issued));
    let (valid, expired) = (other(town.now), other(town.now.before(1000)));
    let mut wrong_amount = payment(&valid, Mode::Hold);
    wrong_amount.amount = yen(1);
    for body in [
        payment(&valid, Mode::Hold),
        payment(&expired, Mode::Pay),
        wrong_amount,
    ] {
        let letter = own(&town, &poor, body, None, town.now);
        refused::<Receipt>(&town, &poor, &letter, (Code::BillInvalid, true), town.now);
    }
    for bill in [valid, expired] {
        let letter = own(&town, &shop, BillInquiry { bill }, None, town.now);
        refused::<BillAnswer>(&town, &shop, &letter, (Code::BillInvalid, true), town.now);
    }
}

/// A hold in the state that the combination wants, and the shop that asks for it.
fn hold_with(town: &Town, chosen: &[Code], member: &Party, shop: &Party) -> PaymentId {
    let has = |code| chosen.contains(&code);
    if has(Code::HoldUnknown) {
        return PaymentId::new(Digest::of(b"never seen"));
    }
    let placed = if has(Code::HoldClosed) {
        town.now.before(1800)
    } else {
        town.now
    };
    let bill = town.bill(shop, 50, placed);
    let payment = town.pay(member, &bill, Mode::Hold, placed).unwrap().payment;
    if has(Code::HoldCaptured) {
        let sealed = delivery(shop, member, "first");
        town.capture(shop, (payment, 50), &sealed, placed).unwrap();
    }
    payment
}

#[test]
fn of_several_reasons_against_a_capture_the_smallest_code_is_given() {
    use Code::*;
    let town = Town::new();
    let (member, shop, other) = (town.member(50_000), town.shop(), town.shop());
    let defects = [
        Untimely,
        WrongRole,
        WrongCurrency,
        DeliveryInvalid,
        HoldUnknown,
        HoldNotYours,
        HoldClosed,
        HoldCaptured,
        AboveHold,
    ];
    let contradictory = |c: &Vec<Code>| {
        let both = |a, b| c.contains(&a) && c.contains(&b);
        both(HoldClosed, HoldCaptured)
            || both(WrongRole, HoldNotYours)
            || [HoldNotYours, HoldClosed, HoldCaptured, AboveHold]
                .iter()
                .any(|x| both(HoldUnknown, *x))
    };
    for chosen in combinations(&defects)
        .into_iter()
        .filter(|c| !contradictory(c))
    {
        let has = |code| chosen.contains(&code);
        let payment = hold_with(&town, &chosen, &member, &shop);
        let sealed = delivery(&shop, &member, "x");
        let delivery = if has(DeliveryInvalid) {
            Digest::of(b"another")
        } else {
            Digest::of(&sealed)
        };
        let minor = if has(AboveHold) { 51 } else { 50 };
        let amount = if has(WrongCurrency) {
            euro(minor)
        } else {
            yen(minor)
        };
        let body = Capture {
            payment,
            amount,
            delivery,
        };
        let asks = match (has(WrongRole), has(HoldNotYours)) {
            (true, _) => &member,
            (false, true) => &other,
            (false, false) => &shop,
        };
        let signed = if has(Untimely) {
            town.now.before(301)
        } else {
            town.now
        };
        let letter = own(&town, asks, body, Some(sealed), signed);
        let smallest = *chosen.iter().min().unwrap();
        refused::<Captured>(&town, asks, &letter, (smallest, true), town.now);
    }
    town.centre.expire_holds(town.now.after(1800));
    town.assert_clean();
}

#[test]
fn a_released_hold_is_another_shops_before_it_is_closed() {
    let town = Town::new();
    let (member, shop, other) = (town.member(1000), town.shop(), town.shop());
    let payment = hold_with(&town, &[Code::HoldClosed], &member, &shop);
    assert_eq!(town.centre.expire_holds(town.now), 1);
    let sealed = delivery(&shop, &member, "x");
    for (asks, code) in [(&other, Code::HoldNotYours), (&shop, Code::HoldClosed)] {
        let answer = town.capture(asks, (payment, 50), &sealed, town.now);
        assert_eq!(answer.unwrap_err(), code);
    }
}

#[test]
fn a_delivery_must_be_there_sealed_small_enough_and_the_one_that_was_named() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    let payment = hold_with(&town, &[], &member, &shop);
    let big = delivery(&shop, &member, &"x".repeat(2_900));
    assert!(big.len() > 4096);
    let sealed = delivery(&shop, &member, "x");
    let other = delivery(&shop, &member, "y");
    let plain = b"a ticket in clear".to_vec();
    let cases = [
        (Digest::of(&big), Some(big)),
        (Digest::of(&plain), Some(plain)),
        (Digest::of(&sealed), Some(other)),
        (Digest::of(&sealed), None),
        (Digest::of(b""), None),
    ];
    for (delivery, attached) in cases {
        let body = Capture {
            payment,
            amount: yen(50),
            delivery,
        };
        let letter = own(&town, &shop, body, attached, town.now);
        refused::<Captured>(
            &town,
            &shop,
            &letter,
            (Code::DeliveryInvalid, true),
            town.now,
        );
    }
    let nothing = Capture {
        payment,
        amount: yen(0),
        delivery: Digest::of(&sealed),
    };
    let letter = own(&town, &shop, nothing, Some(sealed.clone()), town.now);
    refused::<Captured>(&town, &shop, &letter, (Code::AboveHold, true), town.now);
    town.capture(&shop, (payment, 50), &sealed, town.now)
        .unwrap();
}

#[test]
fn of_several_reasons_against_a_prepaid_request_the_smallest_code_is_given() {
    use Code::*;
    let town = Town::new();
    let (member, shop) = (town.member(0), town.shop());
    let defects = [
        Untimely,
        WrongRole,
        WrongCurrency,
        AmountOutOfRange,
        FundingNotOffered,
    ];
    for chosen in combinations(&defects) {
        let has = |code| chosen.contains(&code);
        let minor = if has(AmountOutOfRange) {
            100_001
        } else {
            100_000
        };
        let amount = if has(WrongCurrency) {
            euro(minor)
        } else {
            yen(minor)
        };
        let funding = if has(FundingNotOffered) {
            Funding::Cash
        } else {
            Funding::Transfer
        };
        let asks = if has(WrongRole) { &shop } else { &member };
        let signed = if has(Untimely) {
            town.now.after(301)
        } else {
            town.now
        };
        let body = PrepaidRequest { amount, funding };
        let letter = own(&town, asks, body, None, signed);
        let smallest = *chosen.iter().min().unwrap();
        refused::<PaymentReference>(&town, asks, &letter, (smallest, true), town.now);
    }
    for (minor, funding, code) in [
        (499, Funding::Deposit, Some(AmountOutOfRange)),
        (500, Funding::Deposit, None),
        (500, Funding::Credit, Some(FundingNotOffered)),
    ] {
        let body = PrepaidRequest {
            amount: yen(minor),
            funding,
        };
        let answer = town.ask::<_, PaymentReference>(&member, body, None, town.now);
        assert_eq!(answer.err(), code);
    }
    town.assert_clean();
}

#[test]
fn of_several_reasons_against_an_inquiry_about_a_bill_the_smallest_code_is_given() {
    use Code::*;
    let town = Town::new();
    let (member, shop, other) = (town.member(0), town.shop(), town.shop());
    for chosen in combinations(&[Untimely, WrongRole, BillInvalid, BillOpen]) {
        let has = |code| chosen.contains(&code);
        let issued = if has(BillOpen) {
            town.now
        } else {
            town.now.before(900)
        };
        let bill = town.bill(if has(BillInvalid) { &other } else { &shop }, 5, issued);
        let asks = if has(WrongRole) { &member } else { &shop };
        let signed = if has(Untimely) {
            town.now.before(301)
        } else {
            town.now
        };
        let letter = own(&town, asks, BillInquiry { bill }, None, signed);
        let smallest = *chosen.iter().min().unwrap();
        refused::<BillAnswer>(&town, asks, &letter, (smallest, true), town.now);
    }
}

#[test]
fn inquiries_are_refused_without_a_trace() {
    let town = Town::new();
    let (member, shop) = (town.member(0), town.shop());
    let old = town.now.before(301);
    let collect = own(&town, &shop, Collect { after: 0 }, None, old);
    refused::<Mailbox>(&town, &shop, &collect, (Code::Untimely, false), town.now);
    let balance = own(&town, &member, BalanceInquiry {}, None, old);
    refused::<Balance>(&town, &member, &balance, (Code::Untimely, false), town.now);
    let balance = own(&town, &shop, BalanceInquiry {}, None, town.now);
    refused::<Balance>(&town, &shop, &balance, (Code::WrongRole, false), town.now);
}

#[test]
fn whose_record_has_ended_may_not_act_whatever_else_is_wrong() {
    let town = Town::new();
    let (member, shop) = (town.member(100), town.shop());
    let end = town.joined().after(YEARS);
    let still = town.ask::<_, Balance>(&member, BalanceInquiry {}, None, end.before(1));
    assert_eq!(still.unwrap().balance, yen(100));
    let bill = town.bill(&shop, 50, town.now);
    let code = (Code::NotActive, true);
    let late = own(&town, &member, payment(&bill, Mode::Hold), None, end);
    refused::<Receipt>(&town, &member, &late, code, end);
    let inquiry = || BillInquiry { bill: bill.clone() };
    let late = own(&town, &shop, inquiry(), None, end);
    refused::<BillAnswer>(&town, &shop, &late, code, end);
    let late = own(&town, &member, inquiry(), None, end);
    refused::<BillAnswer>(&town, &member, &late, code, end);
    let untimely = own(&town, &shop, inquiry(), None, end.before(301));
    refused::<BillAnswer>(&town, &shop, &untimely, (Code::Untimely, true), end);
    let balance = own(&town, &member, BalanceInquiry {}, None, end);
    refused::<Balance>(&town, &member, &balance, (Code::NotActive, false), end);
}

#[test]
fn a_shop_whose_record_has_ended_is_paid_nothing() {
    let town = Town::new();
    let shop = town.shop();
    let later = town.joined().after(1000);
    let slip = town.invite(Role::Member, later);
    let member = Party::new(slip.number);
    town.register(&member, &slip, later).unwrap();
    let at = town.joined().after(YEARS);
    let bill = town.bill(&shop, 50, at);
    let letter = own(&town, &member, payment(&bill, Mode::Hold), None, at);
    refused::<Receipt>(&town, &member, &letter, (Code::BillInvalid, true), at);
}

/// A registration with these defects, and who seems to send it.
fn claim_with(town: &Town, chosen: &[Code]) -> (Party, Letter) {
    let has = |code| chosen.contains(&code);
    let granted = town.now.before(100);
    let expires = if has(Code::ActivationExpired) {
        town.now.before(1)
    } else {
        town.now
    };
    let slip = town.invite_until(Role::Member, granted, expires);
    if has(Code::AlreadyRegistered) {
        let first = Party::new(slip.number);
        town.register(&first, &slip, granted).unwrap();
    }
    let party = Party::new(slip.number);
    let code = ActivationCode::random(&mut rng());
    let code = if has(Code::ActivationRefused) {
        &code
    } else {
        &slip.code
    };
    let salted = crate::town::salted();
    let mut claim = party.claim(&slip, &salted);
    if has(Code::TermsDiffer) {
        claim.terms = Digest::of(b"other terms");
    }
    if has(Code::DetailsDiffer) {
        claim.details = Digest::of(b"other details");
    }
    let stranger = SigningKey::generate(&mut rng()).0;
    let spending = if has(Code::KeyRefused) {
        &stranger
    } else {
        party.spending.as_ref().unwrap()
    };
    let signed = if has(Code::Untimely) {
        town.now.before(301)
    } else {
        town.now
    };
    let made = |id| Registration::new(party.number, id, claim, Some(spending), code);
    let letter = registered(town, &party, made, salted.to_bytes(), signed);
    (party, letter)
}

fn registered(
    town: &Town,
    party: &Party,
    body: impl FnOnce(MessageId) -> Registration,
    details: Vec<u8>,
    at: Time,
) -> Letter {
    use tegata_protocol::envelope::{Envelope, Parcel};
    let opening = &town.public.keys.opening;
    let envelope = Envelope::to(PartyNumber::CENTRE, opening, &mut rng()).unwrap();
    let id = MessageId::random(&mut rng());
    let signed = envelope.sign(&party.signing, party.number, id, at, body(id));
    let parcel = Parcel::with(signed, details);
    let (sealed, reply_key) = envelope.seal(&parcel);
    Letter {
        parcel,
        bytes: sealed.to_bytes(),
        reply_key,
        id,
    }
}

#[test]
fn of_several_reasons_against_a_registration_the_smallest_code_is_given() {
    use Code::*;
    let town = Town::new();
    let defects = [
        Untimely,
        ActivationRefused,
        AlreadyRegistered,
        ActivationExpired,
        TermsDiffer,
        DetailsDiffer,
        KeyRefused,
    ];
    for chosen in combinations(&defects) {
        let (party, letter) = claim_with(&town, &chosen);
        let smallest = *chosen.iter().min().unwrap();
        let stored = !chosen.contains(&ActivationRefused);
        refused::<Registered>(&town, &party, &letter, (smallest, stored), town.now);
    }
    town.assert_clean();
}

#[test]
fn every_key_that_can_not_be_certified_is_refused() {
    let town = Town::new();
    let refuses = |role, spoil: &dyn Fn(&mut Party, &mut Slip)| {
        let mut slip = town.invite(role, town.now);
        let mut party = Party::new(slip.number);
        spoil(&mut party, &mut slip);
        let letter = registration(&town, &party, &slip, town.now);
        refused::<Registered>(&town, &party, &letter, (Code::KeyRefused, true), town.now);
    };
    let key = || SigningKey::generate(&mut rng()).0;
    refuses(Role::Shop, &|shop, _| shop.spending = Some(key()));
    refuses(Role::Gate, &|gate, _| gate.spending = Some(key()));
    refuses(Role::Member, &|member, _| member.spending = None);
    refuses(Role::Member, &|member, _| {
        let (one, seed) = SigningKey::generate(&mut rng());
        member.signing = one;
        member.spending = Some(SigningKey::from_seed(&seed));
    });
    refuses(Role::Shop, &|shop, _| {
        let compact = tegata_protocol::Suite::Compact;
        shop.opening = tegata_protocol::OpeningKey::generate(compact, &mut rng()).0;
    });
}

#[test]
fn shops_have_a_profile_and_members_none() {
    let town = Town::new();
    for role in [Role::Member, Role::Shop, Role::Gate] {
        let slip = town.invite(role, town.now);
        let party = Party::new(slip.number);
        let salted = crate::town::salted();
        let mut claim = party.claim(&slip, &salted);
        claim.profile = match claim.profile {
            Some(_) => None,
            None => Some(tegata_protocol::record::Profile {
                name: "Nobody".into(),
                address: "https://nobody.example".into(),
            }),
        };
        let made =
            |id| Registration::new(party.number, id, claim, party.spending.as_ref(), &slip.code);
        let letter = registered(&town, &party, made, salted.to_bytes(), town.now);
        refused::<Registered>(&town, &party, &letter, (Code::KeyRefused, true), town.now);
    }
}

#[test]
fn an_id_used_for_other_bytes_is_refused_and_not_remembered() {
    use tegata_protocol::envelope::{Envelope, Parcel};
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    let (one, two) = (
        town.bill(&shop, 100, town.now),
        town.bill(&shop, 100, town.now),
    );
    let first = own(&town, &member, payment(&one, Mode::Hold), None, town.now);
    let receipt = town.send::<Receipt>(&member, &first, town.now).unwrap().0;
    let same_id = |bill: &SignedBytes, key: &SigningKey, at| {
        let opening = &town.public.keys.opening;
        let envelope = Envelope::to(PartyNumber::CENTRE, opening, &mut rng()).unwrap();
        let body = payment(bill, Mode::Hold);
        let parcel = Parcel::new(envelope.sign(key, member.number, first.id, at, body));
        let (sealed, reply_key) = envelope.seal(&parcel);
        Letter {
            parcel,
            bytes: sealed.to_bytes(),
            reply_key,
            id: first.id,
        }
    };
    let spending = member.spending.as_ref().unwrap();
    for at in [town.now, town.now.before(9999)] {
        let second = same_id(&two, spending, at);
        refused::<Receipt>(&town, &member, &second, (Code::IdReused, false), town.now);
    }
    let repeated = again(&town, &first.parcel);
    let repeated = town
        .send::<Receipt>(&member, &repeated, town.now)
        .unwrap()
        .0;
    assert_eq!(repeated, receipt, "the first one stands");
    let others = town.member(1000);
    let other_party = letter(
        &town,
        (others.number, others.spending.as_ref().unwrap()),
        payment(&two, Mode::Hold),
        None,
        town.now,
    );
    town.send::<Receipt>(&others, &other_party, town.now)
        .unwrap();
    town.assert_clean();
}
