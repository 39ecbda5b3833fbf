//! The program `tegata-wallet`: everything that the wallet does, by command.

mod args;
mod ask;
mod card;
mod draw;
mod failure;
mod join;
mod order;
mod output;
mod program;
mod run;

pub use args::Arguments;
pub use run::run;
