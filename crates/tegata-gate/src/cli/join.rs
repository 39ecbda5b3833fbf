//! `tegata-gate join`.

use std::path::PathBuf;

use serde::Serialize;
use tegata_cli::exit::{Exit, Failure, OrExit as _};
use tegata_party::client::Client;
use tegata_protocol::joining::Slip;

use super::{Common, now, print_json};
use crate::folder::{Folder, FolderError, Joining};

/// Join the centre: make keys, register, keep the record
///
/// The slip is a line in the centre's letter (`tegata:join?…`). It names the centre
/// and its root key, which this gate pins. The signed registration is kept until the centre has
/// answered: if the connection breaks, run the same command again.
///
/// Afterwards DIR/record.cose is this gate's own record; shops seal check data to the key in it.
/// By joining you agree to the terms that came with the letter.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// The slip's line; other users of this machine can see it while the command runs
    #[arg(long, value_name = "LINE", required_unless_present = "slip_file")]
    slip: Option<String>,
    /// A file that holds the slip's line (the whole letter will do, as text or HTML)
    #[arg(long, value_name = "FILE", conflicts_with = "slip")]
    slip_file: Option<PathBuf>,
    /// The gate's name, as told to those whose ticket was used here
    #[arg(long)]
    name: String,
    /// The gate's web address
    #[arg(long, value_name = "URL")]
    address: String,
}

#[derive(Serialize)]
struct Joined {
    number: String,
    name: String,
    record: PathBuf,
    again: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let common = &arguments.common;
    common.start();
    let joining = Joining {
        slip: slip(arguments)?,
        name: arguments.name.clone(),
        address: arguments.address.clone(),
    };
    let folder = Folder::open(common.path()).map_err(FolderError::into_failure)?;
    let _lock = folder.lock().map_err(FolderError::into_failure)?;
    let again = folder.has_joined().map_err(FolderError::into_failure)?;
    let record = folder.join(&joining, &Client::default(), now());
    let record = record.map_err(FolderError::into_failure)?;
    let name = record.profile.as_ref().map(|profile| profile.name.clone());
    let joined = Joined {
        number: record.number.to_string(),
        name: name.unwrap_or_default(),
        record: common.path().join("record.cose"),
        again,
    };
    if common.json {
        print_json(&joined)?;
    } else {
        let when = if again {
            "Joined before, nothing was changed:"
        } else {
            "Joined as"
        };
        println!("{when} gate {} ({}).", joined.number, joined.name);
        println!("Next: take {} to the shop.", joined.record.display());
    }
    Ok(Exit::Done)
}

fn slip(arguments: &Arguments) -> Result<Slip, Failure> {
    let line = match (&arguments.slip, &arguments.slip_file) {
        (Some(line), _) => line.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .or_exit(Exit::Usage)
            .or_doing(format!("reading {}", file.display()))?,
        (None, None) => String::new(),
    };
    Slip::in_letter(&line)
        .or_exit(Exit::Usage)
        .or_next("give the centre's letter, or its line tegata:join?… whole")
}
