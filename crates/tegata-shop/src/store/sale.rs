//! Sales: one bill each, from quota hold to release or void. The states are drawn in
//! [`crate::fulfilment`].

use tegata_protocol::{
    Digest, PartyNumber, PaymentId, SeriesId, SignedBytes, Time, TransactionNumber,
};
use tegata_store::{Params, Row, params};

use super::tables::{cell, digest, digest_or_none, party_cell};
use super::{Place, StoreError, Tables, damaged};

/// What became of a sale. The numbers stand in the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaleState {
    /// The bill is out, the quota held.
    Open,
    /// The money is held at the centre; the tickets are still to be made.
    Paid,
    /// Tickets made and sealed, the capture signed; not yet known to be captured.
    Ready,
    /// Captured: the centre hands the tickets to the member.
    Released,
    /// The hold was closed before the capture: the tickets never left, and are cancelled.
    Void,
    /// The centre closed the bill unpaid.
    Lapsed,
    /// The centre refused the capture for a reason that shouldn't be; its owner must look.
    Stuck,
}

impl SaleState {
    const ALL: [Self; 7] = [
        Self::Open,
        Self::Paid,
        Self::Ready,
        Self::Released,
        Self::Void,
        Self::Lapsed,
        Self::Stuck,
    ];

    const fn number(self) -> i64 {
        match self {
            Self::Open => 1,
            Self::Paid => 2,
            Self::Ready => 3,
            Self::Released => 4,
            Self::Void => 5,
            Self::Lapsed => 6,
            Self::Stuck => 7,
        }
    }

    /// The word in tables and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Ready => "ready",
            Self::Released => "released",
            Self::Void => "void",
            Self::Lapsed => "lapsed",
            Self::Stuck => "stuck",
        }
    }

    fn from_number(found: i64) -> Result<Self, StoreError> {
        let known = Self::ALL.into_iter().find(|state| state.number() == found);
        known.ok_or_else(|| damaged(format!("a sale in the unknown state {found}")))
    }
}

/// A sale as it begins.
#[derive(Debug)]
pub struct NewSale {
    /// The bill's number.
    pub number: TransactionNumber,
    /// What is sold.
    pub series: SeriesId,
    /// To whom.
    pub member: PartyNumber,
    /// How many tickets.
    pub quantity: u32,
    /// Until when the bill may be paid.
    pub expires: Time,
    /// The digest of the signed request (T4).
    pub request: Digest,
    /// The signed bill.
    pub bill: SignedBytes,
    /// What the tickets will be made from, wrapped.
    pub order: Vec<u8>,
    /// The seats or rooms that it takes.
    pub places: Vec<Place>,
}

/// A sale as it stands.
#[derive(Clone, Debug)]
pub struct Sale {
    /// The bill's number.
    pub number: TransactionNumber,
    /// What is sold.
    pub series: SeriesId,
    /// To whom.
    pub member: PartyNumber,
    /// How many tickets.
    pub quantity: u32,
    /// Where it stands.
    pub state: SaleState,
    /// Until when the bill may be paid.
    pub expires: Time,
    /// The digest of the signed request.
    pub request: Digest,
    /// The signed bill.
    pub bill: SignedBytes,
    /// What the tickets are made from, wrapped; empty once they are made.
    pub order: Vec<u8>,
    /// The payment, once the centre named it.
    pub payment: Option<PaymentId>,
    /// The signed capture; empty until the tickets are made.
    pub capture: SignedBytes,
    /// The sealed delivery; empty until the tickets are made.
    pub delivery: Vec<u8>,
}

const COLUMNS: &str = "number, series, member, quantity, state, expires, request, bill, \
     order_sealed, payment, capture, delivery";

impl Tables<'_> {
    /// Begins a sale: the quota and its places are held from here on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn hold(&self, sale: &NewSale) -> Result<(), StoreError> {
        let sql = "INSERT INTO sale (number, series, member, quantity, state, expires, request, \
             bill_digest, bill, order_sealed, payment, capture, delivery) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, x'', x'', x'')";
        let bill_digest = sale.bill.digest();
        let values = params![
            cell(sale.number.wire())?,
            sale.series.number(),
            party_cell(sale.member)?,
            sale.quantity,
            SaleState::Open.number(),
            cell(sale.expires.secs())?,
            sale.request.as_bytes(),
            bill_digest.as_bytes(),
            sale.bill.as_bytes(),
            sale.order,
        ];
        self.connection.write_one(sql, values)?;
        self.take_places(sale)?;
        self.count_stock(sale.series, i64::from(sale.quantity), 0)
    }

    fn take_places(&self, sale: &NewSale) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO place (series, place, first, last, sale) VALUES ($1, $2, $3, $4, $5)";
        let (series, sale_number) = (sale.series.number(), cell(sale.number.wire())?);
        for place in &sale.places {
            let values = params![series, place.place, place.first, place.last, sale_number];
            self.connection.write_one(sql, values)?;
        }
        Ok(())
    }

    /// Is this transaction number in use?
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sale_exists(&self, number: TransactionNumber) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM sale WHERE number = $1";
        self.connection.exists(sql, [cell(number.wire())?])
    }

    /// How many bills of a member are out and unpaid.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_bills(&self, member: PartyNumber) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM sale WHERE member = $1 AND state = $2";
        let values = [party_cell(member)?, SaleState::Open.number()];
        self.connection.one(sql, values, |row| row.number(0))
    }

    /// The sale of this number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sale(&self, number: TransactionNumber) -> Result<Option<Sale>, StoreError> {
        self.one_sale("number = $1", [cell(number.wire())?])
    }

    /// The sale with this bill.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sale_of_bill(&self, bill: Digest) -> Result<Option<Sale>, StoreError> {
        self.one_sale("bill_digest = $1", [bill.as_bytes()])
    }

    /// The sale that this payment paid.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sale_of_payment(&self, payment: PaymentId) -> Result<Option<Sale>, StoreError> {
        // The repetition lets SQLite see that the partial index serves.
        let filter = "payment = $1 AND length(payment) > 0";
        self.one_sale(filter, [payment.digest().as_bytes()])
    }

    fn one_sale(&self, filter: &str, parameters: impl Params) -> Result<Option<Sale>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sale WHERE {filter}");
        self.connection.find(&sql, parameters, read_sale)
    }

    /// The sales in a state, the oldest expiry first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sales_in(&self, state: SaleState, limit: u32) -> Result<Vec<Sale>, StoreError> {
        let filter = "state = $1 ORDER BY expires, number LIMIT $2";
        self.many_sales(filter, params![state.number(), limit])
    }

    /// The sales in a state that come after `last` in the order of [`Tables::sales_in`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sales_after(
        &self,
        state: SaleState,
        last: &Sale,
        limit: u32,
    ) -> Result<Vec<Sale>, StoreError> {
        let filter = "state = $1 AND (expires, number) > ($2, $3) \
             ORDER BY expires, number LIMIT $4";
        let (expires, number) = (cell(last.expires.secs())?, cell(last.number.wire())?);
        self.many_sales(filter, params![state.number(), expires, number, limit])
    }

    /// All sales of a series, by number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sales_of(&self, series: SeriesId) -> Result<Vec<Sale>, StoreError> {
        self.many_sales("series = $1 ORDER BY number", [series.number()])
    }

    fn many_sales(&self, filter: &str, parameters: impl Params) -> Result<Vec<Sale>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sale WHERE {filter}");
        self.connection.list(&sql, parameters, read_sale)
    }

    /// The centre says that an open bill is paid or held for.
    ///
    /// # Errors
    /// [`StoreError`], also when the sale isn't open.
    pub fn note_paid(&self, sale: &Sale, payment: PaymentId) -> Result<(), StoreError> {
        self.step(sale, SaleState::Open, SaleState::Paid)?;
        self.keep_payment(sale, payment)
    }

    fn keep_payment(&self, sale: &Sale, payment: PaymentId) -> Result<(), StoreError> {
        let sql = "UPDATE sale SET payment = $1 WHERE number = $2";
        let (payment, number) = (payment.digest(), cell(sale.number.wire())?);
        let values = params![payment.as_bytes(), number];
        self.connection.write_one(sql, values)
    }

    /// The tickets are made: keeps the sealed delivery and the signed capture, forgets the order.
    ///
    /// # Errors
    /// [`StoreError`], also when the sale isn't paid.
    pub fn make_ready(
        &self,
        sale: &Sale,
        capture: &SignedBytes,
        delivery: &[u8],
    ) -> Result<(), StoreError> {
        self.step(sale, SaleState::Paid, SaleState::Ready)?;
        let sql = "UPDATE sale SET capture = $1, delivery = $2, order_sealed = x'' \
             WHERE number = $3";
        let number = cell(sale.number.wire())?;
        let values = params![capture.as_bytes(), delivery, number];
        self.connection.write_one(sql, values)
    }

    /// Replaces a capture that came too late to be looked at by a newly signed one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn replace_capture(&self, sale: &Sale, capture: &SignedBytes) -> Result<(), StoreError> {
        let sql = "UPDATE sale SET capture = $1 WHERE number = $2 AND state = $3";
        let (number, ready) = (cell(sale.number.wire())?, SaleState::Ready.number());
        let values = params![capture.as_bytes(), number, ready];
        // None when it isn't ready any more.
        self.connection.write_at_most_one(sql, values).map(drop)
    }

    /// The capture is committed at the centre: the quota is sold.
    ///
    /// # Errors
    /// [`StoreError`], also when the sale isn't ready.
    pub fn release(&self, sale: &Sale) -> Result<(), StoreError> {
        self.step(sale, SaleState::Ready, SaleState::Released)?;
        let quantity = i64::from(sale.quantity);
        self.count_stock(sale.series, -quantity, quantity)
    }

    /// The capture can't succeed and the hold isn't closed: somebody must look.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn give_up(&self, sale: &Sale) -> Result<(), StoreError> {
        self.step(sale, sale.state, SaleState::Stuck)
    }

    /// Paid, after its quota was given back: held again, beyond the quota if need be, until
    /// somebody has looked.
    ///
    /// # Errors
    /// [`StoreError`], also when the sale is neither void nor lapsed.
    pub fn paid_too_late(&self, sale: &Sale, payment: PaymentId) -> Result<(), StoreError> {
        if !matches!(sale.state, SaleState::Void | SaleState::Lapsed) {
            let (number, state) = (sale.number, sale.state.word());
            return Err(damaged(format!("the sale {number} is {state}")));
        }
        self.step(sale, sale.state, SaleState::Stuck)?;
        self.keep_payment(sale, payment)?;
        self.count_stock(sale.series, i64::from(sale.quantity), 0)
    }

    /// The hold is closed: tickets cancelled, quota and places free.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn void(&self, sale: &Sale) -> Result<(), StoreError> {
        self.step(sale, sale.state, SaleState::Void)?;
        let sql = "UPDATE ticket SET cancelled = 1 WHERE sale = $1";
        self.connection
            .write_any(sql, [cell(sale.number.wire())?])?;
        self.free(sale)
    }

    /// The bill is closed unpaid: quota and places free.
    ///
    /// # Errors
    /// [`StoreError`], also when the sale isn't open.
    pub fn lapse(&self, sale: &Sale) -> Result<(), StoreError> {
        self.step(sale, SaleState::Open, SaleState::Lapsed)?;
        self.free(sale)
    }

    fn free(&self, sale: &Sale) -> Result<(), StoreError> {
        let number = cell(sale.number.wire())?;
        let sql = "UPDATE sale SET order_sealed = x'' WHERE number = $1";
        self.connection.write_one(sql, [number])?;
        let sql = "DELETE FROM place WHERE sale = $1";
        self.connection.write_any(sql, [number])?;
        self.count_stock(sale.series, -i64::from(sale.quantity), 0)
    }

    fn step(&self, sale: &Sale, from: SaleState, to: SaleState) -> Result<(), StoreError> {
        let sql = "UPDATE sale SET state = $1 WHERE number = $2 AND state = $3";
        let number = cell(sale.number.wire())?;
        let values = [to.number(), number, from.number()];
        if self.connection.write_at_most_one(sql, values)? {
            return Ok(());
        }
        let (number, from) = (sale.number, from.word());
        Err(damaged(format!("the sale {number} isn't {from} any more")))
    }
}

fn read_sale(row: &Row<'_>) -> Result<Sale, StoreError> {
    let wrong = |e: tegata_protocol::Malformed| damaged(e.to_string());
    Ok(Sale {
        number: TransactionNumber::new(row.number(0)?).map_err(wrong)?,
        series: SeriesId::new(row.get(1)?),
        member: PartyNumber::from_wire(row.number(2)?).map_err(wrong)?,
        quantity: row.get(3)?,
        state: SaleState::from_number(row.get(4)?)?,
        expires: Time::from_secs(row.number(5)?),
        request: digest(row, 6)?,
        bill: SignedBytes::new(row.get(7)?),
        order: row.get(8)?,
        payment: digest_or_none(row, 9)?.map(PaymentId::new),
        capture: SignedBytes::new(row.get(10)?),
        delivery: row.get(11)?,
    })
}
