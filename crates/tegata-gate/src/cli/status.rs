//! `tegata-gate status`.

use serde::Serialize;
use tegata_cli::exit::{Exit, Failure};

use super::{
    Common,
    log::{events, store_failure},
    now, print_json,
};
use crate::{event::Event, folder::FolderError, words::EventJson};

/// Show who this gate is and which check data it has
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct StatusJson {
    number: String,
    name: String,
    admissions: u64,
    events: Vec<LoadedEvent>,
}

#[derive(Serialize)]
struct LoadedEvent {
    #[serde(flatten)]
    event: EventJson,
    edition: u64,
    as_of: u64,
    until: u64,
    issued: u64,
    usable: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let folder = arguments.common.folder()?;
    let record = folder
        .registered()
        .map_err(FolderError::into_failure)?
        .record;
    let log = folder.log().map_err(FolderError::into_failure)?;
    let (events, now) = (events(&folder)?, now());
    let profile = record.profile.as_ref();
    let status = StatusJson {
        number: record.number.to_string(),
        name: profile.map(|p| p.name.clone()).unwrap_or_default(),
        admissions: log.rows().map_err(store_failure)?,
        events: events.iter().map(|e| loaded(e, e.is_usable(now))).collect(),
    };
    if arguments.common.json {
        print_json(&status)?;
        return Ok(Exit::Done);
    }
    println!("Gate {} ({})", status.number, status.name);
    println!("{} admission(s) in the log", status.admissions);
    for event in &events {
        println!(
            "Event {}: {}, {}; edition {}, {} tickets, {} until {}",
            event.id(),
            event.record().title,
            event.record().place,
            event.edition(),
            event.expected(),
            if event.is_usable(now) {
                "good"
            } else {
                "NOT USABLE, was good"
            },
            event.until()
        );
    }
    Ok(Exit::Done)
}

fn loaded(event: &Event, usable: bool) -> LoadedEvent {
    LoadedEvent {
        event: EventJson::from(&**event.record()),
        edition: event.edition(),
        as_of: event.as_of().secs(),
        until: event.until().secs(),
        issued: event.expected(),
        usable,
    }
}
