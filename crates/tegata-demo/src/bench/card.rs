//! Card payments: what both ends of a card's protocol cost, and how often they speak.
//!
//! A payment is a whole one: keys from the master keys, SELECT, a new session, balance, VIEW,
//! DEBIT, the receipt verified, CONFIRM. The limit is what neither end can leave out: AES-CMAC for
//! each derivation and each MAC, AES-CBC for what is encrypted, counted from spec/cards.md.
//!
//! With the feature `pcsc` the same payment goes through the real card service too (`reader`).

use std::hint::black_box;

use aes::{
    Aes256,
    cipher::{BlockCipherEncrypt as _, KeyInit as _},
};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use cmac::{Cmac, Mac as _};
use rustix::time::ClockId;
use tegata_card::{
    applet::{self, Applet, PAGES},
    chip::{Hardware, PAGE, Page, PowerCut},
    command::{Limits, Operation, View},
    keys::{CardKey, Csn, MasterKey, Role},
    link::{InProcess, Link},
    receipt::{ReceiptKey, Transaction},
    session::{self, Opening, Order, Reply, Said, Session},
};

#[cfg(feature = "pcsc")]
pub mod reader;

use super::{
    primitives::{Samples, nanos},
    report::{Figure, Flow, Report},
};

/// Payments in a round.
const PAYMENTS: u32 = 512;

/// What neither end can leave out, at both ends together: derivations (master key to Kc, Kc to
/// K-ENC and K-MAC, session keys, challenge, cryptograms, K-TX), MACs of commands, answers and the
/// receipt, bytes through CBC with a vector for each.
const DERIVATIONS: u64 = 34;
const MACS: u64 = 16;
const CBC_BLOCKS: u64 = 2 * (23 + 4);

const CSN: Csn = Csn::new(*b"bench-card");
const TRANSPORT: [u8; 32] = [9; 32];

/// How the card bench is run.
#[derive(Args, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
///
/// # Errors
/// When something doesn't hold.
pub fn run(options: &Options, rounds: usize) -> anyhow::Result<()> {
    let (mut limit, mut flow) = (Samples::default(), Samples::default());
    let mut spoken = 0;
    #[cfg(feature = "pcsc")]
    let mut service = reader::Bench::default();
    for round in 1..=rounds {
        measure_limit(&mut limit);
        let mut desk = Desk::new(InProcess(card()?))?;
        let (cpu, wall) = (nanos(ClockId::ThreadCPUTime), nanos(ClockId::Monotonic));
        for _payment in 0..PAYMENTS {
            desk.pay()?;
        }
        let each = |clock, start: u64| nanos(clock).saturating_sub(start) / u64::from(PAYMENTS);
        flow.add("cpu", each(ClockId::ThreadCPUTime, cpu));
        flow.add("wall", each(ClockId::Monotonic, wall));
        spoken = desk.spoken / u64::from(PAYMENTS);
        #[cfg(feature = "pcsc")]
        service.round()?;
        eprintln!("round {round} of {rounds}");
    }
    let rate = 1_000_000_000_u64.checked_div(flow.median("wall"));
    #[cfg(feature = "pcsc")]
    let through_the_service = Some(service.flow());
    #[cfg(not(feature = "pcsc"))]
    let through_the_service = None;
    #[cfg(not(feature = "pcsc"))]
    eprintln!(
        "PC/SC is left out: this was built without the feature pcsc. `cargo xtask bench card` turns \
         it on where pcscd, vpcd and libpcsclite's headers are installed (docs/card.md)."
    );
    let report = Report {
        bench: "card",
        limit: limit.medians(),
        flows: vec![Flow {
            name: "card and session in this process",
            cpu: flow.median("cpu"),
            figures: vec![("payments", Figure::PerSecond(rate.unwrap_or_default()))],
        }]
        .into_iter()
        .chain(through_the_service)
        .collect(),
        facts: vec![
            ("commands to the card, a payment", Figure::Count(spoken)),
            (
                "of these through the card-key server",
                Figure::Count(spoken - 2),
            ),
        ],
    };
    report.print(options.json);
    Ok(())
}

fn measure_limit(samples: &mut Samples) {
    let key = [7; 32];
    let mac = |bytes: &[u8]| {
        let mut mac = <Cmac<Aes256> as cmac::KeyInit>::new(&key.into());
        mac.update(bytes);
        black_box(mac.finalize());
    };
    let derivation = [1; 48];
    samples.add(
        "derive (AES-CMAC of 48 bytes)",
        DERIVATIONS * mean(|| mac(&derivation)),
    );
    let command = [1; 101];
    samples.add(
        "authenticate (AES-CMAC of 101 bytes)",
        MACS * mean(|| mac(&command)),
    );
    let cipher = Aes256::new(&key.into());
    let mut block = [0; 16];
    let encrypted = mean(|| cipher.encrypt_block((&mut block).into()));
    black_box(block);
    samples.add("encrypt (AES-256 blocks)", CBC_BLOCKS * encrypted);
}

/// CPU time of one call.
fn mean(mut call: impl FnMut()) -> u64 {
    const CALLS: u32 = 4096;
    call();
    let start = nanos(ClockId::ThreadCPUTime);
    for _call in 0..CALLS {
        call();
    }
    nanos(ClockId::ThreadCPUTime).saturating_sub(start) / u64::from(CALLS)
}

/// A card's memory that forgets everything with the process.
#[derive(Debug)]
struct Ram(Vec<Page>);

impl Hardware for Ram {
    fn read(&mut self, page: usize) -> Result<Page, PowerCut> {
        self.0.get(page).copied().ok_or(PowerCut)
    }

    fn write(&mut self, page: usize, contents: &Page) -> Result<(), PowerCut> {
        *self.0.get_mut(page).ok_or(PowerCut)? = *contents;
        Ok(())
    }

    fn pause(&mut self, _milliseconds: u16) {}
}

fn card() -> anyhow::Result<Applet<Ram>> {
    let mut memory = Ram(vec![[0; PAGE]; PAGES]);
    applet::manufacture(&mut memory, *CSN.as_bytes(), TRANSPORT)?;
    Ok(Applet::new(memory))
}

/// Who holds the master keys, and the way to a card.
struct Desk<L> {
    link: L,
    debit: MasterKey,
    receipt: MasterKey,
    counter: u32,
    spoken: u64,
}

impl<L: Link> Desk<L> {
    /// Personalises the card and loads all it holds.
    fn new(link: L) -> anyhow::Result<Self> {
        let mut desk = Self {
            link,
            debit: MasterKey::new(Role::Debit, [1; 32]),
            receipt: MasterKey::new(Role::Receipt, [3; 32]),
            counter: 0,
            spoken: 0,
        };
        let admin = MasterKey::new(Role::Admin, [2; 32]);
        let mut session = desk.open(&CardKey::transport(TRANSPORT))?;
        for master in [
            &MasterKey::new(Role::Debit, [1; 32]),
            &admin,
            &MasterKey::new(Role::Receipt, [3; 32]),
        ] {
            let key = master.card_key(CSN, 1).context("version")?;
            (session, _) = desk.order(session, &Order::PutKey(key))?;
        }
        let limits = Limits {
            currency: *b"JPY",
            balance: 1_000_000,
            debit: 1_000,
            offline: 0,
        };
        desk.order(session, &Order::Limits(Operation::Activate, limits))?;
        let session = desk.open(&admin.card_key(CSN, 1).context("version")?)?;
        let load = desk.transaction(1_000_000);
        let (session, _) = desk.order(session, &Order::Load(load))?;
        desk.order(session, &Order::Confirm(load.id))?;
        desk.spoken = 0;
        Ok(desk)
    }

    fn transaction(&mut self, amount: u32) -> Transaction {
        self.counter += 1;
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(self.counter.to_be_bytes()) {
            *to = from;
        }
        Transaction {
            id,
            amount,
            counter: self.counter,
            bill: [5; 32],
            terminal: *b"bench-01",
            time: 1_800_000_000,
        }
    }

    fn send(&mut self, command: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.spoken += 1;
        Ok(self.link.transmit(command)?)
    }

    fn open(&mut self, key: &CardKey) -> anyhow::Result<Session> {
        let answer = self.send(&session::select())?;
        session::selected(&answer).context("not a card of ours")?;
        let mut challenge = [0; 16];
        getrandom::fill(&mut challenge).context("the system's randomness")?;
        let (opening, bytes) = Opening::new(key, CSN, challenge);
        let answer = self.send(&bytes)?;
        let (session, bytes) = opening.answer(&answer)?;
        ensure!(
            self.send(&bytes)? == [0x90, 0x00],
            "the session isn't opened"
        );
        Ok(session)
    }

    fn order(&mut self, mut session: Session, order: &Order) -> anyhow::Result<(Session, Reply)> {
        let bytes = session.order(order)?;
        let answer = self.send(&bytes)?;
        match session.answer(&answer)? {
            (session, Said::Done(reply)) => Ok((session, reply)),
            (_, said) => bail!("{order:?} was answered {said:?}"),
        }
    }

    /// One whole payment.
    fn pay(&mut self) -> anyhow::Result<()> {
        let key = self.debit.card_key(CSN, 1).context("version")?;
        let session = self.open(&key)?;
        let (session, purse) = self.order(session, &Order::ReadPurse)?;
        ensure!(matches!(purse, Reply::Purse(_)), "no purse");
        let debit = self.transaction(7);
        let view = View {
            amount: debit.amount,
            counter: debit.counter,
            bill: debit.bill,
        };
        ensure!(self.send(&view.command())? == [0x90, 0x00], "not viewed");
        let (session, reply) = self.order(session, &Order::Debit(debit))?;
        let Reply::Receipt(receipt) = reply else {
            bail!("no receipt");
        };
        let key = self.receipt.card_key(CSN, 1);
        let key = key.as_ref().and_then(ReceiptKey::new).context("version")?;
        ensure!(
            key.verify(receipt)?.get().transaction == debit,
            "another receipt"
        );
        self.order(session, &Order::Confirm(debit.id))?;
        Ok(())
    }
}
