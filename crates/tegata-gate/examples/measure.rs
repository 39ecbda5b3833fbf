//! Measures a gate on this machine: `cargo run --release -p tegata-gate --example measure`.
//!
//! Makes a gate that knows 1,000,000 tickets, shows it some thousands of them from all cores, and
//! prints JSON: the cryptography of one check alone (the limit), what the whole durable check
//! costs in CPU, their ratio, checks per second, and how long a start takes and how much memory
//! after a million admissions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement may stop at the first surprise"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use roaring::RoaringBitmap;
use tegata_gate::{
    Event, Gate, Identity, Verdict,
    admission::{Batch, Entry, Store as _, TicketId},
    store::SqliteStore,
};
use tegata_program::clock;
use tegata_protocol::{
    Digest, PartyNumber, Role, SeriesId, SignedBytes, SigningKey, Time, Unverified, Validity,
    ticket::{
        CheckData, CheckList, Checker, Contents, Holder, HolderKey, Presentation, Seat, Serial,
        SerialSet, SeriesRecord, SeriesSecret, Ticket,
    },
};

const TICKETS: u32 = 1_000_000;
const NOW: Time = Time::from_secs(1_795_253_400);
/// Under way at a time on each thread.
const IN_FLIGHT: usize = 64;

fn main() {
    let shown: u32 = std::env::args().nth(1).map_or(8000, |n| n.parse().unwrap());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let town = Town::new();
    let scans: Vec<Vec<u8>> = (0..shown).map(|serial| town.show(serial)).collect();
    let limit = town.crypto_alone(&scans);
    let folder = tempfile::tempdir().unwrap();
    let gate = town.gate(&folder.path().join("gate.sqlite"));
    let (cpu, start) = (cpu_micros(), clock::monotonic_millis());
    let admitted = run(&gate, &scans, threads);
    let (cpu, millis) = (cpu_micros() - cpu, clock::monotonic_millis() - start);
    assert_eq!(admitted, scans.len());
    drop(gate);
    let (start_millis, memory_kib) = town.start(&folder.path().join("full.sqlite"));
    let each = cpu / u64::from(shown);
    let json = serde_json::json!({
        "checks": shown,
        "threads": threads,
        "limit_micros": limit,
        "cpu_micros_per_check": each,
        "ratio_percent": limit * 100 / each.max(1),
        "checks_per_second": u64::from(shown) * 1000 / millis.max(1),
        "tickets": TICKETS,
        "start_millis": start_millis,
        "memory_after_start_kib": memory_kib,
    });
    println!("{json}");
}

/// Each thread keeps many under way, as the page's server does.
fn run(gate: &Gate, scans: &[Vec<u8>], threads: usize) -> usize {
    let (next, admitted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut under_way = std::collections::VecDeque::new();
        let mut count = 0;
        while let Some(scan) = scans.get(next.fetch_add(1, Ordering::Relaxed)) {
            under_way.push_back(gate.begin(scan, NOW, NOW.secs() * 1000));
            if under_way.len() == IN_FLIGHT {
                count += usize::from(under_way.pop_front().unwrap().wait().admits());
            }
        }
        let rest = under_way.into_iter().map(tegata_gate::Pending::wait);
        count += rest.filter(Verdict::admits).count();
        admitted.fetch_add(count, Ordering::Relaxed);
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    admitted.into_inner()
}

/// User and system time of this process, of a resolution of 10 ms.
fn cpu_micros() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<u64>().unwrap();
    (ticks(11) + ticks(12)) * 10_000
}

fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

struct AllGood;

impl CheckList for AllGood {
    fn is_cancelled(&self, _: Serial) -> bool {
        false
    }
    fn is_issued(&self, _: Serial) -> bool {
        true
    }
    fn wrong_keywords(&self, _: Serial) -> u8 {
        0
    }
}

/// A shop with one series, and a holder.
struct Town {
    shop: SigningKey,
    batch: SigningKey,
    holder: SigningKey,
    secret: SeriesSecret,
    record: SeriesRecord,
}

impl Town {
    fn new() -> Self {
        let key = |seed| SigningKey::from_seed(&[seed; 32]);
        let (batch, secret) = (key(2), SeriesSecret::from_bytes([4; 32]));
        let record = SeriesRecord {
            issuer: PartyNumber::new(Role::Shop, 1).unwrap(),
            series: SeriesId::new(1),
            kind: "admission".into(),
            title: "Evening concert".into(),
            place: "Town hall".into(),
            valid: Validity::new(NOW.before(60), NOW.after(60)).unwrap(),
            names: vec!["Stalls".into()],
            rules: None,
            batches: vec![batch.verifying_key()],
            event_key: secret.event_key().sealing_key().clone(),
        };
        Self {
            shop: key(1),
            batch,
            holder: key(3),
            secret,
            record,
        }
    }

    fn show(&self, serial: u32) -> Vec<u8> {
        let (issuer, series) = (self.record.issuer, self.record.series);
        let batch = self.batch.verifying_key().id();
        let serials = self.secret.serial_key();
        let ticket = Ticket {
            issuer,
            series,
            contents: Contents::Admission(Seat {
                section: 1,
                row: 1,
                seat: 1,
            }),
            serial: serials.encrypt(issuer, series, batch, Serial::new(serial)),
            request: Digest::of(&serial.to_be_bytes()),
            holder: Holder::Key(HolderKey(self.holder.verifying_key())),
            keyword: None,
            valid: self.record.valid,
        };
        let presentation = Presentation {
            ticket: self.batch.sign(&ticket),
            event: series,
            time: NOW,
            nonce: None,
            keyword: None,
        };
        let mut rng = UnwrapErr(SysRng);
        presentation
            .seal(&self.holder, &self.record, &mut rng)
            .unwrap()
    }

    fn event(&self) -> Event {
        let mut issued = RoaringBitmap::new();
        issued.insert_range(0..TICKETS);
        let set = |bitmap: &RoaringBitmap| {
            let mut bytes = Vec::new();
            bitmap.serialize_into(&mut bytes).unwrap();
            SerialSet(bytes)
        };
        let data = CheckData::new(
            self.shop.sign(&self.record),
            &self.secret,
            set(&issued),
            set(&RoaringBitmap::new()),
            1,
            NOW,
            NOW.after(3600),
        );
        Event::new(self.record.issuer, &data, &self.shop.verifying_key()).unwrap()
    }

    fn gate(&self, log: &std::path::Path) -> Gate {
        let identity = Identity {
            number: PartyNumber::new(Role::Gate, 1).unwrap(),
            name: "Gate".into(),
            key: SigningKey::from_seed(&[5; 32]),
        };
        let store = SqliteStore::open(log).unwrap();
        let gate = Gate::new(identity, vec![self.event()], store).unwrap();
        gate.choose(&[]).unwrap();
        gate
    }

    /// Microseconds of one check's cryptography, on one thread, and of the signature of its entry.
    fn crypto_alone(&self, scans: &[Vec<u8>]) -> u64 {
        let record = Unverified::<SeriesRecord>::parse(self.shop.sign(&self.record)).unwrap();
        let record = record.verify(&self.shop.verifying_key()).unwrap();
        let checker = Checker::new(record, SeriesSecret::from_bytes(*self.secret.reveal()));
        let start = cpu_micros();
        for scan in scans {
            let checked = checker.check(scan, &[], &AllGood, NOW, None).unwrap();
            std::hint::black_box(self.holder.sign(&tegata_protocol::ticket::Admission {
                gate: self.record.issuer,
                issuer: self.record.issuer,
                series: self.record.series,
                serial: checked.serial,
                presentation: checked.presentation,
                time: NOW,
                previous: checked.presentation,
            }));
        }
        (cpu_micros() - start) / u64::try_from(scans.len()).unwrap()
    }

    /// Milliseconds to open a gate of which every ticket is used, and its memory afterwards.
    fn start(&self, log: &std::path::Path) -> (u64, u64) {
        let mut store = SqliteStore::open(log).unwrap();
        let (event, filler) = (self.event().id(), SignedBytes::new(vec![7; 400]));
        for first in (0..TICKETS).step_by(5_000) {
            let entries = (first..first + 5_000).map(|serial| Entry {
                row: u64::from(serial) + 1,
                ticket: TicketId {
                    event,
                    serial: Serial::new(serial),
                },
                presentation: Digest::of(&serial.to_be_bytes()),
                at: NOW,
                evidence: filler.clone(),
                record: filler.clone(),
            });
            let batch = Batch {
                entries: entries.collect(),
                ..Batch::default()
            };
            store.commit(&batch).unwrap();
        }
        drop(store);
        let start = clock::monotonic_millis();
        let gate = self.gate(log);
        let millis = clock::monotonic_millis() - start;
        assert_eq!(gate.admitted(event), u64::from(TICKETS));
        (millis, memory_kib())
    }
}
