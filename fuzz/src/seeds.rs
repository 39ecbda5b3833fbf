//! Seeds that only a program can make. Those that stand in the tree's samples and vectors are brought by
//! `seed_corpus.py`.

use qrcode::{Color, QrCode};
use roaring::RoaringBitmap;
use tegata_card_service::{
    CardLimits, CardNumber, Done, Fate, JobId, Money, OrderId, PurseTold, ReceiptBytes, Request,
    Resolved, Response, Task, encode,
};
use tegata_gate::evidence::{Exported, ShownAgain};
use tegata_protocol::order::{Field, FieldValue, OrderForm};
use tegata_protocol::record::{PartyKeys, PartyRecord, Profile, Status};
use tegata_protocol::ticket::{Admission, Serial};
use tegata_protocol::{
    Digest, OpeningKey, PartyNumber, Role, SeriesId, SignedBytes, Suite, Time, Validity, cbor,
};
use tegata_wallet::entry::Entry;
use tegata_wallet::state::State;

use crate::files::png;
use crate::protocol::KEY;
use crate::vault;

/// A target's name, and an input for it.
pub type Seed = (&'static str, Vec<u8>);

/// All of them.
pub fn all() -> Vec<Seed> {
    let mut seeds = vec![
        ("evidence", export()),
        ("evidence", gate_record()),
        ("check_data", lists()),
        ("vault", vault::file()),
        ("history", vault::behind_the_head()),
        ("letter", letter()),
    ];
    let (width, pixels) = drawn("7");
    let width = u8::try_from(width).unwrap_or(u8::MAX);
    seeds.push(("letter_picture", [&[width], pixels.as_slice()].concat()));
    seeds.extend(messages().into_iter().map(|bytes| ("card_service", bytes)));
    seeds.extend(
        of_wallets()
            .into_iter()
            .map(|bytes| ("wallet_files", bytes)),
    );
    seeds.extend(answers().into_iter().map(|bytes| ("order_answers", bytes)));
    seeds
}

fn gate() -> PartyNumber {
    PartyNumber::new(Role::Gate, 3).expect("a gate's number")
}

fn shop() -> PartyNumber {
    PartyNumber::new(Role::Shop, 7).expect("a shop's number")
}

fn record() -> SignedBytes {
    KEY.sign(&PartyRecord {
        number: gate(),
        keys: PartyKeys {
            spending: None,
            signing: KEY.verifying_key(),
            opening: OpeningKey::from_seed(Suite::Standard, &[5; 32])
                .sealing_key()
                .clone(),
        },
        profile: Some(Profile {
            name: "North door".into(),
            address: "https://gate.example".into(),
        }),
        valid: Validity::new(Time::from_secs(1), Time::from_secs(9)).expect("a span"),
        status: Status::Active,
    })
}

fn gate_record() -> Vec<u8> {
    cbor::encode(&Exported::Gate(record()))
}

/// Two admissions and a ticket that was shown again.
fn export() -> Vec<u8> {
    let mut items = gate_record();
    let mut previous = Digest::from_bytes([0; 32]);
    for number in [1, 2] {
        let shown = SignedBytes::new(vec![number; 20]);
        let admission = KEY.sign(&Admission {
            gate: gate(),
            issuer: shop(),
            series: SeriesId::new(1),
            serial: Serial::new(number.into()),
            presentation: shown.digest(),
            time: Time::from_secs(5),
            previous,
        });
        previous = admission.digest();
        items.extend(cbor::encode(&Exported::Admitted(admission, shown)));
    }
    items.extend(cbor::encode(&Exported::SecondUse(ShownAgain {
        issuer: shop(),
        series: SeriesId::new(1),
        serial: Serial::new(2),
        at: Time::from_secs(6),
        presentation: SignedBytes::new(vec![9; 20]),
    })));
    items.extend(cbor::encode(&Exported::End(2, previous)));
    items
}

/// Lists of serials: a few in a row and one far away, then one that is cancelled.
fn lists() -> Vec<u8> {
    let list = |serials: RoaringBitmap| {
        let mut bytes = Vec::new();
        serials
            .serialize_into(&mut bytes)
            .expect("writing to memory");
        bytes
    };
    let issued = list((1..=20).chain([70_000]).collect());
    let cancelled = list([3].into_iter().collect());
    let at = u16::try_from(issued.len()).expect("a short list");
    [&at.to_be_bytes(), issued.as_slice(), &cancelled].concat()
}

fn letter() -> Vec<u8> {
    let (width, pixels) = drawn("tegata:join?centre=http");
    png(width, &pixels)
}

/// A code in black and white, three pixels a module: its width and pixels.
fn drawn(text: &str) -> (usize, Vec<u8>) {
    let code = QrCode::new(text).expect("a short text");
    let (modules, quiet, scale) = (code.width(), 4, 3);
    let side = (modules + 2 * quiet) * scale;
    let mut pixels = Vec::with_capacity(side * side);
    for at in 0..side * side {
        let (x, y) = (at % side / scale, at / side / scale);
        let inside = |v: usize| (quiet..quiet + modules).contains(&v);
        let dark = inside(x) && inside(y) && code[(x - quiet, y - quiet)] == Color::Dark;
        pixels.push(if dark { 20 } else { 240 });
    }
    (side, pixels)
}

/// Of each kind of request and response one, by itself and as a frame.
fn messages() -> Vec<Vec<u8>> {
    let (job, card, order) = (JobId([1; 16]), CardNumber([2; 10]), OrderId([3; 16]));
    let limits = || CardLimits {
        currency: "JPY".into(),
        balance: 20_000,
        debit: 5_000,
        offline: 3_000,
    };
    let money = Money {
        id: order,
        amount: 700,
        currency: "JPY".into(),
        bill: [4; 32],
        terminal: *b"desk-001",
        time: 1_800_000_000,
    };
    let personalise = Task::Personalise {
        transport_key: vec![5; 32],
        limits: limits(),
    };
    let punch = Task::Punch {
        slot: 2,
        id: order,
        terminal: *b"gate-001",
        time: 1_800_000_000,
        ticket: vec![6; 40],
    };
    let requests = [
        Request::Begin(job, card, personalise),
        Request::Begin(job, card, punch),
        Request::Begin(job, card, Task::Debit { read: true }),
        Request::Begin(job, card, Task::Limit(limits())),
        Request::Answer(job, vec![0x90, 0]),
        Request::Order(job, money),
        Request::Abandon(job),
        Request::Check(vec![7; 100]),
        Request::Receipts(card, 9),
        Request::Find(order),
    ];
    let purse = || PurseTold {
        balance: Some(10_000),
        counter: 2,
        limits: limits(),
        blocked: false,
    };
    let responses = [
        Response::Send(vec![0, 0xa4, 4, 0, 0]),
        Response::Opened {
            resolved: Some(Resolved::Void(order)),
            purse: purse(),
        },
        Response::Done(Done {
            purse: Some(purse()),
            ..Done::default()
        }),
        Response::Receipts(vec![ReceiptBytes(vec![8; 100])]),
        Response::Found(Fate::InDoubt),
    ];
    let requests = requests.iter().map(|request| encode(request));
    let responses = responses.iter().map(|response| encode(response));
    let messages = requests
        .chain(responses)
        .map(|bytes| bytes.expect("a short message"));
    let both = messages.flat_map(|bytes| {
        let length = u32::try_from(bytes.len()).expect("a short message");
        let frame = [&length.to_be_bytes(), bytes.as_slice()].concat();
        [bytes.to_vec(), frame]
    });
    both.collect()
}

fn of_wallets() -> Vec<Vec<u8>> {
    let member = PartyNumber::new(Role::Member, 1).expect("a member's number");
    let state = State::new(member, "https://centre.example", KEY.verifying_key());
    let entries = [
        Entry::Restored,
        Entry::SetAside(4, "it isn't signed by the centre".into()),
        Entry::Shown(Digest::of(b"ticket")),
    ];
    let entries = entries.iter().map(cbor::encode);
    entries.chain([state.to_bytes()]).collect()
}

/// An application as a browser seals it, and one that lacks a field.
fn answers() -> Vec<Vec<u8>> {
    let filled = [
        ("role", "member"),
        ("name", "Kirishima Hanako"),
        ("postal", "1-2-3 Sakura; 100-0001 Tokyo"),
        ("mail", "hanako@example.org"),
    ];
    let form = |fields: &[(&str, &str)]| {
        let field = |(name, value): &(&str, &str)| Field {
            name: (*name).to_owned(),
            value: FieldValue::Text((*value).to_owned()),
        };
        let form = OrderForm {
            lines: Vec::new(),
            fields: fields.iter().map(field).collect(),
            language: "en".into(),
        };
        form.to_bytes().to_vec()
    };
    vec![form(&filled), form(&filled[..2])]
}
