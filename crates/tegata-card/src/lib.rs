//! The IC card's protocol, both ends.

pub mod applet;
pub mod chip;
pub mod image;
pub mod link;
#[cfg(feature = "pcsc")]
pub mod reader;
pub mod vpcd;
