//! A way to a card: whoever holds it can send commands and read answers, and believes neither.

use crate::chip::{Chip, PowerCut};

/// Why no answer came. Whatever was sent may have been carried out: the other end must find out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LinkError {
    /// The card was pulled out, or the reader was.
    #[error("the card or its reader is gone")]
    Gone,
    /// Another card lies on the reader.
    #[error("the card was changed")]
    Changed,
    /// The reader or its service can't be used.
    #[error("the reader can't be used: {0}")]
    Unusable(String),
}

/// A way to one card.
pub trait Link {
    /// Resets the card: a new session begins with SELECT.
    ///
    /// # Errors
    /// [`LinkError`].
    fn reset(&mut self) -> Result<(), LinkError>;

    /// Sends a command APDU and returns the response APDU, status word included.
    ///
    /// # Errors
    /// [`LinkError`].
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, LinkError>;
}

/// The way to a card in this very process.
#[derive(Debug)]
pub struct InProcess<C>(pub C);

impl<C: Chip> Link for InProcess<C> {
    fn reset(&mut self) -> Result<(), LinkError> {
        self.0.power_on();
        Ok(())
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, LinkError> {
        self.0.transmit(command).map_err(|PowerCut| LinkError::Gone)
    }
}
