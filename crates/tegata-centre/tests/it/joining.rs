//! Joining (M1-M3): by letter, at once or later, once; and what stays of a person who leaves.

use tegata_centre::people::{People, PeopleError};
use tegata_protocol::{
    MessageId, PartyNumber, Role, Suite,
    envelope::{Message, Parcel},
    joining::{ActivationCode, Registered},
    record::{PartyRecord, Status},
    refusal::Code,
};

use crate::town::{Folder, Letter, Party, Town, again, details, registration, rng};

fn record(town: &Town, registered: Registered) -> PartyRecord {
    let record = PartyRecord::verify(registered.record, &town.public.keys.register);
    record.unwrap().into_value()
}

#[test]
fn whoever_has_the_letter_is_registered_with_the_keys_that_it_chose() {
    let town = Town::new();
    for role in [Role::Member, Role::Shop, Role::Gate, Role::Sealing] {
        let slip = town.invite(role, town.now);
        let party = Party::new(slip.number);
        let record = record(&town, town.register(&party, &slip, town.now).unwrap());
        assert_eq!((record.number, &record.keys), (party.number, &party.keys()));
        assert_eq!(record.status, Status::Active);
        assert_eq!(record.profile.is_some(), role != Role::Member);
        assert!(
            record.is_active(town.now.before(300)),
            "for clocks that are late"
        );
    }
    town.assert_clean();
}

#[test]
fn the_same_registration_gets_the_same_record_and_another_one_none() {
    let town = Town::new();
    let slip = town.invite(Role::Member, town.now);
    let party = Party::new(slip.number);
    let letter = town.registration(&party, &slip, town.now);
    let (first, _) = town.send::<Registered>(&party, &letter, town.now).unwrap();
    for later in [60, 3600, 30 * 86_400] {
        let repeated = again(&town, &letter.parcel);
        let at = town.now.after(later);
        assert_eq!(
            town.send::<Registered>(&party, &repeated, at).unwrap().0,
            first
        );
    }
    let thief = Party::new(slip.number);
    assert_eq!(
        town.register(&thief, &slip, town.now).unwrap_err(),
        Code::AlreadyRegistered
    );
    assert_eq!(record(&town, first).keys, party.keys());
    town.assert_clean();
}

#[test]
fn of_two_who_race_with_one_letter_one_is_registered() {
    let town = Town::new();
    for _ in 0..5 {
        let slip = town.invite(Role::Shop, town.now);
        let racers = [Party::new(slip.number), Party::new(slip.number)];
        let letters = racers
            .each_ref()
            .map(|p| town.registration(p, &slip, town.now));
        let results = std::thread::scope(|scope| {
            let sends = |i: usize| {
                let (town, party, letter) = (&town, &racers[i], &letters[i]);
                scope.spawn(move || town.send::<Registered>(party, letter, town.now))
            };
            [sends(0), sends(1)].map(|t| t.join().unwrap())
        });
        let refused = results.iter().filter_map(|r| r.as_ref().err());
        assert_eq!(refused.collect::<Vec<_>>(), [&Code::AlreadyRegistered]);
    }
    town.assert_clean();
}

#[test]
fn a_code_is_of_no_use_for_another_number() {
    let town = Town::new();
    let (mine, yours) = (
        town.invite(Role::Member, town.now),
        town.invite(Role::Member, town.now),
    );
    let mut slip = yours;
    slip.code = mine.code.reveal().parse().unwrap();
    let party = Party::new(slip.number);
    assert_eq!(
        town.register(&party, &slip, town.now).unwrap_err(),
        Code::ActivationRefused
    );
    let nobody = PartyNumber::new(Role::Member, 1).unwrap();
    slip.number = nobody;
    let party = Party::new(nobody);
    assert_eq!(
        town.register(&party, &slip, town.now).unwrap_err(),
        Code::ActivationRefused
    );
}

#[test]
fn guesses_leave_no_trace_and_lock_nobody_out() {
    let town = Town::new();
    let slip = town.invite(Role::Member, town.now);
    let records = town.records();
    for _ in 0..20 {
        let mut guess = town.invite(Role::Member, town.now);
        guess.number = slip.number;
        guess.code = ActivationCode::random(&mut rng());
        let party = Party::new(slip.number);
        let answer = town.register(&party, &guess, town.now);
        assert_eq!(answer.unwrap_err(), Code::ActivationRefused);
    }
    assert_eq!(town.records(), records);
    town.register(&Party::new(slip.number), &slip, town.now)
        .unwrap();
}

/// Signed offline: not for one sealing, and good until a day of its own.
fn deferred(
    town: &Town,
    party: &Party,
    slip: &tegata_protocol::joining::Slip,
    days: u64,
) -> Letter {
    let id = MessageId::random(&mut rng());
    let (body, details) = party.registration(slip, id);
    let signed = party.signing.sign(&Message {
        from: party.number,
        to: PartyNumber::CENTRE,
        id,
        time: town.now,
        not_after: Some(town.now.after(days * 86_400)),
        enc_digest: None,
        answers: None,
        body,
    });
    again(town, &Parcel::with(signed, details))
}

#[test]
fn a_registration_signed_offline_counts_until_its_own_last_day() {
    let town = Town::new();
    let slip = town.invite(Role::Member, town.now);
    let party = Party::new(slip.number);
    let letter = deferred(&town, &party, &slip, 30);
    let late = town.now.after(30 * 86_400);
    town.send::<Registered>(&party, &letter, late).unwrap();
    let slip = town.invite(Role::Member, town.now);
    let party = Party::new(slip.number);
    let letter = deferred(&town, &party, &slip, 30);
    let answer = town.send::<Registered>(&party, &letter, late.after(1));
    assert_eq!(answer.unwrap_err(), Code::Untimely);
    town.assert_clean();
}

#[test]
fn details_are_kept_sealed_and_erased_for_good_while_the_book_stays_whole() {
    let town = Town::new();
    let member = town.member(1000);
    let people = People::open(&town.data()).unwrap();
    assert_eq!(people.person(member.number).unwrap().details, details());
    for (name, bytes) in files(&town) {
        let found = ["Kirishima", "Kaede-machi", "kirishima.example"]
            .into_iter()
            .find(|word| contains(&bytes, word.as_bytes()));
        assert_eq!(found, None, "in clear in {name}");
    }
    let keys = rusqlite::Connection::open(town.data().join("people-keys.sqlite")).unwrap();
    let all = |sql| -> Vec<Vec<u8>> {
        let mut query = keys.prepare(sql).unwrap();
        let rows = query.query_map([], |r| r.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut doomed = all("SELECT key FROM person_key");
    doomed.extend(all("SELECT key FROM application_key"));
    assert_eq!(doomed.len(), 2);
    drop(keys);
    assert!(people.erase(member.number).unwrap());
    assert!(matches!(
        people.person(member.number),
        Err(PeopleError::Erased(_))
    ));
    assert!(matches!(people.details(1), Err(PeopleError::Erased(_))));
    assert!(
        !people.erase(member.number).unwrap(),
        "nothing is left to erase"
    );
    for (name, bytes) in files(&town) {
        assert!(
            !doomed.iter().any(|key| contains(&bytes, key)),
            "a key survives in {name}"
        );
    }
    town.assert_clean();
    assert_eq!(
        town.balance(&member).balance,
        1000,
        "the money is still the member's"
    );
}

#[test]
fn erased_details_do_not_come_back_with_an_old_registration() {
    let town = Town::new();
    let slip = town.invite(Role::Member, town.now);
    let party = Party::new(slip.number);
    let letter = town.registration(&party, &slip, town.now);
    town.send::<Registered>(&party, &letter, town.now).unwrap();
    let people = People::open(&town.data()).unwrap();
    people.erase(party.number).unwrap();
    town.send::<Registered>(&party, &again(&town, &letter.parcel), town.now)
        .unwrap();
    assert!(matches!(
        people.person(party.number),
        Err(PeopleError::Erased(_))
    ));
}

#[test]
fn details_lost_in_a_crash_come_back_with_a_repetition_and_only_the_signed_ones() {
    let town = Town::new();
    let slip = town.invite(Role::Member, town.now);
    let party = Party::new(slip.number);
    let letter = town.registration(&party, &slip, town.now);
    town.send::<Registered>(&party, &letter, town.now).unwrap();
    let lose = || {
        let people = rusqlite::Connection::open(town.data().join("people.sqlite")).unwrap();
        people.execute("DELETE FROM person", []).unwrap();
    };
    lose();
    let others = Parcel::with(
        letter.parcel.signed.clone(),
        crate::town::salted().to_bytes(),
    );
    town.send::<Registered>(&party, &again(&town, &others), town.now)
        .unwrap();
    let people = People::open(&town.data()).unwrap();
    assert!(
        people.person(party.number).is_err(),
        "not what was signed for"
    );
    town.send::<Registered>(&party, &again(&town, &letter.parcel), town.now)
        .unwrap();
    assert_eq!(people.person(party.number).unwrap().details, details());
}

#[test]
fn an_erased_applications_number_is_not_given_to_the_next() {
    let folder = Folder::new();
    let at = tegata_protocol::Time::from_secs(1000);
    let slip = folder.invite(Role::Member, at);
    let people = People::open(&folder.data()).unwrap();
    assert!(
        people.erase(slip.number).unwrap(),
        "granted, not registered"
    );
    let next = people.apply(Role::Shop, &details(), at).unwrap();
    assert_eq!(next, 2);
    assert_eq!(people.details(next).unwrap(), details());
}

#[test]
fn an_application_is_granted_once_however_many_try() {
    let folder = Folder::new();
    let at = tegata_protocol::Time::from_secs(1000);
    let terms = tegata_protocol::Digest::of(b"terms");
    for _ in 0..5 {
        let people = [(); 4].map(|()| People::open(&folder.data()).unwrap());
        let id = people[0].apply(Role::Member, &details(), at).unwrap();
        let results = std::thread::scope(|scope| {
            let grants = |p| scope.spawn(move || People::grant(p, id, terms, (at, at)));
            people.each_ref().map(grants).map(|t| t.join().unwrap())
        });
        let granted = results.iter().filter(|r| r.is_ok()).count();
        assert_eq!(granted, 1, "{results:?}");
        let refused = |r: &Result<_, PeopleError>| matches!(r, Err(PeopleError::NotWaiting(_)));
        assert_eq!(
            results.iter().filter(|r| refused(r)).count(),
            3,
            "{results:?}"
        );
    }
}

fn files(folder: &Folder) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder.data())
        .unwrap()
        .map(Result::unwrap);
    let plain = entries.filter(|e| e.file_type().unwrap().is_file());
    let read = |e: std::fs::DirEntry| {
        let name = e.file_name().to_string_lossy().into_owned();
        (name, std::fs::read(e.path()).unwrap())
    };
    plain.map(read).collect()
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_party_can_not_register_the_centres_number() {
    let town = Town::new();
    let mut slip = town.invite(Role::Member, town.now);
    for number in [PartyNumber::CENTRE, town.operator().0] {
        slip.number = number;
        let mut party = Party::new(number);
        party.opening = tegata_protocol::OpeningKey::generate(Suite::Standard, &mut rng()).0;
        let letter = registration(&town, &party, &slip, town.now);
        let answer = town.send::<Registered>(&party, &letter, town.now);
        assert_eq!(answer.unwrap_err(), Code::ActivationRefused);
    }
}
