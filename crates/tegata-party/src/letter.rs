//! The letter's line as a command takes it: `--slip`, `--slip-file`.

use std::path::PathBuf;

use tegata_cli::exit::Failure;
use tegata_protocol::joining::Slip;

use crate::picture::{self, PictureError};

/// Where the letter's line is.
#[derive(Debug, clap::Args)]
pub struct LetterArgs {
    /// The letter's line, tegata:join?… (it holds the code: others on this machine may see it)
    #[arg(long, value_name = "LINE", required_unless_present = "slip_file")]
    slip: Option<String>,

    /// A file with the letter's line: the letter as text or HTML, or a picture of it (PNG, JPEG)
    #[arg(long, value_name = "FILE", conflicts_with = "slip")]
    slip_file: Option<PathBuf>,
}

impl LetterArgs {
    /// Reads it.
    ///
    /// # Errors
    /// [`Failure`] with code 2, when the file can't be read or holds no such line.
    pub fn read(&self) -> Result<Slip, Failure> {
        let text = match (&self.slip, &self.slip_file) {
            (Some(line), _) => line.clone(),
            (None, Some(file)) => {
                let bytes = std::fs::read(file)
                    .map_err(|e| Failure::usage(format!("can't read {}: {e}", file.display())))?;
                text_of(&bytes).map_err(|e| {
                    Failure::usage(e).next("give the letter's line by --slip, or in a text file")
                })?
            }
            (None, None) => String::new(),
        };
        Slip::in_letter(&text).map_err(|e| {
            Failure::usage(e).next("give the centre's letter, or its line tegata:join?… whole")
        })
    }
}

/// A letter's text, or what stands in the QR code of a picture of it.
///
/// # Errors
/// [`PictureError`].
pub fn text_of(bytes: &[u8]) -> Result<String, PictureError> {
    match picture::is_picture(bytes) {
        true => picture::text(bytes),
        false => Ok(String::from_utf8_lossy(bytes).into_owned()),
    }
}
