//! Messages that nobody honest sends, or that come twice: what strangers learn, and what happens.

use tegata_centre::Answered;
use tegata_protocol::{
    MessageId, PartyNumber, Role, SigningKey, Time,
    envelope::{Body, Envelope, Message, Parcel, Reply, SEALED_LIMIT, Sealed},
    payment::{Capture, Captured, Collect, Mode, Payment, Receipt},
    prepaid::{BalanceInquiry, Funding, PaymentReference, PrepaidRequest},
    refusal::Code,
};

use crate::town::{Letter, Party, Town, again, delivery, letter, own, payment, rng, txn, yen};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const MONTH: u64 = 30 * 86_400;

fn unreadable(town: &Town, bytes: &[u8], what: &str) {
    let records = town.records();
    let answer = town.accept(bytes, town.now);
    assert!(matches!(answer, Answered::Unreadable), "{what}: {answer:?}");
    assert_eq!(town.records(), records, "{what}");
}

/// Signs as told and seals to the centre.
fn forged<B: Body>(town: &Town, key: &SigningKey, message: &Message<B>) -> Vec<u8> {
    again(town, &Parcel::new(key.sign(message))).bytes
}

fn message<B>(from: PartyNumber, to: PartyNumber, time: Time, body: B) -> Message<B> {
    Message {
        from,
        to,
        id: MessageId::random(&mut rng()),
        time,
        not_after: None,
        enc_digest: None,
        answers: None,
        body,
    }
}

#[test]
fn a_message_cut_anywhere_or_changed_anywhere_can_not_be_read() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    let bill = town.bill(&shop, 100, town.now);
    let letter = own(&town, &member, payment(&bill, Mode::Hold), None, town.now);
    for length in 0..letter.bytes.len() {
        let answer = town.accept(&letter.bytes[..length], town.now);
        assert!(
            matches!(answer, Answered::Unreadable),
            "cut at {length}: {answer:?}"
        );
    }
    for place in (0..letter.bytes.len()).step_by(17) {
        let mut changed = letter.bytes.clone();
        changed[place] ^= 0x40;
        unreadable(&town, &changed, &format!("changed at {place}"));
    }
    unreadable(&town, &[&letter.bytes[..], &[0]].concat(), "longer");
    unreadable(&town, &vec![0; SEALED_LIMIT + 1], "far too long");
    unreadable(&town, b"", "nothing");
    unreadable(&town, b"GET / HTTP/1.1", "something else");
    town.send::<Receipt>(&member, &letter, town.now).unwrap();
}

#[test]
fn what_is_wrong_inside_the_seal_can_not_be_read_either() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    let bill = town.bill(&shop, 100, town.now);
    let good = own(&town, &member, payment(&bill, Mode::Hold), None, town.now);
    let signed = good.parcel.signed.as_bytes();
    for length in (0..signed.len()).step_by(11) {
        let cut = tegata_protocol::SignedBytes::new(signed[..length].to_vec());
        let sealed = again(&town, &Parcel::new(cut));
        unreadable(
            &town,
            &sealed.bytes,
            &format!("signed bytes cut at {length}"),
        );
    }
    for place in (0..signed.len()).step_by(11) {
        let mut changed = signed.to_vec();
        changed[place] ^= 1;
        let changed = tegata_protocol::SignedBytes::new(changed);
        let sealed = again(&town, &Parcel::new(changed));
        unreadable(
            &town,
            &sealed.bytes,
            &format!("signed bytes changed at {place}"),
        );
    }
    assert_eq!(town.balance(&member).held, 0);
}

#[test]
fn only_the_right_key_of_the_right_sender_is_heard() {
    let town = Town::new();
    let (member, other, shop) = (town.member(1000), town.member(1000), town.shop());
    let bill = town.bill(&shop, 100, town.now);
    let pays = || payment(&bill, Mode::Hold);
    let sends = |from: &Party, key: &SigningKey, what: &str| {
        let letter = letter(&town, (from.number, key), pays(), None, town.now);
        unreadable(&town, &letter.bytes, what);
    };
    sends(&member, &member.signing, "the everyday key signs a payment");
    sends(&member, other.spending_key(), "another member's number");
    sends(&shop, &shop.signing, "a shop pays");
    let stranger = Party::new(PartyNumber::new(Role::Member, 12).unwrap());
    sends(
        &stranger,
        stranger.spending_key(),
        "nobody knows the sender",
    );
    let request = PrepaidRequest {
        amount: yen(1000),
        funding: Funding::Transfer,
    };
    let letter = letter(
        &town,
        (member.number, member.spending_key()),
        request,
        None,
        town.now,
    );
    unreadable(
        &town,
        &letter.bytes,
        "the spending key signs an everyday message",
    );
}

#[test]
fn what_was_signed_for_somebody_else_is_of_no_use_at_the_centre() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    let bill = town.bill(&shop, 100, town.now);
    let spending = member.spending.as_ref().unwrap();
    let to_shop = message(
        member.number,
        shop.number,
        town.now,
        payment(&bill, Mode::Hold),
    );
    unreadable(
        &town,
        &forged(&town, spending, &to_shop),
        "signed for a shop",
    );
    let own_letter = own(&town, &member, payment(&bill, Mode::Hold), None, town.now);
    let to_shop = Sealed::seal(
        shop.number,
        &town.public.keys.opening,
        &own_letter.parcel,
        &mut rng(),
    );
    unreadable(
        &town,
        &to_shop.unwrap().to_bytes(),
        "addressed to a shop outside",
    );
    let sealed = shop.opening.sealing_key();
    let elsewhere = Sealed::seal(PartyNumber::CENTRE, sealed, &own_letter.parcel, &mut rng());
    unreadable(
        &town,
        &elsewhere.unwrap().to_bytes(),
        "sealed to another's key",
    );
}

#[test]
fn types_that_a_centre_does_not_take_can_not_be_read() {
    #[derive(Clone, minicbor::Encode, minicbor::Decode)]
    #[cbor(map)]
    struct Unknown {
        #[n(0)]
        after: u64,
    }
    impl Body for Unknown {
        const LABEL: u16 = 999;
    }
    #[derive(Clone, minicbor::Encode, minicbor::Decode)]
    #[cbor(map)]
    struct Newer {
        #[n(0)]
        after: u64,
    }
    impl Body for Newer {
        const LABEL: u16 = Collect::LABEL;
        const VERSION: u8 = 2;
    }
    let town = Town::new();
    let member = town.member(0);
    let from_member = |bytes: Vec<u8>, what: &str| unreadable(&town, &bytes, what);
    let (from, to, now) = (member.number, PartyNumber::CENTRE, town.now);
    let unknown = message(from, to, now, Unknown { after: 0 });
    from_member(forged(&town, &member.signing, &unknown), "an unknown label");
    let newer = message(from, to, now, Newer { after: 0 });
    from_member(
        forged(&town, &member.signing, &newer),
        "a version of tomorrow",
    );
    let mut deferred = message(from, to, now, BalanceInquiry {});
    deferred.not_after = Some(now.after(HOUR));
    from_member(
        forged(&town, &member.signing, &deferred),
        "deferred, which it can't be",
    );
    let done = message(from, to, now, tegata_protocol::book::Done {});
    from_member(
        forged(&town, &member.signing, &done),
        "the centre's own reply",
    );
}

#[test]
fn an_operators_order_is_not_heard_among_the_parties_messages() {
    let town = Town::new();
    let file = town.statement(vec![tegata_bank::sample::SampleEntry::typed(
        yen(10),
        "X",
        "nothing",
    )]);
    let order = town.import_order(&file, town.now);
    unreadable(&town, &again(&town, &order).bytes, "an import from outside");
    let rule = tegata_protocol::book::Rule::ExpireHold(tegata_protocol::PaymentId::new(
        tegata_protocol::Digest::of(b"x"),
    ));
    let (operator, key) = town.operator();
    let rule = message(operator, PartyNumber::CENTRE, town.now, rule);
    unreadable(&town, &forged(&town, key, &rule), "a rule from outside");
}

#[test]
fn the_clock_may_be_five_minutes_off_and_no_more() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    for (signed, code) in [
        (town.now.before(301), Some(Code::Untimely)),
        (town.now.before(300), None),
        (town.now.after(300), None),
        (town.now.after(301), Some(Code::Untimely)),
        (town.now.after(MONTH), Some(Code::Untimely)),
    ] {
        let bill = town.bill(&shop, 10, town.now);
        let letter = own(&town, &member, payment(&bill, Mode::Hold), None, signed);
        let answer = town.send::<Receipt>(&member, &letter, town.now);
        assert_eq!(answer.err(), code, "{signed}");
        if code.is_some() {
            let later = again(&town, &letter.parcel);
            let answer = town.send::<Receipt>(&member, &later, signed);
            assert_eq!(answer.err(), code, "untimely once is untimely for ever");
        }
    }
}

#[test]
fn a_payment_that_comes_again_is_the_same_payment_whenever_it_comes() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    for mode in [Mode::Hold, Mode::Pay] {
        let bill = town.bill(&shop, 100, town.now);
        let letter = own(&town, &member, payment(&bill, mode), None, town.now);
        let (receipt, head) = town.send::<Receipt>(&member, &letter, town.now).unwrap();
        assert!(head.is_some(), "the signed head travels beside it");
        let (book, records) = (town.book(), town.records());
        for later in [0, MINUTE, HOUR, MONTH, 5 * 365 * 86_400] {
            let at = town.now.after(later);
            let (same, _) = town.send::<Receipt>(&member, &letter, at).unwrap();
            assert_eq!(same, receipt, "the very same bytes, {later} seconds later");
            let resealed = again(&town, &letter.parcel);
            let (same, _) = town.send::<Receipt>(&member, &resealed, at).unwrap();
            assert_eq!(same, receipt, "under a fresh seal");
        }
        assert_eq!((town.book(), town.records()), (book, records));
    }
    town.assert_clean();
}

#[test]
fn a_capture_that_comes_again_delivers_once() {
    let town = Town::new();
    let (member, shop) = (town.member(1000), town.shop());
    let bill = town.bill(&shop, 100, town.now);
    let paid = town
        .pay(&member, &bill, Mode::Hold, town.now)
        .unwrap()
        .payment;
    let sealed = delivery(&shop, &member, "x");
    let body = Capture {
        payment: paid,
        amount: yen(100),
        delivery: tegata_protocol::Digest::of(&sealed),
    };
    let letter = own(&town, &shop, body, Some(sealed), town.now);
    let (first, _) = town.send::<Captured>(&shop, &letter, town.now).unwrap();
    let swapped = Parcel::with(letter.parcel.signed.clone(), b"another delivery".to_vec());
    for later in [0, MINUTE, HOUR, MONTH] {
        let at = town.now.after(later);
        for parcel in [&letter.parcel, &swapped] {
            let repeated = again(&town, parcel);
            let (same, _) = town.send::<Captured>(&shop, &repeated, at).unwrap();
            assert_eq!(same, first);
        }
    }
    assert_eq!(town.collect(&member, 1, town.now).items.len(), 1);
    assert_eq!(town.balance(&shop).balance, 100);
    town.assert_clean();
}

#[test]
fn a_refusal_is_final_even_when_its_reason_is_gone() {
    let town = Town::new();
    let (member, shop) = (town.member(0), town.shop());
    let bill = town.bill(&shop, 700, town.now);
    let letter = own(&town, &member, payment(&bill, Mode::Hold), None, town.now);
    let poor = town.send::<Receipt>(&member, &letter, town.now);
    assert_eq!(poor.unwrap_err(), Code::InsufficientFunds);
    town.fund(&[(&member, 1000)], town.now);
    for later in [0, MINUTE, HOUR, MONTH] {
        let repeated = again(&town, &letter.parcel);
        let answer = town.send::<Receipt>(&member, &repeated, town.now.after(later));
        assert_eq!(
            answer.unwrap_err(),
            Code::InsufficientFunds,
            "after the top-up"
        );
    }
    assert_eq!(town.balance(&member).held, 0);
    town.pay(&member, &bill, Mode::Hold, town.now).unwrap();
    town.assert_clean();
}

#[test]
fn a_request_for_money_that_comes_again_gets_the_same_reference() {
    let town = Town::new();
    let member = town.member(0);
    let body = PrepaidRequest {
        amount: yen(1000),
        funding: Funding::Transfer,
    };
    let letter = own(&town, &member, body, None, town.now);
    let (first, _) = town
        .send::<PaymentReference>(&member, &letter, town.now)
        .unwrap();
    for later in [MINUTE, HOUR, MONTH] {
        let repeated = again(&town, &letter.parcel);
        let at = town.now.after(later);
        assert_eq!(
            town.send::<PaymentReference>(&member, &repeated, at)
                .unwrap()
                .0,
            first
        );
    }
    assert_eq!(town.reader().fundings(None, 10).unwrap().len(), 1);
}

#[test]
fn who_seals_anothers_message_again_can_not_read_the_answer() {
    let town = Town::new();
    let (member, thief, shop) = (town.member(1000), town.member(0), town.shop());
    let bill = town.bill(&shop, 100, town.now);
    let letter = own(&town, &member, payment(&bill, Mode::Hold), None, town.now);
    for known in [false, true] {
        let stolen = again(&town, &letter.parcel);
        let Answered::Reply(reply) = town.accept(&stolen.bytes, town.now) else {
            panic!("no reply");
        };
        let reply = Reply::parse(&reply).unwrap();
        assert!(
            matches!(reply, Reply::Sealed(_)),
            "not under the thief's exported key"
        );
        assert!(reply.open(&stolen.reply_key, &thief.opening).is_err());
        assert!(
            reply.open(&stolen.reply_key, &member.opening).is_ok(),
            "known: {known}"
        );
    }
    let own_reply = town.accept(&letter.bytes, town.now);
    let Answered::Reply(reply) = own_reply else {
        panic!("{own_reply:?}")
    };
    assert!(matches!(Reply::parse(&reply).unwrap(), Reply::Exported(_)));
    assert_eq!(
        town.balance(&member).held,
        100,
        "the member's own consent, once"
    );
}

#[test]
fn a_mailbox_opens_for_its_owner_alone() {
    let town = Town::new();
    let (member, thief) = (town.member(1000), town.member(0));
    let inquiry = own(&town, &member, Collect { after: 0 }, None, town.now);
    let stolen = again(&town, &inquiry.parcel);
    let Answered::Reply(reply) = town.accept(&stolen.bytes, town.now) else {
        panic!("no reply");
    };
    let reply = Reply::parse(&reply).unwrap();
    assert!(reply.open(&stolen.reply_key, &thief.opening).is_err());
    let other = letter(
        &town,
        (member.number, &thief.signing),
        Collect { after: 0 },
        None,
        town.now,
    );
    unreadable(&town, &other.bytes, "another's mailbox");
}

#[test]
fn one_letter_sent_from_everywhere_at_once_is_one_payment() {
    let town = Town::new();
    let (member, shop) = (town.member(10_000), town.shop());
    let bill = town.bill(&shop, 100, town.now);
    let letter = own(&town, &member, payment(&bill, Mode::Hold), None, town.now);
    let receipts: Vec<Receipt> = std::thread::scope(|scope| {
        let sends = |_| {
            let (town, member, letter) = (&town, &member, &letter);
            scope.spawn(move || town.send::<Receipt>(member, letter, town.now).unwrap().0)
        };
        let threads: Vec<_> = (0..32).map(sends).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(receipts.iter().all(|r| *r == receipts[0]));
    assert_eq!(town.balance(&member).held, 100);
    town.assert_clean();
}

#[test]
fn a_bill_sealed_into_another_shops_name_is_not_believed() {
    let town = Town::new();
    let (member, shop, thief) = (town.member(1000), town.shop(), town.shop());
    let mut facts = crate::town::bill_of(shop.number, 9, 100, town.now);
    facts.transaction = txn(10);
    let forged = thief.signing.sign(&facts);
    let body = Payment {
        bill: forged,
        amount: yen(100),
        mode: Mode::Pay,
    };
    let answer = town.ask::<_, Receipt>(&member, body, None, town.now);
    assert_eq!(answer.unwrap_err(), Code::BillInvalid);
}

#[test]
fn an_exported_key_answers_only_the_sealing_that_was_signed_for() {
    let town = Town::new();
    let member = town.member(0);
    let opening = &town.public.keys.opening;
    let envelope = Envelope::to(PartyNumber::CENTRE, opening, &mut rng()).unwrap();
    let id = MessageId::random(&mut rng());
    let mut wrong = message(
        member.number,
        PartyNumber::CENTRE,
        town.now,
        BalanceInquiry {},
    );
    wrong.enc_digest = Some(tegata_protocol::Digest::of(b"another sealing"));
    let parcel = Parcel::new(member.signing.sign(&wrong));
    let (sealed, reply_key) = envelope.seal(&parcel);
    let letter = Letter {
        parcel,
        bytes: sealed.to_bytes(),
        reply_key,
        id,
    };
    let Answered::Reply(reply) = town.accept(&letter.bytes, town.now) else {
        panic!("no reply");
    };
    assert!(matches!(Reply::parse(&reply).unwrap(), Reply::Sealed(_)));
}

/// An item of the outbox as it lies in the database.
#[derive(minicbor::Encode)]
#[cbor(array)]
struct Post {
    #[cbor(n(0), with = "minicbor::bytes")]
    payload: Vec<u8>,
    #[n(1)]
    sealed: Option<tegata_protocol::envelope::Attachment>,
}

#[test]
fn who_writes_the_database_gets_nothing_signed_that_the_centre_never_says() {
    use tegata_protocol::{cbor, payload_of, record::ChainHead};
    let town = Town::new();
    let member = town.member(1000);
    let body = PrepaidRequest {
        amount: yen(1000),
        funding: Funding::Transfer,
    };
    let request = own(&town, &member, body, None, town.now);
    town.send::<PaymentReference>(&member, &request, town.now)
        .unwrap();
    let (hash, time) = (tegata_protocol::Digest::of(b"a book of mine"), town.now);
    let head = ChainHead {
        committer: 0,
        sequence: 1,
        hash,
        time,
    };
    let payload = payload_of(&head);
    let sealed = None;
    let post = cbor::encode(&Post {
        payload: payload.clone(),
        sealed,
    });
    let database = rusqlite::Connection::open(town.data().join("ledger.sqlite")).unwrap();
    let sql = "UPDATE outbox SET bytes = ?1";
    assert_eq!(database.execute(sql, [post]).unwrap(), 1);
    let last = "UPDATE reply SET bytes = ?1 WHERE position = (SELECT max(position) FROM reply)";
    assert_eq!(database.execute(last, [payload]).unwrap(), 1);
    let collect = own(&town, &member, Collect { after: 0 }, None, town.now);
    for letter in [&collect, &request] {
        let answer = town.accept(&letter.bytes, town.now);
        assert!(matches!(answer, Answered::Fault), "{answer:?}");
    }
}
