//! Orders for money, and receipts.

use rusqlite::{OptionalExtension as _, Row, params};
use tegata_card::keys::Csn;
use tegata_card::receipt::{Kind, Receipt, Transaction, VerifiedReceipt};

use super::{StoreError, Tables, array};

/// What became of an order. All but the first are final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OrderState {
    /// It's in doubt.
    Pending,
    /// Carried out; its receipt is kept.
    Done,
    /// Not carried out, and its counter is used up.
    Void,
    /// The card refused it under its MAC.
    Refused,
}

impl OrderState {
    const ALL: [Self; 4] = [Self::Pending, Self::Done, Self::Void, Self::Refused];

    /// The word for it, here and in what is shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Void => "void",
            Self::Refused => "refused",
        }
    }
}

/// An order for money.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MoneyOrder {
    /// To which card.
    pub csn: Csn,
    /// Debit, load or refund.
    pub kind: Kind,
    /// All that the card was told.
    pub transaction: Transaction,
    /// What became of it.
    pub state: OrderState,
}

impl MoneyOrder {
    /// Is this what that order asks for, in every field?
    #[must_use]
    pub fn is_met_by(&self, receipt: &Receipt) -> bool {
        receipt.csn == self.csn
            && receipt.kind == self.kind
            && receipt.transaction == self.transaction
    }

    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let (kind, state): (String, String) = (row.get(3)?, row.get(8)?);
        let kind = match kind.as_str() {
            "debit" => Kind::Debit,
            "load" => Kind::Load,
            "refund" => Kind::Refund,
            _ => return Err(StoreError::Damaged("an order's kind")),
        };
        let state = OrderState::ALL.into_iter().find(|s| s.word() == state);
        let bytes = |at| row.get::<_, Vec<u8>>(at);
        Ok(Self {
            csn: Csn::new(array(&bytes(1)?)?),
            kind,
            transaction: Transaction {
                id: array(&bytes(0)?)?,
                counter: row.get(2)?,
                amount: row.get(4)?,
                bill: array(&bytes(5)?)?,
                terminal: array(&bytes(6)?)?,
                time: row.get(7)?,
            },
            state: state.ok_or(StoreError::Damaged("an order's state"))?,
        })
    }
}

const COLUMNS: &str = "id, csn, counter, kind, amount, bill, terminal, time, state";

impl Tables<'_> {
    /// The order of that number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn order(&self, id: [u8; 16]) -> Result<Option<MoneyOrder>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM money_order WHERE id = ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        let found = query.query_row([id], |row| Ok(MoneyOrder::read(row)));
        found.optional()?.transpose()
    }

    /// The card's order that is in doubt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn order_in_doubt(&self, csn: Csn) -> Result<Option<MoneyOrder>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM money_order WHERE csn = ?1 AND state = 'pending'");
        let mut query = self.connection.prepare_cached(&sql)?;
        let found = query.query_row([csn.as_bytes()], |row| Ok(MoneyOrder::read(row)));
        found.optional()?.transpose()
    }

    /// All orders to a card, in the order of their counters.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn orders_of(&self, csn: Csn) -> Result<Vec<MoneyOrder>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM money_order WHERE csn = ?1 ORDER BY counter, id");
        let mut query = self.connection.prepare(&sql)?;
        let rows = query.query_map([csn.as_bytes()], |row| Ok(MoneyOrder::read(row)))?;
        rows.map(|row| row?).collect()
    }

    /// Keeps an order that is about to be sent: from here on it's in doubt, and its card is looked
    /// at before anything else. `now` in seconds since 1970.
    ///
    /// # Errors
    /// [`StoreError`], also if its number was used or the card has another one in doubt.
    pub fn give_order(&self, order: &MoneyOrder, now: u64) -> Result<(), StoreError> {
        let kind = match order.kind {
            Kind::Debit => "debit",
            Kind::Load => "load",
            Kind::Refund => "refund",
            Kind::Void => return Err(StoreError::Damaged("a void is no order for money")),
        };
        let sql = format!(
            "INSERT INTO money_order ({COLUMNS}, given)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'pending', ?9)"
        );
        let given = i64::try_from(now).unwrap_or(i64::MAX);
        let what = &order.transaction;
        self.connection.prepare_cached(&sql)?.execute(params![
            what.id,
            order.csn.as_bytes(),
            what.counter,
            kind,
            what.amount,
            what.bill,
            what.terminal,
            what.time,
            given,
        ])?;
        self.change_card(order.csn, |card| card.look = true)?;
        Ok(())
    }

    /// An order in doubt is in doubt no more.
    ///
    /// # Errors
    /// [`StoreError`], also if it wasn't.
    pub fn end_order(&self, id: [u8; 16], state: OrderState) -> Result<(), StoreError> {
        let sql = "UPDATE money_order SET state = ?2 WHERE id = ?1 AND state = 'pending'";
        let mut update = self.connection.prepare_cached(sql)?;
        match update.execute(params![id, state.word()])? {
            1 => Ok(()),
            _ => Err(StoreError::Damaged("an order that wasn't in doubt ended")),
        }
    }

    /// The receipt of a card's transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn receipt(&self, csn: Csn, counter: u32) -> Result<Option<Receipt>, StoreError> {
        let sql = "SELECT bytes FROM receipt WHERE csn = ?1 AND counter = ?2";
        let mut query = self.connection.prepare_cached(sql)?;
        let found = query.query_row(params![csn.as_bytes(), counter], |row| row.get(0));
        let bytes: Option<Vec<u8>> = found.optional()?;
        let parse = |bytes: Vec<u8>| Receipt::parse(&bytes).ok_or(StoreError::Damaged("a receipt"));
        bytes.map(parse).transpose()
    }

    /// A card's receipts whose counter is above that one, the lowest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn receipts_above(
        &self,
        csn: Csn,
        above: u32,
        limit: usize,
    ) -> Result<Vec<Receipt>, StoreError> {
        let sql = "SELECT bytes FROM receipt WHERE csn = ?1 AND counter > ?2
                   ORDER BY counter LIMIT ?3";
        let mut query = self.connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = query.query_map(params![csn.as_bytes(), above, limit], |row| {
            row.get::<_, Vec<u8>>(0)
        })?;
        let parse = |bytes: Vec<u8>| Receipt::parse(&bytes).ok_or(StoreError::Damaged("a receipt"));
        rows.map(|bytes| parse(bytes?)).collect()
    }

    /// Keeps a receipt, if there's none of that card and counter.
    ///
    /// # Errors
    /// [`StoreError`], also if there is another one.
    pub fn keep_receipt(&self, receipt: &VerifiedReceipt) -> Result<(), StoreError> {
        let receipt = receipt.get();
        let counter = receipt.transaction.counter;
        match self.receipt(receipt.csn, counter)? {
            Some(known) if known == *receipt => return Ok(()),
            Some(_) => return Err(StoreError::Damaged("two receipts of one transaction")),
            None => {}
        }
        let sql = "INSERT INTO receipt (csn, counter, bytes) VALUES (?1, ?2, ?3)";
        let cells = params![receipt.csn.as_bytes(), counter, receipt.to_bytes()];
        self.connection.prepare_cached(sql)?.execute(cells)?;
        Ok(())
    }
}
