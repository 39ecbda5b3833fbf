//! `draw`, and `join --draw`: a page on which strokes are drawn for the seed (M5).

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

use serde_json::json;
use tegata_cli::exit::Failure;

use super::{
    args::draw::{DrawArgs, DrawnArgs},
    ask,
    failure::failure,
    output::Output,
};
use crate::{
    error::WalletError,
    page::draw::{self, Drawing, Outcome, Use},
    vault::Strokes,
};

/// Draws and keeps the strokes as a file.
pub(super) fn draw(args: &DrawArgs, out: &Output) -> Result<(), Failure> {
    if args.out.symlink_metadata().is_ok() {
        let exists = std::io::Error::from(ErrorKind::AlreadyExists);
        return Err(not_written(&args.out, exists).next("name a file that isn't there yet"));
    }
    let drawing = match draw::run(Use::File, Duration::from_secs(args.wait), announce)? {
        Outcome::Drawn(drawing) => drawing,
        Outcome::Declined | Outcome::Nobody => {
            return Err(nobody().next("run `tegata-wallet draw` again"));
        }
    };
    write_private(&args.out, &drawing).map_err(|e| not_written(&args.out, e))?;
    let (file, points) = (args.out.display().to_string(), drawing.strokes.points());
    let value = json!({ "file": file, "points": points });
    out.value(&value, &format!("{points} points are written to {file}."))
}

/// Asks for a drawing; `None` if the keys shall grow from the system's randomness alone.
pub(super) fn for_keys(args: &DrawnArgs) -> Result<Option<Strokes>, Failure> {
    match draw::run(Use::Keys, Duration::from_secs(args.draw_wait), announce)? {
        Outcome::Drawn(drawing) => {
            let points = drawing.strokes.points();
            eprintln!("{points} points came; they are mixed with the system's randomness.");
            Ok(Some(drawing.strokes))
        }
        Outcome::Declined => {
            eprintln!("Without a drawing: the keys grow from the system's randomness.");
            Ok(None)
        }
        Outcome::Nobody => {
            eprintln!("Nobody drew, and the page is closed.");
            match ask::agreed("Make the keys from the system's randomness alone?")? {
                Some(true) => Ok(None),
                Some(false) | None => Err(nobody().next(
                    "no keys were made; run `join` again, with --draw, with --strokes FILE or \
                     with neither",
                )),
            }
        }
    }
}

fn nobody() -> Failure {
    Failure::refused("nobody drew")
}

/// On standard error, where prompts are: the result alone goes to standard output.
fn announce(link: &str) {
    eprintln!("Open this once, on this machine, and draw: {link}");
}

fn write_private(file: &Path, drawing: &Drawing) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    file.write_all(drawing.text().as_bytes())?;
    file.sync_all()
}

fn not_written(file: &Path, source: std::io::Error) -> Failure {
    failure(WalletError::File {
        doing: "write",
        file: file.display().to_string(),
        source,
    })
}
