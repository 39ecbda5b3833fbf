//! Joining (M2, M3), across broken connections.

use tegata_cli::data::DataDir;
use tegata_cli::exit::Exit;
use tegata_keystore::vault::{Cost, Layer, Master, Password, Passwords, VaultError};
use tegata_party::client::{CallError, Client};
use tegata_party::identity::{Centre, Identity, Registered};
use tegata_party::joining::{self, Application, JoinError, Joining, Kind};
use tegata_party::keys::KeysError;
use tegata_protocol::joining::{Registration, Slip};
use tegata_protocol::refusal::Code;
use tegata_protocol::{PartyNumber, Role};

use crate::centre::Mood;
use tegata_shop::vault::Vault;

use crate::town::{A, B, Town, b, catalogue, contains, vault};

fn join(town: &Town, slip: &Slip) -> Result<Registered, JoinError> {
    town.join_from(&town.dir(), slip, &Town::application())
}

#[test]
fn a_shop_joins_once_and_keeps_no_personal_details() {
    let town = Town::new(&catalogue(1));
    let slip = town.centre.slip(Town::number());
    let first = join(&town, &slip).unwrap();
    assert_eq!(first.number(), Town::number());
    assert_eq!(first.name(), "Hanamizuki Books");
    assert_eq!(
        first.record.keys.signing,
        first.keys.signing().verifying_key()
    );
    assert!(!contains(town.folder.path(), b"Sendai"));
    let again = join(&town, &slip).unwrap();
    assert_eq!(again.record.signed(), first.record.signed());
    assert_eq!(town.centre.calls::<Registration>(), 1);
}

/// A clock that is a day behind stands before the certificates' beginning, an hour ago.
#[test]
fn a_clock_that_is_behind_is_named_with_both_times() {
    let town = Town::new(&catalogue(1));
    let slip = town.centre.slip(Town::number());
    let (dir, application) = (town.dir(), Town::application());
    let joining = Joining {
        dir: &dir,
        kind: Kind::SHOP,
        slip: &slip,
        application: &application,
    };
    let (now, from) = (town.time.now().before(86_400), town.time.now().before(3600));
    let keys = || vault(&dir).keys(&b());
    let behind = joining.join(&Client::default(), keys, now).unwrap_err();
    assert!(matches!(behind, JoinError::Certificates(_)), "{behind}");
    let text = behind.into_failure().to_string();
    for part in [
        &now.to_string(),
        &from.to_string(),
        "once the clock is right",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(town.centre.calls::<Registration>(), 0);
    join(&town, &slip).unwrap();
}

/// Where nothing was signed, nobody reads that something counts once.
#[test]
fn only_what_was_signed_and_kept_is_said_to_count_once() {
    let town = Town::new(&catalogue(1));
    let slip = town.centre.slip(Town::number());
    let next = |mood| {
        town.centre.mood(mood);
        let failure = join(&town, &slip).unwrap_err().into_failure();
        assert_eq!(failure.exit(), Exit::Unreachable);
        failure.to_string()
    };
    let unsigned = next(Mood::Away);
    assert!(
        unsigned.contains("run the same command again later"),
        "{unsigned}"
    );
    assert!(!unsigned.contains("counts once"), "{unsigned}");
    assert!(!contains(town.folder.path(), b"Sendai"), "nothing waits");
    let signed = next(Mood::Mute);
    assert!(
        signed.contains("what was signed is kept, and counts once"),
        "{signed}"
    );
    assert!(contains(town.folder.path(), b"Sendai"), "it waits");
}

#[test]
fn after_a_break_the_same_registration_is_sent_again() {
    let town = Town::new(&catalogue(1));
    let slip = town.centre.slip(Town::number());
    town.centre.mood(Mood::Mute);
    let broken = join(&town, &slip).unwrap_err();
    assert!(
        matches!(broken, JoinError::Unanswered(CallError::Fault { .. })),
        "{broken}"
    );
    assert!(
        contains(town.folder.path(), b"Sendai"),
        "it waits to be sent again"
    );
    town.centre.mood(Mood::Well);
    // The register has it already: other bytes would be refused as registered already.
    join(&town, &slip).unwrap();
    assert_eq!(town.centre.calls::<Registration>(), 2);
    assert!(!contains(town.folder.path(), b"Sendai"));
}

#[test]
fn a_registration_that_waited_too_long_is_signed_anew() {
    let town = Town::new(&catalogue(1));
    let slip = town.centre.slip(Town::number());
    town.centre.mood(Mood::Deaf);
    join(&town, &slip).unwrap_err();
    town.centre.mood(Mood::Well);
    town.time.pass(3600);
    join(&town, &slip).unwrap();
    assert_eq!(town.centre.calls::<Registration>(), 2);
}

#[test]
fn a_refusal_is_told_and_leaves_nothing_behind() {
    let town = Town::new(&catalogue(1));
    let slip = town.centre.slip(Town::number());
    join(&town, &slip).unwrap();
    let thief = Town::new(&catalogue(1));
    match town.join_from(&thief.dir(), &slip, &Town::application()) {
        Err(JoinError::Refused(refusal)) => assert_eq!(refusal.code, Code::AlreadyRegistered),
        other => panic!("{other:?}"),
    }
    assert!(!contains(thief.folder.path(), b"Sendai"));
}

#[test]
fn a_second_joining_changes_nothing_and_says_so() {
    let town = Town::new(&catalogue(1));
    let slip = town.centre.slip(Town::number());
    let join = |application: Application| town.join_from(&town.dir(), &slip, &application);
    let own = Town::application();
    let bare = Application {
        address: "books.example:7402".to_owned(),
        ..own.clone()
    };
    let error = join(bare).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("write http://books.example:7402")
    );
    join(own.clone()).unwrap();
    join(own.clone()).unwrap();
    let moved = Application {
        address: "https://elsewhere.example".to_owned(),
        ..own
    };
    let error = join(moved).unwrap_err();
    assert!(matches!(error, JoinError::Joined { .. }), "{error}");
    assert_eq!(town.centre.calls::<Registration>(), 1);
}

#[test]
fn letters_for_others_are_refused() {
    let town = Town::new(&catalogue(1));
    let member = town.centre.slip(PartyNumber::new(Role::Member, 1).unwrap());
    assert!(matches!(
        join(&town, &member),
        Err(JoinError::OtherRole { .. })
    ));
    join(&town, &town.centre.slip(Town::number())).unwrap();
    let other = town.centre.slip(PartyNumber::new(Role::Shop, 78).unwrap());
    assert!(matches!(
        join(&town, &other),
        Err(JoinError::OtherNumber { .. })
    ));
}

#[test]
fn a_false_centre_isnt_believed() {
    let town = Town::new(&catalogue(1));
    let mut slip = town.centre.slip(Town::number());
    slip.root = tegata_protocol::SigningKey::from_seed(&[1; 32]).verifying_key();
    let error = join(&town, &slip).unwrap_err();
    assert!(matches!(error, JoinError::Certificates(_)), "{error}");
    assert_eq!(town.centre.calls::<Registration>(), 0);
}

#[test]
fn a_shop_opens_while_the_centre_is_away_and_with_its_passwords_only() {
    let town = Town::new(&catalogue(1));
    let (dir, now, client) = (town.dir(), town.time.now(), Client::default());
    join(&town, &town.centre.slip(Town::number())).unwrap();
    town.centre.mood(Mood::Away);
    let identity = Identity::read(&dir).unwrap().unwrap();
    let centre = Centre::find(&dir, &client, &identity, None, now).unwrap();
    let registers = [centre.keys.register];
    let open = |a: &str, b: &str| {
        let keys = || Vault::reading(&dir, &Password::typed(a))?.keys(&Password::typed(b));
        joining::open(&dir, Kind::SHOP, &registers, keys)
    };
    for (a, b, layer) in [(B, B, Layer::A), (A, A, Layer::B)] {
        let error = open(a, b).unwrap_err();
        let JoinError::Keys(KeysError::Vault(VaultError::WrongPassword { layer: found })) = error
        else {
            panic!("{error}");
        };
        assert_eq!(found, layer);
    }
    open(A, B).unwrap();
}

#[test]
fn a_shops_keys_grow_from_its_words() {
    let (town, other) = (Town::new(&catalogue(1)), tempfile::tempdir().unwrap());
    let first = join(&town, &town.centre.slip(Town::number())).unwrap();
    let words = vault(&town.dir()).words(&b()).unwrap();
    let dir = DataDir::open(other.path(), tegata_shop::cli::PARTY).unwrap();
    let master = Master::from_words(words.as_phrase()).unwrap();
    let passwords = Passwords::one(b()).unwrap();
    let cheap = Cost::new(8, 1, 1).unwrap();
    let again = Vault::create(&dir, master, &passwords, cheap).unwrap();
    let keys = again.keys(&b()).unwrap();
    assert_eq!(keys.public(), first.keys.public());
    let wrapped = first.keys.wrap(b"series 1", b"secret");
    assert_eq!(*keys.unwrap(b"series 1", &wrapped).unwrap(), b"secret");
    let covered = vault(&town.dir()).cover().cover(b"file", b"forms");
    assert_eq!(*again.cover().uncover(b"file", &covered).unwrap(), b"forms");
    // Another shop's words open nothing of it.
    let theirs = Town::new(&catalogue(1));
    join(&theirs, &theirs.centre.slip(Town::number())).unwrap();
    let cover = vault(&theirs.dir()).cover();
    assert!(cover.uncover(b"file", &covered).is_none());
    assert!(
        vault(&theirs.dir())
            .keys(&b())
            .unwrap()
            .unwrap(b"series 1", &wrapped)
            .is_err()
    );
}
