//! What only the database can say: open bills, quota, seats. Then the quota is held.

use tegata_protocol::purchase::{Offer as Reply, Reservation};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::ticket::SeriesRecord;
use tegata_protocol::{TransactionNumber, Unverified, Verified};

use super::order::Order;
use super::{Asked, Fault, Handler, bill};
use crate::catalogue::Offer;
use crate::numbers;
use crate::seating::{self, Assigned};
use crate::store::{NewSale, SeriesRow, StoreError, Tables, damaged};

/// What is sold: an offer, as it was wished for, with the places that were free.
#[derive(Clone, Copy)]
struct Granted<'a> {
    offer: &'a Offer,
    wish: &'a Reservation,
    assigned: &'a Assigned,
    row: &'a SeriesRow,
}

impl Handler {
    /// Holds quota and seats and makes the bill, or says which is lacking.
    pub(super) fn grant(
        &self,
        tables: &Tables<'_>,
        asked: &Asked,
        offer: &Offer,
        wish: &Reservation,
    ) -> Result<Result<Reply, Refusal>, Fault> {
        let member = asked.request.from;
        if tables.open_bills(member)? >= self.rules.open_bills {
            return Ok(Err(Refusal::new(Code::TooManyOpenBills)));
        }
        let stock = tables.stock(offer.series)?;
        let count = wish.holders.len();
        if stock.left(offer.quota.into()) < u64::try_from(count).unwrap_or(u64::MAX) {
            return Ok(Err(Refusal::new(Code::SoldOut)));
        }
        let taken = tables.places(offer.series)?;
        let Some(assigned) = seating::assign(&offer.kind, &wish.contents, count, &taken) else {
            let why = "no such seat or room is free";
            return Ok(Err(Refusal::because(Code::SoldOut, why)));
        };
        let row = tables.series(offer.series)?;
        let row = row.ok_or_else(|| damaged("a series on sale isn't in it"))?;
        let granted = Granted {
            offer,
            wish,
            assigned: &assigned,
            row: &row,
        };
        let sale = self.sale(tables, asked, granted)?;
        tables.hold(&sale)?;
        tracing::info!(%member, series = %offer.series, sale = %sale.number, count, "bill made");
        Ok(Ok(Reply {
            bill: sale.bill,
            series: row.record,
        }))
    }

    fn sale(
        &self,
        tables: &Tables<'_>,
        asked: &Asked,
        granted: Granted<'_>,
    ) -> Result<NewSale, Fault> {
        let Granted {
            offer,
            wish,
            assigned,
            row,
        } = granted;
        let number = free_number(tables)?;
        let expires = self.now.after(self.rules.bill_seconds);
        let bill = bill::make(&bill::Sale {
            shop: self.number,
            number,
            request: asked.request.digest(),
            offer,
            contents: &assigned.contents,
            record: &*self.record(row)?,
            catalogue: &self.catalogue,
            issued: self.now,
            expires,
        })?;
        let order = Order {
            opening: asked.record.keys.opening.clone(),
            contents: assigned.contents.clone(),
            holders: wish.holders.clone(),
            keyword: wish.keyword.clone(),
            valid: bill::validities(offer, &self.catalogue, &assigned.contents),
            request: Some(asked.request.id),
        };
        Ok(NewSale {
            number,
            series: offer.series,
            member: asked.request.from,
            quantity: u32::try_from(wish.holders.len()).unwrap_or(u32::MAX),
            expires,
            request: asked.request.digest(),
            bill: self.keys.signing().sign(&bill),
            order: order.wrap(&self.keys, number),
            places: assigned.places.clone(),
        })
    }

    fn record(&self, row: &SeriesRow) -> Result<Verified<SeriesRecord>, Fault> {
        let record = Unverified::<SeriesRecord>::parse(row.record.clone())?;
        let own = self.keys.signing().verifying_key();
        let record = record.verify(&own);
        record.map_err(|e| damaged(format!("a series record: {e}")).into())
    }
}

/// A number that neither a sale of tickets nor an order of goods has.
pub(crate) fn free_number(tables: &Tables<'_>) -> Result<TransactionNumber, StoreError> {
    loop {
        let number = numbers::transaction_number();
        if !tables.sale_exists(number)? && tables.order_numbered(number)?.is_none() {
            return Ok(number);
        }
    }
}
