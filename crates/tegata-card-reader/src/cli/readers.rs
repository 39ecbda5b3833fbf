//! `tegata-card readers`.

use tegata_cli::exit::Failure;

/// List the card readers of this machine, and what is in them
///
/// Needs a build with the feature `pcsc`, which links the system's libpcsclite.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

#[cfg(feature = "pcsc")]
pub(crate) fn run(_: &Arguments) -> Result<(), Failure> {
    use crate::reader::{ReaderError, Readers};
    use tegata_card::vpcd::ATR;
    use tegata_cli::exit::{Exit, OrExit as _};

    let listed = Readers::open().and_then(|readers| readers.list());
    let readers = listed.or_exit(Exit::Unreachable)?;
    if readers.is_empty() {
        return Err(ReaderError::NoReader).or_exit(Exit::Unreachable);
    }
    for reader in readers {
        let holds = match reader.atr.as_deref() {
            None => "no card".to_owned(),
            Some(atr) if atr == ATR => "a Tegata card".to_owned(),
            Some(atr) => format!("another card, {}", hex(atr)),
        };
        println!("{}: {holds}", reader.name);
    }
    Ok(())
}

#[cfg(not(feature = "pcsc"))]
pub(crate) fn run(_: &Arguments) -> Result<(), Failure> {
    Err(built_without())
}

/// What this build can't do.
#[cfg(not(feature = "pcsc"))]
pub(crate) fn built_without() -> Failure {
    let what = "this program was built without card readers";
    let next = "cargo build --package tegata-card-reader --features pcsc";
    Failure::usage(what).next(next)
}

#[cfg(feature = "pcsc")]
fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(" ")
}
