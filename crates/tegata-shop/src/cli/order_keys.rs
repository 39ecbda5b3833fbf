//! `tegata-shop keys`: keys for sealed orders that somebody carries (O11), where there's no network
//! between shop and sealing service. The shop must be closed meanwhile: it holds the epoch's key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tegata_cli::config;
use tegata_cli::exit::{Exit, Failure};
use tegata_cli::progress;
use tegata_orders::FormsError;
use tegata_orders::kept::Progress;
use tegata_orders::key_supply::{KeySupplyError, Party as _, read_made, write_upload};
use tegata_protocol::order::KeySource;
use tegata_protocol::record::PartyRecord;
use tegata_protocol::{SignedBytes, Suite, Verified};

use super::owner::Owner;
use super::{PARTY, Usual, failed, say, serve, shown, write_out};
use crate::orders::host::Hosting;
use crate::settings::Settings;
use crate::shop::{OpenError, Shop};
use tegata_party::joining::JoinError;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make keys and seal them into a file for the sealing service, while the shop is closed
    Export {
        #[command(flatten)]
        which: Which,

        /// How many, 32 at most
        #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=32))]
        count: u16,

        /// Keys for browsers without X-Wing, which a quantum computer will open
        #[arg(long)]
        compact: bool,

        /// One key for many orders, for want of others; good for a day at most
        #[arg(long)]
        fallback: bool,
    },
    /// Read a file of keys that the sealing service made, while the shop is closed
    Import {
        #[command(flatten)]
        which: Which,
    },
    /// Replace the key that opened forms are kept under, while the shop is closed
    Rotate(Rotate),
}

/// Whose forms are encrypted anew.
#[derive(Debug, clap::Args)]
struct Rotate {
    #[command(flatten)]
    usual: Usual,

    #[command(flatten)]
    owner: Owner,
}

/// Between whom, and which file.
#[derive(Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    usual: Usual,

    /// The sealing service's record, signed by the register
    #[arg(long, value_name = "FILE")]
    service: PathBuf,

    /// The file that is carried
    file: PathBuf,

    #[command(flatten)]
    owner: Owner,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Export {
            which,
            count,
            compact,
            fallback,
        } => {
            let suite = match compact {
                true => Suite::Compact,
                false => Suite::Standard,
            };
            let (source, count) = match fallback {
                true => (KeySource::Fallback, 1),
                false => (KeySource::Regular, usize::from(*count)),
            };
            export(which, suite, source, count)
        }
        Command::Import { which } => import(which),
        Command::Rotate(arguments) => rotate(arguments),
    }
}

/// Encrypts all kept forms under a new key and destroys the old one; goes on where it was stopped.
fn rotate(arguments: &Rotate) -> Result<(), Failure> {
    let dir = arguments.usual.existing(PARTY)?;
    let _lock = dir.lock()?;
    let settings: Settings = config::load(&dir, "shop")?;
    let opened = arguments.owner.open(&dir);
    let shop = serve::open(&dir, &settings, opened.map_err(JoinError::into_failure)?)?;
    let sealing = shop.sealing().ok_or_else(no_orders)?;
    let host = Hosting(Arc::clone(&shop));
    let (mut bar, mut shown, mut forms) = (None, 0, 0);
    let progress = |now: Progress| {
        forms = now.total;
        let bar = bar.get_or_insert_with(|| progress::bar(now.total, "forms encrypted anew"));
        bar.add(now.done.saturating_sub(shown));
        shown = now.done;
    };
    let keys = &sealing.order_keys;
    let rotated = keys.rotate(&host, host.now(), progress);
    rotated.map_err(|e| failed(OpenError::from(e)))?;
    let line = format!("{forms} forms are encrypted under a new key; the old one is destroyed.");
    say(arguments.usual.json, &json!({ "forms": forms }), &line);
    Ok(())
}

/// The closed shop, and the service's record.
fn open(which: &Which) -> Result<(Arc<Shop>, Verified<PartyRecord>), Failure> {
    let dir = which.usual.existing(PARTY)?;
    let settings: Settings = config::load(&dir, "shop")?;
    let opened = which.owner.open(&dir).map_err(JoinError::into_failure)?;
    let shop = serve::open(&dir, &settings, opened)?;
    let record = SignedBytes::new(read(&which.service)?);
    let record = PartyRecord::verify(record, &shop.centre().keys.register);
    let wrong = |e| {
        Failure::from(e)
            .with_exit(Exit::Usage)
            .doing(format!("reading {}", shown(&which.service)))
    };
    Ok((shop, record.map_err(wrong)?))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |e| Failure::usage(format!("can't read {}: {e}", shown(path)));
    std::fs::read(path).map_err(wrong)
}

fn no_orders() -> Failure {
    Failure::usage("this shop takes no sealed orders").next("set [orders] in DIR/shop.toml")
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what was given is wrong in two ways; all others say themselves what they are"
)]
fn wrong(which: &Which, error: KeySupplyError) -> Failure {
    match error {
        KeySupplyError::File(_) => Failure::from(error)
            .with_exit(Exit::Usage)
            .doing(format!("reading {}", shown(&which.file))),
        KeySupplyError::Forms(FormsError::Made(_)) => Failure::from(error).with_exit(Exit::Usage),
        other => other.into(),
    }
}

fn export(which: &Which, suite: Suite, source: KeySource, count: usize) -> Result<(), Failure> {
    let _lock = which.usual.existing(PARTY)?.lock()?;
    let (shop, record) = open(which)?;
    let sealing = shop.sealing().ok_or_else(no_orders)?;
    let host = Hosting(Arc::clone(&shop));
    let wanted = sealing.rules.wanted(suite, source, host.now());
    let upload = write_upload(&host, &sealing.epochs, &record, &wanted, count);
    let upload = upload.map_err(|e| wrong(which, e))?;
    write_out(&which.file, &upload.bytes)?;
    let object = json!({ "keys": upload.keys, "file": shown(&which.file) });
    let lines = format!(
        "{} keys for {} stand in {}.\nThere: tegata-sealing keys import --data DIR FILE",
        upload.keys,
        record.number,
        shown(&which.file)
    );
    say(which.usual.json, &object, &lines);
    Ok(())
}

fn import(which: &Which) -> Result<(), Failure> {
    let _lock = which.usual.existing(PARTY)?.lock()?;
    let (shop, record) = open(which)?;
    let sealing = shop.sealing().ok_or_else(no_orders)?;
    let (host, bytes) = (Hosting(Arc::clone(&shop)), read(&which.file)?);
    let taken = read_made(&host, &sealing.epochs, &sealing.rules, &record, &bytes);
    let taken = taken.map_err(|e| wrong(which, e))?;
    let line = format!("{taken} new keys of {}.", record.number);
    say(which.usual.json, &json!({ "new": taken }), &line);
    Ok(())
}
