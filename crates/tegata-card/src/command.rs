//! What stands in commands and answers, for both ends.

use crate::bytes::{Reader, Writer};
use crate::keys::{Csn, KeyVersion};
use crate::receipt::{RECEIPT_LENGTH, Receipt, Transaction};

/// The application's identifier: proprietary (F0), "TEGATA", version 1.
pub const AID: [u8; 8] = [0xf0, b'T', b'E', b'G', b'A', b'T', b'A', 0x01];

/// How many tickets a card has room for.
pub const TICKET_SLOTS: u8 = 16;

/// The most bytes of a ticket on a card.
pub const TICKET_LIMIT: usize = 240;

/// Bytes of a ticket that travel at once: two commands make a whole one.
pub const TICKET_PART: usize = 120;

/// How many transactions the log keeps.
pub const LOG_LENGTH: u8 = 32;

/// The most that one amount or a balance may be.
pub const AMOUNT_LIMIT: u32 = 0x7fff_ffff;

/// Instruction bytes.
pub(crate) mod ins {
    pub(crate) const SELECT: u8 = 0xa4;
    pub(crate) const INITIALIZE_UPDATE: u8 = 0x50;
    pub(crate) const EXTERNAL_AUTHENTICATE: u8 = 0x82;
    pub(crate) const VIEW: u8 = 0xd1;
    pub(crate) const READ_PURSE: u8 = 0xb0;
    pub(crate) const READ_LOG: u8 = 0xb2;
    pub(crate) const DEBIT: u8 = 0xd0;
    pub(crate) const LOAD: u8 = 0xd2;
    pub(crate) const CONFIRM: u8 = 0xd4;
    pub(crate) const VOID: u8 = 0xd6;
    pub(crate) const PUT_KEY: u8 = 0xd8;
    pub(crate) const PUT_TICKET: u8 = 0xda;
    pub(crate) const READ_TICKET: u8 = 0xca;
    pub(crate) const PUNCH_TICKET: u8 = 0xdc;
    pub(crate) const STATUS: u8 = 0xf0;
}

/// A card's state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// From the manufacturer: only its transport key opens it.
    Blank,
    /// In use.
    Active,
    /// Pays, is loaded and has its tickets punched no more, until it's unblocked.
    Blocked,
    /// Over. Its keys are erased.
    Terminated,
}

impl State {
    pub(crate) const fn wire(self) -> u8 {
        match self {
            Self::Blank => 0,
            Self::Active => 1,
            Self::Blocked => 2,
            Self::Terminated => 3,
        }
    }

    pub(crate) const fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Blank),
            1 => Some(Self::Active),
            2 => Some(Self::Blocked),
            3 => Some(Self::Terminated),
            _ => None,
        }
    }
}

/// What a card may hold and pay at most. Minor units of its currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// ISO 4217, three capital letters.
    pub currency: [u8; 3],
    /// The highest balance.
    pub balance: u32,
    /// The most that one debit takes.
    pub debit: u32,
    /// The most that is debited offline in all before the card is seen online again. Kept for gates;
    /// nothing is debited offline yet.
    pub offline: u32,
}

impl Limits {
    pub(crate) fn write(self, writer: Writer) -> Writer {
        let writer = writer.put(&self.currency).u32(self.balance);
        writer.u32(self.debit).u32(self.offline)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let limits = Self {
            currency: reader.array()?,
            balance: reader.u32()?,
            debit: reader.u32()?,
            offline: reader.u32()?,
        };
        let sound = limits.currency.iter().all(u8::is_ascii_uppercase)
            && [limits.balance, limits.debit, limits.offline]
                .iter()
                .all(|&amount| amount <= AMOUNT_LIMIT);
        sound.then_some(limits)
    }
}

/// What SELECT answers, to anybody and without proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Selected {
    /// Which card.
    pub csn: Csn,
    /// The debit key's version; the transport key's of a blank card.
    pub debit: KeyVersion,
    /// The admin key's version; the transport key's of a blank card.
    pub admin: KeyVersion,
    /// Its state.
    pub state: State,
    /// The number of its last transaction.
    pub counter: u32,
    /// Is that transaction confirmed?
    pub ratified: bool,
}

impl Selected {
    /// SELECT's data.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let writer = Writer::new().put(self.csn.as_bytes());
        let writer = writer.u8(self.debit.wire()).u8(self.state.wire());
        let writer = writer.u32(self.counter).flag(self.ratified);
        writer.u8(self.admin.wire()).into_vec()
    }

    /// Reads SELECT's data, `None` if they can't be.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let csn = Csn::new(reader.array()?);
        let debit = KeyVersion::from_wire(reader.u8()?)?;
        let state = State::from_wire(reader.u8()?)?;
        let counter = reader.u32()?;
        let ratified = reader.flag()?;
        let admin = KeyVersion::from_wire(reader.u8()?)?;
        reader.end()?;
        Some(Self {
            csn,
            debit,
            admin,
            state,
            counter,
            ratified,
        })
    }
}

/// What the user was shown: sent by the PC in clear, compared by the card with the debit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// The amount.
    pub amount: u32,
    /// The card's number for the transaction.
    pub counter: u32,
    /// SHA-256 of the signed bill.
    pub bill: [u8; 32],
}

impl View {
    /// The VIEW command as the PC sends it.
    #[must_use]
    pub fn command(&self) -> Vec<u8> {
        let writer = Writer::new().put(&[0x80, ins::VIEW, 0, 0, 40]);
        let writer = writer.u32(self.amount).u32(self.counter);
        writer.put(&self.bill).u8(0).into_vec()
    }

    /// Reads VIEW's data, `None` if they can't be.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let view = Self {
            amount: reader.u32()?,
            counter: reader.u32()?,
            bill: reader.array()?,
        };
        reader.end()?;
        Some(view)
    }

    pub(crate) fn agrees(&self, transaction: &Transaction) -> bool {
        self.amount == transaction.amount
            && self.counter == transaction.counter
            && self.bill == transaction.bill
    }
}

/// A purse as READ PURSE tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Purse {
    /// The card's state.
    pub state: State,
    /// What is on it.
    pub balance: u32,
    /// The number of its last transaction.
    pub counter: u32,
    /// Debited offline since the card was last seen.
    pub offline: u32,
    /// Is the last transaction confirmed?
    pub ratified: bool,
    /// What it may do.
    pub limits: Limits,
    /// The last transaction's receipt.
    pub last: Option<Receipt>,
}

impl Purse {
    /// READ PURSE's data.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let writer = Writer::new().u8(self.state.wire()).u32(self.balance);
        let writer = writer.u32(self.counter).u32(self.offline);
        let writer = self.limits.write(writer.flag(self.ratified));
        match self.last {
            Some(receipt) => writer.put(&receipt.to_bytes()),
            None => writer,
        }
        .into_vec()
    }

    /// Reads READ PURSE's data, `None` if they can't be.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let state = State::from_wire(reader.u8()?)?;
        let balance = reader.u32()?;
        let counter = reader.u32()?;
        let offline = reader.u32()?;
        let ratified = reader.flag()?;
        let limits = Limits::read(&mut reader)?;
        let last = match reader.rest() {
            [] => None,
            receipt if receipt.len() == RECEIPT_LENGTH => Some(Receipt::parse(receipt)?),
            _ => return None,
        };
        Some(Self {
            state,
            balance,
            counter,
            offline,
            ratified,
            limits,
            last,
        })
    }
}

/// What STATUS does to the card.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// A blank card with all its keys goes into use.
    Activate,
    /// Stops it.
    Block,
    /// Lets it go on.
    Unblock,
    /// Ends it for ever.
    Terminate,
    /// Sets its limits.
    Limits,
}

impl Operation {
    pub(crate) const fn wire(self) -> u8 {
        match self {
            Self::Activate => 1,
            Self::Block => 2,
            Self::Unblock => 3,
            Self::Terminate => 4,
            Self::Limits => 5,
        }
    }

    pub(crate) const fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Activate),
            2 => Some(Self::Block),
            3 => Some(Self::Unblock),
            4 => Some(Self::Terminate),
            5 => Some(Self::Limits),
            _ => None,
        }
    }
}
