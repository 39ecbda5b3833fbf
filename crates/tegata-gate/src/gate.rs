//! The gate: verifies what is scanned on the caller's thread, has it admitted once by the committer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tegata_party::keys::Keys;
use tegata_protocol::{
    Digest, PartyNumber, Time,
    refusal::Code,
    ticket::{
        Admissible, Contents, PRESENTATION_LIMIT, Rejection, SealedPresentation, SeriesRecord,
    },
};

use crate::{
    admission::{Answer, Committer, Earlier, Outcome, Roll, Shown, Store, StoreError, TicketId},
    event::{Event, EventId, EventName},
    tries::{List, Tries, WrongTry},
    verdict::{Admitted, Circumstance, Closed, FirstUse, KeywordFailure, Refused, Verdict},
};

mod tap;

pub use tap::{AskKeys, Tapped};

/// The most letters of a scanned code: two bytes are three letters in base45.
const TEXT_LIMIT: usize = PRESENTATION_LIMIT * 3 / 2 + 2;

/// Who the gate is: signs the log's entries.
#[derive(Debug)]
pub struct Identity {
    /// Its number.
    pub number: PartyNumber,
    /// Its name, as told to those who come too late.
    pub name: String,
    /// Its keys; the one that signs, signs the log.
    pub keys: Arc<Keys>,
}

/// The events can't be chosen.
#[derive(Debug, thiserror::Error)]
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
    events: RwLock<Events>,
    current: RwLock<Arc<[EventId]>>,
    tries: Tries,
    committer: Committer,
    admitted: RwLock<HashMap<EventId, u64>>,
    refused: AtomicU64,
    last_card: Mutex<Option<tap::LastCard>>,
}

/// All events that check data are loaded of.
type Events = Arc<[Arc<Event>]>;

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
        let Identity { number, name, keys } = identity;
        let used = store.used()?;
        let admitted = used.iter().map(|(event, serials)| (*event, serials.len()));
        let admitted = RwLock::new(admitted.collect());
        let roll = Roll::new(used, store.head()?, store.ordered()?);
        Ok(Self {
            number,
            name,
            events: RwLock::new(events.into_iter().map(Arc::new).collect()),
            current: RwLock::default(),
            tries,
            committer: Committer::start(store, roll, (number, keys))?,
            admitted,
            refused: AtomicU64::new(0),
            last_card: Mutex::default(),
        })
    }

    /// Takes newer check data of an event into use, or another event's, while tickets are checked.
    pub fn take(&self, event: Event) {
        let mut events = self.events.write().unwrap_or_else(PoisonError::into_inner);
        let (id, event) = (event.id(), Arc::new(event));
        let others = events.iter().filter(|e| e.id() != id).cloned();
        *events = others.chain([event]).collect();
    }

    /// Chooses the events whose holders come in here. With no name, the only one loaded.
    ///
    /// # Errors
    /// [`ChoiceError`].
    pub fn choose(&self, names: &[EventName]) -> Result<(), ChoiceError> {
        let events = self.events();
        let chosen = match (names, &*events) {
            (_, []) => return Err(ChoiceError::NothingLoaded),
            ([], [only]) => [only.id()].into(),
            ([], _) => return Err(ChoiceError::NoneChosen(listed(&events))),
            (names, _) => {
                let chosen = names.iter().map(|name| one_of(&events, *name));
                chosen.collect::<Result<_, _>>()?
            }
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = chosen;
        Ok(())
    }

    /// All events that check data are loaded of.
    #[must_use]
    pub fn events(&self) -> Arc<[Arc<Event>]> {
        let events = self.events.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&events)
    }

    fn chosen(&self) -> Arc<[EventId]> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// The events whose holders come in here.
    #[must_use]
    pub fn current(&self) -> Vec<Arc<Event>> {
        let (events, chosen) = (self.events(), self.chosen());
        let current = events.iter().filter(|e| chosen.contains(&e.id()));
        current.cloned().collect()
    }

    /// How many holders of an event's tickets came in here.
    #[must_use]
    pub fn admitted(&self, event: EventId) -> u64 {
        let admitted = self.admitted.read().unwrap_or_else(PoisonError::into_inner);
        admitted.get(&event).copied().unwrap_or_default()
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

    /// How many scans were refused since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Decides about the text of a scanned code (base45), and admits.
    #[must_use]
    pub fn check_text(&self, text: &str, now: Time, now_millis: u64) -> Verdict {
        match scanned(text) {
            Some(scanned) => self.check(&scanned, now, now_millis),
            None => self.refuse(Code::TicketMalformed.into()),
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
    fn verify(&self, scanned: &[u8], now: Time) -> Result<(Arc<Event>, Admissible), Verdict> {
        let events = self.events();
        let event = self.event_of(scanned, &events)?;
        if let Some(closed) = closed(event, now) {
            return Err(Verdict::Closed(closed));
        }
        let others = events.iter().filter(|other| other.id() != event.id());
        let others: Vec<&SeriesRecord> = others.map(|other| &**other.record()).collect();
        let list = self.tries.list(event);
        let checked = event.checker().check(scanned, &others, &list, now, None);
        let admissible =
            checked.map_err(|rejection| self.reject(event, &list, rejection, scanned))?;
        Ok((Arc::clone(event), admissible))
    }

    /// The current event that the presentation is sealed to.
    fn event_of<'e>(
        &self,
        scanned: &[u8],
        events: &'e [Arc<Event>],
    ) -> Result<&'e Arc<Event>, Verdict> {
        let chosen = self.chosen();
        if chosen.is_empty() {
            return Err(Verdict::Closed(Closed::NoEvent));
        }
        let malformed = || self.refuse(Code::TicketMalformed.into());
        let sealed = SealedPresentation::parse(scanned).map_err(|_e| malformed())?;
        let event = events.iter().find(|e| e.key() == sealed.key);
        let event = event.ok_or_else(malformed)?;
        if chosen.contains(&event.id()) {
            return Ok(event);
        }
        Err(self.refuse(Refused {
            code: Code::WrongEvent,
            series: Some(Arc::clone(event.record())),
            circumstance: Circumstance::None,
        }))
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

    fn count(&self, series: &SeriesRecord) {
        let event = EventId {
            issuer: series.issuer,
            series: series.series,
        };
        let mut admitted = self
            .admitted
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let count = admitted.entry(event).or_default();
        *count = count.saturating_add(1);
    }

    fn conclude(&self, outcome: Outcome, series: Arc<SeriesRecord>, contents: Contents) -> Verdict {
        let admitted = |earlier: Earlier| Admitted {
            series: Arc::clone(&series),
            contents,
            row: earlier.row,
            at: Time::from_secs(earlier.at_millis / 1000),
        };
        match outcome {
            Outcome::Admitted(earlier) => {
                self.count(&series);
                Verdict::Admitted(admitted(earlier))
            }
            Outcome::JustAdmitted(earlier) => Verdict::JustAdmitted(admitted(earlier)),
            Outcome::Used {
                first,
                another_presentation,
            } => self.refuse(Refused {
                code: Code::AlreadyUsed,
                series: Some(series),
                circumstance: self.used(first, another_presentation),
            }),
        }
    }

    fn used(&self, first: Earlier, another_presentation: bool) -> Circumstance {
        Circumstance::Used(FirstUse {
            gate: self.name.clone(),
            row: first.row,
            at: Time::from_secs(first.at_millis / 1000),
            another_presentation,
        })
    }
}

fn one_of(events: &[Arc<Event>], name: EventName) -> Result<EventId, ChoiceError> {
    let fitting: Vec<Arc<Event>> = events
        .iter()
        .filter(|e| name.fits(e.id()))
        .cloned()
        .collect();
    match fitting.as_slice() {
        [one] => Ok(one.id()),
        [] => Err(ChoiceError::Unknown {
            name,
            loaded: listed(events),
        }),
        several => Err(ChoiceError::Ambiguous {
            name,
            which: listed(several),
        }),
    }
}

fn listed(events: &[Arc<Event>]) -> String {
    let names: Vec<String> = events.iter().map(|e| e.id().to_string()).collect();
    names.join(", ")
}

/// Why nobody can be admitted to an event at this time, if so.
/// The bytes of a scanned code's text (base45); `None` for what can't be a code of ours. Scanners add
/// ends of lines and tabs.
#[must_use]
pub fn scanned(text: &str) -> Option<Vec<u8>> {
    // No base45 text of ours ends with a space, but one may begin with one.
    let text = text.trim_end().trim_start_matches(['\r', '\n', '\t']);
    let short = text.len() <= TEXT_LIMIT;
    short.then(|| base45::decode(text).ok()).flatten()
}

fn closed(event: &Event, now: Time) -> Option<Closed> {
    let series = || Arc::clone(event.record());
    if event.is_old(now) {
        return Some(Closed::CheckDataOld {
            series: series(),
            until: event.until(),
        });
    }
    event.is_ahead(now).then(|| Closed::ClockBehind {
        series: series(),
        as_of: event.as_of(),
    })
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
