//! What the centre's program says when its machine's clock is wrong.

use tegata_centre::{certify::certify, keys::PublicKeys, people::People};
use tegata_cli::{clock, data::DataDir, password::Password};
use tegata_protocol::{Role, Time};

use crate::{
    commands::{fails, succeeds},
    town::{Folder, PASSWORD, details, run},
};

/// The certificates begin tomorrow, by this machine's clock: to make others wouldn't help, since they would
/// begin at a wrong time.
#[test]
fn a_clock_behind_the_certificates_is_named_and_nobody_certifies_for_it() {
    let folder = Folder::new();
    let root = folder.holder.path().join("root");
    let root = DataDir::open_existing(&root, tegata_centre::cli::ROOT).unwrap();
    let now = Time::from_secs(clock::now());
    let certified = |at| {
        let password = Password::new(PASSWORD.into());
        certify(&root, &folder.dir(), &password, "Town", (at, 300)).unwrap();
    };
    certified(now.after(90_000));
    let from = now.after(86_400);
    let behind = PublicKeys::open(&folder.dir(), now)
        .unwrap_err()
        .to_string();
    for part in [&now.to_string(), &from.to_string()] {
        assert!(behind.contains(part), "{part}: {behind}");
    }
    PublicKeys::open(&folder.dir(), from).unwrap();

    let people = People::open(&folder.data()).unwrap();
    let application = people.apply(Role::Member, &details(), now).unwrap();
    let (data, application) = (folder.data_text(), application.to_string());
    let grant = ["applications", "grant", &application, "--data", &data];
    let words = ["this machine's clock says", "once the clock is right"];
    fails(&grant, 1, &words);
    let said = String::from_utf8(run(&grant).stderr).unwrap();
    assert!(!said.contains("root certify"), "{said}");
    certified(now);
    succeeds(&grant);
}
