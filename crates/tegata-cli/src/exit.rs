//! How a program ends: a code for scripts, a sentence for people.
//!
//! `main` hands its work to [`run`]. What goes wrong arrives there as a [`Failure`], which any
//! error becomes through `?`; the code is 1 unless the error or [`OrExit::or_exit`] says
//! otherwise. Errors of this crate bring their own code and their own advice.

use std::fmt;
use std::process::ExitCode;

pub use crate::code::Exit;
use crate::{config, data, password};

/// Why a program ends without having done what it was asked.
///
/// Deliberately not a [`std::error::Error`]: it's the end of the line, made from errors by `?`
/// and printed by [`run`].
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    what: anyhow::Error,
    next: Option<String>,
}

impl Failure {
    /// A failure with its code and what happened, to what.
    pub fn new(exit: Exit, what: impl fmt::Display) -> Self {
        Self {
            exit,
            what: anyhow::Error::msg(what.to_string()),
            next: None,
        }
    }

    /// Something was refused, or simply failed: code 1.
    pub fn refused(what: impl fmt::Display) -> Self {
        Self::new(Exit::Refused, what)
    }

    /// Wrong usage or input: code 2.
    pub fn usage(what: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The user interrupted the work: code 130.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted")
    }

    /// Adds what to do next, as a sentence.
    #[must_use]
    pub fn next(mut self, next: impl fmt::Display) -> Self {
        self.next = Some(next.to_string());
        self
    }

    /// Puts what was being done in front of what happened.
    #[must_use]
    pub fn doing(mut self, context: impl fmt::Display) -> Self {
        self.what = self.what.context(context.to_string());
        self
    }

    /// Another code.
    #[must_use]
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Another code and what to do next, as far as something is known of them.
    #[must_use]
    pub fn advised(mut self, exit: Option<Exit>, next: Option<&str>) -> Self {
        self.exit = exit.unwrap_or(self.exit);
        self.next = next.map(str::to_owned).or(self.next);
        self
    }

    /// The code that the program will end with.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `{:#}` prints the whole chain, cause after cause.
        write!(f, "{:#}", self.what)?;
        match &self.next {
            Some(next) => write!(f, "\n  next: {next}"),
            None => Ok(()),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let what = error.into();
        let (exit, next) = advice(&what);
        Self { exit, what, next }
    }
}

/// What errors of this crate know about code and next step, wherever in the chain they stand.
fn advice(error: &anyhow::Error) -> (Exit, Option<String>) {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<data::Error>() {
            return (error.exit(), error.next());
        } else if let Some(error) = cause.downcast_ref::<config::Error>() {
            return (Exit::Usage, error.next());
        } else if let Some(error) = cause.downcast_ref::<password::Error>() {
            return (Exit::Usage, error.next());
        }
    }
    (Exit::Refused, None)
}

/// Attaches code and advice to an error on its way out of `main`.
pub trait OrExit<T> {
    /// Ends the program with this code if it comes to that.
    ///
    /// # Errors
    /// The same error as before, with the code.
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;

    /// Says what to do next.
    ///
    /// # Errors
    /// The same error as before, with the advice.
    fn or_next(self, next: impl fmt::Display) -> Result<T, Failure>;

    /// Says what was being done.
    ///
    /// # Errors
    /// The same error as before, with the context in front.
    fn or_doing(self, context: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            exit,
            ..error.into()
        })
    }

    fn or_next(self, next: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| error.into().next(next))
    }

    fn or_doing(self, context: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| error.into().doing(context))
    }
}

/// Runs a program's work and turns its end into an exit code, with a message on standard error.
pub fn run(program: &str, main: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    end_quietly_when_nobody_reads();
    match main() {
        Ok(()) => ExitCode::from(Exit::Done.code()),
        Err(failure) => {
            eprintln!("{program}: {failure}");
            ExitCode::from(failure.exit.code())
        }
    }
}

/// `tegata-wallet history | head` closes our standard output early. Printing then panics; that's
/// no defect, so the program ends without a word, as others do.
fn end_quietly_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic
            .payload()
            .downcast_ref::<String>()
            .map_or("", String::as_str);
        if text.starts_with("failed printing to stdout") && text.contains("Broken pipe") {
            std::process::exit(i32::from(Exit::Done.code()));
        }
        usual(panic);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io_error() -> Result<(), std::io::Error> {
        Err(std::io::Error::other("disk on fire"))
    }

    #[test]
    fn any_error_becomes_a_failure_with_code_1() {
        let work = || -> Result<(), Failure> { Ok(io_error()?) };
        assert_eq!(work().unwrap_err().exit(), Exit::Refused);
    }

    #[test]
    fn code_context_and_advice_are_attached_and_printed() {
        let failure = io_error()
            .or_exit(Exit::Unreachable)
            .or_doing("sending the request to the shop")
            .or_next("start the shop")
            .unwrap_err();
        assert_eq!(failure.exit().code(), 3);
        assert_eq!(
            failure.to_string(),
            "sending the request to the shop: disk on fire\n  next: start the shop"
        );
    }

    #[test]
    fn errors_of_this_crate_bring_their_code_through_anyhow() {
        use anyhow::Context as _;
        let source = std::io::Error::other("no tty");
        let flag = "--password-file".to_owned();
        let failure: Failure = Err::<(), _>(password::Error::NoTerminal { flag, source })
            .context("opening the key file")
            .unwrap_err()
            .into();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("--password-file"), "{failure}");
    }
}
