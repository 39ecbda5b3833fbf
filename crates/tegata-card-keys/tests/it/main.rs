//! The card-key server against the real applet.

mod losses;
mod refusals;
mod tasks;
mod world;
