//! `tegata-card reader`.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(feature = "pcsc")]
use crate::reader::CardInReader;
use tegata_card::applet::Applet;
use tegata_card::chip::{Chip as _, PowerCut};
use tegata_card::helper;
use tegata_card::image::FileMemory;
use tegata_card::link::{Link, LinkError};
#[cfg(feature = "pcsc")]
use tegata_cli::exit::Exit;
use tegata_cli::exit::Failure;

use super::image;

/// Lend a card to the program that started this one
///
/// For programs, not for people: gates and wallets hold private keys and so don't link the system's
/// card library; they start this instead, and speak to it over its standard input and output. It
/// ends when they do. What goes wrong is said to them, and on standard error.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Which reader, by its name or a part of it (default: the one with a card)
    #[arg(long, value_name = "NAME-PART", conflicts_with = "image")]
    reader: Option<String>,
    /// Instead of a reader: the image of a card made of software
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// How long to wait for a card to be there
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u16,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        let what = "this is spoken to by programs; nothing can be typed here";
        return Err(Failure::usage(what).next("tegata-card readers lists readers and their cards"));
    }
    let within = Duration::from_secs(arguments.wait.into());
    match &arguments.image {
        Some(path) => in_process(path),
        None => in_reader(arguments.reader.as_deref(), within),
    }
}

/// Answers until the other program closes its end.
fn lend(link: &mut impl Link, description: &str) -> Result<(), Failure> {
    match helper::serve(
        &mut io::stdin().lock(),
        &mut io::stdout().lock(),
        link,
        description,
    ) {
        // It may end while it waits for an answer.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        served => served.map_err(Failure::from),
    }
}

/// Says to the other program, too, why there's no card.
fn refuse(why: &LinkError, failure: Failure) -> Failure {
    // If it can't hear it, it has ended, and standard error must do.
    helper::refuse(&mut io::stdout().lock(), why).ok();
    failure
}

fn in_process(path: &Path) -> Result<(), Failure> {
    let memory = image::open(path).map_err(|failure| {
        let why = LinkError::Unusable(failure.to_string());
        refuse(&why, failure)
    })?;
    let mut card = Card(Applet::new(memory));
    card.0.power_on();
    lend(&mut card, &format!("in-process, {}", path.display()))
}

/// A card in this very process, which tells a full disk from a card that was pulled out.
struct Card(Applet<FileMemory>);

impl Link for Card {
    fn reset(&mut self) -> Result<(), LinkError> {
        self.0.power_on();
        Ok(())
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, LinkError> {
        self.0.transmit(command).map_err(|PowerCut| {
            let fault = self.0.hardware().fault();
            fault.map_or(LinkError::Gone, |fault| {
                LinkError::Unusable(fault.to_string())
            })
        })
    }
}

#[cfg(feature = "pcsc")]
fn in_reader(wanted: Option<&str>, within: Duration) -> Result<(), Failure> {
    use crate::reader::{ReaderError, Readers};

    let connected = Readers::open().and_then(|readers| {
        let reader = readers.wait_for_card(wanted, within)?;
        readers.connect(&reader, within)
    });
    // pcscd looks for cards a few times a second only, so it may take a card that has just left for the
    // one that came in its place. A reset finds the one that is there.
    let awake = connected.map_err(LentError::Reader).and_then(|mut card| {
        let reset = card.reset().map(|()| card.set_patience(Duration::ZERO));
        reset.map(|()| card).map_err(LentError::Link)
    });
    let card = awake.map_err(|error| {
        let (why, failure) = match error {
            LentError::Link(why) => (why.clone(), Failure::from(why)),
            LentError::Reader(ReaderError::NoCard) => {
                (LinkError::Gone, Failure::from(ReaderError::NoCard))
            }
            LentError::Reader(error) => {
                (LinkError::Unusable(error.to_string()), Failure::from(error))
            }
        };
        refuse(&why, Failure::new(Exit::Unreachable, failure).next(NEXT))
    })?;
    let description = format!("PC/SC, reader \"{}\"", card.reader());
    lend(&mut InReader(Some(card)), &description)
}

/// Why no card is lent.
#[cfg(feature = "pcsc")]
enum LentError {
    Reader(crate::reader::ReaderError),
    Link(LinkError),
}

/// A card in a reader until it's gone; whoever wants it back starts this program again.
#[cfg(feature = "pcsc")]
struct InReader(Option<CardInReader>);

#[cfg(feature = "pcsc")]
impl InReader {
    fn with<T>(
        &mut self,
        act: impl FnOnce(&mut CardInReader) -> Result<T, LinkError>,
    ) -> Result<T, LinkError> {
        let mut card = self.0.take().ok_or(LinkError::Gone)?;
        match act(&mut card) {
            // At once: the other program may end this one right after it's told.
            Err(LinkError::Gone) => {
                card.let_go();
                Err(LinkError::Gone)
            }
            answered => {
                self.0 = Some(card);
                answered
            }
        }
    }
}

#[cfg(feature = "pcsc")]
impl Link for InReader {
    fn reset(&mut self) -> Result<(), LinkError> {
        self.with(CardInReader::reset)
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, LinkError> {
        self.with(|card| card.transmit(command))
    }
}

#[cfg(feature = "pcsc")]
const NEXT: &str = "tegata-card readers lists readers and their cards";

#[cfg(not(feature = "pcsc"))]
fn in_reader(_: Option<&str>, _: Duration) -> Result<(), Failure> {
    let failure = super::readers::built_without();
    let why = LinkError::Unusable(failure.to_string());
    Err(refuse(&why, failure))
}
