//! Asking for one's own record with nothing left but the keys (M5).

use tegata_centre::{Answered, Centre};
use tegata_protocol::{
    PartyNumber, Role, SigningKey,
    envelope::Reply,
    joining::{RecordInquiry, Registered},
    record::PartyRecord,
    refusal::Code,
};

use crate::town::{Letter, Party, Town, again, letter};

/// The same party after it lost everything but its keys, its number included.
fn bereft(party: Party) -> Party {
    Party {
        number: PartyNumber::NOBODY,
        ..party
    }
}

/// An inquiry about `about`'s record, signed by `by`.
fn inquiry(town: &Town, from: PartyNumber, about: &SigningKey, by: &SigningKey) -> Letter {
    let key = about.verifying_key();
    letter(town, (from, by), RecordInquiry { key }, None, town.now)
}

fn own_inquiry(town: &Town, party: &Party) -> Letter {
    inquiry(town, PartyNumber::NOBODY, &party.signing, &party.signing)
}

fn unreadable(town: &Town, letter: &Letter, what: &str) {
    let answer = town.accept(&letter.bytes, town.now);
    assert!(matches!(answer, Answered::Unreadable), "{what}: {answer:?}");
}

#[test]
fn whoever_has_the_key_gets_its_record_and_leaves_no_trace() {
    let town = Town::new();
    let (first, second, shop) = (town.member(0), town.member(0), town.shop());
    let records = town.records();
    for party in [first, second, shop] {
        let number = party.number;
        let party = bereft(party);
        let letter = own_inquiry(&town, &party);
        let (reply, _) = town.send::<Registered>(&party, &letter, town.now).unwrap();
        let record = PartyRecord::verify(reply.record, &town.public.keys.register).unwrap();
        assert_eq!((record.number, &record.keys), (number, &party.keys()));
    }
    assert_eq!(town.records(), records);
    // Who joins after the first question is found as well.
    let late = town.join(Role::Gate);
    let number = late.number;
    let late = bereft(late);
    let letter = own_inquiry(&town, &late);
    let (reply, _) = town.send::<Registered>(&late, &letter, town.now).unwrap();
    let record = PartyRecord::verify(reply.record, &town.public.keys.register).unwrap();
    assert_eq!(record.number, number);
    town.assert_clean();
}

#[test]
fn a_centre_that_has_just_started_finds_everybody() {
    let town = Town::new();
    let member = town.member(0);
    let number = member.number;
    let Town {
        folder,
        centre,
        now,
    } = town;
    drop(centre);
    let centre = Centre::open(&folder.dir(), now).unwrap();
    let town = Town {
        folder,
        centre,
        now,
    };
    let member = bereft(member);
    let letter = own_inquiry(&town, &member);
    let (reply, _) = town.send::<Registered>(&member, &letter, now).unwrap();
    let record = PartyRecord::verify(reply.record, &town.public.keys.register).unwrap();
    assert_eq!(record.number, number);
}

#[test]
fn nobody_learns_about_a_key_that_is_not_theirs() {
    let town = Town::new();
    let (member, stranger) = (town.member(0), Party::new(PartyNumber::NOBODY));
    let nobody = PartyNumber::NOBODY;
    let signing = |party: &'static str, key: &SigningKey, by: &SigningKey| {
        unreadable(&town, &inquiry(&town, nobody, key, by), party);
    };
    signing("a key in no record", &stranger.signing, &stranger.signing);
    signing("another's key", &member.signing, &stranger.signing);
    signing("by another key", &stranger.signing, &member.signing);
    let spending = member.spending_key();
    signing("a key that isn't for signing", spending, spending);
    let numbered = inquiry(&town, member.number, &member.signing, &member.signing);
    unreadable(&town, &numbered, "from a number");
    // The signed bytes in a thief's hands: the answer is sealed to the owner alone.
    let stolen = again(&town, &own_inquiry(&town, &member).parcel);
    let Answered::Reply(reply) = town.accept(&stolen.bytes, town.now) else {
        panic!("no reply");
    };
    let reply = Reply::parse(&reply).unwrap();
    assert!(reply.open(&stolen.reply_key, &stranger.opening).is_err());
    assert!(reply.open(&stolen.reply_key, &member.opening).is_ok());
}

#[test]
fn it_is_refused_when_late_and_when_the_record_has_ended() {
    let town = Town::new();
    let member = bereft(town.member(0));
    let letter = own_inquiry(&town, &member);
    let late = town.now.after(301);
    let answer = town.send::<Registered>(&member, &letter, late);
    assert_eq!(answer.unwrap_err(), Code::Untimely);
    let end = town.joined().after(10 * 365 * 86_400);
    let key = member.signing.verifying_key();
    let body = RecordInquiry { key };
    let letter = letter_at(&town, &member, body, end);
    let answer = town.send::<Registered>(&member, &letter, end);
    assert_eq!(answer.unwrap_err(), Code::NotActive);
}

fn letter_at(town: &Town, party: &Party, body: RecordInquiry, at: tegata_protocol::Time) -> Letter {
    letter(town, (party.number, &party.signing), body, None, at)
}
