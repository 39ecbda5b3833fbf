//! What a card's manufacturer does: a serial number and a transport key into a blank memory.

use tegata_card::chip::{Hardware, PowerCut};

/// Writes a new card's first contents.
///
/// The applet keeps nothing in its memory yet, so there is nothing to write: when it does, its own
/// manufacturing function is called here, with the serial number and the transport key.
pub(crate) fn manufacture(
    _memory: &mut impl Hardware,
    _csn: [u8; 10],
    _transport_key: [u8; 32],
) -> Result<(), PowerCut> {
    Ok(())
}
