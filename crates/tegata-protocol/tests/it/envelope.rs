use tegata_protocol::{
    MessageId, PartyNumber, Unverified,
    envelope::{Envelope, Message, Parcel, Reply, Sealed},
    payment::Collect,
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
