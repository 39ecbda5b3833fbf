//! A session's commands: which key may do what.

use crate::apdu::{Command, Status};
use crate::applet::{Answer, Applet, Session, Stop, Volatile};
use crate::chip::Hardware;
use crate::command::ins;
use crate::keys::Role;

impl<H: Hardware> Applet<H> {
    /// Carries out a command of the session and answers in it. A command that isn't the session's
    /// next ends it.
    pub(super) fn in_session(&mut self, wrapped: &Command) -> Result<Vec<u8>, Stop> {
        let mut session = match std::mem::take(&mut self.volatile) {
            Volatile::Open(session) => session,
            Volatile::Idle => return Err(Status::SECURITY_STATUS.into()),
            Volatile::Selected | Volatile::Challenged(..) => {
                self.volatile = Volatile::Selected;
                return Err(Status::SECURITY_STATUS.into());
            }
        };
        let Some(command) = session.channel.unwrap(wrapped) else {
            self.volatile = Volatile::Selected;
            return Err(Status::WRONG_PROTECTION.into());
        };
        let (data, status) = match self.dispatch(&mut session, &command) {
            Ok(answer) => answer,
            Err(Stop::Refuse(status)) => (Vec::new(), status),
            Err(Stop::Power) => return Err(Stop::Power),
        };
        let answer = session.channel.wrap(&data, status);
        self.volatile = Volatile::Open(session);
        Ok(answer)
    }

    fn dispatch(&mut self, session: &mut Session, command: &Command) -> Result<Answer, Stop> {
        permit(session.version.role(), command.ins)?;
        match command.ins {
            ins::READ_PURSE => self.read_purse(command),
            ins::READ_LOG => self.read_log(command),
            ins::DEBIT => self.debit(session.view.take(), command),
            ins::LOAD => self.load(command),
            ins::CONFIRM => self.confirm(command),
            ins::VOID => self.void(command),
            ins::PUT_TICKET => self.put_ticket(&mut session.ticket, command),
            ins::READ_TICKET => self.read_ticket(command),
            ins::PUNCH_TICKET => self.punch_ticket(command),
            ins::PUT_KEY => self.put_key(session.version, command),
            ins::STATUS => self.set_status(session.version.role(), command),
            _ => Err(Status::NO_INSTRUCTION.into()),
        }
    }
}

/// The debit key mints nothing: a stolen gate can neither load nor put a ticket.
fn permit(role: Role, instruction: u8) -> Result<(), Stop> {
    let permitted = match instruction {
        ins::READ_PURSE | ins::READ_LOG | ins::READ_TICKET => {
            matches!(role, Role::Debit | Role::Admin)
        }
        ins::DEBIT | ins::PUNCH_TICKET => role == Role::Debit,
        ins::CONFIRM | ins::VOID => matches!(role, Role::Debit | Role::Admin),
        ins::LOAD | ins::PUT_TICKET => role == Role::Admin,
        ins::PUT_KEY | ins::STATUS => matches!(role, Role::Admin | Role::Transport),
        _ => return Err(Status::NO_INSTRUCTION.into()),
    };
    if permitted {
        Ok(())
    } else {
        Err(Status::SECURITY_STATUS.into())
    }
}
