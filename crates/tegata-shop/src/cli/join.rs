//! `tegata-shop join`.

use std::path::{Path, PathBuf};

use serde_json::json;
use tegata_cli::data::DataDir;
use tegata_cli::exit::Failure;

use super::owner::Owner;
use super::{PARTY, Usual, say, shown};
use crate::vault::{self, Vault};
use tegata_keystore::rng;
use tegata_keystore::vault::{Cost, Master, Words};
use tegata_party::joining::{Application, Joined, Joining, Kind};
use tegata_party::keys::{Keys, KeysError};
use tegata_party::letter::LetterArgs;
use tegata_party::terms::ConsentArgs;
use zeroize::Zeroizing;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    usual: Usual,

    #[command(flatten)]
    letter: LetterArgs,

    #[command(flatten)]
    consent: ConsentArgs,

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

    /// One password for everything, instead of A and B
    #[arg(long)]
    one_password: bool,

    /// Don't show the 24 words from which the keys grow (tegata-shop words shows them later; with --json
    /// they aren't shown)
    #[arg(long)]
    no_words: bool,

    /// Grow the keys from the 24 words in this file, as they were shown once
    #[arg(long, value_name = "FILE")]
    words_file: Option<PathBuf>,

    #[command(flatten)]
    owner: Owner,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let slip = arguments.letter.read()?;
    let dir = DataDir::open(&arguments.usual.data.data, PARTY)?;
    let _lock = dir.lock()?;
    let application = Application {
        name: arguments.name.clone(),
        address: arguments.address.clone(),
        postal: arguments.postal.clone(),
        account: arguments.account.clone(),
    };
    let joining = Joining {
        dir: &dir,
        kind: Kind::SHOP,
        slip: &slip,
        application: &application,
    };
    let mut words = None;
    let keys = || match vault::is_there(&dir) {
        true => arguments.owner.keys(&dir),
        false => {
            let (keys, fresh) = arguments.make_keys(&dir)?;
            words = fresh;
            Ok(keys)
        }
    };
    let joined = joining.run(&arguments.consent, keys);
    // They are shown even if the register said no: the keys are made.
    if let Some(words) = &words {
        show(words);
    }
    let Joined { party: shop, again } = joined?;
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

fn show(words: &Words) {
    println!(
        "These 24 words are all of the shop's keys. Write them on paper and lock them away: whoever has \
         them is this shop, and without them a lost machine takes the keys with it.\n\n{}\n",
        words.as_phrase()
    );
}

impl Arguments {
    /// New keys in a new vault, from new words or those that are given; the words, where they are to be
    /// shown.
    fn make_keys(&self, dir: &DataDir) -> Result<(Keys, Option<Words>), KeysError> {
        let master = match &self.words_file {
            Some(file) => Master::from_words(&text_of(file)?)?,
            None => Master::generate(&mut rng::system(), None),
        };
        let (passwords, inner) = self.owner.choose(self.one_password)?;
        let vault = Vault::create(dir, master, &passwords, Cost::STANDARD)?;
        let shown = !self.no_words && !self.usual.json && self.words_file.is_none();
        let words = shown.then(|| vault.words(&inner)).transpose()?;
        Ok((vault.keys(&inner)?, words))
    }
}

fn text_of(file: &Path) -> Result<Zeroizing<String>, KeysError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| tegata_cli::data::Error::io("read", file, source))?;
    Ok(Zeroizing::new(text))
}
