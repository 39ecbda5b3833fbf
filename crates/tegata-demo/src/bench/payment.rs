//! Payments, as fast as the centre takes them: real processes, HTTP through the guard, a durable
//! book in SQLite. Requests are sealed beforehand; every receipt is opened and verified afterwards,
//! and in the end the book must pass its audit.

use std::{collections::HashSet, fs, path::Path};

use anyhow::{Context as _, ensure};
use clap::Args;
use hyper::body::Bytes;
use rand_core::Rng as _;
use rustix::param::clock_ticks_per_second;
use tegata_protocol::{
    MessageId, PartyNumber, PaymentId, ReplyKey, Role, SignedBytes, TransactionNumber, Unverified,
    cbor,
    envelope::{Envelope, Message, Parcel, Reply},
    payment::{Mode, Payment, Receipt},
    purchase::{Bill, DeliveryKind, Line, Rounding, TaxMode, TaxRate, compute_totals},
    record::ChainHead,
    refusal::Refusal,
};

use super::{
    load::{Answers, send_all},
    parties::{Centre, Party, fund, now, shop, yen},
    primitives::{PaymentPrimitives, PaymentSample, Samples, rng},
    report::{Figure, Flow, Report},
};
use crate::{
    processes::Programs,
    town::{Limits, Town},
};

/// Payments that warm everything up before the first round.
const WARM_UP: usize = 256;

const DISTINCT: &str = "distinct shops";
const HOT: &str = "one hot shop";

/// How the payment bench is run.
#[derive(Args, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Payments in each round of each scenario
    #[arg(long, default_value_t = 4096)]
    payments: usize,
    /// Payments under way at any time
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Members who pay
    #[arg(long, default_value_t = 64)]
    members: usize,
    /// Shops that are paid
    #[arg(long, default_value_t = 32)]
    shops: usize,
}

/// A town with members who have money, and shops.
struct Market {
    town: Town,
    centre: Centre,
    members: Vec<Party>,
    shops: Vec<Party>,
}

/// A payment that is signed and sealed, and what is needed to believe its receipt.
struct Sealed {
    member: usize,
    shop: usize,
    parcel: Parcel,
    bytes: Bytes,
    reply: ReplyKey,
}

/// One round of one scenario.
struct Round {
    sealed: Vec<Sealed>,
    answers: Answers,
    /// CPU of centre and guard, in nanoseconds.
    cpu: (u64, u64),
}

/// Runs the bench.
///
/// # Errors
/// When a program doesn't do its part, or a receipt or the book doesn't hold.
pub fn run(options: &Options, rounds: usize) -> anyhow::Result<()> {
    ensure!(
        [
            options.payments,
            options.in_flight,
            options.members,
            options.shops
        ]
        .iter()
        .all(|n| *n > 0),
        "every number must be at least 1"
    );
    let folder = tempfile::Builder::new().prefix("tegata-bench-").tempdir()?;
    let mut market = Market::open(options, folder.path())?;
    let warm_up = market.round(market.shops.len(), WARM_UP, options.in_flight)?;
    let (sample, _) = market.verify(&warm_up)?;
    let members = u32::try_from(options.members)?;
    let mut primitives = PaymentPrimitives::new(sample, &folder.path().join("limit"), members)?;
    let (mut limit, mut distinct, mut hot) =
        (Samples::default(), Samples::default(), Samples::default());
    for round in 1..=rounds {
        primitives.measure(&mut limit, u64::try_from(options.in_flight)?)?;
        for (name, shops, samples) in [
            (DISTINCT, market.shops.len(), &mut distinct),
            (HOT, 1, &mut hot),
        ] {
            let paid = market.round(shops, options.payments, options.in_flight)?;
            let (_, heads) = market.verify(&paid)?;
            eprintln!(
                "round {round} of {rounds}, {name}: {} /s",
                paid.answers.per_second()
            );
            paid.note(heads, samples)?;
        }
    }
    market.audit()?;
    let flows = vec![flow(DISTINCT, &distinct), flow(HOT, &hot)];
    let hot = flows
        .first()
        .zip(flows.get(1))
        .map_or(0, |(distinct, hot)| {
            distinct.cpu.saturating_mul(1000) / hot.cpu.max(1)
        });
    let count = |n: usize| u64::try_from(n).map(Figure::Count);
    let report = Report {
        bench: "payment",
        limit: limit.medians(),
        flows,
        facts: vec![
            (
                "CPU, distinct shops over one hot shop",
                Figure::Permille(hot),
            ),
            ("payments in a round", count(options.payments)?),
            ("in flight", count(options.in_flight)?),
            ("rounds", count(rounds)?),
        ],
    };
    report.print(options.json);
    Ok(())
}

fn flow(name: &'static str, samples: &Samples) -> Flow {
    let median = |name: &str| samples.median(name);
    Flow {
        name,
        cpu: median("centre"),
        figures: vec![
            ("guard, CPU of one", Figure::Nanos(median("guard"))),
            ("payments", Figure::PerSecond(median("pace"))),
            ("payments in a batch", Figure::Permille(median("batch"))),
            ("wait, median", Figure::Nanos(median("p50"))),
            ("wait, 99 of 100", Figure::Nanos(median("p99"))),
        ],
    }
}

impl Round {
    fn note(&self, heads: usize, samples: &mut Samples) -> anyhow::Result<()> {
        let count = u64::try_from(self.sealed.len())?;
        let batch = count.saturating_mul(1000) / u64::try_from(heads.max(1))?;
        samples.add("batch", batch);
        samples.add("centre", self.cpu.0 / count);
        samples.add("guard", self.cpu.1 / count);
        samples.add("pace", self.answers.per_second());
        samples.add("p50", self.answers.percentile(500));
        samples.add("p99", self.answers.percentile(990));
        Ok(())
    }
}

impl Market {
    fn open(options: &Options, folder: &Path) -> anyhow::Result<Self> {
        let programs = ["tegata-centre", "tegata-guard"];
        let programs = Programs::holding(&programs, "cargo xtask bench payment")?;
        let town = Town::found(programs, folder.join("town"), Limits::Off)?;
        eprintln!(
            "{} members and {} shops join by letter",
            options.members, options.shops
        );
        let centre = Centre::of(&town, &town.apply("member", "Somebody")?)?;
        let members = (0..options.members).map(|n| {
            let letter = town.apply("member", &format!("Member {n}"))?;
            centre.join(&letter, None)
        });
        let members = members.collect::<anyhow::Result<Vec<_>>>()?;
        let shops = (0..options.shops).map(|n| {
            let letter = town.apply("shop", &format!("Shop {n}"))?;
            shop(&centre, &letter)
        });
        let shops = shops.collect::<anyhow::Result<Vec<_>>>()?;
        fund(&town, &centre, &members)?;
        Ok(Self {
            town,
            centre,
            members,
            shops,
        })
    }

    /// Seals payments to the first `shops` shops, then sends them.
    fn round(&self, shops: usize, payments: usize, in_flight: usize) -> anyhow::Result<Round> {
        let sealed = (0..payments).map(|n| self.seal(n % self.members.len(), n % shops));
        let sealed = sealed.collect::<anyhow::Result<Vec<_>>>()?;
        let requests = sealed.iter().map(|s| s.bytes.clone()).collect();
        let before = self.cpu()?;
        let answers = send_all(self.town.guard, requests, in_flight)?;
        let after = self.cpu()?;
        let cpu = (
            after.0.saturating_sub(before.0),
            after.1.saturating_sub(before.1),
        );
        Ok(Round {
            sealed,
            answers,
            cpu,
        })
    }

    /// What centre and guard have used of the processors since they started.
    fn cpu(&self) -> anyhow::Result<(u64, u64)> {
        let cpu = |name: &str| {
            let server = self.town.servers.iter().find(|s| s.name() == name);
            cpu_of(server.with_context(|| format!("no {name} runs"))?.id())
        };
        Ok((cpu("tegata-centre")?, cpu("tegata-guard")?))
    }

    fn seal(&self, member: usize, shop: usize) -> anyhow::Result<Sealed> {
        let (payer, payee) = (self.members.get(member), self.shops.get(shop));
        let (payer, payee) = payer.zip(payee).context("no such member or shop")?;
        let spending = payer.spending.as_ref().context("no spending key")?;
        let (bill, amount) = bill(payee)?;
        let opening = &self.centre.keys.opening;
        let envelope = Envelope::to(PartyNumber::CENTRE, opening, &mut rng())?;
        let mode = Mode::Hold;
        let body = Payment { bill, amount, mode };
        let id = MessageId::random(&mut rng());
        let signed = envelope.sign(spending, payer.number, id, now(), body);
        let parcel = Parcel::new(signed);
        let (sealed, reply) = envelope.seal(&parcel);
        let bytes = Bytes::from(sealed.to_bytes());
        Ok(Sealed {
            member,
            shop,
            parcel,
            bytes,
            reply,
        })
    }

    /// Opens and verifies every receipt and every head; gives one exchange for the limit, and how
    /// many heads (so, batches) there were.
    fn verify(&self, round: &Round) -> anyhow::Result<(PaymentSample, usize)> {
        let (mut heads, mut sample) = (HashSet::new(), None);
        for (sealed, reply) in round.sealed.iter().zip(&round.answers.replies) {
            let parcel = self.receipt(sealed, reply)?;
            let head = parcel.attached().context("a receipt without a head")?;
            if heads.insert(head.to_vec()) {
                let head = Unverified::<ChainHead>::parse(SignedBytes::new(head.to_vec()))?;
                head.verify(&self.centre.keys.receipts)?;
            }
            sample = Some((sealed, parcel));
        }
        let (sealed, parcel) = sample.context("no payment at all")?;
        Ok((self.sample(sealed, &parcel)?, heads.len()))
    }

    fn receipt(&self, sealed: &Sealed, reply: &[u8]) -> anyhow::Result<Parcel> {
        let member = self.members.get(sealed.member).context("no such member")?;
        let parcel = Reply::parse(reply)?.open(&sealed.reply, &member.opening)?;
        let signed = parcel.signed.clone();
        let digest = sealed.parcel.signed.digest();
        if let Ok(refusal) = Unverified::<Message<Refusal>>::parse(signed.clone()) {
            anyhow::bail!("a payment was refused: {}", refusal.claimed().body);
        }
        let receipt = Unverified::<Message<Receipt>>::parse(signed)?;
        let receipt = receipt.verify(&self.centre.keys.receipts)?;
        let fits = receipt.from == PartyNumber::CENTRE
            && receipt.to == member.number
            && receipt.answers == Some(digest)
            && receipt.body.payment == PaymentId::new(digest)
            && receipt.body.mode == Mode::Hold;
        ensure!(fits, "a receipt is for another payment");
        Ok(parcel)
    }

    fn sample(&self, sealed: &Sealed, reply: &Parcel) -> anyhow::Result<PaymentSample> {
        let (payer, payee) = (self.members.get(sealed.member), self.shops.get(sealed.shop));
        let (payer, payee) = payer.zip(payee).context("no such member or shop")?;
        let spending = payer.spending.as_ref().context("no spending key")?;
        let message = sealed.parcel.signed.clone();
        let payment = Unverified::<Message<Payment>>::parse(message.clone())?;
        let bill = payment.claimed().body.bill.clone();
        Ok(PaymentSample {
            message: (message, spending.verifying_key()),
            bill: (bill, payee.signing.verifying_key()),
            parcel: cbor::encode(&sealed.parcel),
            receipt: reply.signed.payload()?,
            reply: cbor::encode(reply),
        })
    }

    /// The book, verified again from its evidence, must be without findings.
    fn audit(&mut self) -> anyhow::Result<()> {
        self.town.close();
        let data = self.town.path("centre");
        let audited = self.town.centre(&["audit", "--data", &data, "--json"])?;
        let audited = audited.json().context("the audit found something")?;
        eprintln!("the audit is clean: {audited}");
        Ok(())
    }
}

/// A shop's bill of two lines.
fn bill(shop: &Party) -> anyhow::Result<(SignedBytes, tegata_protocol::Amount)> {
    ensure!(
        shop.number.role() == Role::Shop,
        "{} is no shop",
        shop.number
    );
    let line = |text: &str, price, rate| {
        anyhow::Ok(Line {
            text: text.to_owned(),
            quantity: 1,
            unit_price: yen(price)?,
            tax_rate: TaxRate::new(rate)?,
            tax_mode: TaxMode::Included,
            discount: yen(0)?,
        })
    };
    let lines = vec![
        line("Spring concert, town hall, stalls", 5, 1000)?,
        line("Programme", 2, 800)?,
    ];
    let (tip, rounding, issued) = (yen(0)?, Rounding::Down, now());
    let totals = compute_totals(&lines, tip, rounding)?;
    let amount = totals.total;
    let bill = Bill {
        shop: shop.number,
        transaction: TransactionNumber::new(rng().next_u64() % TransactionNumber::SPAN)?,
        request: None,
        lines,
        tip,
        rounding,
        totals,
        tax_number: Some("T1234567890123".to_owned()),
        issued,
        expires: issued.after(3600),
        delivery: DeliveryKind::Tickets,
        interface: None,
    };
    Ok((shop.signing.sign(&bill), amount))
}

/// User and system time of a process, in nanoseconds; the kernel counts in hundredths of a second.
fn cpu_of(process: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let ticks = ticks_in(&stat).with_context(|| format!("{path} isn't as expected"))?;
    let tick = 1_000_000_000_u64
        .checked_div(clock_ticks_per_second())
        .unwrap_or_default();
    Ok(ticks.saturating_mul(tick))
}

/// utime + stime: the twelfth and thirteenth figures behind the name in parentheses.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut figures = rest.split_whitespace().skip(11);
    let mut next = || figures.next()?.parse::<u64>().ok();
    Some(next()?.saturating_add(next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 5 0";
        assert_eq!(ticks_in(stat), Some(300));
        assert_eq!(ticks_in("42 (short) S 1"), None);
        assert!(cpu_of(std::process::id()).is_ok());
    }

    #[test]
    fn a_bench_bill_is_one_that_a_centre_takes() {
        let (signing, _) = tegata_protocol::SigningKey::generate(&mut rng());
        let suite = tegata_protocol::Suite::Standard;
        let (opening, _) = tegata_protocol::OpeningKey::generate(suite, &mut rng());
        let shop = Party {
            number: PartyNumber::new(Role::Shop, 7).unwrap(),
            signing,
            spending: None,
            opening,
            record: SignedBytes::new(Vec::new()),
        };
        let (signed, amount) = bill(&shop).unwrap();
        let bill = Unverified::<Bill>::parse(signed).unwrap();
        let bill = bill.verify(&shop.signing.verifying_key()).unwrap();
        assert_eq!((bill.totals.total, bill.shop), (amount, shop.number));
        assert_eq!(amount, yen(7).unwrap());
    }
}
