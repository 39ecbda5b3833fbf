//! `tegata-shop check-data`.

use std::path::PathBuf;

use serde_json::json;
use tegata_cli::clock;
use tegata_cli::exit::{Exit, Failure};
use tegata_party::client::Client;
use tegata_protocol::record::PartyRecord;
use tegata_protocol::{SeriesId, SignedBytes, Time};

use super::owner::Owner;
use super::{PARTY, Usual, failed, read_in, say, shown, write_out};
use crate::check_data::{self, CheckDataError};
use crate::store::{self, Store};
use tegata_party::identity::{Centre, Identity};
use tegata_party::joining::{self, Kind};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    usual: Usual,

    /// Which series
    #[arg(long, value_name = "N")]
    series: u32,

    /// The gate's record, signed by the register
    #[arg(long, value_name = "FILE")]
    gate: PathBuf,

    /// Where to write the sealed check data
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// For how many hours it's good
    #[arg(long, value_name = "N", default_value_t = 24,
          value_parser = clap::value_parser!(u32).range(1..=24 * 31))]
    hours: u32,

    #[command(flatten)]
    owner: Owner,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let dir = arguments.usual.existing(PARTY)?;
    let now = Time::from_secs(clock::now());
    let unlocked = arguments
        .owner
        .reading(&dir)
        .map_err(|e| failed(e.into()))?;
    let find = |identity: &Identity| Centre::find(&dir, &Client::default(), identity, None, now);
    let opened = joining::open_with_centre(&dir, Kind::SHOP, find, || Ok(unlocked.keys));
    let (shop, centre) = opened.map_err(|e| failed(e.into()))?;
    let store = Store::open(&dir.path().join(store::FILE)).map_err(|e| failed(e.into()))?;
    let gate = read_in(&arguments.gate)?;
    let gate = PartyRecord::verify(SignedBytes::new(gate), &centre.keys.register)
        .map_err(|e| Failure::usage(format!("{}: {e}", shown(&arguments.gate))))?;
    let series = SeriesId::new(arguments.series);
    let edition =
        check_data::make(&store, &shop, series, &gate, now, arguments.hours).map_err(refuse)?;
    write_out(&arguments.out, &edition.sealed)?;
    let object = json!({
        "out": shown(&arguments.out),
        "series": arguments.series,
        "gate": gate.number.to_string(),
        "edition": edition.edition,
        "issued": edition.issued,
        "cancelled": edition.cancelled,
        "until": edition.until.to_string(),
        "bytes": edition.sealed.len(),
    });
    let lines = format!(
        "Check data of series {}, edition {}, for {}: {} issued, {} cancelled, good until {}.\n\
         Bring {} to the gate.",
        arguments.series,
        edition.edition,
        gate.number,
        edition.issued,
        edition.cancelled,
        edition.until,
        shown(&arguments.out),
    );
    say(arguments.usual.json, &object, &lines);
    Ok(())
}

fn refuse(error: CheckDataError) -> Failure {
    let exit = match &error {
        CheckDataError::NotAGate(_)
        | CheckDataError::Gate(_)
        | CheckDataError::SeriesUnknown(_) => Exit::Usage,
        CheckDataError::Store(_)
        | CheckDataError::Keys(_)
        | CheckDataError::TooLong(_)
        | CheckDataError::List(_) => Exit::Refused,
    };
    Failure::from(error).with_exit(exit)
}
