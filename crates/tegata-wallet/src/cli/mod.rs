//! The program `tegata-wallet`: everything that the wallet does, by command.

mod args;
mod ask;
mod card;
mod draw;
mod join;
mod order;
mod program;
mod run;

pub use args::Arguments;
pub use run::run;
