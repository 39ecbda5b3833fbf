//! Joining (M2, M3), across broken connections.

use tegata_party::client::Client;
use tegata_party::identity::{Centre, Identity, Registered};
use tegata_party::joining::{JoinError, Joining, Kind};
use tegata_party::keys::KeyFile;
use tegata_protocol::joining::Slip;
use tegata_protocol::refusal::Code;
use tegata_protocol::{PartyNumber, Role};

use crate::centre::Mood;
use crate::town::{Town, contains};

fn join(town: &Town, slip: &Slip) -> Result<Registered, JoinError> {
    town.join_from(&town.dir(), slip)
}

#[test]
fn a_service_joins_once_and_keeps_no_personal_details() {
    let town = Town::new();
    let slip = town.centre.slip(Town::number());
    let first = join(&town, &slip).unwrap();
    assert_eq!(
        (first.number(), first.name()),
        (Town::number(), "Key Handler")
    );
    assert_eq!(first.record.keys, first.keys.public());
    assert!(!contains(town.folder.path(), b"Sendai"));
    let again = join(&town, &slip).unwrap();
    assert_eq!(again.record.signed(), first.record.signed());
    assert_eq!(town.centre.registrations(), 1);
}

/// A clock that is a day behind stands before the certificates' beginning, an hour ago.
#[test]
fn a_clock_that_is_behind_is_named_with_both_times() {
    let town = Town::new();
    let slip = town.centre.slip(Town::number());
    let (dir, application) = (town.dir(), Town::application());
    let joining = Joining {
        dir: &dir,
        kind: Kind::SEALING,
        slip: &slip,
        application: &application,
    };
    let (now, from) = (town.time.now().before(86_400), town.time.now().before(3600));
    let keys = || KeyFile::open_or_make(&dir);
    let behind = joining.join(&Client::default(), keys, now).unwrap_err();
    let text = behind.into_failure().to_string();
    for part in [
        &now.to_string(),
        &from.to_string(),
        "once the clock is right",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(town.centre.registrations(), 0);
    // Once it has joined, the certificates that it keeps say the same while the centre is away.
    let joined = join(&town, &slip).unwrap();
    town.centre.mood(Mood::Away);
    let client = Client::default();
    let found = |at| Centre::find(&dir, &client, &joined.identity, None, at);
    let text = found(now).unwrap_err().into_failure().to_string();
    assert!(text.contains("once the clock is right"), "{text}");
    found(town.time.now()).unwrap();
}

#[test]
fn after_a_break_the_same_registration_is_sent_again() {
    let town = Town::new();
    let slip = town.centre.slip(Town::number());
    town.centre.mood(Mood::Mute);
    join(&town, &slip).unwrap_err();
    assert!(contains(town.folder.path(), b"Sendai"), "it waits");
    town.centre.mood(Mood::Well);
    // The register has it already: other bytes would be refused as registered already.
    join(&town, &slip).unwrap();
    assert_eq!(town.centre.registrations(), 2);
    assert!(!contains(town.folder.path(), b"Sendai"));
}

#[test]
fn a_refusal_is_told_and_leaves_nothing_behind() {
    let town = Town::new();
    let slip = town.centre.slip(Town::number());
    join(&town, &slip).unwrap();
    let thief = tempfile::tempdir().unwrap();
    let dir = tegata_cli::data::DataDir::open(thief.path(), tegata_sealing::cli::PARTY);
    match town.join_from(&dir.unwrap(), &slip) {
        Err(JoinError::Refused(refusal)) => assert_eq!(refusal.code, Code::AlreadyRegistered),
        other => panic!("{other:?}"),
    }
    assert!(!contains(thief.path(), b"Sendai"));
}

#[test]
fn letters_for_others_and_false_centres_are_refused() {
    let town = Town::new();
    let shop = town.centre.slip(PartyNumber::new(Role::Shop, 1).unwrap());
    let error = join(&town, &shop).unwrap_err();
    assert!(matches!(error, JoinError::OtherRole { .. }), "{error}");
    let mut slip = town.centre.slip(Town::number());
    slip.root = tegata_protocol::SigningKey::from_seed(&[1; 32]).verifying_key();
    let error = join(&town, &slip).unwrap_err();
    assert!(matches!(error, JoinError::Certificates(_)), "{error}");
    assert_eq!(town.centre.registrations(), 0);
}

#[test]
fn a_service_opens_while_the_centre_is_away() {
    let town = Town::new();
    join(&town, &town.centre.slip(Town::number())).unwrap();
    town.centre.mood(Mood::Away);
    let (dir, client) = (town.dir(), Client::default());
    let identity = Identity::read(&dir).unwrap().unwrap();
    let centre = Centre::find(&dir, &client, &identity, None, town.time.now()).unwrap();
    Town::registered(&dir, &centre);
}
