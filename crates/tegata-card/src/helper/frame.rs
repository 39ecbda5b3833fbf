//! The frames between a host and the process that has its reader.

use std::io::{self, Read, Write};

use super::FRAME_LIMIT;

/// What kinds of frames there are.
pub mod kind {
    /// The helper says which version it speaks, and which way the card is reached.
    pub const HELLO: u8 = 0x01;
    /// The host wants the card reset.
    pub const RESET: u8 = 0x11;
    /// The host sends a command.
    pub const APDU: u8 = 0x12;
    /// The card answered.
    pub const ANSWER: u8 = 0x21;
    /// The card is gone.
    pub const GONE: u8 = 0x22;
    /// Another card is there.
    pub const CHANGED: u8 = 0x23;
    /// The reader can't be used, and why.
    pub const UNUSABLE: u8 = 0x24;
}

/// A frame that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// Version and description; the words may be shown.
    Hello(u8, String),
    /// Reset the card.
    Reset,
    /// A command for the card.
    Apdu(Vec<u8>),
    /// What the card answered.
    Answer(Vec<u8>),
    /// The card is gone.
    Gone,
    /// Another card is there.
    Changed,
    /// The reader can't be used, and why, in words that may be shown.
    Unusable(String),
}

impl Frame {
    fn parse(kind: u8, payload: Vec<u8>) -> Option<Self> {
        let bare = payload.is_empty();
        match kind {
            kind::HELLO => {
                let (version, text) = payload.split_first()?;
                Some(Self::Hello(*version, shown(text)))
            }
            kind::RESET if bare => Some(Self::Reset),
            kind::APDU => Some(Self::Apdu(payload)),
            kind::ANSWER => Some(Self::Answer(payload)),
            kind::GONE if bare => Some(Self::Gone),
            kind::CHANGED if bare => Some(Self::Changed),
            kind::UNUSABLE => Some(Self::Unusable(shown(&payload))),
            _ => None,
        }
    }
}

/// The next frame; `None` if the stream ends where one would begin.
///
/// # Errors
/// The stream's, and `InvalidData` for what is no frame.
pub fn read(stream: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut kind = [0];
    match stream.read_exact(&mut kind) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let length = u16::from_be_bytes(length);
    if length > FRAME_LIMIT {
        return Err(malformed());
    }
    let mut payload = vec![0; usize::from(length)];
    stream.read_exact(&mut payload)?;
    let [kind] = kind;
    Frame::parse(kind, payload).map(Some).ok_or_else(malformed)
}

/// Writes a frame, in one piece.
///
/// # Errors
/// The stream's, and `InvalidInput` for more than a frame holds.
pub fn write(stream: &mut impl Write, kind: u8, payload: &[u8]) -> io::Result<()> {
    let length = u16::try_from(payload.len()).ok();
    let length = length.filter(|&length| length <= FRAME_LIMIT);
    let Some(length) = length else {
        let what = "more bytes than any card takes or gives";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    };
    stream.write_all(&[&[kind], length.to_be_bytes().as_slice(), payload].concat())?;
    stream.flush()
}

pub(super) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a frame of this protocol")
}

/// As much of a text as a frame carries beside a version.
pub(super) fn shortened(text: &str) -> &str {
    let most = usize::from(FRAME_LIMIT).saturating_sub(1);
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// A text as it may be shown: on one line, and nothing that a terminal obeys.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
