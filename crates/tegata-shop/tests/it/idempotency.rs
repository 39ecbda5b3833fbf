//! A message sent twice has the effect and the reply of once (T4), for ever.

use tegata_party::client::{Client, Prepared};
use tegata_protocol::envelope::Reply;
use tegata_protocol::purchase::{Offer, Wish};
use tegata_protocol::refusal::Code;
use tegata_protocol::{MessageId, SignedBytes};

use crate::centre::rng;
use crate::town::{Member, Open, Town, catalogue, seats};

fn reply(member: &Member, open: &Open, prepared: &Prepared) -> SignedBytes {
    match member.send(open, prepared).unwrap() {
        tegata_party::client::Answer::Accepted { reply, .. } => reply.signed().clone(),
        tegata_party::client::Answer::Refused(refusal) => refusal.signed().clone(),
    }
}

#[test]
fn the_same_bytes_get_the_same_reply_at_any_time() {
    let town = Town::new(&catalogue(9));
    let (open, member) = (town.open(), town.member());
    let prepared = member.prepare(&open, Wish::Reservation(seats(2)));
    let first = reply(&member, &open, &prepared);
    assert_eq!(reply(&member, &open, &prepared), first);
    for seconds in [60, 3600, 31 * 86_400, 400 * 86_400] {
        town.time.pass(seconds);
        assert_eq!(reply(&member, &open, &prepared), first, "after {seconds} s");
    }
    assert_eq!(open.left(7), 7);
}

#[test]
fn under_a_fresh_seal_the_reply_is_sealed_to_the_members_own_key() {
    let town = Town::new(&catalogue(9));
    let (open, member) = (town.open(), town.member());
    let prepared = member.prepare(&open, Wish::Reservation(seats(2)));
    let first = reply(&member, &open, &prepared);
    let parcel = prepared.parcel().clone();
    let again = Prepared::again(&open.callee(), parcel, &mut rng()).unwrap();
    assert_eq!(reply(&member, &open, &again), first);
    let url = format!("{}/v1/message", open.address);
    let ask = |bytes| {
        let bytes = ureq::post(&url)
            .send(bytes)
            .unwrap()
            .body_mut()
            .read_to_vec()
            .unwrap();
        Reply::parse(&bytes).unwrap()
    };
    assert!(matches!(ask(prepared.to_bytes()), Reply::Exported(_)));
    // Whoever holds the signed bytes alone gets nothing that they could open.
    assert!(matches!(ask(again.to_bytes()), Reply::Sealed(_)));
    assert_eq!(open.left(7), 7);
}

#[test]
fn the_same_id_with_other_bytes_is_refused_and_changes_nothing() {
    let town = Town::new(&catalogue(9));
    let (open, member) = (town.open(), town.member());
    let id = MessageId::random(&mut rng());
    let first = member.prepare_as(&open, id, Wish::Reservation(seats(2)));
    let reply_to_first = reply(&member, &open, &first);
    let second = member.prepare_as(&open, id, Wish::Reservation(seats(1)));
    let refused = member.send(&open, &second).unwrap().accepted().unwrap_err();
    assert_eq!(refused.code, Code::IdReused);
    assert_eq!(reply(&member, &open, &first), reply_to_first);
    assert_eq!(open.left(7), 7);
    // The id is the sender's own: another member may use it.
    let other = town.member();
    let theirs = other.prepare_as(&open, id, Wish::Reservation(seats(1)));
    other.send(&open, &theirs).unwrap().accepted().unwrap();
}

#[test]
fn a_refusal_is_final_for_its_message_and_only_for_it() {
    let town = Town::new(&catalogue(1));
    let (open, member, late) = (town.open(), town.member(), town.member());
    member.buy(&open, seats(1));
    let prepared = late.prepare(&open, Wish::Reservation(seats(1)));
    let refusal = reply(&late, &open, &prepared);
    town.time.pass(1000);
    open.fulfilment.round().unwrap();
    assert_eq!(open.left(7), 1);
    assert_eq!(reply(&late, &open, &prepared), refusal);
    assert_eq!(open.left(7), 1);
    late.buy(&open, seats(1));
}

#[test]
fn an_untimely_refusal_is_final_too() {
    let town = Town::new(&catalogue(1));
    let (open, member) = (town.open(), town.member());
    let prepared = member.prepare(&open, Wish::Reservation(seats(1)));
    town.time.pass(301);
    let refusal = reply(&member, &open, &prepared);
    let back = tegata_protocol::Time::from_secs(town.time.now().secs() - 300);
    town.time.set(back);
    assert_eq!(reply(&member, &open, &prepared), refusal);
    assert_eq!(open.left(7), 1);
}

#[test]
fn replies_survive_a_restart() {
    let town = Town::new(&catalogue(9));
    let (open, member) = (town.open(), town.member());
    let prepared = member.prepare(&open, Wish::Reservation(seats(2)));
    let first = reply(&member, &open, &prepared);
    open.kill();
    let open = town.open();
    assert_eq!(reply(&member, &open, &prepared), first);
    assert_eq!(open.left(7), 7);
}

#[test]
fn a_message_sent_fifty_times_at_once_holds_once() {
    let town = Town::new(&catalogue(9));
    let (open, member) = (town.open(), town.member());
    let prepared = member.prepare(&open, Wish::Reservation(seats(1)));
    let replies: Vec<_> = std::thread::scope(|scope| {
        let send = |_| scope.spawn(|| reply(&member, &open, &prepared));
        let senders: Vec<_> = (0..50).map(send).collect();
        senders
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .collect()
    });
    assert!(replies.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(open.left(7), 8);
    let offer: Result<tegata_party::client::Answer<Offer>, _> =
        Client::default().call(member.caller(), &open.callee(), &prepared);
    offer.unwrap().accepted().unwrap();
}
