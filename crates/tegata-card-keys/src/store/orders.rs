//! Orders for money, and receipts.

use tegata_card::keys::Csn;
use tegata_card::receipt::{Kind, Receipt, Transaction, VerifiedReceipt};
use tegata_store::{Row, params};

use super::{StoreError, Tables, damaged};

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
            _ => return Err(damaged("an order's kind")),
        };
        let state = OrderState::ALL.into_iter().find(|s| s.word() == state);
        Ok(Self {
            csn: Csn::new(row.get(1)?),
            kind,
            transaction: Transaction {
                id: row.get(0)?,
                counter: row.get(2)?,
                amount: row.get(4)?,
                bill: row.get(5)?,
                terminal: row.get(6)?,
                time: row.get(7)?,
            },
            state: state.ok_or_else(|| damaged("an order's state"))?,
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
        let sql = format!("SELECT {COLUMNS} FROM money_order WHERE id = $1");
        self.connection.find(&sql, [id], MoneyOrder::read)
    }

    /// The card's order that is in doubt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn order_in_doubt(&self, csn: Csn) -> Result<Option<MoneyOrder>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM money_order WHERE csn = $1 AND state = 'pending'");
        self.connection
            .find(&sql, [csn.as_bytes()], MoneyOrder::read)
    }

    /// All orders to a card, in the order of their counters.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn orders_of(&self, csn: Csn) -> Result<Vec<MoneyOrder>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM money_order WHERE csn = $1 ORDER BY counter, id");
        self.connection
            .list(&sql, [csn.as_bytes()], MoneyOrder::read)
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
            Kind::Void => return Err(damaged("a void is no order for money")),
        };
        let sql = format!(
            "INSERT INTO money_order ({COLUMNS}, given)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9)"
        );
        let given = i64::try_from(now).unwrap_or(i64::MAX);
        let what = &order.transaction;
        let values = params![
            what.id,
            order.csn.as_bytes(),
            what.counter,
            kind,
            what.amount,
            what.bill,
            what.terminal,
            what.time,
            given,
        ];
        self.connection.write_one(&sql, values)?;
        self.change_card(order.csn, |card| card.look = true)?;
        Ok(())
    }

    /// An order in doubt is in doubt no more.
    ///
    /// # Errors
    /// [`StoreError`], also if it wasn't.
    pub fn end_order(&self, id: [u8; 16], state: OrderState) -> Result<(), StoreError> {
        let sql = "UPDATE money_order SET state = $1 WHERE id = $2 AND state = 'pending'";
        let values = params![state.word(), id];
        match self.connection.write_at_most_one(sql, values)? {
            true => Ok(()),
            false => Err(damaged("an order that wasn't in doubt ended")),
        }
    }

    /// The receipt of a card's transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn receipt(&self, csn: Csn, counter: u32) -> Result<Option<Receipt>, StoreError> {
        let sql = "SELECT bytes FROM receipt WHERE csn = $1 AND counter = $2";
        let values = params![csn.as_bytes(), counter];
        self.connection.find(sql, values, read_receipt)
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
        let sql = "SELECT bytes FROM receipt WHERE csn = $1 AND counter > $2
                   ORDER BY counter LIMIT $3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = params![csn.as_bytes(), above, limit];
        self.connection.list(sql, values, read_receipt)
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
            Some(_) => return Err(damaged("two receipts of one transaction")),
            None => {}
        }
        let sql = "INSERT INTO receipt (csn, counter, bytes) VALUES ($1, $2, $3)";
        let cells = params![receipt.csn.as_bytes(), counter, receipt.to_bytes()];
        self.connection.write_one(sql, cells)
    }
}

fn read_receipt(row: &Row<'_>) -> Result<Receipt, StoreError> {
    let bytes: Vec<u8> = row.get(0)?;
    Receipt::parse(&bytes).ok_or_else(|| damaged("a receipt"))
}
