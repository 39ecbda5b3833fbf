//! What a card says it did, in a form that can be checked years later and without a session: a
//! record with a MAC under K-TX, which only the card and the card-key server know. A terminal that
//! carries it can't make one.

use std::fmt;

use crate::bytes::{Reader, Writer};
use crate::crypto::{self, Block, KeyBytes};
use crate::keys::{CardKey, Csn, KeyVersion, Role};

/// Bytes of a receipt on the wire.
pub const RECEIPT_LENGTH: usize = 100;

/// Where the order's id stands in a receipt.
pub(crate) const ID_IN_RECEIPT: usize = 16;

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Taken off.
    Debit,
    /// Put on.
    Load,
    /// Put on again, of a debit before.
    Refund,
    /// Nothing: the number was used up so that nothing can be done under it any more.
    Void,
}

impl Kind {
    const fn wire(self) -> u8 {
        match self {
            Self::Debit => 1,
            Self::Load => 2,
            Self::Refund => 3,
            Self::Void => 4,
        }
    }

    const fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Debit),
            2 => Some(Self::Load),
            3 => Some(Self::Refund),
            4 => Some(Self::Void),
            _ => None,
        }
    }
}

/// A transaction as the card is told it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Transaction {
    /// The server's number for it, never used twice.
    pub id: [u8; 16],
    /// Minor units of the card's currency, 1 to 2³¹-1.
    pub amount: u32,
    /// The card's number for it: one more than its last.
    pub counter: u32,
    /// SHA-256 of the signed bill; of the load's request when loading.
    pub bill: [u8; 32],
    /// Which terminal.
    pub terminal: [u8; 8],
    /// Seconds since 1970, by the server's clock.
    pub time: u32,
}

impl Transaction {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        self.written(Writer::new()).into_vec()
    }

    fn written(self, writer: Writer) -> Writer {
        let writer = writer
            .put(&self.id)
            .u32(self.amount)
            .u32(self.counter)
            .put(&self.bill);
        writer.put(&self.terminal).u32(self.time)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let transaction = Self {
            id: reader.array()?,
            amount: reader.u32()?,
            counter: reader.u32()?,
            bill: reader.array()?,
            terminal: reader.array()?,
            time: reader.u32()?,
        };
        reader.end()?;
        Some(transaction)
    }
}

/// A card's receipt. Nobody has checked it yet: see [`ReceiptKey::verify`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Which card.
    pub csn: Csn,
    /// Under which version of its receipt key.
    pub version: KeyVersion,
    /// What was done.
    pub kind: Kind,
    /// On what order.
    pub transaction: Transaction,
    /// The balance afterwards.
    pub balance: u32,
    /// CMAC under K-TX of all that stands before it on the wire.
    pub mac: Block,
}

impl Receipt {
    fn head(&self) -> Writer {
        let writer = Writer::new().put(self.csn.as_bytes());
        let writer = writer.u8(self.version.wire()).u8(self.kind.wire());
        self.transaction.written(writer.u32(self.balance))
    }

    /// The 100 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.head().put(&self.mac).into_vec()
    }

    /// Reads 100 bytes; `None` if they can't be a receipt.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let csn = Csn::new(reader.array()?);
        let version = KeyVersion::from_wire(reader.u8()?)?;
        let kind = Kind::from_wire(reader.u8()?)?;
        let balance = reader.u32()?;
        let transaction = Transaction::parse(reader.slice(68)?)?;
        let mac = reader.array()?;
        reader.end()?;
        Some(Self {
            csn,
            version,
            kind,
            transaction,
            balance,
            mac,
        })
    }
}

/// A receipt that its card has made. There is no other way to one than [`ReceiptKey::verify`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifiedReceipt(Receipt);

impl VerifiedReceipt {
    /// What it says.
    #[must_use]
    pub const fn get(&self) -> &Receipt {
        &self.0
    }
}

/// It isn't that card's, or was altered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the receipt isn't the card's: its MAC is wrong")]
pub struct Forged;

/// A card's key for receipts: K-TX.
pub struct ReceiptKey {
    version: KeyVersion,
    transactions: KeyBytes,
    punches: KeyBytes,
}

impl ReceiptKey {
    /// The key that grows from a card's receipt key; `None` for a key of another role.
    #[must_use]
    pub fn new(key: &CardKey) -> Option<Self> {
        let version = key.version();
        (version.role() == Role::Receipt).then(|| Self {
            version,
            transactions: crypto::derive_32(key.bytes(), *b"tegata-ktx\0T", &[]),
            punches: crypto::derive_32(key.bytes(), *b"tegata-ktx\0P", &[]),
        })
    }

    /// The card's end: a receipt with its MAC.
    pub(crate) fn receipt(
        &self,
        csn: Csn,
        kind: Kind,
        done: &Transaction,
        balance: u32,
    ) -> Receipt {
        let mut receipt = Receipt {
            csn,
            version: self.version,
            kind,
            transaction: *done,
            balance,
            mac: [0; 16],
        };
        receipt.mac = crypto::mac(&self.transactions, &[receipt.head().bytes()]);
        receipt
    }

    /// The card-key server's end.
    ///
    /// # Errors
    /// [`Forged`].
    pub fn verify(&self, receipt: Receipt) -> Result<VerifiedReceipt, Forged> {
        let expected = crypto::mac(&self.transactions, &[receipt.head().bytes()]);
        if receipt.version == self.version && crypto::same(&expected, &receipt.mac) {
            Ok(VerifiedReceipt(receipt))
        } else {
            Err(Forged)
        }
    }

    pub(crate) fn punch_mac(&self, csn: Csn, slot: u8, punch: &Punch, ticket: &[u8]) -> Block {
        let head = [self.version.wire(), slot];
        crypto::mac(
            &self.punches,
            &[csn.as_bytes(), &head, &punch.to_bytes(), ticket],
        )
    }

    /// The card-key server's end: did this card punch this ticket?
    ///
    /// # Errors
    /// [`Forged`].
    pub fn verify_punch(&self, csn: Csn, punched: &Punched, ticket: &[u8]) -> Result<(), Forged> {
        let expected = self.punch_mac(csn, punched.slot, &punched.punch, ticket);
        if punched.version == self.version && crypto::same(&expected, &punched.mac) {
            Ok(())
        } else {
            Err(Forged)
        }
    }
}

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptKey({:?}, …)", self.version)
    }
}

/// Who punched a ticket, and when.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Punch {
    /// The punch's number, never used twice.
    pub id: [u8; 16],
    /// Which gate.
    pub terminal: [u8; 8],
    /// Seconds since 1970, by the gate's clock.
    pub time: u32,
}

impl Punch {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let writer = Writer::new().put(&self.id).put(&self.terminal);
        writer.u32(self.time).into_vec()
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            id: reader.array()?,
            terminal: reader.array()?,
            time: reader.u32()?,
        })
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let punch = Self::read(&mut reader)?;
        reader.end()?;
        Some(punch)
    }
}

/// A card's word that a ticket was punched. Nobody has checked it yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Punched {
    /// Under which version of its receipt key.
    pub version: KeyVersion,
    /// In which slot the ticket lies.
    pub slot: u8,
    /// The punch.
    pub punch: Punch,
    /// CMAC of card, version, slot, punch and ticket.
    pub mac: Block,
}

impl Punched {
    /// The 46 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let writer = Writer::new().u8(self.version.wire()).u8(self.slot);
        writer.put(&self.punch.to_bytes()).put(&self.mac).into_vec()
    }

    /// Reads 46 bytes; `None` if they can't be a punch.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let punched = Self {
            version: KeyVersion::from_wire(reader.u8()?)?,
            slot: reader.u8()?,
            punch: Punch::read(&mut reader)?,
            mac: reader.array()?,
        };
        reader.end()?;
        Some(punched)
    }
}
