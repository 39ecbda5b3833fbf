//! Evidence that a card was copied or set back.

use tegata_card::keys::Csn;
use tegata_store::params;

use super::{StoreError, Tables};

/// Why a card was denied without anybody having asked for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Its counter is lower than one of its receipts.
    CounterBehind,
    /// Two receipts of one transaction.
    ReceiptDiffers,
    /// A balance that doesn't follow from the one before.
    BalanceDiffers,
    /// It did something that nobody here ordered.
    UnknownOrder,
    /// It did an order otherwise than ordered.
    OrderDiffers,
    /// Its session is authentic, its receipt isn't.
    ReceiptForged,
    /// It did more since than its log can tell.
    LogMissing,
    /// It counted its session with a number that was used before.
    SequenceBehind,
}

impl Reason {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::CounterBehind => "counter_behind",
            Self::ReceiptDiffers => "receipt_differs",
            Self::BalanceDiffers => "balance_differs",
            Self::UnknownOrder => "unknown_order",
            Self::OrderDiffers => "order_differs",
            Self::ReceiptForged => "receipt_forged",
            Self::LogMissing => "log_missing",
            Self::SequenceBehind => "sequence_behind",
        }
    }
}

/// A row of evidence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// Which card.
    pub csn: Csn,
    /// When it was found, seconds since 1970.
    pub found: u64,
    /// [`Reason::code`].
    pub reason: String,
    /// The receipt that was known, empty if none; with [`Reason::SequenceBehind`] the highest
    /// session's number that was known, four bytes, the most significant first.
    pub known: Vec<u8>,
    /// What came: a receipt, or nothing; or such a number.
    pub came: Vec<u8>,
}

impl Tables<'_> {
    /// Denies a card and keeps why.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn deny_with(&self, evidence: &Evidence) -> Result<(), StoreError> {
        self.change_card(evidence.csn, |card| card.denied = true)?;
        let sql = "INSERT INTO evidence (csn, found, reason, known, came)
                   VALUES ($1, $2, $3, $4, $5)";
        let found = i64::try_from(evidence.found).unwrap_or(i64::MAX);
        let cells = params![
            evidence.csn.as_bytes(),
            found,
            evidence.reason,
            evidence.known,
            evidence.came
        ];
        self.connection.write_one(sql, cells)
    }

    /// All evidence, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn evidence(&self) -> Result<Vec<Evidence>, StoreError> {
        let sql = "SELECT csn, found, reason, known, came FROM evidence ORDER BY number";
        self.connection.list(sql, [], |row| {
            Ok(Evidence {
                csn: Csn::new(row.get(0)?),
                found: row.number(1)?,
                reason: row.get(2)?,
                known: row.get(3)?,
                came: row.get(4)?,
            })
        })
    }
}
