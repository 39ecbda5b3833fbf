//! Where a card's reader is: the program that has it runs beside this one and holds no keys.

use std::{ffi::OsString, fmt, path::PathBuf, time::Duration};

use tegata_card::{
    helper::{Helper, HelperError, Patience},
    link::{Link, LinkError},
};

use crate::card_trouble::CardTrouble;

/// How long one command to a card may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Opens ways to whatever card lies there.
pub trait Readers: fmt::Debug + Send + Sync {
    /// A way to the card that lies on the reader now; waits for one for a while.
    ///
    /// # Errors
    /// [`CardTrouble`].
    fn open(&self) -> Result<Box<dyn Link + Send>, CardTrouble>;
}

/// The reader that `tegata-card reader` is to lend.
#[derive(Clone, Debug)]
pub struct CardReader {
    /// Which reader, by its name or a part of it; otherwise the one with a card.
    pub reader: Option<String>,
    /// Instead of a reader: the image of a card made of software.
    pub image: Option<PathBuf>,
    /// The program; otherwise `tegata-card` beside this one.
    pub program: Option<PathBuf>,
    /// How many seconds to wait for a card.
    pub wait: u16,
}

impl CardReader {
    /// Starts the program that has the reader, and waits for a card.
    ///
    /// # Errors
    /// [`CardTrouble`].
    pub fn start(&self) -> Result<Helper, CardTrouble> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => beside("tegata-card")?,
        };
        let mut arguments: Vec<OsString> = vec!["reader".into()];
        if let Some(reader) = &self.reader {
            arguments.extend(["--reader".into(), reader.into()]);
        }
        if let Some(image) = &self.image {
            arguments.extend(["--image".into(), image.into()]);
        }
        arguments.extend(["--wait".into(), self.wait.to_string().into()]);
        let hello = Duration::from_secs(u64::from(self.wait).saturating_add(10));
        let answer = ANSWER;
        Helper::start(&program, &arguments, Patience { hello, answer }).map_err(trouble)
    }
}

impl Readers for CardReader {
    fn open(&self) -> Result<Box<dyn Link + Send>, CardTrouble> {
        Ok(Box::new(self.start()?))
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else it may be, its text tells"
)]
fn trouble(error: HelperError) -> CardTrouble {
    match error {
        HelperError::Said(LinkError::Gone) => CardTrouble::NoCard,
        other => CardTrouble::Reader(other.to_string()),
    }
}

/// A program of ours that lies beside this one.
fn beside(name: &str) -> Result<PathBuf, CardTrouble> {
    let own = std::env::current_exe().map_err(|e| CardTrouble::Reader(e.to_string()))?;
    Ok(own.with_file_name(name))
}
