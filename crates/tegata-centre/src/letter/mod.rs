//! The letter that brings a member, shop, gate or sealing service its number, its activation code and the terms (M1, M2).
//!
//! Number and code must not travel the way that the registration does, so they go on paper: by
//! mail or over a desk. [`html`] makes the letter in English and Japanese, as one self-contained
//! file that any browser prints; [`pdf`] makes the English page as A4. Both show the same things
//! and a QR code with the whole slip, so that nobody has to type.
//!
//! A letter is secret until its code is used: don't log it, don't keep it longer than printing takes.

mod html;
mod pdf;
mod widths;
mod words;

use core::fmt;

use tegata_pages::qr;

pub use html::html;
pub use pdf::pdf;

/// What stands in a letter, as it is to be read.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// To whom?
    pub recipient: Recipient,
    /// Name of the centre.
    pub centre_name: String,
    /// The centre's postal address, line by line.
    pub centre_address: Vec<String>,
    /// Where the centre's guide page is.
    pub web: String,
    /// Name and postal address of the recipient, line by line.
    pub addressee: Vec<String>,
    /// The day of writing.
    pub date: String,
    /// The number handed out, as `M-48312-20756`.
    pub number: String,
    /// The activation code; hyphens or blanks in it don't matter.
    pub activation_code: String,
    /// The last day on which the code works.
    pub expires: String,
    /// Fingerprint of the centre's root key, in hexadecimal.
    pub root_fingerprint: String,
    /// Title of the terms.
    pub terms_title: String,
    /// SHA-256 of the terms, in hexadecimal.
    pub terms_digest: String,
    /// The machine-readable line that the QR code holds.
    pub slip: String,
}

/// To whom a letter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient {
    /// A member, who runs the wallet program.
    Member,
    /// A shop, which runs the shop program.
    Shop,
    /// A gate, where tickets are checked.
    Gate,
    /// A sealing service, which hands out the keys that seal orders.
    Sealing,
}

/// Hides all but the number: the rest is secret or personal.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({:?} {}, …)", self.recipient, self.number)
    }
}

/// Why a letter can't be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// The slip doesn't fit into a QR code.
    #[error("the slip doesn't fit into a QR code; use a shorter web address for the centre")]
    Slip(#[source] qr::Error),
    /// The PDF's fonts lack a character.
    #[error("the PDF has no {character:?}, in {part}; print the HTML letter, which has them all")]
    Character {
        /// The character that is lacking.
        character: char,
        /// In which part of the letter it stands.
        part: &'static str,
    },
    /// Something is longer than its place in the PDF.
    #[error("{part} is too long for the PDF's page; shorten it, or print the HTML letter")]
    TooLong {
        /// What is too long.
        part: &'static str,
    },
}

impl Letter {
    fn code(&self) -> Result<qr::Code, LetterError> {
        qr::Code::new(&self.slip).map_err(LetterError::Slip)
    }
}

/// Letters and digits in groups of four, whatever stood between them.
fn groups(text: &str) -> Vec<String> {
    let plain: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
    plain
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect()
}

#[cfg(test)]
mod tests;
