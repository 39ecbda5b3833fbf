//! The program on the card.

use crate::chip::{Chip, Hardware, PowerCut};

/// The card's program, on some hardware.
#[derive(Debug)]
pub struct Applet<H> {
    hardware: H,
}

impl<H: Hardware> Applet<H> {
    /// The program on `hardware`, whose memory a manufacturer has prepared.
    pub const fn new(hardware: H) -> Self {
        Self { hardware }
    }

    /// What it runs on.
    pub const fn hardware(&mut self) -> &mut H {
        &mut self.hardware
    }
}

impl<H: Hardware> Chip for Applet<H> {
    fn power_on(&mut self) {}

    fn transmit(&mut self, _command: &[u8]) -> Result<Vec<u8>, PowerCut> {
        Ok(vec![0x6d, 0x00])
    }
}
