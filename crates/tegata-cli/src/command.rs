//! What most commands take and give: a data folder, and one JSON object or lines for people.

use std::fmt::Display;
use std::path::Path;

use crate::data::{DataArgs, DataDir, Party};
use crate::exit::Failure;

/// Folder and output, as most commands have them; flatten it into a command's arguments.
#[derive(Debug, clap::Args)]
pub struct Usual {
    /// The data folder.
    #[command(flatten)]
    pub data: DataArgs,

    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

impl Usual {
    /// The folder, which must be there and this party's.
    ///
    /// # Errors
    /// [`Failure`] with the code of [`crate::data::Error`].
    pub fn existing(&self, party: Party) -> Result<DataDir, Failure> {
        Ok(DataDir::open_existing(&self.data.data, party)?)
    }
}

/// Prints an object as JSON, or lines for people.
pub fn say(json: bool, object: &impl Display, lines: &str) {
    if json {
        println!("{object}");
    } else {
        println!("{lines}");
    }
}

/// A path as it's shown.
#[must_use]
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Reads a file that a person names.
///
/// # Errors
/// [`Failure`] with code 2.
pub fn read_in(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::usage(format!("can't read {}: {e}", shown(path))))
}

/// Writes a file beside the data folder, for somebody else.
///
/// # Errors
/// [`Failure`] with code 1.
pub fn write_out(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes)
        .map_err(|e| Failure::refused(format!("can't write {}: {e}", shown(path))))
}
