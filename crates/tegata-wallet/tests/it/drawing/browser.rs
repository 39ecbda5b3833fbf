//! The page in a real browser: a mouse draws, a finger draws, keys are typed, and somebody joins.
//! Pictures of it stay below the target folder.

use serde_json::{Value, json};

use super::Showing;
use crate::{
    browser::driven,
    program::{Given, Person},
    town::Town,
};

const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/screenshots");

/// Visits the page as the plan says; tells what happened.
fn visit(link: &str, mut plan: Value) -> Value {
    plan["url"] = json!(link);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/drawing/drive.mjs");
    let told = driven(script, &plan);
    assert_eq!(told["messages"], json!([]), "the console is quiet");
    told
}

/// Somebody who joins with `--draw` while a browser does as the plan says.
fn joined(plan: Value) -> (Value, String) {
    let (town, person) = (Town::start(), Person::new());
    let slip = super::letter(&person, &town);
    let join = ["join", "--slip-file", &slip, "--name", "H", "--draw"];
    let showing = Showing::start(&person, Given::Both, &join);
    let told = visit(&showing.link, plan);
    let (code, said) = showing.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Registered as M-48312-20752."), "{said}");
    (told, said)
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_mouse_draws_and_the_member_joins() {
    let (told, said) = joined(json!({"draw": "mouse", "press": "send"}));
    assert_eq!(told["before"]["value"], 0);
    assert_eq!(told["before"]["disabled"], true);
    assert_eq!(told["middle"]["disabled"], true);
    let middle = told["middle"]["value"].as_u64().unwrap();
    assert!((1..256).contains(&middle), "{told:#}");
    assert_eq!(told["after"]["value"], 256);
    assert_eq!(told["after"]["disabled"], false);
    let heard: Vec<&str> = told["heard"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s.as_str().unwrap())
        .collect();
    let steps = [
        "A quarter",
        "Half",
        "Three quarters",
        "Enough",
        "Handing over",
    ];
    assert_eq!(
        heard.len(),
        steps.len(),
        "a reader hears each step once: {heard:?}"
    );
    for (heard, step) in heard.iter().zip(steps) {
        assert!(heard.starts_with(step), "{heard}");
    }
    assert!(
        told["ink"].as_u64().unwrap() > 500,
        "something is seen: {}",
        told["ink"]
    );
    // What was posted is what a strokes file holds, and all of it was taken.
    let body = told["posted"].as_str().unwrap();
    let points = tegata_wallet::vault::Strokes::parse(body).unwrap().points();
    assert!(points >= 250, "{points}");
    assert!(said.contains(&format!("{points} points came")), "{said}");
    assert!(
        !told["address"].as_str().unwrap().contains("open"),
        "{}",
        told["address"]
    );
    let done = told["done"].as_str().unwrap();
    assert!(done.contains("Go back to the terminal"), "{done}");
    assert!(
        !done.contains("Use this") && !done.contains("Clear"),
        "{done}"
    );
    assert_eq!(told["held"], json!([]), "no point stays in the page");
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn keys_and_fingers_do_as_well() {
    let (told, _) = joined(json!({"draw": "keys", "press": "send"}));
    assert_eq!(told["after"]["value"], 256, "{told:#}");
    assert_eq!(told["typed"], 64, "as many keys as the kit says");
    let (told, said) = joined(json!({
        "draw": "taps", "press": "send", "touch": true, "viewport": {"width": 390, "height": 844},
    }));
    assert_eq!(told["after"]["value"], 256, "{told:#}");
    assert!(
        said.contains("64 points came"),
        "taps alone will do: {said}"
    );
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn clearing_and_going_without_leave_nothing() {
    let (town, person) = (Town::start(), Person::new());
    let slip = super::letter(&person, &town);
    let join = ["join", "--slip-file", &slip, "--name", "H", "--draw"];
    let showing = Showing::start(&person, Given::Both, &join);
    let told = visit(
        &showing.link,
        json!({
            "draw": "mouse", "press": "clear", "without": true, "axe": true,
            "screenshot": format!("{PICTURES}/draw-keys"),
        }),
    );
    assert_eq!(told["cleared"]["value"], 0, "{told:#}");
    assert_eq!(told["cleared"]["disabled"], true);
    assert_eq!(told["inkCleared"], 0);
    assert_eq!(told["axe"], json!([]));
    assert!(
        told["done"]
            .as_str()
            .unwrap()
            .contains("Go back to the terminal")
    );
    let (code, said) = showing.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Without a drawing"), "{said}");
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_program_that_is_gone_is_told_and_without_script_the_page_says_so() {
    let (town, person) = (Town::start(), Person::new());
    let slip = super::letter(&person, &town);
    let join = ["join", "--slip-file", &slip, "--name", "H", "--draw"];
    let showing = Showing::start(&person, Given::Both, &join);
    let told = visit(
        &showing.link,
        json!({"draw": "mouse", "press": "send", "away": true}),
    );
    assert!(
        told["said"]
            .as_str()
            .unwrap()
            .starts_with("The program doesn't answer"),
        "{told:#}"
    );
    assert_eq!(
        told["after"]["disabled"], false,
        "what was drawn is still there"
    );
    drop(showing);
    let showing = Showing::start(&person, Given::Both, &join);
    let told = visit(&showing.link, json!({"javascript": false}));
    assert!(
        told["text"].as_str().unwrap().contains("needs JavaScript"),
        "{told:#}"
    );
    assert!(
        !told["text"].as_str().unwrap().contains("Use this"),
        "{told:#}"
    );
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn everybody_can_use_the_page() {
    std::fs::create_dir_all(PICTURES).unwrap();
    let person = Person::new();
    for language in ["en", "ja"] {
        for (device, width, height) in [("phone", 390, 844), ("desktop", 1100, 900)] {
            for dark in [false, true] {
                let light = if dark { "dark" } else { "light" };
                let picture = format!("{PICTURES}/draw-{language}-{device}-{light}");
                let out = person.file(&format!("{language}-{device}-{light}"));
                let out = out.display().to_string();
                let showing = Showing::start(&person, Given::Nothing, &["draw", "--out", &out]);
                let told = visit(
                    &showing.link,
                    json!({
                        "viewport": {"width": width, "height": height}, "dark": dark,
                        "locale": language, "axe": true, "draw": "mouse", "press": "send",
                        "screenshot": picture,
                    }),
                );
                assert_eq!(told["axe"], json!([]), "{picture}");
                assert_eq!(
                    told["wider"], 0,
                    "nothing has to be scrolled sideways: {picture}"
                );
                assert_eq!(showing.ended().0, Some(0));
            }
        }
    }
}
