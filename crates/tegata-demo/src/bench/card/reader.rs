//! Paying through the real card service: `pcscd`, its virtual reader, the real client library.
//!
//! The peer is the link itself, measured in the same round: bare SELECTs to the same card, one after
//! the other. What a payment takes beside its commands' share of that is ours: two ends' ciphers, and
//! longer commands.
//!
//! The client library looks up once per process where the service listens, so each round is a
//! process of its own.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use rustix::time::ClockId;
use serde_json::{Value, json};
use tegata_card::{
    link::Link as _,
    session,
    vpcd::{Card, Ended},
};
use tegata_card_reader::{reader::Readers, service::Service};

use super::{Desk, PAYMENTS, card};
use crate::bench::{
    primitives::{Samples, nanos},
    report::{Figure, Flow},
};

/// Bare round trips in a round.
const BARE: u32 = 4096;
/// Long enough for any machine; nothing waits for it unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a round is run, in a process of its own.
#[derive(Args, Debug)]
pub struct RoundOptions {
    /// The virtual reader's port
    #[arg(long)]
    port: u16,
}

/// What the rounds said.
#[derive(Default)]
pub(super) struct Bench(Samples);

impl Bench {
    /// One round, with a service of its own: one that saw its card go may not see the next come.
    pub(super) fn round(&mut self) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let service = Service::start(folder.path());
        let service = service.context("starting pcscd with its virtual reader vpcd")?;
        let own = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(own);
        let command = service.tell(&mut command);
        let port = service.port().to_string();
        let output = command.args(["card-round", "--port", &port]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the round failed: {said}");
        let measured: Value = serde_json::from_slice(&output.stdout)?;
        for name in ["cpu", "wall", "bare", "share", "ours", "commands"] {
            let figure = measured.get(name).and_then(Value::as_u64);
            self.0.add(name, figure.context(name)?);
        }
        Ok(())
    }

    /// What was reached.
    pub(super) fn flow(&self) -> Flow {
        let rate = |name| {
            let rate = 1_000_000_000_u64.checked_div(self.0.median(name));
            Figure::PerSecond(rate.unwrap_or_default())
        };
        Flow {
            name: "through the card service (pcscd, vpcd)",
            cpu: self.0.median("cpu"),
            figures: vec![
                ("payments", rate("wall")),
                ("one payment", Figure::Nanos(self.0.median("wall"))),
                ("bare SELECTs, the peer", rate("bare")),
                (
                    "commands to the card, a payment",
                    Figure::Count(self.0.median("commands")),
                ),
                (
                    "so many bare SELECTs ÷ one payment",
                    Figure::Permille(self.0.median("share")),
                ),
                (
                    "one payment less so many SELECTs",
                    Figure::Nanos(self.0.median("ours")),
                ),
            ],
        }
    }
}

/// One round: a card into the reader, bare round trips, payments, again bare ones; prints what they
/// took.
///
/// # Errors
/// When the card can't be reached, or a payment isn't made.
pub fn round(options: &RoundOptions) -> anyhow::Result<()> {
    // The service answers only when its readers are there to take cards.
    let readers = Readers::open()?;
    let inserted = Card::insert(&format!("127.0.0.1:{}", options.port))?;
    let puller = inserted.puller()?;
    let mut chip = card()?;
    let serving = thread::spawn(move || inserted.serve(&mut chip));
    let reader = readers.wait_for_card(None, PATIENCE)?;
    let mut desk = Desk::new(readers.connect(&reader, PATIENCE)?)?;
    let before = bare(&mut desk)?;
    let (cpu, wall) = (nanos(ClockId::ProcessCPUTime), nanos(ClockId::Monotonic));
    for _payment in 0..PAYMENTS {
        desk.pay()?;
    }
    let each = |clock, start: u64| nanos(clock).saturating_sub(start) / u64::from(PAYMENTS);
    let cpu = each(ClockId::ProcessCPUTime, cpu);
    let wall = each(ClockId::Monotonic, wall);
    let commands = desk.spoken / u64::from(PAYMENTS);
    let bare = u64::midpoint(before, bare(&mut desk)?);
    let least = commands.saturating_mul(bare);
    let share = least.saturating_mul(1000) / wall.max(1);
    let ours = wall.saturating_sub(least);
    puller.pull();
    let ended = serving.join().map_err(|_e| anyhow!("the card failed"))?;
    ensure!(ended? == Ended::Pulled, "the card lost its power");
    let measured = json!({ "cpu": cpu, "wall": wall, "bare": bare, "share": share, "ours": ours,
        "commands": commands });
    println!("{measured}");
    Ok(())
}

/// Wall time of a bare round trip.
fn bare(desk: &mut Desk<tegata_card_reader::reader::CardInReader>) -> anyhow::Result<u64> {
    let select = session::select();
    let start = nanos(ClockId::Monotonic);
    for _trip in 0..BARE {
        let answer = desk.link.transmit(&select)?;
        ensure!(answer.ends_with(&[0x90, 0x00]), "SELECT was refused");
    }
    Ok(nanos(ClockId::Monotonic).saturating_sub(start) / u64::from(BARE))
}
