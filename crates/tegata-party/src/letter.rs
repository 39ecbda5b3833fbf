//! The letter's line as a command takes it: `--slip`, `--slip-file`.

use std::path::PathBuf;

use tegata_cli::exit::Failure;
use tegata_protocol::joining::Slip;

/// Where the letter's line is.
#[derive(Debug, clap::Args)]
pub struct LetterArgs {
    /// The letter's line, tegata:join?… (it holds the code: others on this machine may see it)
    #[arg(long, value_name = "LINE", required_unless_present = "slip_file")]
    slip: Option<String>,

    /// A file with the letter's line (the whole letter will do, as text or HTML)
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
                String::from_utf8_lossy(&bytes).into_owned()
            }
            (None, None) => String::new(),
        };
        Slip::in_letter(&text).map_err(|e| {
            Failure::usage(e).next("give the centre's letter, or its line tegata:join?… whole")
        })
    }
}
