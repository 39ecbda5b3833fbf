//! `tegata-sealing join`.

use std::path::PathBuf;

use serde_json::json;
use tegata_cli::clock;
use tegata_cli::data::DataDir;
use tegata_cli::exit::Failure;
use tegata_party::client::Client;
use tegata_protocol::Time;
use tegata_protocol::joining::Slip;

use super::{PARTY, Usual, failed, read_in, say, shown};
use crate::identity::RECORD;
use crate::joining::{self, Application};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    usual: Usual,

    /// The letter's line, tegata:join?… (it holds the code: others on this machine may see it)
    #[arg(long, value_name = "LINE", required_unless_present = "slip_file")]
    slip: Option<String>,

    /// A file with the letter's line (the whole letter will do, as text or HTML)
    #[arg(long, value_name = "FILE", conflicts_with = "slip")]
    slip_file: Option<PathBuf>,

    /// The service's name, as shops and their customers see it
    #[arg(long, value_name = "NAME")]
    name: String,

    /// The service's web address, as browsers reach it
    #[arg(long, value_name = "URL")]
    address: String,

    /// A line of the postal address; may be repeated
    #[arg(long, value_name = "LINE")]
    postal: Vec<String>,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let slip = read_slip(&arguments)?;
    let dir = DataDir::open(&arguments.usual.data.data, PARTY)?;
    let _lock = dir.lock()?;
    tegata_party::client::check_address(&arguments.address).map_err(Failure::usage)?;
    let application = Application {
        name: arguments.name,
        address: arguments.address,
        postal: arguments.postal,
    };
    let (client, now) = (Client::default(), Time::from_secs(clock::now()));
    let joined = joining::join(&dir, &client, &slip, &application, now);
    let service = joined.map_err(|e| failed(e.into()))?;
    let object = json!({
        "number": service.number().to_string(),
        "name": service.name(),
        "address": service.address(),
        "centre": service.identity.centre,
        "record": service.record.digest().to_string(),
        "data": shown(dir.path()),
    });
    let lines = format!(
        "{} is registered as {}; its record is {}.\nNext: run tegata-sealing serve.",
        service.name(),
        service.number(),
        shown(&dir.path().join(RECORD)),
    );
    say(arguments.usual.json, &object, &lines);
    Ok(())
}

fn read_slip(arguments: &Arguments) -> Result<Slip, Failure> {
    let text = match (&arguments.slip, &arguments.slip_file) {
        (Some(line), _) => line.clone(),
        (None, Some(file)) => String::from_utf8_lossy(&read_in(file)?).into_owned(),
        (None, None) => String::new(),
    };
    Slip::in_letter(&text).map_err(|e| {
        Failure::usage(e).next("give the centre's letter, or its line tegata:join?… whole")
    })
}
