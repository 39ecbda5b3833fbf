//! Checks at a gate: a million tickets are known to it, each scan is opened, verified and admitted
//! durably, from all cores, as an evening's crowd at the doors would have it.
//!
//! The gate joins a real centre and loads real check data. Each round runs in a process of its own,
//! so that its memory and its start are the gate's and nothing else.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context as _, ensure};
use clap::Args;
use roaring::RoaringBitmap;
use rustix::time::ClockId;
use serde_json::{Value, json};
use tegata_cli::clock;
use tegata_gate::{Gate, Verdict, folder::Folder};
use tegata_party::{
    client::Client,
    joining::{Application, Joining, Kind},
    keys::KeyFile,
};
use tegata_protocol::{
    Digest, KeyId, MessageId, SeriesId, SigningKey, Unverified, Validity,
    envelope::{Envelope, Parcel},
    ticket::{
        CheckData, Contents, Holder, HolderKey, Presentation, SealedPresentation, Seat, Serial,
        SerialSet, SeriesRecord, SeriesSecret, Ticket,
    },
};

use super::{
    parties::{Centre, Party, now, shop},
    primitives::{GatePrimitives, GateSample, Samples, nanos, rng},
    report::{Figure, Flow, Report},
};
use crate::{
    processes::Programs,
    town::{Limits, Town},
};

/// Tickets issued, of which every hundredth is cancelled.
const ISSUED: u32 = 1_000_000;
/// Without a divisor in common with [`ISSUED`]: its multiples visit every serial once.
const STRIDE: u64 = 618_033;
/// Scans that one thread has under way.
const UNDER_WAY: usize = 64;

/// How the gate bench is run.
#[derive(Args, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Scans in each round
    #[arg(long, default_value_t = 8192)]
    scans: u64,
}

/// One round.
#[derive(Args, Debug)]
pub struct RoundOptions {
    /// The gate's folder
    #[arg(long)]
    data: PathBuf,
    /// A file with a scanned code on each line
    #[arg(long)]
    scans: PathBuf,
}

/// The shop's side of an event, and a gate that knows it.
struct Event {
    shop: Party,
    secret: SeriesSecret,
    batch: SigningKey,
    record: SeriesRecord,
    gate: PathBuf,
    shown: u64,
}

/// Runs the bench.
///
/// # Errors
/// When a program doesn't do its part, or a genuine ticket isn't admitted.
pub fn run(options: &Options, rounds: usize) -> anyhow::Result<()> {
    ensure!(options.scans > 0, "--scans must be at least 1");
    let folder = tempfile::Builder::new().prefix("tegata-bench-").tempdir()?;
    let mut event = Event::prepare(folder.path())?;
    let primitives = GatePrimitives::new(event.sample()?)?;
    let (mut limit, mut besides, mut flow) =
        (Samples::default(), Samples::default(), Samples::default());
    for round in 1..=rounds {
        primitives.measure(&mut limit);
        primitives.measure_besides(&mut besides);
        let scans = folder.path().join("scans");
        fs::write(&scans, event.scans(options.scans)?)?;
        let measured = in_a_process(&event.gate, &scans)?;
        eprintln!("round {round} of {rounds}: {} checks/s", measured["pace"]);
        for name in ["cpu", "pace", "start", "memory"] {
            let figure = measured[name].as_u64();
            flow.add(
                name,
                figure.with_context(|| format!("no {name} in {measured}"))?,
            );
        }
    }
    let threads = u64::try_from(thread::available_parallelism()?.get())?;
    let limit = limit.medians();
    let crypto: u64 = limit.iter().map(|(_, nanos)| nanos).sum();
    let allowed = threads.saturating_mul(1_000_000_000).checked_div(crypto);
    let pace = flow.median("pace").saturating_mul(1000);
    let of_all_cores = pace.checked_div(allowed.unwrap_or_default());
    let besides = besides.medians().into_iter();
    let mut facts: Vec<_> = besides.map(|(name, n)| (name, Figure::Nanos(n))).collect();
    facts.extend([
        ("tickets known", Figure::Count(u64::from(ISSUED))),
        ("scans in a round", Figure::Count(options.scans)),
        ("cores", Figure::Count(threads)),
    ]);
    let report = Report {
        bench: "gate",
        limit,
        flows: vec![Flow {
            name: "a million tickets known",
            cpu: flow.median("cpu"),
            figures: vec![
                ("checks", Figure::PerSecond(flow.median("pace"))),
                (
                    "checks, of what all cores' crypto allows",
                    Figure::Permille(of_all_cores.unwrap_or_default()),
                ),
                ("memory at most", Figure::Kibibytes(flow.median("memory"))),
                ("start", Figure::Nanos(flow.median("start"))),
            ],
        }],
        facts,
    };
    report.print(options.json);
    Ok(())
}

fn in_a_process(gate: &Path, scans: &Path) -> anyhow::Result<Value> {
    let own = std::env::current_exe().context("finding this program")?;
    let mut command = Command::new(own);
    command.args(["gate-round", "--data"]).arg(gate);
    let output = command.arg("--scans").arg(scans).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the round failed: {said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// One round: opens the gate, checks every scan from all cores, prints what it took.
///
/// # Errors
/// When the gate can't be opened, or a scan isn't admitted.
pub fn round(options: &RoundOptions) -> anyhow::Result<()> {
    let began = nanos(ClockId::Monotonic);
    let folder = Folder::open_existing(&options.data)?;
    let _lock = folder.lock()?;
    let gate = Gate::open(&folder)?;
    gate.choose(&[])?;
    let start = nanos(ClockId::Monotonic).saturating_sub(began);
    let text = fs::read_to_string(&options.scans)?;
    let scans = text.lines().map(base45::decode);
    let scans = scans
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| anyhow::anyhow!("the file of scans: {e:?}"))?;
    let cores = thread::available_parallelism()?.get();
    let (began, spent) = (nanos(ClockId::Monotonic), nanos(ClockId::ProcessCPUTime));
    thread::scope(|scope| {
        let share = scans.len().div_ceil(cores).max(1);
        let threads = scans
            .chunks(share)
            .map(|part| scope.spawn(|| admit_all(&gate, part)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().try_for_each(|thread| {
            let ended = thread.join();
            ended.unwrap_or_else(|_| Err(anyhow::anyhow!("a checking thread failed")))
        })
    })?;
    let wall = nanos(ClockId::Monotonic).saturating_sub(began);
    let spent = nanos(ClockId::ProcessCPUTime).saturating_sub(spent);
    let count = u64::try_from(scans.len())?;
    let pace = count.saturating_mul(1_000_000_000) / wall.max(1);
    let memory = peak_memory()?;
    let measured = json!({ "cpu": spent / count.max(1), "pace": pace, "start": start,
        "memory": memory });
    println!("{measured}");
    Ok(())
}

/// Checks all, some under way at a time; all must be admitted.
fn admit_all(gate: &Gate, scans: &[Vec<u8>]) -> anyhow::Result<()> {
    let mut under_way = VecDeque::with_capacity(UNDER_WAY);
    let admitted = |verdict: Verdict| {
        ensure!(
            matches!(verdict, Verdict::Admitted(_)),
            "not admitted: {verdict:?}"
        );
        Ok(())
    };
    for scan in scans {
        if under_way.len() >= UNDER_WAY
            && let Some(oldest) = under_way.pop_front()
        {
            admitted(tegata_gate::Pending::wait(oldest))?;
        }
        let millis = clock::now_millis();
        under_way.push_back(gate.begin(scan, now(), millis));
    }
    under_way
        .into_iter()
        .try_for_each(|pending| admitted(pending.wait()))
}

/// The most memory that this process ever had, in KiB.
fn peak_memory() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let figure = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    figure.context("/proc/self/status has no VmHWM")
}

impl Event {
    /// A centre, a shop and a gate come to be; the gate learns of a million tickets.
    fn prepare(folder: &Path) -> anyhow::Result<Self> {
        let programs =
            Programs::holding(&["tegata-centre", "tegata-guard"], "cargo xtask bench gate")?;
        let mut town = Town::found(programs, folder.join("town"), Limits::Off)?;
        let (letter, door) = (
            town.apply("shop", "Hall")?,
            town.apply("gate", "North door")?,
        );
        let shop = shop(&Centre::of(&town, &letter)?, &letter)?;
        let gate = Folder::open(&folder.join("gate"))?;
        let application = Application {
            name: "North door".to_owned(),
            address: "http://gate.localhost".to_owned(),
            postal: Vec::new(),
            account: None,
        };
        let slip = fs::read_to_string(&door.slip)?.parse()?;
        let joining = Joining {
            dir: gate.dir(),
            kind: Kind::GATE,
            slip: &slip,
            application: &application,
        };
        let keys = || KeyFile::open_or_make(gate.dir());
        joining.join(&Client::default(), keys, now())?;
        town.close();
        let (secret, (batch, _)) = (
            SeriesSecret::random(&mut rng()),
            SigningKey::generate(&mut rng()),
        );
        let record = SeriesRecord {
            issuer: shop.number,
            series: SeriesId::new(1),
            kind: "admission".to_owned(),
            title: "Spring concert".to_owned(),
            place: "Town hall".to_owned(),
            valid: Validity::new(now().before(3600), now().after(86_400))?,
            names: vec!["Stalls".to_owned()],
            rules: None,
            batches: vec![batch.verifying_key()],
            event_key: secret.event_key().sealing_key().clone(),
        };
        let event = Self {
            shop,
            secret,
            batch,
            record,
            gate: folder.join("gate"),
            shown: 0,
        };
        event.teach(&gate)?;
        Ok(event)
    }

    /// The shop's check data, sealed to the gate, are loaded there.
    fn teach(&self, gate: &Folder) -> anyhow::Result<()> {
        let gate_itself = gate.registered()?;
        let body = CheckData::new(
            self.shop.signing.sign(&self.record),
            &self.secret,
            set((1..=ISSUED).collect())?,
            set((1..=ISSUED).filter(|n| cancelled(*n)).collect())?,
            1,
            now(),
            now().after(86_400),
        );
        let envelope = Envelope::to(
            gate_itself.number(),
            gate_itself.keys.opening().sealing_key(),
            &mut rng(),
        )?;
        let id = MessageId::random(&mut rng());
        let signed = envelope.sign(&self.shop.signing, self.shop.number, id, now(), body);
        let sealed = envelope.seal(&Parcel::new(signed)).0.to_bytes();
        let record = self.shop.record.as_bytes();
        gate.load(
            &gate_itself,
            &mut gate.store()?,
            (&sealed, Some(record)),
            now(),
        )?;
        Ok(())
    }

    /// So many scans of tickets that weren't shown before, a line each.
    fn scans(&mut self, count: u64) -> anyhow::Result<String> {
        let mut text = String::new();
        for _ in 0..count {
            let (presentation, _) = self.show()?;
            text.push_str(&base45::encode(&presentation));
            text.push('\n');
        }
        Ok(text)
    }

    /// The next ticket that isn't cancelled, shown by its holder; and the holder's key.
    fn show(&mut self) -> anyhow::Result<(Vec<u8>, SigningKey)> {
        let serial = loop {
            ensure!(self.shown < u64::from(ISSUED), "all tickets were shown");
            let serial = u32::try_from(self.shown * STRIDE % u64::from(ISSUED))? + 1;
            self.shown += 1;
            if !cancelled(serial) {
                break Serial::new(serial);
            }
        };
        let (holder, _) = SigningKey::generate(&mut rng());
        let (issuer, series) = (self.record.issuer, self.record.series);
        let key = self.secret.serial_key();
        let ticket = Ticket {
            issuer,
            series,
            contents: Contents::Admission(Seat {
                section: 1,
                row: 12,
                seat: 34,
            }),
            serial: key.encrypt(issuer, series, self.batch_id(), serial),
            request: Digest::of(&serial.number().to_be_bytes()),
            holder: Holder::Key(HolderKey(holder.verifying_key())),
            keyword: None,
            valid: self.record.valid,
        };
        let shown = Presentation {
            ticket: self.batch.sign(&ticket),
            event: series,
            time: now(),
            nonce: None,
            keyword: None,
        };
        Ok((shown.seal(&holder, &self.record, &mut rng())?, holder))
    }

    fn batch_id(&self) -> KeyId {
        self.batch.verifying_key().id()
    }

    /// One presentation taken apart, for the limit.
    fn sample(&mut self) -> anyhow::Result<GateSample> {
        let (sealed, holder) = self.show()?;
        let opened = SealedPresentation::parse(&sealed)?.open(&self.secret.event_key())?;
        let ticket = opened.claimed().ticket.clone();
        let serial = Unverified::<Ticket>::parse(ticket.clone())?
            .claimed()
            .serial;
        let serials = (
            self.secret.serial_key(),
            self.record.issuer,
            self.record.series,
        );
        Ok(GateSample {
            ticket: (ticket, self.batch.verifying_key()),
            presentation: (opened.into_signed(), holder.verifying_key()),
            serials,
            serial,
        })
    }
}

const fn cancelled(serial: u32) -> bool {
    serial.is_multiple_of(100)
}

/// A set of serials as check data hold it.
fn set(mut serials: RoaringBitmap) -> anyhow::Result<SerialSet> {
    serials.optimize();
    let mut bytes = Vec::new();
    serials.serialize_into(&mut bytes)?;
    Ok(SerialSet(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_stride_visits_every_serial_once() {
        let visit = |n: u64| n * STRIDE % u64::from(ISSUED);
        let visited: HashSet<u64> = (0..u64::from(ISSUED)).map(visit).collect();
        assert_eq!(visited.len(), usize::try_from(ISSUED).unwrap());
    }

    #[test]
    fn memory_is_read_in_kibibytes() {
        assert!((1024..64 * 1024 * 1024).contains(&peak_memory().unwrap()));
    }
}
