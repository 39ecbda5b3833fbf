//! What a gate answers to one scan, before it's put into words.

use std::sync::Arc;

use tegata_protocol::{
    Time,
    refusal::Code,
    ticket::{Contents, SeriesRecord},
};

/// What a gate answers to one scan.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Come in. The admission is on the disk. Green.
    Admitted(Admitted),
    /// The very same code was admitted within the last two seconds: a hand scanner reads twice.
    /// Grey, and no second green.
    JustAdmitted(Admitted),
    /// Not admitted. Red.
    Refused(Refused),
    /// The gate can't decide about anybody. Grey.
    Closed(Closed),
}

impl Verdict {
    /// May this person come in now?
    #[must_use]
    pub const fn admits(&self) -> bool {
        matches!(self, Self::Admitted(_))
    }

    /// The refusal's code, if it's one.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(refused) => Some(refused.code),
            Self::Admitted(_) | Self::JustAdmitted(_) | Self::Closed(_) => None,
        }
    }
}

/// An admission.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The event.
    pub series: Arc<SeriesRecord>,
    /// What the ticket is good for.
    pub contents: Contents,
    /// The log's row.
    pub row: u64,
    /// When.
    pub at: Time,
}

/// A refusal.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub code: Code,
    /// Which event's ticket it was, once that was clear.
    pub series: Option<Arc<SeriesRecord>>,
    /// More about this case.
    pub circumstance: Circumstance,
}

impl From<Code> for Refused {
    fn from(code: Code) -> Self {
        Self {
            code,
            series: None,
            circumstance: Circumstance::None,
        }
    }
}

/// What else is to be said about a refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Circumstance {
    /// Nothing.
    None,
    /// The ticket's first use.
    Used(FirstUse),
    /// What was wrong with the keyword.
    Keyword(KeywordFailure),
    /// The card was punched by another gate, or by one that has lost its log.
    PunchedElsewhere,
    /// What lies on the card is for other events, as it says itself: nobody has verified it.
    OnCardForOthers,
}

/// Where and when a ticket was used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FirstUse {
    /// The gate's name.
    pub gate: String,
    /// The log's row.
    pub row: u64,
    /// When.
    pub at: Time,
    /// Was *another* presentation shown now? Only that accuses the holder: the same one may have
    /// been copied from a screen by anybody.
    pub another_presentation: bool,
}

/// What was wrong with a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeywordFailure {
    /// None was given.
    Missing,
    /// A wrong one; so many tries are left.
    Wrong {
        /// Tries left.
        left: u8,
    },
    /// No try is left.
    Exhausted,
}

/// Why a gate can't decide about anybody.
#[derive(Clone, Debug)]
pub enum Closed {
    /// No event is chosen.
    NoEvent,
    /// The check data are too old: tickets may have been cancelled since.
    CheckDataOld {
        /// The event.
        series: Arc<SeriesRecord>,
        /// Until when they could be used.
        until: Time,
    },
    /// The check data come from the future.
    ClockBehind {
        /// The event.
        series: Arc<SeriesRecord>,
        /// The moment that they describe.
        as_of: Time,
    },
    /// The log can't be written, so nobody can be admitted only once.
    LogFailed,
    /// Nobody laid a card on the reader.
    NoCard,
    /// There's no card reader, or it can't be used now.
    NoReader {
        /// Why not.
        why: String,
    },
}

impl Closed {
    /// The word that stands in logs and JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NoEvent => "no_event",
            Self::CheckDataOld { .. } => "check_data_old",
            Self::ClockBehind { .. } => "clock_behind",
            Self::LogFailed => "log_failed",
            Self::NoCard => "no_card",
            Self::NoReader { .. } => "no_reader",
        }
    }
}
