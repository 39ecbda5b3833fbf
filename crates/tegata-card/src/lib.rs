//! The IC card's protocol, both ends.

pub mod applet;
pub mod chip;
pub mod image;
pub mod link;
pub mod vpcd;
