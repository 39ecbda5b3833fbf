//! `tegata-sealing join`.

use serde_json::json;
use tegata_cli::data::DataDir;
use tegata_cli::exit::Failure;

use super::{PARTY, Usual, say, shown};
use tegata_party::identity::RECORD;
use tegata_party::joining::{Application, Joining, Kind};
use tegata_party::keys::KeyFile;
use tegata_party::letter::LetterArgs;
use tegata_party::terms::ConsentArgs;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    usual: Usual,

    #[command(flatten)]
    letter: LetterArgs,

    #[command(flatten)]
    consent: ConsentArgs,

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
    let slip = arguments.letter.read()?;
    let dir = DataDir::open(&arguments.usual.data.data, PARTY)?;
    let _lock = dir.lock()?;
    let application = Application {
        name: arguments.name,
        address: arguments.address,
        postal: arguments.postal,
        account: None,
    };
    let joining = Joining {
        dir: &dir,
        kind: Kind::SEALING,
        slip: &slip,
        application: &application,
    };
    let joined = joining.run(&arguments.consent, || KeyFile::open_or_make(&dir))?;
    let service = joined.party;
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
