//! The tidy test: what must hold for the whole tree and no compiler checks.
//!
//! Each module is a checker that takes texts and gives complaints, with tests that show it
//! complaining about made-up bad input. The tests in this file turn the checkers on the tree itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may; a failure here is for the one who reads it"
)]

mod circles;
mod deny;
mod edges;
mod features;
mod fuzz;
mod licences;
mod modules;
mod names;
mod rows;
mod shared;
mod sql;
mod text;
mod tree;
mod unused;
mod words;

use std::process::Command;

use deny::Deny;
use tree::{Source, root, sources};

/// Fails with all complaints at once, so that one run is enough to mend them.
fn assert_tidy(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn every(check: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    sources().iter().flat_map(check).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn cargo_tree(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["tree", "--locked", "--prefix", "none"])
        .args(arguments);
    let output = command.current_dir(root()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let list = cargo_tree(&[
        "--workspace",
        "--edges",
        "normal,build,dev",
        "--format",
        "{p}|{l}",
    ]);
    assert_tidy(licences::check(
        &list,
        &Deny::parse(&read("deny.toml")).licences,
    ));
}

#[test]
fn every_dependency_is_from_an_allowed_source_and_none_is_banned() {
    let deny = Deny::parse(&read("deny.toml"));
    assert_tidy(deny.check_lock(&read("Cargo.lock")));
}

#[test]
fn no_dependency_stands_in_two_versions_without_a_reason() {
    let deny = Deny::parse(&read("deny.toml"));
    assert_tidy(deny.check_versions(&read("Cargo.lock")));
}

#[test]
fn our_crates_depend_on_each_other_as_designed() {
    assert_tidy(edges::check(&tree::manifests()));
}

#[test]
fn nothing_forbidden_comes_in_behind_a_dependency() {
    let complaints = edges::FORBIDDEN.iter().flat_map(|(package, forbidden)| {
        let list = cargo_tree(&["--package", package, "--edges", "normal", "--format", "{p}"]);
        edges::check_reach(package, &list, forbidden)
    });
    assert_tidy(complaints.collect());
}

#[test]
fn names_say_what_a_thing_is() {
    assert_tidy(every(names::check));
}

#[test]
fn nothing_points_outside_the_project() {
    assert_tidy(every(text::check_places));
}

#[test]
fn nothing_is_left_unfinished() {
    assert_tidy(every(text::check_unfinished));
}

#[test]
fn files_are_short_enough_to_read() {
    assert_tidy(every(text::check_length));
}

#[test]
fn every_row_that_is_cited_exists() {
    assert_tidy(every(rows::check));
}

#[test]
fn files_of_a_crate_need_each_other_in_one_direction() {
    let crates = modules::crates(sources());
    let circles = crates
        .iter()
        .flat_map(|(name, of)| circles::check(name, of));
    assert_tidy(circles.collect());
}

#[test]
fn programs_and_tests_are_built_of_one_feature_set() {
    let list = |edges: &str| {
        let format = ["--no-dedupe", "--format", "{p}|{f}"];
        cargo_tree(&[&["--workspace", "--edges", edges][..], &format].concat())
    };
    assert_tidy(features::check(
        &list("normal,build"),
        &list("normal,build,dev"),
    ));
}

/// `cargo demo`, the benches and the tests with cards build a part of the workspace: of the same features, or
/// all that these depend on would be built a second time.
#[test]
fn what_is_built_of_a_part_is_of_that_feature_set_too() {
    let list = |selection: &[&str]| {
        let format = ["--no-dedupe", "--format", "{p}|{f}"];
        cargo_tree(&[selection, &format].concat())
    };
    let whole = list(&["--workspace", "--edges", "normal,build,dev"]);
    let demo = ["--package", "tegata-demo"];
    let cards = ["--package", "tegata-card-reader"];
    let programs = list(&[&demo[..], &["--edges", "normal,build"]].concat());
    let tests = [&demo[..], &cards, &["--edges", "normal,build,dev"]].concat();
    assert_tidy(features::check(&programs, &whole));
    assert_tidy(features::check(&list(&tests), &whole));
}

#[test]
fn every_dependency_is_named() {
    let sources = sources();
    let manifests = tree::manifests();
    let ours = manifests.iter().filter(|m| !m.path.starts_with("fuzz/"));
    let unnamed = ours.flat_map(|m| unused::check_dependencies(m, sources));
    let root = Source::new("Cargo.toml", &read("Cargo.toml"));
    let unlisted = unused::check_list(&root, &manifests);
    assert_tidy(unnamed.chain(unlisted).collect());
}

#[test]
fn every_file_is_declared() {
    let sources = sources();
    let crates = modules::crates(sources);
    let files = crates
        .iter()
        .flat_map(|(name, of)| unused::check_files(name, of, sources));
    assert_tidy(files.collect());
}

#[test]
fn parameters_of_sql_rise() {
    assert_tidy(every(sql::check));
}

#[test]
fn pages_name_files_that_are_there() {
    let sources = sources();
    let pages = sources.iter();
    assert_tidy(
        pages
            .flat_map(|page| unused::check_named_files(page, sources))
            .collect(),
    );
}

#[test]
fn words_that_were_renamed_stay_so() {
    assert_tidy(every(words::check));
}

#[test]
fn what_two_crates_need_stands_once() {
    assert_tidy(shared::check(sources()));
}

#[test]
fn every_fuzz_target_is_listed() {
    assert_tidy(fuzz::check(sources()));
}
