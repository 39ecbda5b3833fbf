//! Goods and their orders. The states are drawn in [`crate::orders`].

use tegata_pages::Language;
use tegata_protocol::order::OrderId;
use tegata_protocol::{Amount, Currency, Digest, PaymentId, SignedBytes, Time, TransactionNumber};
use tegata_store::{Connection, Params, Row, params};

use super::tables::{cell, digest_or_none};
use super::{Stock, StoreError, Tables, damaged};

/// What became of an order. The numbers stand in the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OrderState {
    /// Taken without a bill: it's paid by card.
    Taken,
    /// The bill is out.
    Billed,
    /// The money is held at the centre.
    Held,
    /// Paid: captured, or the card was charged.
    Paid,
    /// In its parcel.
    Packed,
    /// With the post.
    Sent,
    /// Never paid.
    Lapsed,
    /// Called off by the owner.
    Cancelled,
    /// The centre refused the capture for a reason that shouldn't be; its owner must look.
    Stuck,
}

impl OrderState {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Taken,
        Self::Billed,
        Self::Held,
        Self::Paid,
        Self::Packed,
        Self::Sent,
        Self::Lapsed,
        Self::Cancelled,
        Self::Stuck,
    ];

    const fn number(self) -> i64 {
        match self {
            Self::Taken => 1,
            Self::Billed => 2,
            Self::Held => 3,
            Self::Paid => 4,
            Self::Packed => 5,
            Self::Sent => 6,
            Self::Lapsed => 7,
            Self::Cancelled => 8,
            Self::Stuck => 9,
        }
    }

    /// The word in tables, JSON and message files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Billed => "billed",
            Self::Held => "held",
            Self::Paid => "paid",
            Self::Packed => "packed",
            Self::Sent => "sent",
            Self::Lapsed => "lapsed",
            Self::Cancelled => "cancelled",
            Self::Stuck => "stuck",
        }
    }

    /// The state of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Is nothing more to come?
    pub const fn is_over(self) -> bool {
        match self {
            Self::Sent | Self::Lapsed | Self::Cancelled => true,
            Self::Taken | Self::Billed | Self::Held | Self::Paid | Self::Packed | Self::Stuck => {
                false
            }
        }
    }

    /// How its goods count while an order is in this state.
    const fn keeps(self) -> Keeps {
        match self {
            Self::Taken | Self::Billed | Self::Held | Self::Stuck => Keeps::Held,
            Self::Paid | Self::Packed | Self::Sent => Keeps::Sold,
            Self::Lapsed | Self::Cancelled => Keeps::Nothing,
        }
    }

    /// May an order go from here to `next`?
    pub const fn may_become(self, next: Self) -> bool {
        match next {
            Self::Taken | Self::Billed => false,
            Self::Held => matches!(self, Self::Billed),
            // At once, by hold and capture, by card, or after the owner looked.
            Self::Paid => {
                matches!(self, Self::Billed | Self::Held | Self::Taken | Self::Stuck)
            }
            Self::Packed => matches!(self, Self::Paid),
            Self::Sent => matches!(self, Self::Paid | Self::Packed),
            Self::Lapsed => {
                matches!(self, Self::Taken | Self::Billed | Self::Held | Self::Stuck)
            }
            // While the centre is asked for the money nobody knows yet whether it came.
            Self::Cancelled => matches!(
                self,
                Self::Taken | Self::Billed | Self::Paid | Self::Packed | Self::Stuck
            ),
            Self::Stuck => matches!(self, Self::Billed | Self::Held),
        }
    }

    fn from_number(found: i64) -> Result<Self, StoreError> {
        let known = Self::ALL.into_iter().find(|state| state.number() == found);
        known.ok_or_else(|| damaged(format!("an order in the unknown state {found}")))
    }
}

/// How goods count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Held,
    Sold,
    Nothing,
}

/// A line of an order as it was sold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SoldLine {
    /// The product's id.
    pub product: String,
    /// What it was called then, in the customer's language.
    pub title: String,
    /// How many.
    pub quantity: u32,
    /// Quantity times price.
    pub sum: u64,
}

/// An order as it begins.
#[derive(Debug)]
pub struct NewOrder {
    /// Its number in tokens and receipts.
    pub id: OrderId,
    /// Its number on the bill, and for people.
    pub number: TransactionNumber,
    /// When it came.
    pub taken: Time,
    /// Until when it's to be paid.
    pub expires: Time,
    /// The customer's language.
    pub language: Language,
    /// What it costs.
    pub total: Amount,
    /// The signed bill; none where it's paid by card.
    pub bill: Option<SignedBytes>,
    /// The card number, sealed to the credit link; may be empty.
    pub card: Vec<u8>,
    /// The signed cart token, where there's a card.
    pub card_token: Option<SignedBytes>,
    /// What was ordered.
    pub lines: Vec<SoldLine>,
    /// When the form is erased.
    pub form: KeepForm,
}

/// How long an order's form is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeepForm {
    /// Until its owner erases it.
    UntilErased,
    /// Until the order is sent.
    UntilSent,
}

/// An order as it stands.
#[derive(Clone, Debug)]
pub struct GoodsOrder {
    /// Its number in tokens and receipts.
    pub id: OrderId,
    /// Its number on the bill, and for people.
    pub number: TransactionNumber,
    /// Where it stands.
    pub state: OrderState,
    /// When it came.
    pub taken: Time,
    /// Since when it stands there.
    pub changed: Time,
    /// Until when it's to be paid.
    pub expires: Time,
    /// The customer's language.
    pub language: Language,
    /// What it costs.
    pub total: Amount,
    /// The signed bill; none where it's paid by card.
    pub bill: Option<SignedBytes>,
    /// The card number, sealed to the credit link; may be empty.
    pub card: Vec<u8>,
    /// The signed cart token, while the card is to be passed on.
    pub card_token: Option<SignedBytes>,
    /// What shop and credit link call the card by; may be empty.
    pub card_reference: String,
    /// The payment, once the centre named it.
    pub payment: Option<PaymentId>,
    /// The signed capture, once it was made.
    pub capture: Option<SignedBytes>,
    /// The post's reference; may be empty.
    pub tracking: String,
    /// When the form is erased.
    pub form: KeepForm,
}

/// What happened to an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// When.
    pub time: Time,
    /// A state's word, `form read`, `form erased` …
    pub what: String,
    /// Who did it: `customer`, `centre`, `page`, `command`.
    pub by: String,
}

/// Why an order can't go where it should.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Not from its state.
    #[error("the order {number} is {from}: it can't become {to}")]
    NotFrom {
        /// Which.
        number: TransactionNumber,
        /// Where it stands.
        from: &'static str,
        /// Where it should go.
        to: &'static str,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StepError {
    /// That an order can't become `to`.
    pub const fn of(order: &GoodsOrder, to: OrderState) -> Self {
        Self::NotFrom {
            number: order.number,
            from: order.state.word(),
            to: to.word(),
        }
    }
}

const COLUMNS: &str = "id, number, state, taken, changed, expires, language, currency, total, bill, \
     card, card_reference, payment, capture, tracking, card_token, forget";

impl Tables<'_> {
    /// The connection, for whoever keeps tables of its own in the shop's database.
    pub const fn connection(&self) -> &Connection {
        self.connection
    }

    /// How many of a product are reserved and sold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn product_stock(&self, product: &str) -> Result<Stock, StoreError> {
        let sql = "SELECT held, sold FROM product WHERE id = $1";
        let stock = self.connection.find(sql, [product], Stock::read)?;
        Ok(stock.unwrap_or_default())
    }

    /// How many of a product are reserved by orders that nobody has paid for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unpaid_of(&self, product: &str) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(sum(quantity), 0) FROM goods_order JOIN goods_line \
             ON goods_order = id WHERE state IN ($1, $2) AND product = $3";
        let (taken, billed) = (OrderState::Taken.number(), OrderState::Billed.number());
        let values = params![taken, billed, product];
        self.connection.one(sql, values, |row| row.number(0))
    }

    fn count_product(&self, product: &str, held: i64, sold: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO product (id, held, sold) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING";
        self.connection.write_at_most_one(sql, [product])?;
        let sql = "UPDATE product SET held = held + $1, sold = sold + $2 WHERE id = $3";
        self.connection.write_one(sql, params![held, sold, product])
    }

    /// Begins an order: its goods are reserved from here on.
    ///
    /// # Errors
    /// [`StoreError`], also when there's one of that number.
    pub fn begin_order(&self, order: &NewOrder) -> Result<(), StoreError> {
        let state = match order.bill {
            Some(_) => OrderState::Billed,
            None => OrderState::Taken,
        };
        let digest = order.bill.as_ref().map(SignedBytes::digest);
        let currency = order.total.currency();
        let sql = "INSERT INTO goods_order (id, number, state, taken, changed, expires, language, \
             currency, total, bill_digest, bill, card, card_token, card_reference, payment, \
             capture, tracking, forget) \
             VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', x'', x'', '', $13)";
        let values = params![
            order.id.as_bytes(),
            cell(order.number.wire())?,
            state.number(),
            cell(order.taken.secs())?,
            cell(order.expires.secs())?,
            order.language.tag(),
            currency.code(),
            cell(order.total.minor())?,
            digest.as_ref().map_or(&[][..], |digest| digest.as_bytes()),
            order.bill.as_ref().map_or(&[][..], SignedBytes::as_bytes),
            order.card,
            order
                .card_token
                .as_ref()
                .map_or(&[][..], SignedBytes::as_bytes),
            order.form == KeepForm::UntilSent,
        ];
        self.connection.write_one(sql, values)?;
        for (place, line) in order.lines.iter().enumerate() {
            self.add_line(order.id, place, line)?;
            self.count_product(&line.product, i64::from(line.quantity), 0)?;
        }
        self.note_event(order.id, order.taken, "taken", "customer")
    }

    fn add_line(&self, order: OrderId, place: usize, line: &SoldLine) -> Result<(), StoreError> {
        let sql = "INSERT INTO goods_line (goods_order, line, product, title, quantity, sum) \
             VALUES ($1, $2, $3, $4, $5, $6)";
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        let values = params![
            order.as_bytes(),
            place,
            line.product,
            line.title,
            line.quantity,
            cell(line.sum)?
        ];
        self.connection.write_one(sql, values)
    }

    /// What was ordered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn order_lines(&self, order: OrderId) -> Result<Vec<SoldLine>, StoreError> {
        let sql = "SELECT product, title, quantity, sum FROM goods_line WHERE goods_order = $1 \
             ORDER BY line";
        self.connection.list(sql, [order.as_bytes()], |row| {
            Ok(SoldLine {
                product: row.get(0)?,
                title: row.get(1)?,
                quantity: row.get(2)?,
                sum: row.number(3)?,
            })
        })
    }

    /// Notes what happened to an order, and who did it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_event(
        &self,
        order: OrderId,
        time: Time,
        what: &str,
        by: &str,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO goods_event (goods_order, time, what, by) VALUES ($1, $2, $3, $4)";
        let values = params![order.as_bytes(), cell(time.secs())?, what, by];
        self.connection.write_one(sql, values)
    }

    /// What happened to an order, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn order_events(&self, order: OrderId) -> Result<Vec<Event>, StoreError> {
        let sql = "SELECT time, what, by FROM goods_event WHERE goods_order = $1 ORDER BY number";
        self.connection.list(sql, [order.as_bytes()], |row| {
            Ok(Event {
                time: Time::from_secs(row.number(0)?),
                what: row.get(1)?,
                by: row.get(2)?,
            })
        })
    }

    /// The order of this number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn goods_order(&self, id: OrderId) -> Result<Option<GoodsOrder>, StoreError> {
        self.one_order("id = $1", [id.as_bytes()])
    }

    /// The order with this number on its bill.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn order_numbered(
        &self,
        number: TransactionNumber,
    ) -> Result<Option<GoodsOrder>, StoreError> {
        self.one_order("number = $1", [cell(number.wire())?])
    }

    /// The order with this bill.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn order_of_bill(&self, bill: Digest) -> Result<Option<GoodsOrder>, StoreError> {
        self.one_order(
            "bill_digest = $1 AND length(bill_digest) > 0",
            [bill.as_bytes()],
        )
    }

    /// The order that this payment paid.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn order_of_payment(&self, payment: PaymentId) -> Result<Option<GoodsOrder>, StoreError> {
        let filter = "payment = $1 AND length(payment) > 0";
        self.one_order(filter, [payment.digest().as_bytes()])
    }

    fn one_order(
        &self,
        filter: &str,
        parameters: impl Params,
    ) -> Result<Option<GoodsOrder>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM goods_order WHERE {filter}");
        self.connection.find(&sql, parameters, read_order)
    }

    /// The orders in a state, the first to expire first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn orders_in(&self, state: OrderState, limit: u32) -> Result<Vec<GoodsOrder>, StoreError> {
        let filter = "state = $1 ORDER BY expires, number LIMIT $2";
        self.many_orders(filter, params![state.number(), limit])
    }

    /// The newest orders, at most `limit`; of one state only, if one is named.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_orders(
        &self,
        state: Option<OrderState>,
        limit: u32,
    ) -> Result<Vec<GoodsOrder>, StoreError> {
        let filter = "($1 = 0 OR state = $1) ORDER BY taken DESC, number LIMIT $2";
        self.many_orders(filter, params![state.map_or(0, OrderState::number), limit])
    }

    fn many_orders(
        &self,
        filter: &str,
        parameters: impl Params,
    ) -> Result<Vec<GoodsOrder>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM goods_order WHERE {filter}");
        self.connection.list(&sql, parameters, read_order)
    }

    /// How many orders there are in each state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_orders(&self) -> Result<Vec<(OrderState, u64)>, StoreError> {
        let sql = "SELECT state, count(*) FROM goods_order GROUP BY state ORDER BY state";
        self.connection.list(sql, [], |row| {
            Ok((OrderState::from_number(row.get(0)?)?, row.number(1)?))
        })
    }

    /// Takes an order from the state that it was read in to another; its goods follow.
    ///
    /// # Errors
    /// [`StepError`], also when it isn't in that state any more.
    pub fn step_order(
        &self,
        order: &GoodsOrder,
        to: OrderState,
        now: Time,
        by: &str,
    ) -> Result<(), StepError> {
        let from = order.state;
        let not_from = StepError::of(order, to);
        if !from.may_become(to) {
            return Err(not_from);
        }
        let sql = "UPDATE goods_order SET state = $1, changed = $2 WHERE id = $3 AND state = $4";
        let values = params![
            to.number(),
            cell(now.secs())?,
            order.id.as_bytes(),
            from.number()
        ];
        if !self.connection.write_at_most_one(sql, values)? {
            return Err(not_from);
        }
        self.move_goods(order.id, from.keeps(), to.keeps())?;
        if to.keeps() == Keeps::Nothing {
            self.forget_card(order.id)?;
        }
        Ok(self.note_event(order.id, now, to.word(), by)?)
    }

    fn move_goods(&self, order: OrderId, from: Keeps, to: Keeps) -> Result<(), StoreError> {
        if from == to {
            return Ok(());
        }
        for line in self.order_lines(order)? {
            let count = |keeps| match keeps {
                true => i64::from(line.quantity),
                false => 0,
            };
            let held = count(to == Keeps::Held) - count(from == Keeps::Held);
            let sold = count(to == Keeps::Sold) - count(from == Keeps::Sold);
            self.count_product(&line.product, held, sold)?;
        }
        Ok(())
    }

    /// Keeps which payment an order waits for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_order_payment(&self, id: OrderId, payment: PaymentId) -> Result<(), StoreError> {
        let sql = "UPDATE goods_order SET payment = $1 WHERE id = $2";
        let digest = payment.digest();
        let values = params![digest.as_bytes(), id.as_bytes()];
        self.connection.write_one(sql, values)
    }

    /// Keeps the signed capture of an order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_order_capture(&self, id: OrderId, signed: &SignedBytes) -> Result<(), StoreError> {
        let sql = "UPDATE goods_order SET capture = $1 WHERE id = $2";
        let values = params![signed.as_bytes(), id.as_bytes()];
        self.connection.write_one(sql, values)
    }

    /// Keeps the post's reference.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_tracking(&self, id: OrderId, tracking: &str) -> Result<(), StoreError> {
        let sql = "UPDATE goods_order SET tracking = $1 WHERE id = $2";
        let values = params![tracking, id.as_bytes()];
        self.connection.write_one(sql, values)
    }

    /// The credit link has the card: keeps its reference and forgets the sealed number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_card(&self, id: OrderId, reference: &str) -> Result<(), StoreError> {
        let sql = "UPDATE goods_order SET card_reference = $1, card = x'', card_token = x'' \
             WHERE id = $2";
        let values = params![reference, id.as_bytes()];
        self.connection.write_one(sql, values)
    }

    /// An order that comes to nothing needs nobody's card.
    fn forget_card(&self, id: OrderId) -> Result<(), StoreError> {
        let sql = "UPDATE goods_order SET card = x'', card_token = x'' WHERE id = $1";
        self.connection.write_one(sql, [id.as_bytes()])
    }

    /// Orders whose sealed card number is still to be passed on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn orders_with_card(&self, limit: u32) -> Result<Vec<GoodsOrder>, StoreError> {
        let filter = "state = $1 AND length(card) > 0 ORDER BY taken LIMIT $2";
        self.many_orders(filter, params![OrderState::Taken.number(), limit])
    }
}

fn read_order(row: &Row<'_>) -> Result<GoodsOrder, StoreError> {
    let wrong = |e: tegata_protocol::Malformed| damaged(e.to_string());
    let signed = |bytes: Vec<u8>| (!bytes.is_empty()).then(|| SignedBytes::new(bytes));
    let language: String = row.get(6)?;
    let currency = Currency::new(&row.get::<String>(7)?).map_err(wrong)?;
    Ok(GoodsOrder {
        id: OrderId::from_bytes(row.get(0)?),
        number: TransactionNumber::new(row.number(1)?).map_err(wrong)?,
        state: OrderState::from_number(row.get(2)?)?,
        taken: Time::from_secs(row.number(3)?),
        changed: Time::from_secs(row.number(4)?),
        expires: Time::from_secs(row.number(5)?),
        language: Language::from_tag(&language).unwrap_or_default(),
        total: Amount::new(row.number(8)?, currency).map_err(wrong)?,
        bill: signed(row.get(9)?),
        card: row.get(10)?,
        card_reference: row.get(11)?,
        payment: digest_or_none(row, 12)?.map(PaymentId::new),
        capture: signed(row.get(13)?),
        tracking: row.get(14)?,
        card_token: signed(row.get(15)?),
        form: match row.get(16)? {
            true => KeepForm::UntilSent,
            false => KeepForm::UntilErased,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_go_forward_only() {
        use OrderState::{Billed, Cancelled, Held, Lapsed, Packed, Paid, Sent, Stuck, Taken};
        let ways: Vec<(OrderState, OrderState)> = OrderState::ALL
            .into_iter()
            .flat_map(|from| OrderState::ALL.map(|to| (from, to)))
            .filter(|(from, to)| from.may_become(*to))
            .collect();
        let expected = [
            (Taken, Paid),
            (Taken, Lapsed),
            (Taken, Cancelled),
            (Billed, Held),
            (Billed, Paid),
            (Billed, Lapsed),
            (Billed, Cancelled),
            (Billed, Stuck),
            (Held, Paid),
            (Held, Lapsed),
            (Held, Stuck),
            (Paid, Packed),
            (Paid, Sent),
            (Paid, Cancelled),
            (Packed, Sent),
            (Packed, Cancelled),
            (Stuck, Paid),
            (Stuck, Lapsed),
            (Stuck, Cancelled),
        ];
        assert_eq!(ways, expected);
        for state in OrderState::ALL {
            assert_eq!(OrderState::from_word(state.word()), Some(state));
            let stays = OrderState::ALL.into_iter().all(|to| !state.may_become(to));
            assert_eq!(state.is_over(), stays, "{state:?}");
        }
    }
}
