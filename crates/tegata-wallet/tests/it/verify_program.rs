//! `verify-program` (M1): is a file what the centre published?

use std::{fs, path::Path};

use crate::{
    program::{Given, Person, text},
    town::{Mischief, PROGRAM, Town},
};

#[test]
fn a_file_is_the_published_program_or_it_isnt() {
    let (town, person) = (Town::start(), Person::new());
    let letter = person.secret("letter", &town.slip().reveal());
    let letter = letter.display().to_string();
    let file = |name: &str, bytes: &[u8]| {
        let file = person.file(name);
        fs::write(&file, bytes).unwrap();
        file
    };
    let says = |file: &Path, more: &[&str], code: i32, words: &str| {
        let file = file.display().to_string();
        let verify = ["verify-program", &file, "--letter", &letter];
        let output = person.run(Given::Nothing, &[&verify[..], more].concat());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains(words), "{words}: {said}");
    };
    let named = ["--name", "tegata-wallet"];
    let good = file("tegata-wallet", PROGRAM);
    says(
        &good,
        &[],
        0,
        "is tegata-wallet 0.1.0, as the centre published it",
    );
    says(
        &file("download", PROGRAM),
        &named,
        0,
        "as the centre published it",
    );
    let mut changed = PROGRAM.to_vec();
    changed[5] ^= 1;
    says(&file("changed", &changed), &named, 1, "delete it");
    says(
        &file("longer", &[PROGRAM, b"!"].concat()),
        &named,
        1,
        "delete it",
    );

    // The digest of another program, under the name that was asked for.
    says(
        &file("renamed", PROGRAM),
        &[],
        1,
        "isn't signed by its lists key",
    );
    says(
        &file("nothing", PROGRAM),
        &[],
        1,
        "offers no program nothing",
    );
    says(&good, &["--name", "../keys"], 1, "offers no program");
    town.misbehave(Mischief::ForgedProgram);
    says(&good, &[], 1, "isn't signed by its lists key");
    town.misbehave(Mischief::FalseRoot);
    says(&good, &[], 1, "root in your letter");
}

#[test]
fn a_wallet_knows_its_own_centre() {
    let (town, person) = (Town::start(), Person::new());
    person.join(&town);
    let file = person.file("tegata-wallet");
    fs::write(&file, PROGRAM).unwrap();
    let file = file.display().to_string();
    let verified = person.json(Given::A, &["verify-program", &file]);
    assert_eq!(verified["edition"], "0.1.0");
    fs::write(&file, b"something else").unwrap();
    let refused = person.run(Given::A, &["verify-program", &file]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}
