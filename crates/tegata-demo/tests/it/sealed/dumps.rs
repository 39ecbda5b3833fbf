//! Copies of every file.
