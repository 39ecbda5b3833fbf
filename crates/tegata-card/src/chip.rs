//! The edge between the applet and what it runs on: a memory of pages, and the reader's field.

/// Bytes of a page, the unit in which the memory is written.
pub const PAGE: usize = 512;

/// A page's contents.
pub type Page = [u8; PAGE];

/// The power went away. What was being written may be old, new, half or garbage; the answer, if
/// there was one, never left the card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the card lost its power")]
pub struct PowerCut;

/// What the applet runs on.
pub trait Hardware {
    /// The page with this number. A page that was never written is all zeros.
    ///
    /// # Errors
    /// [`PowerCut`].
    fn read(&mut self, page: usize) -> Result<Page, PowerCut>;

    /// Writes a page, durably before it returns.
    ///
    /// # Errors
    /// [`PowerCut`]: the page may now be old, new, half or garbage.
    fn write(&mut self, page: usize, contents: &Page) -> Result<(), PowerCut>;

    /// Lets time pass before the answer, after failed authentications.
    fn pause(&mut self, milliseconds: u16);
}

/// A card as its reader sees it.
pub trait Chip {
    /// The power comes (back), or the reader resets the card: whatever was in RAM is gone.
    fn power_on(&mut self);

    /// A command APDU's response APDU, status word included.
    ///
    /// # Errors
    /// [`PowerCut`]: no answer.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PowerCut>;
}
