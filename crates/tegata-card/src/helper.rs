//! A card's reader in a process of its own.
//!
//! Who holds a private key must not link the system's card library, nor speak to its service: both
//! are large, and run as root. So the library stands in a small program that holds nothing
//! (`tegata-card reader`), and whoever needs a card starts it and speaks over its standard input and
//! output. [`Helper`] is the host's end, a [`Link`] like any other; [`serve`] is the other.
//!
//! ```text
//! helper ── HELLO(version, which way the card is reached) ──▶ host      or UNUSABLE(text), GONE
//!        ◀── RESET ─────────────┐
//!        ◀── APDU(bytes) ───────┤  one at a time, each answered once
//!        ── ANSWER(bytes) | GONE | CHANGED | UNUSABLE(text) ──▶
//! ```
//! A frame is a kind (one byte), a length (two bytes, most significant first) and that many bytes,
//! at most [`FRAME_LIMIT`]. Anything else, an answer that nobody asked for, or silence for longer than
//! the host's patience ends the connection: the process is killed, and what it says counts for
//! nothing. It's trusted with no more than any reader is: it can lose bytes and alter them.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::link::{Link, LinkError};

pub mod frame;

use frame::{Frame, kind};

/// The most bytes in a frame. A command has at most 261, an answer 258.
pub const FRAME_LIMIT: u16 = 1024;

/// The protocol's version, in the hello.
const VERSION: u8 = 1;

/// Variables that the helper is given; the host's others are none of its business.
const PASSED_ON: [&str; 5] = [
    "PATH",
    "HOME",
    "LANG",
    "PCSCLITE_CSOCK_NAME",
    "XDG_RUNTIME_DIR",
];

/// Why there's no helper to reach a card through.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// The program can't be started.
    #[error("can't start the card reader's program {}", program.display())]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It says itself why it can't, or that no card came.
    #[error("{0}")]
    Said(LinkError),
    /// It ended without a word; its standard error may have one.
    #[error("the card reader's program {} ended at once", program.display())]
    Ended {
        /// The program.
        program: PathBuf,
    },
    /// It said nothing in time.
    #[error("the card reader's program {} said nothing for {} seconds", program.display(), patience.as_secs())]
    Silent {
        /// The program.
        program: PathBuf,
        /// How long it was listened to.
        patience: Duration,
    },
    /// It speaks something else, or another version.
    #[error("{} isn't a card reader's program of this version: use the tegata-card that came with this program", program.display())]
    NotOurs {
        /// The program.
        program: PathBuf,
    },
}

/// How long a helper is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// For its first word, so with whatever time it's told to wait for a card.
    pub hello: Duration,
    /// For each answer.
    pub answer: Duration,
}

/// A card, through a process that is this one's child. It's killed and reaped when this is dropped.
pub struct Helper {
    process: Process,
    input: Option<ChildStdin>,
    frames: Receiver<io::Result<Option<Frame>>>,
    description: String,
    patience: Duration,
}

impl fmt::Debug for Helper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Helper")
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

impl Helper {
    /// Starts the program and waits for its hello. Of the host's environment it gets what
    /// finding `pcscd` takes, and no more; its standard error is the host's.
    ///
    /// # Errors
    /// [`HelperError`].
    pub fn start(
        program: &Path,
        arguments: &[OsString],
        patience: Patience,
    ) -> Result<Self, HelperError> {
        let passed_on = PASSED_ON.map(|name| Some((name, std::env::var_os(name)?)));
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(passed_on.into_iter().flatten())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let not_started = |source| HelperError::NotStarted {
            program: program.to_owned(),
            source,
        };
        let mut process = Process(child.map_err(not_started)?);
        let input = process.0.stdin.take();
        let output = process.0.stdout.take();
        // One place: a helper that talks without being asked waits there, and is noticed.
        let (sender, frames) = sync_channel(1);
        let reading = thread::Builder::new().name("card-helper".to_owned());
        reading
            .spawn(move || read_frames(output, &sender))
            .map_err(not_started)?;
        let mut helper = Self {
            process,
            input,
            frames,
            description: String::new(),
            patience: patience.answer,
        };
        helper.description = helper.hello(program, patience.hello)?;
        Ok(helper)
    }

    /// Which way the card is reached, in the helper's words: one line, to be shown.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The process's number, for tests and logs.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.0.id()
    }

    fn hello(&self, program: &Path, patience: Duration) -> Result<String, HelperError> {
        let program = program.to_owned();
        match self.frames.recv_timeout(patience) {
            Ok(Ok(Some(Frame::Hello(VERSION, text)))) => Ok(text),
            Ok(Ok(Some(Frame::Gone))) => Err(HelperError::Said(LinkError::Gone)),
            Ok(Ok(Some(Frame::Unusable(text)))) => {
                Err(HelperError::Said(LinkError::Unusable(text)))
            }
            Ok(Ok(Some(_)) | Err(_)) => Err(HelperError::NotOurs { program }),
            Ok(Ok(None)) | Err(RecvTimeoutError::Disconnected) => {
                Err(HelperError::Ended { program })
            }
            Err(RecvTimeoutError::Timeout) => Err(HelperError::Silent { program, patience }),
        }
    }

    /// Asks and takes the answer. After anything but an answer to this very question the helper is
    /// spent: what came late could be taken for the answer to the next.
    fn ask(&mut self, kind: u8, payload: &[u8]) -> Result<Vec<u8>, LinkError> {
        let mut input = self.input.take().ok_or(LinkError::Gone)?;
        match self.frames.try_recv() {
            Err(TryRecvError::Empty) => {}
            Ok(Ok(Some(_)) | Err(_)) => return Err(self.end(&foreign())),
            Ok(Ok(None)) | Err(TryRecvError::Disconnected) => {
                return Err(self.end(&LinkError::Gone));
            }
        }
        if let Err(error) = frame::write(&mut input, kind, payload) {
            let why = if error.kind() == io::ErrorKind::InvalidInput {
                LinkError::Unusable(error.to_string())
            } else {
                // The process is gone; with it, the card.
                LinkError::Gone
            };
            return Err(self.end(&why));
        }
        let answer = match self.frames.recv_timeout(self.patience) {
            Ok(Ok(Some(Frame::Answer(bytes)))) => Ok(bytes),
            Ok(Ok(Some(Frame::Gone))) => Err(LinkError::Gone),
            Ok(Ok(Some(Frame::Changed))) => Err(LinkError::Changed),
            Ok(Ok(Some(Frame::Unusable(text)))) => Err(LinkError::Unusable(text)),
            Ok(Ok(Some(Frame::Hello(..) | Frame::Reset | Frame::Apdu(_))) | Err(_)) => {
                return Err(self.end(&foreign()));
            }
            Ok(Ok(None)) | Err(RecvTimeoutError::Disconnected) => {
                return Err(self.end(&LinkError::Gone));
            }
            Err(RecvTimeoutError::Timeout) => {
                let text = format!(
                    "its program didn't answer for {} seconds",
                    self.patience.as_secs()
                );
                return Err(self.end(&LinkError::Unusable(text)));
            }
        };
        self.input = Some(input);
        answer
    }

    fn end(&mut self, why: &LinkError) -> LinkError {
        self.process.end();
        why.clone()
    }
}

fn foreign() -> LinkError {
    LinkError::Unusable("its program said something that makes no sense here".to_owned())
}

impl Link for Helper {
    fn reset(&mut self) -> Result<(), LinkError> {
        match self.ask(kind::RESET, &[])?.as_slice() {
            [] => Ok(()),
            _ => Err(self.end(&foreign())),
        }
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, LinkError> {
        self.ask(kind::APDU, command)
    }
}

/// A child that doesn't outlive its owner.
struct Process(Child);

impl Process {
    /// Both fail only where it has ended and was reaped before.
    fn end(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends with the process, whose output then ends, or with the [`Helper`], who then hears nothing.
fn read_frames(output: Option<impl Read>, sender: &SyncSender<io::Result<Option<Frame>>>) {
    let Some(mut output) = output else { return };
    loop {
        let frame = frame::read(&mut output);
        let last = !matches!(frame, Ok(Some(_)));
        if sender.send(frame).is_err() || last {
            return;
        }
    }
}

/// The other end: says the hello, then answers until the host closes its end. The description is
/// one line for people: which reader.
///
/// # Errors
/// If the streams fail, or the host says what isn't of this protocol.
pub fn serve(
    input: &mut impl Read,
    output: &mut impl Write,
    link: &mut impl Link,
    description: &str,
) -> io::Result<()> {
    let hello = [&[VERSION], frame::shortened(description).as_bytes()].concat();
    frame::write(output, kind::HELLO, &hello)?;
    while let Some(asked) = frame::read(input)? {
        let answer = match asked {
            Frame::Reset => link.reset().map(|()| Vec::new()),
            Frame::Apdu(command) => link.transmit(&command),
            Frame::Hello(..)
            | Frame::Answer(_)
            | Frame::Gone
            | Frame::Changed
            | Frame::Unusable(_) => return Err(frame::malformed()),
        };
        match answer {
            Ok(bytes) => frame::write(output, kind::ANSWER, &bytes)?,
            Err(error) => refuse(output, &error)?,
        }
    }
    Ok(())
}

/// Says why there's no answer; in place of the hello: why there's no card at all.
///
/// # Errors
/// If the stream fails.
pub fn refuse(output: &mut impl Write, why: &LinkError) -> io::Result<()> {
    match why {
        LinkError::Gone => frame::write(output, kind::GONE, &[]),
        LinkError::Changed => frame::write(output, kind::CHANGED, &[]),
        LinkError::Unusable(text) => {
            let text = frame::shortened(text);
            frame::write(output, kind::UNUSABLE, text.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests;
