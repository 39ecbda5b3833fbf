//! Benches: what the real programs reach, beside what this machine's own primitives would allow.
//!
//! A time says little on a shared machine; a ratio of two costs measured in the same run says more.
//! So each bench has a *limit*, the sum of the primitives that nobody can leave out (open, verify,
//! sign, seal, write), and a *flow*, the program doing the whole thing; five rounds of both take
//! turns and the medians count. The ratio is limit ÷ flow: 1.00 would be a program that does
//! nothing but that.
//!
//! [`payment`] drives a centre behind its guard over HTTP, [`gate`] checks tickets as a gate does, [`seal`] seals orders in a browser and opens them,
//! [`card`] pays with a card.
//! [`primitives`] measures the limits' parts, [`parties`] brings members and shops to life,
//! [`load`] is the crowd at the door, [`report`] prints.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod card;
pub mod gate;
pub mod load;
pub mod parties;
pub mod payment;
pub mod primitives;
pub mod report;
pub mod seal;

/// What the programs reach, beside what this machine's own primitives would allow.
///
/// Exit codes: 0 measured; 1 something didn't hold (it's named); 2 wrong usage.
#[derive(Parser, Debug)]
#[command(name = "cargo xtask bench", version)]
struct Arguments {
    #[command(subcommand)]
    subject: Subject,
    /// Rounds of limit and flow, in turns; medians count. One shows only that the bench runs
    #[arg(long, global = true, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

#[derive(Subcommand, Debug)]
enum Subject {
    /// Payments over HTTP through guard and centre, durable
    Payment(payment::Options),
    /// Tickets checked offline by a gate, admissions durable
    Gate(gate::Options),
    /// Card payments: both ends of the card's protocol
    Card(card::Options),
    /// Sealed orders: sealed in Chromium, opened by the shop's library
    Seal(seal::Options),
    /// One round of the gate bench, in a process of its own
    #[command(hide = true)]
    GateRound(gate::RoundOptions),
    /// One round of the card bench through the card service, in a process of its own
    #[cfg(feature = "pcsc")]
    #[command(hide = true)]
    CardRound(card::reader::RoundOptions),
}

/// Runs `tegata-bench`.
pub fn main() -> ExitCode {
    let Arguments { subject, rounds } = Arguments::parse();
    let rounds = usize::from(rounds);
    let measured = match subject {
        Subject::Payment(options) => payment::run(&options, rounds),
        Subject::Gate(options) => gate::run(&options, rounds),
        Subject::Card(options) => card::run(&options, rounds),
        Subject::Seal(options) => seal::run(&options, rounds),
        Subject::GateRound(options) => gate::round(&options),
        #[cfg(feature = "pcsc")]
        Subject::CardRound(options) => card::reader::round(&options),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tegata-bench: {e:#}");
            ExitCode::FAILURE
        }
    }
}
