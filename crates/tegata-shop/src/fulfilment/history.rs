//! What was paid goes into the owner's history (M2, M4): once, whatever breaks.
//!
//! The database is the truth, the history a copy for its owner that opens with password A alone. A sale
//! is entered after its transaction was committed; what a crash kept out is found at the next start,
//! when everything that is paid is compared with what the history has.

use std::collections::HashSet;

use tegata_party::keys::KeysError;
use tegata_protocol::purchase::Bill;
use tegata_protocol::{SignedBytes, TransactionNumber, Unverified};

use super::{Fulfilment, FulfilmentError};
use crate::store::{GoodsOrder, OrderState, Sale, SaleState};
use crate::vault;

/// The states in which an order for goods is paid.
const PAID: [OrderState; 3] = [OrderState::Paid, OrderState::Packed, OrderState::Sent];

impl Fulfilment {
    /// Enters whatever is paid and isn't in the history yet.
    ///
    /// # Errors
    /// [`FulfilmentError`].
    pub fn catch_up_history(&self) -> Result<(), FulfilmentError> {
        let Some(sold) = self.shop.sold() else {
            return Ok(());
        };
        let known: HashSet<u64> = sold.all()?.iter().map(|sale| sale.number.wire()).collect();
        let missing = |number: &TransactionNumber| !known.contains(&number.wire());
        let (sales, orders) = self.shop.store().read(|tables| {
            let sales = tables.sales_in(SaleState::Released, u32::MAX)?;
            let mut orders = Vec::new();
            for state in PAID {
                orders.extend(tables.orders_in(state, u32::MAX)?);
            }
            Ok::<_, FulfilmentError>((sales, orders))
        })?;
        for sale in sales.iter().filter(|sale| missing(&sale.number)) {
            self.enter_sale(sale)?;
        }
        for order in orders.iter().filter(|order| missing(&order.number)) {
            self.enter_order(order)?;
        }
        Ok(())
    }

    pub(super) fn enter_sale(&self, sale: &Sale) -> Result<(), FulfilmentError> {
        self.enter(sale.number, &sale.bill)
    }

    pub(super) fn enter_order(&self, order: &GoodsOrder) -> Result<(), FulfilmentError> {
        match &order.bill {
            Some(bill) => self.enter(order.number, bill),
            // Paid by card number: the centre's credit link settles it, outside the book.
            None => Ok(()),
        }
    }

    fn enter(&self, number: TransactionNumber, bill: &SignedBytes) -> Result<(), FulfilmentError> {
        let Some(sold) = self.shop.sold() else {
            return Ok(());
        };
        let key = self.shop.registered().keys.signing().verifying_key();
        let bill = Unverified::<Bill>::parse(bill.clone())?;
        let bill = bill.verify(&key).map_err(|_e| KeysError::Foreign)?;
        let what: Vec<&str> = bill.lines.iter().map(|line| line.text.as_str()).collect();
        Ok(sold.enter(&vault::Sale {
            number,
            time: self.shop.now(),
            amount: bill.totals.total,
            what: what.join(", "),
        })?)
    }
}
