//! Logs: one line per event on standard error.
//!
//! On a terminal they're text for people; otherwise one JSON object per line for the collector.
//! `TEGATA_LOG` filters them (`info` by default; e.g. `tegata_shop=debug,info`).
//!
//! What never goes into a log, at any level: passwords, keys, seeds, keywords, ticket contents,
//! names, addresses or any other personal detail of a member. A member is named by number, a
//! message by its id or digest. [`crate::password::Password`] has no way to be printed; for
//! everything else the one who writes the log line is responsible.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The command-line argument `--log-format`; flatten it into a program's arguments.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct LogArgs {
    /// How log lines look [default: text on a terminal, json otherwise]
    #[arg(
        long = "log-format",
        value_enum,
        value_name = "FORMAT",
        env = "TEGATA_LOG_FORMAT"
    )]
    pub format: Option<Format>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts the log of this process. The first call counts; later ones change nothing.
pub fn init(program: &'static str, format: Option<Format>) {
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { Format::Text } else { Format::Json });
    let (filter, complaint) = filter();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        Format::Text => registry.with(lines.with_target(false)).try_init().is_ok(),
        Format::Json => {
            let lines = lines.json().flatten_event(true);
            registry.with(lines).try_init().is_ok()
        }
    };
    if started {
        tracing::debug!(program, version = env!("CARGO_PKG_VERSION"), "log started");
        if let Some(complaint) = complaint {
            tracing::warn!("TEGATA_LOG can't be read ({complaint}); using \"info\"");
        }
    }
}

/// An error as logs take it: with all its causes.
#[must_use]
pub fn cause<E: std::error::Error + 'static>(error: &E) -> &(dyn std::error::Error + 'static) {
    error
}

/// What is logged, and why `TEGATA_LOG` doesn't say so, if it can't be read.
fn filter() -> (Targets, Option<String>) {
    let info = || Targets::new().with_default(LevelFilter::INFO);
    let wanted = std::env::var("TEGATA_LOG").ok();
    let Some(wanted) = wanted.filter(|text| !text.is_empty()) else {
        return (info(), None);
    };
    match wanted.parse() {
        Ok(filter) => (filter, None),
        Err(error) => {
            let error: tracing_subscriber::filter::ParseError = error;
            (info(), Some(error.to_string()))
        }
    }
}
