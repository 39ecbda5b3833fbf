//! What a hold costs in the book: `cargo run --release --example postings [MEMBERS] [BATCHES]`.
//!
//! Prints for growing books the time by the clock and, on Linux, the processor time of each hold,
//! and how long the slowest batch took (checkpoints are the store's own hiccup).
#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures; that is its purpose"
)]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use tegata_ledger::{bench::Postings, store::SqliteStore};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<u32>());
    let members = arguments.next().transpose()?.unwrap_or(1000);
    let batches = arguments.next().transpose()?.unwrap_or(40);
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(&folder.path().join("ledger.sqlite"))?;
    let mut postings = Postings::prepare(&store, folder.path(), members)?;
    for batch in [1, 16, 64, 256, 256, 256, 256] {
        let (start, busy) = (Instant::now(), processor_time());
        let mut slowest = Duration::ZERO;
        for _ in 0..batches {
            let before = Instant::now();
            postings.run(1, batch)?;
            slowest = slowest.max(before.elapsed());
        }
        let holds = batches.saturating_mul(batch).max(1);
        let processor = processor_time().saturating_sub(busy) / holds;
        let clock = start.elapsed() / holds;
        println!(
            "batches of {batch:3}: {clock:?} each, {processor:?} of the processor; \
             slowest batch {slowest:?}"
        );
    }
    Ok(())
}

/// How long this thread has run; zero where the system doesn't say.
fn processor_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = told.split(' ').next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
