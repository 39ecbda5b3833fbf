//! Ticket slots (T6): put whole in two parts, read, punched once. What lies in a slot is the shop's
//! signed ticket; the card neither reads nor makes one.

use crate::apdu::{Command, Status};
use crate::applet::{Answer, Applet, Stop, memory};
use crate::bytes::{Reader, Writer};
use crate::chip::Hardware;
use crate::command::{State, TICKET_LIMIT, TICKET_PART, TICKET_SLOTS};
use crate::receipt::{Punch, Punched};

/// The first part of a ticket, until the second comes.
#[derive(Debug)]
pub(super) struct Part {
    slot: u8,
    length: usize,
    bytes: Vec<u8>,
}

/// A slot as it lies in memory.
struct Slot {
    ticket: Vec<u8>,
    punch: Option<Punch>,
}

impl Slot {
    fn to_bytes(&self) -> Vec<u8> {
        let writer = Writer::new().flag(self.punch.is_some());
        match &self.punch {
            Some(punch) => writer.put(&punch.to_bytes()),
            None => writer,
        }
        .put(&self.ticket)
        .into_vec()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let punch = match reader.flag()? {
            true => Some(Punch::read(&mut reader)?),
            false => None,
        };
        let ticket = reader.rest().to_vec();
        Some(Self { ticket, punch })
    }
}

impl<H: Hardware> Applet<H> {
    /// The slot's ticket, if there is one.
    fn slot(&mut self, slot: u8) -> Result<Option<Slot>, Stop> {
        let pair = memory::ticket(slot).ok_or(Status::WRONG_PARAMETERS)?;
        let Some(bytes) = self.memory.load(pair)? else {
            return Ok(None);
        };
        let held = Slot::parse(&bytes).ok_or(Status::MEMORY_FAILURE)?;
        Ok((!held.ticket.is_empty()).then_some(held))
    }

    fn store_slot(&mut self, slot: u8, held: &Slot) -> Result<(), Stop> {
        let pair = memory::ticket(slot).ok_or(Status::WRONG_PARAMETERS)?;
        self.memory.store(pair, &held.to_bytes())
    }

    /// Puts a ticket: part 0 is its length and up to 120 bytes, part 1 the rest. Length 0 empties
    /// the slot. The same ticket again changes nothing; another is refused until the slot is empty.
    pub(super) fn put_ticket(
        &mut self,
        pending: &mut Option<Part>,
        command: &Command,
    ) -> Result<Answer, Stop> {
        let before = pending.take();
        memory::ticket(command.p1).ok_or(Status::WRONG_PARAMETERS)?;
        let mut part = match (command.p2, before) {
            (0, _) => {
                let mut reader = Reader::new(&command.data);
                let length = usize::from(reader.u8().ok_or(Status::WRONG_DATA)?);
                let bytes = reader.rest().to_vec();
                if length > TICKET_LIMIT || bytes.len() != length.min(TICKET_PART) {
                    return Err(Status::WRONG_DATA.into());
                }
                Part {
                    slot: command.p1,
                    length,
                    bytes,
                }
            }
            (1, Some(mut first)) if first.slot == command.p1 => {
                first.bytes.extend_from_slice(&command.data);
                if first.bytes.len() != first.length {
                    return Err(Status::WRONG_DATA.into());
                }
                first
            }
            (1, _) => return Err(Status::CONDITIONS.into()),
            _ => return Err(Status::WRONG_PARAMETERS.into()),
        };
        if part.bytes.len() < part.length {
            *pending = Some(part);
            return Ok((Vec::new(), Status::OK));
        }
        self.keep_ticket(part.slot, std::mem::take(&mut part.bytes))
    }

    /// Does any slot hold it? A ticket in two slots could be punched twice.
    fn holds(&mut self, ticket: &[u8]) -> Result<bool, Stop> {
        for slot in 0..TICKET_SLOTS {
            if self.slot(slot)?.is_some_and(|held| held.ticket == ticket) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn keep_ticket(&mut self, slot: u8, ticket: Vec<u8>) -> Result<Answer, Stop> {
        match self.slot(slot)? {
            Some(held) if held.ticket == ticket => return Ok((Vec::new(), Status::OK)),
            None if ticket.is_empty() => return Ok((Vec::new(), Status::OK)),
            _ if self.life()?.state != State::Active => return Err(Status::BLOCKED.into()),
            Some(_) if !ticket.is_empty() => return Err(Status::SLOT_IN_USE.into()),
            None if self.holds(&ticket)? => return Err(Status::SLOT_IN_USE.into()),
            Some(_) | None => {}
        }
        let punch = None;
        self.store_slot(slot, &Slot { ticket, punch })?;
        Ok((Vec::new(), Status::OK))
    }

    /// Part 0: length, punched or not, up to 120 bytes; part 1: the rest.
    pub(super) fn read_ticket(&mut self, command: &Command) -> Result<Answer, Stop> {
        let held = self.slot(command.p1)?.ok_or(Status::NO_TICKET)?;
        let length = u8::try_from(held.ticket.len()).ok();
        let length = length.ok_or(Status::MEMORY_FAILURE)?;
        let cut = held.ticket.len().min(TICKET_PART);
        let (first, rest) = held.ticket.split_at_checked(cut).unwrap_or_default();
        let answer = match command.p2 {
            0 => {
                let writer = Writer::new().u8(length).flag(held.punch.is_some());
                writer.put(first).into_vec()
            }
            1 => rest.to_vec(),
            _ => return Err(Status::WRONG_PARAMETERS.into()),
        };
        Ok((answer, Status::OK))
    }

    /// Punches a ticket. The same punch again brings the same answer; another one is refused, and
    /// the first is shown.
    pub(super) fn punch_ticket(&mut self, command: &Command) -> Result<Answer, Stop> {
        if command.p2 != 0 {
            return Err(Status::WRONG_PARAMETERS.into());
        }
        let wanted = Punch::parse(&command.data).ok_or(Status::WRONG_DATA)?;
        let held = self.slot(command.p1)?.ok_or(Status::NO_TICKET)?;
        let blocked = self.life()?.state != State::Active;
        let (punch, status) = match held.punch {
            None if blocked => return Err(Status::BLOCKED.into()),
            None => (wanted, Status::OK),
            Some(punch) if punch == wanted => (punch, Status::OK),
            Some(punch) => (punch, Status::PUNCHED),
        };
        let key = self.receipt_key()?;
        let mac = key.punch_mac(self.csn()?, command.p1, &punch, &held.ticket);
        if held.punch.is_none() {
            let punch = Some(punch);
            self.store_slot(command.p1, &Slot { punch, ..held })?;
        }
        let punched = Punched {
            version: self.keys(crate::keys::Role::Receipt)?.current.version(),
            slot: command.p1,
            punch,
            mac,
        };
        Ok((punched.to_bytes(), status))
    }
}
