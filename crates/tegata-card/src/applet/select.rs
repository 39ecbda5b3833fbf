//! What anybody may send: SELECT, the two commands that open a session, and VIEW.

use crate::apdu::{Command, Status};
use crate::applet::memory::{self};
use crate::applet::{Applet, KeySlot, Sequence, Session, Stop, Volatile, purse};
use crate::bytes::Writer;
use crate::chip::Hardware;
use crate::command::{AID, Selected, State, View};
use crate::keys::{KeyVersion, Role};
use crate::scp03::{self, Challenge, Handshake, PROTOCOL};

/// Failures in a row that cost nothing yet.
const FREE_FAILURES: u8 = 2;

/// More aren't counted: from here on an attempt takes 2.56 seconds.
const MOST_FAILURES: u8 = FREE_FAILURES + 7;

impl<H: Hardware> Applet<H> {
    /// Selects the application, ends what was open, and mends what a power cut left.
    pub(super) fn select(&mut self, command: &Command) -> Result<Vec<u8>, Stop> {
        self.volatile = Volatile::Idle;
        if command.p1 != 0x04 || command.p2 != 0x00 {
            return Err(Status::WRONG_PARAMETERS.into());
        }
        if command.data != AID {
            return Err(Status::NOT_FOUND.into());
        }
        let csn = self.csn()?;
        let state = self.life()?.state;
        self.erase_dead_keys(state)?;
        let purse = self.stored(memory::PURSE, purse::Stored::parse)?;
        let debit = self.shown_version(state, Role::Debit)?;
        let admin = self.shown_version(state, Role::Admin)?;
        self.volatile = Volatile::Selected;
        let selected = Selected {
            csn,
            debit,
            admin,
            state,
            counter: purse.counter,
            ratified: purse.ratified,
        };
        Ok(selected.to_bytes())
    }

    fn shown_version(&mut self, state: State, role: Role) -> Result<KeyVersion, Stop> {
        match state {
            State::Blank => Ok(KeyVersion::TRANSPORT),
            State::Terminated if role == Role::Debit => Ok(KeyVersion::TRANSPORT),
            State::Terminated | State::Active | State::Blocked => {
                Ok(self.keys(role)?.current.version())
            }
        }
    }

    /// Keys that may open nothing any more don't stay in memory, wherever the power failed.
    pub(super) fn erase_dead_keys(&mut self, state: State) -> Result<(), Stop> {
        if state != State::Blank {
            self.memory.erase(memory::TRANSPORT)?;
        }
        // The admin key stays: under it the card can be asked whether it's really over.
        if state == State::Terminated {
            for pair in [memory::DEBIT_KEY, memory::RECEIPT_KEY] {
                self.memory.erase_pair(pair)?;
            }
        }
        Ok(())
    }

    /// Answers a challenge, and so proves to be the card.
    pub(super) fn initialize_update(&mut self, command: &Command) -> Result<Vec<u8>, Stop> {
        if matches!(self.volatile, Volatile::Idle) {
            return Err(Status::CONDITIONS.into());
        }
        self.volatile = Volatile::Selected;
        let host = Challenge::try_from(command.data.as_slice());
        let host = host.ok().ok_or(Status::WRONG_LENGTH)?;
        if command.p2 != 0 {
            return Err(Status::WRONG_PARAMETERS.into());
        }
        let version = KeyVersion::from_wire(command.p1).ok_or(Status::NO_KEY)?;
        self.may_open(version.role())?;
        let key = self.keys(version.role())?.into_version(version);
        let keys = key.ok_or(Status::NO_KEY)?.static_keys();
        let sequence = self.stored(memory::SEQUENCE, Sequence::parse)?;
        if sequence.opened >= Sequence::LAST {
            return Err(Status::CONDITIONS.into());
        }
        self.slow_down(sequence);
        let card = scp03::card_challenge(&keys, sequence.wire(), &AID);
        let handshake = Handshake::new(&keys, &host, &card);
        let writer = Writer::new().put(self.csn()?.as_bytes());
        let writer = writer.u8(version.wire()).put(&PROTOCOL).put(&card);
        let answer = writer
            .put(handshake.card_cryptogram())
            .put(&sequence.wire());
        self.volatile = Volatile::Challenged(Box::new(handshake), version);
        Ok(answer.into_vec())
    }

    /// A key opens sessions only in the states that it's made for.
    fn may_open(&mut self, role: Role) -> Result<(), Stop> {
        let fits = match self.life()?.state {
            State::Blank => role == Role::Transport,
            State::Active | State::Blocked => matches!(role, Role::Debit | Role::Admin),
            State::Terminated => role == Role::Admin,
        };
        if fits {
            Ok(())
        } else {
            Err(Status::NO_KEY.into())
        }
    }

    /// Opens the session, if the host proves to have the key. That the counter moved on is durable
    /// before the host hears of it: what was recorded of this session never opens another.
    pub(super) fn external_authenticate(&mut self, command: &Command) -> Result<Vec<u8>, Stop> {
        let before = std::mem::replace(&mut self.volatile, Volatile::Selected);
        let (handshake, version) = match before {
            Volatile::Challenged(handshake, version) => (handshake, version),
            Volatile::Idle => {
                self.volatile = Volatile::Idle;
                return Err(Status::CONDITIONS.into());
            }
            Volatile::Selected | Volatile::Open(_) => return Err(Status::CONDITIONS.into()),
        };
        let sequence = self.stored(memory::SEQUENCE, Sequence::parse)?;
        let Some(channel) = handshake.into_card(command) else {
            return self.failed(sequence);
        };
        let opened = sequence.opened.saturating_add(1);
        let next = Sequence {
            opened,
            failures: 0,
        };
        self.memory.store(memory::SEQUENCE, &next.to_bytes())?;
        self.forget_previous(version)?;
        self.volatile = Volatile::Open(Box::new(Session {
            channel,
            version,
            view: None,
            ticket: None,
        }));
        Ok(Vec::new())
    }

    /// Failed authentications cost time, never the card: else anybody near it could kill it. The time
    /// passes before the next attempt's answer, where pulling the card out spares nobody anything.
    fn slow_down(&mut self, sequence: Sequence) {
        let doublings = u32::from(sequence.failures.saturating_sub(FREE_FAILURES));
        if doublings > 0 {
            let millis = 20_u16.saturating_mul(2_u16.saturating_pow(doublings));
            self.memory.0.pause(millis);
        }
    }

    /// Counts a failure, up to the number that slows down most: more would only wear the memory out.
    fn failed(&mut self, sequence: Sequence) -> Result<Vec<u8>, Stop> {
        if sequence.failures < MOST_FAILURES {
            let failures = sequence.failures.saturating_add(1);
            let failed = Sequence {
                failures,
                ..sequence
            };
            self.memory.store(memory::SEQUENCE, &failed.to_bytes())?;
        }
        Err(Status::NOT_AUTHENTICATED.into())
    }

    /// Once the newer key has opened a session, the one before it opens none any more.
    fn forget_previous(&mut self, version: KeyVersion) -> Result<(), Stop> {
        let pair = match version.role() {
            Role::Debit => memory::DEBIT_KEY,
            Role::Admin => memory::ADMIN_KEY,
            Role::Transport | Role::Receipt => return Ok(()),
        };
        let slot = self.keys(version.role())?;
        if slot.current.version() != version {
            return Ok(());
        }
        if slot.previous.is_some() {
            let only = KeySlot::only(slot.current);
            self.memory.store(pair, &only.to_bytes())?;
        }
        // The other page may still hold the one before.
        Ok(self.memory.erase_older(pair)?)
    }

    /// Remembers what the user was shown. Inside a session, but not of it: the PC sends it in clear.
    pub(super) fn view(&mut self, command: &Command) -> Result<Vec<u8>, Stop> {
        let Volatile::Open(session) = &mut self.volatile else {
            return Err(Status::CONDITIONS.into());
        };
        session.view = None;
        if command.p1 != 0 || command.p2 != 0 {
            return Err(Status::WRONG_PARAMETERS.into());
        }
        session.view = Some(View::parse(&command.data).ok_or(Status::WRONG_LENGTH)?);
        Ok(Vec::new())
    }
}
