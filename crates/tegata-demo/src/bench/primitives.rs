//! What the limits are made of: each primitive by itself, on one thread, in CPU time.
//!
//! They are this project's own calls with real messages' bytes, warm in every cache. A figure is
//! the mean of some hundred calls in one round; of the rounds the median counts.

use std::{collections::BTreeMap, hint::black_box, path::Path};

use anyhow::Context as _;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use rustix::time::{ClockId, clock_gettime};
use tegata_ledger::{bench::Postings, store::SqliteStore};
use tegata_protocol::{
    Digest, Document, OpeningKey, PartyNumber, ReplyKey, SeriesId, SignedBytes, SigningKey, Suite,
    Unverified, VerifyingKey,
    ticket::{EncryptedSerial, SerialKey},
};

/// Calls of a primitive in a round.
const CALLS: u32 = 256;
/// Postings in a durable batch, and batches in a round.
const BATCH: u32 = 256;
const BATCHES: u32 = 8;
/// Bytes of a gate's log entry.
const ENTRY: usize = 120;

/// The system's randomness.
pub(super) const fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// A clock's time in nanoseconds.
pub(super) fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let part = |n: i64| u64::try_from(n).unwrap_or_default();
    part(time.tv_sec)
        .saturating_mul(1_000_000_000)
        .saturating_add(part(time.tv_nsec))
}

/// The middle one.
#[must_use]
pub fn median(mut figures: Vec<u64>) -> u64 {
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Figures of several rounds, by name, in the order in which they first came.
#[derive(Debug, Default)]
pub struct Samples {
    names: Vec<&'static str>,
    figures: BTreeMap<&'static str, Vec<u64>>,
}

impl Samples {
    /// Adds one round's figure.
    pub fn add(&mut self, name: &'static str, figure: u64) {
        if !self.names.contains(&name) {
            self.names.push(name);
        }
        self.figures.entry(name).or_default().push(figure);
    }

    /// Each name with its median.
    #[must_use]
    pub fn medians(&self) -> Vec<(&'static str, u64)> {
        let median = |name: &&'static str| (*name, self.median(name));
        self.names.iter().map(median).collect()
    }

    /// The median of one.
    #[must_use]
    pub fn median(&self, name: &str) -> u64 {
        median(self.figures.get(name).cloned().unwrap_or_default())
    }
}

/// Uses a value, so that making it can't be left out.
fn used<T>(value: T) {
    // Only its address is needed: boxing a value would be a cost of the bench's own.
    black_box(&value);
}

/// CPU time of one call on this thread, over inputs made beforehand.
fn each<I>(mut input: impl FnMut() -> I, mut call: impl FnMut(I)) -> u64 {
    call(input());
    let inputs: Vec<I> = (0..CALLS).map(|_| input()).collect();
    let start = nanos(ClockId::ThreadCPUTime);
    for input in inputs {
        call(input);
    }
    nanos(ClockId::ThreadCPUTime).saturating_sub(start) / u64::from(CALLS)
}

/// Something sealed to a key, to be opened again and again.
struct Opening {
    key: OpeningKey,
    enc: Vec<u8>,
    ciphertext: Vec<u8>,
}

impl Opening {
    fn new(suite: Suite, plaintext: &[u8]) -> anyhow::Result<(Self, ReplyKey)> {
        let (key, _) = OpeningKey::generate(suite, &mut rng());
        let sealer = key.sealing_key().begin(b"bench", &mut rng())?;
        let enc = sealer.enc().to_vec();
        let (ciphertext, reply) = sealer.finish(&enc, plaintext);
        Ok((
            Self {
                key,
                enc,
                ciphertext,
            },
            reply,
        ))
    }

    fn measure(&self) -> u64 {
        each(
            || (),
            |()| {
                let opened = self
                    .key
                    .open(b"bench", &self.enc, &self.enc, &self.ciphertext);
                used(opened);
            },
        )
    }
}

/// The cost of verifying a document that was parsed before.
fn verification<T: Document>(signed: &SignedBytes, key: &VerifyingKey) -> u64 {
    each(
        || Unverified::<T>::parse(signed.clone()),
        |parsed| {
            used(parsed.map(|p| p.verify(key).is_ok()));
        },
    )
}

/// The cost of hashing some bytes.
fn hashing(bytes: &[u8]) -> u64 {
    each(|| (), |()| used(Digest::of(bytes)))
}

/// What passed in one accepted payment.
#[derive(Clone, Debug)]
pub struct PaymentSample {
    /// The member's signed message, and its spending key.
    pub message: (SignedBytes, VerifyingKey),
    /// The shop's signed bill, and its key.
    pub bill: (SignedBytes, VerifyingKey),
    /// What was sealed: the message's parcel.
    pub parcel: Vec<u8>,
    /// The receipt's payload.
    pub receipt: Vec<u8>,
    /// What was sealed in reply: the receipt's parcel.
    pub reply: Vec<u8>,
}

/// The primitives of a payment.
pub struct PaymentPrimitives {
    sample: PaymentSample,
    opening: Opening,
    reply: ReplyKey,
    receipts: SigningKey,
    postings: Postings,
}

impl std::fmt::Debug for PaymentPrimitives {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PaymentPrimitives")
    }
}

impl PaymentPrimitives {
    /// Prepares them after one accepted payment. `folder` takes a book of its own.
    ///
    /// # Errors
    /// When that book can't be made.
    pub fn new(sample: PaymentSample, folder: &Path, members: u32) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (opening, reply) = Opening::new(Suite::Standard, &sample.parcel)?;
        let store = SqliteStore::open(&folder.join("ledger.sqlite"))?;
        let postings = Postings::prepare(&store, folder, members).context("the bench's book")?;
        Ok(Self {
            sample,
            opening,
            reply,
            receipts: SigningKey::generate(&mut rng()).0,
            postings,
        })
    }

    /// One round. `in_flight` payments share a signed head at most.
    ///
    /// # Errors
    /// When the book fails.
    pub fn measure(&mut self, samples: &mut Samples, in_flight: u64) -> anyhow::Result<()> {
        use tegata_protocol::{envelope::Message, payment::Payment, purchase::Bill};
        let (message, spending) = &self.sample.message;
        let (bill, shop) = &self.sample.bill;
        let (receipts, receipt) = (&self.receipts, &self.sample.receipt);
        let signing = each(
            || receipt.clone(),
            |payload| used(receipts.sign_kept_payload(payload)),
        );
        let hashed = [&self.opening.enc, message.as_bytes(), bill.as_bytes()];
        let sealing = each(
            || (),
            |()| used(self.reply.seal(&self.sample.reply, &mut rng())),
        );
        samples.add("open the message (HPKE, X-Wing)", self.opening.measure());
        let member = verification::<Message<Payment>>(message, spending);
        samples.add("verify the member (Ed25519)", member);
        samples.add(
            "verify the bill (Ed25519)",
            verification::<Bill>(bill, shop),
        );
        let hashes = hashed.into_iter().map(hashing).sum();
        samples.add("hash key, message and bill (SHA-256)", hashes);
        samples.add("sign the receipt (Ed25519)", signing);
        samples.add("seal the reply (exported key)", sealing);
        let shared = signing.checked_div(in_flight).unwrap_or_default();
        samples.add("sign the head, shared by a batch", shared);
        samples.add("book it, in a batch of 256 (SQLite)", self.posting()?);
        Ok(())
    }

    fn posting(&mut self) -> anyhow::Result<u64> {
        let start = nanos(ClockId::ThreadCPUTime);
        self.postings.run(BATCHES, BATCH)?;
        let spent = nanos(ClockId::ThreadCPUTime).saturating_sub(start);
        Ok(spent / u64::from(BATCHES) / u64::from(BATCH))
    }
}

/// What is shown in one check at a gate.
#[derive(Debug)]
pub struct GateSample {
    /// The signed ticket, and its batch key.
    pub ticket: (SignedBytes, VerifyingKey),
    /// The signed presentation, and the holder's key.
    pub presentation: (SignedBytes, VerifyingKey),
    /// The series' key for serials, and what the serial is bound to.
    pub serials: (SerialKey, PartyNumber, SeriesId),
    /// The encrypted serial.
    pub serial: EncryptedSerial,
}

/// The primitives of a check.
pub struct GatePrimitives {
    sample: GateSample,
    opening: Opening,
}

impl std::fmt::Debug for GatePrimitives {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GatePrimitives")
    }
}

impl GatePrimitives {
    /// Prepares them after one presentation.
    ///
    /// # Errors
    /// Never, with a sound key.
    pub fn new(sample: GateSample) -> anyhow::Result<Self> {
        let (opening, _) = Opening::new(Suite::Compact, sample.presentation.0.as_bytes())?;
        Ok(Self { sample, opening })
    }

    /// One round.
    pub fn measure(&self, samples: &mut Samples) {
        use tegata_protocol::ticket::{Presentation, Ticket};
        let (ticket, batch) = &self.sample.ticket;
        let (presentation, holder) = &self.sample.presentation;
        let (key, issuer, series) = &self.sample.serials;
        samples.add(
            "open the presentation (HPKE, X25519)",
            self.opening.measure(),
        );
        samples.add(
            "verify the ticket (Ed25519)",
            verification::<Ticket>(ticket, batch),
        );
        let holder = verification::<Presentation>(presentation, holder);
        samples.add("verify the holder (Ed25519)", holder);
        let decrypting = each(
            || (),
            |()| {
                let serial = key.decrypt(*issuer, *series, batch.id(), &self.sample.serial);
                used(serial);
            },
        );
        samples.add("decrypt the serial (AES-SIV)", decrypting);
    }

    /// One round of what a gate does besides and the limit leaves out: it explains the ratio.
    pub fn measure_besides(&self, samples: &mut Samples) {
        let holder = self.sample.presentation.1.as_bytes();
        let checking = each(|| (), |()| used(VerifyingKey::from_bytes(holder)));
        samples.add("besides: is the holder's key sound?", checking);
        let (log, entry) = (SigningKey::generate(&mut rng()).0, vec![7; ENTRY]);
        let signing = each(
            || entry.clone(),
            |payload| used(log.sign_kept_payload(payload)),
        );
        samples.add("besides: sign the log's entry", signing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_come_in_the_order_of_the_parts() {
        let mut samples = Samples::default();
        for (open, sign) in [(9, 1), (5, 2), (7, 99)] {
            samples.add("open", open);
            samples.add("sign", sign);
        }
        assert_eq!(samples.medians(), [("open", 7), ("sign", 2)]);
        assert_eq!(median(vec![]), 0);
    }

    #[test]
    fn time_on_this_thread_goes_forward() {
        let busy = each(|| (), |()| used(Digest::of(&[7; 4096])));
        assert!(busy > 0 && busy < 1_000_000_000, "{busy}");
    }
}
