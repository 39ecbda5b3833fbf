//! How results are told: text for people, one JSON object for programs.

use std::io::Write as _;

use serde::Serialize;
use serde_json::json;
use tegata_cli::exit::Failure;

use super::failure::failure;
use crate::{error::WalletError, vault::Words, view::RefusalView};

/// How results are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    /// The result: one JSON object, or text.
    pub(super) fn value(self, value: &impl Serialize, text: &str) -> Result<(), Failure> {
        if self.json {
            println!("{}", serde_json::to_string(value)?);
        } else {
            println!("{text}");
        }
        Ok(())
    }

    /// Something a person wants to see beside the result.
    pub(super) fn note(self, text: &str) {
        if !self.json {
            println!("{text}\n");
        }
    }

    /// The 24 words: numbered for people, a list for programs.
    pub(super) fn words(self, words: &Words) {
        let mut stdout = std::io::stdout().lock();
        if self.json {
            let list: Vec<&str> = words.iter().collect();
            drop(writeln!(stdout, "{}", json!({ "words": list })));
            return;
        }
        drop(writeln!(
            stdout,
            "Write these on paper. Whoever reads them has your money."
        ));
        for (number, word) in words.iter().enumerate() {
            drop(writeln!(stdout, "{:>2}. {word}", number + 1));
        }
        drop(writeln!(stdout));
    }

    /// An error of the wallet. A signed refusal is a result too: programs get its code.
    pub(super) fn failed(self, error: WalletError) -> Failure {
        let (in_doubt, cause) = if let WalletError::CardInDoubt { source } = &error {
            (true, &**source)
        } else {
            (false, &error)
        };
        if let (true, WalletError::Refused { by, what, refusal }) = (self.json, cause) {
            let view = RefusalView::new(by, what, refusal);
            let mut told = json!({ "refused": view });
            if in_doubt {
                told["in_doubt"] = true.into();
            }
            println!("{told}");
        }
        failure(error)
    }
}
