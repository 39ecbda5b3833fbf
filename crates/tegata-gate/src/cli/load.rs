//! `tegata-gate load`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tegata_client::Client;
use tegata_program::exit::{Exit, Failure, OrExit as _};
use tegata_protocol::Time;

use super::{Common, now, print_json};
use crate::{
    event::Event,
    folder::{CHECK_DATA_LIMIT, Folder, FolderError, Keys, LoadError, Loaded},
    words::EventJson,
};

/// Load a shop's check data for an event
///
/// The file is sealed to this gate and signed by the shop, whose record must be known: give it
/// once with --shop-record. Editions only ever rise: an older file is refused, so that a ticket
/// cancelled since can't be slipped in. The sealed file itself is what is kept in DIR.
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

/// What was loaded, in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct LoadedJson {
    loaded: bool,
    again: bool,
    event: EventJson,
    edition: u64,
    as_of: u64,
    until: u64,
    issued: u64,
}

/// What wasn't, and why.
#[derive(Debug, Serialize)]
struct NotLoadedJson {
    loaded: bool,
    reason: &'static str,
    what: String,
    next: &'static str,
}

impl From<&Loaded> for LoadedJson {
    fn from(loaded: &Loaded) -> Self {
        let event: &Event = &loaded.event;
        Self {
            loaded: true,
            again: loaded.again,
            event: EventJson::from(&**event.record()),
            edition: event.edition(),
            as_of: event.as_of().secs(),
            until: event.until().secs(),
            issued: event.expected(),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let common = &arguments.common;
    let folder = common.folder()?;
    let sealed = read(&arguments.file)?;
    let record = arguments.shop_record.as_deref().map(read).transpose()?;
    let _lock = folder.lock().map_err(FolderError::into_failure)?;
    match load(&folder, (&sealed, record.as_deref()), now()) {
        Ok(loaded) => print(common, &LoadedJson::from(&loaded))?,
        Err(error) if common.json => {
            print_json(&NotLoadedJson {
                loaded: false,
                reason: error.word(),
                what: crate::folder::chain(&error),
                next: error.next(),
            })?;
            return Err(error.into_failure());
        }
        Err(error) => return Err(error.into_failure()),
    }
    Ok(Exit::Done)
}

fn print(common: &Common, loaded: &LoadedJson) -> Result<(), Failure> {
    if common.json {
        return print_json(loaded);
    }
    let EventJson {
        shop,
        series,
        title,
        place,
    } = &loaded.event;
    let what = if loaded.again {
        "Loaded before"
    } else {
        "Loaded"
    };
    println!("{what}: {title}, {place} (event {shop}/{series})");
    println!(
        "Edition {}, {} tickets, to be used until {}.",
        loaded.edition,
        loaded.issued,
        Time::from_secs(loaded.until)
    );
    Ok(())
}

/// Loads; if the kept certificates have ended, fetches new ones once.
fn load(folder: &Folder, files: (&[u8], Option<&[u8]>), now: Time) -> Result<Loaded, LoadError> {
    let keys = folder.keys()?;
    let mut store = folder.store()?;
    match folder.load(&keys, &mut store, files, now) {
        Err(LoadError::CertificatesEnded(_)) => {
            renew(folder, &keys, now)?;
            folder.load(&keys, &mut store, files, now)
        }
        other => other,
    }
}

fn renew(folder: &Folder, keys: &Keys, now: Time) -> Result<(), FolderError> {
    folder
        .fetch_certificates(keys, &Client::default(), now)
        .map(drop)
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
