//! Evidence that a card was copied or set back.

use rusqlite::params;
use tegata_card::keys::Csn;

use super::{StoreError, Tables, array};

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
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let found = i64::try_from(evidence.found).unwrap_or(i64::MAX);
        let cells = params![
            evidence.csn.as_bytes(),
            found,
            evidence.reason,
            evidence.known,
            evidence.came
        ];
        self.connection.execute(sql, cells)?;
        Ok(())
    }

    /// All evidence, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn evidence(&self) -> Result<Vec<Evidence>, StoreError> {
        let sql = "SELECT csn, found, reason, known, came FROM evidence ORDER BY number";
        let mut query = self.connection.prepare(sql)?;
        let rows = query.query_map([], |row| {
            Ok((
                row.get::<_, Vec<u8>>(0)?,
                row.get::<_, i64>(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        })?;
        let rows = rows.map(|row| {
            let (csn, found, reason, known, came) = row?;
            Ok(Evidence {
                csn: Csn::new(array(&csn)?),
                found: u64::try_from(found).map_err(|_e| StoreError::Damaged("a time"))?,
                reason,
                known,
                came,
            })
        });
        rows.collect()
    }
}
