//! A card's life: keys, limits, block, unblock, terminate.

use crate::apdu::{Command, Status};
use crate::applet::{Answer, Applet, KeySlot, Life, Stop, memory};
use crate::bytes::Reader;
use crate::chip::Hardware;
use crate::command::{Limits, Operation, State};
use crate::crypto;
use crate::keys::{CardKey, KeyVersion, Role};
use crate::scp03;

impl<H: Hardware> Applet<H> {
    /// Takes a role's new key. The one before it still opens sessions until the new one has opened
    /// one, so that whoever changes keys can't lock himself out by a lost answer.
    pub(super) fn put_key(&mut self, by: KeyVersion, command: &Command) -> Result<Answer, Stop> {
        if command.p2 != 0 {
            return Err(Status::WRONG_PARAMETERS.into());
        }
        let version = KeyVersion::from_wire(command.p1).ok_or(Status::WRONG_PARAMETERS)?;
        if self.life()?.state == State::Terminated {
            return Err(Status::CONDITIONS.into());
        }
        let pair = match version.role() {
            Role::Transport => return Err(Status::WRONG_PARAMETERS.into()),
            Role::Debit => memory::DEBIT_KEY,
            Role::Admin => memory::ADMIN_KEY,
            Role::Receipt => memory::RECEIPT_KEY,
        };
        let wrapping = self
            .keys(by.role())?
            .into_version(by)
            .ok_or(Status::NO_KEY)?;
        let key = scp03::unwrap_key(&wrapping.static_keys(), version, &command.data);
        let key = key.ok_or(Status::WRONG_DATA)?;
        let blank = by.role() == Role::Transport;
        let before = match self.keys(version.role()) {
            Ok(slot) if slot.current.version() == version => {
                // Sent again after a lost answer; a blank card's keys may also be put anew.
                if crypto::same(slot.current.bytes(), key.bytes()) {
                    return Ok((Vec::new(), Status::OK));
                }
                if !blank {
                    return Err(Status::WRONG_DATA.into());
                }
                None
            }
            Ok(_) if blank => None,
            Ok(slot) => newer(slot, version)?,
            Err(Stop::Refuse(Status::NO_KEY)) => None,
            Err(stop) => return Err(stop),
        };
        let slot = KeySlot {
            current: key,
            previous: before,
        };
        self.memory.store(pair, &slot.to_bytes())?;
        Ok((Vec::new(), Status::OK))
    }

    pub(super) fn set_status(&mut self, by: Role, command: &Command) -> Result<Answer, Stop> {
        let operation = Operation::from_wire(command.p1).ok_or(Status::WRONG_PARAMETERS)?;
        if command.p2 != 0 {
            return Err(Status::WRONG_PARAMETERS.into());
        }
        // The transport key puts a blank card into use, and can do nothing else to any card.
        if (operation == Operation::Activate) != (by == Role::Transport) {
            return Err(Status::SECURITY_STATUS.into());
        }
        let life = self.life()?;
        // What is in doubt must stay readable under a key that still makes receipts.
        if operation == Operation::Terminate && !self.is_ratified()? {
            return Err(Status::UNRATIFIED.into());
        }
        let next = match operation {
            Operation::Activate => self.activated(life, command)?,
            Operation::Limits => self.limited(life, command)?,
            Operation::Block | Operation::Unblock | Operation::Terminate => {
                if !command.data.is_empty() {
                    return Err(Status::WRONG_LENGTH.into());
                }
                let state = next_state(life.state, operation)?;
                Life { state, ..life }
            }
        };
        if next.to_bytes() != life.to_bytes() {
            self.memory.store(memory::LIFE, &next.to_bytes())?;
        }
        self.erase_dead_keys(next.state)?;
        Ok((Vec::new(), Status::OK))
    }

    /// A blank card with all three keys goes into use.
    fn activated(&mut self, life: Life, command: &Command) -> Result<Life, Stop> {
        if life.state != State::Blank {
            return Err(Status::CONDITIONS.into());
        }
        for role in [Role::Debit, Role::Admin, Role::Receipt] {
            self.keys(role)?;
        }
        let limits = limits(&command.data).ok_or(Status::WRONG_DATA)?;
        let state = State::Active;
        Ok(Life { state, limits })
    }

    /// New limits; a currency is for life.
    fn limited(&mut self, life: Life, command: &Command) -> Result<Life, Stop> {
        if matches!(life.state, State::Blank | State::Terminated) {
            return Err(Status::CONDITIONS.into());
        }
        let limits = limits(&command.data).ok_or(Status::WRONG_DATA)?;
        if limits.currency != life.limits.currency {
            return Err(Status::WRONG_DATA.into());
        }
        Ok(Life { limits, ..life })
    }
}

fn limits(data: &[u8]) -> Option<Limits> {
    let mut reader = Reader::new(data);
    let limits = Limits::read(&mut reader)?;
    reader.end()?;
    Some(limits)
}

/// The state after an operation; one that was carried out before changes nothing.
const fn next_state(state: State, operation: Operation) -> Result<State, Status> {
    match (state, operation) {
        (State::Active | State::Blocked, Operation::Block) => Ok(State::Blocked),
        (State::Active | State::Blocked, Operation::Unblock) => Ok(State::Active),
        (_, Operation::Terminate) => Ok(State::Terminated),
        _ => Err(Status::CONDITIONS),
    }
}

/// Versions only rise: what was replaced doesn't come back. The key that stays beside the new one is
/// the last that has opened a session; a receipt key opens none, so none stays.
fn newer(slot: KeySlot, version: KeyVersion) -> Result<Option<CardKey>, Status> {
    if version > slot.current.version() {
        let proven = slot.previous.unwrap_or(slot.current);
        Ok(Some(proven).filter(|_| version.role() != Role::Receipt))
    } else {
        Err(Status::WRONG_DATA)
    }
}
