//! A confirmation: what a shop hands over for goods by post that were ordered on its page. It's the
//! shop's signed receipt of the order. It isn't sealed: the shop doesn't know who paid, and the
//! receipt names nobody.
//!
//! It's believed if it is what the centre says that the shop was paid for, the shop signed it, and it
//! names the bill that was paid. A wallet that was restored from its words alone doesn't know the
//! bill; then the centre's word and the shop's signature count, as with tickets.

use tegata_protocol::{
    SignedBytes, Unverified, Verified,
    envelope::Message,
    order::OrderReceipt,
    payment::{Delivered, Item},
};

use super::{
    Collected, Taken,
    paid_for::{came_with, prepaid_of, unmet},
};
use crate::{
    entry::{Confirmed, Entry},
    kept::{BillStatus, KeptBill, KeptOrder, KnownShop},
    wallet::Wallet,
};
use tegata_protocol::{Digest, Time};

impl Wallet {
    pub(super) fn take_confirmation(
        &mut self,
        item: &Item,
        message: &Verified<Message<Delivered>>,
        collected: &mut Collected,
        now: Time,
    ) -> Result<Taken, String> {
        let body = &message.body;
        if self.state.orders.iter().any(|o| o.payment == body.payment) {
            return Ok(Taken::Known);
        }
        let receipt = came_with(item, body.delivery)?.to_vec();
        let receipt = Unverified::<OrderReceipt>::parse(SignedBytes::new(receipt))
            .map_err(|e| format!("what came isn't the receipt of an order: {e}"))?;
        let paid = self.state.bill_of_payment(body.payment);
        let from = match paid {
            Some(kept) => kept.shop().map_err(|e| e.to_string())?,
            None => receipt.claimed().recipient,
        };
        let shop = self.state.shop(from).ok_or_else(|| unmet(from))?;
        let receipt = receipt
            .verify(&shop.signing)
            .map_err(|_e| "the shop didn't sign it".to_owned())?;
        let bill = check_receipt(&receipt, shop, paid)?;
        // A payment that another copy of this wallet made is known by its bill at best.
        let kept = paid.or_else(|| self.state.bill(bill));
        let held = kept.map(|kept| held_for(kept, shop)).transpose()?;
        let order = KeptOrder {
            signed: receipt.signed().clone(),
            shop: shop.number,
            bill,
            payment: body.payment,
            received: now,
        };
        if let Some(kept) = self.state.bill_mut(bill) {
            kept.status = BillStatus::Confirmed;
            kept.payment = Some(body.payment);
        }
        let balance = prepaid_of(body);
        if balance.is_some() {
            self.learn_balance(balance, held.flatten(), message.time);
        }
        self.state.orders.push(order.clone());
        collected.orders.push(order.clone());
        let confirmed = Confirmed {
            order,
            amount: body.amount,
            balance,
        };
        Ok(Taken::New(vec![Entry::Confirmed(item.number, confirmed)]))
    }
}

/// Is it the shop's own, for a bill, and for the bill that was paid, if that one is known?
fn check_receipt(
    receipt: &OrderReceipt,
    shop: &KnownShop,
    paid: Option<&KeptBill>,
) -> Result<Digest, String> {
    if receipt.recipient != shop.number {
        return Err(format!("it's the receipt of {}", receipt.recipient));
    }
    let bill = receipt.bill.ok_or("it's for an order without a bill")?;
    if paid.is_some_and(|kept| kept.digest() != bill) {
        return Err("it's for another bill".to_owned());
    }
    Ok(bill)
}

/// What is no longer held, if this wallet knew of the hold. Tickets aren't paid by an order's receipt.
fn held_for(kept: &KeptBill, shop: &KnownShop) -> Result<Option<tegata_protocol::Amount>, String> {
    if kept.order.is_some() {
        return Err("it's the receipt of an order, and tickets were paid for".to_owned());
    }
    let bill = kept.bill(shop).map_err(|e| e.to_string())?;
    Ok((kept.status == BillStatus::Held).then_some(bill.totals.total))
}
