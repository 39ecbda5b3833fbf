//! `tegata-gate load`.

use std::path::{Path, PathBuf};

use tegata_cli::{
    data,
    exit::{Exit, Failure, OrExit as _},
};
use tegata_http::serve::read_address;
use tegata_party::client::Client;
use tegata_protocol::{Time, ticket::CHECK_DATA_LIMIT};

use super::{Common, now, print_json};
use crate::{
    folder::{FolderError, LoadAnswer},
    running::Handed,
    serve::hand_over,
};

/// Load a shop's check data for an event
///
/// The file is sealed to this gate and signed by the shop, whose record must be known: give it
/// once with --shop-record. Editions only ever rise: an older file is refused, so that a ticket
/// cancelled since can't be slipped in. The sealed file itself is what is kept in DIR. If the gate
/// is being served, the running gate loads it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// The sealed check data, as the shop exported them
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The shop's record (from its /v1/record); needed the first time
    #[arg(long, value_name = "FILE")]
    shop_record: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let common = &arguments.common;
    let folder = common.folder()?;
    let handed = Handed {
        sealed: read(&arguments.file)?,
        shop_record: arguments.shop_record.as_deref().map(read).transpose()?,
    };
    match folder.lock() {
        Ok(_lock) => match folder.load_renewing(handed.files(), &Client::default(), now()) {
            Ok(loaded) => print(common, &LoadAnswer::from(&loaded)),
            Err(error) => {
                if common.json {
                    print_json(&LoadAnswer::refused(&error))?;
                }
                Err(error.into_failure())
            }
        },
        Err(FolderError::Data(locked @ data::Error::Locked { .. })) => {
            let Ok(address) = read_address(common.path()) else {
                return Err(locked.into());
            };
            let answer = hand_over(&format!("http://{address}"), &handed)
                .or_exit(Exit::Unreachable)
                .or_doing("handing the file to the running gate")
                .or_next("stop the gate, load the file, and start it again")?;
            print(common, &answer)
        }
        Err(error) => Err(error.into_failure()),
    }
}

fn print(common: &Common, answer: &LoadAnswer) -> Result<Exit, Failure> {
    if common.json {
        print_json(answer)?;
    }
    let Some(event) = answer.event.as_ref().filter(|_| answer.loaded) else {
        let what = answer.what.as_deref().unwrap_or("it wasn't loaded");
        return Err(Failure::refused(what).next(answer.next.as_deref().unwrap_or_default()));
    };
    if !common.json {
        let what = if answer.again {
            "Loaded before"
        } else {
            "Loaded"
        };
        println!(
            "{what}: {}, {} (event {}/{})",
            event.title, event.place, event.shop, event.series
        );
        println!(
            "Edition {}, {} tickets, to be used until {}.",
            answer.edition,
            answer.issued,
            Time::from_secs(answer.until)
        );
        if let Some(next) = &answer.next {
            println!("Note: {next}");
        }
    }
    Ok(Exit::Done)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let read = || -> std::io::Result<Vec<u8>> {
        let size = std::fs::metadata(file)?.len();
        if size > u64::try_from(CHECK_DATA_LIMIT).unwrap_or(u64::MAX) {
            let why = format!("it has {size} bytes, at most {CHECK_DATA_LIMIT} are allowed");
            return Err(std::io::Error::other(why));
        }
        std::fs::read(file)
    };
    read()
        .or_exit(Exit::Usage)
        .or_doing(format!("reading {}", file.display()))
}
