use tegata_protocol::{
    Malformed, MessageId, PartyNumber, SignedBytes, Unverified,
    envelope::{Body, Envelope, Message, Parcel, Reply, SEALED_LIMIT, Sealed},
    payment::{Collect, Item, Mailbox},
};

use crate::town;

fn collect() -> (Sealed, tegata_protocol::ReplyKey) {
    let mut rng = town::rng();
    let centre = town::opening(5);
    let envelope = Envelope::to(PartyNumber::CENTRE, centre.sealing_key(), &mut rng).unwrap();
    let id = MessageId::random(&mut rng);
    let signed = envelope.sign(
        &town::signing(1),
        town::member(),
        id,
        town::NOW,
        Collect { after: 3 },
    );
    envelope.seal(&Parcel::with(signed, b"beside".to_vec()))
}

#[test]
fn there_and_back() {
    let (sealed, member_reply) = collect();
    let wire = Sealed::parse(&sealed.to_bytes()).unwrap();
    let (parcel, centre_reply) = wire.open(&town::opening(5)).unwrap();
    assert_eq!(parcel.attached(), Some(&b"beside"[..]));
    let message = Unverified::<Message<Collect>>::parse(parcel.signed).unwrap();
    let message = message.verify(&town::signing(1).verifying_key()).unwrap();
    assert_eq!(message.body.after, 3);
    assert_eq!(message.enc_digest, Some(centre_reply.enc_digest()));

    let answer = Parcel::new(town::signing(6).sign(&*message));
    let reply = Reply::exported(&centre_reply, &answer, &mut town::rng());
    let reply = Reply::parse(&reply.to_bytes()).unwrap();
    assert_eq!(
        reply.open(&member_reply, &town::opening(3)).unwrap(),
        answer
    );
    let (_, stranger) = collect();
    assert!(reply.open(&stranger, &town::opening(3)).is_err());
}

#[test]
fn no_changed_byte_opens() {
    let (sealed, _) = collect();
    let bytes = sealed.to_bytes();
    for i in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[i] ^= 1;
        let opened = Sealed::parse(&changed).is_ok_and(|s| s.open(&town::opening(5)).is_ok());
        assert!(!opened, "byte {i}");
    }
    assert!(sealed.open(&town::opening(6)).is_err());
}

fn plain<B: Body>(body: B) -> Message<B> {
    Message {
        from: PartyNumber::CENTRE,
        to: town::member(),
        id: MessageId::from_bytes([9; 16]),
        time: town::NOW,
        not_after: None,
        enc_digest: None,
        answers: None,
        body,
    }
}

/// Otherwise a stolen instruction could be made to count for years.
#[test]
fn only_a_registration_can_be_deferred() {
    let mut message = plain(Collect { after: 0 });
    message.not_after = Some(town::NOW.after(86_400));
    let parsed = Unverified::<Message<Collect>>::parse(town::signing(1).sign(&message));
    let field = parsed.unwrap_err();
    assert!(
        matches!(
            field,
            Malformed::Field {
                field: "not_after",
                ..
            }
        ),
        "{field}"
    );
}

/// A page of the mailbox, asked for once more in a new seal, is longer than any message.
#[test]
fn a_long_reply_opens_in_both_forms() {
    let item = |number| Item {
        number,
        signed: SignedBytes::new(vec![7; 4000]),
        sealed: None,
    };
    let page = plain(Mailbox {
        items: (1..=40).map(item).collect(),
        more: true,
    });
    let parcel = Parcel::new(town::signing(6).sign(&page));
    let member = town::opening(3);
    let sealed = Sealed::seal(
        town::member(),
        member.sealing_key(),
        &parcel,
        &mut town::rng(),
    );
    let wire = Reply::Sealed(sealed.unwrap()).to_bytes();
    assert!(wire.len() > SEALED_LIMIT);
    let (_, reply_key) = collect();
    let reply = Reply::parse(&wire).unwrap();
    assert_eq!(reply.open(&reply_key, &member).unwrap(), parcel);
    let wire = Reply::exported(&reply_key, &parcel, &mut town::rng()).to_bytes();
    let reply = Reply::parse(&wire).unwrap();
    assert_eq!(reply.open(&reply_key, &member).unwrap(), parcel);
}
