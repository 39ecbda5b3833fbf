//! Consent (M1): nothing is made, signed or sent before the terms were shown and agreed to.

use std::process::Output;

use tegata_protocol::{Digest, joining::Slip};

use crate::{
    program::{Given, Person, text},
    town::Town,
};

/// Joins with this letter; nobody sits at the terminal.
fn join(person: &Person, slip: &Slip, agrees: bool) -> Output {
    let letter = person.secret("letter", &slip.reveal());
    let letter = letter.display().to_string();
    let join = ["join", "--slip-file", &letter, "--name", "Hanako"];
    let mut command = person.command(Given::Both, &join);
    if !agrees {
        command.env_remove("TEGATA_AGREE");
    }
    command.output().unwrap()
}

fn nothing_happened(person: &Person, town: &Town) {
    assert!(!person.file("wallet/vault.tegata").exists());
    assert!(town.book().wire.is_empty());
}

#[test]
fn without_consent_nothing_is_made_and_root_and_terms_are_shown() {
    let (town, person) = (Town::start(), Person::new());
    let asked = join(&person, &town.slip(), false);
    assert_eq!(asked.status.code(), Some(2), "{asked:?}");
    let said = text(&asked.stderr);
    let shown: String = said.split_whitespace().collect();
    let root = Digest::from_bytes(*town.slip().root.as_bytes()).to_string();
    assert!(shown.contains(&root), "{said}");
    for part in ["Terms:\n\nterms\n", "nobody is there to agree", "--agree"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    nothing_happened(&person, &town);
    let agreed = join(&person, &town.slip(), true);
    assert!(agreed.status.success(), "{agreed:?}");
    assert_eq!(town.came(10), (1, 1));
}

/// Who agrees beforehand agrees to the letter's terms, never to others that a centre shows.
#[test]
fn other_terms_than_the_letters_arent_agreed_to() {
    let (town, person) = (Town::start(), Person::new());
    let mut slip = town.slip();
    slip.terms = Digest::of(b"other terms");
    let refused = join(&person, &slip, true);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = text(&refused.stderr);
    assert!(
        said.contains("aren't those that the letter names"),
        "{said}"
    );
    nothing_happened(&person, &town);
}
