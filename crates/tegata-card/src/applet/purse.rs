//! The purse: debit, load, confirm, void, and reading it.
//!
//! A transaction writes two pages. First its receipt goes into the log, where it counts for nothing
//! yet, since its counter is higher than the purse's; then the purse is replaced, and that write is
//! the transaction. The power fails
//!
//! - before the purse is written: nothing happened;
//! - after it, before or in the answer: it happened, and the same command brings the same receipt.

use crate::apdu::{Command, Status};
use crate::applet::{Answer, Applet, Stop, memory};
use crate::bytes::{Reader, Writer};
use crate::chip::Hardware;
use crate::command::{AMOUNT_LIMIT, LOG_LENGTH, Limits, Purse, State, View};
use crate::keys::Role;
use crate::receipt::{ID_IN_RECEIPT, Kind, Receipt, ReceiptKey, Transaction};

/// The purse as it lies in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) balance: u32,
    pub(super) counter: u32,
    pub(super) offline: u32,
    pub(super) ratified: bool,
    pub(super) last: Option<Receipt>,
}

impl Stored {
    pub(super) const EMPTY: Self = Self {
        balance: 0,
        counter: 0,
        offline: 0,
        ratified: true,
        last: None,
    };

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let writer = Writer::new().u32(self.balance).u32(self.counter);
        let writer = writer.u32(self.offline).flag(self.ratified);
        match self.last {
            Some(receipt) => writer.put(&receipt.to_bytes()),
            None => writer,
        }
        .into_vec()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let balance = reader.u32()?;
        let counter = reader.u32()?;
        let offline = reader.u32()?;
        let ratified = reader.flag()?;
        let last = match reader.rest() {
            [] => None,
            receipt => Some(Receipt::parse(receipt)?),
        };
        Some(Self {
            balance,
            counter,
            offline,
            ratified,
            last,
        })
    }
}

impl<H: Hardware> Applet<H> {
    fn purse(&mut self) -> Result<Stored, Stop> {
        self.stored(memory::PURSE, Stored::parse)
    }

    pub(super) fn is_ratified(&mut self) -> Result<bool, Stop> {
        Ok(self.purse()?.ratified)
    }

    pub(super) fn read_purse(&mut self, command: &Command) -> Result<Answer, Stop> {
        wants_nothing(command)?;
        let life = self.life()?;
        let purse = self.purse()?;
        let told = Purse {
            state: life.state,
            balance: purse.balance,
            counter: purse.counter,
            offline: purse.offline,
            ratified: purse.ratified,
            limits: life.limits,
            last: purse.last,
        };
        Ok((told.to_bytes(), Status::OK))
    }

    /// The receipt of the transaction `p1` before the last.
    pub(super) fn read_log(&mut self, command: &Command) -> Result<Answer, Stop> {
        if command.p2 != 0 || command.p1 >= LOG_LENGTH || !command.data.is_empty() {
            return Err(Status::WRONG_PARAMETERS.into());
        }
        let purse = self.purse()?;
        let counter = purse.counter.checked_sub(u32::from(command.p1));
        let receipt = match counter {
            Some(counter) => self.logged(&purse, counter)?,
            None => None,
        };
        let receipt = receipt.ok_or(Status::NO_RECORD)?;
        Ok((receipt.to_bytes(), Status::OK))
    }

    /// The receipt of a transaction that counts. A record beyond the purse's counter is what a power
    /// cut left of a transaction that never was.
    fn logged(&mut self, purse: &Stored, counter: u32) -> Result<Option<Receipt>, Stop> {
        if let Some(last) = purse
            .last
            .filter(|last| last.transaction.counter == counter)
        {
            return Ok(Some(last));
        }
        let found = self.memory.read(memory::log(counter))?;
        let receipt = found
            .filter(|(generation, _)| *generation == counter && counter <= purse.counter)
            .and_then(|(_, bytes)| Receipt::parse(&bytes));
        Ok(receipt)
    }

    /// What became of an order, if the card remembers.
    fn known(&mut self, purse: &Stored, id: [u8; 16]) -> Result<Option<Receipt>, Stop> {
        for back in 0..LOG_LENGTH {
            let Some(counter) = purse.counter.checked_sub(u32::from(back)) else {
                break;
            };
            let last = back == 0 && purse.last.is_some();
            let page = memory::log(counter);
            if !last && !self.memory.may_hold(page, ID_IN_RECEIPT, &id)? {
                continue;
            }
            let receipt = self.logged(purse, counter)?;
            if let Some(receipt) = receipt.filter(|receipt| receipt.transaction.id == id) {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    pub(super) fn debit(&mut self, view: Option<View>, command: &Command) -> Result<Answer, Stop> {
        // P1 01 is kept for debits without a PC, at gates.
        if command.p1 != 0 || command.p2 != 0 {
            return Err(Status::WRONG_PARAMETERS.into());
        }
        let order = Transaction::parse(&command.data).ok_or(Status::WRONG_DATA)?;
        self.transact(Kind::Debit, order, |purse, limits| {
            if !view.is_some_and(|view| view.agrees(&order)) {
                Err(Status::NOT_AS_VIEWED)
            } else if order.amount > limits.debit {
                Err(Status::OVER_DEBIT_LIMIT)
            } else {
                let left = purse.balance.checked_sub(order.amount);
                left.ok_or(Status::INSUFFICIENT)
            }
        })
    }

    /// P1 00 loads, P1 01 gives back what a debit took.
    pub(super) fn load(&mut self, command: &Command) -> Result<Answer, Stop> {
        let kind = match (command.p1, command.p2) {
            (0, 0) => Kind::Load,
            (1, 0) => Kind::Refund,
            _ => return Err(Status::WRONG_PARAMETERS.into()),
        };
        let order = Transaction::parse(&command.data).ok_or(Status::WRONG_DATA)?;
        self.transact(kind, order, |purse, limits| {
            let sum = purse.balance.checked_add(order.amount);
            sum.filter(|sum| *sum <= limits.balance)
                .ok_or(Status::OVER_BALANCE_LIMIT)
        })
    }

    fn transact(
        &mut self,
        kind: Kind,
        order: Transaction,
        balance: impl FnOnce(&Stored, &Limits) -> Result<u32, Status>,
    ) -> Result<Answer, Stop> {
        let purse = self.purse()?;
        if let Some(receipt) = self.known(&purse, order.id)? {
            return Ok((receipt.to_bytes(), Status::OK));
        }
        let life = self.life()?;
        if life.state != State::Active {
            return Err(Status::BLOCKED.into());
        }
        let counter = next_counter(&purse, order.counter)?;
        if order.amount == 0 || order.amount > AMOUNT_LIMIT {
            return Err(Status::WRONG_AMOUNT.into());
        }
        let balance = balance(&purse, &life.limits)?;
        let receipt = self.receipt(kind, &order, balance)?;
        self.commit(Stored {
            balance,
            counter,
            ratified: false,
            last: Some(receipt),
            ..purse
        })
    }

    /// Uses up the next counter, so that an order that may still be on its way does nothing.
    pub(super) fn void(&mut self, command: &Command) -> Result<Answer, Stop> {
        wants_no_parameters(command)?;
        let mut reader = Reader::new(&command.data);
        let id = reader.array().ok_or(Status::WRONG_DATA)?;
        let counter = reader.u32().ok_or(Status::WRONG_DATA)?;
        reader.end().ok_or(Status::WRONG_DATA)?;
        let purse = self.purse()?;
        if let Some(receipt) = self.known(&purse, id)? {
            return Ok((receipt.to_bytes(), Status::OK));
        }
        let counter = next_counter(&purse, counter)?;
        let nothing = Transaction {
            id,
            amount: 0,
            counter,
            bill: [0; 32],
            terminal: [0; 8],
            time: 0,
        };
        let receipt = self.receipt(Kind::Void, &nothing, purse.balance)?;
        // No money moved, so nobody has to confirm it.
        self.commit(Stored {
            counter,
            ratified: true,
            last: Some(receipt),
            ..purse
        })
    }

    fn receipt(&mut self, kind: Kind, done: &Transaction, balance: u32) -> Result<Receipt, Stop> {
        let key = self.receipt_key()?;
        Ok(key.receipt(self.csn()?, kind, done, balance))
    }

    pub(super) fn receipt_key(&mut self) -> Result<ReceiptKey, Stop> {
        let slot = self.keys(Role::Receipt)?;
        let key = ReceiptKey::new(&slot.current);
        Ok(key.ok_or(Status::MEMORY_FAILURE)?)
    }

    /// The log, then the purse: the second write is the transaction.
    fn commit(&mut self, purse: Stored) -> Result<Answer, Stop> {
        let receipt = purse.last.ok_or(Status::MEMORY_FAILURE)?.to_bytes();
        let page = memory::log(purse.counter);
        self.memory.write(page, purse.counter, &receipt)?;
        self.memory.store(memory::PURSE, &purse.to_bytes())?;
        Ok((receipt, Status::OK))
    }

    /// The server has the receipt: the next transaction may come.
    pub(super) fn confirm(&mut self, command: &Command) -> Result<Answer, Stop> {
        wants_no_parameters(command)?;
        let purse = self.purse()?;
        let last = purse.last.map(|last| last.transaction.id);
        if last.is_none_or(|id| command.data != id) {
            return Err(Status::WRONG_COUNTER.into());
        }
        if !purse.ratified {
            let ratified = Stored {
                ratified: true,
                ..purse
            };
            self.memory.store(memory::PURSE, &ratified.to_bytes())?;
        }
        Ok((Vec::new(), Status::OK))
    }
}

/// The counter of the transaction that is to come, if it's this one's turn.
fn next_counter(purse: &Stored, wanted: u32) -> Result<u32, Status> {
    let next = purse.counter.checked_add(1);
    if next != Some(wanted) {
        return Err(Status::WRONG_COUNTER);
    }
    if purse.ratified {
        Ok(wanted)
    } else {
        Err(Status::UNRATIFIED)
    }
}

fn wants_no_parameters(command: &Command) -> Result<(), Status> {
    match (command.p1, command.p2) {
        (0, 0) => Ok(()),
        _ => Err(Status::WRONG_PARAMETERS),
    }
}

fn wants_nothing(command: &Command) -> Result<(), Status> {
    wants_no_parameters(command)?;
    if command.data.is_empty() {
        Ok(())
    } else {
        Err(Status::WRONG_LENGTH)
    }
}
