//! Joining (M1, M3): what breaks on the way, and what is sent again.

use crate::{
    centre::{Centre, Mood, gate_number},
    process::Folder,
};

#[test]
fn joining_gives_a_record_to_carry_to_the_shop() {
    let (folder, centre) = (Folder::empty(), Centre::start(Mood::Kind));
    let joined = folder.try_join(&centre).succeeded().json();
    assert_eq!(joined["number"], gate_number().to_string());
    assert_eq!(joined["name"], "North gate");
    assert_eq!(folder.record().profile.unwrap().name, "North gate");
    // Once joined, the same command gives the same again and asks nobody.
    folder.join(&centre);
    assert_eq!(centre.seen.lock().unwrap().signed.len(), 1);
    assert_eq!(folder.try_join(&centre).succeeded().json()["again"], true);
    // Nor is anything said to be changed that isn't.
    let slip = centre.slip(gate_number()).reveal();
    let join = |name: &str, address: &str| {
        let who = ["--slip", &slip, "--name", name, "--address", address];
        folder.run("join", &who)
    };
    let other = join("South gate", "http://gate.localhost").ended(1);
    assert!(other.err().contains("as North gate"), "{}", other.err());
    let bare = join("North gate", "gate.localhost:7403").ended(2);
    let instead = "write http://gate.localhost:7403";
    assert!(bare.err().contains(instead), "{}", bare.err());
    let others_may = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(folder.gate().join("keys.cbor"))
            .unwrap()
            .permissions(),
    ) & 0o077;
    assert_eq!(others_may, 0, "only the owner reads the keys");
}

/// Root and terms are shown, and without a yes neither a key nor a message is made (M1).
#[test]
fn without_consent_no_key_is_made_and_nothing_is_sent() {
    let (folder, centre) = (Folder::empty(), Centre::start(Mood::Kind));
    let asked = folder.join_unasked(&centre).ended(2);
    for part in [
        "to compare with the letter",
        "Terms:",
        "nobody is there to agree",
    ] {
        assert!(asked.err().contains(part), "{part}: {}", asked.err());
    }
    assert!(!folder.gate().join("keys.cbor").exists());
    assert_eq!(centre.seen.lock().unwrap().signed.len(), 0);
    folder.join(&centre);
    // Once it has joined, nobody is asked again.
    folder.join_unasked(&centre).succeeded();
}

#[test]
fn a_broken_joining_sends_the_same_signed_bytes_again() {
    let (folder, centre) = (Folder::empty(), Centre::start(Mood::Broken));
    let broken = folder.try_join(&centre).ended(3);
    assert!(
        broken.err().contains("run the same command again"),
        "{}",
        broken.err()
    );
    folder.try_join(&centre).ended(3);
    centre.set(Mood::Kind);
    folder.join(&centre);
    let seen = centre.seen.lock().unwrap();
    assert_eq!(seen.signed.len(), 3);
    assert!(seen.signed.iter().all(|signed| *signed == seen.signed[0]));
}

/// Kept for hours, never received: the centre finds it too old, and it's signed anew, once.
#[test]
fn an_untimely_registration_is_signed_anew_with_the_same_keys() {
    let (folder, centre) = (Folder::empty(), Centre::start(Mood::Late));
    folder.join(&centre);
    let seen = centre.seen.lock().unwrap();
    assert_eq!(seen.signed.len(), 2);
    assert_ne!(seen.signed[0], seen.signed[1]);
}

#[test]
fn a_clock_that_is_behind_is_named_and_nothing_is_sent() {
    let (folder, centre) = (Folder::empty(), Centre::start(Mood::Ahead));
    let ended = folder.try_join(&centre).ended(1);
    for part in ["this machine's clock says", "once the clock is right"] {
        assert!(ended.err().contains(part), "{part}: {}", ended.err());
    }
    assert_eq!(centre.seen.lock().unwrap().signed.len(), 0);
    centre.set(Mood::Kind);
    folder.join(&centre);
}

#[test]
fn a_false_centre_is_found_out_by_the_pinned_root() {
    let (folder, centre) = (Folder::empty(), Centre::start(Mood::False));
    let ended = folder.try_join(&centre).ended(1);
    assert!(ended.err().contains("false centre"), "{}", ended.err());
    assert!(
        centre.seen.lock().unwrap().signed.is_empty(),
        "nothing was sent"
    );
}

#[test]
fn a_slip_that_isnt_a_gates_or_is_mistyped_is_named() {
    let (folder, centre) = (Folder::empty(), Centre::start(Mood::Kind));
    let slip = centre.slip(gate_number()).reveal();
    let who = ["--name", "North gate", "--address", "http://gate.localhost"];
    let join = |slip: &str| folder.run("join", &[&["--slip", slip][..], &who].concat());
    let shop = centre.slip(folder.shop.party()).reveal();
    assert!(join(&shop).ended(2).err().contains("isn't a gate's"));
    assert!(join("tegata:join?nothing").ended(2).err().contains("lacks"));
    let mistyped = slip.replace("code=0123", "code=0124");
    assert!(join(&mistyped).ended(1).err().contains("activation code"));
    // The keys stay; with the right code the same folder joins.
    join(&slip).succeeded();
    let other = tegata_protocol::PartyNumber::new(tegata_protocol::Role::Gate, 6).unwrap();
    let other = join(&centre.slip(other).reveal()).ended(2);
    assert!(
        other.err().contains("this folder is the gate"),
        "{}",
        other.err()
    );
}

#[test]
fn nothing_works_before_joining() {
    let folder = Folder::empty();
    for command in ["check", "status", "log", "verify-log", "serve"] {
        let ended = folder.run(command, &[]).ended(2);
        assert!(ended.err().contains("next:"), "{command}: {}", ended.err());
    }
}
