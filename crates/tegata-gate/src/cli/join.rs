//! `tegata-gate join`.

use std::path::PathBuf;

use serde::Serialize;
use tegata_cli::exit::{Exit, Failure};
use tegata_party::identity::RECORD;
use tegata_party::joining::{self, Application, Joining, Kind};
use tegata_party::keys::KeyFile;
use tegata_party::letter::LetterArgs;
use tegata_party::terms::ConsentArgs;

use super::{Common, print_json};
use crate::folder::{Folder, FolderError};

/// Join the centre: make keys, register, keep the record
///
/// The slip is a line in the centre's letter (`tegata:join?…`). It names the centre
/// and its root key, which this gate pins. The signed registration is kept until the centre has
/// answered: if the connection breaks, run the same command again.
///
/// Afterwards DIR/record.cose is this gate's own record; shops seal check data to the key in it.
/// The root key and the centre's terms are shown first, and you are asked whether you agree.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    letter: LetterArgs,
    #[command(flatten)]
    consent: ConsentArgs,
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
    let slip = arguments.letter.read()?;
    let application = Application {
        name: arguments.name.clone(),
        address: arguments.address.clone(),
        postal: Vec::new(),
        account: None,
    };
    let folder = Folder::open(common.path()).map_err(FolderError::into_failure)?;
    let _lock = folder.lock().map_err(FolderError::into_failure)?;
    let joining = Joining {
        dir: folder.dir(),
        kind: Kind::GATE,
        slip: &slip,
        application: &application,
    };
    let keys = || KeyFile::open_or_make(folder.dir());
    let joining::Joined { party: gate, again } = joining.run(&arguments.consent, keys)?;
    let joined = Joined {
        number: gate.number().to_string(),
        name: gate.name().to_owned(),
        record: common.path().join(RECORD),
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
