//! `tegata-card virtual`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tegata_card::applet::{self, Applet};
use tegata_card::image::{FileMemory, ImageError};
use tegata_card::keys::Csn;
use tegata_card::vpcd::{ADDRESS, Card, Ended, VpcdError};
use tegata_program::exit::{Exit, Failure};
use tegata_program::serve::{Stop, runtime};

/// Put a card made of software into a reader made of software
///
/// The reader is pcscd's driver vpcd, which must run already. From then on every program that
/// talks to card readers sees the card; try `opensc-tool --atr` or `pcsc_scan`. Ctrl-C pulls the
/// card out. What it remembers is in its image, which is made when missing.
///
/// vpcd listens on all of this machine's addresses and asks nobody who they are: for trying and
/// tests only, never with a card that holds money.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file that holds the card's memory, keys included (made when missing)
    #[arg(long, value_name = "FILE", default_value = "card.image")]
    image: PathBuf,
    /// Where vpcd listens
    #[arg(long, value_name = "HOST:PORT", default_value = ADDRESS)]
    vpcd: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let memory = open_or_make(&arguments.image)?;
    let runtime = runtime()?;
    let stop = {
        let _within = runtime.enter();
        Stop::on_signals()?
    };
    let mut chip = Applet::new(memory);
    let mut card = insert(&arguments.vpcd)?;
    explain(&arguments.image, &arguments.vpcd);
    loop {
        let puller = card.puller().map_err(vpcd_failure)?;
        let stop_while_in = stop.clone();
        let pulling = runtime.spawn(async move {
            stop_while_in.wait().await;
            puller.pull();
        });
        let ended = card.serve(&mut chip).map_err(vpcd_failure)?;
        pulling.abort();
        if ended == Ended::Pulled || stop.is_now() {
            println!("The card was pulled out.");
            return Ok(());
        }
        if let Some(fault) = chip.hardware().fault() {
            let image = arguments.image.display();
            let what = format!("the card's image {image} can't be used: {fault}");
            return Err(Failure::refused(what));
        }
        card = insert(&arguments.vpcd)?;
    }
}

fn insert(vpcd: &str) -> Result<Card, Failure> {
    Card::insert(vpcd).map_err(vpcd_failure)
}

fn vpcd_failure(error: VpcdError) -> Failure {
    let next = "start pcscd with vpcd installed (docs/card.md says how), then start this again";
    as_failure(error, Exit::Unreachable, next)
}

/// The error with its code and advice.
fn as_failure(error: impl Into<Failure>, exit: Exit, next: &str) -> Failure {
    let error: Failure = error.into();
    Failure::new(exit, error).next(next)
}

fn open_or_make(path: &Path) -> Result<FileMemory, Failure> {
    if path.exists() {
        return FileMemory::open(path).map_err(image_failure);
    }
    let (mut csn, mut transport_key) = ([0; 10], [0; 32]);
    fill(&mut csn)?;
    fill(&mut transport_key)?;
    // The key first: a card whose key nobody has could never be put into use.
    let key_file = write_key(path, Csn::new(csn), &transport_key)?;
    let made = FileMemory::create(path, |memory| {
        applet::manufacture(memory, csn, transport_key)
    });
    let memory = made.map_err(image_failure)?;
    println!(
        "Made a new card, {}, in {}. The key under which it's put into use is in {}.",
        Csn::new(csn),
        path.display(),
        key_file.display()
    );
    Ok(memory)
}

/// Writes what a manufacturer delivers with a card, beside its image and for its owner only: number
/// and transport key, in hexadecimal on one line.
fn write_key(image: &Path, csn: Csn, transport_key: &[u8; 32]) -> Result<PathBuf, Failure> {
    let mut name = image.as_os_str().to_owned();
    name.push(".key");
    let path = PathBuf::from(name);
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(&path);
    let write = |mut file: File| {
        write!(file, "{csn} ")?;
        transport_key
            .iter()
            .try_for_each(|byte| write!(file, "{byte:02X}"))?;
        writeln!(file)?;
        file.sync_all()
    };
    match opened.and_then(write) {
        Ok(()) => Ok(path),
        Err(error) => {
            let what = format!(
                "can't write the new card's key into {}: {error}",
                path.display()
            );
            let next = "if it's another card's key, give another --image, or move it away";
            Err(Failure::refused(what).next(next))
        }
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    let filled = getrandom::fill(bytes);
    filled.map_err(|error| Failure::refused(format!("the system gives no randomness: {error}")))
}

fn image_failure(error: ImageError) -> Failure {
    let (exit, next) = match &error {
        ImageError::Foreign { .. } => (
            Exit::Usage,
            "give another file with --image; a new card is made when it's missing",
        ),
        ImageError::Newer { .. } => (Exit::Usage, "use the newer program; nothing was changed"),
        ImageError::Locked { .. } => (
            Exit::Refused,
            "stop the other process first, or give another file with --image",
        ),
        ImageError::Io { .. } => return Failure::from(error),
    };
    as_failure(error, exit, next)
}

fn explain(image: &Path, vpcd: &str) {
    println!(
        "A card made of software is in the virtual reader at {vpcd}; its memory is {}.\n\
         See it:     pcsc_scan        or  opensc-tool --list-readers  and  opensc-tool --atr\n\
         Pull it out: Ctrl-C",
        image.display()
    );
}
