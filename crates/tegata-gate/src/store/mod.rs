//! The log's file: `gate.sqlite`. All SQL of this crate stands in this folder.

mod reader;
mod sqlite;

pub use reader::LogReader;
pub use sqlite::SqliteStore;

/// The log's file in the gate's data folder.
pub const FILE: &str = "gate.sqlite";
