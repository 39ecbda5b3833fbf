//! Cards in readers, by PC/SC: the system's service `pcscd` knows the readers and passes commands.
//!
//! [`Readers`] lists them, waits for a card and connects to it; the [`CardInReader`] that results
//! is a [`Link`]. Nobody else can talk to that card meanwhile.
//!
//! A card can be pulled out at any moment, so every failure to get an answer is
//! [`LinkError::Gone`], and what was sent may have been carried out. [`Link::reset`] then waits
//! for the card to come back. It can see that another *kind* of card came back, by its answer to
//! reset; which card of the kind it is, only the card itself can say, so the session that begins
//! after a reset must compare the serial number in SELECT's answer.
//!
//! pcsc-lite can lose sight of a reader in which a reset found no card: it then tells nobody that
//! the card came back, and only another reset finds it. So whoever has lost a card goes on
//! resetting the link that it has, rather than waiting for a card anew.

use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

use pcsc::{Context, Disposition, Protocols, ReaderState, Scope, ShareMode, State};

use tegata_card::link::{Link, LinkError};

/// Why there is no card to talk to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReaderError {
    /// The system's card service doesn't run.
    #[error(
        "the card service isn't running: start pcscd (`systemctl start pcscd`, or `pcscd` as root)"
    )]
    NoService,
    /// No reader is connected.
    #[error("no card reader was found: plug one in")]
    NoReader,
    /// The reader that was asked for isn't connected.
    #[error("there is no card reader {wanted:?}; there is: {}", there.join(", "))]
    NoSuchReader {
        /// What was asked for.
        wanted: String,
        /// The readers that are connected.
        there: Vec<String>,
    },
    /// No card came in time.
    #[error("no card was found: lay it on the reader, or put it in")]
    NoCard,
    /// There are cards on several readers.
    #[error("there are cards on several readers; say which to use: {}", readers.join(", "))]
    SeveralCards {
        /// Those readers.
        readers: Vec<String>,
    },
    /// Another program uses the card.
    #[error("another program uses the card in {reader}: end it, then try again")]
    InUse {
        /// The reader.
        reader: String,
    },
    /// The card can't be spoken to.
    #[error("the card in {reader} doesn't answer: turn it over or clean it; is it ours at all?")]
    Mute {
        /// The reader.
        reader: String,
    },
    /// Anything else.
    #[error("the card service failed: {0}")]
    Failed(#[from] pcsc::Error),
}

/// A reader, and whether there's a card in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reader {
    /// The name by which PC/SC knows it.
    pub name: String,
    /// The answer to reset of the card in it, if there's one.
    pub atr: Option<Vec<u8>>,
}

/// The readers of this machine.
#[derive(Clone)]
pub struct Readers(Context);

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readers")
    }
}

impl Readers {
    /// Asks the system's card service to serve us.
    ///
    /// # Errors
    /// [`ReaderError::NoService`].
    pub fn open() -> Result<Self, ReaderError> {
        match Context::establish(Scope::User) {
            Ok(context) => Ok(Self(context)),
            Err(error) if is_service_gone(error) => Err(ReaderError::NoService),
            Err(error) => Err(error.into()),
        }
    }

    /// The readers that are connected, perhaps none.
    ///
    /// # Errors
    /// [`ReaderError::Failed`].
    pub fn list(&self) -> Result<Vec<Reader>, ReaderError> {
        let mut states = self.states()?;
        self.look(&mut states, Duration::ZERO)?;
        Ok(states.iter().map(reader).collect())
    }

    /// Waits until exactly one card is there, in `wanted` if that is given (a reader's name or a
    /// part of it), and gives its reader's name.
    ///
    /// # Errors
    /// [`ReaderError::NoReader`], [`NoSuchReader`](ReaderError::NoSuchReader) and
    /// [`NoCard`](ReaderError::NoCard) when the time is over,
    /// [`SeveralCards`](ReaderError::SeveralCards) at once.
    pub fn wait_for_card(
        &self,
        wanted: Option<&str>,
        within: Duration,
    ) -> Result<String, ReaderError> {
        let deadline = Deadline::after(within);
        loop {
            let mut states = self.states()?;
            let readers = states.len();
            states.push(ReaderState::new(pcsc::PNP_NOTIFICATION(), State::UNAWARE));
            self.look(&mut states, Duration::ZERO)?;
            let there: Vec<Reader> = states.iter().take(readers).map(reader).collect();
            let outcome = choose(&there, wanted);
            let left = deadline.left();
            if is_final(&outcome) || left.is_zero() {
                return outcome;
            }
            states.iter_mut().for_each(ReaderState::sync_current_state);
            self.look(&mut states, left)?;
        }
    }

    /// Connects to the card in the reader of that name. When the card is pulled out, a
    /// [`Link::reset`] waits for it for as long as `patience`.
    ///
    /// # Errors
    /// [`ReaderError`].
    pub fn connect(&self, reader: &str, patience: Duration) -> Result<CardInReader, ReaderError> {
        let name = CString::new(reader).map_err(|_nul| self.no_such_reader(reader))?;
        // Commands with data that are answered with data need T=1, or a contactless reader,
        // which says T=1 whatever the air speaks.
        let card = self.0.connect(&name, ShareMode::Exclusive, Protocols::T1);
        let explain = |error| {
            if error == pcsc::Error::UnknownReader {
                return self.no_such_reader(reader);
            }
            refused(reader, error)
        };
        let card = card.map_err(explain)?;
        let atr = atr(&card).map_err(explain)?;
        Ok(CardInReader {
            context: self.0.clone(),
            card,
            reader: name,
            atr,
            patience,
        })
    }

    fn no_such_reader(&self, wanted: &str) -> ReaderError {
        let there = self.0.list_readers_owned().unwrap_or_default();
        ReaderError::NoSuchReader {
            wanted: wanted.to_owned(),
            there: there.iter().map(|name| text(name)).collect(),
        }
    }

    fn states(&self) -> Result<Vec<ReaderState>, ReaderError> {
        match self.0.list_readers_owned() {
            Ok(names) => Ok(names
                .into_iter()
                .map(|name| ReaderState::new(name, State::UNAWARE))
                .collect()),
            Err(pcsc::Error::NoReadersAvailable) => Ok(Vec::new()),
            Err(error) if is_service_gone(error) => Err(ReaderError::NoService),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until something differs from the states. That nothing does isn't an error, nor that
    /// a reader has been unplugged since it was listed.
    fn look(&self, states: &mut [ReaderState], within: Duration) -> Result<(), ReaderError> {
        if states.is_empty() {
            return Ok(());
        }
        match self.0.get_status_change(within, states) {
            Ok(()) | Err(pcsc::Error::Timeout | pcsc::Error::UnknownReader) => Ok(()),
            Err(error) if is_service_gone(error) => Err(ReaderError::NoService),
            Err(error) => Err(error.into()),
        }
    }
}

fn reader(state: &ReaderState) -> Reader {
    let present = state.event_state().contains(State::PRESENT);
    Reader {
        name: text(state.name()),
        atr: present.then(|| state.atr().to_vec()),
    }
}

fn choose(there: &[Reader], wanted: Option<&str>) -> Result<String, ReaderError> {
    let names = |readers: &[&Reader]| readers.iter().map(|reader| reader.name.clone()).collect();
    let fitting: Vec<&Reader> = match wanted {
        // A whole name that is also a part of another one's means the one.
        Some(wanted) => match there.iter().find(|reader| reader.name == wanted) {
            Some(exact) => vec![exact],
            None => there.iter().filter(|r| r.name.contains(wanted)).collect(),
        },
        None => there.iter().collect(),
    };
    let with_card: Vec<&Reader> = fitting
        .iter()
        .copied()
        .filter(|r| r.atr.is_some())
        .collect();
    match (with_card.as_slice(), wanted) {
        ([one], _) => Ok(one.name.clone()),
        ([_, ..], _) => Err(ReaderError::SeveralCards {
            readers: names(&with_card),
        }),
        ([], _) if there.is_empty() => Err(ReaderError::NoReader),
        ([], Some(wanted)) if fitting.is_empty() => Err(ReaderError::NoSuchReader {
            wanted: wanted.to_owned(),
            there: names(&there.iter().collect::<Vec<_>>()),
        }),
        ([], _) => Err(ReaderError::NoCard),
    }
}

/// Whether waiting can't change it.
const fn is_final(outcome: &Result<String, ReaderError>) -> bool {
    matches!(outcome, Ok(_) | Err(ReaderError::SeveralCards { .. }))
}

/// A card in a reader, for us alone.
pub struct CardInReader {
    context: Context,
    card: pcsc::Card,
    reader: CString,
    atr: Vec<u8>,
    patience: Duration,
}

impl std::fmt::Debug for CardInReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CardInReader")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

impl CardInReader {
    /// The card's answer to reset.
    #[must_use]
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    /// The reader's name.
    #[must_use]
    pub fn reader(&self) -> String {
        text(&self.reader)
    }

    /// Gives up a card that is gone, and leaves its reader as it is. Dropping it would reset the reader,
    /// find no card, and pcsc-lite would overlook a card that comes back at once.
    pub fn let_go(self) {
        // What can't be disconnected is dropped.
        drop(self.card.disconnect(Disposition::LeaveCard));
    }

    /// Changes how long a reset waits for a card that is gone.
    pub const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Connects again, with a reset, to whichever card is there.
    fn reconnect(&mut self) -> Result<(), pcsc::Error> {
        self.card
            .reconnect(ShareMode::Exclusive, Protocols::T1, Disposition::ResetCard)
    }

    /// Returns when the reader's state has changed, or soon after: a card that comes back so fast
    /// that nobody saw it leave changes no state.
    fn wait_for_change(&self, left: Duration) -> Result<(), LinkError> {
        let mut states = [ReaderState::new(self.reader.clone(), State::UNAWARE)];
        let mut look = |within| match self.context.get_status_change(within, &mut states) {
            Ok(()) | Err(pcsc::Error::Timeout) => {
                states.iter_mut().for_each(ReaderState::sync_current_state);
                Ok(())
            }
            Err(error) => Err(broken(error)),
        };
        look(Duration::ZERO)?;
        look(left.min(LOOK_AGAIN))
    }
}

/// How long a reader is watched for a change before the card is tried again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The longest answer: 256 bytes and the status word.
const ANSWER: usize = 258;

impl Link for CardInReader {
    fn reset(&mut self) -> Result<(), LinkError> {
        let deadline = Deadline::after(self.patience);
        loop {
            match self.reconnect().and_then(|()| atr(&self.card)) {
                Ok(atr) if atr == self.atr => return Ok(()),
                Ok(_) => return Err(LinkError::Changed),
                Err(error) => {
                    let error = broken(error);
                    let left = deadline.left();
                    if error != LinkError::Gone || left.is_zero() {
                        return Err(error);
                    }
                    self.wait_for_change(left)?;
                }
            }
        }
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, LinkError> {
        let mut buffer = [0; ANSWER];
        let answer = self.card.transmit(command, &mut buffer).map_err(broken)?;
        // A card that was torn out in the middle gives an empty answer and no error.
        if answer.len() < 2 {
            return Err(LinkError::Gone);
        }
        Ok(answer.to_vec())
    }
}

fn atr(card: &pcsc::Card) -> Result<Vec<u8>, pcsc::Error> {
    Ok(card.status2_owned()?.atr().to_vec())
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

fn refused(reader: &str, error: pcsc::Error) -> ReaderError {
    use pcsc::Error as E;
    let reader = reader.to_owned();
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "sixty more, all of them faults"
    )]
    match error {
        E::NoSmartcard | E::RemovedCard => ReaderError::NoCard,
        E::SharingViolation => ReaderError::InUse { reader },
        E::UnresponsiveCard | E::UnpoweredCard | E::UnsupportedCard | E::ProtoMismatch => {
            ReaderError::Mute { reader }
        }
        error if is_service_gone(error) => ReaderError::NoService,
        error => error.into(),
    }
}

/// What a failure means while a card was being spoken to.
fn broken(error: pcsc::Error) -> LinkError {
    use pcsc::Error as E;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "sixty more, all of them faults"
    )]
    match error {
        // Somebody else's reset ends our session as surely as a card that leaves.
        E::ResetCard
        | E::RemovedCard
        | E::NoSmartcard
        | E::UnpoweredCard
        | E::UnresponsiveCard
        | E::NotTransacted
        | E::CommError
        | E::CommDataLost
        | E::ReaderUnavailable
        | E::UnknownReader => LinkError::Gone,
        error if is_service_gone(error) => LinkError::Unusable(ReaderError::NoService.to_string()),
        error => LinkError::Unusable(error.to_string()),
    }
}

fn is_service_gone(error: pcsc::Error) -> bool {
    use pcsc::Error as E;
    matches!(error, E::NoService | E::ServiceStopped | E::ServerTooBusy)
}

/// When patience ends.
struct Deadline(Instant, Duration);

#[expect(
    clippy::disallowed_methods,
    reason = "a reader is an edge: how long somebody has waited for a card is measured here"
)]
impl Deadline {
    fn after(within: Duration) -> Self {
        Self(Instant::now(), within)
    }

    fn left(&self) -> Duration {
        self.1.saturating_sub(self.0.elapsed())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    fn readers(of: &[(&str, bool)]) -> Vec<Reader> {
        let reader = |(name, card): &(&str, bool)| Reader {
            name: (*name).to_owned(),
            atr: card.then(Vec::new),
        };
        of.iter().map(reader).collect()
    }

    #[test]
    fn the_only_card_is_taken_and_a_choice_is_asked_for() {
        let one = readers(&[("Left", false), ("Right", true)]);
        assert_eq!(choose(&one, None).unwrap(), "Right");
        let two = readers(&[("Left", true), ("Right", true)]);
        let readers = vec!["Left".to_owned(), "Right".to_owned()];
        let error = Err(ReaderError::SeveralCards { readers });
        assert_eq!(choose(&two, None), error);
        assert_eq!(choose(&two, Some("eft")).unwrap(), "Left");
    }

    #[test]
    fn a_whole_name_wins_over_a_part_of_another() {
        let both = readers(&[("Reader", true), ("Reader 2", true)]);
        assert_eq!(choose(&both, Some("Reader")).unwrap(), "Reader");
        let empty = readers(&[("Reader", false), ("Reader 2", true)]);
        assert_eq!(choose(&empty, Some("Reader")), Err(ReaderError::NoCard));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(choose(&[], None), Err(ReaderError::NoReader));
        assert_eq!(choose(&[], Some("Left")), Err(ReaderError::NoReader));
        let one = readers(&[("Left", false)]);
        assert_eq!(choose(&one, None), Err(ReaderError::NoCard));
        let error = choose(&one, Some("Right")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no card reader \"Right\"; there is: Left"
        );
    }

    #[test]
    fn a_card_that_leaves_and_a_service_that_ends_are_told_apart() {
        assert_eq!(broken(pcsc::Error::RemovedCard), LinkError::Gone);
        assert_eq!(broken(pcsc::Error::ResetCard), LinkError::Gone);
        let LinkError::Unusable(text) = broken(pcsc::Error::NoService) else {
            unreachable!("the card isn't gone")
        };
        assert!(text.contains("pcscd"), "{text}");
    }
}
