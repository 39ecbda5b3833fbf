//! A sample shop: a catalogue of goods with its pictures, drawn for it, to start from or to look at.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tegata_cli::data;

macro_rules! file {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../samples/hanamizuki/", $name)),
        )
    };
}

/// The sample's files: path below the data folder, and content.
pub const FILES: &[(&str, &str)] = &[
    file!("catalogue.toml"),
    file!("pictures/welcome.svg"),
    file!("pictures/notebook.svg"),
    file!("pictures/postcards.svg"),
    file!("pictures/letters.svg"),
    file!("pictures/ink.svg"),
    file!("pictures/brush.svg"),
    file!("pictures/sencha.svg"),
    file!("pictures/hojicha.svg"),
    file!("pictures/cup.svg"),
    file!("pictures/furoshiki.svg"),
    file!("pictures/tenugui.svg"),
];

/// Writes the sample into a folder, over nothing that is there. Gives what was written.
///
/// # Errors
/// If a file can't be written.
pub fn write(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (name, content) in FILES {
        let path = folder.join(name);
        if path.exists() {
            continue;
        }
        if let Some(folder) = path.parent() {
            data::make_dir(folder).map_err(std::io::Error::other)?;
        }
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(content.as_bytes())?;
        written.push(path);
    }
    Ok(written)
}
