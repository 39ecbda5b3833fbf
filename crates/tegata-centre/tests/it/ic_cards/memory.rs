//! The application server never has a card's key (K10): the memory of the real program, as a core dump
//! would hold it, is searched for every key of cards after it was led through whole sessions.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
};

use aes::Aes256;
use cmac::{Cmac, KeyInit as _, Mac as _};
use tegata_card::chip::Chip as _;
use tegata_cli::data::DataDir;
use tegata_protocol::{
    card::{Answered, CardAnswer, CardBytes, CardContact, CardStep, Errand, Next},
    envelope::Body,
};

use super::world::{CSN, MASTERS, World};
use crate::{
    server::{Client, Server},
    town::{Folder, Party, Town, open, own},
};

/// So many bytes in a row of a key count as found.
const PIECE: usize = 16;
/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// SP 800-108 as spec/cards.md says, written a second time.
fn derived(key: &[u8; 32], label: &[u8; 12], context: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (i, half) in (1_u8..).zip(out.chunks_exact_mut(16)) {
        let mut mac = Cmac::<Aes256>::new(key.into());
        mac.update(label);
        mac.update(&[0, 1, 0, i]);
        mac.update(context);
        half.copy_from_slice(&mac.finalize().into_bytes());
    }
    out
}

fn labelled(text: &[u8], last: u8) -> [u8; 12] {
    let mut label = [0; 12];
    label[..text.len()].copy_from_slice(text);
    label[11] = last;
    label
}

/// Master keys, this card's keys of each role, and what sessions and receipts grow from.
fn keys_of_cards() -> Vec<[u8; 32]> {
    let mut keys = MASTERS.to_vec();
    for (master, role) in MASTERS.iter().zip([0x10, 0x20, 0x30]) {
        let context = [&CSN[..], &[role + 1]].concat();
        let card = derived(master, &labelled(b"tegata-card", role), &context);
        keys.push(card);
        let (text, letters): (&[u8], &[u8]) = match role {
            0x30 => (b"tegata-ktx", b"TP"),
            _ => (b"tegata-scp3", b"EMD"),
        };
        keys.extend(
            letters
                .iter()
                .map(|l| derived(&card, &labelled(text, *l), &[])),
        );
    }
    keys
}

/// How often pieces of each needle stand in a process's writable memory.
fn count(process: u32, needles: &[[u8; 32]]) -> Vec<usize> {
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let mut found = vec![0; needles.len()];
    let mut begins = [false; 256];
    for piece in needles.iter().flat_map(|needle| needle.chunks(PIECE)) {
        begins[usize::from(piece[0])] = true;
    }
    let mut buffer = vec![0; CHUNK + PIECE];
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let hex = |text| u64::from_str_radix(text, 16).unwrap();
        for at in (hex(from)..hex(to)).step_by(CHUNK) {
            let length = usize::try_from(hex(to) - at).unwrap().min(buffer.len());
            if memory.read_at(&mut buffer[..length], at).is_ok() {
                count_in(&buffer[..length], &begins, needles, &mut found);
            }
        }
    }
    found
}

fn count_in(bytes: &[u8], begins: &[bool; 256], needles: &[[u8; 32]], found: &mut [usize]) {
    let starts = bytes.iter().enumerate();
    for (at, _) in starts.filter(|(_, byte)| begins[usize::from(**byte)]) {
        let Some(window) = bytes.get(at..at + PIECE) else {
            continue;
        };
        // Most of memory is a few bytes over and over; no key is.
        if window[0] == window[1] && window[1] == window[2] {
            continue;
        }
        for (needle, count) in needles.iter().zip(&mut *found) {
            *count += needle.chunks(PIECE).filter(|p| *p == window).count();
        }
    }
}

/// What the real program answers.
fn ask<B: Body>(folder: &Folder, server: &Server, member: &Party, body: B) -> (CardStep, [u8; 32]) {
    let now = tegata_protocol::Time::from_secs(tegata_cli::clock::now());
    let letter = own(folder, member, body, None, now);
    let mut client = Client::connect(server.socket()).unwrap();
    let answer = client.post("/v1/message", &letter.bytes).unwrap();
    assert_eq!(answer.status, 200);
    let (step, _) = open::<CardStep>(folder, member, &letter, &answer.body).unwrap();
    (step, *letter.digest().as_bytes())
}

#[test]
fn no_key_of_a_card_is_ever_in_the_application_servers_memory() {
    let mut world = World::new();
    world.load(3_000).unwrap();
    let Town { folder, centre, .. } = world.town.take().unwrap();
    drop(centre);
    let server = Server::start(&folder);
    let card = world.number;
    let mut commands = 0;
    // Into use, loaded, read; then looked at once more.
    for _ in 0..2 {
        world.card.power_on();
        let errand = Errand::Look;
        let contact = CardContact { card, errand };
        let (mut step, digest) = ask(&folder, &server, &world.member, contact);
        while let Next::Send(bytes) = &step.next {
            commands += 1;
            let answer = world.card.transmit(&bytes.0).unwrap();
            let body = CardAnswer {
                contact: tegata_protocol::Digest::from_bytes(digest),
                step: step.step,
                answered: Answered::By(CardBytes(answer)),
            };
            step = ask(&folder, &server, &world.member, body).0;
        }
        assert!(matches!(step.next, Next::Done(_)), "{step:?}");
    }
    assert!(commands > 20, "{commands}");

    // The search finds what is there: the centre's own key for debit orders, whose seed it holds.
    let dir = DataDir::open_existing(&folder.data(), tegata_centre::settings::PARTY).unwrap();
    let seeds = dir.read("keys.cbor").unwrap();
    let own: Vec<[u8; 32]> = seeds
        .windows(34)
        .filter(|w| w[..2] == [0x58, 0x20])
        .map(|w| w[2..].try_into().unwrap())
        .collect();
    assert_eq!(own.len(), 5);
    let found = count(server.id(), &own);
    assert!(
        found.iter().all(|n| *n > 0),
        "the search finds nothing: {found:?}"
    );

    let keys = keys_of_cards();
    let found = count(server.id(), &keys);
    println!(
        "{} keys of cards searched in the centre's memory: {found:?}",
        keys.len()
    );
    assert!(found.iter().all(|n| *n == 0), "{found:?}");
    // They are the right ones: the card-key server's own process, this one, has them.
    let here = count(std::process::id(), &keys[..3]);
    assert!(here.iter().all(|n| *n > 0));
}
