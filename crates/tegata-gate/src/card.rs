//! What a gate needs for cards: a reader, in a process of its own, and a way to the card-key server.
//!
//! The gate holds private keys, so it neither links the system's card library nor speaks to its service:
//! `tegata-card reader` does, a process for each tap, which sees nothing of the gate.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::Duration;

use rand_core::Rng as _;
use tegata_card::helper::{Helper, HelperError, Patience};
use tegata_card::link::LinkError;
use tegata_card_service::client::{ConnectError, Server};
use tegata_keystore::rng;
use tegata_protocol::Time;

use crate::{
    gate::{AskKeys, Gate, Tapped},
    verdict::{Closed, Verdict},
};

/// The reader's program, beside the gate's own.
const PROGRAM: &str = "tegata-card";

/// How long a card may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);

/// How long the card-key server may take for one answer: a person stands at the door.
const KEYS: Duration = Duration::from_secs(5);

/// Where a reader is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReaderAt {
    /// The system's reader of that name or a part of it; an empty one: whichever has a card.
    Named(String),
    /// A card made of software, for trying.
    Image(PathBuf),
}

/// A gate's card reader.
#[derive(Debug)]
pub struct Cards {
    program: PathBuf,
    reader: ReaderAt,
    keys: Option<Server>,
    wait: u16,
    /// One tap at a time.
    busy: Mutex<()>,
    last: Mutex<Option<(Time, Verdict)>>,
}

impl Cards {
    /// A reader, which waits so many seconds for a card. With no `program` it's the `tegata-card` beside
    /// this very program.
    #[must_use]
    pub fn new(
        program: Option<PathBuf>,
        reader: ReaderAt,
        keys: Option<Server>,
        wait: u16,
    ) -> Self {
        Self {
            program: program.unwrap_or_else(beside_this_one),
            reader,
            keys,
            wait,
            busy: Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// Is there a card-key server to ask?
    #[must_use]
    pub const fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// What the last tap came to, and when.
    pub(crate) fn last(&self) -> Option<(Time, Verdict)> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    /// Waits for a card, decides about it, and admits. `clock` says the time once the card is there.
    pub fn tap(&self, gate: &Gate, clock: impl FnOnce() -> u64) -> Verdict {
        let _busy = match self.busy.try_lock() {
            Ok(busy) => busy,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let why = "another card is being read".to_owned();
                return Verdict::Closed(Closed::NoReader { why });
            }
        };
        let mut card = match self.start() {
            Ok(card) => card,
            Err(HelperError::Said(LinkError::Gone)) => return Verdict::Closed(Closed::NoCard),
            Err(error) => {
                let why = match std::error::Error::source(&error) {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                };
                tracing::warn!(%why, "no card can be read");
                return Verdict::Closed(Closed::NoReader { why });
            }
        };
        let at_millis = clock();
        let mut keys = self.connect();
        let mut chance = rng::system();
        let verdict = gate.tap(Tapped {
            card: &mut card,
            keys: match &mut keys {
                Some(keys) => Some(&mut **keys),
                None => None,
            },
            random: &mut || {
                let mut bytes = [0; 16];
                chance.fill_bytes(&mut bytes);
                bytes
            },
            at_millis,
        });
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Time::from_secs(at_millis / 1000), verdict.clone()));
        verdict
    }

    fn start(&self) -> Result<Helper, HelperError> {
        let wait = self.wait.to_string();
        let mut arguments: Vec<OsString> = ["reader", "--wait", &wait].map(Into::into).into();
        match &self.reader {
            ReaderAt::Named(name) if name.is_empty() => {}
            ReaderAt::Named(name) => arguments.extend(["--reader".into(), name.into()]),
            ReaderAt::Image(path) => arguments.extend(["--image".into(), path.into()]),
        }
        let patience = Patience {
            hello: Duration::from_secs(self.wait.into()).saturating_add(ANSWER),
            answer: ANSWER,
        };
        Helper::start(&self.program, &arguments, patience)
    }

    fn connect(&self) -> Option<Box<dyn AskKeys>> {
        let connected = self.keys.as_ref()?.connect(KEYS);
        let warn =
            |error: &ConnectError| tracing::warn!(%error, "the card-key server isn't reached");
        let client = connected.inspect_err(warn).ok()?;
        Some(Box::new(client))
    }
}

/// Without a path of its own the system looks for it where it looks for programs.
fn beside_this_one() -> PathBuf {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent);
    let beside = beside.map(|folder| folder.join(PROGRAM));
    beside
        .filter(|path| path.exists())
        .unwrap_or_else(|| PROGRAM.into())
}
