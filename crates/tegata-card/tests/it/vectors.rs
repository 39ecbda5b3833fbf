//! `spec/vectors/cards.json`: keys, receipts and whole conversations, to the byte.
//!
//! The keys and MACs are computed a second time here, from the page alone, with nothing of ours.

use aes::Aes256;
use cmac::{Cmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use tegata_card::chip::Chip as _;
use tegata_card::command::Operation;
use tegata_card::keys::Role;
use tegata_card::session::{self, Opening, Order, Reply, Said, Session};

use crate::desk::{self, CSN, Card, LIMITS, active, blank, key, loaded, punch, transaction};
use crate::memory::Memory;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/vectors/cards.json");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn file() -> Value {
    serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap()
}

/// A conversation being written down.
struct Talk<'c> {
    card: &'c mut Card,
    said: Vec<Value>,
}

impl Talk<'_> {
    fn send(&mut self, name: &str, command: &[u8]) -> Vec<u8> {
        let answer = self.card.transmit(command).unwrap();
        self.said
            .push(json!({ "name": name, "command": hex(command), "answer": hex(&answer) }));
        answer
    }

    fn open(&mut self, role: Role) -> Session {
        self.send("SELECT", &session::select());
        let (opening, bytes) = Opening::new(&key(role, 1), CSN, [0x5a; 16]);
        let answer = self.send("INITIALIZE UPDATE", &bytes);
        let (session, bytes) = opening.answer(&answer).unwrap();
        self.send("EXTERNAL AUTHENTICATE", &bytes);
        session
    }

    fn order(&mut self, mut session: Session, name: &str, order: &Order) -> (Session, Said) {
        let bytes = session.order(order).unwrap();
        let answer = self.send(name, &bytes);
        session.answer(&answer).unwrap()
    }
}

fn personalising() -> Value {
    let mut card = blank(Memory::new());
    let mut talk = Talk {
        card: &mut card,
        said: Vec::new(),
    };
    let mut session = talk.open(Role::Transport);
    for role in [Role::Debit, Role::Admin, Role::Receipt] {
        (session, _) = talk.order(session, "PUT KEY", &Order::PutKey(key(role, 1)));
    }
    let activate = Order::Limits(Operation::Activate, LIMITS);
    talk.order(session, "STATUS activate", &activate);
    json!({ "name": "a blank card goes into use", "exchanges": talk.said })
}

fn paying() -> Value {
    let mut card = loaded();
    let mut talk = Talk {
        card: &mut card,
        said: Vec::new(),
    };
    let session = talk.open(Role::Debit);
    let (session, _) = talk.order(session, "READ PURSE", &Order::ReadPurse);
    let debit = transaction(2, 2, 1_200);
    talk.send("VIEW", &desk::view(&debit).command());
    let (session, _) = talk.order(session, "DEBIT", &Order::Debit(debit));
    let (session, _) = talk.order(session, "CONFIRM", &Order::Confirm(debit.id));
    let (session, _) = talk.order(session, "READ LOG", &Order::ReadLog(1));
    let unseen = Order::Debit(transaction(3, 3, 1));
    let (session, _) = talk.order(session, "DEBIT without VIEW", &unseen);
    let void = Order::Void {
        id: [3; 16],
        counter: 3,
    };
    talk.order(session, "VOID", &void);
    json!({ "name": "a card with 10,000 on it pays 1,200", "exchanges": talk.said })
}

fn ticketing() -> Value {
    let mut card = active(Memory::new());
    let mut talk = Talk {
        card: &mut card,
        said: Vec::new(),
    };
    let mut session = talk.open(Role::Admin);
    for part in [0, 1] {
        let ticket = vec![0x7e; 150];
        let slot = 3;
        let put = Order::PutTicket { slot, part, ticket };
        (session, _) = talk.order(session, "TICKET put", &put);
    }
    let mut session = talk.open(Role::Debit);
    for part in [0, 1] {
        let read = Order::ReadTicket { slot: 3, part };
        (session, _) = talk.order(session, "TICKET read", &read);
    }
    for id in [1, 2] {
        let order = Order::PunchTicket {
            slot: 3,
            punch: punch(id),
        };
        (session, _) = talk.order(session, "TICKET punch", &order);
    }
    json!({ "name": "a ticket is put, read, and punched once", "exchanges": talk.said })
}

fn receipts() -> Vec<Value> {
    let mut card = loaded();
    let mut session = desk::open(&mut card, &key(Role::Debit, 1)).unwrap();
    let debit = transaction(2, 2, 1_200);
    let void = Order::Void {
        id: [3; 16],
        counter: 3,
    };
    let mut kept = Vec::new();
    for order in [
        Order::ReadLog(0),
        Order::Debit(debit),
        Order::Confirm(debit.id),
        void,
    ] {
        if let Reply::Receipt(receipt) = desk::done(&mut card, &mut session, &order) {
            kept.push(
                json!({ "kind": format!("{:?}", receipt.kind).to_lowercase(),
                "balance": receipt.balance, "receipt": hex(&receipt.to_bytes()) }),
            );
        }
    }
    kept
}

fn made() -> Value {
    let masters = [(Role::Debit, 1_u8), (Role::Admin, 2), (Role::Receipt, 3)];
    let masters = masters.map(|(role, byte)| {
        json!({ "role": format!("{role:?}").to_lowercase(), "master_key": hex(&[byte; 32]) })
    });
    json!({
        "what": "cards: master keys, receipts, conversations; every host challenge is 5a…5a",
        "csn": hex(CSN.as_bytes()),
        "transport_key": hex(&[0x77; 32]),
        "masters": masters,
        "receipts": receipts(),
        "conversations": [personalising(), paying(), ticketing()],
    })
}

#[test]
fn cards_still_speak_as_the_vectors_say() {
    assert_eq!(made(), file());
}

#[test]
#[ignore = "writes spec/vectors/cards.json, with TEGATA_REGENERATE=1; cargo xtask test runs it without"]
fn regenerate_vectors() {
    if std::env::var_os("TEGATA_REGENERATE").is_some() {
        let text = serde_json::to_string_pretty(&made()).unwrap();
        std::fs::write(FILE, text + "\n").unwrap();
    }
    assert_eq!(made(), file());
}

/// CMAC and the derivation as spec/cards.md has them.
fn cmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Cmac::<Aes256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn kdf(key: &[u8], label: &[u8; 12], context: &[u8]) -> Vec<u8> {
    let block = |i: u8| cmac(key, &[label, &[0, 1, 0, i], context]);
    [block(1), block(2)].concat()
}

#[test]
fn receipts_follow_the_page() {
    let file = file();
    let csn = unhex(&file["csn"]);
    let master = unhex(&file["masters"][2]["master_key"]);
    let card_key = kdf(&master, b"tegata-card\x30", &[&csn[..], &[0x31]].concat());
    let tx = kdf(&card_key, b"tegata-ktx\0T", &[]);
    let receipts = file["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), 3);
    for receipt in receipts {
        let bytes = unhex(&receipt["receipt"]);
        let (said, mac) = bytes.split_at(84);
        assert_eq!(cmac(&tx, &[said]), mac);
        assert_eq!(said[..10], csn);
        let balance = u32::from_be_bytes(said[12..16].try_into().unwrap());
        assert_eq!(u64::from(balance), receipt["balance"].as_u64().unwrap());
    }
}

/// Who has the master key and what went over the wire can tell what the card was asked to do: the
/// session keys and MACs of a conversation, from the page and Amendment D alone.
#[test]
fn conversations_follow_the_page() {
    let file = file();
    let csn = unhex(&file["csn"]);
    let master = unhex(&file["masters"][0]["master_key"]);
    let card_key = kdf(&master, b"tegata-card\x10", &[&csn[..], &[0x11]].concat());
    let static_mac = kdf(&card_key, b"tegata-scp3\x4d", &[]);
    let talk = file["conversations"][1]["exchanges"].as_array().unwrap();
    let hello = unhex(&talk[1]["answer"]);
    let challenges = [&[0x5a; 16], &hello[13..29]].concat();
    let label = |last: u8| {
        let mut label = [0; 12];
        label[11] = last;
        label
    };
    let session_mac = kdf(&static_mac, &label(6), &challenges);
    let cryptogram = |last| cmac(&session_mac, &[&label(last), &[0, 0, 128, 1], &challenges]);
    assert_eq!(cryptogram(0), hello[29..45]);
    let mut chain = vec![0; 16];
    for exchange in talk {
        let command = unhex(&exchange["command"]);
        if command[0] != 0x84 {
            continue;
        }
        let end = 5 + usize::from(command[4]);
        let mac = cmac(&session_mac, &[&chain, &command[..end - 16]]);
        assert_eq!(mac, command[end - 16..end], "{}", exchange["name"]);
        if command[1] == 0x82 {
            assert_eq!(command[5..21], cryptogram(1));
        }
        chain = mac;
    }
}
