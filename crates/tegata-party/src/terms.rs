//! Consent (M1): whoever joins reads the terms, and compares the root's fingerprint with the letter's, before
//! anything is made, signed or sent.
//!
//! The letter names the terms by digest; the centre serves their text, and the program shows only the
//! text that has this digest. So nobody agrees to another text than the one in the claim that is signed.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use tegata_cli::exit::{Exit, Failure};
use tegata_protocol::Digest;
use tegata_protocol::joining::Slip;

use crate::client::{CallError, Client};

/// How consent is given.
#[derive(Clone, Debug, clap::Args)]
pub struct ConsentArgs {
    /// Agree to the centre's terms without being asked; they're shown all the same
    #[arg(long, env = "TEGATA_AGREE", value_parser = clap::builder::FalseyValueParser::new())]
    agree: bool,
}

/// Why the terms can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// The centre wasn't reached, or doesn't have them.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Another text than the letter's.
    #[error(
        "the centre's terms aren't those that the letter names: it may have new ones, or isn't the letter's centre"
    )]
    Others,
    /// They aren't text.
    #[error("the centre's terms aren't text")]
    NotText,
}

/// The text of the terms that the letter names.
///
/// # Errors
/// [`TermsError`].
pub fn fetch(client: &Client, slip: &Slip) -> Result<String, TermsError> {
    let bytes = client.get(&slip.centre, &format!("/v1/terms/{}", slip.terms))?;
    if Digest::of(&bytes) != slip.terms {
        return Err(TermsError::Others);
    }
    String::from_utf8(bytes).map_err(|_e| TermsError::NotText)
}

impl ConsentArgs {
    /// Shows root and terms on standard error, and asks. Nothing may be made before this returns.
    ///
    /// # Errors
    /// [`Failure`]: without consent, with nobody to ask, or when the terms can't be had.
    pub fn ask(&self, client: &Client, slip: &Slip) -> Result<(), Failure> {
        let text = fetch(client, slip).map_err(|error| {
            let exit = match &error {
                TermsError::Call(CallError::Address(_)) => Exit::Usage,
                TermsError::Call(
                    CallError::Unreachable { .. }
                    | CallError::Busy { .. }
                    | CallError::Fault { .. },
                ) => Exit::Unreachable,
                TermsError::Call(_) | TermsError::Others | TermsError::NotText => Exit::Refused,
            };
            Failure::from(error)
                .with_exit(exit)
                .doing("fetching the terms")
                .next(
                    "nothing was made or sent: run the same command again later, or ask the centre",
                )
        })?;
        self.ask_about(slip, Some(&text))
    }

    /// As [`ask`](Self::ask) without a network: the terms came on paper, with the letter.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn ask_offline(&self, slip: &Slip) -> Result<(), Failure> {
        self.ask_about(slip, None)
    }

    fn ask_about(&self, slip: &Slip, text: Option<&str>) -> Result<(), Failure> {
        eprintln!(
            "Centre: {}\nIts root key, to compare with the letter:\n  {}\n",
            slip.centre,
            grouped(&Digest::from_bytes(*slip.root.as_bytes()).to_string())
        );
        match text {
            Some(text) => eprintln!("Terms:\n\n{}\n", shown(text)),
            None => eprintln!(
                "Terms: as they came with the letter, with the digest\n  {}\n",
                grouped(&slip.terms.to_string())
            ),
        }
        if self.agree {
            return Ok(());
        }
        let nobody = "nobody is there to agree to the terms";
        let next = "read them above, then give --agree";
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(nobody).next(next));
        }
        eprint!("Is the root key the letter's, and do you agree to the terms? Type yes: ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        match answer.trim() {
            "yes" | "はい" => Ok(()),
            _ => Err(Failure::refused(
                "not agreed: nothing was made, signed or sent",
            )),
        }
    }
}

/// Foreign text must not steer the terminal.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    text.trim_end().chars().map(plain).collect()
}

/// Hexadecimal digits in groups of four, as the letter has them.
fn grouped(hex: &str) -> String {
    let digits: Vec<char> = hex.chars().collect();
    let groups: Vec<String> = digits.chunks(4).map(|four| four.iter().collect()).collect();
    groups.join(" ")
}
