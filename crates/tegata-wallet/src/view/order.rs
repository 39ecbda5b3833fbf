//! Orders that were made on shops' pages.

use std::fmt;

use serde::Serialize;

use super::TimeView;
use crate::{error::WalletError, kept::KeptOrder, wallet::Wallet};

/// An order that its shop confirmed.
#[derive(Clone, Debug, Serialize)]
pub struct OrderView {
    /// The order's number at the shop.
    pub order: String,
    shop: String,
    /// The shop's name.
    pub shop_name: String,
    bill: String,
    payment: String,
    received: TimeView,
}

impl fmt::Display for OrderView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Order {} of {} ({}) is paid; the shop has confirmed it",
            self.order, self.shop_name, self.shop
        )
    }
}

impl Wallet {
    /// An order, its receipt verified again.
    ///
    /// # Errors
    /// [`WalletError::NoSuch`]; [`WalletError::State`] when it isn't what it was.
    pub fn view_order(&self, kept: &KeptOrder) -> Result<OrderView, WalletError> {
        let shop = self.state.shop(kept.shop).ok_or(WalletError::NoSuch {
            what: "shop",
            wanted: kept.shop.to_string(),
        })?;
        let receipt = kept.receipt(shop).map_err(WalletError::State)?;
        Ok(OrderView {
            order: receipt.order.to_string(),
            shop: shop.number.to_string(),
            shop_name: shop.name.clone(),
            bill: kept.bill.to_string(),
            payment: kept.payment.to_string(),
            received: kept.received.into(),
        })
    }
}
