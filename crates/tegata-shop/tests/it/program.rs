//! The program itself: its commands, and SIGKILL under load.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tegata_party::client::{Client, Prepared};
use tegata_protocol::payment::Mode;
use tegata_protocol::purchase::{Offer, Wish};
use tegata_protocol::record::{PartyKeys, PartyRecord, Status};
use tegata_protocol::{OpeningKey, PartyNumber, Role, SignedBytes, SigningKey, Suite, Time};

use crate::centre::rng;
use crate::town::{Member, Moment, Town, contains, seats};

/// A catalogue that is on sale whenever the tests run.
fn always(quota: u32) -> String {
    crate::town::catalogue(quota)
        .replace("2026-11-21T00:00:00", "2020-01-01T00:00:00")
        .replace("2027-01-31T23:00:00", "2099-01-31T23:00:00")
}

/// A town at the machine's own time, as the program sees it.
fn town(quota: u32) -> Town {
    let time = Moment::new();
    time.set(Time::from_secs(tegata_cli::clock::now()));
    Town::at(time, &always(quota))
}

fn program(town: &Town, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tegata-shop"));
    command
        .args(arguments)
        .arg("--data")
        .arg(town.folder.path());
    town.tell_passwords(&mut command);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null());
    command
}

fn run(town: &Town, arguments: &[&str]) -> Output {
    program(town, arguments).output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn join(town: &Town) -> serde_json::Value {
    let slip = town.folder.path().with_extension("slip");
    let letter = format!(
        "Dear shop,\n\n{}\n",
        town.centre.slip(Town::number()).reveal()
    );
    std::fs::write(&slip, letter).unwrap();
    let slip = slip.to_str().unwrap();
    let address = "http://shop.localhost:7402";
    let output = run(
        town,
        &[
            "join",
            "--json",
            "--slip-file",
            slip,
            "--name",
            "Hanamizuki Books",
            "--address",
            address,
            "--postal",
            "1-1 Hana, Sendai",
        ],
    );
    std::fs::remove_file(slip).unwrap();
    json(&output)
}

/// A running `tegata-shop serve`; killed when dropped.
struct Serving {
    child: Child,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn serve(town: &Town, more: &[&str]) -> Serving {
    let arguments = [&["serve", "--json", "--listen", "127.0.0.1:0"], more].concat();
    let mut command = program(town, &arguments);
    command.stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = said["address"].as_str().unwrap().to_owned();
    Serving { child, address }
}

impl Serving {
    fn record(&self) -> tegata_protocol::Verified<PartyRecord> {
        let register = SigningKey::from_seed(&[91; 32]).verifying_key();
        Client::default()
            .party_record(&self.address, &register)
            .unwrap()
    }

    fn prepare(&self, member: &Member) -> Prepared {
        let callee = tegata_party::client::Callee::party(&self.record(), Some(&self.address));
        member.prepare_for(&callee, Wish::Reservation(seats(1)))
    }

    fn send(
        &self,
        member: &Member,
        prepared: &Prepared,
        callee: &tegata_party::client::Callee,
    ) -> Option<SignedBytes> {
        let callee = tegata_party::client::Callee {
            address: self.address.clone(),
            ..callee.clone()
        };
        let answer = Client::default().call::<Offer>(member.caller(), &callee, prepared);
        match answer {
            Ok(tegata_party::client::Answer::Accepted { reply, .. }) => {
                Some(reply.signed().clone())
            }
            Ok(tegata_party::client::Answer::Refused(refusal)) => Some(refusal.signed().clone()),
            Err(_) => None,
        }
    }
}

#[test]
fn the_commands_from_letter_to_check_data() {
    let town = town(9);
    let joined = join(&town);
    assert_eq!(joined["number"], Town::number().to_string());
    assert!(!contains(town.folder.path(), b"Sendai"));
    assert_eq!(
        join(&town)["record"],
        joined["record"],
        "joining again changes nothing"
    );
    let mut serving = serve(&town, &[]);
    let second = run(&town, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1), "another one has the folder");
    let member = town.member();
    let callee = tegata_party::client::Callee::party(&serving.record(), Some(&serving.address));
    let answer = Client::default()
        .call::<Offer>(member.caller(), &callee, &serving.prepare(&member))
        .unwrap();
    let offer = answer.accepted().unwrap().into_value().body;
    town.centre.pay(&offer.bill, Mode::Hold);
    town.centre.wait_for_captures(1);
    let sold = || json(&run(&town, &["sales", "--json"]))["series"][0]["sold"].clone();
    while sold() != 1 {
        std::thread::yield_now();
    }
    let sales = json(&run(&town, &["sales", "--json"]));
    assert_eq!(sales["series"][0]["left"], 8);
    let sales = json(&run(&town, &["sales", "--json", "--series", "7"]));
    let sale = &sales["sales"][0];
    assert_eq!(
        (&sale["state"], &sale["tickets"][0]["serial"]),
        (&"released".into(), &1.into())
    );
    check_data_and_cancel(&town, sale["transaction"].as_str().unwrap());
    let link = json(&run(&town, &["owner-link", "--json"]));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .max_redirects(0)
        .build()
        .into();
    let entered = agent.get(link["link"].as_str().unwrap()).call().unwrap();
    assert_eq!(entered.status().as_u16(), 303);
    let term = Command::new("sh")
        .args(["-c", &format!("kill -TERM {}", serving.child.id())])
        .status();
    assert!(term.unwrap().success());
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
    let transaction = sale["transaction"].as_str().unwrap();
    the_history_opens_offline_with_a_alone(&town, transaction);
}

fn the_history_opens_offline_with_a_alone(town: &Town, transaction: &str) {
    town.centre.mood(crate::centre::Mood::Away);
    let mut history = program(town, &["history", "--json"]);
    history.env_remove("TEGATA_PASSWORD_B_FILE");
    let sold = json(&history.output().unwrap());
    let sales = sold["sales"].as_array().unwrap();
    assert_eq!(sales.len(), 1);
    assert_eq!(sales[0]["number"], transaction);
    let mut wrong = program(town, &["history"]);
    let b = std::env::temp_dir().join("none");
    wrong.env("TEGATA_PASSWORD_A_FILE", b);
    assert_eq!(wrong.output().unwrap().status.code(), Some(2));
    let words = json(&run(town, &["words", "--json"]));
    assert_eq!(words["words"].as_str().unwrap().split(' ').count(), 24);
}

fn check_data_and_cancel(town: &Town, transaction: &str) {
    let (gate, out) = (town.file("gate.record"), town.file("gate.check"));
    std::fs::write(&gate, gate_record(town).as_bytes()).unwrap();
    let (gate, out) = (gate.to_str().unwrap(), out.to_str().unwrap());
    let check = [
        "check-data",
        "--json",
        "--series",
        "7",
        "--gate",
        gate,
        "--out",
        out,
    ];
    let made = json(&run(town, &check));
    assert_eq!((&made["edition"], &made["issued"]), (&1.into(), &1.into()));
    assert!(Path::new(out).is_file());
    let cancel = [
        "cancel",
        "--json",
        "--series",
        "7",
        "--transaction",
        transaction,
    ];
    assert_eq!(json(&run(town, &cancel))["cancelled"][0], 1);
    assert_eq!(
        run(town, &cancel).status.code(),
        Some(1),
        "it was cancelled already"
    );
    let serial = ["cancel", "--series", "7", "--serial", "99"];
    assert_eq!(run(town, &serial).status.code(), Some(1));
    let made = json(&run(town, &check));
    assert_eq!(
        (&made["edition"], &made["cancelled"]),
        (&2.into(), &1.into())
    );
    std::fs::write(gate, b"nonsense").unwrap();
    assert_eq!(run(town, &check).status.code(), Some(2));
}

fn gate_record(town: &Town) -> SignedBytes {
    let number = PartyNumber::new(Role::Gate, 31).unwrap();
    let (signing, _) = SigningKey::generate(&mut rng());
    let (opening, _) = OpeningKey::generate(Suite::Standard, &mut rng());
    let keys = PartyKeys {
        spending: None,
        signing: signing.verifying_key(),
        opening: opening.sealing_key().clone(),
    };
    town.centre.enter(number, keys, Status::Active)
}

#[test]
fn failures_end_with_their_code_and_say_what_to_do() {
    let town = town(9);
    let told = |arguments: &[&str]| {
        let output = run(&town, arguments);
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let slip = ["join", "--name", "N", "--address", "http://n", "--slip"];
    let (code, text) = told(&[&slip[..], &["nonsense"]].concat());
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("tegata:join?"), "{text}");
    town.centre.mood(crate::centre::Mood::Away);
    let line = town.centre.slip(Town::number()).reveal();
    let line = line.replace(&town.centre.address, "http://127.0.0.1:9");
    let (code, text) = told(&[&slip[..], &[&line]].concat());
    assert_eq!(code, Some(3), "{text}");
    let (code, text) = told(&["serve"]);
    assert_ne!(code, Some(0));
    assert!(text.contains("next:") || text.contains("join"), "{text}");
    let bad = town.file("bad.toml");
    std::fs::write(&bad, "currency = 5").unwrap();
    let check = Command::new(env!("CARGO_BIN_EXE_tegata-shop"))
        .args(["catalogue", "check"])
        .arg(&bad)
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(2));
    assert!(
        String::from_utf8(check.stderr)
            .unwrap()
            .contains("bad.toml:1:12")
    );
}

/// Every bill that is paid is captured once, however often the shop is killed meanwhile.
#[test]
fn killed_while_delivering_it_delivers_everything_once() {
    const BILLS: usize = 6;
    let town = town(20);
    join(&town);
    let mut serving = serve(&town, &[]);
    let members: Vec<Member> = (0..BILLS).map(|_| town.member()).collect();
    let callee = tegata_party::client::Callee::party(&serving.record(), Some(&serving.address));
    for member in &members {
        let prepared = member.prepare_for(&callee, Wish::Reservation(seats(1)));
        let answer = Client::default().call::<Offer>(member.caller(), &callee, &prepared);
        let offer = answer.unwrap().accepted().unwrap().into_value().body;
        town.centre.pay(&offer.bill, Mode::Hold);
    }
    for count in 1..BILLS {
        town.centre.wait_for_captures(count);
        drop(serving);
        serving = serve(&town, &[]);
    }
    town.centre.wait_for_captures(BILLS);
    let sold = || json(&run(&town, &["sales", "--json"]))["series"][0]["sold"].clone();
    while sold() != BILLS {
        std::thread::yield_now();
    }
    assert_eq!(town.centre.captures().len(), BILLS);
    // A start enters in the history what a kill kept out of it, and nothing twice.
    drop(serving);
    let _again = serve(&town, &[]);
    let history = || json(&run(&town, &["history", "--json"]))["sales"].clone();
    while history().as_array().unwrap().len() < BILLS {
        std::thread::yield_now();
    }
    let sales = history();
    let numbers: std::collections::BTreeSet<_> = sales
        .as_array()
        .unwrap()
        .iter()
        .map(|sale| sale["number"].to_string())
        .collect();
    assert_eq!(
        (numbers.len(), sales.as_array().unwrap().len()),
        (BILLS, BILLS)
    );
}

/// What was acknowledged before SIGKILL is there afterwards: the same message gets the same reply,
/// and bills and quota agree.
#[test]
fn killed_under_load_it_forgets_nothing_that_it_said() {
    const QUOTA: u32 = 12;
    let town = town(QUOTA);
    join(&town);
    let members: Vec<Member> = (0..40).map(|_| town.member()).collect();
    let mut serving = serve(&town, &[]);
    let callee = tegata_party::client::Callee::party(&serving.record(), None);
    let prepared: Vec<Prepared> = members
        .iter()
        .map(|member| member.prepare_for(&callee, Wish::Reservation(seats(1))))
        .collect();
    let mut known: Vec<Option<SignedBytes>> = vec![None; members.len()];
    for round in 0..6 {
        let replies = under_fire(&mut serving, &members, &prepared, &callee, round);
        for (number, reply) in replies.into_iter().enumerate() {
            match (&known[number], reply) {
                (Some(before), Some(now)) => assert_eq!(*before, now, "{number}"),
                (None, Some(now)) => known[number] = Some(now),
                (_, None) => {}
            }
        }
        serving = serve(&town, &[]);
    }
    let replies: Vec<SignedBytes> = members
        .iter()
        .zip(&prepared)
        .map(|(member, prepared)| serving.send(member, prepared, &callee).unwrap())
        .collect();
    for (before, now) in known.iter().zip(&replies) {
        assert!(before.as_ref().is_none_or(|before| before == now));
    }
    let offer_label = <Offer as tegata_protocol::envelope::Body>::LABEL;
    let bills = replies
        .iter()
        .filter(|reply| reply.label().unwrap().0 == offer_label)
        .count();
    assert_eq!(bills, usize::try_from(QUOTA).unwrap());
    let sales = json(&run(&town, &["sales", "--json"]));
    assert_eq!(
        (&sales["series"][0]["held"], &sales["series"][0]["left"]),
        (&12.into(), &0.into())
    );
}

/// All members send at once; the shop is killed as soon as the first few are answered.
fn under_fire(
    serving: &mut Serving,
    members: &[Member],
    prepared: &[Prepared],
    callee: &tegata_party::client::Callee,
    round: usize,
) -> Vec<Option<SignedBytes>> {
    let (told, answered) = std::sync::mpsc::channel();
    let address = serving.address.clone();
    std::thread::scope(|scope| {
        let sending: Vec<_> = members
            .iter()
            .zip(prepared)
            .map(|(member, prepared)| {
                let (told, address) = (told.clone(), address.clone());
                scope.spawn(move || {
                    let callee = tegata_party::client::Callee {
                        address,
                        ..callee.clone()
                    };
                    let answer =
                        Client::default().call::<Offer>(member.caller(), &callee, prepared);
                    let _gone = told.send(());
                    match answer {
                        Ok(tegata_party::client::Answer::Accepted { reply, .. }) => {
                            Some(reply.signed().clone())
                        }
                        Ok(tegata_party::client::Answer::Refused(r)) => Some(r.signed().clone()),
                        Err(_) => None,
                    }
                })
            })
            .collect();
        for _ in 0..round * 5 {
            answered.recv().unwrap();
        }
        serving.child.kill().unwrap();
        serving.child.wait().unwrap();
        sending
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .collect()
    })
}
