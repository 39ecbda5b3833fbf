//! Reading a row's columns one after the other, strictly: what can't be there is damage, named.

use tegata_protocol::{
    Amount, CardNumber, Currency, Digest, MessageId, PartyNumber, PaymentId, Time,
    TransactionNumber,
};
use tegata_store::{FromSql, Row, ValueRef};

use crate::{Position, store::StoreError};

/// A table, and how many of the columns that are read name the row.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) keys: usize,
}

/// The columns of one row, taken from left to right.
pub(super) struct Cells<'r, 's> {
    row: &'r Row<'s>,
    table: Table,
    next: usize,
}

impl<'r, 's> Cells<'r, 's> {
    pub(super) const fn new(table: Table, row: &'r Row<'s>) -> Self {
        Self {
            row,
            table,
            next: 0,
        }
    }

    fn take<T: FromSql>(&mut self) -> Result<T, StoreError> {
        let value = self.row.try_get(self.next);
        self.next = self.next.saturating_add(1);
        value.map_err(|why| self.damaged(&why))
    }

    /// The column that was taken last isn't what it must be.
    pub(super) fn damaged(&self, what: &str) -> StoreError {
        let column = self.next.saturating_sub(1);
        let column = self.row.name(column);
        StoreError::Damaged {
            table: self.table.name,
            row: self.row_name(),
            what: format!("column {column}: {what}"),
        }
    }

    /// The row's key, in words.
    pub(super) fn row_name(&self) -> String {
        let key = |i| self.row.value(i).map_or_else(|e| e.to_string(), shown);
        (0..self.table.keys).map(key).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn signed(&mut self) -> Result<i64, StoreError> {
        self.take()
    }

    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        let value: i64 = self.take()?;
        T::try_from(value).map_err(|_e| self.damaged(&format!("{value} is out of range")))
    }

    pub(super) fn flag(&mut self) -> Result<bool, StoreError> {
        match self.signed()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.damaged(&format!("{other} is neither 0 nor 1"))),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        self.take()
    }

    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        self.take()
    }

    /// A value read from a small number, `None` of which is damage.
    pub(super) fn numbered<T>(&mut self, read: fn(u8) -> Option<T>) -> Result<T, StoreError> {
        let number: u8 = self.number()?;
        read(number).ok_or_else(|| self.damaged(&format!("{number} is unknown")))
    }

    pub(super) fn digest(&mut self) -> Result<Digest, StoreError> {
        let bytes = self.bytes()?;
        Digest::from_slice(&bytes).ok_or_else(|| self.damaged("not 32 bytes"))
    }

    /// A digest, or nothing where the column is empty.
    pub(super) fn optional_digest(&mut self) -> Result<Option<Digest>, StoreError> {
        let bytes = self.bytes()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let digest = Digest::from_slice(&bytes);
        digest
            .map(Some)
            .ok_or_else(|| self.damaged("neither empty nor 32 bytes"))
    }

    pub(super) fn payment(&mut self) -> Result<PaymentId, StoreError> {
        self.digest().map(PaymentId::new)
    }

    pub(super) fn message(&mut self) -> Result<MessageId, StoreError> {
        let bytes = self.bytes()?;
        MessageId::from_slice(&bytes).ok_or_else(|| self.damaged("not 16 bytes"))
    }

    pub(super) fn card(&mut self) -> Result<CardNumber, StoreError> {
        let bytes: Vec<u8> = self.take()?;
        CardNumber::from_slice(&bytes).ok_or_else(|| self.damaged("not a card's number"))
    }

    pub(super) fn party(&mut self) -> Result<PartyNumber, StoreError> {
        let number = self.number()?;
        PartyNumber::from_wire(number).map_err(|e| self.damaged(&e.to_string()))
    }

    pub(super) fn transaction(&mut self) -> Result<TransactionNumber, StoreError> {
        let number = self.number()?;
        TransactionNumber::new(number).map_err(|e| self.damaged(&e.to_string()))
    }

    pub(super) fn currency(&mut self) -> Result<Currency, StoreError> {
        let code = self.text()?;
        Currency::new(&code).map_err(|e| self.damaged(&e.to_string()))
    }

    pub(super) fn amount(&mut self, currency: Currency) -> Result<Amount, StoreError> {
        let minor = self.number()?;
        Amount::new(minor, currency).map_err(|e| self.damaged(&e.to_string()))
    }

    pub(super) fn time(&mut self) -> Result<Time, StoreError> {
        self.number().map(Time::from_secs)
    }

    pub(super) fn position(&mut self) -> Result<Position, StoreError> {
        let number: u64 = self.number()?;
        let committer = u16::try_from(number.wrapping_shr(48)).unwrap_or(u16::MAX);
        Ok(Position::new(committer, number & Position::MAX_SEQUENCE))
    }
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(i) => i.to_string(),
        ValueRef::Real(_) => "a fraction".to_owned(),
        ValueRef::Text(t) => String::from_utf8_lossy(t).into_owned(),
        ValueRef::Blob(b) => b.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// A position as the database's integer.
pub(super) fn position_number(position: Position) -> Result<i64, StoreError> {
    let too_large = StoreError::TooLarge { what: "a position" };
    if position.sequence > Position::MAX_SEQUENCE || position.committer > Position::MAX_COMMITTER {
        return Err(too_large);
    }
    let number = u64::from(position.committer).wrapping_shl(48) | position.sequence;
    i64::try_from(number).map_err(|_e| too_large)
}

/// A number as the database's integer.
pub(super) fn integer(number: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_e| StoreError::TooLarge { what })
}
