//! What needs no card on a reader: receipts that came by another way, lost cards, questions.

use tegata_card::keys::Csn;
use tegata_card::receipt::{Kind, Receipt};
use tegata_card_service::{
    CardKeysRefusal, Fate, Known, OrderId, RECEIPTS_LIMIT, ReceiptBytes, Response,
};

use super::{Desk, Flow, balance_after, limits_told};
use crate::store::{MoneyOrder, OrderState, Reason, StoreError, damaged};

impl Desk<'_> {
    /// Did that card make this receipt?
    pub(super) fn check(&self, bytes: &[u8]) -> Result<Response, StoreError> {
        let Some(receipt) = Receipt::parse(bytes) else {
            return Ok(Response::Checked(false));
        };
        let ours = self.store.read().card(receipt.csn)?.is_some();
        Ok(Response::Checked(ours && self.verified(receipt).is_some()))
    }

    /// What is known of a card.
    pub(super) fn known(&self, csn: Csn) -> Result<Option<Known>, StoreError> {
        let tables = self.store.read();
        let Some(card) = tables.card(csn)? else {
            return Ok(None);
        };
        let doubt = tables.order_in_doubt(csn)?;
        Ok(Some(Known {
            counter: card.counter,
            balance: card.balance,
            in_doubt: doubt.map(|order| OrderId(order.transaction.id)),
            denied: card.denied,
            limits: limits_told(&card),
        }))
    }

    /// The kept receipts of a card above a counter.
    pub(super) fn receipts(&self, csn: Csn, above: u32) -> Result<Response, StoreError> {
        let tables = self.store.read();
        if tables.card(csn)?.is_none() {
            return Ok(Response::Refused(CardKeysRefusal::UnknownCard));
        }
        let receipts = tables.receipts_above(csn, above, RECEIPTS_LIMIT)?;
        let bytes = receipts.iter().map(|r| ReceiptBytes(r.to_bytes()));
        Ok(Response::Receipts(bytes.collect()))
    }

    /// What became of an order.
    pub(super) fn find(&self, id: OrderId) -> Result<Response, StoreError> {
        let tables = self.store.read();
        let Some(order) = tables.order(id.0)? else {
            return Ok(Response::Found(Fate::Unknown));
        };
        Ok(Response::Found(match order.state {
            OrderState::Pending => Fate::InDoubt,
            OrderState::Void | OrderState::Refused => Fate::NotCarriedOut,
            OrderState::Done => {
                let receipt = tables.receipt(order.csn, order.transaction.counter)?;
                let its = receipt.filter(|receipt| order.is_met_by(receipt));
                let its = its.ok_or_else(|| damaged("an order's receipt is gone"))?;
                Fate::CarriedOut(its.to_bytes())
            }
        }))
    }

    /// A lost card: no session any more.
    pub(super) fn deny(&mut self, csn: Csn) -> Result<Response, StoreError> {
        if self.store.read().card(csn)?.is_none() {
            return Ok(Response::Refused(CardKeysRefusal::UnknownCard));
        }
        self.store
            .write(|tables| tables.change_card(csn, |card| card.denied = true))?;
        tracing::info!(card = %csn, "denied");
        self.known(csn).map(Response::Card)
    }

    /// Keeps a receipt that came by another way. Each counts once per card and counter; another
    /// with the same counter says that the card was copied.
    pub(super) fn submit(&mut self, bytes: &[u8]) -> Result<Response, StoreError> {
        let Some(receipt) = Receipt::parse(bytes) else {
            return Ok(Response::Checked(false));
        };
        let (csn, counter) = (receipt.csn, receipt.transaction.counter);
        if self.store.read().card(csn)?.is_none() {
            return Ok(Response::Refused(CardKeysRefusal::UnknownCard));
        }
        let Some(verified) = self.verified(receipt) else {
            return Ok(Response::Checked(false));
        };
        match self.store.read().receipt(csn, counter)? {
            Some(known) if known == receipt => {
                return Ok(Response::Kept {
                    known: true,
                    copy_of: None,
                });
            }
            Some(known) => {
                let response = Response::Kept {
                    known: false,
                    copy_of: Some(known.to_bytes()),
                };
                let receipts = (Some(&known), Some(&receipt));
                let flow = self.denied(csn, Reason::ReceiptDiffers, receipts, response)?;
                let (Flow::End(response) | Flow::Wait(response, _)) = flow;
                return Ok(response);
            }
            None => {}
        }
        self.store.write(|tables| {
            tables.keep_receipt(&verified)?;
            let order = tables.order_in_doubt(csn)?;
            let card = tables.known_card(csn)?;
            let follows = counter == card.counter.saturating_add(1)
                && balance_after(card.balance, &receipt) == Some(receipt.balance);
            if let Some(state) = order.filter(|_| follows).and_then(|o| ending(&o, &receipt)) {
                tables.end_order(receipt.transaction.id, state)?;
                tables.change_card(csn, |card| {
                    card.counter = counter;
                    card.balance = receipt.balance;
                })?;
            }
            Ok(())
        })?;
        Ok(Response::Kept {
            known: false,
            copy_of: None,
        })
    }
}

/// How an order in doubt ended, if that receipt says so.
fn ending(order: &MoneyOrder, receipt: &Receipt) -> Option<OrderState> {
    if order.is_met_by(receipt) {
        return Some(OrderState::Done);
    }
    let void = receipt.kind == Kind::Void && receipt.transaction.id == order.transaction.id;
    void.then_some(OrderState::Void)
}
