//! How an error of the wallet ends the program.

use std::path::Path;

use tegata_cli::exit::Failure;

use crate::error::WalletError;

/// An error of the wallet with its exit code and what to do next.
pub(super) fn failure(error: WalletError) -> Failure {
    let (exit, next) = (error.exit(), error.next());
    let failure = Failure::new(exit, chain_of(&error));
    match next {
        Some(next) => failure.next(next),
        None => failure,
    }
}

/// The error with its causes, as far as they add something.
pub(super) fn chain_of(error: &WalletError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = source.source();
    }
    text
}

/// Writes a file of the person's.
pub(super) fn write_file(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(file, bytes).map_err(|source| {
        failure(WalletError::File {
            doing: "write",
            file: file.display().to_string(),
            source,
        })
    })
}
