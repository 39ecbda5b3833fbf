//! The files of a card made of software: its memory, and the key that a manufacturer delivers with it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tegata_card::applet;
use tegata_card::image::{FileMemory, ImageError};
use tegata_card::keys::Csn;
use tegata_cli::exit::{Exit, Failure};

/// Make a card of software, for trying without any reader
///
/// What `virtual` does when the image is missing, and nothing else.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file that will hold the card's memory, keys included
    #[arg(long, value_name = "FILE", default_value = "card.image")]
    image: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    make(&arguments.image).map(drop)
}

/// The error with its code and advice.
pub(crate) fn as_failure(error: impl Into<Failure>, exit: Exit, next: &str) -> Failure {
    let error: Failure = error.into();
    Failure::new(exit, error).next(next)
}

/// The card in that image, which is made when missing, with a key file beside it.
pub(crate) fn open_or_make(path: &Path) -> Result<FileMemory, Failure> {
    if path.exists() {
        return open(path);
    }
    make(path)
}

/// The card in an image that is there.
pub(crate) fn open(path: &Path) -> Result<FileMemory, Failure> {
    FileMemory::open(path).map_err(image_failure)
}

fn make(path: &Path) -> Result<FileMemory, Failure> {
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
