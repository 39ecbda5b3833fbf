//! The gate: verifies what is scanned on the caller's thread, has it admitted once by the committer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tegata_protocol::{
    Digest, PartyNumber, SigningKey, Time,
    refusal::Code,
    ticket::{
        Admissible, Contents, PRESENTATION_LIMIT, Rejection, SealedPresentation, SeriesRecord,
    },
};

use crate::{
    admission::{Answer, Committer, Earlier, Outcome, Shown, Store, StoreError, TicketId},
    event::{Event, EventId, EventName},
    tries::{List, Tries, WrongTry},
    verdict::{Admitted, Circumstance, Closed, FirstUse, KeywordFailure, Refused, Verdict},
};

/// The most letters of a scanned code: two bytes are three letters in base45.
const TEXT_LIMIT: usize = PRESENTATION_LIMIT * 3 / 2 + 2;

/// Who the gate is: signs the log's entries.
#[derive(Debug)]
pub struct Identity {
    /// Its number.
    pub number: PartyNumber,
    /// Its name, as told to those who come too late.
    pub name: String,
    /// Its log key.
    pub key: SigningKey,
}

/// A gate can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] crate::folder::FolderError),
    /// Its events.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
}

/// The events can't be chosen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChoiceError {
    /// No check data at all.
    #[error("no check data are loaded: this gate knows no event yet")]
    NothingLoaded,
    /// Several, and none was named.
    #[error("check data of several events are loaded ({0}), and none was chosen")]
    NoneChosen(String),
    /// Not among them.
    #[error("no check data of event {name} are loaded (loaded: {loaded})")]
    Unknown {
        /// What was asked for.
        name: EventName,
        /// What there is.
        loaded: String,
    },
    /// Two shops have it.
    #[error("event {name} is several shops' ({which})")]
    Ambiguous {
        /// What was asked for.
        name: EventName,
        /// Which fit.
        which: String,
    },
}

/// A gate. Share it between threads: checking takes `&self`, and verification runs on all of them.
#[derive(Debug)]
pub struct Gate {
    number: PartyNumber,
    name: String,
    events: Vec<Event>,
    current: Vec<EventId>,
    tries: Tries,
    committer: Committer,
    refused: AtomicU64,
}

impl Gate {
    /// A gate with its events, none of them chosen yet, and its log.
    ///
    /// # Errors
    /// [`StoreError`] when the log can't be read.
    pub fn new(
        identity: Identity,
        events: Vec<Event>,
        store: impl Store + 'static,
    ) -> Result<Self, StoreError> {
        let tries = Tries::new(store.wrong_keywords()?);
        let Identity { number, name, key } = identity;
        Ok(Self {
            number,
            name,
            events,
            current: Vec::new(),
            tries,
            committer: Committer::start(store, number, key)?,
            refused: AtomicU64::new(0),
        })
    }

    /// Chooses the events whose holders come in here. With no name, the only one loaded.
    ///
    /// # Errors
    /// [`ChoiceError`].
    pub fn choose(&mut self, names: &[EventName]) -> Result<(), ChoiceError> {
        self.current = match (names, self.events.as_slice()) {
            (_, []) => return Err(ChoiceError::NothingLoaded),
            ([], [only]) => vec![only.id()],
            ([], _) => return Err(ChoiceError::NoneChosen(listed(self.events.iter()))),
            (names, _) => {
                let chosen = names.iter().map(|name| self.one(*name));
                chosen.collect::<Result<_, _>>()?
            }
        };
        Ok(())
    }

    fn one(&self, name: EventName) -> Result<EventId, ChoiceError> {
        let fitting: Vec<&Event> = self.events.iter().filter(|e| name.fits(e.id())).collect();
        match fitting.as_slice() {
            [one] => Ok(one.id()),
            [] => Err(ChoiceError::Unknown {
                name,
                loaded: listed(self.events.iter()),
            }),
            several => Err(ChoiceError::Ambiguous {
                name,
                which: listed(several.iter().copied()),
            }),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> PartyNumber {
        self.number
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The events whose holders come in here.
    pub fn current(&self) -> impl Iterator<Item = &Event> {
        self.events
            .iter()
            .filter(|e| self.current.contains(&e.id()))
    }

    /// An event that check data are loaded of.
    #[must_use]
    pub fn event(&self, id: EventId) -> Option<&Event> {
        self.events.iter().find(|e| e.id() == id)
    }

    /// How many scans were refused since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Decides about the text of a scanned code (base45), and admits.
    #[must_use]
    pub fn check_text(&self, text: &str, now: Time, now_millis: u64) -> Verdict {
        // No base45 text of ours ends with a space, but one may begin with one.
        let text = text.trim_end().trim_start_matches(['\r', '\n', '\t']);
        let short = text.len() <= TEXT_LIMIT;
        match short.then(|| base45::decode(text)) {
            Some(Ok(scanned)) => self.check(&scanned, now, now_millis),
            Some(Err(_)) | None => self.refuse(Code::TicketMalformed.into()),
        }
    }

    /// Decides about what was scanned, and admits: an admission is on the disk when this returns.
    #[must_use]
    pub fn check(&self, scanned: &[u8], now: Time, now_millis: u64) -> Verdict {
        self.begin(scanned, now, now_millis).wait()
    }

    /// Decides about what was scanned and hands it to the committer, so that one thread can have
    /// many admissions under way.
    pub fn begin(&self, scanned: &[u8], now: Time, now_millis: u64) -> Pending<'_> {
        let (event, admissible) = match self.verify(scanned, now) {
            Ok(found) => found,
            Err(verdict) => return Pending(State::Done(verdict)),
        };
        let shown = Shown {
            ticket: TicketId {
                event: event.id(),
                serial: admissible.serial,
            },
            presentation: admissible.presentation,
            evidence: admissible.evidence,
            at_millis: now_millis,
        };
        Pending(State::Waiting {
            gate: self,
            series: Arc::clone(event.record()),
            contents: admissible.contents,
            answer: self.committer.admit(shown),
        })
    }

    /// Everything but the question whether the ticket was used before.
    fn verify(&self, scanned: &[u8], now: Time) -> Result<(&Event, Admissible), Verdict> {
        let event = self.event_of(scanned)?;
        if event.is_old(now) {
            return Err(Verdict::Closed(Closed::CheckDataOld {
                series: Arc::clone(event.record()),
                until: event.until(),
            }));
        }
        if event.is_ahead(now) {
            return Err(Verdict::Closed(Closed::ClockBehind {
                series: Arc::clone(event.record()),
                as_of: event.as_of(),
            }));
        }
        let others: Vec<&SeriesRecord> = self
            .events
            .iter()
            .filter(|other| other.id() != event.id())
            .map(|other| &**other.record())
            .collect();
        let list = self.tries.list(event);
        let checked = event.checker().check(scanned, &others, &list, now, None);
        let admissible =
            checked.map_err(|rejection| self.reject(event, &list, rejection, scanned))?;
        Ok((event, admissible))
    }

    /// The current event that the presentation is sealed to.
    fn event_of(&self, scanned: &[u8]) -> Result<&Event, Verdict> {
        if self.current.is_empty() {
            return Err(Verdict::Closed(Closed::NoEvent));
        }
        let malformed = || self.refuse(Code::TicketMalformed.into());
        let sealed = SealedPresentation::parse(scanned).map_err(|_e| malformed())?;
        let event = self.events.iter().find(|e| e.key() == sealed.key);
        let event = event.ok_or_else(malformed)?;
        if !self.current.contains(&event.id()) {
            return Err(self.refuse(Refused {
                code: Code::WrongEvent,
                series: Some(Arc::clone(event.record())),
                circumstance: Circumstance::None,
            }));
        }
        Ok(event)
    }

    /// A rejection as a verdict. A wrong keyword is counted, durably, before it's answered.
    fn reject(
        &self,
        event: &Event,
        list: &List<'_>,
        rejection: Rejection,
        scanned: &[u8],
    ) -> Verdict {
        let circumstance = match (rejection.code, rejection.serial) {
            (Code::WrongKeyword, Some(serial)) => {
                match self.count_try(list, list.wrong_try(serial, Digest::of(scanned))) {
                    Some(failure) => Circumstance::Keyword(failure),
                    None => return Verdict::Closed(Closed::LogFailed),
                }
            }
            _ => Circumstance::None,
        };
        // Until the ticket was found genuine, nothing is known of its event.
        let series = rejection.serial.map(|_| Arc::clone(event.record()));
        self.refuse(Refused {
            code: rejection.code,
            series,
            circumstance,
        })
    }

    fn count_try(&self, list: &List<'_>, wrong: WrongTry) -> Option<KeywordFailure> {
        match wrong {
            WrongTry::Known(failure) => Some(failure),
            WrongTry::New(wrong) => {
                self.committer.count(wrong).recv().ok().flatten()?;
                Some(list.counted(&wrong))
            }
        }
    }

    fn refuse(&self, refused: Refused) -> Verdict {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Verdict::Refused(refused)
    }

    fn conclude(&self, outcome: Outcome, series: Arc<SeriesRecord>, contents: Contents) -> Verdict {
        let admitted = |earlier: Earlier| Admitted {
            series: Arc::clone(&series),
            contents,
            row: earlier.row,
            at: Time::from_secs(earlier.at_millis / 1000),
        };
        match outcome {
            Outcome::Admitted(earlier) => Verdict::Admitted(admitted(earlier)),
            Outcome::JustAdmitted(earlier) => Verdict::JustAdmitted(admitted(earlier)),
            Outcome::Used {
                first,
                another_presentation,
            } => self.refuse(Refused {
                code: Code::AlreadyUsed,
                series: Some(series),
                circumstance: Circumstance::Used(FirstUse {
                    gate: self.name.clone(),
                    row: first.row,
                    at: Time::from_secs(first.at_millis / 1000),
                    another_presentation,
                }),
            }),
        }
    }
}

fn listed<'a>(events: impl Iterator<Item = &'a Event>) -> String {
    let names: Vec<String> = events.map(|e| e.id().to_string()).collect();
    names.join(", ")
}

/// A decision on its way to the disk.
#[derive(Debug)]
#[must_use = "nobody is admitted before the verdict"]
pub struct Pending<'a>(State<'a>);

#[derive(Debug)]
enum State<'a> {
    Done(Verdict),
    Waiting {
        gate: &'a Gate,
        series: Arc<SeriesRecord>,
        contents: Contents,
        answer: Answer<Outcome>,
    },
}

impl Pending<'_> {
    /// Waits until it's on the disk.
    #[must_use]
    pub fn wait(self) -> Verdict {
        match self.0 {
            State::Done(verdict) => verdict,
            State::Waiting {
                gate,
                series,
                contents,
                answer,
            } => match answer.recv().ok().flatten() {
                Some(outcome) => gate.conclude(outcome, series, contents),
                None => Verdict::Closed(Closed::LogFailed),
            },
        }
    }
}
