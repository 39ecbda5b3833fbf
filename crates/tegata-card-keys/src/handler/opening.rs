//! Opening a session: which card, which key, and is it the card?

use tegata_card::apdu::{Status, split_answer};
use tegata_card::command::Operation;
use tegata_card::keys::{CardKey, Csn, Role};
use tegata_card::session::{NotOpened, Opening, Order, Session};
use tegata_card_service::{CardKeysRefusal, Response, Task};

use super::plan::Plan;
use super::{Asked, Client, Desk, Door, Flow, Job, Stage, Turn, ask, refused};
use crate::store::{CardRecord, CardState, StoreError};

impl Desk<'_> {
    /// Begins a job, unless what is known of the card says no.
    pub(super) fn begin(
        &mut self,
        client: Client,
        csn: Csn,
        task: Task,
    ) -> Result<(Job, Flow), StoreError> {
        let card = self.store.read().card(csn)?;
        let plan = Plan::new(task);
        let why = match &plan {
            Some(plan) => objection(plan, card.as_ref()),
            None => Some(CardKeysRefusal::WrongRequest),
        };
        let mut job = Job {
            csn,
            client,
            plan: plan.unwrap_or(Plan::Read),
            stage: Stage::Taken,
            resolved: None,
            purse: None,
            numbered: false,
            touched: self.now,
        };
        let flow = match why {
            Some(why) => refused(why)?,
            None => self.open_first(&mut job, card.as_ref())?,
        };
        Ok((job, flow))
    }

    fn open_first(&mut self, job: &mut Job, card: Option<&CardRecord>) -> Turn {
        let door = match (job.plan.role(), card) {
            (Role::Transport, _) | (_, None) => Door::Transport,
            (role, Some(card)) => match card.versions(role).next {
                Some(_) => Door::Next(role),
                None => Door::Current(role),
            },
        };
        self.open(job, door)
    }

    /// INITIALIZE UPDATE with a fresh challenge.
    fn open(&mut self, job: &Job, door: Door) -> Turn {
        let challenge = (self.challenges)();
        let (opening, bytes) = match (door, &job.plan) {
            (Door::Transport, Plan::Personalise { transport, .. }) => {
                Opening::new(transport, job.csn, challenge)
            }
            _ => match self.door_key(job.csn, door)? {
                Some(key) => Opening::new(&key, job.csn, challenge),
                None => return refused(CardKeysRefusal::StaleKey),
            },
        };
        let stage = Stage::Opening(opening, door);
        Ok(Flow::Wait(Response::Send(bytes), stage))
    }

    fn door_key(&self, csn: Csn, door: Door) -> Result<Option<CardKey>, StoreError> {
        let (Door::Next(role) | Door::Current(role)) = door else {
            return Ok(None);
        };
        let versions = self.card(csn)?.versions(role);
        let number = match door {
            Door::Next(_) => versions.next,
            Door::Current(_) | Door::Transport => Some(versions.current),
        };
        let master = self.keys.of(role);
        Ok(number.and_then(|number| master?.card_key(csn, number)))
    }

    /// INITIALIZE UPDATE was answered.
    pub(super) fn shaken(
        &mut self,
        job: &Job,
        opening: Opening,
        door: Door,
        answer: &[u8],
    ) -> Turn {
        match opening.answer(answer) {
            Ok((session, bytes)) => {
                let stage = Stage::Proving(session);
                Ok(Flow::Wait(Response::Send(bytes), stage))
            }
            Err(NotOpened::OtherCard(_)) => refused(CardKeysRefusal::OtherCard),
            Err(NotOpened::NotProven) => refused(CardKeysRefusal::NotProven),
            Err(NotOpened::NotOurs) if answer.len() < 2 => Ok(Flow::End(Response::InDoubt)),
            Err(NotOpened::NotOurs) => refused(CardKeysRefusal::NotProven),
            Err(NotOpened::Refused(Status::NO_KEY)) => self.no_key(job, door),
            Err(NotOpened::Refused(Status::CONDITIONS | Status::MEMORY_FAILURE)) => {
                refused(CardKeysRefusal::Worn)
            }
            Err(NotOpened::Refused(_)) => refused(CardKeysRefusal::NotProven),
        }
    }

    /// The card has no such key, or somebody on the way says so. Then another one that it may have;
    /// whoever lies gains nothing, since a session opens only under a key that the card has.
    fn no_key(&mut self, job: &Job, door: Door) -> Turn {
        let card = self.store.read().card(job.csn)?;
        match (door, card.map(|card| card.state)) {
            (Door::Next(role), _) => self.open(job, Door::Current(role)),
            // Activation took place, and its answer was lost.
            (Door::Transport, Some(CardState::Personalising)) => {
                self.open(job, Door::Current(Role::Admin))
            }
            (Door::Current(_), Some(CardState::Terminating)) => {
                refused(CardKeysRefusal::Terminated)
            }
            (Door::Transport | Door::Current(_), _) => refused(CardKeysRefusal::StaleKey),
        }
    }

    /// EXTERNAL AUTHENTICATE was answered, by whom isn't known before the next answer's MAC.
    pub(super) fn proven(&mut self, job: &mut Job, session: Session, answer: &[u8]) -> Turn {
        match split_answer(answer) {
            Some(([], Status::OK)) => self.opened(job, session),
            None => Ok(Flow::End(Response::InDoubt)),
            Some((_, Status::MEMORY_FAILURE | Status::CONDITIONS)) => {
                refused(CardKeysRefusal::Worn)
            }
            Some(_) => refused(CardKeysRefusal::NotProven),
        }
    }

    /// The number of the session, if it's one that was used before: this card, or the one before, is a
    /// copy, or an old state was put back. Else it's kept, before anything else is believed.
    ///
    /// Only once the card has answered under its MAC. Gaps are usual: a session whose opening was
    /// answered and not heard of has a number too.
    pub(super) fn number_behind(
        &mut self,
        job: &mut Job,
        session: &Session,
    ) -> Result<Option<u32>, StoreError> {
        let Some(number) = session.sequence().filter(|_| !job.numbered) else {
            return Ok(None);
        };
        job.numbered = true;
        let card = self.card(job.csn)?;
        if number < card.next_sequence {
            // One that's denied already is here to be ended, whichever of the copies it is.
            return Ok((!card.denied).then_some(number));
        }
        self.store.write(|tables| {
            tables.change_card(job.csn, |card| {
                card.next_sequence = number.saturating_add(1);
            })
        })?;
        Ok(None)
    }

    fn opened(&mut self, job: &mut Job, session: Session) -> Turn {
        let version = session.version();
        if version.role() == Role::Transport {
            return self.first_keys(job, session);
        }
        let mut card = self.card(job.csn)?;
        let proven = Some(version.number());
        if card.versions(version.role()).next == proven {
            card = self.store.write(|tables| {
                tables.change_card(job.csn, |card| {
                    if let Some(versions) = card.versions_mut(version.role()) {
                        versions.current = version.number();
                        versions.next = None;
                    }
                })
            })?;
        }
        let doubt = self.store.read().order_in_doubt(job.csn)?;
        // Perhaps a copy: it's read first, so that it's found out before money is ordered of it.
        let behind = !card.denied && session.claimed_sequence() < card.next_sequence;
        if job.plan.reads() || card.look || behind || doubt.is_some() {
            return ask(session, &Order::ReadPurse, Asked::Purse);
        }
        self.go_on(job, session)
    }
}

/// What speaks against a job before the card is asked.
fn objection(plan: &Plan, card: Option<&CardRecord>) -> Option<CardKeysRefusal> {
    let personalise = matches!(plan, Plan::Personalise { .. });
    let terminate = matches!(plan, Plan::State(Operation::Terminate));
    let Some(card) = card else {
        return (!personalise).then_some(CardKeysRefusal::UnknownCard);
    };
    match card.state {
        CardState::Terminated => Some(CardKeysRefusal::Terminated),
        // A card that was lost is ended when it turns up again.
        _ if card.denied && !terminate => Some(CardKeysRefusal::Denied),
        CardState::Personalising if personalise => None,
        CardState::Personalising => Some(CardKeysRefusal::UnknownCard),
        CardState::Terminating if !terminate => Some(CardKeysRefusal::Terminated),
        CardState::Active | CardState::Blocked | CardState::Terminating if personalise => {
            Some(CardKeysRefusal::Personalised)
        }
        CardState::Active | CardState::Blocked | CardState::Terminating => None,
    }
}
