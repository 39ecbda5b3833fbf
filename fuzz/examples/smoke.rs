//! Runs every target over its seeds and over changes of them, without a fuzzer: see
//! [`tegata_fuzz::smoke`].
//!
//! ```sh
//! python3 seed_corpus.py && cargo run --release --example smoke -- [ROUNDS] [TARGET…]
//! ```

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use tegata_fuzz::TARGETS;
use tegata_fuzz::smoke::{Stopped, run};

/// How often a target's seeds are changed, unless it's said otherwise.
const ROUNDS: usize = 10_000;

fn main() -> ExitCode {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let rounds = names.first().and_then(|first| first.parse().ok());
    if rounds.is_some() {
        names.remove(0);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut bad = false;
    for (name, target) in TARGETS {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let begun = Instant::now();
        let seeds = folder.join("corpus").join(name);
        match run(*target, &seeds, rounds.unwrap_or(ROUNDS)) {
            Ok(run) => println!(
                "{name}: {} seeds, {} inputs, {:.1} s",
                run.seeds,
                run.inputs,
                begun.elapsed().as_secs_f64()
            ),
            Err(Stopped::Found(input)) => {
                bad = true;
                let file = folder.join("artifacts").join(name).join("smoke");
                let kept = file.parent().map(std::fs::create_dir_all);
                let kept = kept.is_some_and(|made| made.is_ok());
                let kept = kept && std::fs::write(&file, &input).is_ok();
                let place = if kept {
                    file.display().to_string()
                } else {
                    format!("{input:?}")
                };
                eprintln!("{name}: panicked at {place}");
            }
            Err(Stopped::Unreadable(error)) => {
                bad = true;
                eprintln!(
                    "{name}: no seeds in {}: {error}; run seed_corpus.py",
                    seeds.display()
                );
            }
        }
    }
    if bad {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
