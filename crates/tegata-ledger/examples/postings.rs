//! What a hold costs in the book: `cargo run --release --example postings [MEMBERS] [BATCHES]`.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures; that is its purpose"
)]

use std::{error::Error, time::Instant};

use tegata_ledger::{bench::Postings, store::SqliteStore};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<u32>());
    let members = arguments.next().transpose()?.unwrap_or(1000);
    let batches = arguments.next().transpose()?.unwrap_or(40);
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(&folder.path().join("ledger.sqlite"))?;
    let mut postings = Postings::prepare(&store, folder.path(), members)?;
    for batch in [1, 16, 64, 256, 256, 256] {
        let start = Instant::now();
        postings.run(batches, batch)?;
        let each = start.elapsed() / batches / batch;
        println!("batches of {batch:3}: {each:?} each");
    }
    Ok(())
}
