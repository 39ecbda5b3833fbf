//! `tegata-shop join`.

use std::path::PathBuf;

use serde_json::json;
use tegata_cli::clock;
use tegata_cli::data::DataDir;
use tegata_cli::exit::Failure;
use tegata_cli::password::PasswordOnly;
use tegata_party::client::Client;
use tegata_protocol::Time;
use tegata_protocol::joining::Slip;

use super::{PARTY, Usual, failed, say, shown};
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

    /// The shop's name, as members see it
    #[arg(long, value_name = "NAME")]
    name: String,

    /// The shop's web address, as members reach it
    #[arg(long, value_name = "URL")]
    address: String,

    /// A line of the postal address; may be repeated
    #[arg(long, value_name = "LINE")]
    postal: Vec<String>,

    /// The account that sales are paid out to
    #[arg(long, value_name = "IBAN")]
    account: Option<String>,

    /// Seal the key file under a password (asked for, unless given); each start needs it then
    #[arg(long)]
    sealed: bool,

    #[command(flatten)]
    password: PasswordOnly,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let slip = read_slip(&arguments)?;
    let dir = DataDir::open(&arguments.usual.data.data, PARTY)?;
    let _lock = dir.lock()?;
    let wanted = arguments.sealed || arguments.password.is_given();
    let known = dir.read_optional(crate::keys::FILE)?.is_some();
    let password = match (wanted, known) {
        (false, _) => None,
        (true, true) => Some(arguments.password.read()?),
        (true, false) => Some(arguments.password.read_new()?),
    };
    let application = Application {
        name: arguments.name,
        address: arguments.address,
        postal: arguments.postal,
        account: arguments.account,
    };
    let (client, now) = (Client::default(), Time::from_secs(clock::now()));
    let again = joining::has_joined(&dir).map_err(|e| failed(e.into()))?;
    let joined = joining::join(&dir, &client, &slip, &application, password.as_ref(), now);
    let shop = joined.map_err(|e| failed(e.into()))?;
    let object = json!({
        "number": shop.number().to_string(),
        "name": shop.name(),
        "address": shop.address(),
        "centre": shop.identity.centre,
        "record": shop.record.digest().to_string(),
        "data": shown(dir.path()),
        "again": again,
    });
    let lines = format!(
        "{} {} {}.\nNext: write {} and run tegata-shop serve.",
        shop.name(),
        if again {
            "joined before, nothing was changed: it is"
        } else {
            "is registered as"
        },
        shop.number(),
        shown(&dir.path().join(crate::catalogue::FILE)),
    );
    say(arguments.usual.json, &object, &lines);
    Ok(())
}

fn read_slip(arguments: &Arguments) -> Result<Slip, Failure> {
    let text = match (&arguments.slip, &arguments.slip_file) {
        (Some(line), _) => line.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .map_err(|e| Failure::usage(format!("can't read {}: {e}", shown(file))))?,
        (None, None) => String::new(),
    };
    Slip::in_letter(&text).map_err(|e| {
        Failure::usage(e).next("give the centre's letter, or its line tegata:join?… whole")
    })
}
